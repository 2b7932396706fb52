"""Money between us and partners: what each side owes by age, every invoice with how it stands, one of them line by line, and the
disputes; and what our side may do about each."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from intertie.gateway.billing.billing_desk import find_item, items_of, today
from intertie.gateway.office.office_acts import NotHere
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.account import NOT_DUE, ageing, balance, bucket
from intertie.market.billing_state import Item, allocation, standing
from intertie.market.dispute import Raised, State, deadline, stage
from intertie.model.account import Ageing
from intertie.model.billing import DifferingInput, Resolution
from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementId, PartyId

# Invoices that one page lists, the newest first: a decade of monthly ones, and their corrections.
INVOICES_MAX = 300
# Disputes that one page lists.
DISPUTES_MAX = 100


class InvoiceRow(NamedTuple):
    """An invoice in a list. `bucket` is where what is payable of it stands by age."""

    invoice: str
    issuer: PartyId
    ours: bool
    issued: date
    due: date
    amount: Decimal
    paid: Decimal
    open: Decimal
    held: Decimal
    interest: Decimal
    state: str
    bucket: str
    replaced_by: str | None


class Owed(NamedTuple):
    """What stands between us and one partner under one agreement on a day. `balance`: what the buyer owes the seller."""

    partner: PartyId
    agreement: AgreementId
    currency: str
    on: date
    buyer: PartyId
    seller: PartyId
    balance: Decimal
    ageing: tuple[Ageing, ...]
    invoices: tuple[InvoiceRow, ...]
    left_out: int


class LineRow(NamedTuple):
    """A line of an invoice as it stands."""

    line: int
    code: str
    text: str
    quantity: Decimal
    unit: str
    rate: Decimal
    claimed: Decimal
    agreed: Decimal | None
    credited: Decimal
    held: Decimal
    paid: Decimal
    dispute: str | None
    dispatch: str
    statement: str


class Acts(NamedTuple):
    """What our side may do about an invoice by what it is; which person may is for the role to say. `check`: it charges what a
    settlement came to, which can be worked out again."""

    check: bool
    dispute: bool
    credit: bool
    correct: bool
    pay: bool


class InvoiceView(NamedTuple):
    """The whole page of one invoice."""

    partner: PartyId
    row: InvoiceRow
    currency: str
    start: datetime
    end: datetime
    confirmation: str
    rounding: str
    text: str
    corrects: str | None
    lines: tuple[LineRow, ...]
    payments: tuple[tuple[str, date, Decimal], ...]
    credits: tuple[str, ...]
    disputes: tuple[str, ...]
    statements: tuple[str, ...]
    acts: Acts


class DisputedRow(NamedTuple):
    """A line in dispute, what was answered, and the inputs that differ."""

    line: int
    text: str
    claimed: Decimal
    expected: Decimal
    reason: str
    inputs: tuple[DifferingInput, ...]
    answer: str
    agreed: Decimal | None


class DisputeView(NamedTuple):
    """A dispute. `answers`: how our side may answer it, nothing if that is the partner's to do, or it is settled."""

    partner: PartyId
    dispute: str
    about: str
    is_invoice: bool
    by: PartyId
    received: datetime
    until: datetime
    state: State
    stage: str
    text: str
    lines: tuple[DisputedRow, ...]
    answers: tuple[Resolution, ...]


def owed(desk: Desk, on: date | None = None) -> Owed:
    """What is owed under the agreement that we speak under. SettingsError or Refused if there is none that a book knows."""
    text, day, items = desk.text, on or today(desk), items_of(desk)
    newest = items[::-1]
    return Owed(
        partner=desk.partner,
        agreement=desk.agreement,
        currency=text.elections.currency,
        on=day,
        buyer=text.buyer,
        seller=text.seller,
        balance=balance(desk.drafted.accounts, desk.agreement),
        ageing=tuple(ageing(items, debtor, day) for debtor in (text.buyer, text.seller)),
        invoices=tuple(_row(desk, item, day) for item in newest[:INVOICES_MAX]),
        left_out=max(0, len(items) - INVOICES_MAX),
    )


