"""What a month is worth: reservation, utilisation and penalty, each line rounded half up to the cent, by itself.

The form is that of Con Edison's CSRP and DLRP (reservation per kW and month, scaled by the month's performance
factor; utilisation per kWh), with a penalty for what was asked and not delivered. A line can be checked by hand from
what it shows: its amount is quantity times rate, rounded half up to the cent.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from intertie.market.performance import KWH_PLACES, month_factor, rounded
from intertie.model.quantity import to_cents

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
    share = Fraction((last - first).days + 1, monthrange(first.year, first.month)[1])
    factor = month_factor([(event.factor, event.hours) for event in events], before)
    lines = [_reservation(terms, share, factor)]
    left = to_cents(
        _exact(Fraction(terms.contracted_kw * terms.reservation_per_kw_month) * share) * terms.penalty_cap
    )
    for event in events:
        lines.append(
            _line(
                "UTL",
                f"energy delivered {event.day}",
                event.delivered_kwh,
                "kWh",
                terms.utilisation_per_kwh,
                event,
            )
        )
        penalty, left = _penalty(event, terms, left)
        if penalty is not None:
            lines.append(penalty)
    return lines


def total(lines: Sequence[Line]) -> Decimal:
    """The sum of the lines, each already rounded."""
    return sum((line.amount for line in lines), Decimal("0.00"))


def _reservation(terms: Terms, share: Fraction, factor: Decimal) -> Line:
    paid = factor if factor >= terms.threshold else Decimal(0)
    quantity = rounded(Fraction(terms.contracted_kw) * share * Fraction(paid), KWH_PLACES)
    days = "" if share == 1 else f", {float(share):.1%} of the month"
    return _line(
        "RES",
        f"capacity kept ready, factor {factor}{days}",
        quantity,
        "kW month",
        terms.reservation_per_kw_month,
    )


def _penalty(event: EventResult, terms: Terms, left: Decimal) -> tuple[Line | None, Decimal]:
    """The penalty of an event and what is left of the cap. A penalty that meets the cap shows the energy it pays for."""
    short = rounded(Fraction(terms.grace * event.asked_kwh - event.delivered_kwh), KWH_PLACES)
    if short <= 0 or left <= 0 or terms.penalty_per_kwh <= 0:
        return None, left
    text = f"energy asked and not delivered {event.day}"
    if to_cents(short * terms.penalty_per_kwh) > left:
        short = _down(Fraction(left) / Fraction(terms.penalty_per_kwh))
        text += ", up to the month's cap"
    line = _line("PEN", text, -short, "kWh", terms.penalty_per_kwh, event)
    return (line, left + line.amount) if line.amount < 0 else (None, left)


def _down(value: Fraction) -> Decimal:
    return Decimal(int(value * 1000)).scaleb(-3)


def _exact(value: Fraction) -> Decimal:
    """Nine places: finer than any rate times any capacity needs."""
    return rounded(value, Decimal("0.000000001"))


def _line(
    code: str, text: str, quantity: Decimal, unit: str, rate: Decimal, event: EventResult | None = None
) -> Line:
    return Line(
        code, text, quantity, unit, rate, to_cents(quantity * rate), event.dispatch if event else None
    )
