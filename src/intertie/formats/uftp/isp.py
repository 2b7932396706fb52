"""ISPs and intervals: numbers from 1 within a local day, which has 23, 24 or 25 hours, to UTC and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from intertie.model.interval import STEPS_SECONDS, IntervalSeries, Window, local_day
from intertie.model.quantity import Unit
from intertie.model.record import RuleError

# Watts as kilowatts: an integer of W is the value of a series in kW with this power of ten.
WATT = -3


class IspError(ValueError):
    """ISPs that a day does not have, or has twice. `why` begins with UFTP's own words."""


class Day(NamedTuple):
    """The ISPs of one day."""

    period: date
    zone: str
    length: timedelta

    @property
    def window(self) -> Window:
        """The day in UTC; IspError for an unknown zone."""
        try:
            return local_day(self.period, self.zone)
        except (ZoneInfoNotFoundError, OverflowError, ValueError) as error:
            raise IspError(f"TimeZone rejected: {self.zone} is not known") from error

    @property
    def isps(self) -> int:
        """How many ISPs the day has; IspError if their length does not divide it."""
        if int(self.length.total_seconds()) not in STEPS_SECONDS:
            raise IspError(f"ISP duration rejected: {self.length} is none that is used here")
        count, rest = divmod(self.window.end - self.window.start, self.length)
        if rest:
            raise IspError(f"ISP duration rejected: {self.length} does not divide the day")
        return count

    def start_of(self, number: int) -> datetime:
        """When an ISP begins, in UTC."""
        return self.window.start + self.length * (number - 1)

    def number_of(self, at: datetime) -> int:
        """The ISP that begins at a time; IspError if none does."""
        number, rest = divmod(at - self.window.start, self.length)
        if rest or not 0 <= number < self.isps:
            raise IspError(f"ISPs out of bounds: none of {self.period} begins at {at.isoformat()}")
        return number + 1


def day_of(start: datetime, end: datetime, zone: str, length: timedelta) -> Day:
    """The local day that a window lies in; IspError if it lies in several: a UFTP message is about one."""
    try:
        local = start.astimezone(ZoneInfo(zone)).date()
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise IspError(f"TimeZone rejected: {zone} is not known") from error
    day = Day(local, zone, length)
    if not day.window.start <= start < end <= day.window.end:
        raise IspError("Period out of bounds: a UFTP message is about one day")
    return day


def spread(day: Day, isps: Iterable[tuple[int, int, int]]) -> dict[int, int]:
    """Power by ISP number, from (start, duration, power); IspError for one that the day has not, or that stands there twice."""
    found: dict[int, int] = {}
    count = day.isps
    for start, duration, power in isps:
        if start + duration - 1 > count:
            raise IspError(f"ISPs out of bounds: {day.period} has {count}")
        for number in range(start, start + duration):
            if number in found:
                raise IspError(f"ISP conflict: {number} stands there twice")
            found[number] = power
    return found


def gather(powers: Mapping[int, int]) -> list[tuple[int, int, int]]:
    """(start, duration, power) again: equal neighbours are one."""
    gathered: list[tuple[int, int, int]] = []
    for number, power in sorted(powers.items()):
        if gathered:
            start, duration, last = gathered[-1]
            if start + duration == number and last == power:
                gathered[-1] = start, duration + 1, power
                continue
        gathered.append((number, 1, power))
    return gathered


def to_series(day: Day, powers: Mapping[int, int], first: int, last: int) -> IntervalSeries:
    """Power in kW from ISP `first` to `last`, zero where nothing is said."""
    return IntervalSeries(
        start=day.start_of(first).astimezone(UTC),
        step_seconds=int(day.length.total_seconds()),
        unit=Unit.KW,
        power_of_ten=WATT,
        values=tuple(powers.get(number, 0) for number in range(first, last + 1)),
    )


def to_powers(day: Day, series: IntervalSeries) -> dict[int, int]:
    """W by ISP number, gaps left out; RuleError for a fraction of a watt."""
    first = day.number_of(series.start)
    found = {}
    for place, value in enumerate(series.values):
        if value is None:
            continue
        watts, rest = divmod(
            value * 10 ** max(series.power_of_ten - WATT, 0), 10 ** max(WATT - series.power_of_ten, 0)
        )
        if rest:
            raise RuleError(f"interval {place + 1}: UFTP has whole watts")
        found[first + place] = watts
    return found


def window_of(series: IntervalSeries) -> Window:
    """What a series covers."""
    return Window(start=series.start, end=series.end)
