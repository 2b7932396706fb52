"""Whole interchanges, whole and harmed: by column and one by one they make the same document, or the same findings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.formats.x12_world import PROFILES, invoice, readings, written

from intertie.formats.x12 import read_set as read_set_module
from intertie.formats.x12.columns import ROWS_BY_GUESS
from intertie.formats.x12.findings import X12Error
from intertie.formats.x12.interchange import read_sets
from intertie.formats.x12.layout import profile
from intertie.formats.x12.sets import read_document
from intertie.model.metering import MeterReadingSet, Quality

Name = Literal["ny", "pa", "tx"]
# Few enough for a quick test, and enough that codes are guessed.
FEW, MANY = 20, ROWS_BY_GUESS + 20


def month(count: int) -> MeterReadingSet:
    """Quarters of an hour, some estimated."""
    start = datetime(2026, 10, 31, 20, tzinfo=UTC)  # into the hour that comes twice
    body = readings(start, tuple(number * 37 % 9999 for number in range(count)))
    quality = tuple(Quality.ESTIMATED if number % 7 == 3 else Quality.VALID for number in range(count))
    return msgspec.structs.replace(body, meters=(msgspec.structs.replace(body.meters[0], quality=quality),))


FILES = {
    (kind, name, count): written(make(count), name)
    for kind, make in (("invoice", invoice), ("readings", month))
    for name in PROFILES
    for count in (FEW, MANY)
}
# What stands in such files, and what stands in none.
BITS = (
    *b"*~>-.,0123456789 AZK\n\x00\xe9",
    b"**",
    b"~~",
    b"~QTY*",
    b"~IT1*",
    b"~REF*ZZ*",
    b"~SE*",
    b"20260230",
    b"KH",
    b"2400",
)

Harm = tuple[int, int, "int | bytes"]


def outcome(data: bytes, name: Name, *, by_column: bool) -> object:
    """The document, or what is wrong and where."""
    with pytest.MonkeyPatch.context() as patch:
        if not by_column:
            patch.setattr(read_set_module, "ROWS_BY_COLUMN", 10**9)
        try:
            return [read_document(one, profile(name)) for one in read_sets(data)]
        except X12Error as error:
            return error.findings


def harmed(data: bytes, harms: list[Harm]) -> bytes:
    """Behind the envelope's head: something cut out, and something else put in."""
    for at, length, bit in harms:
        place = 110 + at % (len(data) - 110)
        said = bit if isinstance(bit, bytes) else bytes([bit])
        data = data[:place] + said + data[place + length :]
    return data


def moved(data: bytes, at: int, length: int, to: int) -> bytes:
    """Segments that stand elsewhere: all is well formed, and the order is not."""
    segments = data.split(b"~")
    at = 3 + at % (len(segments) - 6)
    taken = segments[at : at + length]
    rest = segments[:at] + segments[at + length :]
    to = 3 + to % max(1, len(rest) - 6)
    return b"~".join([*rest[:to], *taken, *rest[to:]])


HARMS = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 3), st.sampled_from(BITS)), min_size=1, max_size=3
)


@given(which=st.sampled_from(sorted(FILES)), harms=HARMS)
@settings(max_examples=200, deadline=None)
def test_a_harmed_file(which: tuple[str, Name, int], harms: list[Harm]) -> None:
    data = harmed(FILES[which], harms)
    assert outcome(data, which[1], by_column=True) == outcome(data, which[1], by_column=False)


@given(
    which=st.sampled_from(sorted(FILES)),
    at=st.integers(0, 10**6),
    length=st.integers(1, 7),
    to=st.integers(0, 10**6),
)
@settings(max_examples=100, deadline=None)
def test_a_file_in_another_order(which: tuple[str, Name, int], at: int, length: int, to: int) -> None:
    data = moved(FILES[which], at, length, to)
    assert outcome(data, which[1], by_column=True) == outcome(data, which[1], by_column=False)


@pytest.mark.parametrize("which", sorted(FILES))
def test_a_whole_file(which: tuple[str, Name, int]) -> None:
    by_column = outcome(FILES[which], which[1], by_column=True)
    assert by_column == outcome(FILES[which], which[1], by_column=False)
    assert isinstance(by_column, list) and len(by_column) == 1
