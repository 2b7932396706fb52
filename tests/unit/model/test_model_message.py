"""Records, quantities, errors, parties and the message envelope."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.model.documents import example_bytes, read_message
from intertie.model.errors import (
    RULES,
    Code,
    EvidenceError,
    Fault,
    IntertieError,
    PartnerError,
    Refused,
    SettingsError,
    StoreError,
)
from intertie.model.ids import DocumentName, MessageId, PartyId
from intertie.model.message import MESSAGE_BYTES_MAX, read_envelope, utc, write_message
from intertie.model.party import Party, Role
from intertie.model.quantity import Money, to_cents
from intertie.model.record import Record, check_decimal

CENTS = st.integers(-(10**12), 10**12).map(lambda n: Decimal(n) / 100)


def usd(amount: str | Decimal) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


class Rated(Record, frozen=True, kw_only=True):
    """A record for these tests."""

    rate: Decimal
    note: str = ""


# --- records


def test_a_record_is_frozen_and_strict() -> None:
    one = Rated(rate=Decimal("1.50"))
    with pytest.raises(AttributeError):
        one.rate = Decimal(2)  # type: ignore[misc]
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(b'{"rate":"1","x":1}', type=Rated)
    with pytest.raises(TypeError):
        Rated(Decimal(1))  # type: ignore[misc]


def test_defaults_are_not_written_and_digits_are_kept() -> None:
    assert msgspec.json.encode(Rated(rate=Decimal("1.50"))) == b'{"rate":"1.50"}'


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "NaN1",
        "sNaN12",
        "sNaN",
        "Infinity",
        "-Infinity",
        "1E+13",
        "1E-10",
        "1E+999999",
        "1000000000001",
    ],
)
def test_a_record_refuses_numbers_no_message_needs(text: str) -> None:
    with pytest.raises(ValueError, match="rate"):
        Rated(rate=Decimal(text))
    with pytest.raises(msgspec.ValidationError, match="rate"):
        msgspec.json.decode(json.dumps({"rate": text}), type=Rated)


@pytest.mark.parametrize("text", ["0", "-0", "0.000000001", "1000000000000", "-1000000000000", "1E+12"])
def test_a_record_takes_the_rest(text: str) -> None:
    check_decimal("rate", Decimal(text))


# --- money


@given(CENTS, CENTS)
def test_money_adds_exactly(a: Decimal, b: Decimal) -> None:
    assert (usd(a) + usd(b)).amount == a + b
    assert usd(a) - usd(b) == usd(a) + -usd(b)


@pytest.mark.parametrize(
    ("amount", "rounded"),
    [
        ("1.005", "1.01"),
        ("1.015", "1.02"),
        ("-1.005", "-1.01"),
        ("1.0049999", "1.00"),
        ("2.5", "2.50"),
        ("0.004", "0.00"),
    ],
)
def test_money_rounds_half_away_from_zero(amount: str, rounded: str) -> None:
    assert str(to_cents(Decimal(amount))) == rounded
    assert usd(amount).rounded() == usd(rounded)


def test_currencies_do_not_mix() -> None:
    euro = Money(amount=Decimal(1), currency="EUR")
    for act in (lambda: usd("1") + euro, lambda: usd("1") - euro):
        with pytest.raises(ValueError, match="cannot mix USD and EUR"):
            act()


def test_money_for_people() -> None:
    assert str(usd("1234567.5")) == "1,234,567.50 USD"


# --- parties


def test_a_party_holds_a_role() -> None:
    utility = Party(
        id=PartyId("utility.example"), name="Utility", roles=frozenset({Role.DISTRIBUTION_UTILITY})
    )
    assert msgspec.json.decode(msgspec.json.encode(utility), type=Party) == utility
    with pytest.raises(ValueError, match="roles"):
        Party(id=PartyId("utility.example"), name="Utility", roles=frozenset())
    assert len(Role) == 14


# --- errors


def test_every_code_has_a_rule_of_a_step_in_order() -> None:
    assert set(RULES) == set(Code)
    steps = [RULES[code].step for code in Code]
    assert steps == sorted(steps) and set(steps) <= set(range(1, 10))
    assert all(400 <= rule.http < 500 and rule.sentence.endswith(".") for rule in RULES.values())


@pytest.mark.parametrize("code", list(Code))
def test_a_refusal_names_code_partner_and_message(code: Code) -> None:
    error = Refused(code, message=MessageId("m-1"), partner=PartyId("aggregator.example"))
    assert str(error) == f"{code}: {RULES[code].sentence} (partner aggregator.example, message m-1)"
    assert (error.step, error.retry, error.fault) == (RULES[code].step, RULES[code].retry, Fault.THEIRS)
    assert Refused(code, "why").detail == "why" and "(" not in str(Refused(code, "why"))


def test_whose_fault_and_whether_to_try_again() -> None:
    table: list[tuple[IntertieError, Fault, bool]] = [
        (SettingsError("x"), Fault.OURS, False),
        (StoreError("x"), Fault.OURS, True),
        (EvidenceError(3, "x"), Fault.THEIRS, False),
        (PartnerError("x"), Fault.UNKNOWN, True),
        (Refused(Code.RATE_LIMITED), Fault.THEIRS, True),
    ]
    assert [(e.fault, e.retry) for e, _, _ in table] == [(fault, retry) for _, fault, retry in table]


def test_an_error_says_what_to_do_next() -> None:
    assert (
        str(SettingsError("intertie.toml: no party", do="Run intertie init"))
        == "intertie.toml: no party. Run intertie init"
    )
    assert str(EvidenceError(3, "root differs")) == "step 3: root differs"
    assert EvidenceError(3, "root differs").step == 3


# --- messages


def message(**header: Any) -> bytes:
    whole = json.loads(example_bytes(DocumentName("restoration_notice")))
    for key, value in header.items():
        if value is None:
            del whole["header"][key.rstrip("_")]
        else:
            whole["header"][key.rstrip("_")] = value
    return json.dumps(whole).encode()


def test_the_body_keeps_the_bytes_of_its_sender() -> None:
    raw = example_bytes(DocumentName("invoice"))
    assert bytes(read_envelope(raw).body) in raw


def test_a_header_is_written_with_the_wire_names() -> None:
    envelope = read_envelope(message())
    written = json.loads(msgspec.json.encode(envelope.header))
    assert (written["from"], written["to"]) == (envelope.header.sender, envelope.header.recipient)
    assert written["created"].endswith("Z")


@pytest.mark.parametrize(
    "field", ["id", "verb", "document", "version", "interface", "mode", "from_", "to", "created", "expires"]
)
def test_a_header_is_whole(field: str) -> None:
    with pytest.raises(Refused) as caught:
        read_envelope(message(**{field: None}))
    assert caught.value.code is Code.BAD_MESSAGE and field.rstrip("_") in caught.value.detail


@pytest.mark.parametrize(
    "header",
    [
        {"id": "1"},
        {"verb": "shout"},
        {"mode": "sometimes"},
        {"version": 0},
        {"version": "1"},
        {"priority": 10},
        {"from_": "Utility.Example"},
        {"from_": "utility.example\n"},
        {"interface": "da"},
        {"created": "2026-01-20T19:16:00"},
        {"expires": "2026-01-20T19:16:00Z"},
        {"sideways": 1},
        {"sender": "utility.example"},
    ],
)
def test_what_no_header_holds(header: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        read_envelope(message(**header))
    assert caught.value.code is Code.BAD_MESSAGE


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"header":{},"body":{}}',
        b"[" * 100_000,
        b'{"body":' + b"[" * 100_000,
    ],
)
def test_what_is_no_message(raw: bytes) -> None:
    with pytest.raises(Refused) as caught:
        read_envelope(raw)
    assert caught.value.code is Code.BAD_MESSAGE


def test_a_message_has_a_greatest_size() -> None:
    with pytest.raises(Refused, match="larger than") as caught:
        read_envelope(b" " * (MESSAGE_BYTES_MAX + 1))
    assert caught.value.code is Code.BAD_MESSAGE


def test_text_outside_utf8_is_refused() -> None:
    raw = message().replace(b"OUT-2026-0031", b"OUT-\xff")
    with pytest.raises(Refused) as caught:
        read_message(raw)
    assert caught.value.code is Code.SCHEMA


def test_writing_is_reading_backwards() -> None:
    header = read_envelope(message()).header
    raw = write_message(header, Rated(rate=Decimal("0.10")))
    assert json.loads(raw)["body"] == {"rate": "0.10"}
    assert read_envelope(raw).header == header


def test_utc_is_the_same_instant() -> None:
    at = datetime(2026, 1, 14, 17, tzinfo=timezone(-timedelta(hours=5)))
    assert utc(at) == at and utc(at).tzinfo is UTC
