"""Descriptors: a party says who it is, signed by itself, under roots that the reader trusts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from seal_world import World

from intertie.model.errors import Code, Refused
from intertie.model.party import Party
from intertie.seal.descriptor import (
    DESCRIPTOR_TYP,
    check_not_weaker,
    descriptor_end,
    read_descriptor,
    write_descriptor,
)
from intertie.seal.encoding import from_base64url, to_base64url, write_canonical
from intertie.seal.jws import sign_json
from intertie.seal.keys import OlderChain, PrivateKeys, generate_keys
from intertie.seal.parcel import open_frame, read_frame, verify_manifest
from intertie.seal.policy_settings import PolicySettings
from intertie.seal.profile import PROFILES
from intertie.seal.trial_ca import TrialCa

URL = "https://agg.example:8443"


def write(world: World, keys: PrivateKeys | None = None, **more: object) -> bytes:
    keys = keys or world.agg
    party = Party(id=keys.party, name="An Aggregator", roles=keys.roles)
    arguments = {"url": URL, "sequence": 3, "now": world.now, "end": world.now + timedelta(days=30)} | more
    return write_descriptor(party, keys, **arguments)  # type: ignore[arg-type]


def resigned(world: World, change: dict[str, object]) -> bytes:
    """The descriptor with other members, signed by the party itself."""
    body = json.loads(from_base64url(json.loads(write(world))["payload"])) | change
    signers = [world.agg.signing[alg] for alg in PROFILES["hybrid"].signatures]
    return sign_json(write_canonical(body), DESCRIPTOR_TYP, signers)


def test_round_trip(world: World) -> None:
    found = read_descriptor(write(world), world.trust, world.now)
    assert (found.party, found.name, found.url, found.sequence) == (world.agg.party, "An Aggregator", URL, 3)
    assert found.roles == world.agg.roles
    assert found.keys == world.agg.public()


def test_a_party_without_a_door_names_none(world: World) -> None:
    raw = write(world, url="")
    assert "url" not in json.loads(from_base64url(json.loads(raw)["payload"]))
    assert read_descriptor(raw, world.trust, world.now).url == ""


def test_a_partner_known_by_its_descriptor_is_served(world: World) -> None:
    util = read_descriptor(write(world, world.util), world.trust, world.now).keys
    assert world.seal([b"x"], "hybrid-high", recipient=util).header.recipient == world.util.party


def test_roots_that_are_not_trusted(world: World) -> None:
    other = TrialCa.create("Other", world.now, world.now + timedelta(days=1)).trust()
    with pytest.raises(Refused) as refused:
        read_descriptor(write(world), other, world.now)
    assert refused.value.code is Code.CERTIFICATE_UNTRUSTED


@pytest.mark.parametrize("days", [-1, 31, 800])
def test_outside_its_time(world: World, days: int) -> None:
    with pytest.raises(Refused) as refused:
        read_descriptor(write(world), world.trust, world.now + timedelta(days=days))
    assert refused.value.code is Code.CERTIFICATE_EXPIRED


def test_a_classical_descriptor_is_taken_if_it_ends_before_the_horizon(world: World) -> None:
    keys = generate_keys(world.agg.party, world.agg.roles, world.ca, world.now, ["classical"])
    raw = write(world, keys)
    assert set(read_descriptor(raw, world.trust, world.now).keys.signing) == {"ES256"}
    soon = PolicySettings(harvest_horizon=world.now.date())
    with pytest.raises(Refused, match="has to be signed with hybrid, not classical") as refused:
        read_descriptor(raw, world.trust, world.now, policy=soon)
    assert refused.value.code is Code.PROTECTION_TOO_WEAK


def test_a_newer_descriptor_takes_no_profile_away(world: World) -> None:
    keys = generate_keys(world.agg.party, world.agg.roles, world.ca, world.now, ["classical"])
    strong, weak = world.agg.public(), read_descriptor(write(world, keys), world.trust, world.now).keys
    check_not_weaker(strong, strong)
    check_not_weaker(weak, strong)
    with pytest.raises(Refused, match="no keys for hybrid, hybrid-high any more") as refused:
        check_not_weaker(strong, weak)
    assert refused.value.code is Code.PROTECTION_TOO_WEAK


def test_the_end_of_a_descriptor_can_be_read_when_it_is_over(world: World) -> None:
    assert descriptor_end(write(world)) == world.now + timedelta(days=30)
    for raw in (b"", b"{}", b"x" * 300_000):
        with pytest.raises(Refused) as refused:
            descriptor_end(raw)
        assert refused.value.code is Code.BAD_MANIFEST


def test_no_keys_no_descriptor(world: World) -> None:
    keys = PrivateKeys(world.agg.party, world.agg.roles, {}, world.agg.opening, world.agg.tls)
    with pytest.raises(Refused, match="make up no profile"):
        write(world, keys)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"v": 2}, Code.BAD_MANIFEST),
        ({"extra": 1}, Code.BAD_MANIFEST),
        ({"roles": []}, Code.BAD_MANIFEST),
        ({"roles": ["der_aggregator", "der_aggregator"]}, Code.BAD_MANIFEST),
        ({"roles": ["emperor"]}, Code.BAD_MANIFEST),
        ({"url": "http://agg.example"}, Code.BAD_MANIFEST),
        ({"url": ""}, Code.BAD_MANIFEST),  # left out, or an address
        ({"url": "https://agg.example/ x"}, Code.BAD_MANIFEST),
        ({"sequence": 0}, Code.BAD_MANIFEST),
        ({"since": "2026-11-22T13:00:00+01:00"}, Code.BAD_MANIFEST),
        ({"jwks": {}}, Code.BAD_MANIFEST),
        ({"jwks": {"keys": []}}, Code.BAD_MANIFEST),
        ({"keys": []}, Code.BAD_MANIFEST),
        ({"party": "other.example"}, Code.CERTIFICATE_NOT_SENDER),
    ],
)
def test_signed_but_wrong(world: World, change: dict[str, object], code: Code) -> None:
    with pytest.raises(Refused) as refused:
        read_descriptor(resigned(world, change), world.trust, world.now)
    assert refused.value.code is code


def keys_in(world: World, keys: PrivateKeys | None = None) -> list[dict[str, object]]:
    """The JWKs of a descriptor, in order."""
    found: list[dict[str, object]] = json.loads(from_base64url(json.loads(write(world, keys))["payload"]))[
        "jwks"
    ]["keys"]
    return found


SIG = {"ES256", "ES384", "ML-DSA-65", "ML-DSA-87"}


@pytest.mark.parametrize(
    ("alg", "change"),
    [
        ("ES256", {"kid": "0" * 16}),
        ("ES256", {"x": "A" * 43}),
        ("ES256", {"crv": "P-384"}),
        ("ES256", {"kty": "AKP"}),
        ("ES256", {"alg": "ES384"}),
        ("ES256", {"x5c": []}),
        ("ES256", {"x5c": ["AA"]}),
        ("ES256", {"x5t#S256": "A" * 43}),
        ("ES256", {"use": "enc"}),
        ("ES256", {"key_ops": ["verify"]}),
        ("ES256", {"x5u": "https://agg.example/cert"}),
        ("ML-DSA-65", {"pub": "AAAA"}),
        ("ML-DSA-65", {"alg": "ML-DSA-87"}),
        ("ML-DSA-65", {"exp": -1}),
        (PROFILES["classical"].suite, {"x": "AA"}),
        (PROFILES["classical"].suite, {"x": "A" * 43}),
        (PROFILES["classical"].suite, {"kty": "AKP", "pub": "A" * 43}),
        (PROFILES["hybrid"].suite, {"kid": "0" * 16}),
        (PROFILES["hybrid"].suite, {"alg": PROFILES["classical"].suite}),
        (PROFILES["hybrid"].suite, {"use": "sig"}),
    ],
)
def test_a_key_whose_members_do_not_agree(world: World, alg: str, change: dict[str, object]) -> None:
    keys = [key | change if key["alg"] == alg else key for key in keys_in(world)]
    assert keys != keys_in(world)
    with pytest.raises(Refused) as refused:
        read_descriptor(resigned(world, {"jwks": {"keys": keys}}), world.trust, world.now)
    assert refused.value.code in {Code.BAD_MANIFEST, Code.CERTIFICATE_UNTRUSTED}


def test_keys_out_of_order_or_twice(world: World) -> None:
    keys = keys_in(world)
    for wrong in ([*keys[1:], keys[0]], [*keys, keys[-1]]):
        with pytest.raises(Refused) as refused:
            read_descriptor(resigned(world, {"jwks": {"keys": wrong}}), world.trust, world.now)
        assert refused.value.code is Code.BAD_MANIFEST


def test_chains_that_did_not_sign_are_checked_too(world: World) -> None:
    of_other = {key["alg"]: key for key in keys_in(world, world.util)}["ES384"]
    keys = [of_other if key["alg"] == "ES384" else key for key in keys_in(world)]
    with pytest.raises(Refused) as refused:
        read_descriptor(resigned(world, {"jwks": {"keys": keys}}), world.trust, world.now)
    assert refused.value.code is Code.CERTIFICATE_NOT_SENDER


def test_a_descriptor_that_lost_its_signer_names_an_unknown_certificate(world: World) -> None:
    keys = [key for key in keys_in(world) if key["alg"] != "ES256"]
    with pytest.raises(Refused) as refused:
        read_descriptor(resigned(world, {"jwks": {"keys": keys}}), world.trust, world.now)
    assert refused.value.code is Code.UNKNOWN_CERTIFICATE


def turned(world: World) -> PrivateKeys:
    """The aggregator's keys after a rotation: the older ones are still accepted for ten days."""
    new = generate_keys(world.agg.party, world.agg.roles, world.ca, world.now)
    end = world.now + timedelta(days=10)
    older = tuple(OlderChain(alg, key.chain, end) for alg, key in world.agg.signing.items())
    return replace(new, opening={**new.opening, **world.agg.opening}, older=older)


