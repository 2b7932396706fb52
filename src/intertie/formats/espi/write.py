"""Feeds as bytes: entries one after the other, a buffer in memory and no more.

The same readings give the same bytes: ids are UUIDs of the links (version 5), times are those that the caller gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import BinaryIO, NamedTuple

from lxml import etree

from intertie.formats.espi.names import BASE, atom
from intertie.formats.espi.nodes import (
    NAMESPACES,
    Node,
    Place,
    Said,
    element_of,
    instant,
    nodes_of,
    text,
    urn,
)
from intertie.model.metering import MeterReadings

# Written bytes that go out together.
CHUNK_BYTES = 64 * 1024


class Written(NamedTuple):
    """How much was written."""

    meters: int
    series: int
    readings: int


class Stamped(NamedTuple):
    """Of whom the feed is, whose local time it has, and when it was made."""

    title: str
    zone: str
    updated: datetime


class FeedHead(NamedTuple):
    """What stands before the entries; `link` is where it was had."""

    id: str
    title: str
    updated: datetime
    link: str = ""


def write_feed(
    out: BinaryIO, meters: Iterable[tuple[str, Sequence[MeterReadings]]], about: Stamped
) -> Written:
    """A feed of the readings of each meter, one after the other: only those of one meter are in memory."""
    count = series = readings = 0

    def nodes() -> Iterator[Node]:
        nonlocal count, series, readings
        for meter, said in meters:
            count, series = count + 1, series + len(said)
            stamped = [Said(one, about.updated, about.updated) for one in said]
            yield from nodes_of(meter, stamped, Place(about.zone), about.updated)
            readings += sum(value is not None for one in said for value in one.series.values)

    feed = f"{BASE}/Batch/Bulk/{about.title}"
    head = FeedHead(urn(f"{feed}?{instant(about.updated)}"), about.title, about.updated)
    for chunk in feed_chunks(head, once(nodes()), ""):
        out.write(chunk)
    return Written(count, series, readings)


def once(nodes: Iterable[Node]) -> Iterator[Node]:
    """Without those that other meters have, too: a zone's rules, a reading type."""
    seen: set[str] = set()
    for node in nodes:
        if node.name in ("LocalTimeParameters", "ReadingType"):
            if node.path in seen:
                continue
            seen.add(node.path)
        yield node


def feed_chunks(head: FeedHead, nodes: Iterable[Node], host: str) -> Iterator[bytes]:
    """The bytes of a feed, some at a time."""
    buffer = _Buffer()
    with etree.xmlfile(buffer, encoding="utf-8") as file:
        file.write_declaration()
        with file.element(atom("feed"), nsmap=NAMESPACES):
            file.write(text(atom("id"), head.id))
            file.write(text(atom("title"), head.title))
            file.write(text(atom("updated"), instant(head.updated)))
            if head.link:
                file.write(etree.Element(atom("link"), rel="self", href=head.link))
            for node in nodes:
                file.write(element_of(node, host))
                if buffer.size >= CHUNK_BYTES:
                    yield buffer.take()
        file.flush()
    yield buffer.take()


def entry_bytes(node: Node, host: str) -> bytes:
    """One entry as a document of its own."""
    entry: bytes = etree.tostring(element_of(node, host), xml_declaration=True, encoding="utf-8")
    return entry


class _Buffer:
    """What was written and not taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        """As files have it."""
        self._parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def take(self) -> bytes:
        """All of it, once."""
        parts, self._parts, self.size = self._parts, [], 0
        return b"".join(parts)
