"""Receipts: signed with the parcel's profile, by their writer, and never believed with less."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from seal_world import World

from intertie.model.errors import Code, Refused
from intertie.model.ids import MessageId
from intertie.seal.jws import sign_json
from intertie.seal.keys import PrivateKeys
from intertie.seal.profile import PROFILES
from intertie.seal.receipt import RECEIPT_TYP, JournalHead, Outcome, Receipt, sign_receipt, verify_receipt

MESSAGE = MessageId("019aab5c-1c00-7000-8000-000000000002")


def receipt_of(world: World) -> Receipt:
    return Receipt(
        v=1,
        parcel=world.parcel,
        root="ab" * 32,
        sender=world.util.party,
        recipient=world.agg.party,
        received=world.now,
        outcomes=(
            Outcome(message=MESSAGE, leaf="cd" * 32, status="accepted"),
            Outcome(leaf="ef" * 32, status="refused", code="bad_message", detail='ü"\\\n\x01'),
        ),
        journal=JournalHead(size=12, root="01" * 32),
    )


@pytest.mark.parametrize("profile", ["hybrid", "hybrid-high"])
def test_round_trip(world: World, profile: str) -> None:
    raw = sign_receipt(receipt_of(world), world.util, PROFILES[profile])
    read = verify_receipt(raw, writer=world.util.public(), trust=world.trust, now=world.now)
    assert read == receipt_of(world)


def test_a_weaker_receipt_is_not_believed(world: World) -> None:
    raw = sign_receipt(receipt_of(world), world.util, PROFILES["classical"])
    with pytest.raises(Refused) as refused:
        verify_receipt(raw, writer=world.util.public(), trust=world.trust, now=world.now)
    assert refused.value.code is Code.PROTECTION_TOO_WEAK
    least = PROFILES["classical"]
    assert verify_receipt(raw, writer=world.util.public(), trust=world.trust, now=world.now, least=least)
    raw = sign_receipt(receipt_of(world), world.util, PROFILES["hybrid"])
    with pytest.raises(Refused):
        verify_receipt(
            raw, writer=world.util.public(), trust=world.trust, now=world.now, least=PROFILES["hybrid-high"]
        )


def test_only_the_writer(world: World) -> None:
    raw = sign_receipt(receipt_of(world), world.agg, PROFILES["hybrid"])
    with pytest.raises(Refused) as refused:
        verify_receipt(raw, writer=world.util.public(), trust=world.trust, now=world.now)
    assert refused.value.code is Code.UNKNOWN_CERTIFICATE
    with pytest.raises(Refused, match=r"says it is utility\.example's"):
        verify_receipt(raw, writer=world.agg.public(), trust=world.trust, now=world.now)


def test_a_manifest_is_no_receipt(world: World) -> None:
    manifest = world.seal([b"x"]).manifest
    with pytest.raises(Refused) as refused:
        verify_receipt(manifest, writer=world.agg.public(), trust=world.trust, now=world.now)
    assert refused.value.code is Code.BAD_MANIFEST


@pytest.mark.parametrize("payload", [b"", b"{}", b"null", b'{"v":1}'])
def test_a_signed_something_is_no_receipt(world: World, payload: bytes) -> None:
    raw = sign_json(payload, RECEIPT_TYP, [world.util.signing[a] for a in PROFILES["hybrid"].signatures])
    with pytest.raises(Refused, match="not a receipt"):
        verify_receipt(raw, writer=world.util.public(), trust=world.trust, now=world.now)


def test_expired_writer(world: World) -> None:
    raw = sign_receipt(receipt_of(world), world.util, PROFILES["hybrid"])
    with pytest.raises(Refused) as refused:
        verify_receipt(
            raw, writer=world.util.public(), trust=world.trust, now=world.now + timedelta(days=800)
        )
    assert refused.value.code is Code.CERTIFICATE_EXPIRED


def test_no_key_no_receipt(world: World) -> None:
    keys = PrivateKeys(world.util.party, world.util.roles, {}, {}, world.util.tls)
    with pytest.raises(Refused, match="no ES256, ML-DSA-65 key"):
        sign_receipt(receipt_of(world), keys, PROFILES["hybrid"])


@pytest.mark.parametrize(
    "change",
    [
        {"root": "AB" * 32},
        {"root": "ab"},
        {"v": 2},
        {"outcomes": []},
        {"received": "2026-11-22T13:00:00+01:00"},
    ],
)
def test_rules_of_the_fields(world: World, change: dict[str, object]) -> None:
    plain = msgspec.to_builtins(receipt_of(world)) | change
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(plain, Receipt)


@pytest.mark.parametrize(
    "change", [{"status": "lost"}, {"leaf": "x"}, {"message": "1"}, {"detail": "x" * 301}]
)
def test_rules_of_an_outcome(change: dict[str, object]) -> None:
    plain: dict[str, object] = {"leaf": "ab" * 32, "status": "accepted"}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(plain | change, Outcome)
