"""Due days and interest, by hand and against a loop over days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from billing_world import JUNE, elected
from hypothesis import given
from hypothesis import strategies as st

from intertie.market.due_dates import Change, due_date, interest, years
from intertie.market.rounding import rounded
from intertie.model.agreement import DayCount
from intertie.model.interval import Window

DUE = date(2026, 7, 27)


@pytest.mark.parametrize(
    ("elections", "issued", "due"),
    [
        ({}, date(2026, 7, 2), date(2026, 7, 27)),  # the 25th is a Saturday
        ({}, date(2026, 7, 20), date(2026, 7, 30)),  # late, so ten days after
        ({"payment_day_of_month": 24}, date(2026, 7, 2), date(2026, 7, 24)),
        ({"payment_day_of_month": 3}, date(2026, 6, 20), date(2026, 7, 6)),  # 3 July is a holiday
        ({"payment_least_days": 0, "payment_day_of_month": 1}, date(2026, 7, 2), date(2026, 7, 2)),
        ({"payment_days": 30}, date(2026, 7, 2), date(2026, 8, 3)),
    ],
)
def test_due_by_hand(elections: dict[str, int], issued: date, due: date) -> None:
    assert due_date(elected(**elections), JUNE, issued) == due


def test_over_the_end_of_a_year_and_by_the_calendar_s_zone() -> None:
    december = Window(start=datetime(2026, 12, 1, 5, tzinfo=UTC), end=datetime(2027, 1, 1, 5, tzinfo=UTC))
    assert due_date(elected(), december, date(2027, 1, 2)) == date(2027, 1, 25)
    in_utc = Window(start=december.start, end=datetime(2027, 1, 1, 0, tzinfo=UTC))
    assert due_date(elected(), in_utc, date(2027, 1, 2)) == date(2027, 1, 25)


def test_interest_by_hand() -> None:
    """1,000 at 7.3 %: 0.20 a day. Ten days of all, then twenty of 400."""
    paid = [Change(DUE + timedelta(days=10), Decimal(600))]
    of = Decimal(1000), DUE
    rate = Decimal("7.3")
    assert interest(*of, DUE, paid, rate, DayCount.ACTUAL_365) == 0
    assert interest(*of, DUE + timedelta(days=1), paid, rate, DayCount.ACTUAL_365) == Decimal("0.20")
    assert interest(*of, DUE + timedelta(days=30), paid, rate, DayCount.ACTUAL_365) == Decimal("3.60")
    assert interest(*of, DUE + timedelta(days=30), paid, Decimal(0), DayCount.ACTUAL_365) == 0


def test_paid_in_time_or_too_much_costs_nothing() -> None:
    in_time = [Change(DUE, Decimal(1000))]
    assert interest(Decimal(1000), DUE, date(2027, 1, 1), in_time, Decimal(9), DayCount.ACTUAL_360) == 0
    early = [Change(date(2026, 7, 1), Decimal(1500))]
    assert interest(Decimal(1000), DUE, date(2027, 1, 1), early, Decimal(9), DayCount.ACTUAL_360) == 0


def test_half_a_cent_goes_up_once() -> None:
    """36 x 10 % x 5 / 360 = 0.05; a tenth of it, half a cent, is a cent."""
    five = DUE + timedelta(days=5)
    assert interest(Decimal(36), DUE, five, (), Decimal(10), DayCount.ACTUAL_360) == Decimal("0.05")
    assert interest(Decimal("3.6"), DUE, five, (), Decimal(10), DayCount.ACTUAL_360) == Decimal("0.01")


def test_parts_of_a_year() -> None:
    start, end = date(2026, 1, 31), date(2026, 3, 31)
    assert years(start, end, DayCount.ACTUAL_365) == Fraction(59, 365)
    assert years(start, end, DayCount.ACTUAL_360) == Fraction(59, 360)
    assert years(start, end, DayCount.THIRTY_360) == Fraction(60, 360)


DAYS = st.integers(-10, 60).map(lambda n: DUE + timedelta(days=n))
CENTS = st.integers(0, 200_000).map(lambda n: Decimal(n).scaleb(-2))


@given(owed=CENTS, paid=st.lists(st.tuples(DAYS, CENTS), max_size=5), until=DAYS, rate=st.integers(0, 200))
def test_the_same_as_day_by_day(
    owed: Decimal, paid: list[tuple[date, Decimal]], until: date, rate: int
) -> None:
    percent = Decimal(rate) / 10
    total, day = Fraction(0), DUE
    while day < until:
        left = owed - sum((amount for on, amount in paid if on <= day), Decimal(0))
        total += Fraction(max(left, Decimal(0))) * Fraction(percent) / 100 / 365
        day += timedelta(days=1)
    changes = [Change(*one) for one in paid]
    got = interest(owed, DUE, until, changes, percent, DayCount.ACTUAL_365)
    assert got == rounded(total, Decimal("0.01"))
