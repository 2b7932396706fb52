"""Delivery and payment written once more, with plain loops and fractions: what the kernel of all settlements is held against."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from intertie.market.payment import EventResult, Line, Terms
from intertie.market.performance import FACTOR_PLACES, KWH_PLACES, Performance
from intertie.market.rounding import rounded
from intertie.model.quantity import to_cents


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


def measure(
    baseline: Sequence[Fraction],
    actual: Sequence[int | None],
    asked: Sequence[Fraction],
    cap: Fraction = Fraction(1),
) -> Performance:
    """Delivered is baseline less actual (import less export), never under zero, never over `cap` times what was asked.

    All three are in watt-hours, one value per interval of the event. Raises ValueError if their numbers differ.
    """
    if not len(baseline) == len(actual) == len(asked):
        raise ValueError(f"{len(baseline)} baseline, {len(actual)} actual and {len(asked)} asked values")
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
