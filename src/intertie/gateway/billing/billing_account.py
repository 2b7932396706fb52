"""The statement of account: made from the book, sent, and compared with the one that the other side made."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

import msgspec

from intertie.gateway.billing.billing_desk import bodies_of, free_name, today
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.account import statement_of
from intertie.market.billing import statement_hash
from intertie.model.account import AccountEntry, AccountStatement
from intertie.model.errors import SettingsError
from intertie.model.ids import MessageId, PartyId
from intertie.model.interval import Window, local_day


class Compared(NamedTuple):
    """Their statement beside ours of the same time: equal to the byte, or where they part."""

    theirs: AccountStatement
    ours: AccountStatement
    differences: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether they are the same bytes."""
        return statement_hash(self.theirs) == statement_hash(self.ours)


def month_before(desk: Desk) -> Window:
    """The calendar month before this one, in the zone of the contract's calendar."""
    zone = desk.text.calendar.zone
    first = today(desk).replace(day=1)
    last = first - timedelta(days=1)
    return Window(start=local_day(last.replace(day=1), zone).start, end=local_day(first, zone).start)


def days(desk: Desk, first: date, last: date) -> Window:
    """Whole days in the zone of the contract's calendar. SettingsError if they are in the wrong order."""
    if last < first:
        raise SettingsError(f"{last} is before {first}", do="Name --from first, then --to.")
    zone = desk.text.calendar.zone
    return Window(start=local_day(first, zone).start, end=local_day(last, zone).end)


def make(desk: Desk, period: Window, name: str | None = None) -> AccountStatement:
    """The statement of a time that is over, from what both hold. SettingsError if it is not over."""
    if period.end > desk.now:
        raise SettingsError(
            f"the time until {period.end.isoformat()} is not over", do="Name an earlier --to."
        )
    book = desk.book_before((period.end, MessageId(""), PartyId("")))
    chosen = name or free_name(desk, f"A-{period.end:%Y%m%d}")
    return statement_of(book.accounts, desk.text, chosen, period)


def send(desk: Desk, statement: AccountStatement) -> MessageId:
    """Send it."""
    return desk.say(statement)[0]


def find(desk: Desk, name: str | None) -> AccountStatement:
    """The statement of account of this name in the book, or the newest that the partner made; SettingsError if there is none."""
    said = desk.book.accounts.statements
    for body in bodies_of(desk, AccountStatement):
        made_by = said[body.account].sender if body.account in said else None
        if body.account == name or (name is None and made_by == desk.partner):
            return body
    raise SettingsError(
        f"there is no statement of account {name or 'from ' + desk.partner}",
        do="`intertie billing account PARTNER --send` makes one and sends it.",
    )


def compare(desk: Desk, theirs: AccountStatement) -> Compared:
    """Make the statement again from our own book, and say where the two part."""
    ours = make(desk, theirs.period, theirs.account)
    return Compared(theirs, ours, differences(theirs, ours))


def differences(theirs: AccountStatement, ours: AccountStatement) -> tuple[str, ...]:
    """Where two statements of one period part, for people: messages that only one has, amounts, balances, ageing."""
    found = []
    here, there = ({entry_key(one): one for one in side.entries} for side in (ours, theirs))
    found += [f"{_said(there[key])} is in theirs only" for key in there if key not in here]
    found += [f"{_said(here[key])} is in ours only" for key in here if key not in there]
    found += [
        f"{_said(there[key])}: in ours {here[key].amount}"
        for key in there
        if key in here and there[key].amount != here[key].amount
    ]
    for field in ("opening", "closing"):
        if getattr(theirs, field) != getattr(ours, field):
            found.append(f"{field}: theirs {getattr(theirs, field)}, ours {getattr(ours, field)}")
    for one, other in zip(theirs.ageing, ours.ageing, strict=True):
        if one != other:
            found.append(f"ageing of {one.debtor}: theirs {_plain(one)}, ours {_plain(other)}")
    return tuple(found)


def entry_key(entry: AccountEntry) -> tuple[str, str, str]:
    """What two statements know a row by."""
    return entry.message, entry.kind, entry.name


def _said(entry: AccountEntry) -> str:
    return f"{entry.kind} {entry.name} of {entry.amount} (message {entry.message})"


def _plain(record: msgspec.Struct) -> str:
    return ", ".join(f"{k} {v}" for k, v in msgspec.structs.asdict(record).items() if k != "debtor")
