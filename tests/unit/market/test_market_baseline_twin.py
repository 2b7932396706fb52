"""The baseline done a second time, in plain loops, and compared on random portfolios."""

from __future__ import annotations

import random
from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from intertie.market.baseline import Adjustment, Event, NoBaseline, Reason, Rule, compute

F = Fraction
DAY = date(2025, 8, 13)
Portfolio = dict[date, list[int | None]]


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    of = draw(st.integers(1, 10))
    highest = draw(st.integers(1, of))
    off = draw(st.sets(st.integers(1, 45), max_size=4))
    return Rule(
        highest=highest,
        of=of,
        minimum_days=draw(st.integers(highest, of)),
        look_back_days=draw(st.sampled_from([14, 30, 45])),
        low_usage=draw(st.sampled_from([F(0), F(1, 4), F(1, 2), F(9, 10)])),
        adjustment=draw(st.sampled_from(list(Adjustment))),
        cap=draw(st.sampled_from([F(0), F(1, 10), F(1, 5), F(1)])),
        holidays=frozenset(DAY - timedelta(days=n) for n in off),
    )


@st.composite
def portfolios(draw: st.DrawFn) -> tuple[Portfolio, dict[date, Reason]]:
    """Fifty days of hours. A small spread gives ties; now and then a gap, a missing day, a day of 23 or 25 hours."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    low, spread = draw(st.sampled_from([(0, 3), (1, 2), (-5, 10), (900, 400), (100, 0)]))
    gap, missing, odd = (draw(st.sampled_from([0.0, 0.01, 0.05])) for _ in range(3))
    loads: Portfolio = {}
    barred: dict[date, Reason] = {}
    for back in range(50):
        day = DAY - timedelta(days=back)
        if chance.random() < missing:
            continue
        hours = chance.choice((23, 25)) if back and chance.random() < odd else 24
        level = 1 if chance.random() < 0.9 else 0
        loads[day] = [
            None if chance.random() < gap else level * chance.randint(low, low + spread) for _ in range(hours)
        ]
        if chance.random() < missing:
            barred[day] = Reason.EVENT_DAY
    return loads, barred


class Twin:
    """High X of Y as one would do it on paper."""

    def __init__(self, loads: Portfolio, event: Event, rule: Rule, barred: dict[date, Reason]) -> None:
        self.loads, self.event, self.rule, self.barred = loads, event, rule, barred
        start = event.first - 4
        self.window = list(range(start, start + 2)) if start >= 0 and rule.adjustment != "none" else []

    def usable(self, day: date) -> bool:
        if day in self.barred or day in self.rule.holidays or day not in self.loads:
            return False
        load = self.loads[day]
        if len(load) != 24:
            return False
        needed = [i for i in range(24) if i in self.window or self.event.first <= i < self.event.last]
        return None not in [load[i] for i in needed]

    def energy(self, day: date) -> int:
        taken = 0
        for i in range(self.event.first, self.event.last):
            taken += self.loads[day][i]  # type: ignore[operator]
        return taken

    def days(self) -> list[date]:
        weekend = self.event.day.weekday() > 4 or self.event.day in self.rule.holidays
        pool = []
        for back in range(1, self.rule.look_back_days + 1):
            day = self.event.day - timedelta(days=back)
            if (day.weekday() > 4) == weekend and self.usable(day):
                pool.append(day)
        while True:
            hand = pool[: self.rule.of]
            total = sum(self.energy(day) for day in hand)
            # energy < share x total / n, without a division; a mean not above zero bars nobody
            keep = [
                day
                for day in hand
                if total <= 0 or self.energy(day) * len(hand) >= self.rule.low_usage * total
            ]
            if keep == hand:
                return hand
            pool = keep + pool[len(hand) :]

    def highest(self, hand: list[date]) -> list[date]:
        left, best = list(hand), []
        for _ in range(min(self.rule.highest, len(left))):
            top = left[0]
            for day in left[1:]:
                if self.energy(day) > self.energy(top) or (
                    self.energy(day) == self.energy(top) and day > top
                ):
                    top = day
            best.append(top)
            left.remove(top)
        return best

    def mean(self, days: list[date], i: int) -> Fraction:
        taken = F(0)
        for day in days:
            taken += F(self.loads[day][i] or 0, len(days))
        return taken

    def values(self) -> tuple[tuple[Fraction, ...], list[date]] | None:
        hand = self.days()
        if len(hand) < self.rule.minimum_days:
            return None
        best = self.highest(hand)
        plain = [self.mean(best, i) for i in range(self.event.first, self.event.last)]
        return tuple(self.moved(plain, best)), sorted(best)

    def moved(self, plain: list[Fraction], best: list[date]) -> list[Fraction]:
        today = self.loads.get(self.event.day)
        if not self.window or today is None or any(today[i] is None for i in self.window):
            return plain
        now = then = F(0)
        for i in self.window:
            now += F(today[i] or 0, len(self.window))
            then += self.mean(best, i) / len(self.window)
        if self.rule.adjustment == "multiplicative":
            factor = now / then if then > 0 else F(1)
            if factor > 1 + self.rule.cap:
                factor = 1 + self.rule.cap
            elif factor < 1 - self.rule.cap:
                factor = 1 - self.rule.cap
            return [value * factor for value in plain]
        limit = abs(sum(plain, F(0)) / len(plain)) * self.rule.cap
        amount = now - then
        if amount > limit:
            amount = limit
        elif amount < -limit:
            amount = -limit
        return [value + amount for value in plain]


@settings(max_examples=200, deadline=None)
@given(portfolios(), rules(), st.integers(0, 23), st.integers(1, 4), st.integers(0, 1))
def test_both_ways_give_the_same_baseline(
    world: tuple[Portfolio, dict[date, Reason]], rule: Rule, first: int, hours: int, back: int
) -> None:
    loads, barred = world
    event = Event(DAY - timedelta(days=3 * back), first, min(24, first + hours), step_minutes=60)
    if len(loads.get(event.day, [0] * 24)) != 24:
        loads[event.day] = [1] * 24
    expected = Twin(loads, event, rule, barred).values()
    try:
        base = compute(loads, event, rule, barred)
    except NoBaseline:
        assert expected is None
        return
    assert expected is not None
    assert (base.values, list(base.days_used)) == expected


@settings(max_examples=100, deadline=None)
@given(portfolios(), rules())
def test_every_day_is_named_once_and_none_is_later_than_the_event(
    world: tuple[Portfolio, dict[date, Reason]], rule: Rule
) -> None:
    loads, barred = world
    try:
        base = compute(loads, Event(DAY, 17, 19, step_minutes=60), rule, barred)
    except NoBaseline:
        return
    named = [*base.days_used, *(one.day for one in base.days_excluded)]
    assert len(named) == len(set(named))
    assert all(DAY - timedelta(days=rule.look_back_days) <= day < DAY for day in named)
    assert len(base.days_used) == rule.highest
    assert list(base.days_used) == sorted(base.days_used)
    assert [one.day for one in base.days_excluded] == sorted(one.day for one in base.days_excluded)


@settings(max_examples=100, deadline=None)
@given(portfolios(), rules(), st.integers(2, 9))
def test_another_unit_gives_the_same_baseline_in_that_unit(
    world: tuple[Portfolio, dict[date, Reason]], rule: Rule, times: int
) -> None:
    loads, barred = world
    larger = {day: [None if v is None else v * times for v in load] for day, load in loads.items()}
    event = Event(DAY, 17, 19, step_minutes=60)
    try:
        base = compute(loads, event, rule, barred)
    except NoBaseline:
        return
    scaled = compute(larger, event, rule, barred)
    assert scaled.values == tuple(value * times for value in base.values)
    assert (scaled.days_used, scaled.cap_hit) == (base.days_used, base.cap_hit)
