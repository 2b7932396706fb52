"""Descriptors: a party says who it is, signed by itself, under roots that the reader trusts."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from seal_world import World

from intertie.model.errors import Code, Refused
from intertie.model.party import Party
from intertie.seal.descriptor import DESCRIPTOR_TYP, read_descriptor, write_descriptor
from intertie.seal.encoding import from_base64url, to_base64url, write_canonical
from intertie.seal.jws import sign_json
from intertie.seal.keys import PrivateKeys, generate_keys
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


def test_weak_descriptors_are_taken_only_where_asked_for(world: World) -> None:
    keys = generate_keys(world.agg.party, world.agg.roles, world.ca, world.now, ["classical"])
    raw = write(world, keys)
    with pytest.raises(Refused) as refused:
        read_descriptor(raw, world.trust, world.now)
    assert refused.value.code is Code.PROTECTION_TOO_WEAK
    found = read_descriptor(raw, world.trust, world.now, least=PROFILES["classical"])
    assert set(found.keys.signing) == {"ES256"}


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
        ({"url": "https://agg.example/ x"}, Code.BAD_MANIFEST),
        ({"sequence": 0}, Code.BAD_MANIFEST),
        ({"since": "2026-11-22T13:00:00+01:00"}, Code.BAD_MANIFEST),
        ({"keys": []}, Code.BAD_MANIFEST),
        (
            {"keys": [{"kid": "0" * 16, "suite": PROFILES["classical"].suite, "public": "AA"}]},
            Code.BAD_MANIFEST,
        ),
        (
            {"keys": [{"kid": "0" * 16, "suite": PROFILES["classical"].suite, "public": "A" * 43}]},
            Code.BAD_MANIFEST,
        ),
        ({"party": "other.example"}, Code.CERTIFICATE_NOT_SENDER),
        ({"x5c": {}}, Code.CERTIFICATE_UNTRUSTED),
    ],
)
def test_signed_but_wrong(world: World, change: dict[str, object], code: Code) -> None:
    with pytest.raises(Refused) as refused:
        read_descriptor(resigned(world, change), world.trust, world.now)
    assert refused.value.code is code


def test_chains_that_did_not_sign_are_checked_too(world: World) -> None:
    chains = {alg: [to_base64url(der) for der in key.chain] for alg, key in world.agg.signing.items()}
    of_other = [to_base64url(der) for der in world.util.signing["ES384"].chain]
    with pytest.raises(Refused) as refused:
        read_descriptor(resigned(world, {"x5c": chains | {"ES384": of_other}}), world.trust, world.now)
    assert refused.value.code is Code.CERTIFICATE_NOT_SENDER
    with pytest.raises(Refused, match="has another key"):
        read_descriptor(resigned(world, {"x5c": chains | {"ES384": chains["ES256"]}}), world.trust, world.now)


def test_changed_after_signing(world: World) -> None:
    general = json.loads(write(world))
    body = json.loads(from_base64url(general["payload"])) | {"url": "https://other.example"}
    raw = write_canonical(general | {"payload": to_base64url(write_canonical(body))})
    with pytest.raises(Refused) as refused:
        read_descriptor(raw, world.trust, world.now)
    assert refused.value.code is Code.SIGNATURE_INVALID
