"""A zone as ESPI says it: its offsets, and when daylight saving begins and ends, as packed numbers (LocalTimeParameters).

A rule has, from the highest bits: month (4), operator (3), day of the month (5), day of the week (3, Sunday is 7), hour (5) and
seconds within it (12). Of the operators, 2 to 6 are the first to fifth such weekday of the month, 7 the last. [K]: the
standard's own table was not at hand; its example for the US East (360E2000, B40E2000) comes out as it has it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

FIRST, LAST = 2, 7
DAYS_OF_A_YEAR = 366
# The last days of a month from here on may be its last such weekday.
LAST_WEEK = 25


class ZoneRules(NamedTuple):
    """Seconds east of UTC without daylight saving, what it adds, and its rules as eight hexadecimal digits."""

    offset_seconds: int
    dst_offset_seconds: int
    dst_start: str
    dst_end: str


def zone_rules(zone: str, year: int) -> ZoneRules:
    """The rules of a zone in a year. A zone without daylight saving has zeros for them."""
    changes = _changes(ZoneInfo(zone), year)
    begin = next((at for at, shift in changes if shift > 0), None)
    end = next((at for at, shift in changes if shift < 0), None)
    local = ZoneInfo(zone)
    standard = min(_offset(datetime(year, month, 15, tzinfo=UTC), local) for month in range(1, 13))
    if begin is None or end is None:
        return ZoneRules(standard, 0, "0" * 8, "0" * 8)
    shift = next(shift for _, shift in changes if shift > 0)
    return ZoneRules(standard, shift, _packed(begin), _packed(end))


def _offset(at: datetime, local: ZoneInfo) -> int:
    return int((at.astimezone(local).utcoffset() or timedelta(0)).total_seconds())


def _changes(local: ZoneInfo, year: int) -> list[tuple[datetime, int]]:
    """Wall clock times (as it stood before) at which the offset changes, and by how much."""
    first = datetime(year, 1, 1, tzinfo=UTC)
    days = [first + timedelta(days=day) for day in range(DAYS_OF_A_YEAR + 1)]
    # Hour by hour only on the days that need it: each answer of ESPI says these rules, and a year of hours takes 50 ms.
    return [
        change
        for start, end in pairwise(days)
        if _offset(start, local) != _offset(end, local)
        for change in _changes_of_day(local, start)
    ]


def _changes_of_day(local: ZoneInfo, start: datetime) -> list[tuple[datetime, int]]:
    found = []
    for hour in range(24):
        before, after = start + timedelta(hours=hour), start + timedelta(hours=hour + 1)
        shift = _offset(after, local) - _offset(before, local)
        if shift:
            wall = after + timedelta(seconds=_offset(before, local))
            found.append((wall, shift))
    return found


def _packed(wall: datetime) -> str:
    nth = (wall.day - 1) // 7
    operator = LAST if wall.day >= LAST_WEEK else FIRST + nth
    seconds = wall.minute * 60 + wall.second
    packed = wall.month << 28 | operator << 25 | wall.isoweekday() << 17 | wall.hour << 12 | seconds
    return f"{packed:08X}"
