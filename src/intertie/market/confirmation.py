"""Transaction confirmations: one deal each, accepted, objected to and revised, or deemed accepted when its deadline passes.

That a deadline has passed is never written down: `status` says it of a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from intertie.market.calendar import add_business_days
from intertie.market.contract import Contract, within
from intertie.market.event import Broken, Event, Rule
from intertie.market.services import check_service
from intertie.model.agreement import BaseContract, ConfirmingParty
from intertie.model.contract import Confirmation, ConfirmationAnswer, ConfirmationResponse, Objection
from intertie.model.ids import AgreementId, ConfirmationId, PartyId

NAESB = "NAESB base-contract pattern"
TALK = "conversation integrity"


class State(StrEnum):
    """Where a deal stands."""

    UNKNOWN = "unknown"
    OPEN = "open"  # confirmed by one side; the other may object until the deadline
    ACCEPTED = "accepted"
    OBJECTED = "objected"
    DEEMED = "deemed_accepted"  # nobody objected before the deadline


class Step(StrEnum):
    """What a message does to it."""

    CONFIRM = "confirm"
    ACCEPT = "accept"
    OBJECT = "object"
    REVISE = "revise"


STARTS = State.UNKNOWN
# DEEMED is not in the table: time alone leads there, from OPEN.
TABLE: dict[tuple[State, Step], State] = {
    (State.UNKNOWN, Step.CONFIRM): State.OPEN,
    (State.OPEN, Step.ACCEPT): State.ACCEPTED,
    (State.OPEN, Step.OBJECT): State.OBJECTED,
    (State.OPEN, Step.REVISE): State.OPEN,
    (State.OBJECTED, Step.REVISE): State.OPEN,
}
STANDING = frozenset({State.ACCEPTED, State.DEEMED})

PARTY = Rule(
    "confirmation.confirming_party", "Who the cover sheet elects confirms.", "cover sheet: confirming_party"
)
ANSWERED = Rule("confirmation.answered_by", "The party that did not write a confirmation answers it.", NAESB)
KNOWN = Rule("confirmation.known", "An answer names a deal that was confirmed.", TALK)
REVISION = Rule(
    "confirmation.revision",
    "A deal opens with revision 1; each revision is the next, and an answer names the newest.",
    "conversation integrity",
)
STEP = Rule(
    "confirmation.step", "The table of confirmation states has the step.", "market/confirmation.py TABLE"
)
AGREEMENT = Rule(
    "confirmation.agreement",
    "Header and deal name one agreement, and a deal stays under it.",
    "conversation integrity",
)
TERM = Rule("confirmation.term", "The term of a deal lies within the contract's.", NAESB)
CURRENCY = Rule(
    "confirmation.currency", "A deal is in the currency of the cover sheet.", "cover sheet: currency"
)
DEADLINE = Rule(
    "confirmation.deadline",
    "A deal that nobody objects to before its deadline is deemed accepted: the close of so many business days after it arrived, "
    "or the later time that it states. What comes after that changes nothing.",
    "cover sheet: confirm_deadline_business_days",
)
RULES = (PARTY, ANSWERED, KNOWN, REVISION, STEP, AGREEMENT, TERM, CURRENCY, DEADLINE)


class Deal(NamedTuple):
    """A confirmation as it stands. `deadline`: until when it may be objected to."""

    terms: Confirmation
    confirmer: PartyId
    answerer: PartyId
    received: datetime
    deadline: datetime
    state: State
    objections: tuple[Objection, ...] = ()


Deals = Mapping[ConfirmationId, Deal]
EMPTY: Deals = {}


def status(deal: Deal, at: datetime) -> State:
    """Where the deal stands at a time."""
    return State.DEEMED if deal.state is State.OPEN and at >= deal.deadline else deal.state


def standing(deals: Deals, agreement: AgreementId, at: datetime) -> tuple[Deal, ...]:
    """The deals under an agreement that both are bound by at a time, by name."""
    return tuple(
        deal
        for _, deal in sorted(deals.items())
        if deal.terms.agreement == agreement and status(deal, at) in STANDING
    )


def apply(deals: Deals, event: Event, contract: Contract) -> Deals:
    """The deals after a message of this family, under a contract in force; Broken if a rule forbids it."""
    body = event.body
    if isinstance(body, Confirmation):
        after = _confirmed(deals.get(body.confirmation), body, event, contract)
    elif isinstance(body, ConfirmationResponse):
        known = deals.get(body.confirmation)
        if known is None:
            raise Broken(KNOWN, f"no deal {body.confirmation} was confirmed")
        after = _answered(known, body, event)
    else:
        raise TypeError(type(body).__name__)
    return {**deals, after.terms.confirmation: after}


def _confirmed(known: Deal | None, terms: Confirmation, event: Event, contract: Contract) -> Deal:
    text = contract.text_at(event.received)
    if text is None or not (terms.agreement == event.agreement == contract.agreement):
        raise Broken(AGREEMENT, f"the header names {event.agreement}, the deal {terms.agreement}")
    _check_terms(terms, text, event)
    if within(contract, terms.term) != terms.term:
        raise Broken(TERM, f"{contract.agreement} ends {contract.ends.isoformat() if contract.ends else ''}")
    state, newest = (STARTS, 0) if known is None else (status(known, event.received), known.terms.revision)
    if terms.revision != newest + 1:
        raise Broken(REVISION, f"revision {terms.revision} of {terms.confirmation}, the newest is {newest}")
    if known is not None and known.confirmer != event.sender:
        raise Broken(PARTY, f"{terms.confirmation} is {known.confirmer}'s to revise")
    if known is not None and known.terms.agreement != terms.agreement:
        raise Broken(AGREEMENT, f"{terms.confirmation} is under {known.terms.agreement}")
    after = _step(state, Step.CONFIRM if known is None else Step.REVISE, terms.confirmation)
    by_contract = add_business_days(
        text.calendar, event.received, text.elections.confirm_deadline_business_days
    )
    deadline = max(by_contract, terms.confirm_deadline)
    return Deal(terms, event.sender, event.recipient, event.received, deadline, after)


def _check_terms(terms: Confirmation, text: BaseContract, event: Event) -> None:
    elections = text.elections
    elected = {ConfirmingParty.BUYER: text.buyer, ConfirmingParty.SELLER: text.seller}.get(
        elections.confirming_party
    )
    if elected not in (None, event.sender):
        raise Broken(PARTY, f"{elected} confirms, by the cover sheet")
    check_service(terms.service, elections)
    if terms.term.start < text.effective or (text.ends is not None and terms.term.end > text.ends):
        raise Broken(
            TERM,
            f"from {terms.term.start.isoformat()} to {terms.term.end.isoformat()} is not within the contract",
        )
    if terms.currency != elections.currency:
        raise Broken(CURRENCY, f"{terms.currency}, the cover sheet says {elections.currency}")


def _answered(known: Deal, response: ConfirmationResponse, event: Event) -> Deal:
    if event.agreement != known.terms.agreement:
        raise Broken(AGREEMENT, f"the header names {event.agreement}, the deal {known.terms.agreement}")
    if event.sender != known.answerer:
        raise Broken(ANSWERED, f"{known.answerer} answers {response.confirmation}")
    if response.revision != known.terms.revision:
        raise Broken(REVISION, f"revision {response.revision}, the newest is {known.terms.revision}")
    if status(known, event.received) is State.DEEMED:
        raise Broken(DEADLINE, f"{response.confirmation} was deemed accepted at {known.deadline.isoformat()}")
    accepts = response.answer is ConfirmationAnswer.ACCEPTED
    after = _step(known.state, Step.ACCEPT if accepts else Step.OBJECT, response.confirmation)
    return known._replace(state=after, objections=response.reasons)


def _step(state: State, step: Step, what: str) -> State:
    after = TABLE.get((state, step))
    if after is None:
        raise Broken(STEP, f"deal {what} is {state}: {step} is not possible")
    return after
