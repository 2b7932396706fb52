"""Calls on days of 23 and 25 hours, settled by the same wall clock of other days; and calls that readings cannot settle."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from market_cases import DEAL, A, B, call
from msgspec.structs import replace

from intertie.market.baseline import Event, NoBaseline, Reason, Rule
from intertie.market.baseline_rule import Adjustment
from intertie.market.block_events import look, place
from intertie.market.blocks import Row, empty, fill, layout
from intertie.market.statement import Book, Call, add_up, event_of, settle_event
from intertie.market.terms import method_of, rule_of, terms_of
from intertie.model.ids import MeterId
from intertie.model.interval import Window, local_day

ZONE, TZ = "America/New_York", ZoneInfo("America/New_York")
FALL, SPRING = date(2026, 11, 1), date(2026, 3, 8)  # Sundays of 25 and 23 hours
STEP = timedelta(minutes=15)
RULE = rule_of(replace(DEAL, zone=ZONE))
METERS = {A: 1, B: 10}


def wall(day: date, hour: int, minute: int = 0, fold: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=TZ, fold=fold)


def usual(day: date, scale: int) -> tuple[int, ...]:
    """1000 Wh a quarter and 10 for each hour of the wall clock, 1 for each quarter of it."""
    start = local_day(day, ZONE).start
    times = [(start + i * STEP).astimezone(TZ) for i in range(len(layout(day, ZONE, 15)))]
    return tuple(scale * (1000 + 10 * at.hour + at.minute // 15) for at in times)


def called(start: datetime, hours: int) -> Call:
    one = call().instruction
    series = replace(one.target_kw, start=start, values=(8000,) * (4 * hours))
    window = Window(start=start, end=start + timedelta(hours=hours))
    return Call(replace(one, window=window, target_kw=series, respond_by=start - timedelta(hours=3)))


def held(day: date, rule: Rule, less: int, first: int, count: int) -> Book:
    """Two meters over two months that do as usual, and on the day so much less in so many intervals, in the order of time."""
    readings: dict[MeterId, dict[date, tuple[int, ...]]] = {}
    for meter, scale in METERS.items():
        days = {day - timedelta(days=back): usual(day - timedelta(days=back), scale) for back in range(60)}
        today = list(days[day])
        today[first : first + count] = [value - scale * less for value in today[first : first + count]]
        readings[meter] = days | {day: tuple(today)}
    return Book(rule, terms_of(DEAL), ZONE, readings, {day: Reason.EVENT_DAY})


@pytest.mark.parametrize(("day", "first"), [(FALL, 72), (SPRING, 64)])
def test_five_in_the_afternoon_of_a_day_that_is_an_hour_longer_or_shorter(day: date, first: int) -> None:
    asked = called(wall(day, 17), 1)
    assert event_of(asked.instruction, ZONE) == Event(day, first, first + 4)
    found = settle_event(held(day, RULE, 50, first, 4), asked)
    # 17:00 is 1170, 1171, 1172, 1173 Wh of one meter and ten times that of the other; each takes 50 (500) less.
    assert found.baseline_kwh.values == tuple(11 * one * 1000 for one in (1170, 1171, 1172, 1173))
    assert found.actual_kwh.values == tuple(11 * (one - 50) * 1000 for one in (1170, 1171, 1172, 1173))
    assert (found.adjustment_factor, found.delivered_kwh.total()) == (Decimal(1), Decimal("2.2"))
    parts = [part.actual_kwh.values for part in found.meters]
    assert tuple(map(sum, zip(*parts, strict=True))) == found.actual_kwh.values
    expected = [part.baseline_kwh.values for part in found.meters]
    assert tuple(map(sum, zip(*expected, strict=True))) == found.baseline_kwh.values


def test_an_hour_that_comes_twice_is_compared_with_itself_twice() -> None:
    rule = RULE._replace(adjustment=Adjustment.NONE)
    found = settle_event(held(FALL, rule, 100, 4, 8), called(wall(FALL, 1), 2))
    twice = (1010, 1011, 1012, 1013) * 2
    assert found.baseline_kwh.values == tuple(11 * one * 1000 for one in twice)
    assert found.actual_kwh.values == tuple(11 * (one - 100) * 1000 for one in twice)


def test_an_hour_that_the_clock_skips_is_not_asked_for() -> None:
    rule = RULE._replace(adjustment=Adjustment.NONE)
    found = settle_event(held(SPRING, rule, 0, 0, 0), called(wall(SPRING, 1), 2))
    hours = (1010, 1011, 1012, 1013, 1030, 1031, 1032, 1033)
    assert found.baseline_kwh.values == tuple(11 * one * 1000 for one in hours) == found.actual_kwh.values


@pytest.mark.parametrize("kind", [Adjustment.MULTIPLICATIVE, Adjustment.ADDITIVE])
@pytest.mark.parametrize(
    ("day", "hour"), [(FALL, 3), (FALL, 5), (FALL, 17), (SPRING, 4), (SPRING, 6), (SPRING, 17)]
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_same_as_the_kernel_of_many_meters(day: date, hour: int, kind: Adjustment, turned: bool) -> None:
    # The fall's day is among the days looked back at from two Sundays later, too.
    day = day + timedelta(days=14) if turned else day
    rule = RULE._replace(adjustment=kind, clock_change_days=turned)
    start = wall(day, hour)
    asked = called(start, 2)
    first = event_of(asked.instruction, ZONE).first
    book = held(day, rule, 130, max(0, first - 16), 20)
    window = asked.instruction.window
    total = add_up(book.readings)
    block = empty(["all"], day - timedelta(days=59), 60, ZONE, 15)
    block = fill(block, (Row("all", one, load) for one, load in total.items() if one <= day))
    seen = look(block, place("event", window, rule, ZONE, 15), rule, book.not_usable)
    top, low = seen.expected.top[0], int(seen.expected.bottom[0])
    found = settle_event(book, asked)
    kernel = tuple(Fraction(int(one), low) for one in top)
    assert found.baseline_kwh.values == tuple(int(one * 1000 + Fraction(1, 2)) for one in kernel)
    assert found.actual_kwh.values == tuple(int(one) * 1000 for one in seen.actual[0])


def test_another_family_on_such_a_day() -> None:
    method = method_of(replace(DEAL, zone=ZONE, baseline_method="meter-before-after-60min"))
    book = held(FALL, RULE, 50, 72, 4)._replace(method=method)
    found = settle_event(book, called(wall(FALL, 17), 1))
    assert found.baseline_kwh.values == (11 * 1161_500,) * 4  # the mean of 1160 to 1163 from 16:00 to 17:00


def test_what_readings_cannot_settle_is_refused() -> None:
    day = date(2026, 2, 3)
    with pytest.raises(NoBaseline, match="runs over midnight of 2026-02-03"):
        event_of(called(wall(day, 23), 2).instruction, ZONE)
    with pytest.raises(NoBaseline, match="does not begin with an interval of 15 minutes"):
        event_of(called(wall(day, 17, 5), 1).instruction, ZONE)
    late = called(wall(day, 17) + timedelta(seconds=40), 1)
    assert event_of(late.instruction, ZONE).first == 68
    one = called(wall(day, 17), 1).instruction
    fine = replace(one, target_kw=replace(one.target_kw, step_seconds=10, values=(8000,) * 360))
    with pytest.raises(NoBaseline, match="intervals of 10 seconds"):
        event_of(fine, ZONE)
