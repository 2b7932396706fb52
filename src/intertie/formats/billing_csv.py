"""Invoices, credits, remittances, statements of account and ageing as CSV (RFC 4180), for spreadsheets.

A text that a spreadsheet would take for a formula gets an apostrophe before it: a partner writes these texts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from intertie.model.account import AccountStatement, Ageing, CreditMemo
from intertie.model.billing import Invoice, RemittanceAdvice

# With these a cell begins that spreadsheets work out (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
LINES = ("invoice", "line", "code", "text", "quantity", "unit", "rate", "amount", "currency", "dispatch")
PAID = ("remittance", "invoice", "amount", "currency", "dispute", "method", "reference", "paid_on")
MORE = ("statement", "late")
ENTRIES = ("account", "received", "kind", "name", "amount", "balance", "currency", "message")


def invoice_csv(invoice: Invoice) -> bytes:
    """A row for each line."""
    rows = (
        (
            *(
                invoice.invoice,
                line.line,
                line.code,
                line.text,
                line.quantity,
                line.unit,
                line.rate,
                line.amount,
            ),
            *(invoice.total.currency, line.dispatch, line.statement, line.late),
        )
        for line in invoice.lines
    )
    return table((*LINES, *MORE), rows)


def credit_csv(memo: CreditMemo) -> bytes:
    """A row for each line."""
    rows = (
        (memo.credit, memo.invoice, one.line, one.text, one.amount, memo.total.currency) for one in memo.lines
    )
    return table(("credit", "invoice", "line", "text", "amount", "currency"), rows)


def remittance_csv(advice: RemittanceAdvice) -> bytes:
    """A row for each invoice."""
    rows = (
        (
            *(advice.remittance, one.invoice, one.amount, advice.total.currency, one.dispute),
            *(advice.method, advice.reference, advice.paid_on),
        )
        for one in advice.invoices
    )
    return table(PAID, rows)


def account_csv(statement: AccountStatement) -> bytes:
    """A row for each entry, after the opening balance."""
    name, currency = statement.account, statement.currency
    opening = (name, statement.period.start.isoformat(), "opening", "", "", statement.opening, currency, "")
    rows = (
        (
            *(name, one.received.isoformat(), one.kind, one.name, one.amount, one.balance),
            *(currency, one.message),
        )
        for one in statement.entries
    )
    return table(ENTRIES, [opening, *rows])


def ageing_csv(both: Sequence[Ageing]) -> bytes:
    """A row for each debtor."""
    return table(Ageing.__struct_fields__, (msgspec.structs.astuple(one) for one in both))


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Lines that end in CR LF, in UTF-8."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([[cell(value) for value in row] for row in rows])
    return out.getvalue().encode()


def cell(value: object) -> str:
    """Numbers as they are, plainly; texts so that they stay texts."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = str(value)
    return f"'{text}" if not isinstance(value, int) and text.startswith(FORMULA) else text
