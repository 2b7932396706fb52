"""A feed as a stream of entries, in bounded memory whatever its size: interval readings are taken as they pass, and let go.

No document type, no entities, no network. Between two things that are taken, only so many bytes may pass: an entry of a
gigabyte of white space, or of a million elements that nobody knows, ends there.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import BinaryIO

from lxml import etree

from intertie.formats.espi.content import NO_PERIOD, read_entry, read_period, read_reading
from intertie.formats.espi.entries import Entry, EspiError, IntervalBlock
from intertie.formats.espi.names import atom, espi

CHUNK_BYTES = 64 * 1024
# An entry without its readings is some hundreds of bytes, of a customer with all fields some thousands: a megabyte of
# anything else is no entry.
QUIET_BYTES_MAX = 1024 * 1024
# The largest attachment (docs/attachments.md); a year of a meter at 15 minutes is about 8 MB.
FEED_BYTES_MAX = 2 * 1024 * 1024 * 1024
# A year of minutes in one entry: as many as a series of ours may have.
READINGS_MAX = 366 * 24 * 60
# As many meters as one message may have readings of, with its few entries each, for a year of daily entries.
ENTRIES_MAX = 5_000_000

FEED, ENTRY = atom("feed"), atom("entry")
BLOCK, READING, INTERVAL = espi("IntervalBlock"), espi("IntervalReading"), espi("interval")


def read_feed(source: BinaryIO) -> Iterator[Entry]:
    """The entries of a feed, or the one entry that the document is. Raises EspiError."""
    reader = _Reader()
    total = 0
    while chunk := source.read(CHUNK_BYTES):
        total += len(chunk)
        if total > FEED_BYTES_MAX:
            raise EspiError(reader.place, f"the feed is larger than {FEED_BYTES_MAX} bytes")
        yield from reader.take(chunk)
    yield from reader.end()


class _Reader:
    """Between chunks: what of an entry was taken so far."""

    def __init__(self) -> None:
        self._parser = etree.XMLPullParser(
            events=("start", "end"),
            tag=[FEED, ENTRY, BLOCK, READING, INTERVAL],
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            dtd_validation=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
            recover=False,
        )
        self._number = 0
        self._quiet = 0
        self._root: etree._Element | None = None
        self._inside = False
        self._blocks: list[IntervalBlock] = []
        self._fresh()

    @property
    def place(self) -> str:
        """Where in the feed, for who reads an error."""
        return f"entry {self._number + 1}" if self._root is not None else "feed"

    def take(self, chunk: bytes) -> Iterator[Entry]:
        """The entries that end in this chunk."""
        self._quiet += len(chunk)
        try:
            self._parser.feed(chunk)
            yield from self._events()
        except etree.XMLSyntaxError as error:
            raise EspiError(self.place, f"not well-formed XML: {error}") from error
        if self._quiet > QUIET_BYTES_MAX:
            raise EspiError(self.place, f"more than {QUIET_BYTES_MAX} bytes without a reading or an entry")

    def end(self) -> Iterator[Entry]:
        """The rest, once all bytes are taken."""
        try:
            self._parser.close()
            yield from self._events()
        except etree.XMLSyntaxError as error:
            raise EspiError(self.place, f"not well-formed XML: {error}") from error
        if self._root is None:
            raise EspiError("feed", "is neither an Atom feed nor an entry")

    def _events(self) -> Iterator[Entry]:
        for event, element in self._parser.read_events():
            if event == "start":
                self._start(element)
            elif element.tag == READING:
                self._reading(element)
            elif element.tag == INTERVAL:
                self._interval = read_period(element, self.place)
            elif element.tag == BLOCK:
                self._block(element)
            elif element.tag == ENTRY:
                yield self._entry(element)

    def _start(self, element: etree._Element) -> None:
        if self._root is None:
            tree = element.getroottree()
            if tree.docinfo.doctype or tree.docinfo.internalDTD is not None:
                raise EspiError("feed", "has a document type; ESPI has none")
            if tree.getroot() is not element or element.tag not in (FEED, ENTRY):
                raise EspiError("feed", "is neither an Atom feed nor an entry")
            self._root = element
        if element.tag == ENTRY:
            if self._inside:
                raise EspiError(self.place, "has an entry inside")
            self._inside = True

    def _reading(self, element: etree._Element) -> None:
        if len(self._starts) >= READINGS_MAX:
            raise EspiError(self.place, f"more than {READINGS_MAX} readings in one block")
        start, length, value, quality = read_reading(element, self.place)
        self._starts.append(start)
        self._lengths.append(length)
        self._values.append(value)
        self._qualities.append(quality)
        self._let_go(element)

    def _block(self, element: etree._Element) -> None:
        self._blocks.append(
            IntervalBlock(*self._interval, self._starts, self._lengths, self._values, self._qualities)
        )
        self._fresh()
        self._let_go(element)

    def _entry(self, element: etree._Element) -> Entry:
        self._number += 1
        if self._number > ENTRIES_MAX:
            raise EspiError(self.place, f"more than {ENTRIES_MAX} entries")
        if self._starts:
            raise EspiError(f"entry {self._number}", "has readings outside of an IntervalBlock")
        entry = read_entry(element, self._number, tuple(self._blocks))
        self._blocks, self._inside = [], False
        self._let_go(element)
        return entry

    def _let_go(self, element: etree._Element) -> None:
        """What was taken is no longer in memory, nor what stands before it. The element itself stays, empty: the parser may
        be writing behind it."""
        self._quiet = 0
        element.clear(keep_tail=True)
        parent = element.getparent()
        if parent is not None:
            while element.getprevious() is not None:
                del parent[0]

    def _fresh(self) -> None:
        self._interval = NO_PERIOD
        self._starts, self._lengths = array("q"), array("q")
        self._values, self._qualities = array("q"), array("b")
