"""A feed of any length as feeds that fit a message: each has some blocks, and the entries that they belong to.

The feed lies on disk and is read twice: what blocks belong to may stand behind them. Entries are written as the custodian wrote
them; the head is ours and always the same, so that the same entries give the same bytes whenever they are fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from lxml import etree

from intertie.formats.espi.content import read_entry
from intertie.formats.espi.entries import Entry, EspiError, MeterReading, ReadingType, UsagePoint
from intertie.formats.espi.names import ATOM, espi
from intertie.formats.espi.stream import CHUNK_BYTES, ENTRIES_MAX, ENTRY, FEED

# A year of quarter hours in one entry would not fit a message.
ENTRY_BYTES_MAX = 3 * 1024 * 1024
# Usage points, meter readings and types: some hundred bytes each, of as many meters as a feed has.
REGISTER_BYTES_MAX = 64 * 1024 * 1024
# A part with its readings as JSON beside fits a message; small enough to be kept in a moment.
PART_BYTES = 2 * 1024 * 1024
HEAD = f'<feed xmlns="{ATOM}"><id>urn:intertie:part</id><title>part of a feed</title>'.encode()
TAIL = b"</feed>"
_BLOCK = espi("IntervalBlock")


class _Kept(NamedTuple):
    raw: bytes
    needs: tuple[str, ...]  # paths of others


def cut_feed(file: BinaryIO) -> Iterator[bytes]:
    """The parts of a feed that can be read again from its beginning. EspiError for one that is none; nothing for one without
    blocks."""
    register = _Register(file)
    file.seek(0)
    yield from _parts(file, register)


def _parts(file: BinaryIO, register: _Register) -> Iterator[bytes]:
    blocks: list[bytes] = []
    needed: dict[str, None] = {}
    size = 0
    for number, element in _entries(file):
        if next(element.iter(_BLOCK), None) is None:
            continue
        raw = _raw(element)
        fresh = [path for path in register.needed_by(read_entry(element, number, ())) if path not in needed]
        more = len(raw) + sum(len(register.raw(path)) for path in fresh)
        if blocks and size + more > PART_BYTES:
            yield _part(register, needed, blocks)
            blocks, needed, size = [], {}, 0
            fresh = list(register.needed_by(read_entry(element, number, ())))
            more = len(raw) + sum(len(register.raw(path)) for path in fresh)
        blocks.append(raw)
        needed.update(dict.fromkeys(fresh))
        size += more
    if blocks:
        yield _part(register, needed, blocks)


def _part(register: _Register, needed: dict[str, None], blocks: list[bytes]) -> bytes:
    return b"".join([HEAD, *map(register.raw, needed), *blocks, TAIL])


class _Register:
    """What blocks belong to, by path."""

    def __init__(self, file: BinaryIO) -> None:
        self._kept: dict[str, _Kept] = {}
        self._series: dict[str, str] = {}  # by each path that leads to a meter reading
        size = 0
        for number, element in _entries(file):
            if next(element.iter(_BLOCK), None) is not None:
                continue
            entry = read_entry(element, number, ())
            if isinstance(entry.content, MeterReading):
                for path in (entry.links.own, *entry.links.related):
                    if "/ReadingType" not in path:
                        self._series.setdefault(path, entry.links.own)
            elif not isinstance(entry.content, UsagePoint | ReadingType):
                continue
            raw = _raw(element)
            size += len(raw)
            if size > REGISTER_BYTES_MAX:
                raise EspiError("feed", f"more than {REGISTER_BYTES_MAX} bytes beside its blocks")
            self._kept[entry.links.own] = _Kept(raw, entry.links.related)

    def raw(self, path: str) -> bytes:
        """The entry there."""
        return self._kept[path].raw

    def needed_by(self, block: Entry) -> Iterator[str]:
        """Paths of what a block belongs to: its meter reading, that one's type, and its usage point. None that is not there."""
        series = self._series_of(block)
        if series is None:
            return
        yield series
        for path in self._kept[series].needs:
            if path in self._kept:
                yield path
        point = series.partition("/MeterReading/")[0]
        if point in self._kept and point != series:
            yield point

    def _series_of(self, block: Entry) -> str | None:
        up, own = block.links.up, block.links.own
        for path in (up, _parent(up), own, _parent(own), _parent(_parent(own))):
            if path and path in self._series:
                return self._series[path]
        known = set(self._series.values())
        return known.pop() if len(known) == 1 else None


def _entries(file: BinaryIO) -> Iterator[tuple[int, etree._Element]]:
    """The entries of a feed, one in memory. EspiError."""
    parser = etree.XMLPullParser(
        events=("start", "end"),
        tag=[ENTRY, FEED],
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    number = quiet = 0
    begun = False
    try:
        while chunk := file.read(CHUNK_BYTES):
            quiet += len(chunk)
            parser.feed(chunk)
            for event, element in parser.read_events():
                if not begun:
                    _check_root(element)
                    begun = True
                if event == "end" and element.tag == ENTRY:
                    number, quiet = number + 1, 0
                    if number > ENTRIES_MAX:
                        raise EspiError(f"entry {number}", f"more than {ENTRIES_MAX} entries")
                    yield number, element
                    _let_go(element)
            if quiet > ENTRY_BYTES_MAX:
                raise EspiError(
                    f"entry {number + 1}", f"larger than {ENTRY_BYTES_MAX} bytes: ask for blocks of a day"
                )
        parser.close()
    except etree.XMLSyntaxError as error:
        raise EspiError(f"entry {number + 1}", f"not well-formed XML: {error}") from error
    if not begun:
        raise EspiError("feed", "is no Atom feed")


def _check_root(element: etree._Element) -> None:
    tree = element.getroottree()
    if tree.docinfo.doctype or tree.docinfo.internalDTD is not None:
        raise EspiError("feed", "has a document type; ESPI has none")
    if tree.getroot().tag != FEED:
        raise EspiError("feed", "is no Atom feed")


def _let_go(element: etree._Element) -> None:
    element.clear(keep_tail=True)  # the parser may be writing behind it
    parent = element.getparent()
    if parent is not None:
        del parent[: parent.index(element)]


def _raw(element: etree._Element) -> bytes:
    """The entry by itself, with the names that it needs."""
    raw: bytes = etree.tostring(element, with_tail=False, method="c14n", exclusive=True)
    return raw


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
