"""Money: the invoice with its lines, the payment, the dispute and its answer."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.model.contract import ROUNDING
from intertie.model.ids import ConfirmationRef, Name, ShortText, Text
from intertie.model.interval import Instant, Window
from intertie.model.quantity import Money, to_cents
from intertie.model.record import Record, RuleError
from intertie.model.rules import forbids, needs, no_repeats

# A month of a service has tens of lines; a thousand leave room for one per event and point.
LINES_MAX = 1000

_CENT = Decimal("0.01")

LineNumber = Annotated[int, Meta(ge=1, le=1_000_000)]


class LineCode(StrEnum):
    """What a line is for: reservation, utilisation, penalty, adjustment, tax, interest on what was paid late."""

    RESERVATION = "RES"
    UTILISATION = "UTL"
    PENALTY = "PEN"
    ADJUSTMENT = "ADJ"
    TAX = "TAX"
    INTEREST = "INT"


# An invoice has a thousand lines, and each asks.
_INTEREST, _PENALTY = LineCode.INTEREST, LineCode.PENALTY


class InvoiceLine(Record, frozen=True, kw_only=True):
    """One line. `amount` is in the currency of the total, rounded to the cent; a penalty is never above zero. `late` names the
    invoice whose late payment a line of interest is for."""

    line: LineNumber
    code: LineCode
    text: ShortText
    quantity: Decimal
    unit: ShortText
    rate: Decimal
    amount: Decimal
    dispatch: Name | None = None
    statement: Name | None = None
    late: Name | None = None

    def check(self) -> None:
        """Whole cents; a penalty lowers the total; interest, and nothing else, is for a late invoice."""
        whole_cents("amount", self.amount)
        if self.code is _INTEREST:
            needs(self, self.code, "late")
        elif self.late is not None:
            forbids(self, self.code, "late")
        if self.code is _PENALTY and self.amount > 0:
            raise RuleError("amount: a penalty (PEN) is zero or below; reverse one with ADJ")


class Invoice(Record, frozen=True, kw_only=True):
    """What one party charges for a period (NAESB monthly billing with support; X12 810).

    `corrects` names the invoice that this one replaces. `rounding` prints the rule the amounts follow.
    """

    invoice: Name
    period: Window
    issued: date
    due: date
    lines: Annotated[tuple[InvoiceLine, ...], Meta(min_length=1, max_length=LINES_MAX)]
    total: Money
    corrects: Name | None = None
    confirmation: ConfirmationRef | None = None
    rounding: ShortText = ROUNDING
    text: Text = ""

    def check(self) -> None:
        """Each line number once; due not before issued; the total is exactly the sum of the lines."""
        no_repeats("lines", (line.line for line in self.lines))
        if self.due < self.issued:
            raise RuleError("due: before it was issued")
        if self.corrects == self.invoice:
            raise RuleError("corrects: an invoice does not correct itself")
        exact_total("total", self.total, [line.amount for line in self.lines])


class PaymentMethod(StrEnum):
    """How it was paid (NAESB cover sheet: method of payment)."""

    ACH = "ach"
    WIRE = "wire"
    CHEQUE = "cheque"


class PaidInvoice(Record, frozen=True, kw_only=True):
    """What a payment holds for one invoice; less than its total where `dispute` names why. Credits are below zero."""

    invoice: Name
    amount: Decimal
    dispute: Name | None = None

    def check(self) -> None:
        """Whole cents."""
        whole_cents("amount", self.amount)


class RemittanceAdvice(Record, frozen=True, kw_only=True):
    """Says what a payment is for (X12 820). `reference` is the bank's trace number, never an account number."""

    remittance: Name
    invoices: Annotated[tuple[PaidInvoice, ...], Meta(min_length=1, max_length=LINES_MAX)]
    method: PaymentMethod
    reference: Name
    paid_on: date
    total: Money
    text: Text = ""

    def check(self) -> None:
        """Each invoice once; the total is exactly the sum, and somebody was paid."""
        no_repeats("invoices", (paid.invoice for paid in self.invoices))
        exact_total("total", self.total, [paid.amount for paid in self.invoices])
        if self.total.amount < 0:
            raise RuleError("total: a payment is not below zero")


