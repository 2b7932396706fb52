"""What a remittance does: each of its lines is matched with an invoice, in either direction, and nothing is paid twice."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from intertie.market import billing_rules as rules
from intertie.market.billing_state import TABLE, Accounts, Item, Payment, Step, newest
from intertie.market.event import Broken, Event
from intertie.model.agreement import BaseContract, Netting
from intertie.model.billing import PaidInvoice, RemittanceAdvice


def take_payment(
    accounts: Accounts, body: RemittanceAdvice, event: Event, text: BaseContract, today: date
) -> Accounts:
    """The accounts after a remittance; Broken if a rule forbids it."""
    reference = f"{event.sender}/{body.method}/{body.reference}"
    if body.remittance in accounts.remittances:
        raise Broken(rules.REMITTANCE, f"{body.remittance} is there already")
    if reference in accounts.references:
        raise Broken(
            rules.REMITTANCE, f"reference {body.reference} is that of {accounts.references[reference]}"
        )
    if body.total.currency != text.elections.currency:
        raise Broken(rules.CURRENCY, f"{body.total.currency}, the cover sheet says {text.elections.currency}")
    if body.paid_on > today:
        raise Broken(rules.PAID_ON, f"{body.remittance} is of {body.paid_on}")
    items = dict(accounts.items)
    for paid in body.invoices:
        item = newest(accounts._replace(items=items), paid.invoice)
        if item is None or item.agreement != event.agreement:
            raise Broken(rules.UNKNOWN, f"no invoice {paid.invoice} under {event.agreement}")
        if paid.dispute is not None:
            _check_dispute(accounts, paid, item)
        items[item.invoice.invoice] = _paid(item, paid.amount, body, event, text)
    return accounts._replace(
        items=items,
        remittances={**accounts.remittances, body.remittance: event.sender},
        references={**accounts.references, reference: body.remittance},
    )


def _check_dispute(accounts: Accounts, paid: PaidInvoice, item: Item) -> None:
    about = newest(accounts, accounts.disputes.get(paid.dispute or "", ""))
    if about is None or about.invoice.invoice != item.invoice.invoice:
        raise Broken(rules.HELD, f"{paid.dispute} is no dispute of {paid.invoice}")


def _paid(item: Item, amount: Decimal, body: RemittanceAdvice, event: Event, text: BaseContract) -> Item:
    """The item after so much of it was paid: by its payer, or, netted, by its issuer (whose debt the payment lowers)."""
    own = item.issuer == event.sender
    taken = -amount if own else amount
    if taken == 0:
        return item
    if own and text.elections.netting is not Netting.NETTED:
        raise Broken(rules.NETTING, f"{item.invoice.invoice} is {event.sender}'s own, and payment is gross")
    if item.open == 0:
        raise Broken(rules.TWICE, f"{item.invoice.invoice} is settled")
    if (taken > 0) != (item.open > 0):
        if taken > 0:
            raise Broken(rules.TWICE, f"{item.invoice.invoice} is settled, and {-item.open} in credit")
        raise Broken(rules.USED, f"{item.invoice.invoice} has no credit: {item.open} is open")
    if own and taken > item.payable:
        raise Broken(rules.NETTING, f"{taken} of {item.invoice.invoice}, payable is {item.payable}")
    if taken < item.open < 0:
        raise Broken(rules.USED, f"{-taken} of {item.invoice.invoice}, in credit is {-item.open}")
    after = item._replace(payments=(*item.payments, Payment(body.paid_on, taken, body.remittance)))
    return after._replace(state=TABLE[item.state, _step(item, after)])


def _step(before: Item, after: Item) -> Step:
    if before.open < 0:
        return Step.USE_UP if after.open == 0 else Step.USE_CREDIT
    return Step.PAY_REST if after.open == 0 else Step.PAY_PART if after.open > 0 else Step.OVERPAY
