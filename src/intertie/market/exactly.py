"""Whole numbers in arrays that never overflow: 64 bits while that is enough, Python's integers where it is not.

Ratios are pairs of arrays, numerator over a denominator above zero; nothing is divided before its one stated rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# int64, or object (Python integers) after a product that did not fit.
Whole = NDArray[Any]

# Sums of two such numbers still fit in 64 bits.
SAFE = 2**62


def whole(values: Sequence[int]) -> Whole:
    """Python's integers as an array: narrow if all fit."""
    wide = any(abs(value) >= SAFE for value in values)
    return np.array(values, object if wide else np.int64)


def largest(values: Any) -> int:
    """The greatest magnitude in an array, 0 for an empty one."""
    found = np.asarray(values)
    return max(abs(int(found.max())), abs(int(found.min()))) if found.size else 0


def times(left: Whole, right: Whole | int) -> Whole:
    """The product, exact."""
    if _narrow(left, right) and largest(left) * largest(right) < SAFE:
        return np.asarray(left * right)
    return np.asarray(np.asarray(left).astype(object) * right)


def plus(left: Whole, right: Whole | int) -> Whole:
    """The sum, exact."""
    if _narrow(left, right) and largest(left) < SAFE and largest(right) < SAFE:
        return np.asarray(left + right)
    return np.asarray(np.asarray(left).astype(object) + right)


def minus(left: Whole, right: Whole | int) -> Whole:
    """The difference, exact."""
    return plus(left, -np.asarray(right))


def add_up(values: Whole, axis: int, most: int | None = None) -> Whole:
    """The sum along an axis, exact. `most`: no value has a greater magnitude, if that is known already."""
    if values.dtype != object and _bound(values, most) * max(1, values.shape[axis]) < SAFE:
        if axis == values.ndim - 1 and values.dtype == np.int64:
            return np.asarray(
                np.einsum("...i->...", values)
            )  # along the last and short axis twice as fast as `sum`
        return np.asarray(values.sum(axis=axis, dtype=np.int64))
    return np.asarray(values.astype(object).sum(axis=axis), dtype=object)


def add_chosen(values: Whole, chosen: NDArray[np.bool_], most: int | None = None) -> Whole:
    """The sum over the middle axis of those values that are chosen (first axis x middle axis), exact; `most` as in `add_up`."""
    if values.dtype == np.int64 and _bound(values, most) * max(1, values.shape[1]) < SAFE:
        return np.asarray((chosen.astype(np.int64)[:, None, :] @ values)[:, 0, :])
    return add_up(np.where(chosen[:, :, None], values, 0), 1, most)


def limit(values: Whole, low: Whole | int, high: Whole | int) -> Whole:
    """Between two bounds; of bounds that cross the lower one wins."""
    return np.asarray(np.maximum(np.minimum(values, high), low))


def rounded_ratio(top: Whole, bottom: Whole) -> Whole:
    """`top` over `bottom` as a whole number, half away from zero; `bottom` is above zero."""
    magnitude = plus(times(np.abs(top), 2), bottom) // times(bottom, 2)
    return np.asarray(np.where(np.asarray(top < 0, np.bool_), -magnitude, magnitude))


def _bound(values: Whole, most: int | None) -> int:
    return largest(values) if most is None else most


def _narrow(left: Whole, right: Whole | int) -> bool:
    if isinstance(right, int):
        return np.asarray(left).dtype != object
    return np.asarray(left).dtype != object and np.asarray(right).dtype != object
