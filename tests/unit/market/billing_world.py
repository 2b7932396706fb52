"""Two parties under a signed contract, and short ways to write what they charge and pay."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace
from tests.unit.market.trade_world import AGGREGATOR, GSA, TEXT, World

from intertie.market.billing_state import Accounts, Item
from intertie.market.dispute import Disputes
from intertie.model.account import CreditLine, CreditMemo
from intertie.model.agreement import BaseContract
from intertie.model.billing import (
    Dispute,
    DisputeAnswer,
    DisputedLine,
    DisputeReason,
    Invoice,
    InvoiceLine,
    LineAnswer,
    LineCode,
    PaidInvoice,
    PaymentMethod,
    RemittanceAdvice,
    Resolution,
)
from intertie.model.ids import PartyId
from intertie.model.interval import Window
from intertie.model.quantity import Money
from intertie.model.record import Record

JUNE = Window(start=datetime(2026, 6, 1, 4, tzinfo=UTC), end=datetime(2026, 7, 1, 4, tzinfo=UTC))
MAY = Window(start=datetime(2026, 5, 1, 4, tzinfo=UTC), end=datetime(2026, 6, 1, 4, tzinfo=UTC))
FIRST, DUE = date(2026, 7, 2), date(2026, 7, 27)  # the 25th is a Saturday


def usd(amount: Decimal, currency: str = "USD") -> Money:
    return Money(amount=amount, currency=currency)


def line(number: int, amount: str, code: LineCode = LineCode.UTILISATION, **changes: Any) -> InvoiceLine:
    good = InvoiceLine(
        line=number,
        code=code,
        text=f"line {number}",
        quantity=Decimal(1),
        unit="kWh",
        rate=Decimal(amount),
        amount=Decimal(amount),
        late=changes.pop("late", None),
    )
    return replace(good, **changes)


def bill(name: str, *amounts: str, currency: str = "USD", **changes: Any) -> Invoice:
    lines = tuple(line(number, amount) for number, amount in enumerate(amounts, 1))
    return invoice(name, lines, currency=currency, **changes)


def invoice(name: str, lines: tuple[InvoiceLine, ...], *, currency: str = "USD", **changes: Any) -> Invoice:
    total = sum((one.amount for one in lines), Decimal("0.00"))
    given: dict[str, Any] = {"period": JUNE, "issued": FIRST, "due": DUE, **changes}
    return Invoice(invoice=name, lines=lines, total=usd(total, currency), **given)


def pays(
    name: str, invoices: dict[str, str], *, on: date = FIRST, dispute: str | None = None, **changes: Any
) -> RemittanceAdvice:
    paid = tuple(
        PaidInvoice(invoice=one, amount=Decimal(amount), dispute=dispute) for one, amount in invoices.items()
    )
    total = sum((one.amount for one in paid), Decimal("0.00"))
    given: dict[str, Any] = {"method": PaymentMethod.ACH, "reference": f"T-{name}", **changes}
    return RemittanceAdvice(
        remittance=name,
        invoices=paid,
        paid_on=on,
        total=usd(total, given.pop("currency", "USD")),
        **given,
    )


def disputes(name: str, about: str, **lines: tuple[str, str]) -> Dispute:
    """`l2=("60.00", "50.00")`: of line 2 so much is claimed, and so much expected."""
    return Dispute(
        dispute=name,
        invoice=about,
        lines=tuple(
            DisputedLine(
                line=int(number[1:]),
                claimed=Decimal(claimed),
                expected=Decimal(expected),
                reason=DisputeReason.QUANTITY,
            )
            for number, (claimed, expected) in lines.items()
        ),
    )


def answers(name: str, resolution: Resolution, replaced: str | None = None, **lines: str) -> DisputeAnswer:
    return DisputeAnswer(
        dispute=name,
        resolution=resolution,
        corrected_invoice=replaced,
        lines=tuple(
            LineAnswer(line=int(number[1:]), resolution=resolution, agreed=Decimal(agreed))
            for number, agreed in lines.items()
        ),
    )


def credits_(
    name: str, about: str, *, currency: str = "USD", issued: date = FIRST, **lines: str
) -> CreditMemo:
    made = tuple(CreditLine(line=int(n[1:]), amount=Decimal(amount)) for n, amount in lines.items())
    total = sum((one.amount for one in made), Decimal("0.00"))
    return CreditMemo(credit=name, invoice=about, issued=issued, lines=made, total=usd(total, currency))


def elected(**elections: Any) -> BaseContract:
    return replace(TEXT, elections=replace(TEXT.elections, **elections))


class Ledgers(World):
    """A world on 2 July, in which things are said under the contract."""

    def __init__(self, text: BaseContract = TEXT) -> None:
        super().__init__()
        self.text = text
        self.signed(text)
        self.now = datetime(2026, 7, 2, 16, tzinfo=UTC)

    def tell(self, sender: PartyId, *bodies: Record) -> None:
        for body in bodies:
            self.say(sender, body, agreement=GSA)

    def later(self, days: int) -> None:
        self.now += timedelta(days=days)

    @property
    def accounts(self) -> Accounts:
        return self.ledger().book.accounts

    @property
    def disputes(self) -> Disputes:
        return self.ledger().book.disputes

    @property
    def broken(self) -> list[str]:
        """The rules that were broken, in order."""
        return [void.rule.name for void in self.ledger().voids]

    def item(self, name: str) -> Item:
        return self.accounts.items[name]


def sold(*amounts: str, text: BaseContract = TEXT) -> Ledgers:
    """The aggregator has charged I-1."""
    world = Ledgers(text)
    world.tell(AGGREGATOR, bill("I-1", *amounts))
    return world
