"""ESPI feeds that are broken or hostile: each ends in an error that names the entry and the place, in bounded memory."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from typing import Any, BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.formats.espi_world import (
    RULES,
    block,
    entries,
    feed,
    meter_reading,
    point,
    read,
    reading,
    reading_type,
    series,
    usual,
    written,
)

from intertie.formats.espi import series as joining
from intertie.formats.espi import stream
from intertie.formats.espi.entries import EspiError
from intertie.formats.espi.series import EspiRead
from intertie.formats.espi.stream import read_feed

MB = 1024 * 1024
FEED = b'<feed xmlns="http://www.w3.org/2005/Atom">'
LAUGHS = b"".join(
    [b'<!DOCTYPE feed [<!ENTITY a0 "ha">']
    + [f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">'.encode() for i in range(1, 10)]
    + [b"]>", FEED, b"<title>&a9;</title></feed>"]
)


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b'<!DOCTYPE feed SYSTEM "http://127.0.0.1:9/x.dtd">' + FEED + b"</feed>", "document type"),
        (
            b'<!DOCTYPE feed [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
            + FEED
            + b"<title>&x;</title></feed>",
            "document type",
        ),
        (LAUGHS, "amplification|document type"),
        (b"", "not well-formed"),
        (b"meter,value\n", "not well-formed"),
        (FEED + b"<entry>", "not well-formed"),
        (b"<feed/>", "neither an Atom feed"),
        (b'<espi xmlns="http://naesb.org/espi"/>', "neither an Atom feed"),
        (
            b'<IntervalBlock xmlns="http://naesb.org/espi"><interval><start>1</start></interval></IntervalBlock>',
            "neither an Atom feed",
        ),
        (FEED + b"<entry><entry/></entry></feed>", "inside of another entry"),
    ],
)
def test_what_is_no_feed(raw: bytes, word: str) -> None:
    with pytest.raises(EspiError, match=word):
        entries(raw)


@pytest.mark.parametrize(
    ("wrong", "right", "place", "word"),
    [
        ("<value>1<", "<value>1.5<", "entry 4", "IntervalReading/value is missing or no whole number"),
        ("<value>1<", "<value>1_0<", "entry 4", "no whole number"),
        ("<value>1<", "<value>١<", "entry 4", "no whole number"),
        ("<value>1<", "<value>+-1<", "entry 4", "no whole number"),
        ("<value>1<", f"<value>{'9' * 30}<", "entry 4", "no whole number"),
        ("<value>1<", "<value>281474976710657<", "entry 4", "is not between"),
        ("<quality>8<", "<quality>6<", "entry 4", "6 is no quality of ESPI"),
        ("<start>1782878400</start></timePeriod>", "</timePeriod>", "entry 4", "timePeriod/start is missing"),
        (
            "<start>1782878400</start></timePeriod>",
            "<start>99999999999</start></timePeriod>",
            "entry 4",
            "start: 99999999999",
        ),
        ("<intervalLength>900<", "<intervalLength>-900<", "entry 3", "intervalLength"),
        ("<uom>72<", "<uom>Wh<", "entry 3", "uom is missing or no whole number"),
        ("<powerOfTenMultiplier>0<", "<powerOfTenMultiplier>99<", "entry 3", "powerOfTenMultiplier: 99"),
        ("<kind>0<", "<kind>x<", "entry 1", "kind is missing or no whole number"),
        ("<updated>2026-08-01T00:00:00Z<", "<updated>yesterday<", "entry 1", "updated is no time"),
        (
            "<updated>2026-08-01T00:00:00Z<",
            "<updated>2026-08-01T00:00:00<",
            "entry 1",
            "updated has no offset",
        ),
        ("<title>t<", f"<title>{'t' * 3000}<", "entry 1", "title is longer"),
        ('rel="self" href="', 'rel="self" href="http://[', "entry 1", "link/@href is no address"),
    ],
)
def test_what_is_wrong_is_named_with_its_entry(wrong: str, right: str, place: str, word: str) -> None:
    raw = usual(reading(0, 1, quality=(8,))).decode()
    assert wrong in raw
    with pytest.raises(EspiError, match=word.replace("(", r"\(")) as caught:
        entries(raw.replace(wrong, right, 1).encode())
    assert caught.value.place == place and caught.value.do


def test_readings_outside_of_a_block() -> None:
    lost = reading(0, 1).replace("<IntervalReading>", '<IntervalReading xmlns="http://naesb.org/espi">')
    with pytest.raises(EspiError, match="outside of an IntervalBlock"):
        entries(feed(f"<entry><content>{lost}</content></entry>"))


def test_too_many_links() -> None:
    links = '<link rel="related" href="x"/>' * 300
    with pytest.raises(EspiError, match="more than 200 links"):
        entries(feed(f"<entry>{links}</entry>"))


class Endless(io.RawIOBase):
    """A head, and then the same piece again and again: `megabytes` of it, never all in memory."""

    def __init__(self, head: bytes, piece: bytes, megabytes: int) -> None:
        self._head, self._piece = head, piece * (MB // len(piece))
        self._left = megabytes

    def read(self, size: int = -1) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        if not self._left:
            return b""
        self._left -= 1
        return self._piece


ENTRY_HEAD = FEED + b"<entry><content>"


@pytest.mark.parametrize(
    "source",
    [
        lambda: Endless(b"", b" ", 1024),
        lambda: Endless(FEED, b" ", 1024),
        lambda: Endless(FEED + b"<entry><title>", b"\n", 1024),
        lambda: Endless(ENTRY_HEAD, b"<x/>", 1024),
        lambda: Endless(ENTRY_HEAD, b"<x>", 1024),
        lambda: Endless(FEED + b"<!--", b"-!", 1024),
        lambda: Endless(FEED + b'<entry a="', b"a", 1024),
    ],
    ids=["white space", "in the feed", "in a title", "elements", "depth", "comment", "attribute"],
)
def test_a_gigabyte_of_nothing_ends_early(source: Callable[[], BinaryIO]) -> None:
    endless = source()
    tracemalloc.start()
    with pytest.raises(EspiError, match=r"without a reading or an entry|not well-formed"):
        list(read_feed(endless))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * MB
    assert endless.read(1), "it was not read to its end"


def test_a_long_feed_is_not_held() -> None:
    """50,000 readings in 10 blocks: what was taken is let go."""
    one = written(series([1] * 5000)).decode()
    start, end = one.rindex("<entry"), one.rindex("</feed>")
    raw = (one[:start] + one[start:end] * 10 + one[end:]).encode()
    taking = EspiRead(read_feed(io.BytesIO(raw)), RULES)
    tracemalloc.start()
    count = sum(len(found.series.values) for found in taking)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 50_000 and peak < 2 * MB


def test_limits_on_what_one_feed_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = usual(*[reading(place, 1) for place in range(5)])
    monkeypatch.setattr(stream, "READINGS_MAX", 4)
    with pytest.raises(EspiError, match="more than 4 readings in one block"):
        entries(raw)
    monkeypatch.setattr(stream, "READINGS_MAX", 5)
    monkeypatch.setattr(stream, "ENTRIES_MAX", 3)
    with pytest.raises(EspiError, match="more than 3 entries"):
        entries(raw)
    monkeypatch.setattr(stream, "FEED_BYTES_MAX", 100)
    with pytest.raises(EspiError, match="larger than 100 bytes"):
        entries(raw)


def test_limits_on_what_is_held_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    late = feed(point(), block(reading(0, 1), reading(1, 1)), meter_reading(), reading_type())
    monkeypatch.setattr(joining, "HELD_MAX", 1)
    with pytest.raises(EspiError, match="before the MeterReading and ReadingType"):
        read(late)
    monkeypatch.setattr(joining, "UNREAD_MAX", 1)
    with pytest.raises(EspiError, match="more than 1 things are wrong"):
        read(usual(reading(0, 1), reading(0, 2), reading(0, 3)))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_changed_feed_is_read_or_refused(data: st.DataObject) -> None:
    raw = bytearray(usual(reading(0, 1, quality=(8,)), reading(1, 2)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place : place + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    try:
        found, taking = read(bytes(raw))
    except EspiError as error:
        assert error.place
    else:
        assert taking.taken == sum(value is not None for one in found for value in one.series.values)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200))
def test_how_the_bytes_come_does_not_matter(size: int) -> None:
    raw = usual(reading(0, 1), reading(1, 2))

    class Slow(io.BytesIO):
        def read(self, count: int | None = -1) -> bytes:
            return super().read(size)

    assert list(EspiRead(read_feed(Slow(raw)), RULES)) == read(raw)[0]


PARTS = st.lists(
    st.sampled_from(
        [
            "<value>5</value>",
            "<value> 6 </value>",
            "<value>1<!-- x -->2</value>",
            "<value/>",
            "<timePeriod><duration>900</duration><start>1782878400</start></timePeriod>",
            "<timePeriod><start>1782879300</start></timePeriod>",
            "<timePeriod><duration>900</duration></timePeriod>",
            "<ReadingQuality><quality>8</quality></ReadingQuality>",
            "<ReadingQuality><quality>19</quality></ReadingQuality>",
            "<ReadingQuality/>",
            "<cost>3</cost>",
        ]
    ),
    max_size=5,
)


@settings(max_examples=250, deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=4))
def test_many_at_once_is_the_same_as_one_by_one(parts: list[list[str]]) -> None:
    raw = usual(*[f"<IntervalReading>{''.join(each)}</IntervalReading>" for each in parts])

    def said(many: Any) -> Any:
        with pytest.MonkeyPatch.context() as patched:
            if many is not None:
                patched.setattr(stream, "read_many", many)
            try:
                return entries(raw)
            except EspiError as error:
                return str(error)

    assert said(None) == said(lambda block, count: None)


def test_a_plain_block_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = usual(*[reading(place, place, quality=(8,)) for place in range(50)])
    whole = entries(raw)
    monkeypatch.setattr(stream, "read_reading", None)  # nothing is read one by one
    assert entries(raw) == whole
