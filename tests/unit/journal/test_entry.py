"""The bytes of a journal entry: one entry, one encoding."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.journal.entry import Entry, Kind, Lines, checked_bytes, entry_bytes, entry_leaf, read_entry
from intertie.model.errors import EvidenceError
from intertie.model.ids import PartyId, new_message_id
from intertie.seal.tree import leaf_hash

AT = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
FULL = Entry(
    kind=Kind.MESSAGE_IN,
    at=AT,
    partner="agg.example",  # type: ignore[arg-type]
    message="01980000-0000-7000-8000-000000000001",  # type: ignore[arg-type]
    parcel="01980000-0000-7000-8000-000000000002",  # type: ignore[arg-type]
    digest="ab" * 32,
    note="schema",
)

ENTRIES = st.builds(
    Entry,
    kind=st.sampled_from(Kind),
    at=st.datetimes(
        datetime(2000, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
        datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=st.sampled_from(
            [UTC, timezone(timedelta(hours=-4)), timezone(timedelta(hours=5, minutes=45))]
        ),
    ),
    partner=st.none() | st.just("grid.example"),
    message=st.none() | st.just("01980000-0000-7000-8000-000000000001"),
    parcel=st.none() | st.just("01980000-0000-7000-8000-000000000002"),
    digest=st.binary(min_size=32, max_size=32).map(bytes.hex),
    note=st.text(max_size=200),
)


def test_the_form_is_fixed_for_ever() -> None:
    assert entry_bytes(FULL) == (
        b'{"at":"2026-07-01T12:00:00Z","digest":"' + b"ab" * 32 + b'","kind":"message_in",'
        b'"message":"01980000-0000-7000-8000-000000000001","note":"schema",'
        b'"parcel":"01980000-0000-7000-8000-000000000002","partner":"agg.example"}'
    )
    short = Entry(kind=Kind.ACT, at=AT, digest="0" * 64)
    assert entry_bytes(short) == b'{"at":"2026-07-01T12:00:00Z","digest":"' + b"0" * 64 + b'","kind":"act"}'


def test_kinds() -> None:
    assert {kind.value for kind in Kind} == {
        "message_out",
        "message_in",
        "parcel_out",
        "receipt_out",
        "receipt_in",
        "refusal",
        "act",
    }


@given(entry=ENTRIES)
def test_read_back(entry: Entry) -> None:
    raw = entry_bytes(entry)
    assert read_entry(raw) == entry
    assert entry_bytes(read_entry(raw)) == raw == checked_bytes(entry)
    assert entry_leaf(raw) == leaf_hash(raw)


@given(entry=ENTRIES)
def test_the_offset_of_a_time_does_not_show(entry: Entry) -> None:
    assert json.loads(entry_bytes(entry))["at"].endswith("Z")


@given(entry=ENTRIES, place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_changed_byte_is_another_leaf(entry: Entry, place: int, flip: int) -> None:
    raw = bytearray(entry_bytes(entry))
    raw[place % len(raw)] ^= flip
    assert entry_leaf(bytes(raw)) != entry_leaf(entry_bytes(entry))


RAW = entry_bytes(FULL)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[" * 10_000,
        b"\xff\xfe",
        RAW + b" ",
        RAW.replace(b'"at"', b' "at"'),
        RAW.replace(b"12:00:00Z", b"12:00:00+00:00"),
        RAW.replace(b"12:00:00Z", b"12:00:00.000Z"),
        RAW.replace(b"T12:00:00Z", b"T08:00:00-04:00"),
        RAW.replace(b'"note":"schema"', b'"note":""'),
        RAW.replace(b'"note":"schema"', b'"note":null'),
        RAW.replace(b'"note":"schema"', b'"note":"sch\\u0065ma"'),
        RAW.replace(b"message_in", b"message_lost"),
        RAW.replace(b"ab" * 32, b"AB" * 32),
        RAW.replace(b'"note":"schema"', b'"note":"schema","more":1'),
        RAW.replace(b'"note":"schema"', b'"note":"schema","note":"schema"'),
        RAW.replace(b"agg.example", b"Agg Example"),
        RAW.replace(b'"digest":"' + b"ab" * 32 + b'",', b""),
    ],
)
def test_anything_else_is_no_entry(raw: bytes) -> None:
    with pytest.raises(EvidenceError):
        read_entry(raw)


@pytest.mark.parametrize(
    "changes",
    [{"digest": "x"}, {"message": "m-1"}, {"partner": "No Party"}, {"parcel": ""}, {"note": "n" * 201}],
)
def test_an_entry_that_could_not_be_read_back_has_no_checked_bytes(changes: dict[str, str]) -> None:
    fields = {"kind": Kind.ACT, "at": AT, "digest": "0" * 64} | changes
    with pytest.raises(EvidenceError, match=next(iter(changes))):
        checked_bytes(Entry(**fields))  # type: ignore[arg-type]


def test_a_time_needs_its_offset() -> None:
    with pytest.raises(ValueError, match="offset"):
        Entry(kind=Kind.ACT, at=datetime(2026, 1, 1), digest="0" * 64)  # noqa: DTZ001


def test_lines_written_together_are_those_that_each_would_be_alone() -> None:
    entries = [
        Entry(kind=Kind.MESSAGE_IN, at=at, partner=partner, message=new_message_id(AT), digest=digit * 64)
        for digit in "0a"
        for at in (AT, AT + timedelta(seconds=1), AT)
        for partner in (None, PartyId("agg.example"))
    ]
    entries += [Entry(kind=Kind.ACT, at=AT, digest="0" * 64, note=note) for note in ("", "", "expired")]
    lines = Lines()
    assert [lines.line(entry) for entry in entries] == [checked_bytes(entry) for entry in entries]


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": "0" * 63},
        {"digest": "0" * 64 + "\n"},
        {"message": "m-1"},
        {"message": ""},
        {"partner": "No Party"},
        {"parcel": "p"},
        {"note": "n" * 201},
    ],
)
def test_a_line_after_a_good_one_is_held_to_its_form_all_the_same(changes: dict[str, str]) -> None:
    good = {"kind": Kind.MESSAGE_IN, "at": AT, "message": new_message_id(AT), "digest": "0" * 64}
    lines = Lines()
    lines.line(Entry(**good))  # type: ignore[arg-type]
    for _ in range(2):  # and again: what was refused is not remembered as good
        with pytest.raises(EvidenceError, match=next(iter(changes))):
            lines.line(Entry(**good | changes))  # type: ignore[arg-type]
