"""What the commands of `intertie settle` share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import Parameter

from intertie.cli._shared import print_table
from intertie.gateway.metering.readings import Readings, take_in
from intertie.gateway.trading.trade_desk import Desk
from intertie.model.ids import AgreementId, PartyId
from intertie.model.settlement import EventPerformance, PerformanceStatement, StatementLine
from intertie.run.readings import ReadingsOpened, opened_readings

Minutes = Annotated[int, Parameter(help="Length of the intervals of readings.")]
EVENTS = (
    "dispatch",
    "starts",
    "asked_kwh",
    "baseline_kwh",
    "metered_kwh",
    "delivered_kwh",
    "factor",
    "adjustment",
    "days_used",
)
LINES = ("line", "code", "what", "quantity", "unit", "rate", "amount")


class Open(NamedTuple):
    """A gateway with its readings, and the trade with a partner."""

    it: ReadingsOpened
    desk: Desk
    readings: Readings


@contextlib.contextmanager
def settling(dir: Path, partner: PartyId, agreement: AgreementId | None = None) -> Iterator[Open]:
    """With all readings taken in that have come."""
    with opened_readings(dir) as it:
        it.store.unlock()
        take_in(it.gateway, it.readings)
        yield Open(it, Desk(it.gateway, partner, it.clock(), agreement), it.readings)


def show_statement(
    statement: PerformanceStatement, left_out: Sequence[tuple[str, str]], currency: str
) -> None:
    """Events, lines, their sum, and what was left out."""
    print_table(
        f"{statement.statement}: {statement.confirmation}, {statement.text}",
        EVENTS,
        [event_row(one) for one in statement.events],
        empty="No call in this time.",
    )
    print_table(
        f"Lines in {currency}",
        LINES,
        [line_row(n, one) for n, one in enumerate(statement.lines, 1)],
        empty="No lines.",
    )
    print(f"Total: {total(statement):,.2f} {currency}; factor {statement.performance_factor}.")
    print_table("Left out", ("what", "why"), left_out, empty="Nothing was left out.")


def event_row(one: EventPerformance) -> Sequence[object]:
    """A row of EVENTS."""
    hours = Decimal(one.asked_kw.step_seconds) / 3600
    return (
        one.dispatch,
        f"{one.window.start:%Y-%m-%d %H:%M}",
        f"{one.asked_kw.total() * hours:.3f}",
        f"{one.baseline_kwh.total():.3f}",
        f"{one.actual_kwh.total():.3f}",
        f"{one.delivered_kwh.total():.3f}",
        one.performance_factor,
        "" if one.adjustment_factor is None else one.adjustment_factor,
        ", ".join(f"{day:%m-%d}" for day in one.days_used),
    )


def line_row(number: int, one: StatementLine) -> Sequence[object]:
    """A row of LINES."""
    return (number, one.code, one.text, f"{one.quantity:f}", one.unit, f"{one.rate:f}", f"{one.amount:.2f}")


def total(statement: PerformanceStatement) -> Decimal:
    """The sum of the lines."""
    return sum((one.amount for one in statement.lines), Decimal("0.00"))
