"""The statement of account, and ageing: what was said in a period with its running balance, and how long what is open has
been due. Pure functions of the accounts, so that both sides make the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal

from intertie.market.billing import local_day
from intertie.market.billing_state import ZERO, Accounts, Item
from intertie.model.account import ENTRIES_MAX, AccountEntry, AccountStatement, Ageing
from intertie.model.agreement import BaseContract
from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementId, PartyId
from intertie.model.interval import Window
from intertie.model.quantity import to_cents

# From so many days after the due day on; what is due today is not late.
BUCKETS: Mapping[str, int] = {"days_over_90": 91, "days_61_90": 61, "days_31_60": 31, "days_1_30": 1}
NOT_DUE, DISPUTED, CREDIT = "not_due", "disputed", "credit"


def items_under(accounts: Accounts, agreement: AgreementId) -> tuple[Item, ...]:
    """The invoices under an agreement, in the order of their issue."""
    found = (item for item in accounts.items.values() if item.agreement == agreement)
    return tuple(sorted(found, key=lambda item: (item.invoice.issued, item.invoice.invoice)))


def balance(accounts: Accounts, agreement: AgreementId) -> Decimal:
    """What the buyer owes the seller: the sum of all rows."""
    return sum((entry.amount for entry in accounts.entries if entry.agreement == agreement), ZERO)


def bucket(item: Item, day: date) -> str:
    """Where what is payable of an invoice belongs on a day."""
    late = (day - item.invoice.due).days
    return next((name for name, least in BUCKETS.items() if late >= least), NOT_DUE)


def ageing(items: Iterable[Item], debtor: PartyId, day: date) -> Ageing:
    """What a debtor owes on a day, by age. Each invoice's open amount is in the buckets once."""
    sums = dict.fromkeys((NOT_DUE, *BUCKETS, DISPUTED, CREDIT), ZERO)
    for item in items:
        if item.payer == debtor:
            sums[DISPUTED] += item.held
            sums[bucket(item, day) if item.payable > 0 else CREDIT] += item.payable
    cents = {name: to_cents(amount) for name, amount in sums.items()}
    return Ageing(debtor=debtor, total=to_cents(sum(cents.values(), ZERO)), **cents)


def statement_of(accounts: Accounts, text: BaseContract, name: str, period: Window) -> AccountStatement:
    """The statement of a period, from the accounts as they stood at its end. SettingsError if it has too many rows."""
    rows = [entry for entry in accounts.entries if entry.agreement == text.agreement]
    if any(entry.received >= period.end for entry in rows):
        raise SettingsError("these accounts go on after the period", do="Take those as of its end.")
    running = opening = to_cents(sum((entry.amount for entry in rows if entry.received < period.start), ZERO))
    entries = []
    for entry in rows:
        if entry.received >= period.start:
            running = to_cents(running + entry.amount)
            entries.append(
                AccountEntry(
                    received=entry.received,
                    message=entry.message,
                    kind=entry.kind,
                    name=entry.name,
                    amount=to_cents(entry.amount),
                    balance=running,
                )
            )
    if len(entries) > ENTRIES_MAX:
        raise SettingsError(f"{len(entries)} rows, at most {ENTRIES_MAX}", do="Name a shorter period.")
    as_of = local_day(text, period.end - timedelta(microseconds=1))
    items = items_under(accounts, text.agreement)
    return AccountStatement(
        account=name,
        agreement=text.agreement,
        buyer=text.buyer,
        seller=text.seller,
        currency=text.elections.currency,
        period=period,
        opening=opening,
        entries=tuple(entries),
        closing=running,
        as_of=as_of,
        ageing=(ageing(items, text.buyer, as_of), ageing(items, text.seller, as_of)),
    )
