"""Hours and business days at their edges: clocks that change, midnights, the last second of business, calendars without days."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from trade_world import CALENDAR

from intertie.market import calendar as days
from intertie.market.hours import Stretch, covers, over_time, windows_of
from intertie.model.contract import ServiceHours, Weekday
from intertie.model.errors import SettingsError
from intertie.model.interval import Window

SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3600, 86400))
ZERO = datetime(2026, 1, 1, tzinfo=UTC)
NEW_YORK = "America/New_York"


def local(text: str, zone: str = NEW_YORK) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def span(first: str, last: str, zone: str = NEW_YORK) -> Window:
    return Window(start=local(first, zone), end=local(last, zone))


def hours(weekday: Weekday, start: str, end: str) -> ServiceHours:
    return ServiceHours(weekday=weekday, start=time.fromisoformat(start), end=time.fromisoformat(end))


def test_a_term_inside_one_day_is_clipped_on_both_sides() -> None:
    monday = hours(Weekday.MONDAY, "08:00", "20:00")
    term = span("2026-03-02T09:30", "2026-03-02T10:15")
    assert windows_of(term, (monday,), NEW_YORK) == (term,)
    assert windows_of(span("2026-03-02T06:00", "2026-03-02T08:00"), (monday,), NEW_YORK) == ()
    assert windows_of(span("2026-03-02T20:00", "2026-03-03T08:00"), (monday,), NEW_YORK) == ()


def test_the_weekday_is_that_of_the_zone() -> None:
    monday = (hours(Weekday.MONDAY, "00:00", "00:00"),)
    term = Window(start=datetime(2026, 3, 1, tzinfo=UTC), end=datetime(2026, 3, 5, tzinfo=UTC))
    for zone, starts in ((NEW_YORK, 5), ("UTC", 0), ("Asia/Tokyo", -9)):
        (found,) = windows_of(term, monday, zone)
        assert found.start == datetime(2026, 3, 2, tzinfo=UTC) + starts * HOUR, zone
        assert found.end - found.start == DAY
    assert windows_of(term, monday, None) == windows_of(term, monday, "UTC")


def test_hours_that_overlap_or_are_said_twice_are_one_stretch() -> None:
    said = (
        hours(Weekday.MONDAY, "08:00", "12:00"),
        hours(Weekday.MONDAY, "11:00", "14:00"),
        hours(Weekday.MONDAY, "09:00", "10:00"),
        hours(Weekday.MONDAY, "16:00", "17:00"),
    )
    found = windows_of(span("2026-03-02T00:00", "2026-03-03T00:00"), said, NEW_YORK)
    assert found == (
        span("2026-03-02T08:00", "2026-03-02T14:00"),
        span("2026-03-02T16:00", "2026-03-02T17:00"),
    )
    assert found == windows_of(span("2026-03-02T00:00", "2026-03-03T00:00"), said[::-1], NEW_YORK)


@pytest.mark.parametrize(
    ("zone", "day", "long"),
    [
        ("Australia/Lord_Howe", "2026-04-05", 24.5),  # half an hour back
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/Phoenix", "2026-03-08", 24),  # no summer time
        ("America/Santiago", "2026-09-06", 23),  # midnight itself is skipped
        ("Africa/Cairo", "2026-04-24", 23),
    ],
)
def test_a_whole_day_is_as_long_as_its_zone_makes_it(zone: str, day: str, long: float) -> None:
    every = tuple(hours(one, "00:00", "00:00") for one in Weekday)
    on = date.fromisoformat(day)
    wide = Window(start=local(day, zone) - 3 * DAY, end=local(day, zone) + 3 * DAY)
    assert windows_of(wide, every, zone) == (wide,)
    (only,) = windows_of(wide, (every[on.weekday()],), zone)
    assert only.end - only.start == long * HOUR
    assert only.start.astimezone(ZoneInfo(zone)).date() == on


def test_covers_is_of_one_stretch_and_its_ends_are_inside() -> None:
    first, second = Window(start=ZERO, end=ZERO + HOUR), Window(start=ZERO + 2 * HOUR, end=ZERO + 3 * HOUR)
    assert covers((first, second), second) and not covers((), first)
    assert not covers((first, second), Window(start=ZERO, end=ZERO + HOUR + SECOND))
    assert not covers((first, second), Window(start=ZERO - SECOND, end=ZERO + HOUR))
    assert not covers((first, second), Window(start=ZERO, end=ZERO + 3 * HOUR))


def test_sums_of_nothing_and_of_claims_that_touch() -> None:
    assert over_time([]) == [] and over_time([([], Decimal(5))]) == []
    one, two = Window(start=ZERO, end=ZERO + HOUR), Window(start=ZERO + HOUR, end=ZERO + 2 * HOUR)
    assert over_time([([one, two], Decimal(5))]) == [
        Stretch(ZERO, ZERO + HOUR, Decimal(5)),
        Stretch(ZERO + HOUR, ZERO + 2 * HOUR, Decimal(5)),
    ]
    apart = over_time(
        [([one], Decimal(5)), ([Window(start=ZERO + 2 * HOUR, end=ZERO + 3 * HOUR)], Decimal(1))]
    )
    assert [(s.start, s.kw) for s in apart] == [(ZERO, 5), (ZERO + 2 * HOUR, 1)]


def test_a_claim_of_nothing_is_a_stretch_and_opposites_are_one_of_nothing() -> None:
    """That something is claimed is known from the count of claims, not from their sum."""
    one = [Window(start=ZERO, end=ZERO + HOUR)]
    assert over_time([(one, Decimal(0))]) == [Stretch(ZERO, ZERO + HOUR, Decimal(0))]
    assert over_time([(one, Decimal(3)), (one, Decimal(-3))]) == [Stretch(ZERO, ZERO + HOUR, Decimal(0))]


def test_claims_of_two_zones_meet_at_the_same_instant() -> None:
    there = Window(
        start=ZERO.astimezone(ZoneInfo(NEW_YORK)), end=(ZERO + HOUR).astimezone(ZoneInfo(NEW_YORK))
    )
    here = Window(start=ZERO, end=ZERO + HOUR)
    assert over_time([([there], Decimal(1)), ([here], Decimal(2))]) == [
        Stretch(ZERO, ZERO + HOUR, Decimal(3))
    ]


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9), st.integers(0, 40)), max_size=7)


@given(SPANS)
def test_energy_is_kept_whatever_the_stretches(claims: list[tuple[int, int, int]]) -> None:
    windows = [
        (Window(start=ZERO + a * MINUTE, end=ZERO + (a + long) * MINUTE), Decimal(kw))
        for a, long, kw in claims
    ]
    found = over_time(([one], kw) for one, kw in windows)
    assert sum((one.kw * ((one.end - one.start) // MINUTE) for one in found), Decimal(0)) == sum(
        long * kw for _, long, kw in claims
    )
    assert all(one.start < one.end for one in found)
    assert found == over_time(([one], kw) for one, kw in reversed(windows))


@given(st.dates(date(2025, 1, 1), date(2027, 12, 1)), st.integers(0, 23 * 60), st.integers(1, 600))
def test_stretches_are_inside_the_term_in_order_and_apart(on: date, start: int, long: int) -> None:
    term = Window(start=local(on.isoformat()), end=local(on.isoformat()) + 9 * DAY)
    last = min(start + long, 24 * 60 - 1)
    said = tuple(
        ServiceHours(weekday=one, start=time(start // 60, start % 60), end=time(last // 60, last % 60))
        for one in (Weekday.SUNDAY, Weekday.WEDNESDAY)
        if last > start
    )
    found = windows_of(term, said, NEW_YORK)
    assert all(term.start <= one.start < one.end <= term.end for one in found)
    assert all(one.end < after.start for one, after in pairwise(found))
    assert all(covers(found, one) for one in found)


@pytest.mark.parametrize(
    ("arrives", "counts"),
    [
        ("2026-06-01T16:59:59", date(2026, 6, 1)),
        ("2026-06-01T17:00:00", date(2026, 6, 2)),
        ("2026-06-05T17:00:00", date(2026, 6, 8)),  # Friday's close
        ("2026-06-07T23:59:59", date(2026, 6, 8)),
        ("2026-07-03T09:00:00", date(2026, 7, 6)),  # a holiday before a weekend
        ("2026-11-26T00:00:00", date(2026, 11, 27)),
    ],
)
def test_as_of_which_day_it_counts(arrives: str, counts: date) -> None:
    assert days.day_counted(CALENDAR, local(arrives)) == counts


def test_the_day_is_that_of_the_calendar_and_not_of_greenwich() -> None:
    late = datetime(2026, 6, 2, 3, tzinfo=UTC)  # Monday, eleven in the evening
    assert days.day_counted(replace(CALENDAR, close_hour=24), late) == date(2026, 6, 1)
    assert days.day_counted(CALENDAR, late) == date(2026, 6, 2)


def test_business_closes_by_the_wall_clock_in_winter_and_summer() -> None:
    for day, utc in ((date(2026, 3, 6), 22), (date(2026, 3, 9), 21), (date(2026, 11, 2), 22)):
        assert days.close_of(CALENDAR, day) == datetime(day.year, day.month, day.day, utc, tzinfo=UTC)
    midnight = days.close_of(replace(CALENDAR, close_hour=24), date(2026, 12, 31))
    assert midnight == datetime(2027, 1, 1, 5, tzinfo=UTC)


def test_a_calendar_of_one_business_day_a_week() -> None:
    only = replace(CALENDAR, weekend=tuple(one for one in Weekday if one is not Weekday.TUESDAY), holidays=())
    assert days.next_business_day(only, date(2026, 6, 2)) == date(2026, 6, 9)
    closes = days.add_business_days(only, local("2026-06-03T09:00"), 2)
    assert closes == local("2026-06-23T17:00")


def test_a_calendar_without_a_business_day_says_so_and_does_not_search_for_ever() -> None:
    weekend = tuple(one for one in Weekday if one is not Weekday.TUESDAY)
    first = date(2026, 6, 2)
    tuesdays = tuple(first + timedelta(days=7 * n) for n in range(days.SEARCH_DAYS_MAX // 7 + 2))
    none = replace(CALENDAR, weekend=weekend, holidays=tuesdays)
    with pytest.raises(SettingsError, match="has no business day"):
        days.next_business_day(none, first - timedelta(days=1))
    short = replace(none, holidays=tuesdays[:-3])
    assert days.next_business_day(short, first) == tuesdays[-3]


@given(st.dates(date(2026, 1, 1), date(2028, 1, 1)))
def test_the_next_business_day_is_the_first_after(day: date) -> None:
    after = days.next_business_day(CALENDAR, day)
    between = [day + timedelta(days=n) for n in range(1, (after - day).days)]
    assert after > day and days.is_business_day(CALENDAR, after)
    assert not any(days.is_business_day(CALENDAR, one) for one in between)
