"""Acts about an invoice that rests on a statement: check it by working it out again, dispute what differs, answer a dispute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from intertie.gateway.billing.billing_desk import due_of
from intertie.gateway.metering.readings import Readings
from intertie.gateway.settlement.settle import Settled, bodies_of, statement_of
from intertie.gateway.settlement.settle_inputs import Period, find_deal
from intertie.gateway.settlement.settle_readings import Older, older_revisions
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.compare import Candidate, disputed_lines
from intertie.market.payment import Line
from intertie.market.statement import invoice_of, settle
from intertie.model.billing import (
    DifferingInput,
    Dispute,
    DisputeAnswer,
    DisputedLine,
    Invoice,
    LineAnswer,
    Resolution,
)
from intertie.model.errors import SettingsError
from intertie.model.ids import ConfirmationId, DocumentName, MessageId
from intertie.model.made import made
from intertie.model.quantity import to_cents
from intertie.model.record import Record

_Kind = TypeVar("_Kind", bound=Record)

# Each is a settlement of its own. Of a month in which more days were revised, the newest are tried.
CANDIDATES_MAX = 100


class Checked(NamedTuple):
    """An invoice, the message it came in, our own settlement of the same days, and the lines that differ beyond tolerance."""

    invoice: Invoice
    message: MessageId
    settled: Settled
    lines: Sequence[DisputedLine]


def check_invoice(desk: Desk, readings: Readings, name: str, *, minutes: int = 15) -> Checked:
    """Work an invoice out again from what is held here. Raises SettingsError, NoBaseline, StoreError."""
    message, invoice = find(desk, Invoice, "invoice", name)
    if invoice.confirmation is None:
        raise SettingsError(f"{name} names no deal", do="Only invoices for a deal rest on a statement.")
    deal = find_deal(desk, ConfirmationId(invoice.confirmation))
    zone = ZoneInfo(deal.zone)
    last = (invoice.period.end.astimezone(zone) - timedelta(microseconds=1)).date()
    period = Period(invoice.period.start.astimezone(zone).date(), last)
    settled = statement_of(desk, readings, deal, period, minutes=minutes)
    lines = disputed_lines(invoice, settled.lines, deal.tolerance_percent, _candidates(readings, settled))
    return Checked(invoice, message, settled, lines)


def dispute(desk: Desk, checked: Checked, name: str, reply_by: datetime | None = None) -> list[MessageId]:
    """Dispute the lines that differ. SettingsError if none does."""
    if not checked.lines:
        raise SettingsError(
            f"{checked.invoice.invoice} is right within tolerance", do="There is nothing to dispute."
        )
    percent = checked.settled.held.deal.tolerance_percent
    body = made(
        Dispute,
        dispute=name,
        invoice=checked.invoice.invoice,
        lines=checked.lines,
        reply_by=reply_by,
        text=f"Lines beyond the tolerance of {percent.normalize():f} %.",
    )
    return desk.say(body, in_reply_to=checked.message)


class Asked(NamedTuple):
    """What an answer may say besides: amounts by line for a split; name and due date of a corrected invoice; a sentence."""

    agreed: Mapping[int, Decimal] = MappingProxyType({})
    corrected: str = ""
    due: date | None = None
    text: str = ""
    minutes: int = 15


def resolve(
    desk: Desk, readings: Readings, name: str, how: Resolution, asked: Asked | None = None
) -> list[MessageId]:
    """Answer a dispute of an invoice of ours.

    Conceded: each line stands at what was expected. Rejected: at what was claimed. Split: in the middle, to the cent, or at
    what was agreed by line. Corrected: worked out again from what is held here now, with a new invoice that replaces the
    old; SettingsError if that still comes to what is disputed. Dispute and answer say nothing of other lines: those are
    payable.
    """
    asked = asked or Asked()
    message, disputed = find(desk, Dispute, "dispute", name)
    if how is Resolution.CORRECTED:
        return _correct(desk, readings, message, disputed, asked)
    unknown = sorted(set(asked.agreed) - {line.line for line in disputed.lines})
    if unknown:
        raise SettingsError(f"line {unknown[0]} is not disputed", do="Name lines of the dispute.")
    answers = tuple(_answer(line, how, asked.agreed) for line in disputed.lines)
    body = made(DisputeAnswer, dispute=name, resolution=how, lines=answers, text=asked.text)
    return desk.say(body, in_reply_to=message)


def _correct(
    desk: Desk, readings: Readings, message: MessageId, disputed: Dispute, asked: Asked
) -> list[MessageId]:
    checked = check_invoice(desk, readings, disputed.invoice, minutes=asked.minutes)
    ours = {one.line: one.expected for one in checked.lines}
    still = [one.line for one in disputed.lines if ours.get(one.line, one.claimed) != one.expected]
    if still:
        raise SettingsError(
            f"from what is held here, line {', '.join(map(str, still))} does not come to what {desk.partner} expects",
            do="Ask for the readings that the dispute names, or answer with another resolution.",
        )
    old, settled = checked.invoice, checked.settled
    issued = desk.now.astimezone(ZoneInfo(settled.held.deal.zone)).date()
    name = asked.corrected or f"{old.invoice}-corrected"
    due = asked.due or due_of(desk, old.period, issued)
    invoice = invoice_of(
        settled.statement, settled.lines, settled.held.deal, name, issued, due, corrects=old.invoice
    )
    answer = made(
        DisputeAnswer,
        dispute=disputed.dispute,
        resolution=Resolution.CORRECTED,
        lines=tuple(
            LineAnswer(line=one.line, resolution=Resolution.CORRECTED, agreed=one.expected)
            for one in disputed.lines
        ),
        corrected_invoice=name,
        text=asked.text,
    )
    return desk.say(answer, invoice, in_reply_to=message)


def _answer(line: DisputedLine, how: Resolution, agreed: Mapping[int, Decimal]) -> LineAnswer:
    stands = {
        Resolution.CONCEDED: line.expected,
        Resolution.REJECTED: line.claimed,
        Resolution.SPLIT: agreed.get(line.line, to_cents((line.claimed + line.expected) / 2)),
    }[how]
    return made(LineAnswer, line=line.line, resolution=how, agreed=stands)


def find(desk: Desk, kind: type[_Kind], field: str, name: str) -> tuple[MessageId, _Kind]:
    """The newest document of a kind and name between us and the partner; SettingsError if there is none."""
    document = DocumentName(field)
    found = [
        (row.created, row.id, body)
        for row, body in bodies_of(desk, document)
        if isinstance(body, kind) and getattr(body, field) == name
    ]
    if not found:
        raise SettingsError(
            f"no {document} {name} with {desk.partner}",
            do=f"`intertie inbox --document {document}` lists them.",
        )
    _, message, body = max(found, key=lambda each: each[:2])
    return message, body


def _candidates(readings: Readings, settled: Settled) -> list[Candidate]:
    """Revised readings of days that count for an event, each as it was before."""
    days = {
        day for event in settled.statement.events for day in (*event.days_used, event.window.start.date())
    }
    found = [
        older
        for meter in sorted(settled.held.book.readings)
        for older in older_revisions(readings, settled.held, meter)
        if older.day in days
    ]
    found.sort(key=lambda one: one.day, reverse=True)
    return [Candidate(_input(settled, one), partial(_lines, settled, one)) for one in found[:CANDIDATES_MAX]]


def _input(settled: Settled, older: Older) -> DifferingInput:
    newest = settled.held.book.readings[older.meter][older.day]
    return DifferingInput(
        input=f"{older.meter}/{older.day}",
        theirs=f"revision {older.revision}: {_kwh(older.watt_hours)} kWh",
        ours=f"revision {older.newest}: {_kwh(newest)} kWh",
    )


def _kwh(watt_hours: Sequence[int | None]) -> str:
    return f"{Decimal(sum(value or 0 for value in watt_hours)).scaleb(-3):f}"


def _lines(settled: Settled, older: Older) -> Sequence[Line]:
    held, statement = settled.held, settled.statement
    loads = {**held.book.readings[older.meter], older.day: older.watt_hours}
    book = held.book._replace(readings={**held.book.readings, older.meter: loads})
    period = held.period
    return settle(
        book, held.deal, held.calls, period.first, period.last, statement.statement, settled.before
    )[1]
