"""Validation and estimates: worked cases, and an independent way that goes value by value with fractions."""

from __future__ import annotations

import random
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from intertie.market.blocks import Block, Row, empty, fill, layout, likeness
from intertie.market.vee import Check, VeeRules, day_counts, existing, in_time, nameplates, validate
from intertie.model.interval import local_day

ZONE = "America/New_York"
FIRST = date(2026, 10, 19)  # a Monday; the clock turns on the second Sunday after it
DAYS = 16


def block_of(values: dict[tuple[str, int], list[int | None]], days: int = DAYS, first: date = FIRST) -> Block:
    """A block of hours from lists by meter and number of the day; in watt-hours."""
    meters = sorted({meter for meter, _ in values})
    rows = [Row(meter, first + timedelta(days=n), v, 17) for (meter, n), v in values.items()]
    return fill(empty(meters, first, days, ZONE, 60), rows)


def day(value: int = 100, length: int = 24, **other: int | None) -> list[int | None]:
    """Hours of one value; others by `h5=...`."""
    made: list[int | None] = [value] * length
    for name, each in other.items():
        made[int(name[1:])] = each
    return made


def places(mask: Any) -> set[tuple[int, ...]]:
    return {tuple(int(i) for i in place) for place in zip(*np.nonzero(mask), strict=True)}


def test_a_good_block_has_no_findings_and_is_its_own_estimate() -> None:
    block = block_of({("M", n): day() for n in range(5)}, days=5)
    found = validate(block)
    assert not any(mask.any() for mask in found.found.values()) and set(found.found) == set(Check)
    assert np.array_equal(found.estimated.values, block.values)
    assert found.counts() == {**dict.fromkeys(Check, 0), "interpolated": 0, "estimated": 0}


def test_short_gaps_are_bridged_also_over_midnight_and_long_ones_take_like_days() -> None:
    rows = {("M", n): day(100 + n) for n in range(5)}
    rows["M", 3] = day(104, h23=None)
    rows["M", 4] = day(110, h0=None, h8=None, h9=None, h10=None)
    block = block_of(rows, days=5)
    found = validate(block)
    assert places(found.found[Check.GAP]) == {(0, 3, 23), (0, 4, 0), (0, 4, 8), (0, 4, 9), (0, 4, 10)}
    made = found.estimated
    assert made.intervals(0, FIRST + timedelta(days=3))[23] == 106  # a third of the way from 104 to 110
    assert made.intervals(0, FIRST + timedelta(days=4))[0] == 108
    like = (101 + 102 + 104 + 1) // 3  # 102.33 rounds down
    assert made.intervals(0, FIRST + timedelta(days=4))[8:11] == (like,) * 3
    assert made.quality[0, 4, [0, 8, 11]].tolist() == [9, 8, 17]
    assert block.intervals(0, FIRST + timedelta(days=4))[8] is None, "what was read is as it was"


def test_weekends_resemble_weekends() -> None:
    rows = {("M", n): day(100) for n in range(5)} | {("M", n): day(40) for n in (5, 6)}
    rows |= {("M", n): day(100) for n in range(7, 12)}
    block = block_of(rows, days=13)
    found = validate(block, VeeRules(look_back_days=9))
    assert found.estimated.intervals(0, FIRST + timedelta(days=12)) == (40,) * 24
    assert places(found.found[Check.NO_DAY]) == {(0, 12, hour) for hour in range(24)}
    holiday = frozenset({FIRST + timedelta(days=12)})
    alone = validate(block, VeeRules(look_back_days=3, holidays=holiday))
    assert not alone.estimated.present[0, 12].any(), "nothing resembles it: it stays a gap"


def test_the_hour_that_comes_twice_read_once() -> None:
    rows = {("M", n): day(100 + n) for n in range(13)}
    rows["M", 13] = day(90, 25)
    rows["M", 13][2] = None
    block = block_of(rows, days=14)
    assert block.values.shape[2] == 25
    found = validate(block, VeeRules(interpolate_minutes=0))
    assert places(found.found[Check.SECOND_PASS]) == {(0, 13, 24)} and not found.found[Check.GAP].any()
    expected = (112 + 106 + 105 + 1) // 3  # Saturday, and the weekend before: the same hour of the clock
    assert found.estimated.values[0, 13, 24] == expected


def test_negative_and_more_than_the_nameplate() -> None:
    rows = {("A", 0): day(100, h3=-1, h5=12_000), ("B", 0): day(100, h5=12_000)}
    block = block_of(rows, days=1)
    found = validate(block, nameplate_kw=nameplates(block, {"A": Fraction(10), "C": None}))
    assert places(found.found[Check.NEGATIVE]) == {(0, 0, 3)}
    assert places(found.found[Check.OVER_NAMEPLATE]) == {(0, 0, 5)}
    assert found.estimated.values[0, 0, [3, 5]].tolist() == [100, 100]
    assert found.estimated.values[1, 0, 5] == 12_000
    net = validate(block, VeeRules(signed=True))
    assert not net.found[Check.NEGATIVE].any() and net.estimated.values[0, 0, 3] == -1
    edge = validate(block, nameplate_kw=[Fraction(12_000, 1100), None])
    assert not edge.found[Check.OVER_NAMEPLATE].any(), "exactly the nameplate and its tenth is no fault"


