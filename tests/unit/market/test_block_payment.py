"""Delivery and money of many meters against plain fractions, one meter at a time, and shapes by hand."""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from tests.unit.market.plain_payment import measure, month_lines

from intertie.market.block_events import BlockEvent, Looked
from intertie.market.block_payment import Delivered, Terms, deliver, money, month, true_up
from intertie.market.payment import EventResult
from intertie.market.payment import Terms as OneTerms
from intertie.market.shapes import (
    earned,
    full,
    grace_and_slope,
    linear,
    sliding,
    steps,
    threshold,
)
from intertie.market.type_one import Choice, Expected
from intertie.model.errors import IntertieError

F = Fraction
DAY = date(2026, 7, 1)


def of(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def looked(top: np.ndarray, bottom: np.ndarray, actual: np.ndarray, present: np.ndarray) -> Looked:
    ones = np.ones_like(bottom)
    choice = Choice(np.zeros((len(bottom), 0), np.uint8), ones)
    found = Expected(top, bottom, top, ones, (ones, ones), (ones, ones), choice)
    event = BlockEvent("d", DAY, (0,), (0,))
    return Looked(event, (), found, np.where(present, actual, 0), present)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        # hundredths in, ten-thousandths out
        (full(), {0: 10_000, 50: 10_000, 100: 10_000}),
        (linear(), {0: 0, 37: 3700, 100: 10_000}),
        (threshold(F(1, 2)), {49: 0, 50: 5000, 80: 8000}),
        (
            steps([(F(0), F(0)), (F(1, 2), F(1, 2)), (F(9, 10), F(1))]),
            {49: 0, 50: 5000, 89: 5000, 90: 10_000},
        ),
        # from 50 % to 100 %: (0.75 - 0.5) / 0.5 = 0.5
        (sliding(F(1, 2), F(1)), {49: 0, 50: 0, 75: 5000, 100: 10_000}),
        # the same, half of it paid at 50 %: 0.5 + 0.25 x 1 = 0.75
        (sliding(F(1, 2), F(1), F(1, 2)), {49: 0, 50: 5000, 75: 7500, 100: 10_000}),
        # 5 % of grace, then 3 for 1: 1 - 3 x 0.05 = 0.85 at 90 %; 1 - 3 x 0.32 = 0.04 at 63 %; nothing from 61 % down
        (grace_and_slope(F(1, 20), F(3)), {95: 10_000, 94: 9700, 90: 8500, 63: 400, 62: 100, 61: 0, 0: 0}),
    ],
)
def test_shapes_by_hand(shape: object, expected: dict[int, int]) -> None:
    assert earned(of(*expected), shape).tolist() == list(expected.values())  # type: ignore[arg-type]


def test_a_share_is_rounded_half_up_to_four_places() -> None:
    # (0.51 - 0.5) / 0.6 = 0.016666...
    assert earned(of(51), sliding(F(1, 2), F(11, 10))).tolist() == [167]


def test_shapes_that_are_none_are_refused() -> None:
    with pytest.raises(IntertieError, match="begin at 0"):
        steps([(F(1, 2), F(1))])
    with pytest.raises(IntertieError, match="ascend"):
        steps([(F(0), F(0)), (F(1), F(1)), (F(1, 2), F(1))])
    with pytest.raises(IntertieError, match="low < high"):
        sliding(F(1), F(1, 2))


def test_delivery_by_hand() -> None:
    # Baseline 1000/3, 1000 Wh; metered 300, a gap; asked 50 and 400: (333.33 - 300) + nothing = 33.33 of 450 Wh.
    one = looked(of(1000, 3000)[None], of(3), of(300, 7)[None], np.array([[True, False]]))
    found = deliver(one, (F(50), F(400)), F(1), 15)
    assert (found.energy.tolist(), found.asked.tolist(), found.missing.tolist()) == ([33], [450], [1])
    assert found.factor.tolist() == [7]  # 33.33 / 450 = 0.074
    assert found.seconds == 1800


@pytest.mark.parametrize("wide", [1, 2**40])
def test_delivery_and_plain_fractions_agree(wide: int) -> None:
    chance = random.Random(wide)
    for _ in range(40):
        meters, intervals = chance.randint(1, 4), chance.randint(1, 5)
        top = np.array([[chance.randint(-50, 900) * wide for _ in range(intervals)] for _ in range(meters)])
        bottom = of(*(chance.randint(1, 9) for _ in range(meters)))
        actual = np.array([[chance.randint(-20, 99) * wide for _ in range(intervals)] for _ in range(meters)])
        present = np.array([[chance.random() < 0.9 for _ in range(intervals)] for _ in range(meters)])
        asked = [F(chance.randint(0, 400) * wide, chance.choice([1, 3, 4])) for _ in range(intervals)]
        cap = chance.choice([F(1), F(11, 10), F(1, 2)])
        found = deliver(looked(top, bottom, actual, present), asked, cap, 15)
        for row in range(meters):
            base = [F(int(v), int(bottom[row])) for v in top[row]]
            taken = [int(v) if p else None for v, p in zip(actual[row], present[row], strict=True)]
            one = measure(base, taken, asked, cap)
            assert found.energy[row] == one.delivered_kwh * 1000
            assert found.asked[row] == one.asked_kwh * 1000
            assert found.factor[row] == one.factor * 100
            assert found.missing[row] == one.missing


