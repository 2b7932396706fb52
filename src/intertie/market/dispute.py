"""Disputes as a conversation: raised by whoever was charged, answered line by line by whoever charged, settled, or gone to where
the contract says. What they do to the money is billing's (`billing.py`); both families see the same messages.

A dispute may be of an invoice, or, by its name, of a statement whose invoice is not out yet. What time alone changes is a
question (`stage`), never stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from intertie.market.billing_state import Accounts
from intertie.market.contract import DAYS_OF_A_MONTH
from intertie.market.event import Broken, Event, Rule
from intertie.model.agreement import BaseContract
from intertie.model.billing import Dispute, DisputeAnswer, DisputedLine, LineAnswer, Resolution
from intertie.model.ids import PartyId

NAESB = "NAESB base-contract pattern, billing disputes"
NAME = Rule("dispute.name", "A dispute's name is used once.", "conversation integrity")
PAYER = Rule("dispute.payer", "Whoever was charged disputes, not whoever charges.", NAESB)
LINE = Rule(
    "dispute.line", "A dispute is of lines that its invoice has.", "X12 810 IT1; conversation integrity"
)
ONCE = Rule("dispute.once", "A line is in one dispute at a time.", NAESB)
WINDOW = Rule(
    "dispute.window",
    "What a period came to is disputed only so many months after it.",
    "cover sheet: adjustment_window_months",
)
REPLY = Rule("dispute.reply_by", "An answer is asked for at a time that is still to come.", NAESB)
UNKNOWN = Rule("dispute.unknown", "An answer is to a dispute that was raised, by the other side.", NAESB)
ANSWER = Rule(
    "dispute.answer",
    "An answer is about lines that are disputed and not settled yet; what was rejected may be answered again.",
    NAESB,
)
AGREED = Rule(
    "dispute.agreed",
    "A line that is conceded stands at what was expected, a rejected one at what was claimed, any other in between.",
    NAESB,
)
RULES = (NAME, PAYER, LINE, ONCE, WINDOW, REPLY, UNKNOWN, ANSWER, AGREED)
BODIES = (Dispute, DisputeAnswer)


class State(StrEnum):
    """Where a dispute stands."""

    UNKNOWN = "unknown"
    OPEN = "open"  # some line has no answer
    REJECTED = "rejected"  # each has one, and some claim was upheld
    RESOLVED = "resolved"  # each line was conceded, corrected or split


class Step(StrEnum):
    """What a message does to it."""

    RAISE = "raise"
    ANSWER = "answer"  # after it some line has none yet
    REJECT = "reject"
    RESOLVE = "resolve"


STARTS = State.UNKNOWN
FINAL = frozenset({State.RESOLVED})
TABLE: dict[tuple[State, Step], State] = {
    (State.UNKNOWN, Step.RAISE): State.OPEN,
    (State.OPEN, Step.ANSWER): State.OPEN,
    (State.OPEN, Step.REJECT): State.REJECTED,
    (State.OPEN, Step.RESOLVE): State.RESOLVED,
    (State.REJECTED, Step.REJECT): State.REJECTED,
    (State.REJECTED, Step.RESOLVE): State.RESOLVED,
}


class Raised(NamedTuple):
    """A dispute with its answers so far, by line."""

    body: Dispute
    by: PartyId
    received: datetime
    answers: Mapping[str, LineAnswer] = {}  # keys are line numbers, as text
    state: State = State.OPEN

    def settled(self, line: int) -> bool:
        """Whether a line is disputed no longer."""
        answer = self.answers.get(str(line))
        return answer is not None and answer.resolution is not Resolution.REJECTED


Disputes = Mapping[str, Raised]
EMPTY: Disputes = {}


def apply(disputes: Disputes, event: Event, accounts: Accounts, text: BaseContract) -> Disputes:
    """The disputes after a message of this family; `accounts` are those before it. Broken if a rule forbids it."""
    body = event.body
    if isinstance(body, Dispute):
        _check_raised(disputes, body, event, accounts, text)
        state = TABLE[State.UNKNOWN, Step.RAISE]
        return {**disputes, body.dispute: Raised(body, event.sender, event.received, {}, state)}
    if isinstance(body, DisputeAnswer):
        return {**disputes, body.dispute: _answered(disputes, body, event)}
    raise TypeError(type(body).__name__)


def deadline(one: Raised, text: BaseContract) -> datetime:
    """By when it should be settled between the parties: what the dispute asks for, else the days of the cover sheet."""
    return one.body.reply_by or one.received + timedelta(days=text.elections.dispute_days)


def stage(one: Raised, at: datetime, text: BaseContract) -> str:
    """How it stands at a time, for people: its state, or where it has gone since its deadline passed without a settlement."""
    if one.state is State.RESOLVED or at < deadline(one, text):
        return str(one.state)
    return f"{one.state}, to {text.elections.dispute_resolution} since {deadline(one, text).date()}"


def _check_raised(
    disputes: Disputes, body: Dispute, event: Event, accounts: Accounts, text: BaseContract
) -> None:
    if body.dispute in disputes:
        raise Broken(NAME, f"{body.dispute} is there already")
    if body.reply_by is not None and body.reply_by <= event.received:
        raise Broken(REPLY, f"{body.dispute} asks for an answer by {body.reply_by.isoformat()}")
    item = accounts.items.get(body.invoice)
    if item is not None:
        if item.payer != event.sender:
            raise Broken(PAYER, f"{body.invoice} was issued by {event.sender}")
        known = {line.number for line in item.lines}
        if unknown := sorted({line.line for line in body.lines} - known):
            raise Broken(LINE, f"{body.invoice} has no line {unknown[0]}")
        months = text.elections.adjustment_window_months
        if event.received - timedelta(days=round(months * DAYS_OF_A_MONTH)) >= item.invoice.period.end:
            raise Broken(
                WINDOW, f"its period ended {item.invoice.period.end.date()}, more than {months} months ago"
            )
    for name, other in disputes.items():
        if other.body.invoice == body.invoice and other.by == event.sender:
            taken = {line.line for line in other.body.lines if not other.settled(line.line)}
            if both := sorted(taken & {line.line for line in body.lines}):
                raise Broken(ONCE, f"line {both[0]} of {body.invoice} is in {name}")


def _answered(disputes: Disputes, body: DisputeAnswer, event: Event) -> Raised:
    one = disputes.get(body.dispute)
    if one is None or one.by == event.sender:
        why = "was not raised" if one is None else f"is {event.sender}'s own"
        raise Broken(UNKNOWN, f"{body.dispute} {why}")
    lines = {line.line: line for line in one.body.lines}
    for answer in body.lines:
        if answer.line not in lines:
            raise Broken(ANSWER, f"line {answer.line} is not in {body.dispute}")
        if one.settled(answer.line):
            raise Broken(ANSWER, f"line {answer.line} of {body.dispute} is settled")
        _check_agreed(lines[answer.line], answer, body.dispute)
    after = one._replace(answers={**one.answers, **{str(each.line): each for each in body.lines}})
    return after._replace(state=TABLE[one.state, _step(after)])


def _step(after: Raised) -> Step:
    numbers = [line.line for line in after.body.lines]
    if all(after.settled(number) for number in numbers):
        return Step.RESOLVE
    return Step.REJECT if all(str(number) in after.answers for number in numbers) else Step.ANSWER


def _check_agreed(line: DisputedLine, answer: LineAnswer, name: str) -> None:
    low, high = sorted((line.claimed, line.expected))
    if answer.resolution is Resolution.CONCEDED:
        low = high = line.expected
    if answer.resolution is Resolution.REJECTED:
        low = high = line.claimed
    if not low <= answer.agreed <= high:
        raise Broken(AGREED, f"line {line.line} of {name}: {answer.agreed} is not from {low} to {high}")
