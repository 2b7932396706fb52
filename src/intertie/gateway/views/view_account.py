"""The statement of account of a period, and those that were sent, ours and theirs."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from intertie.gateway.billing.billing_account import days, make, month_before
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.billing import statement_hash
from intertie.model.account import AccountStatement
from intertie.model.ids import MessageId

# Two years of monthly ones; older ones are among the messages.
SENT_SHOWN = 24


class SentAccount(NamedTuple):
    """A statement of account that both hold."""

    account: str
    ours: bool
    first: date
    last: date
    closing: Decimal
    received: datetime
    message: MessageId


class AccountView(NamedTuple):
    """The statement of the days from `first` to `last`, its hash, and what was sent."""

    body: AccountStatement
    sha256: str
    first: date
    last: date
    sent: tuple[SentAccount, ...]


def account_view(desk: Desk, first: date | None, last: date | None, name: str | None = None) -> AccountView:
    """The statement of these days, or of last month. SettingsError for days that are not over, or no contract made here."""
    period = month_before(desk) if first is None or last is None else days(desk, first, last)
    body = make(desk, period, name)
    return AccountView(body, statement_hash(body), *_days(desk, body), _sent(desk))


def _sent(desk: Desk) -> tuple[SentAccount, ...]:
    found = []
    for event in reversed(desk.events):
        body = event.body
        if isinstance(body, AccountStatement) and event.agreement == desk.agreement:
            ours = event.sender == desk.us
            found.append(
                SentAccount(
                    body.account, ours, *_days(desk, body), body.closing, event.received, event.message
                )
            )
        if len(found) == SENT_SHOWN:
            break
    return tuple(found)


def _days(desk: Desk, body: AccountStatement) -> tuple[date, date]:
    """The first and the last day, in the zone of the contract's calendar."""
    zone = ZoneInfo(desk.text.calendar.zone)
    last = (body.period.end - timedelta(microseconds=1)).astimezone(zone).date()
    return body.period.start.astimezone(zone).date(), last
