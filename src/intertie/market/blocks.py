"""Readings as dense arrays: meters x days x slots, integers in one power of ten, gaps as a mask.

A slot is an interval of the wall clock: with 15 minutes, slot 64 is 16:00 of every day, whatever the clock did that
night. So the same hour of any two days stands in the same place. An hour that the clock skips is a gap in slots that
the day does not have; an hour that comes twice has its second pass in extra slots after the last of the day. A day is
stored and exchanged as the list of its intervals in the order of time (92, 96 or 100); `layout` maps one to the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from intertie.model.errors import IntertieError
from intertie.model.interval import local_day

MINUTES = 24 * 60
# Watt-hours: the finest that meters of customers send, and sums of a year of a feeder are far below 2**63.
WATT_HOURS = -3
# More than a year of a few hundred days; a larger number is a mistake in dates.
DAYS_MAX = 4000
# Every day of a zone is asked for by each chunk of meters.
LAYOUTS_KEPT = 4096

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


class BadBlock(IntertieError):
    """Readings that do not fit the days, the step or the zone of a block."""


class Row(NamedTuple):
    """A meter's day: values in the order of time, None for a gap; ESPI quality codes, one or one for each value."""

    meter: str
    day: date
    values: Sequence[int | None]
    quality: int | Sequence[int] = 0
    revision: int = 1
    message: str = ""


class Block(NamedTuple):
    """`values` is kWh times ten to `power_of_ten` (0 where `present` is False). Days follow each other without a hole.

    `revision` is 0 where a meter has no row for a day. `source` indexes `messages`: where the row came from; -1: nowhere.
    """

    meters: tuple[str, ...]
    first: date
    zone: str
    step_minutes: int
    values: Integers
    present: Flags
    quality: NDArray[np.uint8]
    revision: NDArray[np.int32]
    source: NDArray[np.int32]
    messages: tuple[str, ...] = ()
    power_of_ten: int = WATT_HOURS

    @property
    def days(self) -> tuple[date, ...]:
        """All days, the first one first."""
        return tuple(self.first + timedelta(days=i) for i in range(self.values.shape[1]))

    def place_of(self, day: date) -> int | None:
        """Where a day is; None if the block does not reach it."""
        place = (day - self.first).days
        return place if 0 <= place < self.values.shape[1] else None

    def intervals(self, row: int, day: date) -> tuple[int | None, ...]:
        """A meter's day in the order of time, None for a gap; empty if the block does not reach it."""
        place = self.place_of(day)
        if place is None:
            return ()
        slots = list(layout(day, self.zone, self.step_minutes))
        values, present = self.values[row, place, slots].tolist(), self.present[row, place, slots].tolist()
        return tuple(value if there else None for value, there in zip(values, present, strict=True))

    def part(self, first: int, last: int) -> Block:
        """The meters from `first` up to `last`, as views."""
        cut = slice(first, last)
        return self._replace(
            meters=self.meters[cut],
            values=self.values[cut],
            present=self.present[cut],
            quality=self.quality[cut],
            revision=self.revision[cut],
            source=self.source[cut],
        )

    def total(self, name: str = "total") -> Block:
        """One row, the sum of all meters: a gap in one is a gap in the sum. Quality is the greatest code of any."""
        present = np.asarray(self.present.all(axis=0, keepdims=True) & bool(self.meters), np.bool_)
        return self._replace(
            meters=(name,),
            values=np.where(present, self.values.sum(axis=0, keepdims=True, dtype=np.int64), 0),
            present=present,
            quality=self.quality.max(axis=0, keepdims=True, initial=0),
            revision=self.revision.max(axis=0, keepdims=True, initial=0),
            source=np.full((1, self.values.shape[1]), -1, np.int32),
        )


def per_day(step_minutes: int) -> int:
    """Slots of a day of 24 hours. Raises BadBlock if the step does not divide it."""
    if step_minutes < 1 or MINUTES % step_minutes:
        raise BadBlock(f"steps of {step_minutes} minutes do not divide a day", do="Use a step that does.")
    return MINUTES // step_minutes


