"""Billing: invoices, corrections, credit memos, payments, and what disputes do to them, as both sides fold them.

Disputes have a family of their own; here only what they do to the money counts: what is disputed is held back, and what an
answer agrees to is owed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec

from intertie.market import billing_rules as rules
from intertie.market import confirmation
from intertie.market.billing_payment import take_payment
from intertie.market.billing_state import (
    TABLE,
    ZERO,
    Accounts,
    Entry,
    Item,
    Line,
    Said,
    State,
    Step,
    charged_interest,
    newest,
)
from intertie.market.calendar import zone_of
from intertie.market.confirmation import Deals
from intertie.market.contract import DAYS_OF_A_MONTH
from intertie.market.due_dates import due_date
from intertie.market.event import Broken, Event
from intertie.model.account import AccountStatement, CreditMemo, EntryKind
from intertie.model.agreement import BaseContract
from intertie.model.billing import Dispute, DisputeAnswer, Invoice, LineAnswer, RemittanceAdvice, Resolution
from intertie.model.ids import PartyId
from intertie.model.record import Record

RULES = rules.RULES
# A line that was answered so is disputed no longer; any other answer leaves it held back.
SETTLES = frozenset({Resolution.CONCEDED, Resolution.CORRECTED, Resolution.SPLIT, Resolution.REJECTED})


class Setting(NamedTuple):
    """What a message of this family stands in: the contract's text as it reads then, and the deals."""

    text: BaseContract
    deals: Deals


def local_day(text: BaseContract, at: datetime) -> date:
    """The day of an instant in the zone of the contract's calendar."""
    return at.astimezone(zone_of(text.calendar)).date()


def apply(accounts: Accounts, event: Event, setting: Setting) -> Accounts:
    """The accounts after a message of this family; Broken if a rule forbids it."""
    body, text = event.body, setting.text
    if isinstance(body, Invoice):
        return _invoiced(accounts, body, event, setting)
    if isinstance(body, CreditMemo):
        return _credited(accounts, body, event, text)
    if isinstance(body, RemittanceAdvice):
        after = take_payment(accounts, body, event, text, local_day(text, event.received))
        paid = -body.total.amount if event.sender == text.buyer else body.total.amount
        return _with_entry(after, event, EntryKind.PAYMENT, body.remittance, paid)
    if isinstance(body, Dispute):
        return _disputed(accounts, body, event)
    if isinstance(body, DisputeAnswer):
        return _answered(accounts, body, event, text)
    if isinstance(body, AccountStatement):
        return _stated(accounts, body, event, text)
    raise TypeError(type(body).__name__)


def statement_hash(body: AccountStatement) -> str:
    """The SHA-256 of a statement of account, as both sides write it."""
    return hashlib.sha256(msgspec.json.encode(body)).hexdigest()


def _with_entry(accounts: Accounts, event: Event, kind: EntryKind, name: str, amount: Decimal) -> Accounts:
    assert event.agreement is not None
    entry = Entry(event.received, event.message, kind, name, event.agreement, amount)
    return accounts._replace(entries=(*accounts.entries, entry))


def _with_item(accounts: Accounts, item: Item) -> Accounts:
    return accounts._replace(items={**accounts.items, item.invoice.invoice: item})


def _owes(text: BaseContract, issuer: PartyId, amount: Decimal) -> Decimal:
    """What an amount that this party charges adds to what the buyer owes the seller."""
    return amount if issuer == text.seller else -amount


def _check_said(
    accounts: Accounts, name: str, currency: str, issued: date, event: Event, text: BaseContract
) -> None:
    """What holds for invoices and credit memos alike."""
    if name in accounts.items or name in accounts.credits:
        raise Broken(rules.NAME, f"{name} is there already")
    if currency != text.elections.currency:
        raise Broken(rules.CURRENCY, f"{currency}, the cover sheet says {text.elections.currency}")
    if issued > local_day(text, event.received):
        raise Broken(rules.ISSUED, f"{name} is issued on {issued}")


