"""Dates and times of a set: local to the utility, with or without a zone code, intervals stamped with their end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from intertie.formats.x12.layout import Profile

DAY = timedelta(days=1)
MINUTES_OF_A_DAY = 24 * 60


class Labels(NamedTuple):
    """Columns of dates, times and zone codes; a zone code is empty where the profile writes none."""

    dates: tuple[str, ...]
    times: tuple[str, ...]
    zones: tuple[str, ...]


class _Growing(NamedTuple):
    """Labels while they are made."""

    dates: list[str]
    times: list[str]
    zones: list[str]


class Clock:
    """How a profile writes instants.

    `day_end`: how midnight at the end of a day is written: 0000 of the next day, or 2400 or 2359 of the one that ends.
    `say_zone`: `always`, or `twice` for the hour that comes twice in autumn alone.
    """

    def __init__(self, by: Profile) -> None:
        self.zone = ZoneInfo(by.value("all", "zone"))
        codes = by.value("all", "time_codes")
        self.standard, self.daylight, self.both = codes["standard"], codes["daylight"], codes["both"]
        self.always = by.value("all", "say_zone") == "always"
        self.day_end: str = by.value("all", "day_end")
        self._terms = (self.zone, self.standard, self.daylight, self.both, self.always, self.day_end)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clock) and self._terms == other._terms

    def __hash__(self) -> int:
        return hash(self._terms)

    def write(self, at: datetime, *, ends: bool = False) -> tuple[str, str, str]:
        """Date, time, zone code. `ends`: it is the end of something, so midnight may belong to the day before."""
        local = at.astimezone(self.zone)
        day = local.date()
        clock = local.strftime("%H%M%S" if local.second else "%H%M")
        if ends and clock == "0000" and self.day_end != "0000":
            day, clock = day - DAY, self.day_end
        elif ends and clock == self.day_end != "0000":
            clock += "00"  # a minute before midnight, and not midnight
        return day.isoformat().replace("-", ""), clock, self._code(local)

    def _code(self, local: datetime) -> str:
        code = self.daylight if local.dst() else self.standard
        return code if self.always or comes_twice(local) else ""

    def read(
        self, day: str, clock: str, code: str, *, ends: bool = False, after: datetime | None = None
    ) -> datetime:
        """The instant in UTC; ValueError if it is none. Without a zone code, the hour that comes twice is the second one if
        the first is not later than `after`."""
        on = date(int(day[:4]), int(day[4:6]), int(day[6:]))
        if clock.startswith("2400") or (ends and clock == self.day_end != "0000"):
            on, clock = on + DAY, "0000"
        local = datetime.combine(on, _time(clock), self.zone)
        if code in ("UT", "GM", "Z"):
            return local.replace(tzinfo=UTC)
        if code not in ("", self.both, self.standard, self.daylight):
            raise ValueError("not a zone code of this profile")
        found = local.astimezone(UTC)
        if found.astimezone(self.zone).replace(tzinfo=None) != local.replace(tzinfo=None):
            raise ValueError("not a time of that day")  # the hour that spring leaves out
        second = local.replace(fold=1).astimezone(UTC)
        if code == self.standard or (code in ("", self.both) and after is not None and found <= after):
            found = second
        if code == self.standard and found.astimezone(self.zone).dst():
            found += timedelta(hours=1)  # said in standard time while daylight time ruled
        elif code == self.daylight and not found.astimezone(self.zone).dst():
            found -= timedelta(hours=1)
        return found

    def ends(self, start: datetime, step_seconds: int, count: int) -> Labels:
        """The ends of `count` intervals: what a meter's readings are stamped with. Start and step are whole minutes."""
        return (
            _kept(self, start, step_seconds, count)
            if count <= KEPT_MAX
            else self._ends(start, step_seconds, count)
        )

    def _ends(self, start: datetime, step_seconds: int, count: int) -> Labels:
        labels = _Growing([], [], [])
        step = timedelta(seconds=step_seconds)
        at, left = start + step, count
        while left:
            taken = self._day(at, step_seconds // 60, left, labels)
            at += step * taken
            left -= taken
        return Labels(*map(tuple, labels))

    def _day(self, at: datetime, minutes: int, most: int, labels: _Growing) -> int:
        """The labels from `at` to the end of its day, at most so many: at once if the day has no change of time."""
        local = at.astimezone(self.zone)
        later = local + DAY  # of the wall clock: its offset is that of the next day at this time
        if local.utcoffset() != later.utcoffset() or minutes > MINUTES_OF_A_DAY // 2:
            for part, value in zip(labels, self.write(at, ends=True), strict=True):
                part.append(value)
            return 1
        begin = local.hour * 60 + local.minute
        times = _minutes()[begin::minutes][:most]
        if self.day_end in times and self.day_end != "0000":
            times = [time if time != self.day_end else f"{time}00" for time in times]
        first = len(labels.times)
        count = len(times)
        code = self._code(local) if self.always else ""
        labels.dates.extend([local.date().isoformat().replace("-", "")] * count)
        labels.times.extend(times)
        labels.zones.extend([code] * count)
        if not begin:
            labels.dates[first], labels.times[first], _ = self.write(at, ends=True)
        if not self.always and comes_twice(local):
            self._say_twice(at, minutes, count, first, labels)
        return count

    def _say_twice(self, at: datetime, minutes: int, count: int, first: int, labels: _Growing) -> None:
        """The zone codes of the second turn of the hour: what is left of that day begins in it."""
        for number in range(count):
            code = self._code((at + timedelta(minutes=minutes * number)).astimezone(self.zone))
            if not code:
                return
            labels.zones[first + number] = code

    def grid(self, labels: Labels, start: datetime, step_seconds: int) -> Sequence[int] | None:
        """Which interval of a series each label ends; None if they are simply one after the other. ValueError if one ends
        none."""
        if labels == self.ends(start, step_seconds, len(labels.dates)):
            return None
        found, last = [], start
        for day, clock, code in zip(*labels, strict=True):
            last = self.read(day, clock, code, ends=True, after=last)
            number, rest = divmod(last - start, timedelta(seconds=step_seconds))
            if rest or number < 1:
                raise ValueError("a reading is stamped with a time at which no interval ends")
            found.append(number - 1)
        return found


def comes_twice(local: datetime) -> bool:
    """Whether the clock shows this time twice on that day."""
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset() and (
        local.replace(fold=0).utcoffset() or timedelta()
    ) > (local.replace(fold=1).utcoffset() or timedelta())


# The meters of a file and the files of a day are mostly of one period; a step of five minutes makes 8,928 labels of a month.
PERIODS_KEPT, KEPT_MAX = 8, 9000


@lru_cache(maxsize=PERIODS_KEPT)
def _kept(clock: Clock, start: datetime, step_seconds: int, count: int) -> Labels:
    """Made once for all that share them."""
    return clock._ends(start, step_seconds, count)


@cache
def _minutes() -> list[str]:
    return [f"{minute // 60:02}{minute % 60:02}" for minute in range(MINUTES_OF_A_DAY)]


def _time(clock: str) -> time:
    return time(int(clock[:2]), int(clock[2:4]), int(clock[4:6] or 0))


def read_date(text: str) -> date:
    """A date that the map has checked."""
    return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
