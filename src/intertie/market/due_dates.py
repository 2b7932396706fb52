"""When an invoice is due by the contract, and what it costs to pay later: exact fractions, rounded once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import MAXYEAR, date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from intertie.market.calendar import is_business_day, next_business_day
from intertie.market.rounding import rounded
from intertie.model.agreement import BaseContract, DayCount
from intertie.model.interval import Window

CENT = Decimal("0.01")
INTEREST_ROUNDING = "simple interest, each invoice's by itself rounded half up to the cent once"


class Change(NamedTuple):
    """From this day on so much less is owed."""

    day: date
    amount: Decimal


def due_date(text: BaseContract, period: Window, issued: date) -> date:
    """The earliest day on which an invoice may ask to be paid: as the cover sheet elects, on a business day."""
    elections = text.elections
    if elections.payment_days is not None:
        day = issued + timedelta(days=elections.payment_days)
    else:
        last = (period.end - timedelta(microseconds=1)).astimezone(ZoneInfo(text.calendar.zone)).date()
        if last.year == MAXYEAR:  # a message of such a time is void, and no error that stops the book
            raise OverflowError(f"nothing is due after {MAXYEAR}")
        elected = date(last.year + last.month // 12, last.month % 12 + 1, elections.payment_day_of_month)
        day = max(elected, issued + timedelta(days=elections.payment_least_days))
    return day if is_business_day(text.calendar, day) else next_business_day(text.calendar, day)


def interest(
    owed: Decimal, due: date, until: date, paid: Sequence[Change], percent: Decimal, count: DayCount
) -> Decimal:
    """Simple interest on what is still owed after the due day, from day to day as payments lower it. Rounded half up to the
    cent, once."""
    total = Fraction(0)
    balance, since = Fraction(owed), due
    for change in sorted(paid):
        if change.day >= until:
            break
        if change.day > since:
            total += max(balance, Fraction(0)) * years(since, change.day, count)
            since = change.day
        balance -= Fraction(change.amount)
    if until > since:
        total += max(balance, Fraction(0)) * years(since, until, count)
    return rounded(total * Fraction(percent) / 100, CENT)


def years(start: date, end: date, count: DayCount) -> Fraction:
    """What part of a year lies between two days."""
    if count is DayCount.THIRTY_360:
        months = (end.year - start.year) * 12 + end.month - start.month
        return Fraction(months * 30 + min(end.day, 30) - min(start.day, 30), 360)
    return Fraction((end - start).days, 365 if count is DayCount.ACTUAL_365 else 360)
