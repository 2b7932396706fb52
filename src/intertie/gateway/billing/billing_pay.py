"""Acts of whoever pays: what is payable to a partner, netted where that is elected, and the remittance advice that says so."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from intertie.gateway.billing.billing_desk import find_item, free_name, items_of, today
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.billing_state import ZERO, Item
from intertie.model.agreement import Netting
from intertie.model.billing import PaidInvoice, PaymentMethod, RemittanceAdvice
from intertie.model.errors import SettingsError
from intertie.model.ids import MessageId
from intertie.model.made import made
from intertie.model.quantity import Money


class Payable(NamedTuple):
    """A line of a payment: an invoice, what is paid of it (below zero: what it lowers the payment by), what is held back for a
    dispute, and its name."""

    item: Item
    amount: Decimal
    held: Decimal
    dispute: str | None


def payable(
    desk: Desk,
    only: Collection[str] = (),
    by: date | None = None,
    amounts: Mapping[str, Decimal] | None = None,
) -> list[Payable]:
    """What we would pay now: of each invoice of the partner what is open and not disputed, of those due `by` a day if one is
    named; less credits, and less what the partner owes us if netting is elected. `amounts` pays so much of an invoice instead."""
    for name in (*only, *(amounts or {})):
        find_item(desk, name)
    netted = desk.text.elections.netting is Netting.NETTED
    said = amounts or {}
    found: list[Payable] = []
    for item in items_of(desk):
        name = item.invoice.invoice
        named = name in only or name in said or not (only or said)
        ours = item.issuer == desk.us
        if not named or item.open == 0 or (ours and not netted):
            continue
        if by is not None and item.open > 0 and item.invoice.due > by:
            continue
        sign = -1 if ours else 1
        amount = said.get(name, sign * item.payable)
        if amount:
            held = ZERO if ours else item.held
            found.append(Payable(item, amount, held, item.disputes[-1] if held else None))
    return found


def total_of(lines: Collection[Payable]) -> Decimal:
    """What a payment of these lines comes to."""
    return sum((line.amount for line in lines), ZERO)


def pay(
    desk: Desk,
    lines: Collection[Payable],
    method: PaymentMethod,
    reference: str,
    paid_on: date | None = None,
    name: str | None = None,
    text: str = "",
) -> MessageId:
    """Say that these lines were paid. SettingsError if there is nothing to pay."""
    total = total_of(lines)
    if not lines:
        raise SettingsError(
            f"nothing is payable to {desk.partner}",
            do="`intertie billing show` says what is open and disputed.",
        )
    if total < 0:
        raise SettingsError(
            f"{desk.partner} owes more than we do: {-total}",
            do="It pays the difference; or name the invoices to pay with --invoice.",
        )
    body = made(
        RemittanceAdvice,
        remittance=free_name(desk, name or f"P-{today(desk):%Y%m%d}"),
        invoices=tuple(
            made(PaidInvoice, invoice=one.item.invoice.invoice, amount=one.amount, dispute=one.dispute)
            for one in lines
        ),
        method=method,
        reference=reference,
        paid_on=paid_on or today(desk),
        total=Money(amount=total, currency=desk.text.elections.currency),
        text=text,
    )
    return desk.say(body)[0]
