"""A statement with its calls and lines, and a line as arithmetic that a person can follow, with the messages that it comes from.

Nothing is worked out again here: a line is explained from what its statement shows, by the rule and the terms of its deal. Beside
what comes out of our own readings it is put by `view_shadow`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from intertie.gateway.billing.billing_desk import items_of
from intertie.gateway.office.office_acts import NotHere
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.views.view_event import Said
from intertie.gateway.views.view_settlement import LOOK_BACK_MAX, Links, energy, ledger_of, newest
from intertie.market.book import Ledger, place
from intertie.market.contract import DAYS_OF_A_MONTH
from intertie.market.event import Event
from intertie.market.explain_line import Explained, explain_line
from intertie.market.statement import Book
from intertie.market.terms import method_of, terms_of
from intertie.model.contract import Confirmation
from intertie.model.documents import document_of
from intertie.model.errors import SettingsError
from intertie.model.ids import MessageId, PartyId
from intertie.model.settlement import EventPerformance, PerformanceStatement, StatementLine

# Calls that a page lists; a deal allows some tens a month.
CALLS_MAX = 200
# Lines that a page lists: one for each call and kind, and those of the month.
LINES_MAX = 600
# Messages behind a line that are listed.
SOURCES_MAX = 100


class CallRow(NamedTuple):
    """An event of a statement, kWh."""

    dispatch: str
    start: datetime
    end: datetime
    asked: Decimal
    baseline: Decimal
    metered: Decimal
    delivered: Decimal
    factor: Decimal
    adjustment: Decimal | None
    days_used: tuple[date, ...]
    excluded: int


class LineRow(NamedTuple):
    """A line with its number, from 1. Its amount is before rounding, as the statement has it."""

    number: int
    code: str
    text: str
    quantity: Decimal
    unit: str
    rate: Decimal
    amount: Decimal
    dispatch: str


class StatementView(NamedTuple):
    """The whole page. `ours` if we made it; `until` is when its adjustment window closes, if a contract here says so."""

    partner: PartyId
    statement: str
    confirmation: str
    by: PartyId
    ours: bool
    message: MessageId
    received: datetime
    start: datetime
    end: datetime
    zone: str
    currency: str
    method: str
    text: str
    contracted_kw: Decimal | None
    factor: Decimal | None
    total: Decimal
    calls: tuple[CallRow, ...]
    calls_left_out: int
    lines: tuple[LineRow, ...]
    lines_left_out: int
    corrects: str | None
    corrected_by: str | None
    invoices: tuple[str, ...]
    disputes: tuple[str, ...]
    until: datetime | None


class LineView(NamedTuple):
    """A line explained. `explained` is None, and `why_not` says why, where the deal is not known here."""

    partner: PartyId
    statement: str
    line: LineRow
    lines: int
    currency: str
    explained: Explained | None
    why_not: str
    sources: tuple[Said, ...]


def find(desk: Desk, name: str) -> tuple[Event, PerformanceStatement]:
    """The newest statement of this name that both hold. NotHere."""
    ledger = ledger_of(desk.gateway, desk.partner)
    for event, body in newest(ledger, PerformanceStatement):
        if body.statement == name:
            return event, body
    raise NotHere(
        f"no statement {name} with {desk.partner}",
        do="What was sent and is not receipted yet is among the messages; all others are listed under Settlement.",
    )


def statement_view(desk: Desk, name: str) -> StatementView:
    """A statement. NotHere."""
    event, body = find(desk, name)
    book = ledger_of(desk.gateway, desk.partner).book
    deal = deal_of(desk, body)
    links = Links(book)
    invoices = links.invoices(name)
    return StatementView(
        partner=desk.partner,
        statement=name,
        confirmation=body.confirmation,
        by=event.sender,
        ours=event.sender == desk.us,
        message=event.message,
        received=event.received,
        start=body.period.start,
        end=body.period.end,
        zone="UTC" if deal is None else deal.zone,
        currency="" if deal is None else deal.currency,
        method=body.baseline_method,
        text=body.text,
        contracted_kw=body.contracted_kw,
        factor=body.performance_factor,
        total=sum((line.amount for line in body.lines), Decimal("0.00")),
        calls=tuple(map(call_row, body.events[:CALLS_MAX])),
        calls_left_out=max(0, len(body.events) - CALLS_MAX),
        lines=tuple(line_row(number, one) for number, one in enumerate(body.lines[:LINES_MAX], 1)),
        lines_left_out=max(0, len(body.lines) - LINES_MAX),
        corrects=body.corrects,
        corrected_by=_corrected_by(desk, name),
        invoices=invoices,
        disputes=links.disputes(name, *invoices),
        until=_closes(desk, deal, body),
    )


def to_replace(desk: Desk, name: str) -> str | None:
    """The invoice of ours that an invoice for this statement replaces: it stands, and rests on what the statement corrects."""
    corrected, looking = set[str](), find(desk, name)[1].corrects
    while looking is not None and looking not in corrected:
        corrected.add(looking)
        looking = find(desk, looking)[1].corrects
    for item in reversed(items_of(desk)):
        said = {line.statement for line in item.invoice.lines}
        if item.issuer == desk.us and item.replaced_by is None and said & corrected:
            return item.invoice.invoice
    return None


def call_row(one: EventPerformance) -> CallRow:
    """A call of a statement in a list."""
    return CallRow(
        dispatch=one.dispatch,
        start=one.window.start,
        end=one.window.end,
        asked=energy(one.asked_kw),
        baseline=one.baseline_kwh.total(),
        metered=one.actual_kwh.total(),
        delivered=one.delivered_kwh.total(),
        factor=one.performance_factor,
        adjustment=one.adjustment_factor,
        days_used=one.days_used,
        excluded=len(one.days_excluded),
    )


def line_row(number: int, one: StatementLine) -> LineRow:
    """A line in a list."""
    return LineRow(
        number, one.code.value, one.text, one.quantity, one.unit, one.rate, one.amount, one.dispatch or ""
    )


def line_view(desk: Desk, name: str, number: int) -> LineView:
    """Line `number`, from 1, of a statement, explained. NotHere."""
    event, body = find(desk, name)
    if not 1 <= number <= len(body.lines):
        raise NotHere(f"{name} has {len(body.lines)} lines", do="Choose one of them.")
    line, deal = body.lines[number - 1], deal_of(desk, body)
    explained, why_not = _explained(desk, body, number - 1, deal)
    return LineView(
        partner=desk.partner,
        statement=name,
        line=line_row(number, line),
        lines=len(body.lines),
        currency="" if deal is None else deal.currency,
        explained=explained,
        why_not=why_not,
        sources=(*_sources(ledger_of(desk.gateway, desk.partner), body, line), said(event)),
    )


def _explained(
    desk: Desk, body: PerformanceStatement, at: int, deal: Confirmation | None
) -> tuple[Explained | None, str]:
    if deal is None:
        return None, f"the deal {body.confirmation} is not among those that both hold"
    try:
        return explain_line(body, at, rules_of(desk, deal), deal), ""
    except SettingsError as error:  # a method of a later version
        return None, error.why


def deal_of(desk: Desk, body: PerformanceStatement) -> Confirmation | None:
    """The deal of a statement, if it is known here."""
    known = desk.book.deals.get(body.confirmation)
    return None if known is None else known.terms


def rules_of(desk: Desk, deal: Confirmation) -> Book:
    """By what a deal is settled, without any reading."""
    known = desk.book.contracts.get(deal.agreement)
    text = None if known is None else known.text_at(desk.now)
    holidays = frozenset() if text is None else frozenset(text.calendar.holidays)
    method = method_of(deal, holidays)
    return Book(
        rule=method.rule,
        terms=terms_of(deal),
        zone=deal.zone,
        readings={},
        not_usable={},
        delivered_cap=Fraction(deal.delivered_cap_fraction),
        method=method,
    )


def said(event: Event) -> Said:
    """A message as a reference."""
    text = getattr(event.body, "text", "") or ""
    return Said(event.message, document_of(event.body).name, event.sender, event.received, text)


def _corrected_by(desk: Desk, name: str) -> str | None:
    ledger = ledger_of(desk.gateway, desk.partner)
    return next(
        (body.statement for _, body in newest(ledger, PerformanceStatement) if body.corrects == name), None
    )


def _closes(desk: Desk, deal: Confirmation | None, body: PerformanceStatement) -> datetime | None:
    known = None if deal is None else desk.book.contracts.get(deal.agreement)
    text = None if known is None else known.text_at(desk.now)
    if text is None:
        return None
    months = text.elections.adjustment_window_months
    return body.period.end + timedelta(days=round(months * DAYS_OF_A_MONTH))


def _sources(ledger: Ledger, body: PerformanceStatement, line: StatementLine) -> Sequence[Said]:
    """The messages that a line came from, in order: its deal, and all that was said of its call."""
    void = {place(one.event) for one in ledger.voids}
    deals: list[Event] = []
    about: list[Event] = []  # the call
    for event in islice(reversed(ledger.events), LOOK_BACK_MAX):
        told = event.body
        of_deal = isinstance(told, Confirmation) and told.confirmation == body.confirmation
        of_call = line.dispatch is not None and getattr(told, "dispatch", None) == line.dispatch
        wanted = deals if of_deal else about if of_call else None
        if wanted is not None and len(wanted) < SOURCES_MAX and place(event) not in void:
            wanted.append(event)
    return tuple(said(event) for event in sorted((*deals, *about), key=place))


def local_period(view: StatementView) -> tuple[date, date]:
    """The days of a statement in the zone of its deal, the last one included."""
    zone = ZoneInfo(view.zone)
    last = (view.end - timedelta(microseconds=1)).astimezone(zone).date()
    return view.start.astimezone(zone).date(), last
