"""What follows an invoice: the credit memo that lowers it, and the statement of account that both sides can make alike."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.model.billing import LINES_MAX, LineNumber, exact_total, whole_cents
from intertie.model.ids import AgreementRef, MessageRef, Name, PartyName, Text
from intertie.model.interval import Instant, Window
from intertie.model.quantity import Currency, Money
from intertie.model.record import Record, RuleError
from intertie.model.rules import no_repeats

# Two parties write some tens of documents a month; a statement over more than this is several.
ENTRIES_MAX = 5000


class CreditReason(StrEnum):
    """Why an invoice is lowered."""

    QUANTITY = "quantity"
    RATE = "rate"
    METER_DATA = "meter_data"
    DUPLICATE = "duplicate"
    DISPUTE = "dispute"
    GOODWILL = "goodwill"
    OTHER = "other"


class CreditLine(Record, frozen=True, kw_only=True):
    """By how much a line of the invoice is lowered."""

    line: LineNumber
    amount: Decimal
    text: Text = ""

    def check(self) -> None:
        """Whole cents, above zero."""
        whole_cents("amount", self.amount)
        if self.amount <= 0:
            raise RuleError("amount: a credit is above zero; what was charged too little is an invoice")


class CreditMemo(Record, frozen=True, kw_only=True):
    """Lowers lines of an invoice of its issuer; the invoice stays (X12 812; a whole new text is an invoice that `corrects`)."""

    credit: Name
    invoice: Name
    issued: date
    lines: Annotated[tuple[CreditLine, ...], Meta(min_length=1, max_length=LINES_MAX)]
    total: Money
    reason: CreditReason = CreditReason.OTHER
    text: Text = ""

    def check(self) -> None:
        """Each line once; the total is exactly the sum."""
        no_repeats("lines", (line.line for line in self.lines))
        exact_total("total", self.total, [line.amount for line in self.lines])


class EntryKind(StrEnum):
    """What a row of an account stands for."""

    INVOICE = "invoice"
    REPLACED = "replaced"  # an invoice that another one takes the place of, as far as it stood
    CREDIT = "credit"
    DISPUTE = "dispute"  # moves no money
    ANSWER = "answer"
    PAYMENT = "payment"


class AccountEntry(Record, frozen=True, kw_only=True):
    """A row: the message that it comes from, when that was received, and what it adds to what the buyer owes the seller."""

    received: Instant
    message: MessageRef
    kind: EntryKind
    name: Name
    amount: Decimal
    balance: Decimal

    def check(self) -> None:
        """Whole cents."""
        whole_cents("amount", self.amount)
        whole_cents("balance", self.balance)


class Ageing(Record, frozen=True, kw_only=True):
    """What a debtor owes on a day, by how long it has been due. `disputed` is held back whatever its age; `credit`, zero or
    below, is what it has paid, or was credited, beyond what it owes."""

    debtor: PartyName
    not_due: Decimal
    days_1_30: Decimal
    days_31_60: Decimal
    days_61_90: Decimal
    days_over_90: Decimal
    disputed: Decimal
    credit: Decimal
    total: Decimal

    def check(self) -> None:
        """The total is the sum."""
        parts = (self.not_due, self.days_1_30, self.days_31_60, self.days_61_90, self.days_over_90)
        if self.total != sum(parts, self.disputed + self.credit):
            raise RuleError("total: not what the buckets add up to")


class AccountStatement(Record, frozen=True, kw_only=True):
    """Every document between two parties under an agreement, with the balance after it (WGQ 3.4.3 statement of account).

    Amounts above zero are the buyer's debt to the seller, below zero the seller's to the buyer. What counts is what was received
    in the period, by the recipient's signed time; so whoever holds the same messages makes the same statement, byte for byte.
    """

    account: Name
    agreement: AgreementRef
    buyer: PartyName
    seller: PartyName
    currency: Currency
    period: Window
    opening: Decimal
    entries: Annotated[tuple[AccountEntry, ...], Meta(max_length=ENTRIES_MAX)]
    closing: Decimal
    as_of: date
    ageing: tuple[Ageing, Ageing]

    def check(self) -> None:
        """Each balance follows from the one before; the ageing of both debtors comes to the closing balance."""
        balance = self.opening
        for place, entry in enumerate(self.entries, 1):
            balance += entry.amount
            if entry.balance != balance:
                raise RuleError(f"entries: the balance of item {place} does not follow")
            if not self.period.holds(entry.received):
                raise RuleError(f"entries: item {place} is not of the period")
        if self.closing != balance:
            raise RuleError("closing: not the last balance")
        buyer, seller = self.ageing
        if (buyer.debtor, seller.debtor) != (self.buyer, self.seller):
            raise RuleError("ageing: of the buyer first, then of the seller")
        if buyer.total - seller.total != self.closing:
            raise RuleError("ageing: does not come to the closing balance")
