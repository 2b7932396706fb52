"""What the acts of billing look up: the accounts with a partner, an invoice of them, documents in the book, and free names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TypeVar

from intertie.gateway.trading.trade_desk import Desk
from intertie.market.account import items_under
from intertie.market.billing import local_day
from intertie.market.billing_state import Accounts, Item
from intertie.market.due_dates import due_date
from intertie.model.errors import SettingsError
from intertie.model.interval import Window
from intertie.model.record import Record

# Of an agreement on paper nobody here knows the payment date; thirty days are usual.
PAID_WITHIN = timedelta(days=30)

_Of = TypeVar("_Of", bound=Record)


def today(desk: Desk) -> date:
    """The day, in the zone of the contract's calendar."""
    return local_day(desk.text, desk.now)


def due_of(desk: Desk, period: Window, issued: date) -> date:
    """When an invoice is due that names no day of its own: as the contract says, or, where it stands on paper, so many days after
    issue."""
    known = desk.book.contracts.get(desk.agreement)
    text = known.text_at(desk.now) if known is not None else None
    return issued + PAID_WITHIN if text is None else due_date(text, period, issued)


def items_of(desk: Desk) -> tuple[Item, ...]:
    """The invoices under the agreement that we speak under, with what we have said and is on its way."""
    return items_under(desk.drafted.accounts, desk.agreement)


def find_item(desk: Desk, name: str) -> Item:
    """The invoice of this name; SettingsError if there is none under the agreement."""
    item = desk.drafted.accounts.items.get(name)
    if item is None or item.agreement != desk.agreement:
        raise SettingsError(
            f"there is no invoice {name} under {desk.agreement} with {desk.partner}",
            do=f"`intertie billing show {desk.partner}` lists them.",
        )
    return item


def bodies_of(desk: Desk, kind: type[_Of]) -> Iterator[_Of]:
    """The documents of a kind in the book with the partner under the agreement, the newest first."""
    for event in reversed(desk.events):
        if isinstance(event.body, kind) and event.agreement == desk.agreement:
            yield event.body


def free_name(desk: Desk, begins: str) -> str:
    """A name that no document of billing has: `begins`, with a number behind it if that is taken."""
    accounts = desk.drafted.accounts
    number, name = 1, begins
    while is_taken(accounts, name):
        number += 1
        name = f"{begins}-{number}"
    return name


def is_taken(accounts: Accounts, name: str) -> bool:
    """Whether a document of billing has this name."""
    named = (accounts.items, accounts.credits, accounts.remittances, accounts.statements)
    return any(name in names for names in named)
