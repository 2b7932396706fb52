"""ISPs at the bounds of a day: the first, the last, the one after; what stands there twice; neighbours that are one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.formats.uftp.isp import Day, IspError, day_of, gather, spread, to_powers, to_series, window_of

ZONE = "Europe/Amsterdam"
QUARTER = timedelta(minutes=15)
PLAIN = Day(date(2026, 6, 1), ZONE, QUARTER)
SPRING = Day(date(2026, 3, 29), ZONE, QUARTER)
AUTUMN = Day(date(2026, 10, 25), ZONE, QUARTER)
DAYS = [(PLAIN, 96), (SPRING, 92), (AUTUMN, 100)]


@pytest.mark.parametrize(("day", "count"), DAYS)
def test_the_last_isp_ends_with_the_day(day: Day, count: int) -> None:
    assert day.start_of(1) == day.window.start
    assert day.start_of(count) + QUARTER == day.window.end
    assert day.number_of(day.start_of(count)) == count


@pytest.mark.parametrize(("day", "count"), DAYS)
def test_no_isp_begins_outside_the_day_or_between_two(day: Day, count: int) -> None:
    for at in (day.start_of(0), day.start_of(count + 1), day.start_of(2) + timedelta(minutes=1)):
        with pytest.raises(IspError, match=r"^ISPs out of bounds"):
            day.number_of(at)


@pytest.mark.parametrize(("day", "count"), DAYS)
def test_isps_reach_to_the_last_of_the_day_and_not_beyond(day: Day, count: int) -> None:
    assert spread(day, [(count - 1, 2, 7)]) == {count - 1: 7, count: 7}
    for start, duration in ((count, 2), (count + 1, 1), (1, count + 1)):
        with pytest.raises(IspError, match=f"has {count}"):
            spread(day, [(start, duration, 7)])


@pytest.mark.parametrize("isps", [[(1, 1, 5), (1, 1, 5)], [(1, 3, 5), (3, 1, 6)], [(4, 1, 5), (2, 3, 6)]])
def test_an_isp_stands_there_once(isps: list[tuple[int, int, int]]) -> None:
    with pytest.raises(IspError, match=r"^ISP conflict"):
        spread(PLAIN, isps)


@given(st.dictionaries(st.integers(1, 92), st.integers(-3, 3), max_size=92))
def test_gathered_powers_spread_to_themselves_and_no_two_neighbours_are_alike(powers: dict[int, int]) -> None:
    gathered = gather(powers)
    assert spread(SPRING, gathered) == powers
    for (start, duration, power), (later, _, other) in pairwise(gathered):
        assert start + duration < later or (start + duration == later and power != other)


@pytest.mark.parametrize(
    ("zone", "length", "said"),
    [
        ("Europe/Atlantis", QUARTER, "TimeZone rejected"),
        (ZONE, timedelta(minutes=7), "ISP duration rejected"),
        (ZONE, timedelta(0), "ISP duration rejected"),
    ],
)
def test_a_day_of_unknown_zone_or_length_has_no_isps(zone: str, length: timedelta, said: str) -> None:
    with pytest.raises(IspError, match=rf"^{said}"):
        _ = Day(date(2026, 6, 1), zone, length).isps


@pytest.mark.parametrize(("day", "count"), DAYS)
def test_a_whole_day_is_one_day_and_a_minute_more_is_two(day: Day, count: int) -> None:
    start, end = day.window.start, day.window.end
    assert day_of(start, end, ZONE, QUARTER) == day
    for first, last in (
        (start, end + timedelta(minutes=1)),
        (start - timedelta(minutes=1), end),
        (start, start),
    ):
        with pytest.raises(IspError, match=r"^Period out of bounds"):
            day_of(first, last, ZONE, QUARTER)


def test_a_window_in_an_unknown_zone_is_of_no_day() -> None:
    start = datetime(2026, 6, 1, 12, tzinfo=UTC)
    with pytest.raises(IspError, match=r"^TimeZone rejected"):
        day_of(start, start + QUARTER, "Europe/Atlantis", QUARTER)


def test_what_is_not_said_is_zero_in_a_series() -> None:
    series = to_series(PLAIN, {2: 1500, 4: -1500}, 1, 4)
    assert series.values == (0, 1500, 0, -1500)
    assert window_of(series).start == PLAIN.window.start
    assert window_of(series).end == PLAIN.start_of(5)
    assert to_powers(PLAIN, series) == {1: 0, 2: 1500, 3: 0, 4: -1500}
