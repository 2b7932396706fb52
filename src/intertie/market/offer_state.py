"""Needs, offers, counters and orders between one buyer and one seller: their states, and the tables that they follow.

What becomes true with time alone (the gate is closed, an offer has expired) is asked with `now` and never stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from intertie.model.ids import ConversationId, MessageId
from intertie.model.offers import (
    CounterOffer,
    Need,
    NeedResult,
    Offer,
    Order,
    SealedOffer,
)


class NeedPhase(StrEnum):
    """Where a need is."""

    ABSENT = "absent"
    OPEN = "open"
    WITHDRAWN = "withdrawn"
    DECIDED = "decided"  # the seller has its result


class NeedStep(StrEnum):
    """What can happen to a need."""

    ISSUE = "issue"
    REVISE = "revise"  # until the gate closes; offers to the old revision lapse
    WITHDRAW = "withdraw"
    RESULT = "result"


NEED_TABLE: Mapping[tuple[NeedPhase, NeedStep], NeedPhase] = MappingProxyType(
    {
        (NeedPhase.ABSENT, NeedStep.ISSUE): NeedPhase.OPEN,
        (NeedPhase.OPEN, NeedStep.REVISE): NeedPhase.OPEN,
        (NeedPhase.OPEN, NeedStep.WITHDRAW): NeedPhase.WITHDRAWN,
        (NeedPhase.OPEN, NeedStep.RESULT): NeedPhase.DECIDED,
    }
)


class OfferPhase(StrEnum):
    """Where an offer is."""

    ABSENT = "absent"
    SEALED = "sealed"  # the buyer has it and cannot read it
    OPEN = "open"
    REVOKED = "revoked"
    LAPSED = "lapsed"  # its need was revised or withdrawn
    ORDERED = "ordered"
    NOT_AWARDED = "not_awarded"


class OfferStep(StrEnum):
    """What can happen to an offer."""

    OFFER = "offer"
    SEAL = "seal"
    GIVE_KEY = "give_key"  # after the gate
    REVOKE = "revoke"
    LAPSE = "lapse"
    ORDER = "order"
    LOSE = "lose"


OFFER_TABLE: Mapping[tuple[OfferPhase, OfferStep], OfferPhase] = MappingProxyType(
    {
        (OfferPhase.ABSENT, OfferStep.OFFER): OfferPhase.OPEN,
        (OfferPhase.ABSENT, OfferStep.SEAL): OfferPhase.SEALED,
        (OfferPhase.SEALED, OfferStep.SEAL): OfferPhase.SEALED,
        (OfferPhase.SEALED, OfferStep.GIVE_KEY): OfferPhase.OPEN,
        (OfferPhase.SEALED, OfferStep.REVOKE): OfferPhase.REVOKED,
        (OfferPhase.SEALED, OfferStep.LAPSE): OfferPhase.LAPSED,
        (OfferPhase.SEALED, OfferStep.LOSE): OfferPhase.NOT_AWARDED,
        (OfferPhase.OPEN, OfferStep.OFFER): OfferPhase.OPEN,
        (OfferPhase.OPEN, OfferStep.REVOKE): OfferPhase.REVOKED,
        (OfferPhase.OPEN, OfferStep.LAPSE): OfferPhase.LAPSED,
        (OfferPhase.OPEN, OfferStep.ORDER): OfferPhase.ORDERED,
        (OfferPhase.OPEN, OfferStep.LOSE): OfferPhase.NOT_AWARDED,
        # Offered again, to what the need has become.
        (OfferPhase.LAPSED, OfferStep.OFFER): OfferPhase.OPEN,
        (OfferPhase.LAPSED, OfferStep.SEAL): OfferPhase.SEALED,
    }
)


class CounterPhase(StrEnum):
    """Where a counter is."""

    ABSENT = "absent"
    OPEN = "open"
    ACCEPTED = "accepted"  # it is an order
    DECLINED = "declined"
    LAPSED = "lapsed"  # its offer is no longer open


class CounterStep(StrEnum):
    """What can happen to a counter."""

    MAKE = "make"
    ACCEPT = "accept"
    DECLINE = "decline"
    LAPSE = "lapse"


COUNTER_TABLE: Mapping[tuple[CounterPhase, CounterStep], CounterPhase] = MappingProxyType(
    {
        (CounterPhase.ABSENT, CounterStep.MAKE): CounterPhase.OPEN,
        (CounterPhase.OPEN, CounterStep.ACCEPT): CounterPhase.ACCEPTED,
        (CounterPhase.OPEN, CounterStep.DECLINE): CounterPhase.DECLINED,
        (CounterPhase.OPEN, CounterStep.LAPSE): CounterPhase.LAPSED,
    }
)


class NeedState(NamedTuple):
    """A need as it stands: its highest revision, the message that brought it, and when that arrived."""

    need: Need
    phase: NeedPhase
    message: MessageId
    received: datetime
    conversation: ConversationId | None
    result: NeedResult | None = None


class OfferState(NamedTuple):
    """An offer as it stands. `offer` is None while it is sealed; `opened` is when its key came."""

    name: str
    revision: int
    phase: OfferPhase
    message: MessageId
    received: datetime
    conversation: ConversationId | None
    offer: Offer | None
    sealed: SealedOffer | None = None
    opened: datetime | None = None
    order: str | None = None

    @property
    def need(self) -> str | None:
        """The need that it answers, readable or not."""
        said = self.sealed or self.offer
        return said.need if said else None


class CounterState(NamedTuple):
    """A counter as it stands."""

    counter: CounterOffer
    phase: CounterPhase
    message: MessageId
    conversation: ConversationId | None


class OrderState(NamedTuple):
    """A deal: what was ordered, by which message, on which need; `aggregation` as its offer says."""

    order: Order
    message: MessageId
    received: datetime
    need: str | None
    aggregation: str | None


class Offers(NamedTuple):
    """Everything of this family between one buyer and one seller. By name; a name is used once."""

    needs: Mapping[str, NeedState] = MappingProxyType({})
    offers: Mapping[str, OfferState] = MappingProxyType({})
    counters: Mapping[str, CounterState] = MappingProxyType({})
    orders: Mapping[str, OrderState] = MappingProxyType({})


_State = TypeVar("_State", bound=tuple[Any, ...])


def with_one(states: Mapping[str, _State], name: str, state: _State) -> Mapping[str, _State]:
    """The same states with one set."""
    return MappingProxyType({**states, name: state})


class Standing(StrEnum):
    """What an offer, a need or a counter comes to at a time: its phase, or what time made of it."""

    SEALED = "sealed"
    OPEN = "open"
    GATE_CLOSED = "gate_closed"
    OVERDUE = "overdue"  # nothing was decided by the day the need named
    EXPIRED = "expired"
    NOT_OPENED = "not_opened"  # its key did not come in time
    ENDED = "ended"


def need_standing(state: NeedState, now: datetime) -> Standing:
    """Whether offers are taken, orders are due, or nothing is left to do."""
    if state.phase is not NeedPhase.OPEN:
        return Standing.ENDED
    if now > state.need.decide_by:
        return Standing.OVERDUE
    return Standing.OPEN if now <= state.need.gate_closes else Standing.GATE_CLOSED


def offer_standing(state: OfferState, book: Offers, now: datetime) -> Standing:
    """Whether the offer can be ordered now."""
    if state.phase is OfferPhase.SEALED:
        need = book.needs[state.need or ""].need
        late = need.keys_by is not None and now > need.keys_by
        return Standing.NOT_OPENED if late else Standing.SEALED
    if state.phase is not OfferPhase.OPEN or state.offer is None:
        return Standing.ENDED
    return Standing.OPEN if now <= state.offer.valid_until else Standing.EXPIRED


def counter_standing(state: CounterState, now: datetime) -> Standing:
    """Whether the counter can be answered now."""
    if state.phase is not CounterPhase.OPEN:
        return Standing.ENDED
    return Standing.OPEN if now <= state.counter.valid_until else Standing.EXPIRED