class DisputeReason(StrEnum):
    """Why a line is not accepted."""

    METER_DATA = "meter_data"
    BASELINE = "baseline"
    PERFORMANCE = "performance"
    DISPATCH = "dispatch"
    AVAILABILITY = "availability"
    RATE = "rate"
    QUANTITY = "quantity"
    ARITHMETIC = "arithmetic"
    DUPLICATE = "duplicate"
    PERIOD = "period"
    TAX = "tax"
    OTHER = "other"


class DifferingInput(Record, frozen=True, kw_only=True):
    """An input that the two sides hold differently: a meter's reading, a dispatch, a day used, a term of the deal."""

    input: Name
    theirs: ShortText
    ours: ShortText


class DisputedLine(Record, frozen=True, kw_only=True):
    """One line of the invoice: what is claimed, what is expected instead, why, and from which differing inputs."""

    line: LineNumber
    claimed: Decimal
    expected: Decimal
    reason: DisputeReason
    inputs: Annotated[tuple[DifferingInput, ...], Meta(max_length=LINES_MAX)] = ()
    text: Text = ""

    def check(self) -> None:
        """There is a difference, in whole cents."""
        whole_cents("claimed", self.claimed)
        whole_cents("expected", self.expected)
        if self.claimed == self.expected:
            raise RuleError("expected: equal to what is claimed, so nothing is disputed")


class Dispute(Record, frozen=True, kw_only=True):
    """Disputes lines of an invoice; what is not disputed is paid (NAESB: notify in writing, pay the undisputed part)."""

    dispute: Name
    invoice: Name
    lines: Annotated[tuple[DisputedLine, ...], Meta(min_length=1, max_length=LINES_MAX)]
    reply_by: Instant | None = None
    text: Text = ""

    def check(self) -> None:
        """Each line once."""
        no_repeats("lines", (line.line for line in self.lines))


class Resolution(StrEnum):
    """How a dispute, or one line of it, ends: the claim given up, a correction issued, met half way, or the claim upheld."""

    CONCEDED = "conceded"
    CORRECTED = "corrected"
    SPLIT = "split"
    REJECTED = "rejected"


class LineAnswer(Record, frozen=True, kw_only=True):
    """The answer on one disputed line and the amount it now stands at."""

    line: LineNumber
    resolution: Resolution
    agreed: Decimal
    text: Text = ""

    def check(self) -> None:
        """Whole cents."""
        whole_cents("agreed", self.agreed)


class DisputeAnswer(Record, frozen=True, kw_only=True):
    """Answers a dispute line by line; a correction names the invoice that replaces the disputed one."""

    dispute: Name
    resolution: Resolution
    lines: Annotated[tuple[LineAnswer, ...], Meta(min_length=1, max_length=LINES_MAX)]
    corrected_invoice: Name | None = None
    text: Text = ""

    def check(self) -> None:
        """Each line once; `corrected` names the new invoice."""
        no_repeats("lines", (line.line for line in self.lines))
        if self.resolution is Resolution.CORRECTED:
            needs(self, self.resolution, "corrected_invoice")


def whole_cents(field: str, amount: Decimal) -> None:
    """ValueError if the amount has a fraction of a cent."""
    if not amount.same_quantum(_CENT) and amount != to_cents(amount):  # most are written with two places
        raise RuleError(f"{field}: not in whole cents")


def exact_total(field: str, total: Money, amounts: list[Decimal]) -> None:
    """ValueError if the total is not exactly the sum."""
    due = sum(amounts, Decimal(0))
    if total.amount != due:
        raise RuleError(f"{field}: not what the lines add up to")
