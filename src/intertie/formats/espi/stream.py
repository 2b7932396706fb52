"""A feed as a stream of entries, in bounded memory whatever its size: interval readings are taken as they pass, and let go.

No document type, no entities, no network. Between two things that are taken, only so many bytes may pass: an entry of a
gigabyte of white space, or of a million elements that nobody knows, ends there.
"""

from __future__ import annotations

import itertools
import re
from array import array
from collections.abc import Iterator
from typing import BinaryIO

from lxml import etree

from intertie.formats.espi.bulk import Columns, read_many
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
# Readings that are taken together: as XML some 2 MB.
TOGETHER = 2000

FEED, ENTRY = atom("feed"), atom("entry")
BLOCK, READING, INTERVAL = espi("IntervalBlock"), espi("IntervalReading"), espi("interval")


# The feed's own title stands before its entries.
HEAD_BYTES = 2000
_TITLE = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?title(?:\s[^<>]*)?>([^<>]{1,200})<")


def feed_title(content: bytes) -> str:
    """What a feed is called, as far as its beginning says it; empty if it does not."""
    found = _TITLE.search(content[:HEAD_BYTES])
    return found[1].decode("utf-8", "replace").strip() if found else ""


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
            events=("end",),
            tag=[ENTRY, BLOCK, READING, INTERVAL],
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
        self._blocks: list[IntervalBlock] = []
        self._ready, self._emptied = 0, 0  # complete readings that are not taken; an empty one before them
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
            root = self._parser.close()
            yield from self._events()
        except etree.XMLSyntaxError as error:
            raise EspiError(self.place, f"not well-formed XML: {error}") from error
        if self._root is None:
            self._check_root(root)

    def _events(self) -> Iterator[Entry]:
        for _, element in self._parser.read_events():
            if self._root is None:
                self._check_root(element.getroottree().getroot())
            tag = element.tag
            if tag == READING:
                self._reading(element)
            elif tag == INTERVAL:
                self._interval = read_period(element, self.place)
            elif tag == BLOCK:
                self._block(element)
            elif tag == ENTRY:
                yield self._entry(element)

    def _check_root(self, root: etree._Element) -> None:
        """Before anything of it is taken. Entities are never put in, whatever it says."""
        docinfo = root.getroottree().docinfo
        if docinfo.doctype or docinfo.internalDTD is not None:
            raise EspiError("feed", "has a document type; ESPI has none")
        if root.tag not in (FEED, ENTRY):
            raise EspiError("feed", "is neither an Atom feed nor an entry")
        self._root = root

    def _reading(self, element: etree._Element) -> None:
        """It is complete, though the parser may be further. Those of a block are taken together at its end, unless they are
        too many to be kept until then."""
        self._quiet = 0
        self._ready += 1
        if self._ready < TOGETHER:
            return
        block = element.getparent()
        if block is None or block.tag != BLOCK:
            raise EspiError(self.place, "has readings outside of an IntervalBlock")
        self._one_by_one(itertools.islice(block.iterchildren(READING), self._emptied, None), self._ready)
        element.clear(keep_tail=True)
        del block[: block.index(element)]
        self._emptied, self._ready = 1, 0

    def _one_by_one(self, elements: Iterator[etree._Element], count: int) -> None:
        read = [read_reading(one, self.place) for one in itertools.islice(elements, count)]
        self._keep(Columns(*zip(*read, strict=True)))

    def _keep(self, some: Columns) -> None:
        self._starts.extend(some.starts)
        self._lengths.extend(some.lengths)
        self._values.extend(some.values)
        self._qualities.extend(some.qualities)
        if len(self._starts) > READINGS_MAX:
            raise EspiError(self.place, f"more than {READINGS_MAX} readings in one block")

    def _rest(self, block: etree._Element) -> None:
        """The readings of a block that has ended, or those of them that were not taken before."""
        plain = None if self._emptied else read_many(block, self._ready)
        if plain is not None:
            self._keep(plain)
        else:
            self._one_by_one(itertools.islice(block.iterchildren(READING), self._emptied, None), self._ready)

    def _block(self, element: etree._Element) -> None:
        if self._ready:
            self._rest(element)
        self._blocks.append(
            IntervalBlock(*self._interval, self._starts, self._lengths, self._values, self._qualities)
        )
        self._fresh()
        self._let_go(element)

    def _entry(self, element: etree._Element) -> Entry:
        self._number += 1
        if self._number > ENTRIES_MAX:
            raise EspiError(self.place, f"more than {ENTRIES_MAX} entries")
        if element.getparent() is not None and element.getparent() is not self._root:
            raise EspiError(f"entry {self._number}", "stands inside of another entry")
        if self._starts or self._ready:
            raise EspiError(f"entry {self._number}", "has readings outside of an IntervalBlock")
        entry = read_entry(element, self._number, tuple(self._blocks))
        self._blocks = []
        self._let_go(element)
        return entry

    def _let_go(self, element: etree._Element) -> None:
        """What was taken is no longer in memory, nor what stands before it. The element itself stays, empty: the parser may
        be writing behind it."""
        self._quiet = 0
        element.clear(keep_tail=True)
        parent = element.getparent()
        if parent is not None:
            del parent[: parent.index(element)]

    def _fresh(self) -> None:
        self._interval = NO_PERIOD
        self._ready, self._emptied = 0, 0
        self._starts, self._lengths = array("q"), array("q")
        self._values, self._qualities = array("q"), array("b")
