"""Ids: what they look like, what they refuse, and that a fresh one sorts by time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.model import ids

NOW = datetime(2026, 1, 14, 22, 0, 0, 123000, tzinfo=UTC)


def accepts(kind: Any, text: str) -> bool:
    try:
        msgspec.json.decode(json.dumps(text), type=kind)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize("text", ["utility.example", "a", "a-b.c9", "x" * 63, "9lives.example"])
def test_a_party_is_named_like_a_host(text: str) -> None:
    assert accepts(ids.PartyName, text)
    assert ids.party_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Utility.example",
        "a..b",
        ".a",
        "a.",
        "-a",
        "a-",
        "a b",
        "a/b",
        "x" * 64,
        "a." * 60 + "a",
        "ü.example",
    ]
    + [f"utility.example{end}" for end in ("\n", "\r", "\0", "\n\n")],
)
def test_what_is_no_party(text: str) -> None:
    assert not accepts(ids.PartyName, text)
    with pytest.raises(ValueError, match="not a party id"):
        ids.party_id(text)


@pytest.mark.parametrize("text", ["A", "F12-T7", "SUB-12/F12", "urn:x:1", "a@b", "x" * 128, "a.b"])
def test_a_name(text: str) -> None:
    assert accepts(ids.Name, text)


@pytest.mark.parametrize(
    "text",
    ["", " a", "a b", "../a", "a/../b", "a..b", "/a", ".a", "x" * 129, "a\n", "a\nb", "a\0", "é", "-a"],
)
def test_what_is_no_name(text: str) -> None:
    assert not accepts(ids.Name, text)


@pytest.mark.parametrize(
    "kind",
    [
        ids.PartyName,
        ids.MessageRef,
        ids.ParcelRef,
        ids.ConversationRef,
        ids.AgreementRef,
        ids.ConfirmationRef,
        ids.AggregationRef,
        ids.DerRef,
        ids.MeterRef,
        ids.PointRef,
        ids.InterfaceRef,
        ids.DocumentRef,
    ],
)
def test_no_id_holds_a_line_end(kind: Any) -> None:
    """A dollar sign alone lets one pass in Python, and a log line could be forged with it."""
    fresh = ids.new_uuid7(NOW)
    good = next(text for text in (fresh, "DA", "bid") if accepts(kind, text))
    assert not accepts(kind, good + "\n")


@given(st.integers(0, 2**43).map(lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)))
def test_a_fresh_id_is_a_uuid7_and_knows_its_time(now: datetime) -> None:
    value = ids.new_uuid7(now)
    assert accepts(ids.MessageRef, value)
    assert abs(ids.uuid7_time(value) - now) <= timedelta(milliseconds=1)


def test_fresh_ids_differ_and_sort_by_time() -> None:
    made = [ids.new_uuid7(NOW + timedelta(milliseconds=i)) for i in range(200)]
    assert sorted(made) == made
    assert len({ids.new_uuid7(NOW) for _ in range(1000)}) == 1000


def test_message_and_parcel_ids() -> None:
    assert ids.uuid7_time(ids.new_message_id(NOW)) == NOW
    assert ids.uuid7_time(ids.new_parcel_id(NOW)) == NOW


def test_messages_of_one_millisecond_sort_as_they_were_written() -> None:
    made = [ids.new_message_id(NOW) for _ in range(2000)]
    assert made == sorted(made) and len(set(made)) == len(made)
    assert all(ids.uuid7_time(one) == NOW for one in made)
    assert all(one[14] == "7" and one[19] in "89ab" for one in made)


def test_a_millisecond_without_room_begins_again_and_stays_in_form() -> None:
    rising = ids.Rising(lambda bits: (1 << bits) - 1)
    most = (1 << 73) - 1
    assert rising.next(7) == (7, most)
    seen = [rising.next(7)[1] for _ in range(3)]
    assert seen == [most + (1 << 32) * n for n in (1, 2, 3)]
    rising._last = 7, (1 << 74) - 1
    assert rising.next(7) == (7, most)
    assert ids.uuid7(7, (1 << 74) - 1) == "00000000-0007-7fff-bfff-ffffffffffff"
