"""A fraction as a decimal. On its own, because what dates and accounts need of it needs no arrays."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction


def rounded(value: Fraction, places: Decimal) -> Decimal:
    """A fraction as a decimal with so many places, half away from zero, exactly (no float, no context precision)."""
    scale = -int(places.as_tuple().exponent)
    scaled = abs(value) * 10**scale
    whole = int(scaled + Fraction(1, 2))  # truncates: half goes up
    return Decimal((int(value < 0 and whole > 0), tuple(map(int, str(whole))), -scale))
