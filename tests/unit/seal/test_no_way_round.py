"""There is no way round the policy: every attempt fails when it runs, and mypy refuses it before.

mypy reads this file too (pyproject.toml) and reports an ignore that nothing needs: if one of these attempts became
possible, `make lint` would say so.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import intertie
from intertie.catalogue.load import load_catalogue
from intertie.model.documents import example
from intertie.model.errors import Code, Refused
from intertie.model.ids import (
    AgreementId,
    DocumentName,
    InterfaceCode,
    new_message_id,
    new_parcel_id,
    party_id,
)
from intertie.model.message import Header, Mode, write_message
from intertie.model.party import Role
from intertie.seal.jws import Signed
from intertie.seal.keys import PrivateKeys, generate_keys
from intertie.seal.parcel import seal_parcel
from intertie.seal.policy_settings import DEFAULT
from intertie.seal.profile import PROFILES
from intertie.seal.protect import Plan, PolicyOn, Protected, Proven, protect
from intertie.seal.trial_ca import TrialCa

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CLASSICAL = PROFILES["classical"]
CA = TrialCa.create("Test", datetime(2026, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC))
POLICY = PolicyOn(load_catalogue(), DEFAULT, NOW.date())
AGG = generate_keys(party_id("agg.example"), frozenset({Role.DER_AGGREGATOR}), CA, NOW)
UTIL = generate_keys(party_id("util.example"), frozenset({Role.DISTRIBUTION_UTILITY}), CA, NOW)


def invoice(sender: PrivateKeys = AGG, recipient: PrivateKeys = UTIL) -> bytes:
    header, body = example(DocumentName("invoice"))
    header = Header(
        id=new_message_id(NOW),
        verb=header.verb,
        document=header.document,
        version=header.version,
        interface=InterfaceCode("DA"),
        mode=Mode.SCHEDULED,
        sender=sender.party,
        recipient=recipient.party,
        agreement=AgreementId("A-1"),
        created=NOW,
        expires=datetime(2026, 11, 23, tzinfo=UTC),
    )
    return write_message(header, body)


def plan(*messages: bytes, keys: PrivateKeys = AGG) -> Plan:
    return protect(
        messages,
        keys=keys,
        sender_roles=AGG.roles,
        recipient=UTIL.public(),
        recipient_roles=UTIL.roles,
        policy=POLICY,
    )


def protected() -> Protected:
    found = plan(invoice()).protected
    assert found is not None
    return found


def test_the_way_there_is() -> None:
    found = protected()
    assert found.profile is PROFILES["hybrid"]
    sealed = seal_parcel(found, parcel=new_parcel_id(NOW), seq=1, created=NOW)
    assert sealed.header.suite == PROFILES["hybrid"].suite


def test_sealing_takes_no_profile_and_no_bare_messages() -> None:
    parcel = new_parcel_id(NOW)
    with pytest.raises(TypeError):
        seal_parcel(protected(), parcel=parcel, seq=1, created=NOW, profile=CLASSICAL)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        seal_parcel([invoice()], parcel=parcel, seq=1, created=NOW)  # type: ignore[arg-type]


def test_protection_is_not_made_by_hand() -> None:
    messages = (invoice(),)
    with pytest.raises(TypeError):
        Protected(messages, CLASSICAL, UTIL.public(), AGG)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="only protect"):
        Protected(messages, CLASSICAL, UTIL.public(), AGG, object())  # type: ignore[arg-type]


def test_protection_is_not_changed_afterwards() -> None:
    found = protected()
    with pytest.raises(AttributeError):
        found.profile = CLASSICAL  # type: ignore[misc]
    with pytest.raises(AttributeError):
        found.messages += (b"another",)  # type: ignore[misc]
    with pytest.raises((TypeError, ValueError), match="made_by"):
        replace(found, profile=CLASSICAL)  # type: ignore[call-arg]


def test_mypy_lets_nothing_else_be_protection() -> None:
    class Mine(Protected):  # type: ignore[misc]
        """Final: whoever derives from it is told so before anything runs."""

    with pytest.raises(TypeError):
        Mine((b"x",), CLASSICAL, UTIL.public(), AGG)  # type: ignore[call-arg]


def test_needs_cannot_be_left_out_or_given() -> None:
    given = {
        "keys": AGG,
        "sender_roles": AGG.roles,
        "recipient": UTIL.public(),
        "recipient_roles": UTIL.roles,
    }
    with pytest.raises(TypeError, match="argument: 'policy'"):
        protect([invoice()], **given)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unexpected keyword argument 'needs'"):
        protect(
            [invoice()],
            keys=AGG,
            sender_roles=AGG.roles,
            recipient=UTIL.public(),
            recipient_roles=UTIL.roles,
            policy=POLICY,
            needs=[],  # type: ignore[call-arg]
        )


def test_what_is_no_message_of_ours_is_not_protected() -> None:
    """Else bytes whose needs nobody can know, or another's, would go under somebody's weak flow."""
    found = plan(b"not a message", invoice(sender=UTIL, recipient=AGG))
    assert found.protected is None
    assert [refused.code for refused in found.refused.values()] == [Code.BAD_MESSAGE, Code.HEADER_NOT_PARCEL]


def test_what_signatures_prove_is_not_claimed() -> None:
    with pytest.raises(TypeError, match="only verify_jws"):
        Signed(b"{}", PROFILES["hybrid"], object())  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        Proven(PROFILES["hybrid"]).profile  # type: ignore[arg-type]  # noqa: B018


def test_only_the_format_and_its_tests_seal_without_policy() -> None:
    """`_assemble` writes the format with any profile; no other file of the program may call it."""
    source = Path(intertie.__file__).parent
    users = [path for path in source.rglob("*.py") if re.search(r"\b_assemble\b", path.read_text("utf-8"))]
    assert [path.name for path in users] == ["parcel.py"]


def test_a_partner_without_the_keys_gets_nothing() -> None:
    weak = replace(UTIL.public(), sealing={})
    found = protect(
        [invoice()],
        keys=AGG,
        sender_roles=AGG.roles,
        recipient=weak,
        recipient_roles=UTIL.roles,
        policy=POLICY,
    )
    assert found.protected is None
    refused = found.refused[0]
    assert isinstance(refused, Refused) and refused.code is Code.PROTECTION_TOO_WEAK
    assert "util.example has no keys for it, both can do nothing" in refused.detail
