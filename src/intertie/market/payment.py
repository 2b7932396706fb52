"""What a month is worth: reservation, utilisation and penalty, each line rounded half up to the cent, by itself.

The form is that of Con Edison's CSRP and DLRP (reservation per kW and month, scaled by the month's performance
factor; utilisation per kWh), with a penalty for what was asked and not delivered. A line can be checked by hand from
what it shows: its amount is quantity times rate, rounded half up to the cent. The arithmetic is that of many meters
(`block_payment`), called for one.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from intertie.market.block_payment import THOUSAND, Amount, Delivered, Month, Share, month
from intertie.market.block_payment import Terms as Many
from intertie.market.exactly import SAFE, Whole, whole
from intertie.market.performance import month_factor
from intertie.market.shapes import FACTOR_ONE, Shape, full, linear, threshold
from intertie.model.errors import IntertieError

UNITS = {"RES": "kW month", "UTL": "kWh", "PEN": "kWh"}
ROUNDING = "each line half up to the cent; energy to the watt-hour first; total is the sum of the lines"


class Terms(NamedTuple):
    """The money part of a confirmation, in one currency. Shares are of one."""

    contracted_kw: Decimal
    reservation_per_kw_month: Decimal
    utilisation_per_kwh: Decimal
    penalty_per_kwh: Decimal
    grace: Decimal = Decimal(1)  # a delivery of this share of what was asked costs no penalty
    threshold: Decimal = Decimal(0)  # under this factor the month earns no reservation
    penalty_cap: Decimal = Decimal(1)  # penalties of a month, as a multiple of its full reservation
    reservation_shape: Shape | None = None  # in the place of the threshold
    utilisation_shape: Shape = full()


class EventResult(NamedTuple):
    """What an event contributes to its month."""

    dispatch: str
    day: date
    hours: Fraction
    asked_kwh: Decimal
    delivered_kwh: Decimal
    factor: Decimal


class Line(NamedTuple):
    """One line: amount = quantity x rate, half up to the cent."""

    code: str
    text: str
    quantity: Decimal
    unit: str
    rate: Decimal
    amount: Decimal
    dispatch: str | None = None


def month_lines(
    events: Sequence[EventResult],
    terms: Terms,
    first: date,
    last: date,
    before: Decimal | None = None,
) -> list[Line]:
    """The lines of a month, or of the part of it from `first` to `last` in which the deal is in force.

    RES: contracted kW x share of the month x factor, to the watt. UTL per event. PEN per event, negative, until the
    month's cap is used up. `before` is the factor of the month before, for a month without an event.
    """
    of = monthrange(first.year, first.month)[1]
    share = Share(_one((last - first).days + 1), of)
    kept = None if before is None else _one(scaled(before, FACTOR_ONE))
    found = month([_delivered(event) for event in events], terms_of_many([terms]), share, kept)
    factor = month_factor([(event.factor, event.hours) for event in events], before)
    return lines_of(found, 0, events, terms, factor, Fraction(int(share.days[0]), of))


def lines_of(
    found: Month, row: int, events: Sequence[EventResult], terms: Terms, factor: Decimal, share: Fraction
) -> list[Line]:
    """One meter's lines of a month, with words; penalties of nothing are none."""
    lines = []
    for amount in found.amounts:
        quantity, cents = int(amount.quantity[row]), int(amount.cents[row])
        event = events[amount.event] if amount.event >= 0 else None
        if amount.code == "PEN" and not cents:
            continue
        lines.append(
            Line(
                amount.code,
                _text(amount, row, event, factor, share),
                Decimal(quantity).scaleb(-3),
                UNITS[amount.code],
                rate_of(amount.code, terms),
                Decimal(cents).scaleb(-2),
                event.dispatch if event else None,
            )
        )
    return lines


def terms_of_many(each: Sequence[Terms]) -> Many:
    """The terms of one deal for the kernel: all but the capacity is that of the first."""
    first = each[0]
    places = max(3, *(-int(Decimal(one.contracted_kw).normalize().as_tuple().exponent) for one in each))
    per_kw = 10**places
    contracted = [scaled(one.contracted_kw, per_kw) for one in each]
    wide = max(map(abs, contracted)) >= SAFE
    return Many(
        np.array(contracted, object if wide else np.int64),
        first.reservation_per_kw_month,
        first.utilisation_per_kwh,
        first.penalty_per_kwh,
        first.reservation_shape or threshold_at(first.threshold),
        first.utilisation_shape,
        Fraction(first.grace),
        Fraction(first.penalty_cap),
        per_kw=per_kw,
    )


def threshold_at(least: Decimal) -> Shape:
    """The factor itself, nothing under the least one."""
    return threshold(Fraction(least)) if least > 0 else linear()


def scaled(value: Decimal, parts: int) -> int:
    """So many whole parts. Raises IntertieError if it is no whole number of them."""
    exact = Fraction(value) * parts
    if exact.denominator != 1:
        raise IntertieError(f"{value} is finer than 1/{parts}", do="Round it first.")
    return exact.numerator


def total(lines: Sequence[Line]) -> Decimal:
    """The sum of the lines, each already rounded."""
    return sum((line.amount for line in lines), Decimal("0.00"))


def rate_of(code: str, terms: Terms) -> Decimal:
    """What a unit of a line costs."""
    return {
        "RES": terms.reservation_per_kw_month,
        "UTL": terms.utilisation_per_kwh,
        "PEN": terms.penalty_per_kwh,
    }[code]


def _text(amount: Amount, row: int, event: EventResult | None, factor: Decimal, share: Fraction) -> str:
    if event is None:
        days = "" if share == 1 else f", {float(share):.1%} of the month"
        return f"capacity kept ready, factor {factor}{days}"
    if amount.code == "UTL":
        return f"energy delivered {event.day}"
    cut = amount.capped is not None and bool(amount.capped[row])
    return f"energy asked and not delivered {event.day}" + (", up to the month's cap" if cut else "")


def _delivered(event: EventResult) -> Delivered:
    seconds = event.hours * 3600
    return Delivered(
        energy=_one(scaled(event.delivered_kwh, THOUSAND)),
        asked=_one(scaled(event.asked_kwh, THOUSAND)),
        factor=_one(scaled(event.factor, FACTOR_ONE)),
        missing=_one(0),
        settled=_one(1),
        seconds=int(seconds),
    )


def _one(value: int) -> Whole:
    return whole([value])
