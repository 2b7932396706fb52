"""Hours of the week over the days on which clocks change, and sums over time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intertie.market.hours import TERM_MAX, covers, over_time, windows_of, zone_of
from intertie.model.contract import ServiceHours, Weekday
from intertie.model.errors import SettingsError
from intertie.model.interval import Window

NEW_YORK = "America/New_York"


def day(text: str, zone: str = NEW_YORK) -> Window:
    start = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    after = (datetime.fromisoformat(text) + timedelta(days=1)).replace(tzinfo=ZoneInfo(zone))
    return Window(start=start.astimezone(UTC), end=after.astimezone(UTC))


def every_day(start: str, end: str) -> tuple[ServiceHours, ...]:
    first, last = time.fromisoformat(start), time.fromisoformat(end)
    return tuple(ServiceHours(weekday=one, start=first, end=last) for one in Weekday)


def minutes(windows: tuple[Window, ...]) -> int:
    return sum(int((one.end - one.start) / timedelta(minutes=1)) for one in windows)


@pytest.mark.parametrize(
    ("on", "start", "end", "long"),
    [
        ("2026-03-02", "01:00", "04:00", 180),  # an ordinary day
        ("2026-03-08", "01:00", "04:00", 120),  # two o'clock does not come
        ("2026-03-08", "02:00", "03:00", 0),  # the hour that is skipped
        ("2026-03-08", "01:30", "02:30", 30),  # half of it is there
        ("2026-03-08", "02:30", "03:30", 30),
        ("2026-03-08", "00:00", "00:00", 23 * 60),
        ("2026-11-01", "01:00", "04:00", 240),  # one o'clock comes twice
        ("2026-11-01", "01:00", "02:00", 120),
        ("2026-11-01", "00:00", "01:30", 90 + 30),  # and so does its first half
        ("2026-11-01", "01:30", "02:30", 30 + 60),
        ("2026-11-01", "00:00", "00:00", 25 * 60),
    ],
)
def test_the_hours_of_a_day(on: str, start: str, end: str, long: int) -> None:
    assert minutes(windows_of(day(on), every_day(start, end), NEW_YORK)) == long


def test_an_hour_that_comes_twice_may_be_two_stretches() -> None:
    found = windows_of(day("2026-11-01"), every_day("00:00", "01:30"), NEW_YORK)
    assert [(one.start.hour, one.start.minute, one.end.hour, one.end.minute) for one in found] == [
        (4, 0, 5, 30),
        (6, 0, 6, 30),
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.dates(date(2025, 1, 1), date(2027, 12, 30)),
    st.sampled_from([NEW_YORK, "Europe/Berlin", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"]),
    st.integers(0, 95),
    st.integers(1, 96),
)
def test_a_moment_is_inside_exactly_when_the_wall_clock_says_so(on: date, zone: str, a: int, b: int) -> None:
    """Every quarter-hour of the day, asked of the wall clock, which knows nothing of the stretches."""
    first, last = (a, b) if a < b else (b, a + 1)
    start = time(first // 4, first % 4 * 15)
    end = time(last // 4 % 24, last % 4 * 15)
    whole = day(on.isoformat(), zone)
    found = windows_of(whole, every_day(start.isoformat(), end.isoformat()), zone)
    moment = whole.start
    while moment < whole.end:
        wall = moment.astimezone(ZoneInfo(zone)).time()
        wanted = start <= wall and (end == time(0) or wall < end)
        assert wanted == any(one.holds(moment) for one in found), moment
        moment += timedelta(minutes=15)


def test_hours_up_to_midnight_and_from_midnight_are_one_stretch() -> None:
    hours = every_day("22:00", "00:00") + every_day("00:00", "06:00")
    term = Window(start=day("2026-03-02").start, end=day("2026-03-04").end)
    found = windows_of(term, hours, NEW_YORK)
    assert [minutes((one,)) for one in found] == [360, 480, 480, 120]
    assert covers(found, Window(start=found[1].start, end=found[1].end))
    assert not covers(found, Window(start=found[0].start, end=found[1].end))


def test_without_hours_it_is_the_term() -> None:
    assert windows_of(day("2026-03-02"), (), None) == (day("2026-03-02"),)


def test_no_such_zone_and_too_long_a_term() -> None:
    with pytest.raises(SettingsError, match="no zone Mars/Olympus"):
        zone_of("Mars/Olympus")
    term = Window(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 1, tzinfo=UTC) + TERM_MAX * 2)
    with pytest.raises(SettingsError, match="more than 3700 days"):
        windows_of(term, every_day("17:00", "22:00"), NEW_YORK)


CLAIMS = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 10), st.integers(0, 50)), max_size=8)


@given(CLAIMS)
def test_the_sum_at_every_moment(claims: list[tuple[int, int, int]]) -> None:
    zero = datetime(2026, 1, 1, tzinfo=UTC)
    hour = timedelta(hours=1)
    spans = [
        (Window(start=zero + hour * a, end=zero + hour * (a + long)), Decimal(kw)) for a, long, kw in claims
    ]
    found = over_time(((span,), kw) for span, kw in spans)
    assert all(one.end <= after.start for one, after in pairwise(found))
    for i in range(32):
        moment = zero + hour * i + hour / 2
        inside = [kw for span, kw in spans if span.holds(moment)]
        there = [one.kw for one in found if one.start <= moment < one.end]
        assert there == ([sum(inside)] if inside else [])