def _check_window(end: datetime, event: Event, text: BaseContract) -> None:
    months = text.elections.adjustment_window_months
    if event.received - timedelta(days=round(months * DAYS_OF_A_MONTH)) >= end:
        raise Broken(rules.WINDOW, f"its period ended {end.date()}, more than {months} months ago")


def _invoiced(accounts: Accounts, body: Invoice, event: Event, setting: Setting) -> Accounts:
    text = setting.text
    _check_said(accounts, body.invoice, body.total.currency, body.issued, event, text)
    _check_window(body.period.end, event, text)
    earliest = due_date(text, body.period, body.issued)
    if body.due < earliest:
        raise Broken(rules.DUE, f"{body.invoice} is due {body.due}, by the contract not before {earliest}")
    _check_deal(body, event, setting.deals)
    _check_interest(accounts, body, event, text)
    before = _corrected(accounts, body, event)
    lines = tuple(Line(line.line, line.amount) for line in body.lines)
    item = Item(
        body, event.sender, event.recipient, text.agreement, event.received, lines, State.UNKNOWN,
        payments=before.payments if before else (),
    )  # fmt: skip
    item = item._replace(state=_step(item, _issuing(item)))
    if before is not None:
        stood = _owes(text, event.sender, before.amount)
        gone = before._replace(state=_step(before, Step.REPLACE), payments=(), replaced_by=body.invoice)
        accounts = _with_entry(
            _with_item(accounts, gone), event, EntryKind.REPLACED, gone.invoice.invoice, -stood
        )
    owed = _owes(text, event.sender, item.amount)
    return _with_entry(_with_item(accounts, item), event, EntryKind.INVOICE, body.invoice, owed)


def _issuing(item: Item) -> Step:
    if item.open > 0:
        return Step.ISSUE_PAID if item.payments else Step.ISSUE
    return Step.ISSUE_SETTLED if item.open == 0 else Step.ISSUE_CREDIT


def _check_deal(body: Invoice, event: Event, deals: Deals) -> None:
    if body.confirmation is None:
        return
    deal = deals.get(body.confirmation)
    under = deal is not None and deal.terms.agreement == event.agreement
    if deal is None or not under or confirmation.status(deal, event.received) not in confirmation.STANDING:
        raise Broken(rules.DEAL, f"no deal {body.confirmation} stands under {event.agreement}")


def _check_interest(accounts: Accounts, body: Invoice, event: Event, text: BaseContract) -> None:
    asked: dict[str, Decimal] = {}
    for line in body.lines:
        if line.late is None:
            continue
        late = newest(accounts, line.late)
        if late is None or late.issuer != event.sender or late.agreement != event.agreement:
            raise Broken(rules.INTEREST, f"{line.late} is no invoice of {event.sender}")
        name = late.invoice.invoice
        asked[name] = asked.get(name, ZERO) + line.amount
        due = late.interest(body.issued, text.elections) - charged_interest(accounts, late, body.corrects)
        if asked[name] > due:
            raise Broken(rules.INTEREST, f"{asked[name]} for {name}, by the contract {due}")


def _corrected(accounts: Accounts, body: Invoice, event: Event) -> Item | None:
    """The invoice that this one replaces, if it does."""
    if body.corrects is None:
        return None
    before = accounts.items.get(body.corrects)
    if before is None or before.issuer != event.sender or before.agreement != event.agreement:
        raise Broken(
            rules.CORRECTS, f"{body.corrects} is no invoice of {event.sender} under {event.agreement}"
        )
    if before.replaced_by is not None:
        raise Broken(rules.CORRECTS, f"{body.corrects} was replaced by {before.replaced_by}")
    return before


