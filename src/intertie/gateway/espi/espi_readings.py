"""Readings as a custodian gives them out: of each meter's day what counts, with the times at which it came and last changed.

Which rows count is decided as for settlement (formats/reading_block.py): the highest revision, and of several rows of it the one
that came first, whose gaps later ones fill.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from intertie.formats.espi.names import TRUST
from intertie.formats.espi.nodes import Said
from intertie.formats.reading_documents import readings_of
from intertie.gateway.metering.readings import Readings
from intertie.gateway.metering.readings_ports import Wanted
from intertie.market.reading_days import DayRow

_COLUMNS = (
    "meter",
    "channel",
    "day",
    "revision",
    "step_seconds",
    "power_of_ten",
    "values",
    "quality",
    "arrived",
)
# Meters whose rows are in memory together: a year of this many, three channels at 15 minutes, is some 50 MB as Python has it.
METERS_AT_ONCE = 4


class Asked(NamedTuple):
    """Which: meters, from when until when; nothing finer than `finest` seconds."""

    meters: Sequence[str]
    since: datetime
    until: datetime
    finest: int | None = None


class _Row(NamedTuple):
    row: DayRow
    arrived: datetime


def said_by_meter(readings: Readings, asked: Asked) -> Iterator[tuple[str, list[Said]]]:
    """The days of each meter, in the order of meters as asked; a meter without any has an empty list. StoreError."""
    for some in _batches(asked.meters):
        rows = _rows(readings, some, asked)
        for meter in some:
            yield meter, _said(rows.get(meter, []), readings.zone, asked)


class Arrived(NamedTuple):
    """How many meter days there are, of all revisions, and when the last of them came."""

    rows: int
    last: datetime | None


def arrived_by_meter(readings: Readings, meters: Iterable[str]) -> dict[str, Arrived]:
    """What there is of each meter that has any. StoreError."""
    wanted = sorted(set(meters))
    found: dict[str, Arrived] = {}
    for table in readings.store.tables(Wanted(meters=wanted), ("meter", "arrived")) if wanted else ():
        grouped = table.group_by("meter").aggregate([("arrived", "count"), ("arrived", "max")])
        for one in grouped.to_pylist():
            before = found.get(one["meter"], Arrived(0, None))
            last = one["arrived_max"].astimezone(UTC)
            found[one["meter"]] = Arrived(before.rows + one["arrived_count"], max(before.last or last, last))
    return found


def rows_after(readings: Readings, meters: Iterable[str], since: datetime) -> int:
    """How many meter days of these came after a time. StoreError."""
    tables = readings.store.tables(Wanted(meters=sorted(set(meters))), ("arrived",))
    return sum(at > since for table in tables for at in table["arrived"].to_pylist())


def _batches(meters: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(meters), METERS_AT_ONCE):
        yield meters[first : first + METERS_AT_ONCE]


def _rows(readings: Readings, meters: Sequence[str], asked: Asked) -> dict[str, list[_Row]]:
    zone = ZoneInfo(readings.zone)
    first, last = asked.since.astimezone(zone).date(), asked.until.astimezone(zone).date()
    wanted = Wanted(first=first, last=last, meters=sorted(meters))
    found: dict[str, list[_Row]] = {}
    for table in readings.store.tables(wanted, _COLUMNS):
        for columns in _records(table):
            found.setdefault(columns["meter"], []).append(_row(columns))
    return found


def _records(table: Any) -> Iterator[dict[str, Any]]:
    records: list[dict[str, Any]] = table.to_pylist()
    yield from records


def _row(columns: dict[str, Any]) -> _Row:
    return _Row(
        DayRow(**{name: columns[name] for name in DayRow._fields}), columns["arrived"].astimezone(UTC)
    )


def _said(rows: Sequence[_Row], zone: str, asked: Asked) -> list[Said]:
    by_day: dict[tuple[str, int, date], list[_Row]] = {}
    for one in rows:
        by_day.setdefault((one.row.channel, one.row.step_seconds, one.row.day), []).append(one)
    found = []
    for _, several in sorted(by_day.items()):
        one = _counting(several)
        row = _coarser(one.row, asked.finest)
        if row is None or all(value is None for value in row.values):
            continue
        first = min(each.arrived for each in several)
        found.append(Said(readings_of(row, zone), first, one.arrived))
    return found


def _counting(several: Sequence[_Row]) -> _Row:
    """The day of the highest revision, put together; it changed when the last of that revision came."""
    top = max(one.row.revision for one in several)
    parts = sorted((one for one in several if one.row.revision == top), key=lambda one: one.arrived)
    if len(parts) == 1:
        return parts[0]
    power = min(one.row.power_of_ten for one in parts)
    length = max(len(one.row.values) for one in parts)
    values: list[int | None] = [None] * length
    quality = [0] * length
    changed = parts[0].arrived
    for row, arrived in parts:
        factor = 10 ** (row.power_of_ten - power)
        for place, value in enumerate(row.values):
            if value is not None and values[place] is None:
                values[place] = value * factor
                quality[place] = _code(row, place)
                changed = max(changed, arrived)
    return _Row(parts[0].row._replace(power_of_ten=power, values=values, quality=quality), changed)


def _coarser(row: DayRow, finest: int | None) -> DayRow | None:
    """The same in intervals of `finest` seconds, if it has finer ones: sums of what is whole, with the least trusted quality of
    each. None if they do not fit in."""
    if finest is None or row.step_seconds >= finest:
        return row
    count, rest = divmod(finest, row.step_seconds)
    if rest or len(row.values) % count:
        return None
    values: list[int | None] = []
    quality: list[int] = []
    for first in range(0, len(row.values), count):
        some = [value for value in row.values[first : first + count] if value is not None]
        values.append(sum(some) if len(some) == count else None)
        codes = [_code(row, place) for place in range(first, first + count)]
        quality.append(min(codes, key=lambda code: TRUST.get(code, 0)))
    return row._replace(step_seconds=finest, values=values, quality=quality)


def _code(row: DayRow, place: int) -> int:
    return row.quality[0] if len(row.quality) == 1 else row.quality[place]
