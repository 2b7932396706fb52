"""High X of Y: by hand, against a plain second implementation, and its rules one by one."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intertie.market.baseline import (
    Adjustment,
    DayType,
    Event,
    Excluded,
    NoBaseline,
    Reason,
    Rule,
    adjustment_window,
    compute,
    day_type,
)

MONDAY = date(2026, 2, 16)
HOURS = 24
# An hourly day: the event is 19:00 to 21:00, the adjustment window 15:00 to 17:00.
EVENT = Event(MONDAY, 19, 21, 60)
SMALL = Rule(highest=2, of=3, minimum_days=3)


def day_of(level: int, event: int | None = None, before: int | None = None) -> list[int | None]:
    """A flat day with its own values in the event and in the adjustment window."""
    load: list[int | None] = [level] * HOURS
    load[19:21] = [level if event is None else event] * 2
    load[15:17] = [level if before is None else before] * 2
    return load


def weekdays(count: int, end: date = MONDAY) -> list[date]:
    """The weekdays before a day, latest first."""
    days = [end - timedelta(days=i) for i in range(1, 100)]
    return [day for day in days if day.weekday() < 5][:count]


def test_by_hand() -> None:
    fri, thu, wed = weekdays(3)
    loads = {
        fri: day_of(10, event=30, before=20),
        thu: day_of(10, event=50, before=20),
        wed: day_of(10, event=40, before=30),
        MONDAY: day_of(10, event=5, before=28),
    }
    found = compute(loads, EVENT, SMALL)
    # Highest two over the event: Thursday (50) and Wednesday (40). Mean in the event: (50 + 40) / 2 = 45.
    assert found.days_used == (wed, thu)
    assert found.unadjusted == (45, 45)
    # Window: baseline (20 + 30) / 2 = 25, the day itself 28: ratio 28 / 25 = 1.12, within 20 %.
    assert found.measured == found.adjustment == Fraction(28, 25)
    assert not found.cap_hit
    # 45 x 1.12 = 50.4
    assert found.values == (Fraction(252, 5), Fraction(252, 5))
    assert found.days_excluded == (Excluded(fri, Reason.NOT_AMONG_HIGHEST),)


@pytest.mark.parametrize(("before", "factor"), [(100, Fraction(6, 5)), (1, Fraction(4, 5))])
def test_the_cap_holds_both_ways(before: int, factor: Fraction) -> None:
    loads = {day: day_of(25) for day in weekdays(3)} | {MONDAY: day_of(25, before=before)}
    found = compute(loads, EVENT, SMALL)
    # 25 x 1.2 = 30 and 25 x 0.8 = 20
    assert (found.adjustment, found.cap_hit, found.values[0]) == (factor, True, 25 * factor)


def test_additive_by_hand() -> None:
    rule = SMALL._replace(adjustment=Adjustment.ADDITIVE)
    loads = {day: day_of(20, event=40) for day in weekdays(3)} | {MONDAY: day_of(20, before=23)}
    # 23 - 20 = 3 more; the cap is 20 % of 40 = 8.
    assert compute(loads, EVENT, rule).values == (43, 43)
    loads[MONDAY] = day_of(20, before=60)
    assert compute(loads, EVENT, rule).values == (48, 48)


def test_without_adjustment() -> None:
    loads = {day: day_of(20) for day in weekdays(3)} | {MONDAY: day_of(20, before=90)}
    found = compute(loads, EVENT, SMALL._replace(adjustment=Adjustment.NONE))
    assert found.values == found.unadjusted == (20, 20)


def test_equal_days_the_later_wins() -> None:
    days = weekdays(3)
    loads = {day: day_of(10) for day in [*days, MONDAY]}
    assert compute(loads, EVENT, SMALL).days_used == tuple(sorted(days[:2]))


def test_event_outage_and_holidays_make_room_for_earlier_days() -> None:
    days = weekdays(6)
    loads = {day: day_of(10) for day in [*days, MONDAY]}
    rule = SMALL._replace(holidays=frozenset({days[2]}))
    found = compute(loads, EVENT, rule, {days[0]: Reason.EVENT_DAY, days[1]: Reason.OUTAGE_DAY})
    assert found.days_used == tuple(sorted(days[3:5]))
    assert set(found.days_excluded) == {
        Excluded(days[0], Reason.EVENT_DAY),
        Excluded(days[1], Reason.OUTAGE_DAY),
        Excluded(days[2], Reason.HOLIDAY),
        Excluded(days[5], Reason.NOT_AMONG_HIGHEST),
    }


def test_a_day_with_a_gap_or_another_length_is_passed_over() -> None:
    days = weekdays(6)
    loads: dict[date, list[int | None]] = {day: day_of(10) for day in [*days, MONDAY]}
    loads[days[0]][20] = None  # in the event
    loads[days[1]][16] = None  # in the adjustment window
    loads[days[2]] = loads[days[2]][:23]  # 23 hours: a clock change
    found = compute(loads, EVENT, SMALL)
    assert [one for one in found.days_excluded if one.day in days[:3]] == [
        Excluded(days[2], Reason.CLOCK_CHANGE),
        Excluded(days[1], Reason.NO_READINGS),
        Excluded(days[0], Reason.NO_READINGS),
    ]


def test_a_gap_elsewhere_does_no_harm() -> None:
    loads: dict[date, list[int | None]] = {day: day_of(10) for day in [*weekdays(3), MONDAY]}
    loads[weekdays(1)[0]][3] = None
    assert compute(loads, EVENT, SMALL).days_used == tuple(sorted(weekdays(2)))


def test_low_usage_days_are_replaced() -> None:
    days = weekdays(4)
    loads = {day: day_of(40) for day in [*days, MONDAY]}
    loads[days[1]] = day_of(40, event=5)
    # Mean of 40, 5, 40 is 28.3; a quarter of it is 7.1: 5 is low, and Tuesday comes in.
    found = compute(loads, EVENT, SMALL)
    assert Excluded(days[1], Reason.LOW_USAGE) in found.days_excluded
    loads[days[1]] = day_of(40, event=8)
    # Mean of 40, 8, 40 is 29.3; a quarter is 7.3: 8 is not low.
    assert Excluded(days[1], Reason.LOW_USAGE) not in compute(loads, EVENT, SMALL).days_excluded


def test_exporting_days_are_not_low() -> None:
    loads = {day: day_of(10, event=-5) for day in [*weekdays(3), MONDAY]}
    assert compute(loads, EVENT, SMALL).unadjusted == (-5, -5)


def test_too_few_days() -> None:
    loads = {day: day_of(10) for day in [*weekdays(2), MONDAY]}
    with pytest.raises(NoBaseline, match="2 usable days before 2026-02-16, the rule asks for 3"):
        compute(loads, EVENT, SMALL)


def test_the_look_back_ends() -> None:
    loads = {day: day_of(10) for day in [*weekdays(30)[5:], MONDAY]}
    assert compute(loads, EVENT, SMALL)
    with pytest.raises(NoBaseline):
        compute(loads, EVENT, SMALL._replace(look_back_days=7))


def test_weekends_are_compared_with_weekends() -> None:
    sunday = date(2026, 2, 22)
    loads = {sunday - timedelta(days=i): day_of(10) for i in range(30)}
    found = compute(loads, EVENT._replace(day=sunday), SMALL)
    assert found.days_used == (date(2026, 2, 15), date(2026, 2, 21))


def test_a_holiday_counts_as_weekend() -> None:
    assert day_type(MONDAY, frozenset()) is DayType.WEEKDAY
    assert day_type(MONDAY, frozenset({MONDAY})) is DayType.WEEKEND
    loads = {MONDAY - timedelta(days=i): day_of(10) for i in range(30)}
    found = compute(loads, EVENT, SMALL._replace(holidays=frozenset({MONDAY})))
    assert all(day.weekday() >= 5 for day in found.days_used)


def test_an_early_event_has_no_adjustment() -> None:
    early = Event(MONDAY, 3, 5, 60)
    assert list(adjustment_window(early, SMALL)) == []
    loads = {day: day_of(10) for day in weekdays(3)} | {MONDAY: day_of(90)}
    assert compute(loads, early, SMALL).values == (10, 10)


def test_a_gap_on_the_event_day_leaves_the_baseline_as_it_is() -> None:
    loads: dict[date, list[int | None]] = {day: day_of(10) for day in weekdays(3)}
    loads[MONDAY] = day_of(90)
    loads[MONDAY][15] = None
    assert compute(loads, EVENT, SMALL).adjustment == 1


def test_a_baseline_of_zero_before_the_event_is_not_divided_by() -> None:
    loads = {day: day_of(10, before=0) for day in [*weekdays(3), MONDAY]}
    assert compute(loads, EVENT, SMALL).adjustment == 1


@pytest.mark.parametrize(
    ("event", "rule"),
    [
        (EVENT._replace(first=21), SMALL),
        (EVENT._replace(first=-1), SMALL),
        (EVENT, SMALL._replace(highest=4)),
        (EVENT, SMALL._replace(highest=0)),
        (EVENT, SMALL._replace(minimum_days=1)),
    ],
)
def test_nonsense_is_refused(event: Event, rule: Rule) -> None:
    with pytest.raises(NoBaseline):
        compute({day: day_of(10) for day in weekdays(9)}, event, rule)


def test_the_rule_in_words() -> None:
    assert Rule().text() == (
        "high 5 of 10 days of the same type within 45 days, multiplicative adjustment over 240 to 120 minutes "
        "before the event, at most ±20 %"
    )
    assert Rule(adjustment=Adjustment.NONE).text().endswith("no adjustment")


def plain(loads: dict[date, list[int]], skip: set[date]) -> tuple[list[date], list[Fraction]]:
    """High 5 of 10 with a multiplicative adjustment of at most 20 %, in plain loops, for the event of MONDAY."""
    pool: list[date] = []
    day = MONDAY
    low: set[date] = set()
    while True:
        pool = []
        for back in range(1, 46):
            day = MONDAY - timedelta(days=back)
            if day.weekday() < 5 and day in loads and day not in skip and day not in low and len(pool) < 10:
                pool.append(day)
        totals = {d: loads[d][19] + loads[d][20] for d in pool}
        average = Fraction(sum(totals.values()), len(pool)) if pool else Fraction(0)
        fresh = [d for d in pool if average > 0 and totals[d] * 4 < average]
        if not fresh:
            break
        low.update(fresh)
    if len(pool) < 10:
        return [], []
    pool.sort(key=lambda d: (-(loads[d][19] + loads[d][20]), -d.toordinal()))
    best = pool[:5]
    means = [Fraction(sum(loads[d][h] for d in best), 5) for h in range(24)]
    before, today = means[15] + means[16], loads[MONDAY][15] + loads[MONDAY][16]
    ratio = Fraction(today) / before if before > 0 else Fraction(1)
    ratio = min(max(ratio, Fraction(4, 5)), Fraction(6, 5))
    return sorted(best), [means[19] * ratio, means[20] * ratio]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_agrees_with_plain_loops(data: st.DataObject) -> None:
    days = [MONDAY - timedelta(days=i) for i in range(data.draw(st.integers(10, 50)))]
    value = st.integers(-200, 2000)
    hours = data.draw(
        st.lists(st.tuples(value, value, value, value), min_size=len(days), max_size=len(days)), label="hours"
    )
    loads: dict[date, list[int]] = {}
    for day, (a, b, c, d) in zip(days, hours, strict=True):
        loads[day] = [0] * 15 + [a, b, 0, 0, c, d, 0, 0, 0]
    skip = set(data.draw(st.lists(st.sampled_from(days[1:]), max_size=8), label="skip"))
    used, values = plain(loads, skip)
    if not used:
        with pytest.raises(NoBaseline):
            compute(loads, EVENT, Rule(), dict.fromkeys(skip, Reason.EVENT_DAY))
        return
    found = compute(loads, EVENT, Rule(), dict.fromkeys(skip, Reason.EVENT_DAY))
    assert list(found.days_used) == used
    assert list(found.values) == values
