"""Acts of whoever charges: an invoice from a statement or from lines, one that corrects another, interest, and a credit memo."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from intertie.gateway.billing.billing_desk import bodies_of, find_item, free_name, items_of, today
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.billing_state import ZERO, Item, charged_interest
from intertie.market.due_dates import INTEREST_ROUNDING, due_date
from intertie.market.payment import Line
from intertie.market.statement import invoice_of
from intertie.model.account import CreditLine, CreditMemo, CreditReason
from intertie.model.billing import Invoice, InvoiceLine, LineCode
from intertie.model.errors import SettingsError
from intertie.model.ids import MessageId
from intertie.model.interval import Window, local_day
from intertie.model.made import changed, made
from intertie.model.quantity import Money, to_cents
from intertie.model.settlement import PerformanceStatement

DAY = timedelta(days=1)


class Charge(NamedTuple):
    """A line that a person writes: its amount is quantity times rate, rounded half up to the cent."""

    text: str
    quantity: Decimal
    unit: str
    rate: Decimal
    code: LineCode = LineCode.ADJUSTMENT


def find_statement(desk: Desk, name: str | None) -> PerformanceStatement:
    """The statement of this name, or the newest that no invoice rests on. SettingsError if there is none."""
    billed = {
        line.statement for item in items_of(desk) if not item.replaced_by for line in item.invoice.lines
    }
    for body in bodies_of(desk, PerformanceStatement):
        if body.statement == name or (name is None and body.statement not in billed):
            return body
    said = "every statement has its invoice" if name is None else f"no statement {name} is in the book"
    raise SettingsError(said, do="`intertie inbox` and `intertie outbox` list performance statements.")


def from_statement(
    desk: Desk, statement: PerformanceStatement, name: str | None = None, corrects: str | None = None
) -> Invoice:
    """The invoice that a statement supports, due as the contract says."""
    deal = desk.drafted.deals.get(statement.confirmation)
    if deal is None:
        raise SettingsError(
            f"{statement.statement} is of {statement.confirmation}, which is no deal with {desk.partner}",
            do="`intertie trade show` lists the deals.",
        )
    lines = [
        Line(one.code.value, one.text, one.quantity, one.unit, one.rate, to_cents(one.amount), one.dispatch)
        for one in statement.lines
    ]
    if not lines:
        raise SettingsError(f"{statement.statement} has no lines", do="Settle the period, or name --line.")
    issued = today(desk)
    return invoice_of(
        statement,
        lines,
        deal.terms,
        free_name(desk, name or f"I-{statement.statement}"),
        issued,
        due_date(desk.text, statement.period, issued),
        corrects,
    )


def from_lines(
    desk: Desk,
    period: Window | None,
    charges: Sequence[Charge],
    name: str | None = None,
    corrects: str | None = None,
) -> Invoice:
    """An invoice of lines that a person writes; without a period, of today."""
    numbered = tuple(
        made(
            InvoiceLine,
            line=number,
            code=one.code,
            text=one.text,
            quantity=one.quantity,
            unit=one.unit,
            rate=one.rate,
            amount=to_cents(one.quantity * one.rate),
        )
        for number, one in enumerate(charges, 1)
    )
    return _invoice(desk, period, numbered, name, corrects)


def of_interest(desk: Desk, name: str | None = None) -> Invoice:
    """Interest for each of our invoices that is, or was, paid late, as far as it was not charged yet."""
    elections, accounts = desk.text.elections, desk.drafted.accounts
    if not elections.late_interest_percent_per_year:
        raise SettingsError(
            f"{desk.agreement} states no rate for late payment",
            do="Elect late_interest_percent_per_year in an amendment.",
        )
    owed: list[tuple[Item, Decimal]] = []
    for item in items_of(desk):
        if item.issuer == desk.us and not item.replaced_by:
            more = item.interest(today(desk), elections) - charged_interest(accounts, item)
            if more > 0:
                owed.append((item, more))
    if not owed:
        raise SettingsError(
            "nothing is owed for late payment", do="`intertie billing ageing` shows what is late."
        )
    rate = elections.late_interest_percent_per_year
    lines = tuple(
        made(
            InvoiceLine,
            line=number,
            code=LineCode.INTEREST,
            text=f"Interest on {item.invoice.invoice}, due {item.invoice.due}: {rate} % a year, {elections.day_count}",
            quantity=Decimal(1),
            unit="invoice",
            rate=amount,
            amount=amount,
            late=item.invoice.invoice,
        )
        for number, (item, amount) in enumerate(owed, 1)
    )
    begins = min(item.invoice.due for item, _ in owed)
    zone = desk.text.calendar.zone
    period = Window(start=local_day(begins, zone).start, end=local_day(today(desk), zone).start)
    return changed(_invoice(desk, period, lines, name), rounding=INTEREST_ROUNDING)


def _invoice(
    desk: Desk,
    period: Window | None,
    lines: tuple[InvoiceLine, ...],
    name: str | None,
    corrects: str | None = None,
) -> Invoice:
    issued = today(desk)
    over = period or local_day(issued, desk.text.calendar.zone)
    total = sum((line.amount for line in lines), ZERO)
    return made(
        Invoice,
        invoice=free_name(desk, name or f"I-{issued:%Y%m%d}"),
        period=over,
        issued=issued,
        due=due_date(desk.text, over, issued),
        lines=lines,
        total=Money(amount=total, currency=desk.text.elections.currency),
        corrects=corrects,
    )


def issue(desk: Desk, invoice: Invoice) -> MessageId:
    """Send it. Refused says which rule it breaks."""
    return desk.say(invoice)[0]


def credit(
    desk: Desk,
    invoice: str,
    lines: Sequence[tuple[int, Decimal]],
    reason: CreditReason = CreditReason.OTHER,
    name: str | None = None,
    text: str = "",
) -> MessageId:
    """Lower lines of an invoice of ours; without lines, all that is left of it."""
    item = find_item(desk, invoice)
    lowered = list(lines) or [(line.number, line.amount) for line in item.lines if line.amount > 0]
    made_lines = tuple(made(CreditLine, line=number, amount=amount) for number, amount in lowered)
    total = sum((line.amount for line in made_lines), ZERO)
    body = made(
        CreditMemo,
        credit=free_name(desk, name or f"C-{invoice}"),
        invoice=invoice,
        issued=today(desk),
        lines=made_lines,
        total=Money(amount=total, currency=item.invoice.total.currency),
        reason=reason,
        text=text,
    )
    return desk.say(body)[0]
