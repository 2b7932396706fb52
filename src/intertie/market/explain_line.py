"""A line of a statement as arithmetic: what went in, by which rule, and each step to the amount."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from intertie.market.performance import KWH_PLACES, month_factor
from intertie.market.rounding import rounded
from intertie.market.shapes import FACTOR_ONE, SHARE_ONE, Shape, earned
from intertie.market.statement import Book, result_of
from intertie.market.terms import terms_of
from intertie.model.billing import LineCode
from intertie.model.contract import Confirmation
from intertie.model.quantity import to_cents
from intertie.model.settlement import EventPerformance, PerformanceStatement, StatementLine

Step = tuple[str, str]
COLUMNS = ("starts", "baseline", "metered", "delivered", "asked")


class Explained(NamedTuple):
    """Parts with their steps, the intervals of an event, and the last line: quantity times rate."""

    parts: Sequence[tuple[str, Sequence[Step]]]
    columns: Sequence[str]
    intervals: Sequence[Sequence[str]]
    amount: str


def explain_line(statement: PerformanceStatement, place: int, book: Book, deal: Confirmation) -> Explained:
    """Line number `place` (from 0) of a statement, by the rule and the terms of its deal."""
    line = statement.lines[place]
    event = next((one for one in statement.events if one.dispatch == line.dispatch), None)
    parts: list[tuple[str, Sequence[Step]]] = []
    intervals: Sequence[Sequence[str]] = ()
    if event is not None:
        parts.append((f"Event {event.dispatch}", _event(event, book, deal)))
        intervals = _intervals(event, deal)
    if line.code is LineCode.RESERVATION:
        parts.append(("Factor of the month", _factor(statement, book)))
        parts.append(("Quantity", _reservation(statement, line, deal)))
    elif event is not None:
        parts.append(("Quantity", _energy(event, line, book, deal)))
    return Explained(tuple(parts), COLUMNS, intervals, _amount(line, deal))


def _amount(line: StatementLine, deal: Confirmation) -> str:
    exact = line.quantity * line.rate
    product = f"{line.quantity:f} {line.unit} × {line.rate:f} {deal.currency} = {exact.normalize():f}"
    cents = to_cents(exact)
    shown = f"{line.code} {line.text}: {product}, to the cent {cents:.2f} {deal.currency}"
    return shown if cents == line.amount else f"{shown}; the statement has {line.amount:f}"


def _event(event: EventPerformance, book: Book, deal: Confirmation) -> list[Step]:
    zone = ZoneInfo(deal.zone)
    excluded = "; ".join(f"{one.day} {one.reason}" for one in event.days_excluded)
    adjustment = "none" if event.adjustment_factor is None else f"× {event.adjustment_factor}"
    steps = [
        (
            "when",
            f"{event.window.start.astimezone(zone):%Y-%m-%d %H:%M} to {event.window.end.astimezone(zone):%H:%M %Z}",
        ),
        ("baseline", book.text()),
        ("days used", ", ".join(map(str, event.days_used)) or "none: the method has no days"),
        ("days left out", excluded or "none"),
        ("adjustment", f"{adjustment}{f', {event.text}' if event.text else ''}"),
        ("meters", f"{len(event.meters)}, settled on their sum"),
        ("factor", _factor_of(event)),
    ]
    return steps


def _factor_of(event: EventPerformance) -> str:
    asked = event.asked_kw.total() * event.asked_kw.step_seconds / 3600
    return f"delivered {event.delivered_kwh.total():f} kWh / asked {asked:f} kWh = {event.performance_factor}"


def _intervals(event: EventPerformance, deal: Confirmation) -> list[Sequence[str]]:
    zone, hours = ZoneInfo(deal.zone), Decimal(event.asked_kw.step_seconds) / 3600
    rows: list[Sequence[str]] = []
    for place in range(len(event.asked_kw.values)):
        starts = event.asked_kw.start + timedelta(seconds=event.asked_kw.step_seconds * place)
        asked = event.asked_kw.quantity(place)
        rows.append(
            (
                f"{starts.astimezone(zone):%H:%M}",
                _kwh(event.baseline_kwh.quantity(place)),
                _kwh(event.actual_kwh.quantity(place)),
                _kwh(event.delivered_kwh.quantity(place)),
                _kwh(None if asked is None else asked * hours),
            )
        )
    return rows


def _kwh(value: Decimal | None) -> str:
    return "no reading" if value is None else f"{value:.6f}"


def _factor(statement: PerformanceStatement, book: Book) -> list[Step]:
    """The mean by hours, of what the statement shows."""
    results = [result_of(book, event) for event in statement.events]
    if not results:
        return [("no call", f"the factor of the month before, or 1: {statement.performance_factor}")]
    terms = [(one.dispatch, f"factor {one.factor} × {float(one.hours):g} h") for one in results]
    hours = float(sum((one.hours for one in results), Fraction(0)))
    mean = month_factor([(one.factor, one.hours) for one in results])
    return [*terms, ("mean", f"their sum / {hours:g} h = {mean}, to two places")]


def _reservation(statement: PerformanceStatement, line: StatementLine, deal: Confirmation) -> list[Step]:
    zone = ZoneInfo(deal.zone)
    first = statement.period.start.astimezone(zone).date()
    last = (statement.period.end - timedelta(microseconds=1)).astimezone(zone).date()
    days, month = (last - first).days + 1, monthrange(first.year, first.month)[1]
    factor, shape = statement.performance_factor, terms_of(deal).reservation_shape
    pays = factor if shape is None else _earned(factor, shape)
    steps = [
        ("contracted", f"{deal.contracted_kw:f} kW"),
        ("share of the month", f"{days} of {month} days"),
        ("factor", f"{factor}"),
    ]
    if shape is not None:
        steps.append(("pays", f"{shape.text()}: {pays}"))
    by = f"{deal.contracted_kw:f} × {days}/{month} × {pays} = {line.quantity:f} {line.unit}"
    return [*steps, ("quantity", by)]


def _energy(event: EventPerformance, line: StatementLine, book: Book, deal: Confirmation) -> list[Step]:
    result = result_of(book, event)
    if line.code is LineCode.UTILISATION:
        steps = [("delivered", f"the sum of the intervals, to the watt-hour: {result.delivered_kwh:f} kWh")]
        if deal.utilisation_pay is not None:
            shape = terms_of(deal).utilisation_shape
            pays = _earned(event.performance_factor, shape)
            steps.append(("pays", f"factor {event.performance_factor}, {shape.text()}: {pays}"))
            steps.append(("quantity", f"{result.delivered_kwh:f} × {pays} = {line.quantity:f} kWh"))
        return steps
    grace = deal.penalty_grace_fraction
    owed, by = result.asked_kwh, f"asked {result.asked_kwh:f}"
    if grace != 1:
        owed, by = result.asked_kwh * grace, f"grace: {grace:f} of asked {result.asked_kwh:f}"
    short = rounded(Fraction(owed - result.delivered_kwh), KWH_PLACES)
    most = deal.contracted_kw * deal.reservation_rate_per_kw_month * deal.penalty_cap_fraction
    steps = [("short", f"{by} − delivered {result.delivered_kwh:f} = {short:f} kWh")]
    if -line.quantity != short:
        steps.append(
            (
                "cap",
                f"a month's penalties stop at its share of {most.normalize():f} {deal.currency}: {-line.quantity:f} kWh",
            )
        )
    return steps


def _earned(factor: Decimal | None, shape: Shape) -> Decimal:
    """What a factor earns, in four places; a statement without one has no line of it."""
    if factor is None:
        return Decimal(0)
    share = earned(np.array([int(factor * FACTOR_ONE)], np.int64), shape)
    return Decimal(int(share[0])) / SHARE_ONE
