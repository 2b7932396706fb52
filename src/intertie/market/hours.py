"""Hours of the week as stretches of time: on the day the clocks change they are an hour shorter or longer, in each zone on its
own date. And sums of what is claimed over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from intertie.model.contract import ServiceHours, Weekday
from intertie.model.errors import SettingsError
from intertie.model.interval import Window

# Hours are laid out day by day; a deal over more than this is none that anybody signs (base contracts run some years).
TERM_MAX = timedelta(days=3700)
_DAYS = tuple(Weekday)


class Stretch(NamedTuple):
    """From `start` up to, not including, `end`, and what is claimed in it."""

    start: datetime
    end: datetime
    kw: Decimal


def zone_of(name: str) -> ZoneInfo:
    """The zone of that name; SettingsError if there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(f"there is no zone {name}", do="Use a name like America/New_York.") from error


@lru_cache(maxsize=1024)
def windows_of(term: Window, hours: tuple[ServiceHours, ...], zone: str | None) -> tuple[Window, ...]:
    """The stretches of the term that lie in these hours of the week, in order, none touching the next. Without hours: the term.

    Raises SettingsError for a zone that does not exist, or a term that is longer than TERM_MAX.
    """
    if not hours:
        return (term,)
    if term.end - term.start > TERM_MAX:
        raise SettingsError(
            f"hours of the week over more than {TERM_MAX.days} days", do="Make the term shorter."
        )
    tz = zone_of(zone or "UTC")
    day, last = term.start.astimezone(tz).date(), term.end.astimezone(tz).date()
    found: list[tuple[datetime, datetime]] = []
    while day <= last:
        for one in hours:
            if _DAYS[day.weekday()] is one.weekday:
                found += _on(day, one, tz)
        day += timedelta(days=1)
    clipped = ((max(start, term.start), min(end, term.end)) for start, end in found)
    return _joined(sorted((start, end) for start, end in clipped if start < end))


def covers(windows: Sequence[Window], inner: Window) -> bool:
    """Whether one of the stretches holds all of `inner`; they are joined where they touch."""
    return any(one.start <= inner.start and inner.end <= one.end for one in windows)


def over_time(claims: Iterable[tuple[Iterable[Window], Decimal]]) -> list[Stretch]:
    """The sum of claims wherever there is one, in order: a sweep over their beginnings and ends, exact."""
    changes: dict[datetime, Decimal] = {}
    count: dict[datetime, int] = {}
    for windows, kw in claims:
        for one in windows:
            for at, sign in ((one.start.astimezone(UTC), 1), (one.end.astimezone(UTC), -1)):
                changes[at] = changes.get(at, Decimal(0)) + sign * kw
                count[at] = count.get(at, 0) + sign
    total, open_, stretches = Decimal(0), 0, []
    for at, after in pairwise(sorted(changes)):
        total, open_ = total + changes[at], open_ + count[at]
        if open_:
            stretches.append(Stretch(at, after, total))
    return stretches


def _on(day: date, hours: ServiceHours, tz: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """Hours of one local day. The day is cut where its clock is set: in each part local time runs evenly, so that an hour that
    is skipped is not there, and one that comes twice is there twice."""
    after = day + timedelta(days=1)
    start = datetime(day.year, day.month, day.day, tzinfo=tz).astimezone(UTC)
    end = datetime(after.year, after.month, after.day, tzinfo=tz).astimezone(UTC)
    begin = datetime.combine(day, hours.start)
    finish = datetime.combine(after if hours.end.isoformat() == "00:00:00" else day, hours.end)
    cuts = [start, *_changes(start, end, tz), end]
    found = []
    for low, high in pairwise(cuts):
        offset = low.astimezone(tz).utcoffset() or timedelta(0)
        inside = max(low, begin.replace(tzinfo=UTC) - offset), min(high, finish.replace(tzinfo=UTC) - offset)
        if inside[0] < inside[1]:
            found.append(inside)
    return found


def _changes(start: datetime, end: datetime, tz: ZoneInfo) -> list[datetime]:
    """The second at which the offset changes between two times, if it does. No zone changes twice on one day."""
    if start.astimezone(tz).utcoffset() == end.astimezone(tz).utcoffset():
        return []
    before = start.astimezone(tz).utcoffset()
    low, high = start, end
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        low, high = (middle, high) if middle.astimezone(tz).utcoffset() == before else (low, middle)
    return [high]


def _joined(pieces: Iterable[tuple[datetime, datetime]]) -> tuple[Window, ...]:
    """Stretches in order, joined where they touch or overlap."""
    joined: list[list[datetime]] = []
    for start, end in pieces:
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    return tuple(Window(start=start, end=end) for start, end in joined)
