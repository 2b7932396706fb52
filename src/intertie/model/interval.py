"""Time: aware instants, half-open windows, and series of equal intervals with their unit and stamped end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from msgspec import Meta

from intertie.model.quantity import Unit
from intertie.model.record import Record, RuleError

# A year of minutes; anything longer is an attachment, not a message.
SERIES_MAX = 366 * 24 * 60
STEPS_SECONDS = (1, 2, 4, 5, 10, 15, 20, 30, 60, 300, 600, 900, 1800, 3600, 86400)
VALUE_MAX = 2**47  # ESPI's Int48
# No meter is older and no deal reaches further; SERIES_MAX days beyond it is still a date that Python has.
YEAR_MIN, YEAR_MAX = 1900, 2999

# A time with its offset: without one it is refused, and the schema says date-time.
Instant = Annotated[datetime, Meta(tz=True)]
ZoneName = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}(?!\n)$")]


class Stamp(StrEnum):
    """Which end of an interval its label names. X12 and settlement use the end, ESPI and this format the start."""

    START = "start"
    END = "end"


class Window(Record, frozen=True, kw_only=True):
    """From `start` up to, not including, `end`."""

    start: Instant
    end: Instant

    def check(self) -> None:
        """A window has a length."""
        if self.end <= self.start:
            raise RuleError("end: a window ends after it starts")

    def holds(self, at: datetime) -> bool:
        """Whether `at` lies inside."""
        return self.start <= at < self.end

    def overlaps(self, other: Window) -> bool:
        """Whether the two share any time."""
        return self.start < other.end and other.start < self.end

    @property
    def hours(self) -> Decimal:
        """Length in hours, exact."""
        return Decimal((self.end - self.start) // timedelta(seconds=1)) / 3600


class IntervalSeries(Record, frozen=True, kw_only=True):
    """Equal intervals. Value i, times 10^power_of_ten, in `unit`, covers [start + i*step, start + (i+1)*step).

    Integers with a stated power of ten, as ESPI has them: sums are exact in any order. None is a gap.
    `start` is always the beginning of the first interval; `stamped` says which end the source labels.
    """

    start: Instant
    step_seconds: int
    unit: Unit
    power_of_ten: Annotated[int, Meta(ge=-6, le=6)] = -3
    stamped: Stamp = Stamp.START
    values: Annotated[tuple[int | None, ...], Meta(min_length=1, max_length=SERIES_MAX)]

    def check(self) -> None:
        """Steps divide the day; values fit 48 bits."""
        if self.step_seconds not in STEPS_SECONDS:
            raise RuleError(f"step_seconds: none of {STEPS_SECONDS}")
        low, high = self.span
        if low <= -VALUE_MAX or high >= VALUE_MAX:
            raise RuleError("values: beyond 48 bits")
        if self.start.year > YEAR_MAX or self.start.year < YEAR_MIN:
            raise RuleError(f"start: not in the years {YEAR_MIN} to {YEAR_MAX}")

    @property
    def span(self) -> tuple[int, int]:
        """The least and the greatest value, gaps aside; zeros where there are only gaps."""
        values: Any = self.values
        try:
            return min(values) + 0, max(values)
        except TypeError:  # a gap, alone or among others
            known = [value for value in values if value is not None]
            return min(known, default=0), max(known, default=0)

    @property
    def low(self) -> int:
        """The least value, gaps aside; zero where there are only gaps."""
        values: Any = self.values
        try:
            return int(min(values))
        except TypeError:  # a gap
            return self.span[0]

    @property
    def step(self) -> timedelta:
        """Length of one interval."""
        return timedelta(seconds=self.step_seconds)

    @property
    def end(self) -> datetime:
        """End of the last interval."""
        return self.start + self.step * len(self.values)

    def quantity(self, index: int) -> Decimal | None:
        """Value `index` in `unit`, exact; None for a gap."""
        value = self.values[index]
        return None if value is None else Decimal(value).scaleb(self.power_of_ten)

    def total(self) -> Decimal:
        """Exact sum of what is there, in `unit`."""
        return Decimal(sum(v for v in self.values if v is not None)).scaleb(self.power_of_ten)

    def labels(self) -> list[datetime]:
        """The time each interval is known by, at the stamped end."""
        first = self.start if self.stamped is Stamp.START else self.start + self.step
        return [first + self.step * i for i in range(len(self.values))]


def local_day(day: date, zone: str) -> Window:
    """A calendar day in a zone, as UTC: 23, 24 or 25 hours long."""
    tz = ZoneInfo(zone)
    start = datetime(day.year, day.month, day.day, tzinfo=tz)
    after = day + timedelta(days=1)
    end = datetime(after.year, after.month, after.day, tzinfo=tz)
    return Window(start=start.astimezone(UTC), end=end.astimezone(UTC))


def intervals_in(window: Window, step: timedelta) -> int:
    """How many whole steps a window has; ValueError if they do not fit."""
    count, rest = divmod(window.end - window.start, step)
    if rest:
        raise RuleError("a window must be a whole number of steps")
    return count
