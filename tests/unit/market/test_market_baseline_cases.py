"""High X of Y by hand: which days, which mean, which adjustment. Quarter hours; the event is 17:00 to 18:00."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest
from market_world import EVENT_DAY, FIVE_PM, INDEPENDENCE_DAY, TEN_DAYS, flat, ladder, shaped, weekdays_before

from intertie.market.baseline import (
    Adjustment,
    DayType,
    Event,
    Excluded,
    NoBaseline,
    Reason,
    Rule,
    adjustment_window,
    apply,
    compute,
    day_type,
    mean_of_days,
)

F = Fraction
EVENT = Event(EVENT_DAY, FIVE_PM, FIVE_PM + 4)
RULE = Rule()
PLAIN = Rule(adjustment=Adjustment.NONE)
ADDITIVE = Rule(adjustment=Adjustment.ADDITIVE)


def reasons(found: tuple[Excluded, ...]) -> dict[date, Reason]:
    return {one.day: one.reason for one in found}


# --- which days -------------------------------------------------------------------------------------------------------


def test_the_five_highest_of_ten_days_are_averaged() -> None:
    # Highest five: 1050, 1060, 1070, 1080, 1090; their mean is 5350 / 5 = 1070.
    base = compute(ladder(), EVENT, PLAIN)
    assert base.values == base.unadjusted == (F(1070),) * 4
    assert base.days_used == tuple(sorted(TEN_DAYS[5:]))
    assert reasons(base.days_excluded) == dict.fromkeys(TEN_DAYS[:5], Reason.NOT_AMONG_HIGHEST)


def test_the_mean_is_taken_interval_by_interval_and_stays_exact() -> None:
    # Two of three days: the quarter hours 10, 11, 12, 13 and 20, 20, 20, 21: means 15, 31/2, 16, 17.
    days = weekdays_before(EVENT_DAY, 3)
    loads = {day: flat(1) for day in days}
    loads[days[0]][68:72] = [10, 11, 12, 13]
    loads[days[1]][68:72] = [20, 20, 20, 21]
    rule = Rule(highest=2, of=3, minimum_days=3, low_usage=F(0), adjustment=Adjustment.NONE)
    base = compute(loads, EVENT, rule)
    assert base.values == (F(15), F(31, 2), F(16), F(17))


def test_thirds_are_not_rounded() -> None:
    days = weekdays_before(EVENT_DAY, 3)
    loads = {day: flat(level) for day, level in zip(days, (100, 100, 101), strict=True)}
    rule = Rule(highest=3, of=3, minimum_days=3, adjustment=Adjustment.NONE)
    assert compute(loads, EVENT, rule).values == (F(301, 3),) * 4


def test_only_the_hours_of_the_event_rank_the_days() -> None:
    # Yesterday is the highest over the day as a whole and the lowest at 17:00: it is not used.
    loads = ladder()
    loads[TEN_DAYS[0]] = shaped(9000, 900, rest=9000)
    assert TEN_DAYS[0] not in compute(loads, EVENT, PLAIN).days_used


def test_a_tie_at_the_fifth_place_goes_to_the_later_day() -> None:
    # Four days stand out; the fifth place is shared by the 11th and the 5th of July.
    loads = {day: flat(500) for day in TEN_DAYS}
    for day in TEN_DAYS[6:]:
        loads[day] = flat(900)
    loads[date(2024, 7, 11)] = flat(600)
    loads[date(2024, 7, 10)] = flat(600)
    base = compute(loads, EVENT, PLAIN)
    assert date(2024, 7, 11) in base.days_used
    assert date(2024, 7, 10) not in base.days_used
    # (4 x 900 + 600) / 5 = 840
    assert base.values == (F(840),) * 4


def test_a_tie_is_one_of_the_window_not_of_each_interval() -> None:
    # Sums over the hour are equal (4 x 100 = 130 + 70 + 100 + 100): the later day wins, with its own shape.
    later, earlier = weekdays_before(EVENT_DAY, 2)
    loads = {later: flat(100), earlier: flat(100)}
    loads[later][68:72] = [130, 70, 100, 100]
    rule = Rule(highest=1, of=2, minimum_days=2, adjustment=Adjustment.NONE)
    assert compute(loads, EVENT, rule).values == (F(130), F(70), F(100), F(100))


def test_weekends_do_not_serve_a_weekday() -> None:
    loads = ladder() | {date(2024, 7, 13): flat(9999), date(2024, 7, 14): flat(9999)}
    base = compute(loads, EVENT, PLAIN)
    assert date(2024, 7, 13) not in (*base.days_used, *reasons(base.days_excluded))


@pytest.mark.parametrize(
    ("day", "holidays", "kind"),
    [
        (EVENT_DAY, frozenset(), DayType.WEEKDAY),
        (date(2024, 7, 19), frozenset(), DayType.WEEKDAY),
        (date(2024, 7, 20), frozenset(), DayType.WEEKEND),
        (date(2024, 7, 21), frozenset(), DayType.WEEKEND),
        (date(2024, 7, 22), frozenset(), DayType.WEEKDAY),
        (INDEPENDENCE_DAY, frozenset({INDEPENDENCE_DAY}), DayType.WEEKEND),
        (INDEPENDENCE_DAY, frozenset(), DayType.WEEKDAY),
    ],
)
def test_day_types(day: date, holidays: frozenset[date], kind: DayType) -> None:
    assert day_type(day, holidays) is kind


def test_a_holiday_is_passed_over_and_an_earlier_day_takes_its_place() -> None:
    # Without 4 July (1080) the ten reach back to 2 July (2000): (2000 + 1090 + 1070 + 1060 + 1050) / 5 = 1254.
    loads = ladder() | {date(2024, 7, 2): flat(2000)}
    base = compute(loads, EVENT, PLAIN._replace(holidays=frozenset({INDEPENDENCE_DAY})))
    assert reasons(base.days_excluded)[INDEPENDENCE_DAY] is Reason.HOLIDAY
    assert base.days_used[0] == date(2024, 7, 2)
    assert base.values == (F(1254),) * 4


def test_an_event_on_a_holiday_is_compared_with_weekends() -> None:
    sixth, fifth = date(2024, 7, 6), date(2024, 6, 30)
    loads = {day: flat(400) for day in (date(2024, 6, 29), fifth)} | {date(2024, 7, 3): flat(5000)}
    rule = Rule(
        highest=2, of=2, minimum_days=2, adjustment=Adjustment.NONE, holidays=frozenset({INDEPENDENCE_DAY})
    )
    base = compute(loads, Event(INDEPENDENCE_DAY, FIVE_PM, FIVE_PM + 4), rule)
    assert base.days_used == (date(2024, 6, 29), fifth)
    assert sixth not in base.days_used  # two days after the event
    assert base.values == (F(400),) * 4


def test_a_gap_in_the_event_hours_excludes_a_day() -> None:
    loads = ladder() | {date(2024, 7, 2): flat(1000)}
    loads[TEN_DAYS[9]][70] = None
    base = compute(loads, EVENT, PLAIN)
    assert reasons(base.days_excluded)[TEN_DAYS[9]] is Reason.NO_READINGS
    assert base.values == (F(1060),) * 4


def test_a_gap_in_the_adjustment_window_matters_only_with_an_adjustment() -> None:
    loads = ladder() | {date(2024, 7, 2): flat(1000), EVENT_DAY: flat(1000)}
    loads[TEN_DAYS[9]][52] = None
    assert TEN_DAYS[9] in compute(loads, EVENT, PLAIN).days_used
    assert reasons(compute(loads, EVENT, RULE).days_excluded)[TEN_DAYS[9]] is Reason.NO_READINGS


@pytest.mark.parametrize("interval", [51, 60, 67, 72, 0, 95])
def test_a_gap_anywhere_else_does_not_matter(interval: int) -> None:
    # The window is 52..59 and the event 68..71; neither neighbour is read.
    loads = ladder() | {EVENT_DAY: flat(1070)}
    loads[TEN_DAYS[9]][interval] = None
    assert TEN_DAYS[9] in compute(loads, EVENT, RULE).days_used


def test_a_zero_is_a_reading_and_not_a_gap() -> None:
    loads = {day: flat(0) for day in TEN_DAYS}
    assert compute(loads, EVENT, PLAIN).values == (F(0),) * 4


@pytest.mark.parametrize("intervals", [92, 100, 24])
def test_a_day_with_another_number_of_intervals_is_passed_over(intervals: int) -> None:
    loads = ladder() | {date(2024, 7, 2): flat(1000)}
    loads[TEN_DAYS[0]] = flat(1000, intervals)
    assert reasons(compute(loads, EVENT, PLAIN).days_excluded)[TEN_DAYS[0]] is Reason.CLOCK_CHANGE


# --- low usage --------------------------------------------------------------------------------------------------------


def test_a_day_of_low_usage_makes_room_for_an_earlier_one() -> None:
    # Nine days at 1000 and one at 220: mean 922, a quarter of it 230.5 > 220. 2 July comes in at 2000.
    loads = {day: flat(1000) for day in TEN_DAYS} | {date(2024, 7, 2): flat(2000)}
    loads[TEN_DAYS[3]] = flat(220)
    base = compute(loads, EVENT, PLAIN)
    assert reasons(base.days_excluded)[TEN_DAYS[3]] is Reason.LOW_USAGE
    assert date(2024, 7, 2) in base.days_used
    # (2000 + 4 x 1000) / 5 = 1200
    assert base.values == (F(1200),) * 4


def test_exactly_a_quarter_of_the_mean_is_not_low() -> None:
    # 9 x 1040 + x = 10 m, x = m / 4: m = 9360 / 9.75 = 960, x = 240.
    loads = {day: flat(1040) for day in TEN_DAYS} | {date(2024, 7, 2): flat(1040)}
    loads[TEN_DAYS[3]] = flat(240)
    assert reasons(compute(loads, EVENT, PLAIN).days_excluded)[TEN_DAYS[3]] is Reason.NOT_AMONG_HIGHEST
    loads[TEN_DAYS[3]] = flat(239)
    assert reasons(compute(loads, EVENT, PLAIN).days_excluded)[TEN_DAYS[3]] is Reason.LOW_USAGE


def test_a_day_may_become_low_only_after_another_one_left() -> None:
    # Three days, 10, 215 and 1000: mean 408 1/3, quarter 102: 10 is low. In comes 2000: mean of 215, 1000 and 2000 is
    # 1071 2/3, quarter 267.9: now 215 is low too. In comes 3000.
    days = weekdays_before(EVENT_DAY, 5)
    loads = {day: flat(level) for day, level in zip(days, (10, 215, 1000, 2000, 3000), strict=True)}
    rule = Rule(highest=3, of=3, minimum_days=3, adjustment=Adjustment.NONE)
    base = compute(loads, EVENT, rule)
    assert reasons(base.days_excluded) == {days[0]: Reason.LOW_USAGE, days[1]: Reason.LOW_USAGE}
    assert base.values == (F(2000),) * 4


def test_low_days_can_use_up_the_look_back() -> None:
    loads = ladder()
    loads[TEN_DAYS[2]] = flat(1)
    with pytest.raises(NoBaseline, match="9 usable days before 2024-07-17, the rule asks for 10"):
        compute(loads, EVENT, PLAIN)


# --- too few days, wrong rules ----------------------------------------------------------------------------------------


def test_a_rule_may_be_content_with_fewer() -> None:
    loads = ladder()
    del loads[TEN_DAYS[9]]
    # 1040 .. 1080: mean 1060.
    assert compute(loads, EVENT, PLAIN._replace(minimum_days=9)).values == (F(1060),) * 4


def test_no_more_days_are_looked_at_than_needed() -> None:
    loads = ladder() | {date(2024, 7, 2): flat(99999)}
    base = compute(loads, EVENT, PLAIN)
    assert date(2024, 7, 2) not in (*base.days_used, *reasons(base.days_excluded))


@pytest.mark.parametrize(("first", "last"), [(4, 4), (5, 4), (-1, 3)])
def test_an_event_has_intervals(first: int, last: int) -> None:
    with pytest.raises(NoBaseline, match="no intervals"):
        compute(ladder(), Event(EVENT_DAY, first, last), PLAIN)


@pytest.mark.parametrize(("highest", "of", "minimum"), [(0, 10, 10), (11, 10, 11), (5, 10, 4)])
def test_impossible_rules_are_refused(highest: int, of: int, minimum: int) -> None:
    rule = Rule(highest=highest, of=of, minimum_days=minimum)
    with pytest.raises(NoBaseline, match="is no rule"):
        compute(ladder(), EVENT, rule)


def test_a_mean_of_all_that_are_found_needs_only_the_least_of_them() -> None:
    rule = Rule(highest=10, of=10, minimum_days=5, adjustment=Adjustment.NONE, low_usage=Fraction(0))
    some = {day: load for day, load in ladder().items() if day not in TEN_DAYS[5:9]}
    # 1000 to 1040, and 1090: six days
    assert compute(some, EVENT, rule).values[0] == Fraction(5 * 1020 + 1090, 6)
    with pytest.raises(NoBaseline, match="4 usable days"):
        compute({day: load for day, load in ladder().items() if day in TEN_DAYS[:4]}, EVENT, rule)


# --- adjustment -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "factor", "capped"),
    [
        # The baseline before adjustment is 1070 in the window and in the event.
        (1070, F(1), False),
        (1177, F(11, 10), False),  # 1177 / 1070
        (963, F(9, 10), False),  # 963 / 1070
        (1284, F(6, 5), False),  # exactly the cap: not beyond it
        (1285, F(6, 5), True),
        (856, F(4, 5), False),
        (855, F(4, 5), True),
        (0, F(4, 5), True),
        (9999, F(6, 5), True),
    ],
)
def test_the_ratio_of_the_hours_before_moves_the_baseline(level: int, factor: Fraction, capped: bool) -> None:
    base = compute(ladder() | {EVENT_DAY: shaped(level, 0)}, EVENT, RULE)
    assert base.adjustment == factor
    assert base.cap_hit is capped
    assert base.measured == F(level, 1070)
    assert base.values == (1070 * factor,) * 4
    assert base.unadjusted == (F(1070),) * 4


@pytest.mark.parametrize(
    ("level", "amount", "capped"),
    [
        # 20 % of 1070 is 214.
        (1100, F(30), False),
        (1000, F(-70), False),
        (1284, F(214), False),
        (1285, F(214), True),
        (856, F(-214), False),
        (855, F(-214), True),
    ],
)
def test_the_difference_of_the_hours_before_moves_the_baseline(
    level: int, amount: Fraction, capped: bool
) -> None:
    base = compute(ladder() | {EVENT_DAY: shaped(level, 0)}, EVENT, ADDITIVE)
    assert base.adjustment == amount
    assert base.cap_hit is capped
    assert base.values == (1070 + amount,) * 4


def test_the_window_is_13_to_15_and_nothing_else_is_read_of_the_day() -> None:
    today = flat(7)
    today[52:60] = [1177] * 8
    assert compute(ladder() | {EVENT_DAY: today}, EVENT, RULE).adjustment == F(11, 10)


def test_the_adjustment_compares_means_of_the_window() -> None:
    # Window of the event day: 4 x 1000 + 4 x 1140 = 8560 over 8 = 1070: the ratio is one.
    today = flat(0)
    today[52:60] = [1000] * 4 + [1140] * 4
    base = compute(ladder() | {EVENT_DAY: today}, EVENT, RULE)
    assert (base.measured, base.adjustment, base.cap_hit) == (F(1), F(1), False)


def test_the_adjustment_rests_on_the_days_used_only() -> None:
    # The five used days take 1000 in the window, the five others 4000: only the former count. 1100 / 1000 = 1.1.
    loads = {day: shaped(4000 if place < 5 else 1000, 900 + place) for place, day in enumerate(TEN_DAYS)}
    base = compute(loads | {EVENT_DAY: shaped(1100, 0)}, EVENT, RULE)
    assert base.adjustment == F(11, 10)
    # (905 + 906 + 907 + 908 + 909) / 5 = 907; x 1.1 = 997.7
    assert base.values == (F(9977, 10),) * 4


@pytest.mark.parametrize(("rule", "neutral"), [(RULE, F(1)), (ADDITIVE, F(0)), (PLAIN, F(0))])
def test_without_a_reading_in_the_window_there_is_no_adjustment(rule: Rule, neutral: Fraction) -> None:
    today = shaped(2000, 0)
    today[55] = None
    base = compute(ladder() | {EVENT_DAY: today}, EVENT, rule)
    assert (base.adjustment, base.cap_hit) == (neutral, False)
    assert base.values == base.unadjusted == (F(1070),) * 4


def test_an_event_day_without_or_with_half_its_readings_has_no_adjustment() -> None:
    assert compute(ladder(), EVENT, RULE).adjustment == 1
    assert compute(ladder() | {EVENT_DAY: flat(2000, 56)}, EVENT, RULE).adjustment == 1


def test_the_limit_of_a_difference_is_positive_on_an_exporting_feeder() -> None:
    # Baseline -100: the limit is 20, not -20. The window stands 50 higher: 20 is applied.
    loads = {day: flat(-100) for day in TEN_DAYS} | {EVENT_DAY: shaped(-50, 0)}
    base = compute(loads, EVENT, ADDITIVE)
    assert (base.measured, base.adjustment, base.values) == (F(50), F(20), (F(-80),) * 4)


@pytest.mark.parametrize(
    ("first", "rule", "window"),
    [
        (68, RULE, range(52, 60)),
        (16, RULE, range(8)),  # the event begins at 04:00, its window at midnight
        (15, RULE, range(0)),  # it would begin the day before
        (68, PLAIN, range(0)),
        (68, RULE._replace(adjust_minutes_before=180, adjust_minutes=60), range(56, 60)),
    ],
)
def test_adjustment_windows(first: int, rule: Rule, window: range) -> None:
    assert adjustment_window(Event(EVENT_DAY, first, first + 4), rule) == window


def test_hours_as_intervals_give_the_same_as_quarters() -> None:
    quarters = ladder() | {EVENT_DAY: flat(1177)}
    hours = {day: load[:24] for day, load in quarters.items()}
    base = compute(hours, Event(EVENT_DAY, 17, 18, step_minutes=60), RULE)
    assert base.values == (F(1177),)


def test_apply_moves_each_value_by_its_kind() -> None:
    plain = (F(10), F(-4))
    assert apply(plain, Adjustment.MULTIPLICATIVE, F(3, 2)) == (F(15), F(-6))
    assert apply(plain, Adjustment.ADDITIVE, F(3, 2)) == (F(23, 2), F(-5, 2))
    assert apply(plain, Adjustment.NONE, F(3, 2)) == plain


def test_means_of_meters_add_up_to_the_mean_of_the_sum() -> None:
    days = weekdays_before(EVENT_DAY, 3)
    one = {day: flat(level) for day, level in zip(days, (1, 2, 5), strict=True)}
    two = {day: flat(level) for day, level in zip(days, (7, 7, 6), strict=True)}
    both = {day: [(a or 0) + (b or 0) for a, b in zip(one[day], two[day], strict=True)] for day in days}
    parts = [mean_of_days(loads, days, EVENT, None) for loads in (one, two)]
    assert parts == [(F(8, 3),) * 4, (F(20, 3),) * 4]
    assert mean_of_days(both, days, EVENT, None) == (F(28, 3),) * 4