@lru_cache(LAYOUTS_KEPT)
def layout(day: date, zone: str, step_minutes: int) -> tuple[int, ...]:
    """The slot of each interval of a local day, in the order of time. Raises BadBlock if the clock turns within one."""
    slots, tz = per_day(step_minutes), ZoneInfo(zone)
    window = local_day(day, zone)
    count, rest = divmod((window.end - window.start) // timedelta(minutes=1), step_minutes)
    if rest:
        raise BadBlock(
            f"{day} in {zone} is no whole number of {step_minutes} minutes",
            do="Use a step that divides the change of the clock.",
        )
    if count == slots:
        return tuple(range(slots))
    found: list[int] = []
    extra = slots
    for i in range(count):
        at = (window.start + timedelta(minutes=step_minutes * i)).astimezone(UTC).astimezone(tz)
        if at.fold:
            found.append(extra)
            extra += 1
        else:
            found.append((at.hour * 60 + at.minute) // step_minutes)
    return tuple(found)


@lru_cache(LAYOUTS_KEPT)
def likeness(day: date, zone: str, step_minutes: int) -> tuple[int, ...]:
    """For each interval of a local day the slot of the same wall clock: what a second pass resembles on other days."""
    tz, start = ZoneInfo(zone), local_day(day, zone).start
    count = len(layout(day, zone, step_minutes))
    times = [(start + timedelta(minutes=step_minutes * i)).astimezone(tz) for i in range(count)]
    return tuple((at.hour * 60 + at.minute) // step_minutes for at in times)


def width(first: date, count: int, zone: str, step_minutes: int) -> int:
    """Slots that a block of these days needs: those of a day, and the longest second pass of any."""
    days = (first + timedelta(days=i) for i in range(count))
    return max(max(layout(day, zone, step_minutes)) for day in days) + 1 if count else per_day(step_minutes)


def changes(first: date, count: int, zone: str, step_minutes: int) -> tuple[bool, ...]:
    """For each day whether the clock turns on it."""
    plain = tuple(range(per_day(step_minutes)))
    return tuple(layout(first + timedelta(days=i), zone, step_minutes) != plain for i in range(count))


def empty(
    meters: Sequence[str],
    first: date,
    count: int,
    zone: str,
    step_minutes: int = 15,
    power_of_ten: int = WATT_HOURS,
) -> Block:
    """A block of gaps."""
    if not 1 <= count <= DAYS_MAX:
        raise BadBlock(f"{count} days are no block", do=f"Ask for 1 to {DAYS_MAX} days.")
    if len(set(meters)) != len(meters):
        raise BadBlock("a meter is named twice", do="Name each meter once.")
    shape = (len(meters), count, width(first, count, zone, step_minutes))
    return Block(
        meters=tuple(meters),
        first=first,
        zone=zone,
        step_minutes=step_minutes,
        values=np.zeros(shape, np.int64),
        present=np.zeros(shape, np.bool_),
        quality=np.zeros(shape, np.uint8),
        revision=np.zeros(shape[:2], np.int32),
        source=np.full(shape[:2], -1, np.int32),
        power_of_ten=power_of_ten,
    )


def fill(block: Block, rows: Iterable[Row]) -> Block:
    """The block with these rows in it; of two revisions of a meter's day the higher one counts, whatever the order.

    Rows of other meters or days are passed over: a block is a view of what is stored. Raises BadBlock for a row that is
    not as long as its day, and for two different rows with the same revision.
    """
    place = {meter: i for i, meter in enumerate(block.meters)}
    known = {message: i for i, message in enumerate(block.messages)}
    for row in rows:
        at, day = place.get(row.meter), block.place_of(row.day)
        if at is None or day is None or row.revision < block.revision[at, day]:
            continue
        slots = list(layout(row.day, block.zone, block.step_minutes))
        if len(row.values) != len(slots):
            raise BadBlock(
                f"meter {row.meter}, {row.day}: {len(row.values)} values, the day has {len(slots)} intervals",
                do="Ask the sender for the whole day, with gaps marked.",
            )
        present = [value is not None for value in row.values]
        values = [value or 0 for value in row.values]
        if row.revision == block.revision[at, day] and block.intervals(at, row.day) != tuple(row.values):
            raise BadBlock(
                f"meter {row.meter}, {row.day}: revision {row.revision} stands for two different rows",
                do="Ask the sender which one is right; a change needs a higher revision.",
            )
        block.values[at, day, slots] = values
        block.present[at, day, slots] = present
        block.quality[at, day, slots] = row.quality
        block.revision[at, day] = row.revision
        block.source[at, day] = known.setdefault(row.message, len(known)) if row.message else -1
    return block._replace(messages=tuple(known))


def as_row(block: Block, row: int, day: date) -> Row | None:
    """A meter's day back as a row; None if there is none."""
    place = block.place_of(day)
    if place is None or not block.revision[row, place]:
        return None
    slots = list(layout(day, block.zone, block.step_minutes))
    source = int(block.source[row, place])
    return Row(
        meter=block.meters[row],
        day=day,
        values=block.intervals(row, day),
        quality=tuple(block.quality[row, place, slots].tolist()),
        revision=int(block.revision[row, place]),
        message=block.messages[source] if source >= 0 else "",
    )