def test_during_a_rotation_both_generations_are_known_newest_first(world: World) -> None:
    new = turned(world)
    found = read_descriptor(write(world, new), world.trust, world.now).keys
    assert found == new.public()
    for alg in SIG:
        assert found.signing[alg] == (new.signing[alg].chain, world.agg.signing[alg].chain)
        assert found.signing_at(world.now)[alg] == found.signing[alg]
        assert found.signing_at(world.now + timedelta(days=10))[alg] == (new.signing[alg].chain,)
    for profile in PROFILES.values():
        key = found.sealing_key(profile.suite)
        assert key is not None and key.kid in new.opening and key.kid not in world.agg.opening


def test_what_was_signed_with_the_older_key_is_accepted_until_its_end(world: World) -> None:
    known = read_descriptor(write(world, turned(world)), world.trust, world.now).keys
    parcel = world.seal([b"x"])
    frame = read_frame(parcel.blob, limit=1 << 20)
    opened = open_frame(frame, world.util)
    last = world.now + timedelta(days=10) - timedelta(seconds=1)
    assert verify_manifest(frame, opened, known, world.trust, last).manifest.count == 1
    with pytest.raises(Refused) as refused:
        verify_manifest(frame, opened, known, world.trust, world.now + timedelta(days=10))
    assert refused.value.code is Code.UNKNOWN_CERTIFICATE


def test_a_revoked_older_certificate_is_left_out_and_the_descriptor_stands(world: World) -> None:
    old = world.agg.signing["ES384"].chain[0]
    trust = world.trust.with_revoked(old, world.now)
    found = read_descriptor(write(world, turned(world)), trust, world.now).keys
    assert [chain[0] for chain in found.signing["ES384"]] != [] and old not in {
        chain[0] for chain in found.signing["ES384"]
    }


def test_changed_after_signing(world: World) -> None:
    general = json.loads(write(world))
    body = json.loads(from_base64url(general["payload"])) | {"url": "https://other.example"}
    raw = write_canonical(general | {"payload": to_base64url(write_canonical(body))})
    with pytest.raises(Refused) as refused:
        read_descriptor(raw, world.trust, world.now)
    assert refused.value.code is Code.SIGNATURE_INVALID
