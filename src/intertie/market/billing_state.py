"""What is charged and paid between two parties: every invoice with its lines, payments and credits, and every row of the account.

All of it is derived from messages that both hold. What time alone changes (an invoice becomes late) is a question to
`standing`, never stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from intertie.market.due_dates import Change, interest
from intertie.model.account import EntryKind
from intertie.model.agreement import Elections
from intertie.model.billing import Invoice, LineCode
from intertie.model.ids import AgreementId, MessageId, PartyId

ZERO = Decimal("0.00")


class State(StrEnum):
    """Where an invoice stands."""

    UNKNOWN = "unknown"
    OPEN = "open"
    PARTLY_PAID = "partly_paid"
    SETTLED = "settled"  # nothing is owed any more
    IN_CREDIT = "in_credit"  # more was paid or credited than is owed; the next payment may use it
    REPLACED = "replaced"  # by a corrected invoice, which takes over what was paid


class Step(StrEnum):
    """What a message does to it. What is owed afterwards decides between the kinds of payment and of change."""

    ISSUE = "issue"
    ISSUE_SETTLED = (
        "issue_settled"  # nothing is owed for it: a total of zero, or what it takes over is enough
    )
    ISSUE_CREDIT = "issue_credit"  # less than nothing
    ISSUE_PAID = "issue_paid"  # a correction that takes over a payment which leaves a part
    PAY_PART = "pay_part"
    PAY_REST = "pay_rest"
    OVERPAY = "overpay"
    USE_CREDIT = "use_credit"
    USE_UP = "use_up"
    LEAVE = "leave"  # a credit memo or an answer, after which something is owed
    CLEAR = "clear"  # one after which nothing is
    CREDIT = "credit"  # one after which too much was paid
    REPLACE = "replace"


STARTS = State.UNKNOWN
FINAL = frozenset({State.REPLACED})
_CHANGES = {Step.CLEAR: State.SETTLED, Step.CREDIT: State.IN_CREDIT, Step.REPLACE: State.REPLACED}
_PAYMENTS = {
    Step.PAY_PART: State.PARTLY_PAID,
    Step.PAY_REST: State.SETTLED,
    Step.OVERPAY: State.IN_CREDIT,
}
TABLE: dict[tuple[State, Step], State] = {
    (State.UNKNOWN, Step.ISSUE): State.OPEN,
    (State.UNKNOWN, Step.ISSUE_PAID): State.PARTLY_PAID,
    (State.UNKNOWN, Step.ISSUE_SETTLED): State.SETTLED,
    (State.UNKNOWN, Step.ISSUE_CREDIT): State.IN_CREDIT,
    **{
        (before, step): after
        for before in (State.OPEN, State.PARTLY_PAID)
        for step, after in (_PAYMENTS | _CHANGES | {Step.LEAVE: before}).items()
    },
    **{
        (before, step): after
        for before in (State.SETTLED, State.IN_CREDIT)
        for step, after in (_CHANGES | {Step.LEAVE: State.PARTLY_PAID}).items()
    },
    (State.IN_CREDIT, Step.USE_CREDIT): State.IN_CREDIT,
    (State.IN_CREDIT, Step.USE_UP): State.SETTLED,
}


class Line(NamedTuple):
    """A line as it stands: what an answer agreed to, less the credit memos since; what a dispute holds back of it."""

    number: int
    claimed: Decimal
    agreed: Decimal | None = None
    credited: Decimal = ZERO
    held: Decimal = ZERO
    dispute: str | None = None

    @property
    def amount(self) -> Decimal:
        """What is owed for it."""
        return (self.claimed if self.agreed is None else self.agreed) - self.credited


class Payment(NamedTuple):
    """What a remittance paid of an invoice; below zero where it used a credit."""

    paid_on: date
    amount: Decimal
    remittance: str


class Item(NamedTuple):
    """An invoice, and all that happened to it."""

    invoice: Invoice
    issuer: PartyId
    payer: PartyId
    agreement: AgreementId
    received: datetime
    lines: tuple[Line, ...]
    state: State
    payments: tuple[Payment, ...] = ()
    credits: tuple[str, ...] = ()
    disputes: tuple[str, ...] = ()
    replaced_by: str | None = None

    @property
    def amount(self) -> Decimal:
        """What it comes to by now: nothing once another invoice took its place."""
        return ZERO if self.replaced_by else sum((line.amount for line in self.lines), ZERO)

    @property
    def paid(self) -> Decimal:
        """What was paid of it."""
        return sum((one.amount for one in self.payments), ZERO)

    @property
    def open(self) -> Decimal:
        """What is owed; below zero: too much was paid or credited."""
        return self.amount - self.paid

    @property
    def held(self) -> Decimal:
        """What of it disputes hold back."""
        return min(sum((line.held for line in self.lines), ZERO), max(self.open, ZERO))

    @property
    def payable(self) -> Decimal:
        """What is owed and not disputed."""
        return self.open - self.held

    def interest(self, until: date, elections: Elections) -> Decimal:
        """What paying it late costs up to a day, with no interest on interest, nor on what is disputed."""
        late = {line.line for line in self.invoice.lines if line.code is LineCode.INTEREST}
        owed = sum((line.amount - line.held for line in self.lines if line.number not in late), ZERO)
        paid = [Change(one.paid_on, one.amount) for one in self.payments]
        percent = elections.late_interest_percent_per_year
        return interest(owed, self.invoice.due, until, paid, percent, elections.day_count)


class Entry(NamedTuple):
    """A row of the account under an agreement: above zero, it adds to what the buyer owes the seller."""

    received: datetime
    message: MessageId
    kind: EntryKind
    name: str
    agreement: AgreementId
    amount: Decimal


class Said(NamedTuple):
    """A statement of account that a party made: its hash."""

    sender: PartyId
    sha256: str


class Accounts(NamedTuple):
    """All of it. The keys of the mappings are names of documents, and payments' references with their payer and method."""

    items: Mapping[str, Item] = {}
    entries: tuple[Entry, ...] = ()
    credits: Mapping[str, str] = {}  # the invoice that each lowers
    disputes: Mapping[str, str] = {}  # the invoice that each is about
    remittances: Mapping[str, PartyId] = {}
    references: Mapping[str, str] = {}
    statements: Mapping[str, Said] = {}


