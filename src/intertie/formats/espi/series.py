"""Blocks of a feed become readings of meters: joined to their reading type and usage point by links, cut where time has a gap.

Entries refer to each other by links and come in any order. A block is held back until its series is known; what is not energy
of electricity, or cannot be joined, is not dropped but told: with its entry, the reason and how many readings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple
from urllib.parse import unquote

from intertie.formats.espi import names
from intertie.formats.espi.entries import (
    Blocks,
    Entry,
    EspiError,
    IntervalBlock,
    MeterReading,
    Other,
    ReadingType,
    UsagePoint,
)
from intertie.formats.espi.runs import Cut, readings_of
from intertie.market.reading_days import Fault
from intertie.model.ids import NAME
from intertie.model.metering import Channel, MeterReadings, Quality

# Held back until their series is known: 25 bytes each, so 50 MB. Feeds usually have the type before the blocks.
HELD_MAX = 2_000_000
# One for each thing that is wrong; a feed in which more is wrong is not worth listing.
UNREAD_MAX = 10_000

# Revisions of entries that say when they changed are hours from here: a number of ours reaches for 114 years.
REVISIONS_FROM = datetime(2000, 1, 1, tzinfo=UTC)
REVISION_MAX = 1_000_000

_USAGE_POINT = re.compile(r"^(?:.*/)?UsagePoint/([^/]+)")
_NAME = re.compile(NAME)


def meter_named_by(path: str) -> str:
    """The last part of a usage point's path: what a custodian that writes our meters' ids there means."""
    return unquote(path.rsplit("/", 1)[-1])


def revision_of(updated: datetime) -> int:
    """A later change has a higher revision; two within an hour have the same."""
    hours = (updated - REVISIONS_FROM) // timedelta(hours=1)
    return min(max(1, hours), REVISION_MAX)


class EspiRules(NamedTuple):
    """What a feed does not say itself. `meter_of` gives the meter of a usage point by its path, or None if it is not ours."""

    meter_of: Callable[[str], str | None]
    quality: Quality = Quality.RAW
    channel: Channel = Channel.IMPORT
    revision: int = 1
    by_updated: bool = False  # the revision is by the entry's time of change, where it has one


class Unread(NamedTuple):
    """Readings of a feed that were not taken: where, why, how many."""

    entry: int
    fault: Fault
    readings: int
    meter: str
    why: str


class EspiRead:
    """The readings of a feed's entries: iterate once, then `unread` and `others` say what was not taken."""

    def __init__(self, entries: Iterable[Entry], rules: EspiRules) -> None:
        self.unread: list[Unread] = []
        self.others: Counter[str] = Counter()
        self.taken = 0
        self._entries, self._rules = entries, rules
        self._points: dict[str, UsagePoint] = {}
        self._series: dict[str, Entry] = {}  # by each path that leads to it
        self._kinds: dict[str, ReadingType] = {}
        self._held: list[tuple[Entry, Blocks]] = []
        self._holding = 0

    def __iter__(self) -> Iterator[MeterReadings]:
        for entry in self._entries:
            yield from self._take(entry)
        held, self._held = self._held, []
        for entry, blocks in held:
            yield from self._finish(entry, blocks, last=True)

    def _take(self, entry: Entry) -> Iterator[MeterReadings]:
        content = entry.content
        if isinstance(content, Blocks):
            yield from self._finish(entry, content, last=False)
        elif isinstance(content, Other):
            self.others[content.name] += 1
        else:
            self._register(entry)

    def _register(self, entry: Entry) -> None:
        content, links = entry.content, entry.links
        if isinstance(content, ReadingType):
            self._kinds[links.own] = content
        elif isinstance(content, UsagePoint):
            for path in (links.own, *links.related):
                self._points.setdefault(path, content)
        elif isinstance(content, MeterReading):
            for path in (links.own, *(path for path in links.related if "/ReadingType" not in path)):
                self._series.setdefault(path, entry)

    def _finish(self, entry: Entry, content: Blocks, *, last: bool) -> Iterator[MeterReadings]:
        series = self._series_of(entry, last)
        kind = None if series is None else self._kind_of(series, last)
        if kind is None and not last:
            self._hold(entry, content)
            return
        for block in content.blocks:
            yield from self._block(entry, series, kind, block)

    def _hold(self, entry: Entry, content: Blocks) -> None:
        self._holding += sum(len(block.values) for block in content.blocks)
        if self._holding > HELD_MAX:
            raise EspiError(
                f"entry {entry.number}",
                f"more than {HELD_MAX} readings before the MeterReading and ReadingType that they belong to",
            )
        self._held.append((entry, content))

    def _series_of(self, entry: Entry, last: bool) -> Entry | None:
        up, own = entry.links.up, entry.links.own
        for path in (up, _parent(up), own, _parent(own), _parent(_parent(own))):
            if path and path in self._series:
                return self._series[path]
        known = list(self._series.values())
        return known[0] if last and known and all(one is known[0] for one in known) else None

    def _kind_of(self, series: Entry, last: bool) -> ReadingType | None:
        content = series.content
        if isinstance(content, MeterReading) and content.kind is not None:
            return content.kind
        for path in series.links.related:
            if path in self._kinds:
                return self._kinds[path]
        only = list(self._kinds.values())
        return only[0] if last and len(only) == 1 else None

    def _block(
        self, entry: Entry, series: Entry | None, kind: ReadingType | None, block: IntervalBlock
    ) -> Iterator[MeterReadings]:
        if kind is None or series is None:
            what = "MeterReading" if series is None else "ReadingType"
            self._tell(entry, Fault.UNREADABLE, len(block.values), f"no {what} is linked to it", meter="")
            return
        point = self._point_of(entry, series)
        meter = self._rules.meter_of(point)
        if meter is None or not _NAME.fullmatch(meter):
            self._tell(
                entry, Fault.FOREIGN_METER, len(block.values), f"usage point {point[:80]}", meter=point[:128]
            )
            return
        up = series.links.up
        reason = _why_not(kind, self._points.get(up) or self._points.get(_parent(up)))
        if reason:
            self._tell(entry, Fault.WRONG_UNIT, len(block.values), reason, meter=meter)
            return
        tell = partial(self._tell, entry, meter=meter)
        rules = self._rules
        revision = revision_of(entry.updated) if rules.by_updated and entry.updated else rules.revision
        cut = Cut(meter, kind, rules.quality, rules.channel, revision, tell)
        for readings in readings_of(block, cut):
            self.taken += sum(value is not None for value in readings.series.values)
            yield readings

    def _point_of(self, entry: Entry, series: Entry) -> str:
        """The path of the usage point: each link of a series and its blocks goes through it."""
        for path in (series.links.own, series.links.up, entry.links.own, entry.links.up):
            if found := _USAGE_POINT.match(path):
                return found[0]
        return series.links.own

    def _tell(self, entry: Entry, fault: Fault, readings: int, why: str, *, meter: str) -> None:
        if len(self.unread) >= UNREAD_MAX:
            raise EspiError(f"entry {entry.number}", f"more than {UNREAD_MAX} things are wrong in this feed")
        self.unread.append(Unread(entry.number, fault, readings, meter, why))


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _why_not(kind: ReadingType, point: UsagePoint | None) -> str:
    """Why values of this kind are no energy of electricity by interval; nothing if they are."""
    service = None if point is None else point.service
    if service not in (None, names.SERVICE_ELECTRICITY):
        return f"ServiceCategory/kind {service} is not electricity"
    if kind.commodity is not None and kind.commodity not in names.ELECTRICITY:
        return f"commodity {kind.commodity} is not electricity"
    if kind.unit != names.WATT_HOURS:
        return f"uom {kind.unit} ({names.UNIT_NAMES.get(kind.unit or -1, 'not said')}) is not Wh"
    if kind.accumulation not in (None, names.DELTA):
        return f"accumulationBehaviour {kind.accumulation} is not energy of an interval (4)"
    if kind.flow is not None and kind.flow not in names.FLOWS:
        return f"flowDirection {kind.flow} is none of {', '.join(map(str, names.FLOWS))}"
    return ""
