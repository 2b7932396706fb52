"""Sums that are exact whatever the numbers, with and without a known bound."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from intertie.market.exactly import SAFE, add_chosen, add_up, largest

NUMBERS = st.integers(-(2**62), 2**62) | st.integers(-1000, 1000)


@st.composite
def cubes(draw: st.DrawFn) -> tuple[list[list[list[int]]], list[list[bool]]]:
    """Meters x days x slots, and the days that count."""
    meters, days, slots = draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.integers(1, 4))
    numbers = st.lists(NUMBERS, min_size=slots, max_size=slots)
    cube = st.lists(st.lists(numbers, min_size=days, max_size=days), min_size=meters, max_size=meters)
    flags = st.lists(st.lists(st.booleans(), min_size=days, max_size=days), min_size=meters, max_size=meters)
    return draw(cube), draw(flags)


@given(cubes(), st.booleans())
def test_the_chosen_days_are_summed_as_pythons_integers_are(
    case: tuple[list[list[list[int]]], list[list[bool]]], bounded: bool
) -> None:
    cube, flags = case
    values = np.array(cube, np.int64)
    found = add_chosen(values, np.array(flags, np.bool_), largest(values) if bounded else None)
    expected = [
        [
            sum(day[slot] for day, flag in zip(meter, chosen, strict=True) if flag)
            for slot in range(len(meter[0]))
        ]
        for meter, chosen in zip(cube, flags, strict=True)
    ]
    assert found.tolist() == expected


@given(cubes(), st.integers(0, 2))
def test_each_axis_is_summed_as_pythons_integers_are(
    case: tuple[list[list[list[int]]], list[list[bool]]], axis: int
) -> None:
    values = np.array(case[0], np.int64)
    assert add_up(values, axis).tolist() == values.astype(object).sum(axis=axis).tolist()


def test_what_might_not_fit_is_wide_and_what_fits_is_not() -> None:
    near = np.full((1, 4, 1), SAFE - 1, np.int64)
    all_of_them = np.ones((1, 4), np.bool_)
    assert add_chosen(near, all_of_them).tolist() == [[4 * (SAFE - 1)]]
    assert add_chosen(near // 8, all_of_them).dtype == np.int64
    assert add_up(near, 1).dtype == object and add_up(near // 8, 1).dtype == np.int64
