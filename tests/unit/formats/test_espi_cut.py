"""A feed cut into parts says the same as the feed, whatever stands where in it; and what is no feed is refused."""

from __future__ import annotations

import io
import random
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.formats.espi_world import (
    START,
    block,
    entry,
    feed,
    meter_reading,
    point,
    read,
    reading,
    reading_type,
    series,
    written,
)

from intertie.formats.espi import cut
from intertie.formats.espi.cut import HEAD, TAIL, cut_feed
from intertie.formats.espi.entries import EspiError
from intertie.model.metering import Channel, MeterReadings

SMALL = 3000


def parts(raw: bytes) -> list[bytes]:
    return list(cut_feed(io.BytesIO(raw)))


def said(raw: bytes) -> list[MeterReadings]:
    found, taking = read(raw)
    assert not taking.unread, taking.unread
    return found


def key(one: MeterReadings) -> tuple[str, str, str, str]:
    return one.meter, one.channel, one.series.start.isoformat(), str(one.series.values)


meters = st.lists(
    st.tuples(
        st.sampled_from(["M1", "M/2#x", "A:B@c"]),
        st.sampled_from(list(Channel)),
        st.integers(0, 6),
        st.lists(st.integers(0, 999), min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=10,
    unique_by=lambda one: one[:3],
)


@settings(max_examples=60, deadline=None)
@given(meters, st.integers(0, 2**32))
def test_parts_say_together_what_the_feed_says(
    some: list[tuple[str, Channel, int, list[int]]], seed: int
) -> None:
    given_ = [
        series(values, meter=meter, start=START + timedelta(days=day), channel=channel)
        for meter, channel, day, values in some
    ]
    raw = written(*given_)
    head, _, rest = raw.partition(b"<entry")
    entries = [b"<entry" + one for one in rest.removesuffix(TAIL).split(b"<entry")]
    random.Random(seed).shuffle(entries)
    shuffled = head + b"".join(entries) + TAIL
    size, cut.PART_BYTES = cut.PART_BYTES, SMALL
    try:
        found = parts(shuffled)
        assert parts(shuffled) == found, "the same every time"
    finally:
        cut.PART_BYTES = size
    assert all(one.startswith(HEAD) and one.endswith(TAIL) for one in found)
    assert all(len(one) < 3 * SMALL for one in found)
    assert sorted(map(key, (one for part in found for one in said(part)))) == sorted(map(key, given_))


def test_a_small_feed_is_one_part_and_a_large_one_several(monkeypatch: pytest.MonkeyPatch) -> None:
    days = [series([1] * 96, start=START + timedelta(days=day)) for day in range(10)]
    assert len(parts(written(*days))) == 1
    monkeypatch.setattr(cut, "PART_BYTES", 60_000)
    found = parts(written(*days))
    assert 3 < len(found) < 10 and max(map(len, found)) < 60_000 + len(HEAD) + len(TAIL)


def test_the_same_entries_give_the_same_bytes_in_another_feed() -> None:
    one, other = series([1, 2]), series([3, 4], meter="M2")
    assert parts(written(one)) != parts(written(one, other))
    again = written(one).replace(b"<title>readings</title>", b"<title>tomorrow's</title>")
    assert parts(again) == parts(written(one)), "the head is no part of it"


def test_only_what_blocks_belong_to_goes_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "PART_BYTES", 1)
    found = parts(written(series([1]), series([2], meter="M2"), series([3], channel=Channel.EXPORT)))
    assert len(found) == 3
    for part in found:
        assert part.count(b"<entry") == 4, "a point, its reading, the type, and the block"
        assert len(said(part)) == 1


def test_feeds_as_custodians_write_them() -> None:
    usual = feed(point(), meter_reading(), reading_type(), block(reading(0, 5), reading(1, 6)))
    [part] = parts(usual)
    assert [one.series.values for one in said(part)] == [(5, 6)]
    before = feed(block(reading(0, 5)), reading_type(), meter_reading(), point())
    assert [one.series.values for one in said(parts(before)[0])] == [(5,)]
    [alone] = parts(feed(reading_type(), block(reading(0, 5))))
    assert read(alone)[1].unread, "nothing leads to it: who reads the part says so"
    summary = entry("UsageSummary/1", "UsageSummary", "<UsageSummary/>")
    assert (
        b"UsageSummary"
        not in parts(feed(point(), meter_reading(), reading_type(), summary, block(reading(0, 5))))[0]
    )


def test_a_feed_without_blocks_has_no_parts() -> None:
    assert parts(feed(point(), meter_reading(), reading_type())) == []
    assert parts(b'<feed xmlns="http://www.w3.org/2005/Atom"/>') == []


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "well-formed|no Atom feed"),
        (b"<html/>", "no Atom feed|well-formed"),
        (b"<feed/>", "no Atom feed"),
        (b"<!DOCTYPE feed><feed xmlns='http://www.w3.org/2005/Atom'></feed>", "document type"),
        (
            b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><feed xmlns='http://www.w3.org/2005/Atom'>&a;</feed>",
            "document type",
        ),
        (written(series([1, 2]))[:-9], "well-formed"),
        (written(series([1, 2])) + b"<x/>", "well-formed"),
        (written(series([1, 2])).replace(b"<published>20", b"<published>xx"), "published"),
    ],
)
def test_what_is_no_feed(raw: bytes, why: str) -> None:
    with pytest.raises(EspiError, match=why):
        parts(raw)


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = written(series([1] * 96), series([1] * 96, meter="M2"))
    monkeypatch.setattr(cut, "REGISTER_BYTES_MAX", 1000)
    with pytest.raises(EspiError, match="beside its blocks"):
        parts(raw)
    monkeypatch.undo()
    monkeypatch.setattr(cut, "ENTRIES_MAX", 3)
    with pytest.raises(EspiError, match="more than 3 entries"):
        parts(raw)
    monkeypatch.undo()
    monkeypatch.setattr(cut, "ENTRY_BYTES_MAX", 100_000)
    spaces = raw.replace(b"<title", b" " * 200_000 + b"<title", 1)
    with pytest.raises(EspiError, match="larger than"):
        parts(spaces)


class Endless(io.RawIOBase):
    """A gigabyte of white space in an entry; how much of it was read."""

    def __init__(self) -> None:
        self.count = 0
        self.head = b'<feed xmlns="http://www.w3.org/2005/Atom"><entry>'

    def read(self, size: int = -1) -> bytes:
        self.count += size
        head, self.head = self.head, b""
        return head or (b" " * size if self.count < 2**30 else b"")


def test_a_gigabyte_of_nothing_ends_early() -> None:
    source = Endless()
    with pytest.raises(EspiError, match="larger than"):
        list(cut_feed(source))  # type: ignore[arg-type]
    assert source.count < 4 * 2**20