def _credited(accounts: Accounts, body: CreditMemo, event: Event, text: BaseContract) -> Accounts:
    _check_said(accounts, body.credit, body.total.currency, body.issued, event, text)
    item = accounts.items.get(body.invoice)
    if item is None or item.issuer != event.sender or item.agreement != event.agreement:
        raise Broken(rules.CREDIT, f"{body.invoice} is no invoice of {event.sender} under {event.agreement}")
    if item.replaced_by is not None:
        raise Broken(rules.CREDIT, f"{body.invoice} was replaced by {item.replaced_by}")
    _check_window(item.invoice.period.end, event, text)
    lines = {line.number: line for line in item.lines}
    for one in body.lines:
        line = lines.get(one.line)
        if line is None or one.amount > line.amount:
            stands = "is not there" if line is None else f"stands at {line.amount}"
            raise Broken(rules.CREDIT, f"line {one.line} of {body.invoice} {stands}")
        lines[one.line] = line._replace(credited=line.credited + one.amount)
    lowered = item._replace(lines=tuple(lines.values()), credits=(*item.credits, body.credit))
    after = _with_item(accounts, _changed(lowered))
    after = after._replace(credits={**accounts.credits, body.credit: body.invoice})
    less = _owes(text, event.sender, -body.total.amount)
    return _with_entry(after, event, EntryKind.CREDIT, body.credit, less)


def _changed(item: Item) -> Item:
    """The item in the state that its lines put it in."""
    step = Step.LEAVE if item.open > 0 else Step.CLEAR if item.open == 0 else Step.CREDIT
    return item._replace(state=_step(item, step))


def _step(item: Item, step: Step) -> State:
    # The rules before have seen to it that the table has the step.
    return TABLE[item.state, step]


def _disputed(accounts: Accounts, body: Dispute, event: Event) -> Accounts:
    """Holds back what is claimed beyond what is expected. A dispute of what has been replaced, or is not there, holds nothing."""
    item = accounts.items.get(body.invoice)
    after = _with_entry(accounts, event, EntryKind.DISPUTE, body.dispute, ZERO)
    if item is None or item.replaced_by is not None or item.payer != event.sender:
        return after
    lines = {line.number: line for line in item.lines}
    for one in body.lines:
        line = lines.get(one.line)
        if line is not None:
            held = max(min(line.amount, one.claimed) - one.expected, ZERO)
            lines[one.line] = line._replace(held=held, dispute=body.dispute)
    held_item = item._replace(lines=tuple(lines.values()), disputes=(*item.disputes, body.dispute))
    after = _with_item(after, held_item)
    return after._replace(disputes={**accounts.disputes, body.dispute: body.invoice})


def _answered(accounts: Accounts, body: DisputeAnswer, event: Event, text: BaseContract) -> Accounts:
    """Each line that was answered stands at what is agreed, credits so far included, and is no longer held back."""
    item = accounts.items.get(accounts.disputes.get(body.dispute, ""))
    if item is None or item.replaced_by is not None or item.issuer != event.sender:
        return _with_entry(accounts, event, EntryKind.ANSWER, body.dispute, ZERO)
    answers: Mapping[int, LineAnswer] = {one.line: one for one in body.lines if one.resolution in SETTLES}
    lines = tuple(
        line._replace(agreed=answers[line.number].agreed, credited=ZERO, held=ZERO)
        if line.number in answers and line.dispute == body.dispute
        else line
        for line in item.lines
    )
    after = _changed(item._replace(lines=lines))
    moved = _owes(text, event.sender, after.amount - item.amount)
    return _with_entry(_with_item(accounts, after), event, EntryKind.ANSWER, body.dispute, moved)


def _stated(accounts: Accounts, body: AccountStatement, event: Event, text: BaseContract) -> Accounts:
    """Kept with its hash. That it says the same as the other side's is for both to see; saying so changes nothing."""
    if body.account in accounts.statements:
        raise Broken(rules.ACCOUNT, f"{body.account} is there already")
    if body.period.end > event.received:
        raise Broken(rules.ACCOUNT, f"{body.account} is of a time until {body.period.end.isoformat()}")
    named = (body.agreement, body.buyer, body.seller, body.currency)
    if named != (event.agreement, text.buyer, text.seller, text.elections.currency):
        raise Broken(rules.ACCOUNT, f"{body.account} names {', '.join(named)}")
    said = Said(event.sender, statement_hash(body))
    return accounts._replace(statements={**accounts.statements, body.account: said})


BODIES: tuple[type[Record], ...] = (
    *(Invoice, CreditMemo, RemittanceAdvice),
    *(Dispute, DisputeAnswer, AccountStatement),
)
