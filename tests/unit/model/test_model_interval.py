"""Time: windows, series, and days of 23, 24 and 25 hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.model.interval import (
    STEPS_SECONDS,
    VALUE_MAX,
    IntervalSeries,
    Stamp,
    Window,
    intervals_in,
    local_day,
)
from intertie.model.quantity import Unit

START = datetime(2026, 1, 14, 22, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def series(*values: int | None, **more: Any) -> IntervalSeries:
    return IntervalSeries(**{"start": START, "step_seconds": 900, "unit": Unit.KWH, "values": values, **more})


def test_a_window_is_half_open() -> None:
    window = Window(start=START, end=START + timedelta(hours=1))
    assert window.holds(START) and not window.holds(window.end)
    assert window.hours == 1
    after = Window(start=window.end, end=window.end + timedelta(hours=1))
    assert not window.overlaps(after) and not after.overlaps(window)
    assert window.overlaps(Window(start=START + timedelta(minutes=59), end=after.end))


@pytest.mark.parametrize("end", [START, START - timedelta(seconds=1)])
def test_a_window_has_a_length(end: datetime) -> None:
    with pytest.raises(ValueError, match="ends after it starts"):
        Window(start=START, end=end)


def test_hours_are_exact() -> None:
    assert Window(start=START, end=START + timedelta(minutes=20)).hours * 3 == pytest.approx(Decimal(1))
    assert Window(start=START, end=START + QUARTER).hours == Decimal("0.25")


def test_times_are_aware() -> None:
    naive = datetime(2026, 1, 14, 22)  # noqa: DTZ001 -- that is the case
    with pytest.raises(ValueError, match="start: a time needs its offset"):
        Window(start=naive, end=START)
    with pytest.raises(ValueError, match="start: a time needs its offset"):
        series(1, start=naive)


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2026, 3, 8), "America/New_York", 23),
        (date(2026, 11, 1), "America/New_York", 25),
        (date(2026, 3, 29), "Europe/Berlin", 23),
        (date(2026, 10, 25), "Europe/Berlin", 25),
        (date(2026, 1, 14), "America/New_York", 24),
        (date(2026, 3, 8), "America/Phoenix", 24),
        (date(2026, 4, 5), "Australia/Lord_Howe", Decimal("24.5")),
    ],
)
def test_a_local_day_is_as_long_as_it_is(day: date, zone: str, hours: int | Decimal) -> None:
    window = local_day(day, zone)
    assert window.hours == hours
    assert window.start.tzinfo is UTC
    assert intervals_in(window, QUARTER) == hours * 4
    assert local_day(day + timedelta(days=1), zone).start == window.end


@pytest.mark.parametrize(("day", "count"), [(date(2026, 3, 8), 92), (date(2026, 11, 1), 100)])
def test_a_series_fills_a_day_of_23_or_25_hours(day: date, count: int) -> None:
    window = local_day(day, "America/New_York")
    filled = series(*range(count), start=window.start)
    assert filled.end == window.end
    labels = filled.labels()
    assert len(set(labels)) == count and labels == sorted(labels)


def test_a_window_of_part_steps_is_refused() -> None:
    window = Window(start=START, end=START + timedelta(minutes=20))
    with pytest.raises(ValueError, match="whole number of steps"):
        intervals_in(window, QUARTER)


def test_values_quantities_and_gaps() -> None:
    some = series(1500, None, -250)
    assert [some.quantity(i) for i in range(3)] == [Decimal("1.5"), None, Decimal("-0.25")]
    assert some.total() == Decimal("1.25")
    assert series(None).total() == 0
    assert series(12, power_of_ten=3).quantity(0) == 12000
    assert some.step == QUARTER and some.end == START + 3 * QUARTER


def test_labels_stand_at_the_stamped_end() -> None:
    assert series(1, 2).labels() == [START, START + QUARTER]
    assert series(1, 2, stamped=Stamp.END).labels() == [START + QUARTER, START + 2 * QUARTER]


@given(st.lists(st.integers(-VALUE_MAX + 1, VALUE_MAX - 1), min_size=1), st.integers(-6, 6), st.randoms())
def test_sums_are_exact_in_any_order(values: list[int], power: int, random: Any) -> None:
    total = series(*values, power_of_ten=power).total()
    random.shuffle(values)
    again = series(*values, power_of_ten=power)
    assert again.total() == total == Decimal(sum(values)).scaleb(power)


@given(
    st.lists(st.none() | st.integers(-VALUE_MAX + 1, VALUE_MAX - 1), min_size=1, max_size=100),
    st.sampled_from(STEPS_SECONDS),
    st.sampled_from(Unit),
    st.sampled_from(Stamp),
    st.integers(-6, 6),
)
def test_a_series_comes_back_exactly(
    values: list[int | None], step: int, unit: Unit, stamp: Stamp, power: int
) -> None:
    one = series(*values, step_seconds=step, unit=unit, stamped=stamp, power_of_ten=power)
    assert msgspec.json.decode(msgspec.json.encode(one), type=IntervalSeries) == one


@pytest.mark.parametrize("step", [0, -900, 7, 901, 86401])
def test_a_step_divides_the_day(step: int) -> None:
    with pytest.raises(ValueError, match="step_seconds"):
        series(1, step_seconds=step)


@pytest.mark.parametrize("value", [VALUE_MAX, -VALUE_MAX])
def test_values_fit_48_bits(value: int) -> None:
    with pytest.raises(ValueError, match="48 bits"):
        series(value)


@pytest.mark.parametrize("year", [1, 1899, 3000, 9999])
def test_a_start_lies_in_years_that_leave_room_for_the_end(year: int) -> None:
    with pytest.raises(ValueError, match="start: not in the years"):
        series(1, start=datetime(year, 12, 31, 23, tzinfo=UTC))


@pytest.mark.parametrize(
    "text",
    [
        b'{"start":"2026-01-14T22:00:00Z","step_seconds":900,"unit":"kWh","values":[]}',
        b'{"start":"2026-01-14T22:00:00Z","step_seconds":900,"unit":"kWh","values":[1.5]}',
        b'{"start":"2026-01-14T22:00:00Z","step_seconds":900,"unit":"MW","values":[1]}',
        b'{"start":"2026-01-14T22:00:00Z","step_seconds":900,"unit":"kWh","values":[1],"power_of_ten":7}',
        b'{"start":"2026-01-14T22:00:00","step_seconds":900,"unit":"kWh","values":[1]}',
        b'{"start":1768428000,"step_seconds":900,"unit":"kWh","values":[1]}',
    ],
)
def test_what_is_no_series(text: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=IntervalSeries)


def test_an_offset_is_the_same_instant() -> None:
    east = START.astimezone(timezone(timedelta(hours=9)))
    assert Window(start=east, end=START + QUARTER) == Window(start=START, end=START + QUARTER)
