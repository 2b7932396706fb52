"""Credit memos and remittance advices as pages: what is lowered or paid, of which invoice, and how to find it at the bank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from intertie.formats.invoice_pdf import Envelope, day_of, money
from intertie.formats.pdf_sheet import LARGE, SMALL, Column, Sheet, pages
from intertie.model.account import CreditMemo
from intertie.model.billing import RemittanceAdvice

CREDITED = (Column("Line", 8), Column("Why", 60), Column("Credit", 16, right=True))
PAID = (Column("Invoice", 40), Column("Held back for dispute", 34), Column("Paid", 16, right=True))


def credit_pdf(memo: CreditMemo, envelope: Envelope) -> bytes:
    """The page, always the same bytes for the same memo."""

    def fill(sheet: Sheet) -> None:
        facts = [f"Issued {day_of(memo.issued)}", f"Reason: {memo.reason.replace('_', ' ')}"]
        _head(sheet, "Credit memo", memo.credit, envelope, [*facts, f"Lowers invoice {memo.invoice}"])
        sheet.table(CREDITED, [(str(one.line), one.text, money(one.amount)) for one in memo.lines])
        sheet.total(f"Total credit {memo.total.currency}", money(memo.total.amount))
        if memo.text:
            sheet.write(memo.text)
        sheet.write("What was paid already of these lines lowers the next payment.", SMALL, grey=True)

    return _pages("Credit memo", memo.credit, envelope, memo.issued, fill)


def remittance_pdf(advice: RemittanceAdvice, envelope: Envelope) -> bytes:
    """The page, always the same bytes for the same advice."""

    def fill(sheet: Sheet) -> None:
        facts = [f"Paid on {day_of(advice.paid_on)}", f"By {advice.method}, reference {advice.reference}"]
        _head(sheet, "Remittance advice", advice.remittance, envelope, facts)
        rows = [(one.invoice, one.dispute or "", money(one.amount)) for one in advice.invoices]
        sheet.table(PAID, rows)
        sheet.total(f"Total paid {advice.total.currency}", money(advice.total.amount))
        if advice.text:
            sheet.write(advice.text)
        if any(one.amount < 0 for one in advice.invoices):
            sheet.write(
                "Below zero: a credit that was used, or an own claim that was netted.", SMALL, grey=True
            )

    return _pages("Remittance advice", advice.remittance, envelope, advice.paid_on, fill)


def _pages(title: str, name: str, envelope: Envelope, on: date, fill: Callable[[Sheet], None]) -> bytes:
    foot = f"{title} {name} · signed message {envelope.message} is the original"
    return pages(f"{title} {name}", envelope.sender.name, foot, on, fill)


def _head(sheet: Sheet, title: str, name: str, envelope: Envelope, facts: Sequence[str]) -> None:
    sheet.write(title, LARGE, bold=True)
    sheet.write(name, grey=True)
    sheet.gap()
    agreement = [f"Agreement {envelope.agreement}"] if envelope.agreement else []
    sheet.blocks(
        [
            ("FROM", envelope.sender.lines()),
            ("TO", envelope.recipient.lines()),
            ("REFERENCES", [*facts, *agreement]),
        ]
    )
