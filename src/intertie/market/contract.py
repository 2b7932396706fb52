"""The base contract: proposed, countered, signed by both, amended, suspended, in default, terminated. A table, and rules.

A party takes part in it as buyer or seller; nothing here knows which of the two "we" are. What time alone changes (a
contract that begins later, or has ended) is a question to `status`, never stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec

from intertie.market.calendar import add_business_days
from intertie.market.event import Broken, Event, Rule
from intertie.model.agreement import (
    BaseContract,
    ContractAction,
    ContractNotice,
    ContractSignature,
    DefaultReason,
)
from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementId, PartyId
from intertie.model.interval import Window

NAESB = "NAESB base-contract pattern"
# The mean of the Gregorian calendar: an adjustment window of months is not meant to the day.
DAYS_OF_A_MONTH = 365.2425 / 12


class State(StrEnum):
    """Where a contract, or a revision of it that is talked about, stands."""

    UNKNOWN = "unknown"
    PROPOSED = "proposed"
    PARTLY_SIGNED = "partly_signed"  # by one of the two
    IN_FORCE = "in_force"
    SUSPENDED = "suspended"  # by either side; new business rests, what was earned is settled
    IN_DEFAULT = "in_default"  # one side has declared that the other is in default
    DECLINED = "declined"
    TERMINATED = "terminated"


class Step(StrEnum):
    """What a message does to it."""

    PROPOSE = "propose"
    COUNTER = "counter"
    SIGN = "sign"
    SIGN_LAST = "sign_last"
    DECLINE = "decline"
    SUSPEND = "suspend"
    RESUME = "resume"
    DEFAULT = "default"
    CURE = "cure"
    TERMINATE = "terminate"


STARTS = State.UNKNOWN
FINAL = frozenset({State.DECLINED, State.TERMINATED})
STANDING = frozenset({State.IN_FORCE, State.SUSPENDED, State.IN_DEFAULT})
TALKS = frozenset({State.PROPOSED, State.PARTLY_SIGNED})

# An amendment goes the first seven lines of this table by itself, beside the contract that it amends.
TABLE: dict[tuple[State, Step], State] = {
    (State.UNKNOWN, Step.PROPOSE): State.PROPOSED,
    (State.PROPOSED, Step.COUNTER): State.PROPOSED,
    (State.PARTLY_SIGNED, Step.COUNTER): State.PROPOSED,
    (State.PROPOSED, Step.SIGN): State.PARTLY_SIGNED,
    (State.PARTLY_SIGNED, Step.SIGN_LAST): State.IN_FORCE,
    (State.PROPOSED, Step.DECLINE): State.DECLINED,
    (State.PARTLY_SIGNED, Step.DECLINE): State.DECLINED,
    (State.IN_FORCE, Step.SUSPEND): State.SUSPENDED,
    (State.SUSPENDED, Step.RESUME): State.IN_FORCE,
    (State.IN_FORCE, Step.DEFAULT): State.IN_DEFAULT,
    (State.SUSPENDED, Step.DEFAULT): State.IN_DEFAULT,
    (State.IN_DEFAULT, Step.CURE): State.IN_FORCE,
    (State.IN_FORCE, Step.TERMINATE): State.TERMINATED,
    (State.SUSPENDED, Step.TERMINATE): State.TERMINATED,
    (State.IN_DEFAULT, Step.TERMINATE): State.TERMINATED,
}

PARTIES = Rule("contract.parties", "Buyer and seller are the two parties of the message, and stay so.", NAESB)
FIRST = Rule("contract.first_revision", "A contract that nobody proposed opens with revision 1.", NAESB)
CALENDAR = Rule(
    "contract.calendar",
    "The calendar's zone is one of the IANA database, and business days follow.",
    "cover sheet: calendar",
)
KNOWN = Rule("contract.known", "A signature or notice names a contract that was proposed.", NAESB)
NEXT = Rule(
    "contract.next_revision",
    "A counter-proposal or amendment is the revision after the newest: of two that cross, the first counts.",
    "conversation integrity",
)
NEWEST = Rule("contract.revision", "A signature or notice names the revision it is about.", NAESB)
TERMS = Rule(
    "contract.terms", "A signature names the hash of the text that stands.", "integrity of what was signed"
)
ONCE = Rule("contract.signed_once", "Each party signs a revision once.", NAESB)
STEP = Rule("contract.step", "The table of contract states has the step.", "market/contract.py TABLE")
AMENDED = Rule("contract.amendment_time", "An amendment takes effect after the text it amends.", NAESB)
SIGNED_IN_TIME = Rule("contract.signed_in_time", "A text is signed before its own end.", NAESB)
LIFTED = Rule(
    "contract.lifted_by", "Who suspended resumes, and who declared a default says that it is cured.", NAESB
)
NOTICE = Rule(
    "contract.termination_notice",
    "A termination without a default gives the notice that the cover sheet elects.",
    "cover sheet: termination_notice_days",
)
CURE_TIME = Rule(
    "contract.cure_period",
    "After a default only who declared it terminates, once the cover sheet's days for a cure are over.",
    "cover sheet: cure_business_days",
)
IN_FORCE = Rule(
    "contract.in_force", "Nothing flows under a contract that is not in force.", "issue D; " + NAESB
)
ON_PAPER = Rule(
    "contract.on_paper",
    "An agreement that stands in a partner's file is not made again through the gateway.",
    "one agreement has one source",
)
AGREEMENT = Rule(
    "contract.agreement", "The header names no other agreement than the body.", "conversation integrity"
)

RULES = (
    PARTIES, CALENDAR, FIRST, KNOWN, NEXT, NEWEST, TERMS, ONCE, STEP, AMENDED, SIGNED_IN_TIME, LIFTED, NOTICE, CURE_TIME,
    IN_FORCE, ON_PAPER, AGREEMENT,
)  # fmt: skip


class Draft(NamedTuple):
    """A revision that is talked about, and who has signed it."""

    text: BaseContract
    proposer: PartyId
    signed: tuple[PartyId, ...] = ()
    state: State = State.PROPOSED


class Default(NamedTuple):
    """An event of default: who declared it, when, until when it may be cured."""

    declarer: PartyId
    reason: DefaultReason
    at: datetime
    cure_until: datetime


class Contract(NamedTuple):
    """One agreement between two parties. `texts` are the revisions that both signed, the newest last."""

    agreement: AgreementId
    state: State
    draft: Draft | None
    texts: tuple[BaseContract, ...] = ()
    revision: int = 0  # the newest one said
    suspended_by: PartyId | None = None
    default: Default | None = None
    ends: datetime | None = None  # by a termination
    signed_at: datetime | None = None

    def text_at(self, at: datetime) -> BaseContract | None:
        """The text that holds at this time: the newest that both signed and that has begun; else the first."""
        begun = [text for text in self.texts if text.effective <= at]
        return begun[-1] if begun else (self.texts[0] if self.texts else None)


Contracts = Mapping[AgreementId, Contract]
EMPTY: Contracts = {}


def terms_hash(text: BaseContract) -> str:
    """The SHA-256 of a text: of its fields in the order of their names, as both sides write them."""
    return hashlib.sha256(msgspec.json.encode(text, order="sorted")).hexdigest()


def apply(contracts: Contracts, event: Event) -> Contracts:
    """The contracts after a message of this family; Broken if a rule forbids it."""
    body = event.body
    named = getattr(body, "agreement", None)
    if event.agreement not in (None, named):
        raise Broken(AGREEMENT, f"the header names {event.agreement}, the body {named}")
    if isinstance(body, BaseContract):
        after = _proposed(contracts.get(body.agreement), body, event)
    elif isinstance(body, ContractSignature):
        after = _signed(_known(contracts, body.agreement), body, event)
    elif isinstance(body, ContractNotice):
        after = _noticed(_known(contracts, body.agreement), body, event)
    else:
        raise TypeError(type(body).__name__)
    return {**contracts, after.agreement: after}


def status(contract: Contract, at: datetime) -> State:
    """Where the contract stands at a time: a termination that is to come has not happened, and every text ends."""
    if contract.state is State.TERMINATED and contract.ends is not None and at < contract.ends:
        return State.IN_FORCE
    text = contract.text_at(at)
    if contract.state in STANDING and text is not None and text.ends is not None and at >= text.ends:
        return State.TERMINATED
    return contract.state


def within(contract: Contract, term: Window) -> Window | None:
    """The part of a term that lies before the end of a contract that was terminated; None if nothing does."""
    if contract.ends is None or term.end <= contract.ends:
        return term
    return Window(start=term.start, end=contract.ends) if term.start < contract.ends else None


def check_in_force(
    contracts: Contracts, agreement: AgreementId | None, at: datetime, *, settles: bool = False
) -> Contract:
    """The contract, if something may flow under it at this time, else Broken. What only settles (metering, statements,
    invoices) also flows while it is suspended or in default, and after its end for the adjustment window."""
    contract = contracts.get(agreement) if agreement is not None else None
    if contract is None:
        raise Broken(
            IN_FORCE,
            f"agreement {agreement or '(none named)'} is not known",
            do="Sign a base contract first.",
        )
    text = contract.text_at(at)
    state = status(contract, at)
    if text is None or at < text.effective:
        said = state if text is None else f"to begin at {text.effective.isoformat()}"
        raise Broken(IN_FORCE, f"agreement {agreement} is {said}")
    if state is State.IN_FORCE or (settles and state in STANDING):
        return contract
    ended = min((end for end in (contract.ends, text.ends) if end is not None), default=at)
    window = timedelta(days=round(text.elections.adjustment_window_months * DAYS_OF_A_MONTH))
    if settles and state is State.TERMINATED and at - window < ended:
        return contract
    raise Broken(IN_FORCE, f"agreement {agreement} is {state}")


def _known(contracts: Contracts, agreement: AgreementId) -> Contract:
    contract = contracts.get(agreement)
    if contract is None:
        raise Broken(KNOWN, f"no contract {agreement} was proposed", do="Propose it first.")
    return contract


def _step(state: State, step: Step, what: str) -> State:
    after = TABLE.get((state, step))
    if after is None:
        raise Broken(STEP, f"{what} is {state}: {step} is not possible", do="Read its state and decide anew.")
    return after


def _proposed(contract: Contract | None, text: BaseContract, event: Event) -> Contract:
    if {text.buyer, text.seller} != {event.sender, event.recipient}:
        raise Broken(PARTIES, f"{text.buyer} and {text.seller} are not the parties of this message")
    _check_calendar(text, event.received)
    if contract is None:
        if text.revision != 1:
            raise Broken(FIRST, f"{text.agreement} is not known, so revision {text.revision} follows nothing")
        return Contract(
            text.agreement, _step(STARTS, Step.PROPOSE, text.agreement), Draft(text, event.sender), revision=1
        )
    if text.revision != contract.revision + 1:
        raise Broken(NEXT, f"revision {text.revision} of {text.agreement}, the newest is {contract.revision}")
    said = (
        contract.draft.text if contract.draft is not None else contract.texts[-1] if contract.texts else text
    )
    if (text.buyer, text.seller) != (said.buyer, said.seller):
        raise Broken(PARTIES, f"buyer and seller of {text.agreement} change places")
    draft = Draft(text, event.sender)
    if contract.state in STANDING:
        last = contract.texts[-1]
        if text.effective <= last.effective:
            raise Broken(
                AMENDED,
                f"effective {text.effective.isoformat()}, the text in force since {last.effective.isoformat()}",
            )
        return contract._replace(draft=draft, revision=text.revision)
    state = _step(contract.state, Step.COUNTER, text.agreement)
    return contract._replace(state=state, draft=draft, revision=text.revision)


def _check_calendar(text: BaseContract, at: datetime) -> None:
    try:
        add_business_days(text.calendar, at, 1)
    except SettingsError as error:
        raise Broken(CALENDAR, error.why, do=error.do) from error


def _signed(contract: Contract, signature: ContractSignature, event: Event) -> Contract:
    draft = _talked_about(contract, signature.revision)
    if signature.terms != terms_hash(draft.text):
        raise Broken(
            TERMS,
            f"the text of revision {signature.revision} has another hash",
            do="Read it again, then sign.",
        )
    if event.sender in draft.signed:
        raise Broken(ONCE, f"{event.sender} has signed revision {signature.revision}")
    if draft.text.ends is not None and event.received >= draft.text.ends:
        raise Broken(SIGNED_IN_TIME, f"revision {signature.revision} ended {draft.text.ends.isoformat()}")
    state = _step(
        draft.state, Step.SIGN_LAST if draft.signed else Step.SIGN, f"revision {signature.revision}"
    )
    signed = draft._replace(signed=(*draft.signed, event.sender), state=state)
    standing = contract.state in STANDING  # an amendment does not lift a suspension
    if state is not State.IN_FORCE:
        return contract._replace(draft=signed, state=contract.state if standing else state)
    return contract._replace(
        draft=None,
        texts=(*contract.texts, draft.text),
        state=contract.state if standing else state,
        signed_at=event.received,
    )


def _talked_about(contract: Contract, revision: int) -> Draft:
    """The draft of this revision."""
    if contract.draft is None:
        raise Broken(STEP, f"no text of {contract.agreement} waits to be signed: it is {contract.state}")
    if revision != contract.draft.text.revision:
        raise Broken(NEWEST, f"revision {revision}, the newest is {contract.draft.text.revision}")
    return contract.draft


def _noticed(contract: Contract, notice: ContractNotice, event: Event) -> Contract:
    if notice.action is ContractAction.DECLINE:
        draft = _talked_about(contract, notice.revision)
        state = _step(draft.state, Step.DECLINE, f"revision {notice.revision}")
        return contract._replace(draft=None, state=contract.state if contract.state in STANDING else state)
    after = _step(contract.state, Step(notice.action.value), contract.agreement)
    text = contract.text_at(event.received)
    if text is None or notice.revision != text.revision:
        raise Broken(NEWEST, f"revision {notice.revision}, in force is {text.revision if text else 'none'}")
    if status(contract, event.received) is State.TERMINATED:
        raise Broken(STEP, f"{contract.agreement} has ended")
    return _ACTS[notice.action](contract._replace(state=after), text, notice, event)


def _suspend(contract: Contract, text: BaseContract, notice: ContractNotice, event: Event) -> Contract:
    return contract._replace(suspended_by=event.sender)


def _resume(contract: Contract, text: BaseContract, notice: ContractNotice, event: Event) -> Contract:
    if contract.suspended_by != event.sender:
        raise Broken(LIFTED, f"{contract.suspended_by} suspended {contract.agreement}")
    return contract._replace(suspended_by=None)


def _default(contract: Contract, text: BaseContract, notice: ContractNotice, event: Event) -> Contract:
    until = add_business_days(text.calendar, event.received, text.elections.cure_business_days)
    reason = notice.reason or DefaultReason.BREACH
    return contract._replace(default=Default(event.sender, reason, event.received, until), suspended_by=None)


def _cure(contract: Contract, text: BaseContract, notice: ContractNotice, event: Event) -> Contract:
    if contract.default is None or contract.default.declarer != event.sender:
        raise Broken(LIFTED, f"{event.sender} did not declare the default of {contract.agreement}")
    return contract._replace(default=None)


def _notice_until(text: BaseContract, at: datetime) -> datetime:
    return at + timedelta(days=text.elections.termination_notice_days)


def earliest_end(text: BaseContract, now: datetime) -> datetime:
    """The end to name in a termination that is sent now: the notice runs from its arrival, so a day is left for that."""
    return _notice_until(text, now) + timedelta(days=1)


def _terminate(contract: Contract, text: BaseContract, notice: ContractNotice, event: Event) -> Contract:
    ends = max(notice.effective or event.received, event.received)
    default = contract.default
    if default is None:
        least = _notice_until(text, event.received)
        if ends < least:
            raise Broken(NOTICE, f"ends {ends.isoformat()}, the notice runs until {least.isoformat()}")
    elif default.declarer != event.sender or event.received < default.cure_until:
        raise Broken(CURE_TIME, f"{default.declarer} may terminate from {default.cure_until.isoformat()}")
    return contract._replace(ends=ends)


_ACTS = {
    ContractAction.SUSPEND: _suspend,
    ContractAction.RESUME: _resume,
    ContractAction.DEFAULT: _default,
    ContractAction.CURE: _cure,
    ContractAction.TERMINATE: _terminate,
}
