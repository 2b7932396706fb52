"""The act of shadow settlement: whatever a partner said a period comes to is worked out again from what is held here, and then
accepted or disputed, as the settings say.

A statement that is right within tolerance is accepted by its invoice; one that is not is disputed by its own name, line by line,
with the inputs that differ. An invoice that is not right is disputed in the same way; one that is right is left to be paid. Names
follow from what is answered, so that whoever acts again after a crash says nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from intertie.gateway.billing import billing_invoice
from intertie.gateway.configuration.settlement_settings import SettlementSettings, Shadow
from intertie.gateway.gateway import Gateway
from intertie.gateway.metering.readings import Readings
from intertie.gateway.ports import MessageRow, Query
from intertie.gateway.settlement.settle import PAGE, STATEMENT, Compared, bodies_of, compare, statements
from intertie.gateway.settlement.settle_dispute import check_invoice, dispute
from intertie.gateway.settlement.settle_readings import differing_readings
from intertie.gateway.trading.trade_desk import SIDES, Desk
from intertie.model.billing import (
    DifferingInput,
    Dispute,
    DisputedLine,
    DisputeReason,
    Invoice,
)
from intertie.model.errors import IntertieError
from intertie.model.ids import DocumentName, MessageId, PartyId
from intertie.model.made import made
from intertie.model.party import Role
from intertie.model.quantity import to_cents
from intertie.model.settlement import PerformanceStatement

INVOICE, DISPUTE = DocumentName("invoice"), DocumentName("dispute")
# On each line that is disputed; the comparison at the command line shows all.
INPUTS_MAX = 20


class Outcome(StrEnum):
    """What came of it."""

    RIGHT = "right"
    WRONG = "wrong"
    NOT_SETTLED = "not_settled"  # it cannot be worked out here, and why


class Judged(NamedTuple):
    """A document of a partner, what came of it, and what was said to it: a name, or nothing."""

    partner: PartyId
    document: str
    name: str
    message: MessageId
    outcome: Outcome
    answer: str = ""
    detail: str = ""

    def logged(self) -> dict[str, str]:
        """For a line of the log: who, what came of what, and why it could not."""
        said = {"partner": self.partner, "message_id": self.message, "code": self.outcome, "why": self.detail}
        return {name: value for name, value in said.items() if value}


class Shadowing:
    """Looks at each document once, as long as this lives; what it said is found again in the store after that."""

    def __init__(self, gateway: Gateway, readings: Readings, settings: SettlementSettings) -> None:
        self._gateway, self._readings, self._settings = gateway, readings, settings
        self._seen: set[tuple[PartyId, str, str]] = set()
        self._read = dict.fromkeys((STATEMENT, INVOICE), 0)
        self._waiting = False

    def judge(self, now: datetime) -> Iterator[Judged]:
        """All that has waited long enough. Raises StoreError."""
        if self._settings.shadow is Shadow.OFF or not (self._came() or self._waiting):
            return
        self._waiting = False
        for known in self._gateway.partners.all():
            if SIDES & known.roles:
                yield from self._of(Desk(self._gateway, known.party, now))

    def _came(self) -> bool:
        """Whether there is anything that was not there the last time; bodies are not read for it."""
        came = False
        for document, after in self._read.items():
            while rows := self._gateway.store.messages(
                Query(outgoing=False, document=document, after=after, limit=PAGE, bodies=False)
            ):
                came, after = True, rows[-1].seq
            self._read[document] = after
        return came

    def _of(self, desk: Desk) -> Iterator[Judged]:
        said = {
            body.invoice
            for row, body in bodies_of(desk, DISPUTE)
            if row.outgoing and isinstance(body, Dispute)
        }
        replaced = {body.corrects for _, body in statements(desk)}
        for row, statement in statements(desk):
            name = statement.statement
            if self._due(desk, row, "statement", name) and name not in said | replaced:
                yield self._guarded(
                    desk, "statement", name, row.id, partial(self._statement, desk, row, statement)
                )
        for row, invoice in bodies_of(desk, INVOICE):
            if isinstance(invoice, Invoice) and invoice.confirmation is not None:
                name = invoice.invoice
                if self._due(desk, row, "invoice", name) and name not in said:
                    yield self._guarded(
                        desk, "invoice", name, row.id, partial(self._invoice, desk, name, row.id)
                    )

    def _due(self, desk: Desk, row: MessageRow, kind: str, name: str) -> bool:
        """Whether it is theirs, has waited, and was not looked at yet."""
        key = (desk.partner, kind, name)
        if row.outgoing or key in self._seen:
            return False
        if row.at + timedelta(hours=self._settings.wait_hours) > desk.now:
            self._waiting = True
            return False
        self._seen.add(key)
        return True

    def _guarded(
        self, desk: Desk, kind: str, name: str, message: MessageId, judged: Callable[[], Judged]
    ) -> Judged:
        try:
            return judged()
        except IntertieError as error:
            return Judged(desk.partner, kind, name, message, Outcome.NOT_SETTLED, detail=error.why)

    def _statement(self, desk: Desk, row: MessageRow, statement: PerformanceStatement) -> Judged:
        found = compare(desk, self._readings, statement, minutes=self._settings.minutes)
        lines = lines_of(found, found.held.deal.tolerance_percent, differing_readings(self._readings, found))
        name = statement.statement
        if lines:
            answer = f"X-{name}"
            if self._settings.shadow is not Shadow.WATCH:
                text = f"Lines beyond the tolerance of {found.held.deal.tolerance_percent.normalize():f} %."
                body = made(Dispute, dispute=answer, invoice=name, lines=lines, text=text)
                desk.say(body, in_reply_to=row.id)
                return Judged(desk.partner, "statement", name, row.id, Outcome.WRONG, answer)
            return Judged(desk.partner, "statement", name, row.id, Outcome.WRONG)
        billed = any(
            line.statement == name
            for row, one in bodies_of(desk, INVOICE)
            if row.outgoing and isinstance(one, Invoice)
            for line in one.lines
        )
        sells = Role.DER_AGGREGATOR in self._gateway.party.roles
        if self._settings.shadow is Shadow.ANSWER and sells and not billed and statement.lines:
            invoice = billing_invoice.from_statement(desk, statement)
            desk.say(invoice, in_reply_to=row.id)
            return Judged(desk.partner, "statement", name, row.id, Outcome.RIGHT, invoice.invoice)
        return Judged(desk.partner, "statement", name, row.id, Outcome.RIGHT)

    def _invoice(self, desk: Desk, name: str, message: MessageId) -> Judged:
        checked = check_invoice(desk, self._readings, name, minutes=self._settings.minutes)
        if not checked.lines:
            return Judged(desk.partner, "invoice", name, message, Outcome.RIGHT)
        if self._settings.shadow is Shadow.WATCH:
            return Judged(desk.partner, "invoice", name, message, Outcome.WRONG)
        dispute(desk, checked, f"X-{name}")
        return Judged(desk.partner, "invoice", name, message, Outcome.WRONG, f"X-{name}")


def lines_of(
    found: Compared, tolerance_percent: Decimal, readings: Sequence[DifferingInput]
) -> tuple[DisputedLine, ...]:
    """The lines of a statement that differ from ours by more than the tolerance, with the inputs that differ. A line that
    only we have cannot be named by its number: it is put on the first line that is disputed, or on the first of all."""
    inputs = (*readings, *found.inputs)[:INPUTS_MAX]
    missing = sum((pair.ours.amount for pair in found.lines if pair.theirs is None and pair.ours), Decimal(0))
    made_lines = []
    numbered = [pair for pair in found.lines if pair.theirs is not None]
    for number, pair in enumerate(numbered, 1):
        assert pair.theirs is not None
        expected = Decimal("0.00") if pair.ours is None else pair.ours.amount
        expected += missing if number == 1 else 0
        beyond = abs(pair.theirs.amount - expected) * 100 > tolerance_percent * abs(expected)
        if beyond and to_cents(pair.theirs.amount) != to_cents(expected):
            made_lines.append(
                DisputedLine(
                    line=number,
                    claimed=to_cents(pair.theirs.amount),
                    expected=to_cents(expected),
                    reason=DisputeReason.METER_DATA if readings else DisputeReason.QUANTITY,
                    inputs=inputs,
                    text=pair.theirs.text,
                )
            )
    return tuple(made_lines)
