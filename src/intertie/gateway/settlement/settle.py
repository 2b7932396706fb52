"""Acts of settlement: the statement of a deal's month from what is held here, and a partner's statement held against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from intertie.gateway.metering.readings import Readings
from intertie.gateway.ports import MessageRow, Query
from intertie.gateway.settlement.settle_inputs import Held, Period, find_deal, held
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.compare import differing_inputs
from intertie.market.payment import Line
from intertie.market.statement import invoice_of, settle
from intertie.model.billing import DifferingInput, Invoice
from intertie.model.contract import Confirmation
from intertie.model.documents import read_message
from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import ConfirmationId, DocumentName, MessageId
from intertie.model.record import Record
from intertie.model.settlement import PerformanceStatement, StatementLine

STATEMENT = DocumentName("performance_statement")
# Statements of one partner that are looked through: ten years of months of several deals.
STATEMENTS_MAX = 1000
# Rows that a look at the store brings at once.
PAGE = 200


class Settled(NamedTuple):
    """A statement made here, its lines, and what it was made from."""

    statement: PerformanceStatement
    lines: Sequence[Line]
    held: Held
    before: Decimal | None  # the factor of the month before


class LinePair(NamedTuple):
    """A line as the partner has it and as it comes out here; None where one side has none."""

    theirs: StatementLine | None
    ours: StatementLine | None

    @property
    def difference(self) -> Decimal:
        """Theirs less ours, in the currency of the deal."""
        theirs = self.theirs.amount if self.theirs is not None else Decimal("0.00")
        return theirs - (self.ours.amount if self.ours is not None else Decimal("0.00"))


class Compared(NamedTuple):
    """A statement beside our own of the same deal and days."""

    theirs: PerformanceStatement
    ours: PerformanceStatement
    lines: Sequence[LinePair]
    inputs: Sequence[DifferingInput]
    held: Held

    @property
    def same(self) -> bool:
        """Whether all lines are equal to the cent."""
        return not any(pair.difference or pair.theirs is None or pair.ours is None for pair in self.lines)


def statement_of(
    desk: Desk, readings: Readings, deal: Confirmation, period: Period, *, name: str = "", minutes: int = 15
) -> Settled:
    """The statement of the days of a period from what is held here. The same inputs give the same statement.

    Raises SettingsError, NoBaseline where an event has none, StoreError.
    """
    inputs = held(desk, readings, deal, period, minutes)
    before = _factor_before(desk, deal, period)
    named = name or f"S-{deal.confirmation}-{period.name}"
    statement, lines = settle(inputs.book, deal, inputs.calls, period.first, period.last, named, before)
    return Settled(statement, lines, inputs, before)


def invoice_for(settled: Settled, name: str, issued: date, due: date) -> Invoice:
    """What the seller charges for a statement."""
    return invoice_of(settled.statement, settled.lines, settled.held.deal, name, issued, due)


def find_statement(desk: Desk, name: str) -> tuple[MessageRow, PerformanceStatement]:
    """The newest statement of this name, sent or received; SettingsError if there is none."""
    found = [(row, body) for row, body in statements(desk) if body.statement == name]
    if not found:
        raise SettingsError(
            f"no statement {name} with {desk.partner}",
            do="`intertie inbox --document performance_statement` lists them.",
        )
    return max(found, key=lambda each: each[0].created)


def statements(desk: Desk) -> Iterator[tuple[MessageRow, PerformanceStatement]]:
    """All statements between us and the partner that can still be read."""
    for row, body in bodies_of(desk, STATEMENT):
        if isinstance(body, PerformanceStatement):
            yield row, body


def compare(desk: Desk, readings: Readings, theirs: PerformanceStatement, *, minutes: int = 15) -> Compared:
    """Shadow settlement: the same days from what is held here, line beside line, and the inputs that differ."""
    deal = find_deal(desk, ConfirmationId(theirs.confirmation))
    zone = ZoneInfo(deal.zone)
    last = (theirs.period.end.astimezone(zone) - timedelta(microseconds=1)).date()
    period = Period(theirs.period.start.astimezone(zone).date(), last)
    settled = statement_of(desk, readings, deal, period, name=theirs.statement, minutes=minutes)
    ours = settled.statement
    return Compared(
        theirs, ours, pair_lines(theirs.lines, ours.lines), differing_inputs(ours, theirs), settled.held
    )


def pair_lines(theirs: Sequence[StatementLine], ours: Sequence[StatementLine]) -> list[LinePair]:
    """Lines of one code and dispatch belong together; in the order of theirs, then what only we have."""
    left = {(line.code, line.dispatch): line for line in ours}
    pairs = [LinePair(line, left.pop((line.code, line.dispatch), None)) for line in theirs]
    return [*pairs, *(LinePair(None, line) for line in left.values())]


def sources_of(
    desk: Desk, statement: PerformanceStatement, line: StatementLine
) -> list[tuple[MessageId, str]]:
    """The messages that a line came from: the deal, and of a line about a dispatch all that was said of it."""
    found = []
    for document in (
        "confirmation",
        "dispatch_instruction",
        "dispatch_response",
        "dispatch_cancel",
        "dispatch_report",
    ):
        for row, body in bodies_of(desk, DocumentName(document)):
            if document == "confirmation":
                mine = getattr(body, "confirmation", None) == statement.confirmation
            else:
                mine = line.dispatch is not None and getattr(body, "dispatch", None) == line.dispatch
            if mine:
                found.append((row.created, row.id, document))
    return [(id_, document) for _, id_, document in sorted(found)]


def _factor_before(desk: Desk, deal: Confirmation, period: Period) -> Decimal | None:
    """The factor of the newest statement of the deal before the period: a month without a call keeps it."""
    zone = ZoneInfo(deal.zone)
    earlier = [
        (body.period.end, row.created, body.performance_factor)
        for row, body in statements(desk)
        if body.confirmation == deal.confirmation and body.period.end.astimezone(zone).date() <= period.first
    ]
    return max(earlier)[2] if earlier else None


def bodies_of(desk: Desk, document: DocumentName) -> Iterator[tuple[MessageRow, Record]]:
    """Messages of a document with the partner, in both directions, that are not refused and can be read."""
    for outgoing in (False, True):
        after, seen = 0, 0
        while seen < STATEMENTS_MAX:
            rows = desk.gateway.store.messages(
                Query(outgoing=outgoing, partner=desk.partner, document=document, after=after, limit=PAGE)
            )
            for row in rows:
                if row.body and row.state.value not in ("refused", "expired", "cancelled"):
                    try:
                        yield row, read_message(row.body)[1]
                    except Refused:
                        continue
            seen += len(rows)
            if len(rows) < PAGE:
                break
            after = rows[-1].seq