def test_spikes_stand_against_the_third_highest_and_are_left_to_people() -> None:
    rows = {("A", 0): day(100, h1=280, h2=281), ("B", 0): day(0, h1=5)}
    found = validate(block_of(rows, days=1))
    assert places(found.found[Check.SPIKE]) == {(0, 0, 2)}
    assert found.estimated.values[0, 0, 2] == 281


def test_a_clock_that_is_an_hour_off() -> None:
    usual = [int(100 + 80 * (8 <= hour < 18)) for hour in range(24)]
    late = [usual[hour - 1] for hour in range(24)]
    rows: dict[tuple[str, int], list[int | None]] = {("M", n): [*usual] for n in range(4)}
    rows["M", 4] = [*late]
    rows |= {("N", n): [*usual] for n in range(4)}
    rows["N", 4] = [hour * 2 for hour in usual]
    block = block_of(rows, days=5)
    rules = VeeRules(shift_misfit=Fraction(1, 100))
    found = validate(block, rules).found[Check.CLOCK]
    assert {place[:2] for place in places(found)} == {(0, 4)}
    assert day_counts(validate(block, rules), block) == [("M", FIRST + timedelta(days=4), Check.CLOCK, 24)]


def plainly(block: Block, rules: VeeRules) -> dict[tuple[int, date, int], tuple[int, int]]:
    """What is estimated, by meter, day and number of the interval, with its quality: one value after the other."""
    times: dict[tuple[date, int], int] = {}
    for one in block.days:
        start = local_day(one, ZONE).start.timestamp()
        for number in range(len(layout(one, ZONE, block.step_minutes))):
            times[one, number] = int(start) // 60 + number * block.step_minutes
    found = {}
    for meter in range(len(block.meters)):
        good: dict[int, int] = {}
        for (one, number), at in times.items():
            value = block.intervals(meter, one)[number]
            if value is not None and value >= 0:
                good[at] = value
        for (one, number), at in times.items():
            if at not in good:
                made = _line(good, at, rules, block) or _like(block, good, times, one, number, rules)
                if made is not None:
                    found[meter, one, number] = made
    return found


def _line(good: dict[int, int], at: int, rules: VeeRules, block: Block) -> tuple[int, int] | None:
    before = max((t for t in good if t < at), default=None)
    after = min((t for t in good if t > at), default=None)
    if before is None or after is None or after - before - block.step_minutes > rules.interpolate_minutes:
        return None
    share = Fraction(at - before, after - before)
    return _rounded(good[before] + (good[after] - good[before]) * share), 9


def _like(
    block: Block,
    good: dict[int, int],
    times: dict[tuple[date, int], int],
    one: date,
    number: int,
    rules: VeeRules,
) -> tuple[int, int] | None:
    slot = likeness(one, ZONE, block.step_minutes)[number]
    seen = []
    for back in range(1, rules.look_back_days + 1):
        other = one - timedelta(days=back)
        if other < block.first or (other.weekday() >= 5) != (one.weekday() >= 5):
            continue
        slots = layout(other, ZONE, block.step_minutes)
        if slot in slots and (value := good.get(times[other, slots.index(slot)])) is not None:
            seen.append(value)
    seen = seen[: rules.like_days]
    return (_rounded(Fraction(sum(seen), len(seen))), 8) if seen else None


def _rounded(value: Fraction) -> int:
    return int((value + Fraction(1, 2)) // 1)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("first", [date(2026, 10, 19), date(2026, 2, 27)])
def test_as_value_by_value(seed: int, first: date) -> None:
    """Over both changes of the clock, with gaps of all lengths and days without readings."""
    dice = random.Random(seed)
    rows: dict[tuple[str, int], list[int | None]] = {}
    for meter in ("A", "B"):
        for n in range(14):
            length = len(layout(first + timedelta(days=n), ZONE, 60))
            if dice.random() < 0.85:
                odds = dice.choice((0.0, 0.1, 0.5))
                rows[meter, n] = [
                    None if dice.random() < odds else dice.randrange(-2, 400) for _ in range(length)
                ]
    block = block_of(rows, days=14, first=first)
    rules = VeeRules(look_back_days=dice.choice((5, 35)), like_days=dice.choice((1, 3)))
    made = validate(block, rules)
    expected = plainly(block, rules)
    for meter in range(len(block.meters)):
        for place, one in enumerate(block.days):
            slots = layout(one, ZONE, 60)
            for number, slot in enumerate(slots):
                was = block.values[meter, place, slot], block.quality[meter, place, slot]
                here = made.estimated.values[meter, place, slot], made.estimated.quality[meter, place, slot]
                assert here == expected.get((meter, one, number), was), (meter, one, number)


def test_slots_that_days_do_not_have_are_no_gaps() -> None:
    block = empty(["M"], date(2026, 3, 8), 1, ZONE, 60)
    assert existing(block).sum() == 23 and len(in_time(block)[0]) == 23
    assert places(validate(block).found[Check.NO_DAY]) == {(0, 0, h) for h in range(24) if h != 2}
