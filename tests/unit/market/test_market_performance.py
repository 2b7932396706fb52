"""Delivered energy and factors, by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.market.performance import kwh, measure, month_factor
from intertie.market.rounding import rounded
from intertie.model.errors import IntertieError


def whole(*values: int) -> tuple[Fraction, ...]:
    return tuple(Fraction(v) for v in values)


def test_by_hand() -> None:
    # 1000 - 800 = 200; 1000 - 300 = 700, but only 500 were asked; 1000 - 1200 = -200, not below zero.
    found = measure(whole(1000, 1000, 1000), [800, 300, 1200], whole(500, 500, 500))
    assert found.delivered == (200, 500, 0)
    # 700 of 1500 = 0.4667
    assert found.factor == Decimal("0.47")
    assert (found.delivered_kwh, found.asked_kwh) == (Decimal("0.700"), Decimal("1.500"))


def test_more_than_asked_counts_up_to_the_cap() -> None:
    found = measure(whole(1000), [0], whole(500), cap=Fraction(11, 10))
    assert found.delivered == (550,)
    assert found.factor == Decimal("1.00")  # the factor itself never passes one


def test_a_missing_reading_delivered_nothing() -> None:
    found = measure(whole(1000, 1000), [None, 500], whole(500, 500))
    assert (found.delivered, found.missing, found.factor) == ((0, 500), 1, Decimal("0.50"))


def test_generation_is_load_below_zero() -> None:
    # Baseline export of 100, actual export of 400: 300 delivered.
    assert measure(whole(-100), [-400], whole(500)).delivered == (300,)


def test_uneven_lengths_are_refused() -> None:
    with pytest.raises(IntertieError, match="1 baseline, 2 actual and 1 asked"):
        measure(whole(1), [1, 2], whole(1))


def test_nothing_asked_is_fully_met() -> None:
    assert measure((), (), ()).factor == 1


def test_month_factor_by_hand() -> None:
    # (0.50 x 1 h + 1.00 x 3 h) / 4 h = 0.875, half up: 0.88
    assert month_factor([(Decimal("0.50"), Fraction(1)), (Decimal("1.00"), Fraction(3))]) == Decimal("0.88")


def test_a_month_without_events() -> None:
    assert month_factor([]) == 1
    assert month_factor([], Decimal("0.70")) == Decimal("0.70")


@pytest.mark.parametrize(
    ("watt_hours", "text"),
    [("1/2", "0.001"), ("-1/2", "-0.001"), ("2499999/5000", "0.500"), ("499", "0.499"), ("0", "0.000")],
)
def test_energy_is_rounded_half_away_from_zero(watt_hours: str, text: str) -> None:
    assert str(kwh(Fraction(watt_hours))) == text


def test_rounding_needs_no_float() -> None:
    # 10^30 + 1/2 would be lost in a float.
    assert rounded(Fraction(10**30) + Fraction(1, 2), Decimal(1)) == Decimal(10**30 + 1)


@given(
    st.lists(
        st.tuples(
            st.integers(-5000, 5000), st.one_of(st.none(), st.integers(-5000, 5000)), st.integers(0, 3000)
        ),
        min_size=1,
        max_size=12,
    )
)
def test_bounds_always_hold(rows: list[tuple[int, int | None, int]]) -> None:
    base, actual, asked = zip(*rows, strict=True)
    found = measure(whole(*base), list(actual), whole(*asked))
    assert all(0 <= got <= want for got, want in zip(found.delivered, found.asked, strict=True))
    assert 0 <= found.factor <= 1
