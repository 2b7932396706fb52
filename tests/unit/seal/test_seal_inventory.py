"""The inventory is a valid CycloneDX CBOM, complete, coherent, and without anything private."""

from __future__ import annotations

import base64
import json
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from seal_world import NOW, World, make_world

from intertie.seal.algorithm_table import algorithms, hybrid_groups
from intertie.seal.inventory import Holdings, Inventories, write_inventory
from intertie.seal.policy_settings import DEFAULT, AlgorithmEnd, PolicySettings
from intertie.seal.profile import PROFILES


@lru_cache
def written() -> tuple[World, bytes]:
    world = make_world()
    holdings = Holdings(world.agg, world.trust, [world.util.public()])
    return world, write_inventory(holdings, DEFAULT, NOW)


def components(raw: bytes, kind: str | None = None) -> dict[str, Any]:
    found = {one["bom-ref"]: one for one in json.loads(raw)["components"]}
    if kind is None:
        return found
    return {ref: one for ref, one in found.items() if one["cryptoProperties"]["assetType"] == kind}


def note(component: dict[str, Any], name: str) -> str:
    return next(p["value"] for p in component["properties"] if p["name"] == f"intertie:{name}")


def check_schema(raw: bytes) -> None:
    """Against the schema that CycloneDX publishes (it comes with its library), strictly."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(raw.decode()) is None


def test_it_is_valid() -> None:
    _, raw = written()
    check_schema(raw)
    head = json.loads(raw)
    assert (head["bomFormat"], head["specVersion"]) == ("CycloneDX", "1.6")
    assert head["metadata"]["component"]["name"] == "intertie"
    assert head["metadata"]["timestamp"].startswith("2026-11-22T12:00:00")


def test_the_schema_can_refuse() -> None:
    _, raw = written()
    wrong = json.loads(raw)
    wrong["components"][0]["cryptoProperties"]["assetType"] = "secret"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(wrong)) is not None


def test_every_algorithm_with_its_quantum_level() -> None:
    _, raw = written()
    found = {one["name"]: one for one in components(raw, "algorithm").values()}
    assert set(found) == set(algorithms()) - {"RSA-2048", "RSA-3072"}
    for name, component in found.items():
        properties = component["cryptoProperties"]["algorithmProperties"]
        assert properties["nistQuantumSecurityLevel"] == algorithms()[name].category
        assert properties["classicalSecurityLevel"] == algorithms()[name].strength
        assert note(component, "source") and note(component, "certainty")
    assert found["MLKEM768-X25519"]["cryptoProperties"]["algorithmProperties"]["primitive"] == "combiner"
    assert found["X25519"]["cryptoProperties"]["algorithmProperties"]["primitive"] == "kem"
    assert note(found["ES256"], "acceptable-until") == "2035-12-31"


def test_profiles_and_tls_name_their_algorithms() -> None:
    _, raw = written()
    protocols = components(raw, "protocol")
    for profile in PROFILES.values():
        component = protocols[f"protocol/parcel/{profile.name}"]
        properties = component["cryptoProperties"]["protocolProperties"]
        assert [suite["name"] for suite in properties["cipherSuites"]] == [profile.suite]
        wanted = {
            f"algorithm/{name}" for name in (*profile.signatures, profile.kem, profile.cipher, profile.hash)
        }
        assert wanted <= set(properties["cryptoRefArray"])
    tls = protocols["protocol/tls"]["cryptoProperties"]["protocolProperties"]
    assert (tls["type"], tls["version"]) == ("tls", "1.3")
    assert [suite["name"] for suite in tls["cipherSuites"]] == [
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
    ]
    assert {f"algorithm/{group}" for group in hybrid_groups()} < set(tls["cryptoRefArray"])


def test_certificates_and_keys_hang_together() -> None:
    world, raw = written()
    everything = components(raw)
    certificates = components(raw, "certificate")
    assert (
        len(certificates) == 2 + 4 + 1 + 4
    )  # roots; our signing chains and TLS; the partner's signing chains
    for component in certificates.values():
        properties = component["cryptoProperties"]["certificateProperties"]
        assert properties["signatureAlgorithmRef"] in everything
        key = everything[properties["subjectPublicKeyRef"]]["cryptoProperties"]
        material = key["relatedCryptoMaterialProperties"]
        assert material["type"] == "public-key"
        assert material["algorithmRef"] == f"algorithm/{note(component, 'key-algorithm')}"
    private = [
        one["cryptoProperties"]["relatedCryptoMaterialProperties"]
        for one in components(raw, "related-crypto-material").values()
        if one["bom-ref"].startswith("private-key/")
    ]
    assert len(private) == 4 + 1 + len(world.agg.opening)
    assert {one["id"] for one in private} > set(world.agg.opening)
    assert all("value" not in one for one in private)


def test_dependencies_point_to_what_is_there() -> None:
    _, raw = written()
    refs = set(components(raw)) | {"intertie"}
    for line in json.loads(raw)["dependencies"]:
        assert line["ref"] in refs and set(line.get("dependsOn", ())) <= refs
    uses = {line["ref"]: line.get("dependsOn", []) for line in json.loads(raw)["dependencies"]}
    assert "algorithm/ML-DSA-65" in uses["protocol/parcel/hybrid"]
    assert all(uses[ref] for ref in refs if ref.startswith(("certificate/", "private-key/", "protocol/")))


def test_nothing_private_is_in_it() -> None:
    world, raw = written()
    secrets = [key.private for key in world.agg.opening.values()]
    private = [key.key for key in world.agg.signing.values()]
    tls = load_pem_private_key(world.agg.tls.key, None)
    secrets += [
        key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())[-32:] for key in (*private, tls)
    ]
    for secret in secrets:
        for form in (
            secret,
            secret.hex().encode(),
            base64.b64encode(secret),
            base64.urlsafe_b64encode(secret),
        ):
            assert form.rstrip(b"=") not in raw
    assert b"PRIVATE KEY" not in raw


def test_settings_show() -> None:
    world, _ = written()
    settings = PolicySettings(ends=(AlgorithmEnd(algorithm="ML-DSA-65", day=date(2031, 1, 1)),))
    raw = write_inventory(Holdings(world.agg, world.trust), settings, NOW)
    check_schema(raw)
    assert note(components(raw)["algorithm/ML-DSA-65"], "acceptable-until") == "2031-01-01"
    key = next(
        one["cryptoProperties"]["relatedCryptoMaterialProperties"]
        for one in components(raw).values()
        if one["name"] == "ML-DSA-65 key of agg.example" and one["bom-ref"].startswith("private-key/")
    )
    since = NOW - timedelta(hours=1)
    assert key["expirationDate"].startswith(str((since + timedelta(days=730)).date()))


@pytest.mark.parametrize("holdings", [Holdings(None, None), Holdings(None, make_world().trust)])
def test_a_gateway_without_keys_has_algorithms_still(holdings: Holdings) -> None:
    raw = write_inventory(holdings, DEFAULT, NOW)
    check_schema(raw)
    assert "algorithm/ES256" in components(raw) and "private-key" not in raw.decode()


def test_one_after_the_other_says_what_is_held_at_that_time(monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world()
    holdings = Holdings(world.agg, world.trust, [world.util.public()])
    made: list[Holdings] = []

    def counted(*given: Any) -> bytes:
        made.append(given[0])
        return write_inventory(*given)

    monkeypatch.setattr("intertie.seal.inventory.write_inventory", counted)
    inventories = Inventories()
    first = inventories.write(holdings, DEFAULT, NOW)
    check_schema(first)
    assert stamped(first)[:1] == stamped(write_inventory(holdings, DEFAULT, NOW))[:1]
    later = NOW + timedelta(days=1)
    again = inventories.write(Holdings(world.agg, world.trust, [world.util.public()]), DEFAULT, later)
    assert made == [holdings], "nothing has changed: only its time and its number are new"
    (rest, when, number), (same, then, other) = stamped(again), stamped(first)
    assert rest == same and number != other and (when, then) == (later.isoformat(), NOW.isoformat())
    check_schema(again)
    alone = inventories.write(Holdings(world.agg, world.trust), DEFAULT, later)
    settings = PolicySettings(ends=(AlgorithmEnd(algorithm="ML-DSA-65", day=date(2031, 1, 1)),))
    stricter = inventories.write(holdings, settings, later)
    assert len(made) == 3 and alone != again
    assert note(components(stricter)["algorithm/ML-DSA-65"], "acceptable-until") == "2031-01-01"


def stamped(raw: bytes) -> tuple[dict[str, Any], str, str]:
    """An inventory without its time and number, which are beside it."""
    said = json.loads(raw)
    return said, said["metadata"].pop("timestamp"), said.pop("serialNumber")
