"""The invoice as a page that a person in accounts payable takes: who, what for, when, how much, and what to quote.

It is a picture of the signed message, which stays the original; the foot names it.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from intertie.formats.pdf_sheet import LARGE, LINE, SMALL, Column, Sheet, pages
from intertie.model.billing import Invoice, InvoiceLine, LineCode
from intertie.model.ids import AgreementId, MessageId, PartyId
from intertie.model.interval import Window

COLUMNS = (
    Column("#", 6),
    Column("Code", 6),
    Column("Description", 42),
    Column("Quantity", 14, right=True),
    Column("Unit", 11),
    Column("Rate", 11, right=True),
    Column("Amount", 14, right=True),
)
CODES = {
    LineCode.RESERVATION: "reservation",
    LineCode.UTILISATION: "utilisation",
    LineCode.PENALTY: "penalty",
    LineCode.ADJUSTMENT: "adjustment",
    LineCode.TAX: "tax",
    LineCode.INTEREST: "interest",
}
# Where a party elects nothing, the page speaks of days in this zone.
UTC_ZONE = "UTC"


class Named(NamedTuple):
    """A party as a letter names it."""

    id: PartyId
    name: str

    def lines(self) -> tuple[str, ...]:
        """Its name, and its id where that says more."""
        return (self.name, self.id) if self.name and self.name != self.id else (self.id,)


class Envelope(NamedTuple):
    """What the message says around the document."""

    message: MessageId
    sender: Named
    recipient: Named
    agreement: AgreementId | None
    zone: str = UTC_ZONE


def invoice_pdf(invoice: Invoice, envelope: Envelope) -> bytes:
    """The page, always the same bytes for the same invoice."""
    foot = f"Invoice {invoice.invoice} · signed message {envelope.message} is the original"
    title = f"Invoice {invoice.invoice}"
    return pages(
        title, envelope.sender.name, foot, invoice.issued, lambda sheet: _fill(sheet, invoice, envelope)
    )


def money(amount: Decimal) -> str:
    """With its thousands apart, and two places."""
    return f"{amount:,.2f}"


def number(value: Decimal) -> str:
    """A quantity or rate as it was said, with its thousands apart."""
    return f"{value:,f}"


def days_of(window: Window, zone: str) -> str:
    """A period as days of a zone, the last one included; with hours where it is no whole days."""
    start, end = (at.astimezone(ZoneInfo(zone)) for at in (window.start, window.end))
    if _midnight(start) and _midnight(end):
        return f"{day_of(start.date())} to {day_of(end.date() - timedelta(days=1))}"
    return f"{start:%d %b %Y %H:%M} to {end:%d %b %Y %H:%M} ({zone})"


def _midnight(at: datetime) -> bool:
    return (at.hour, at.minute, at.second) == (0, 0, 0)


def day_of(day: date) -> str:
    """A day as a letter writes it."""
    return f"{day.day} {day:%b %Y}"


def _fill(sheet: Sheet, invoice: Invoice, envelope: Envelope) -> None:
    sheet.write("Corrected invoice" if invoice.corrects else "Invoice", LARGE, bold=True)
    sheet.write(invoice.invoice, grey=True)
    sheet.gap()
    sheet.blocks([("FROM", envelope.sender.lines()), ("BILL TO", envelope.recipient.lines())])
    dates = [f"Issued {day_of(invoice.issued)}", f"Period {days_of(invoice.period, envelope.zone)}"]
    references = [f"Agreement {envelope.agreement}"] if envelope.agreement else []
    if invoice.confirmation:
        references.append(f"Deal {invoice.confirmation}")
    if invoice.corrects:
        references.append(f"Replaces invoice {invoice.corrects}")
    sheet.blocks(
        [
            ("DATES", dates),
            ("REFERENCES", references or ["none"]),
            ("AMOUNT DUE", [str(invoice.total), f"by {day_of(invoice.due)}"]),
        ]
    )
    sheet.table(COLUMNS, (_row(line) for line in invoice.lines))
    _totals(sheet, invoice)
    _notes(sheet, invoice)


def _row(line: InvoiceLine) -> tuple[str, ...]:
    said = line.text
    if line.dispatch and line.dispatch not in said:
        said += f" (dispatch {line.dispatch})"
    return (
        str(line.line),
        line.code,
        said,
        number(line.quantity),
        line.unit,
        number(line.rate),
        money(line.amount),
    )


def _totals(sheet: Sheet, invoice: Invoice) -> None:
    """By kind of line where there are several, then all."""
    sums: dict[LineCode, Decimal] = {}
    for line in invoice.lines:
        sums[line.code] = sums.get(line.code, Decimal("0.00")) + line.amount
    sheet.room_for(LINE * 1.3 * (len(sums) + 2))
    if len(sums) > 1:
        for code, amount in sums.items():
            sheet.total(f"{CODES[code]} ({code})", money(amount), bold=False)
    sheet.total(f"Total {invoice.total.currency}", money(invoice.total.amount))


def _notes(sheet: Sheet, invoice: Invoice) -> None:
    sheet.gap()
    sheet.room_for(LINE * 8)
    if invoice.total.amount < 0:
        sheet.write("This is a credit: the next payment may be lowered by it.", bold=True)
    else:
        sheet.write(
            f"Please pay by {day_of(invoice.due)} and quote {invoice.invoice} with the payment.", bold=True
        )
    if invoice.text:
        sheet.write(invoice.text)
    sheet.gap(1.5)
    sheet.write(f"Rounding: {invoice.rounding}.", SMALL, grey=True)
    statements = sorted({line.statement for line in invoice.lines if line.statement})
    if statements:
        sheet.write(f"Supported by performance statement {', '.join(statements)}.", SMALL, grey=True)
    sheet.write(
        "What you dispute, say by a dispute of its lines; the rest stays payable. Bank details are not part of this"
        " document: use those of the contract.",
        SMALL,
        grey=True,
    )
