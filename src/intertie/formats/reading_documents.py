"""Rows of meter days as documents: what was read from a file goes to a partner as messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from intertie.market.reading_days import DayRow
from intertie.model.ids import MeterId
from intertie.model.interval import IntervalSeries, local_day
from intertie.model.metering import ESPI_QUALITY, Channel, MeterReadings, MeterReadingSet, Quality
from intertie.model.quantity import Unit

# With a quality for each value a day takes some 2 kB: 2,000 of them stay under the 8 MiB of a message.
DAYS_AT_ONCE = 2000
QUALITIES = {code: quality for quality, code in ESPI_QUALITY.items()}
_FIELDS = list(DayRow._fields)


def documents_of(tables: Iterable[Any], zone: str) -> Iterator[MeterReadingSet]:
    """Documents that say all that the rows say."""
    for table in tables:
        for start in range(0, len(table), DAYS_AT_ONCE):
            columns = table.slice(start, DAYS_AT_ONCE).select(_FIELDS).to_pydict()
            rows = map(DayRow._make, zip(*columns.values(), strict=True))
            yield MeterReadingSet(meters=tuple(readings_of(row, zone) for row in rows))


def readings_of(row: DayRow, zone: str) -> MeterReadings:
    """One row; gaps at its ends are left out."""
    there = [place for place, value in enumerate(row.values) if value is not None]
    first, last = (there[0], there[-1] + 1) if there else (0, len(row.values))
    codes = row.quality if len(row.quality) == 1 else row.quality[first:last]
    quality = tuple(QUALITIES[code] for code in codes)
    start = local_day(row.day, zone).start + timedelta(seconds=row.step_seconds * first)
    return MeterReadings(
        meter=MeterId(row.meter),
        channel=Channel(row.channel),
        quality=_one_or_all(quality),
        series=IntervalSeries(
            start=start,
            step_seconds=row.step_seconds,
            unit=Unit.KWH,
            power_of_ten=row.power_of_ten,
            values=tuple(row.values[first:last]),
        ),
        revision=row.revision,
    )


def _one_or_all(quality: tuple[Quality, ...]) -> Quality | tuple[Quality, ...]:
    return quality[0] if len(set(quality)) == 1 else quality