def _row(desk: Desk, item: Item, day: date) -> InvoiceRow:
    said = item.invoice
    return InvoiceRow(
        invoice=said.invoice,
        issuer=item.issuer,
        ours=item.issuer == desk.us,
        issued=said.issued,
        due=said.due,
        amount=item.amount,
        paid=item.paid,
        open=item.open,
        held=item.held,
        interest=item.interest(day, desk.text.elections),
        state=standing(item, day),
        bucket=bucket(item, day) if item.payable > 0 else NOT_DUE,
        replaced_by=item.replaced_by,
    )


def invoice_view(desk: Desk, name: str) -> InvoiceView:
    """An invoice line by line. NotHere."""
    try:
        item = find_item(desk, name)
    except SettingsError as error:
        raise NotHere(error.why, do="Ageing lists the invoices of each partner.") from error
    said = item.invoice
    return InvoiceView(
        partner=desk.partner,
        row=_row(desk, item, today(desk)),
        currency=said.total.currency,
        start=said.period.start,
        end=said.period.end,
        confirmation=said.confirmation or "",
        rounding=said.rounding,
        text=said.text,
        corrects=said.corrects,
        lines=_lines(item),
        payments=tuple((one.remittance, one.paid_on, one.amount) for one in item.payments),
        credits=item.credits,
        disputes=item.disputes,
        statements=tuple(sorted({line.statement for line in said.lines if line.statement is not None})),
        acts=acts_of(desk, item),
    )


def _lines(item: Item) -> tuple[LineRow, ...]:
    paid = allocation(item)
    return tuple(
        LineRow(
            line=told.line,
            code=told.code.value,
            text=told.text,
            quantity=told.quantity,
            unit=told.unit,
            rate=told.rate,
            claimed=stands.claimed,
            agreed=stands.agreed,
            credited=stands.credited,
            held=stands.held,
            paid=part,
            dispute=stands.dispute,
            dispatch=told.dispatch or "",
            statement=told.statement or "",
        )
        for told, stands, part in zip(item.invoice.lines, item.lines, paid, strict=True)
    )


def acts_of(desk: Desk, item: Item) -> Acts:
    """Whoever was charged disputes and pays; whoever charges credits and corrects; nothing is done to what was replaced."""
    stands, ours = item.replaced_by is None, item.issuer == desk.us
    settles = item.invoice.confirmation is not None and item.issuer == desk.text.seller
    return Acts(
        check=settles,
        dispute=stands and not ours and settles,
        credit=stands and ours,
        correct=stands and ours,
        pay=stands and not ours and item.payable > 0,
    )


def disputes(desk: Desk) -> tuple[DisputeView, ...]:
    """The disputes with a partner, those that wait first, then the newest."""
    found = sorted(
        desk.drafted.disputes.values(),
        key=lambda one: (one.state is State.RESOLVED, -one.received.timestamp(), one.body.dispute),
    )
    return tuple(_dispute(desk, one) for one in found[:DISPUTES_MAX])


def dispute_view(desk: Desk, name: str) -> DisputeView:
    """One dispute. NotHere."""
    one = desk.drafted.disputes.get(name)
    if one is None:
        raise NotHere(f"there is no dispute {name} with {desk.partner}", do="Ageing lists them.")
    return _dispute(desk, one)


def _dispute(desk: Desk, one: Raised) -> DisputeView:
    body, is_invoice = one.body, one.body.invoice in desk.drafted.accounts.items
    ours_to_answer = one.by != desk.us and one.state is not State.RESOLVED
    return DisputeView(
        partner=desk.partner,
        dispute=body.dispute,
        about=body.invoice,
        is_invoice=is_invoice,
        by=one.by,
        received=one.received,
        until=deadline(one, desk.text),
        state=one.state,
        stage=stage(one, desk.now, desk.text),
        text=body.text,
        lines=tuple(
            DisputedRow(
                line=line.line,
                text=line.text,
                claimed=line.claimed,
                expected=line.expected,
                reason=line.reason.value,
                inputs=line.inputs,
                answer="" if (said := one.answers.get(str(line.line))) is None else said.resolution.value,
                agreed=None if said is None else said.agreed,
            )
            for line in body.lines
        ),
        answers=_answers(is_invoice=is_invoice) if ours_to_answer else (),
    )


def _answers(*, is_invoice: bool) -> tuple[Resolution, ...]:
    """A statement has no invoice yet that could be corrected."""
    found = (Resolution.CONCEDED, Resolution.SPLIT, Resolution.REJECTED)
    return (Resolution.CONCEDED, Resolution.CORRECTED, *found[1:]) if is_invoice else found
