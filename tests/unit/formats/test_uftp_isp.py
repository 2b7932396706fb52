"""ISPs on days of 23, 24 and 25 hours, and series in watts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.formats.uftp.isp import Day, IspError, day_of, gather, spread, to_powers, to_series
from intertie.model.interval import IntervalSeries
from intertie.model.quantity import Unit
from intertie.model.record import RuleError

QUARTER = timedelta(minutes=15)
ZONES = ["America/New_York", "Europe/Amsterdam", "Australia/Lord_Howe", "America/Phoenix"]
days = st.builds(
    Day,
    st.dates(date(2020, 1, 1), date(2035, 12, 31)),
    st.sampled_from(ZONES),
    st.sampled_from([timedelta(minutes=m) for m in (5, 15, 30)]),
)


@pytest.mark.parametrize(
    ("day", "zone", "count"),
    [
        (date(2026, 3, 8), "America/New_York", 92),
        (date(2026, 11, 1), "America/New_York", 100),
        (date(2026, 3, 29), "Europe/Amsterdam", 92),
        (date(2026, 10, 25), "Europe/Amsterdam", 100),
        (date(2026, 6, 1), "Europe/Amsterdam", 96),
        (date(2026, 4, 5), "Australia/Lord_Howe", 98),  # half an hour
    ],
)
def test_a_day_has_as_many_isps_as_its_hours_have(day: date, zone: str, count: int) -> None:
    assert Day(day, zone, QUARTER).isps == count


def test_after_the_clocks_change_an_isp_is_an_hour_earlier_or_later_on_the_wall() -> None:
    spring, autumn = (Day(date(2026, m, d), "America/New_York", QUARTER) for m, d in ((3, 8), (11, 1)))
    assert spring.start_of(9) == datetime(2026, 3, 8, 7, 0, tzinfo=UTC)  # 03:00 EDT, where 02:00 is not
    assert autumn.start_of(9) == datetime(2026, 11, 1, 6, 0, tzinfo=UTC)  # 01:00 EST, the second time


@given(days, st.data())
def test_numbers_and_times_are_each_others_inverse(day: Day, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, day.isps))
    start = day.start_of(number)
    assert day.number_of(start) == number
    assert day_of(start, start + day.length, day.zone, day.length) == day
    with pytest.raises(IspError, match="out of bounds"):
        day.number_of(start + timedelta(minutes=1))


@given(days, st.dictionaries(st.integers(1, 90), st.integers(-(10**9), 10**9), min_size=1))
def test_powers_are_a_series_and_back(day: Day, powers: dict[int, int]) -> None:
    powers = {number: power for number, power in powers.items() if number <= day.isps} or {1: 5}
    first, last = min(powers), max(powers)
    series = to_series(day, powers, first, last)
    assert (series.start, series.end) == (day.start_of(first), day.start_of(last) + day.length)
    assert {n: p for n, p in to_powers(day, series).items() if p} == {n: p for n, p in powers.items() if p}
    assert spread(day, gather(powers)) == powers


def test_what_a_day_does_not_have() -> None:
    day = Day(date(2026, 3, 8), "America/New_York", QUARTER)
    for isps, why in (
        ([(93, 1, 1)], "out of bounds"),
        ([(90, 4, 1)], "out of bounds"),
        ([(1, 2, 1), (2, 1, 1)], "conflict"),
    ):
        with pytest.raises(IspError, match=why):
            spread(day, isps)
    with pytest.raises(IspError, match="TimeZone rejected"):
        Day(date(2026, 3, 8), "America/Nowhere", QUARTER).isps  # noqa: B018
    with pytest.raises(IspError, match="ISP duration rejected"):
        Day(date(2026, 3, 8), "America/New_York", timedelta(minutes=7)).isps  # noqa: B018
    start = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)
    with pytest.raises(IspError, match="one day"):
        day_of(start, start + timedelta(hours=3), "America/New_York", QUARTER)


@pytest.mark.parametrize(
    ("power_of_ten", "value", "watts"), [(0, 3, 3000), (-3, 7, 7), (-5, 700, 7), (3, 1, 1_000_000)]
)
def test_other_powers_of_ten(power_of_ten: int, value: int, watts: int) -> None:
    day = Day(date(2026, 6, 1), "America/New_York", QUARTER)
    series = IntervalSeries(
        start=day.start_of(5), step_seconds=900, unit=Unit.KW, power_of_ten=power_of_ten, values=(value, None)
    )
    assert to_powers(day, series) == {5: watts}


def test_a_fraction_of_a_watt_has_no_words() -> None:
    day = Day(date(2026, 6, 1), "America/New_York", QUARTER)
    series = IntervalSeries(
        start=day.start_of(1), step_seconds=900, unit=Unit.KW, power_of_ten=-5, values=(701,)
    )
    with pytest.raises(RuleError, match="whole watts"):
        to_powers(day, series)