EMPTY = Accounts()


def newest(accounts: Accounts, name: str) -> Item | None:
    """The invoice of this name, or the one that took its place."""
    item = accounts.items.get(name)
    while item is not None and item.replaced_by is not None:
        item = accounts.items[item.replaced_by]
    return item


def standing(item: Item, day: date) -> str:
    """How it stands on a day, for people: its state, and whether it is late or disputed."""
    said = str(item.state)
    if item.payable > 0 and day > item.invoice.due:
        said = f"late, {said}"
    return f"{said}, disputed" if item.held else said


def charged_interest(accounts: Accounts, late: Item, beside: str | None = None) -> Decimal:
    """Interest that was invoiced for a late invoice, or for those that it replaced; `beside` leaves out one invoice."""
    return sum(
        (
            line.amount
            for name, item in accounts.items.items()
            if item.replaced_by is None and name != beside
            for line, said in zip(item.lines, item.invoice.lines, strict=True)
            if said.late is not None and newest(accounts, said.late) == late
        ),
        ZERO,
    )


def allocation(item: Item) -> tuple[Decimal, ...]:
    """What is paid of each line: payments and negative lines go to the lines in their order, what is disputed last."""
    less = sum((min(line.amount, ZERO) for line in item.lines), ZERO)
    left = item.paid - less
    found = [min(line.amount, ZERO) for line in item.lines]
    for disputed in (False, True):
        for place, line in enumerate(item.lines):
            part = min(line.held, max(line.amount, ZERO)) if disputed else max(line.amount - line.held, ZERO)
            taken = min(part, max(left, ZERO))
            found[place] += taken
            left -= taken
    return tuple(found)
