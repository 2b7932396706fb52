"""The statement of account as pages: every document with the balance after it, and the ageing."""

from __future__ import annotations

from datetime import UTC

import msgspec

from intertie.formats.invoice_pdf import Envelope, days_of, money
from intertie.formats.pdf_sheet import LARGE, LINE, SMALL, Column, Sheet, pages
from intertie.model.account import AccountEntry, AccountStatement, Ageing

COLUMNS = (
    Column("Received (UTC)", 22),
    Column("What", 14),
    Column("Document", 34),
    Column("Amount", 16, right=True),
    Column("Balance", 16, right=True),
)
BUCKETS = (
    Column("Who owes", 26),
    *(Column(title, 12, right=True) for title in ("Not due", "1-30 days", "31-60", "61-90", "Over 90")),
    *(Column(title, 12, right=True) for title in ("Disputed", "Credit", "Total")),
)


def account_pdf(statement: AccountStatement, envelope: Envelope) -> bytes:
    """The pages, always the same bytes for the same statement."""
    title = f"Statement of account {statement.account}"
    foot = f"Statement of account {statement.account} · signed message {envelope.message} is the original"
    return pages(
        title, envelope.sender.name, foot, statement.as_of, lambda sheet: _fill(sheet, statement, envelope)
    )


def _fill(sheet: Sheet, statement: AccountStatement, envelope: Envelope) -> None:
    sheet.write("Statement of account", LARGE, bold=True)
    sheet.write(statement.account, grey=True)
    sheet.gap()
    names = {one.id: one for one in (envelope.sender, envelope.recipient)}
    buyer, seller = (
        names[party].lines() if party in names else (party,) for party in (statement.buyer, statement.seller)
    )
    sheet.blocks(
        [
            ("BUYER", buyer),
            ("SELLER", seller),
            (
                "PERIOD",
                [days_of(statement.period, envelope.zone), f"Agreement {statement.agreement}"],
            ),
        ]
    )
    opening = ("", "", "Opening balance", "", money(statement.opening))
    sheet.table(COLUMNS, [opening, *(_row(entry) for entry in statement.entries)])
    sheet.total(f"Closing balance {statement.currency}", money(statement.closing))
    sheet.write(
        "Above zero the buyer owes the seller; below zero the seller owes the buyer.", SMALL, grey=True
    )
    sheet.gap()
    sheet.room_for(LINE * 8)
    sheet.write(f"Ageing on {statement.as_of}", bold=True)
    sheet.table(BUCKETS, [_ages(one) for one in statement.ageing])
    sheet.write(
        "The other side makes this statement again from its own book: `intertie billing account --compare`.",
        SMALL,
        grey=True,
    )


def _row(entry: AccountEntry) -> tuple[str, ...]:
    at = entry.received.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}", entry.kind, entry.name, money(entry.amount), money(entry.balance)


def _ages(one: Ageing) -> list[str]:
    return [value if isinstance(value, str) else money(value) for value in msgspec.structs.astuple(one)]
