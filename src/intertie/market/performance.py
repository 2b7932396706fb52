"""What an event delivered: baseline less actual, interval by interval, and the share of what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from intertie.model.errors import IntertieError

# Energy is settled to the watt-hour, factors to two places; both half away from zero.
KWH_PLACES = Decimal("0.001")
FACTOR_PLACES = Decimal("0.01")


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
    actual: Sequence[int | None],
    asked: Sequence[Fraction],
    cap: Fraction = Fraction(1),
) -> Performance:
    """Delivered is baseline less actual (import less export), never under zero, never over `cap` times what was asked.

    All three are in watt-hours, one value per interval of the event. Raises IntertieError if their numbers differ.
    """
    if not len(baseline) == len(actual) == len(asked):
        raise IntertieError(f"{len(baseline)} baseline, {len(actual)} actual and {len(asked)} asked values")
    delivered = tuple(
        Fraction(0) if taken is None else max(Fraction(0), min(base - taken, cap * want))
        for base, taken, want in zip(baseline, actual, asked, strict=True)
    )
    return Performance(tuple(asked), delivered, sum(a is None for a in actual), factor_of(delivered, asked))


def factor_of(delivered: Sequence[Fraction], asked: Sequence[Fraction]) -> Decimal:
    """Delivered over asked, from 0 to 1, to two places; 1 where nothing was asked."""
    wanted = sum(asked, Fraction(0))
    share = sum(delivered, Fraction(0)) / wanted if wanted > 0 else Fraction(1)
    return rounded(max(Fraction(0), min(Fraction(1), share)), FACTOR_PLACES)


def month_factor(events: Sequence[tuple[Decimal, Fraction]], before: Decimal | None = None) -> Decimal:
    """The mean of (factor, hours) weighted by hours. A month without an event keeps the one before; the first has 1."""
    hours = sum((h for _, h in events), Fraction(0))
    if hours <= 0:
        return Decimal(1) if before is None else before
    total = sum((Fraction(factor) * h for factor, h in events), Fraction(0))
    return rounded(total / hours, FACTOR_PLACES)


def kwh(watt_hours: Fraction) -> Decimal:
    """Kilowatt-hours to the watt-hour."""
    return rounded(watt_hours / 1000, KWH_PLACES)


def rounded(value: Fraction, places: Decimal) -> Decimal:
    """A fraction as a decimal with so many places, half away from zero, exactly (no float, no context precision)."""
    scale = -int(places.as_tuple().exponent)
    scaled = abs(value) * 10**scale
    whole = int(scaled + Fraction(1, 2))  # truncates: half goes up
    return Decimal((int(value < 0 and whole > 0), tuple(map(int, str(whole))), -scale))