def random_month(chance: random.Random) -> tuple[list[Delivered], Terms, list[OneTerms], Fraction]:
    meters = chance.randint(1, 5)
    capacity = [chance.randint(0, 9000) for _ in range(meters)]
    rates = [Decimal(chance.randint(0, 3000)).scaleb(-chance.randint(2, 4)) for _ in range(3)]
    grace, cap, least = (Decimal(chance.choice(["0.5", "0.9", "1"])) for _ in range(3))
    events = []
    for _ in range(chance.randint(0, 6)):
        energy = of(*(chance.randint(0, 9000) for _ in range(meters)))
        asked = energy + of(*(chance.randint(-500, 3000) for _ in range(meters)))
        factor = of(*(chance.randint(0, 100) for _ in range(meters)))
        ones = np.ones(meters, np.int64)
        events.append(
            Delivered(energy, np.maximum(asked, 0), factor, ones, ones, 900 * chance.randint(1, 16))
        )
    terms = Terms(of(*capacity), *rates, threshold(F(least)), grace=F(grace), penalty_cap=F(cap))
    ones_terms = [
        OneTerms(Decimal(one).scaleb(-3), *rates, grace=grace, threshold=least, penalty_cap=cap)
        for one in capacity
    ]
    return events, terms, ones_terms, F(1)


def test_a_month_of_many_meters_is_the_month_of_each() -> None:
    for seed in range(150):
        events, terms, each, share = random_month(random.Random(seed))
        found = month(events, terms, share)
        for row, one in enumerate(each):
            results = [
                EventResult(
                    f"d{i}",
                    DAY,
                    F(event.seconds, 3600),
                    Decimal(int(event.asked[row])).scaleb(-3),
                    Decimal(int(event.energy[row])).scaleb(-3),
                    Decimal(int(event.factor[row])).scaleb(-2),
                )
                for i, event in enumerate(events)
            ]
            lines = month_lines(results, one, date(2026, 7, 1), date(2026, 7, 31))
            mine = [
                (
                    amount.code,
                    f"d{amount.event}" if amount.event >= 0 else None,
                    int(amount.quantity[row]),
                    int(amount.cents[row]),
                )
                for amount in found.amounts
                if amount.code != "PEN" or amount.cents[row]
            ]
            theirs = [(x.code, x.dispatch, int(x.quantity * 1000), int(x.amount * 100)) for x in lines]
            assert mine == theirs, seed
            assert int(found.total()[row]) == sum(int(x.amount * 100) for x in lines)


def test_a_month_without_an_event_keeps_the_factor_before() -> None:
    terms = Terms(of(10_000, 10_000), Decimal(2), Decimal(1), Decimal(0))
    assert month([], terms, F(1)).total().tolist() == [2000, 2000]
    assert month([], terms, F(1), of(50, 25)).total().tolist() == [1000, 500]
    # half of the month: 10 kW x 1/2 x 2.00
    assert month([], terms, F(1, 2)).total().tolist() == [1000, 1000]


def test_a_test_event_counts_for_the_factor_and_is_paid_if_agreed() -> None:
    ones = of(1)
    event = Delivered(of(500), of(1000), of(50), ones * 0, ones, 60, test=True)
    terms = Terms(of(1000), Decimal(10), Decimal(1), Decimal(1))
    paid, unpaid = month([event], terms, F(1)), month([event], terms._replace(test_pays=False), F(1))
    assert [a.code for a in paid.amounts] == ["RES", "UTL", "PEN"]
    assert [a.code for a in unpaid.amounts] == ["RES"]
    assert unpaid.factor.tolist() == [50]


def test_a_true_up_is_the_difference_of_two_months() -> None:
    ones, terms = of(1), Terms(of(1000), Decimal(10), Decimal("0.75"), Decimal(0))
    old = month([Delivered(of(500), of(1000), of(50), ones, ones, 60)], terms, F(1))
    new = month([Delivered(of(900), of(1000), of(90), ones, ones, 60)], terms, F(1))
    # reservation 5.00 to 9.00; utilisation 0.375, half up 0.38, to 0.675, half up 0.68
    assert true_up(old, new).cents.tolist() == [430]
    assert true_up(old, old).cents.tolist() == [0]


def test_half_a_cent_goes_away_from_zero() -> None:
    assert money(of(5, -5, 4), Decimal(1)).tolist() == [1, -1, 0]
