"""What share of the pay a performance earns: straight pieces over the factor, exact, for many meters at once.

Linear, threshold, steps, sliding scale, grace and slope are the same thing: from a factor on, so much and so steep.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from intertie.market.exactly import Whole, rounded_ratio, times
from intertie.model.errors import IntertieError

# A factor has two places (Con Edison's form); what it earns has four, so that a sliding scale is not coarse.
FACTOR_ONE, SHARE_ONE = 100, 10_000


class Piece(NamedTuple):
    """From factor `start` on: `pays` there, and `slope` more for each one above it."""

    start: Fraction
    pays: Fraction
    slope: Fraction = Fraction(0)


class Shape(NamedTuple):
    """Pieces by ascending start; the last that starts at or under the factor counts. Never under 0 nor over `most`."""

    name: str
    pieces: tuple[Piece, ...]
    most: Fraction = Fraction(1)

    def text(self) -> str:
        """For people."""
        parts = [f"from {p.start}: {p.pays} and {p.slope} per one above" for p in self.pieces]
        return f"{self.name} ({'; '.join(parts)}; at most {self.most})"


def _shape(name: str, pieces: Sequence[Piece]) -> Shape:
    starts = [piece.start for piece in pieces]
    if not starts or starts[0] != 0 or starts != sorted(set(starts)):
        raise IntertieError(f"{name}: pieces begin at 0 and ascend", do="Correct the terms of the deal.")
    return Shape(name, tuple(pieces))


def full() -> Shape:
    """What was delivered is paid, whatever the factor."""
    return _shape("full", [Piece(Fraction(0), Fraction(1))])


def linear() -> Shape:
    """The factor itself."""
    return _shape("linear", [Piece(Fraction(0), Fraction(0), Fraction(1))])


def threshold(least: Fraction) -> Shape:
    """Nothing under `least`, the factor itself from there on."""
    return _shape("threshold", [Piece(Fraction(0), Fraction(0)), Piece(least, least, Fraction(1))])


def steps(table: Sequence[tuple[Fraction, Fraction]]) -> Shape:
    """Constant between the starts of a table of (start, share)."""
    return _shape("step", [Piece(start, pays) for start, pays in table])


def sliding(low: Fraction, high: Fraction, pays_at_low: Fraction = Fraction(0)) -> Shape:
    """Nothing under `low`, from there straight up to all at `high` (SSEN: 50 % to 100 %; what 50 % itself pays is [K?])."""
    if not 0 < low < high:
        raise IntertieError("a sliding scale needs 0 < low < high", do="Correct the terms of the deal.")
    slope = (1 - pays_at_low) / (high - low)
    return _shape(
        "sliding",
        [Piece(Fraction(0), Fraction(0)), Piece(low, pays_at_low, slope), Piece(high, Fraction(1))],
    )


def grace_and_slope(grace: Fraction, slope: Fraction) -> Shape:
    """All down to one less `grace`; `slope` less for each one under that (Flexible Power: 5 %, then 3 for 1 [K?])."""
    edge = 1 - grace
    return _shape("grace", [Piece(Fraction(0), 1 - slope * edge, slope), Piece(edge, Fraction(1))])


def earned(factors: Whole, shape: Shape) -> Whole:
    """The share of each factor (hundredths), in ten-thousandths, half up."""
    result = np.zeros_like(factors)
    for piece in shape.pieces:
        # pays + slope x (factor - start), over one bottom
        above = times(factors, piece.start.denominator) - piece.start.numerator * FACTOR_ONE
        low = FACTOR_ONE * piece.start.denominator * piece.slope.denominator
        bottom = low * piece.pays.denominator
        top = times(above, piece.slope.numerator * piece.pays.denominator) + piece.pays.numerator * low
        share = rounded_ratio(times(top, SHARE_ONE), np.full_like(factors, bottom))
        reached = np.asarray(above >= 0, np.bool_)
        result = np.where(reached, share, result)
    most = int(shape.most * SHARE_ONE)
    return np.asarray(np.maximum(0, np.minimum(result, most)))
