"""What an event delivered: baseline less actual, interval by interval, and the share of what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import NamedTuple

import numpy as np

from intertie.market.block_payment import Asked, Delivered, credit
from intertie.market.block_payment import factor_of as share_of
from intertie.market.block_payment import month_factor as factor_of_month
from intertie.market.exactly import Whole, whole
from intertie.market.rounding import rounded
from intertie.market.shapes import FACTOR_ONE
from intertie.model.errors import IntertieError

# Energy is settled to the watt-hour, factors to two places; both half away from zero.
KWH_PLACES = Decimal("0.001")
FACTOR_PLACES, FACTOR_EXPONENT = Decimal("0.01"), -2


class Performance(NamedTuple):
    """One event, all in watt-hours per interval. An interval without a reading delivered nothing, and is counted."""

    asked: tuple[Fraction, ...]
    delivered: tuple[Fraction, ...]
    missing: int
    factor: Decimal

    @property
    def delivered_kwh(self) -> Decimal:
        """Sum over the event, rounded once, to the watt-hour."""
        return kwh(sum(self.delivered, Fraction(0)))

    @property
    def asked_kwh(self) -> Decimal:
        """Sum over the event, rounded once, to the watt-hour."""
        return kwh(sum(self.asked, Fraction(0)))


def measure(
    baseline: Sequence[Fraction],
    actual: Sequence[Fraction | int | None],
    asked: Sequence[Fraction],
    cap: Fraction = Fraction(1),
) -> Performance:
    """Delivered is baseline less actual (import less export), never under zero, never over `cap` times what was asked.

    All three are in watt-hours, one value per interval of the event; the arithmetic is that of many meters, called for
    one. Raises IntertieError if their numbers differ.
    """
    if not len(baseline) == len(actual) == len(asked):
        raise IntertieError(f"{len(baseline)} baseline, {len(actual)} actual and {len(asked)} asked values")
    # of a load that is no whole number, as of a sample that stands for more, the difference is taken first
    taken = [Fraction(one or 0) for one in actual]
    odd = any(one.denominator > 1 for one in taken)
    base = [left - right for left, right in zip(baseline, taken, strict=True)] if odd else baseline
    common = lcm(1, *(one.denominator for one in base))
    found = credit(
        _row([int(one * common) for one in base]),
        whole([common]),
        _row([0 if odd else one.numerator for one in taken]),
        np.array([[one is not None for one in actual]], np.bool_),
        Asked(asked),
        cap,
    )
    delivered = tuple(Fraction(int(top), common * found.widen) for top in found.top[0])
    factor = Decimal(int(share_of(found)[0])).scaleb(FACTOR_EXPONENT)
    return Performance(tuple(asked), delivered, sum(one is None for one in actual), factor)


def month_factor(events: Sequence[tuple[Decimal, Fraction]], before: Decimal | None = None) -> Decimal:
    """The mean of (factor, hours) weighted by hours. A month without an event keeps the one before; the first has 1."""
    hours = sum((h for _, h in events), Fraction(0))
    if hours <= 0:
        return Decimal(1) if before is None else before
    weights = [int(h * 3600) for _, h in events]
    one = whole([0])
    made = [
        Delivered(one, one, whole([int(factor * FACTOR_ONE)]), one, one, weight)
        for (factor, _), weight in zip(events, weights, strict=True)
    ]
    return Decimal(int(factor_of_month(made, 1)[0])).scaleb(FACTOR_EXPONENT)


def _row(values: Sequence[int]) -> Whole:
    return whole(values).reshape(1, -1)


def kwh(watt_hours: Fraction) -> Decimal:
    """Kilowatt-hours to the watt-hour."""
    return rounded(watt_hours / 1000, KWH_PLACES)
