"""Baselines on blocks against plain loops over the wall clock: gaps, revisions, refused qualities, days of 23 and 25 hours.

`INTERTIE_SOAK=1` runs 10,000 random portfolios.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from intertie.market.baseline import baseline_of
from intertie.market.baseline_rule import Adjustment, DayTypes, NoBaseline, Pick, Reason, Rule, Side
from intertie.market.block_events import look, place
from intertie.market.blocks import Block, Row, empty, fill
from intertie.model.interval import Window, local_day

F = Fraction
PORTFOLIOS = 10_000 if os.environ.get("INTERTIE_SOAK") else 200
ZONE = "Europe/Berlin"
# The two changes of the clock, with room for a look-back before them and an event on them.
EVENT_DAYS = (date(2026, 3, 29), date(2026, 3, 31), date(2026, 4, 5), date(2026, 10, 25), date(2026, 11, 3))
Clock = tuple[int, int]  # minute of the wall clock, pass
Loads = dict[date, dict[Clock, tuple[int | None, int]]]


def clock(day: date, step: int) -> list[Clock]:
    """The wall clock at the start of each interval, by walking in UTC."""
    tz, end = (
        ZoneInfo(ZONE),
        datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(ZONE)) + timedelta(days=1),
    )
    at, found = datetime(day.year, day.month, day.day, tzinfo=tz).astimezone(UTC), []
    while at < end.astimezone(UTC):
        local = at.astimezone(tz)
        found.append((local.hour * 60 + local.minute, local.fold))
        at += timedelta(minutes=step)
    return found


def rule_of(chance: random.Random) -> Rule:
    highest, drop = chance.randint(1, 5), chance.choice([0, 0, 1])
    of = highest + 2 * drop + chance.randint(0, 5)
    fewest = chance.randint(highest + 2 * drop, of)
    return Rule(
        highest=highest,
        of=of,
        minimum_days=fewest,
        look_back_days=chance.choice([20, 45]),
        low_usage=chance.choice([F(0), F(1, 4), F(9, 10)]),
        adjustment=chance.choice(list(Adjustment)),
        cap=chance.choice([None, F(0), F(1, 5), F(1, 3)]),
        adjust_minutes_before=chance.choice([120, 240]),
        adjust_minutes=chance.choice([60, 120]),
        side=chance.choice(list(Side)),
        drop_highest=drop,
        drop_lowest=drop,
        weekend=chance.choice([None, Pick(2, 3, 2)]),
        day_types=chance.choice(list(DayTypes)),
        days_apart=chance.choice([1, 1, 2]),
        clock_change_days=chance.random() < 0.5,
        refused_quality=frozenset(chance.choice([(), (8,)])),
    )


class Paper:
    """One meter as one would do it on paper."""

    def __init__(
        self, loads: Loads, rule: Rule, day: date, hours: Sequence[Clock], before: Sequence[Clock]
    ) -> None:
        self.loads, self.rule, self.day, self.hours, self.before = loads, rule, day, hours, before
        self.pick = rule.weekend if rule.weekend and self.kind(day) not in ("weekday", "any") else rule

    def kind(self, day: date) -> str:
        if self.rule.day_types == "all_alike":
            return "any"
        if day.weekday() < 5:
            return "weekday"
        return "end" if self.rule.day_types == "weekends" else str(day.weekday())

    def usable(self, day: date, barred: set[date]) -> bool:
        if day in barred or (self.day - day).days < self.rule.days_apart or day not in self.loads:
            return False
        if len(self.loads[day]) != 24 and not self.rule.clock_change_days:
            return False
        for minute, _ in (*self.hours, *self.before):
            value, quality = self.loads[day].get((minute, 0), (None, 0))
            if value is None or quality in self.rule.refused_quality:
                return False
        return True

    def take(self, day: date, hours: Sequence[Clock]) -> int:
        return sum(self.loads[day][minute, 0][0] or 0 for minute, _ in hours)

    def days(self, barred: set[date]) -> list[date]:
        pool = []
        for back in range(1, self.rule.look_back_days + 1):
            day = self.day - timedelta(days=back)
            if self.kind(day) == self.kind(self.day) and self.usable(day, barred):
                pool.append(day)
        while True:
            hand = pool[: self.pick.of]
            mean = F(sum(self.take(d, self.hours) for d in hand), len(hand)) if hand else F(0)
            low = [d for d in hand if mean > 0 and self.take(d, self.hours) < self.rule.low_usage * mean]
            if not low:
                return hand
            pool = [d for d in pool if d not in low]

    def result(self, barred: set[date]) -> tuple[list[Fraction], list[date]] | None:
        hand = self.days(barred)
        if len(hand) < self.pick.minimum_days:
            return None
        ranked = sorted(hand, key=lambda d: (-self.take(d, self.hours), -d.toordinal()))
        ranked = ranked[self.pick.drop_highest : len(ranked) - self.pick.drop_lowest][: self.pick.highest]
        plain = [F(self.take_one(ranked, one), len(ranked)) for one in self.hours]
        return self.moved(plain, ranked), sorted(ranked)

    def take_one(self, days: list[date], one: Clock) -> int:
        return sum(self.take(day, [one]) for day in days)

    def moved(self, plain: list[Fraction], days: list[date]) -> list[Fraction]:
        today = [self.loads.get(self.day, {}).get(one, (None, 0))[0] for one in self.before]
        if self.rule.adjustment == "none" or not today or None in today:
            return plain
        now = F(sum(v or 0 for v in today), len(today))
        then = F(sum(self.take(d, self.before) for d in days), len(days) * len(today))
        side, cap = self.rule.side, self.rule.cap
        if self.rule.adjustment == "multiplicative":
            ratio = now / then if then > 0 else F(1)
            low, high = (None, None) if cap is None else (1 - cap, 1 + cap)
            low = F(1) if side == "up" else low
            high = F(1) if side == "down" else high
            ratio = ratio if high is None else min(ratio, high)
            ratio = ratio if low is None else max(ratio, low)
            return [value * ratio for value in plain]
        amount = now - then
        if cap is not None:
            most = cap * abs(sum(plain, F(0)) / len(plain))
            amount = max(-most, min(most, amount))
        amount = max(F(0), amount) if side == "up" else min(F(0), amount) if side == "down" else amount
        return [value + amount for value in plain]


def world_of(chance: random.Random, meters: int) -> tuple[Block, list[Loads], date]:
    """Fifty hourly days; small spreads give ties, old revisions come before and after the new ones."""
    last = chance.choice(EVENT_DAYS)
    first = last - timedelta(days=48)
    names = [f"m{i}" for i in range(meters)]
    rows, loads = [], []
    for name in names:
        mine: Loads = {}
        low, spread = chance.choice([(0, 3), (1, 2), (-5, 10), (900, 400), (100, 0), (2**45, 99)])
        gap, missing = chance.choice([0.0, 0.01, 0.03]), chance.choice([0.0, 0.05])
        for back in range(49):
            day = first + timedelta(days=back)
            if chance.random() < missing:
                continue
            hours, level = clock(day, 60), chance.random() < 0.9
            values = [
                None if chance.random() < gap else level * chance.randint(low, low + spread) for _ in hours
            ]
            quality = [8 if chance.random() < gap else 0 for _ in hours]
            new = [Row(name, day, values, quality, 2)]
            if chance.random() < 0.1:
                new.insert(chance.randint(0, 1), Row(name, day, [7] * len(hours)))
            rows += new
            mine[day] = dict(zip(hours, zip(values, quality, strict=True), strict=True))
        loads.append(mine)
    return fill(empty(names, first, 49, ZONE, 60), rows), loads, last


@pytest.mark.parametrize("tenth", range(10))
def test_blocks_and_paper_agree(tenth: int) -> None:
    for seed in range(tenth * PORTFOLIOS // 10, (tenth + 1) * PORTFOLIOS // 10):
        one_portfolio(seed)


def one_portfolio(seed: int) -> None:
    chance = random.Random(seed)
    block, loads, day = world_of(chance, 3)
    rule, hours = rule_of(chance), clock(day, 60)
    first = chance.randrange(len(hours))
    last = min(len(hours), first + chance.randint(1, 4))
    start = local_day(day, ZONE).start
    window = Window(start=start + timedelta(hours=first), end=start + timedelta(hours=last))
    barred = {day - timedelta(days=chance.randint(1, 40)) for _ in range(3)}
    left = first - rule.adjust_minutes_before // 60
    before = hours[left : left + rule.adjust_minutes // 60] if left >= 0 else []
    before = [] if rule.adjustment is Adjustment.NONE else before
    event = place("d", window, rule, ZONE, 60)
    found = look(block, event, rule, dict.fromkeys(barred, Reason.EVENT_DAY))
    for row, mine in enumerate(loads):
        expected = Paper(mine, rule, day, hours[first:last], before).result(barred)
        if expected is None:
            assert found.expected.number[row] == 0, seed
            continue
        base = baseline_of(found.expected, found.candidates, row)
        assert (list(base.values), list(base.days_used)) == expected, seed
        metered = [mine.get(day, {}).get(one, (None, 0))[0] for one in hours[first:last]]
        assert found.actual[row].tolist() == [v or 0 for v in metered]
        assert found.present[row].tolist() == [v is not None for v in metered]


def test_an_event_in_the_hour_that_comes_twice() -> None:
    """02:00 twice on 25 October: both passes are compared with 02:00 of other days."""
    start = local_day(date(2026, 10, 25), ZONE).start
    window = Window(start=start + timedelta(hours=2), end=start + timedelta(hours=5))
    event = place("d", window, Rule(), ZONE, 60)
    assert (event.slots, event.like) == ((2, 24, 3), (2, 2, 3))


def test_what_is_no_event_of_one_day_is_refused() -> None:
    start = local_day(date(2026, 6, 1), ZONE).start
    for left, right, why in ((-1, 2, "runs over midnight"), (1, 26, "runs over midnight")):
        window = Window(start=start + timedelta(hours=left), end=start + timedelta(hours=right))
        with pytest.raises(NoBaseline, match=why):
            place("d", window, Rule(), ZONE, 60)
    odd = Window(start=start + timedelta(minutes=10), end=start + timedelta(minutes=70))
    with pytest.raises(NoBaseline, match="begin and end"):
        place("d", odd, Rule(), ZONE, 60)


def test_any_partition_of_the_meters_gives_the_same_numbers() -> None:
    chance = random.Random(5)
    block, _, day = world_of(chance, 6)
    start = local_day(day, ZONE).start
    window = Window(start=start + timedelta(hours=17), end=start + timedelta(hours=19))
    rule = Rule(minimum_days=2, highest=2, of=3)
    event = place("d", window, rule, ZONE, 60)
    whole = look(block, event, rule, {}).expected
    for size in (1, 2, 4):
        parts = [look(block.part(i, i + size), event, rule, {}).expected for i in range(0, 6, size)]
        for field in ("top", "bottom", "number"):
            joined = np.concatenate([getattr(part, field) for part in parts]).tolist()
            assert joined == getattr(whole, field).tolist()
