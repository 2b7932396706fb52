"""What a message about needs, offers and orders does to the market of two parties: a new state, or a broken rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from intertie.market import offer_rules as rules
from intertie.market.counters import answer_counter, lapse_counters, make_counter
from intertie.market.event import Broken, Event, Rule
from intertie.market.offer_checks import (
    check_conversation,
    check_need,
    check_offer,
    check_reply,
    check_side,
    find_need,
    find_offer,
    may_offer,
)
from intertie.market.offer_setting import Setting, forbid
from intertie.market.offer_state import (
    NEED_TABLE,
    OFFER_TABLE,
    NeedPhase,
    NeedState,
    NeedStep,
    OfferPhase,
    Offers,
    OfferState,
    OfferStep,
    with_one,
)
from intertie.market.orders import place_order, tell_result
from intertie.model.offers import (
    CounterAnswer,
    CounterOffer,
    Need,
    NeedResult,
    NeedWithdrawal,
    Offer,
    OfferKey,
    OfferRevocation,
    Order,
    SealedOffer,
    read_offer,
)
from intertie.model.record import Record
from intertie.seal.sealed_offer import Closed, Context, Opening, OpeningError, open_offer

EMPTY = Offers()

_Phase = TypeVar("_Phase", bound=StrEnum)


def apply(book: Offers, event: Event, setting: Setting) -> Offers:
    """The market after the event. Raises Broken; KeyError for a body that is not of this family (see BODIES)."""
    check_side(event, setting)
    return _ACTS[type(event.body)](book, event, event.body, setting)


def _next(table: Mapping[Any, _Phase], phase: _Phase, step: StrEnum, rule: Rule) -> _Phase:
    after = table.get((phase, step))
    if after is None:
        raise Broken(rule, f"it is {phase}")
    return after


def _need(book: Offers, event: Event, need: Need, setting: Setting) -> Offers:
    before = book.needs.get(need.need)
    check_conversation(book, event, before.conversation if before else None)
    step = NeedStep.ISSUE
    if before is not None:
        check_reply(event, before.message)
        step = NeedStep.REVISE
        forbid(need.revision == before.need.revision, rules.NEED_SUBMITTED)
        forbid(need.revision < before.need.revision, rules.NEED_STALE)
        forbid(event.received > before.need.gate_closes, rules.NEED_GATE_CLOSED)
    phase = _next(NEED_TABLE, before.phase if before else NeedPhase.ABSENT, step, rules.NEED_ENDED)
    check_need(event, need, setting)
    state = NeedState(need, phase, event.message, event.received, event.conversation)
    return _lapse(book._replace(needs=with_one(book.needs, need.need, state)), need.need)


def _withdraw_need(book: Offers, event: Event, body: NeedWithdrawal, setting: Setting) -> Offers:
    need = book.needs.get(body.need)
    if need is None or need.need.revision != body.revision:
        raise Broken(rules.NEED_UNKNOWN, f"{body.need}, revision {body.revision}")
    check_conversation(book, event, need.conversation)
    check_reply(event, need.message)
    phase = _next(NEED_TABLE, need.phase, NeedStep.WITHDRAW, rules.NEED_ENDED)
    forbid(any(order.need == body.need for order in book.orders.values()), rules.NEED_ORDERED)
    return _lapse(book._replace(needs=with_one(book.needs, body.need, need._replace(phase=phase))), body.need)


def _lapse(book: Offers, need: str) -> Offers:
    """Offers to what the need was until now stand no longer; what is ordered stays a deal."""
    for name, offer in book.offers.items():
        after = OFFER_TABLE.get((offer.phase, OfferStep.LAPSE))
        if offer.need == need and after is not None:
            book = book._replace(offers=with_one(book.offers, name, offer._replace(phase=after)))
            book = lapse_counters(book, name)
    return book


def _offer(book: Offers, event: Event, offer: Offer, setting: Setting) -> Offers:
    before, phase = _revised(book, offer, OfferStep.OFFER)
    need = None
    if offer.need is None:
        check_conversation(book, event, before.conversation if before else None)
        forbid(not setting.unsolicited, rules.OFFER_UNSOLICITED)
    else:
        need = may_offer(book, event, offer.need, offer.need_revision, sealed=False)
    check_offer(event.received, offer, need.need if need else None, setting)
    state = OfferState(
        offer.offer, offer.revision, phase, event.message, event.received, event.conversation, offer
    )
    return lapse_counters(book._replace(offers=with_one(book.offers, offer.offer, state)), offer.offer)


def _sealed(book: Offers, event: Event, body: SealedOffer, setting: Setting) -> Offers:
    _, phase = _revised(book, body, OfferStep.SEAL)
    may_offer(book, event, body.need, body.need_revision, sealed=True)
    state = OfferState(
        body.offer, body.revision, phase, event.message, event.received, event.conversation, None, body
    )
    return book._replace(offers=with_one(book.offers, body.offer, state))


def _revised(
    book: Offers, said: Offer | SealedOffer, step: OfferStep
) -> tuple[OfferState | None, OfferPhase]:
    """The offer that this one replaces, if any, and the phase after the step."""
    before = book.offers.get(said.offer)
    if before is not None:
        forbid(said.revision == before.revision, rules.OFFER_SUBMITTED)
        forbid(said.revision < before.revision, rules.OFFER_STALE)
        forbid(said.need != before.need, rules.OFFER_OTHER_NEED, f"it is {before.need or 'none'}")
    phase = before.phase if before else OfferPhase.ABSENT
    return before, _next(OFFER_TABLE, phase, step, rules.OFFER_ENDED)


def _key(book: Offers, event: Event, body: OfferKey, setting: Setting) -> Offers:
    state = find_offer(book, event, body.offer, body.revision)
    if state.phase is not OfferPhase.SEALED or state.sealed is None:
        raise Broken(rules.KEY_UNSEALED, f"{body.offer} is {state.phase}")
    phase = _next(OFFER_TABLE, state.phase, OfferStep.GIVE_KEY, rules.KEY_UNSEALED)
    need = book.needs[state.sealed.need].need
    forbid(event.received <= need.gate_closes, rules.KEY_EARLY)
    forbid(need.keys_by is not None and event.received > need.keys_by, rules.KEY_LATE)
    offer = opened(state.sealed, body, setting)
    # As it was when it was sealed: the time of its rules is the time at which it arrived.
    check_offer(state.received, offer, need, setting)
    state = state._replace(phase=phase, offer=offer, opened=event.received)
    return book._replace(offers=with_one(book.offers, body.offer, state))


def context_of(sealed: SealedOffer | Offer, setting: Setting) -> Context:
    """What a sealed offer of these two parties is bound to."""
    need, revision = sealed.need or "", sealed.need_revision or 0
    return Context(setting.seller, setting.buyer, need, revision, sealed.offer, sealed.revision)


def opened(sealed: SealedOffer, key: OfferKey, setting: Setting) -> Offer:
    """The offer that was committed to. Broken if the key is not its key, or the inside is not what the outside names."""
    closed = Closed(sealed.commitment, sealed.nonce, sealed.ciphertext)
    try:
        plain = open_offer(closed, Opening(key.key, key.salt), context_of(sealed, setting))
    except OpeningError as error:
        raise Broken(rules.KEY_WRONG, error.why) from error
    offer = read_offer(plain)
    if offer is None:
        raise Broken(rules.KEY_OTHER, "what is inside is not an offer")
    forbid(context_of(offer, setting) != context_of(sealed, setting), rules.KEY_OTHER)
    return offer


def _revoke(book: Offers, event: Event, body: OfferRevocation, setting: Setting) -> Offers:
    state = find_offer(book, event, body.offer, body.revision)
    phase = _next(OFFER_TABLE, state.phase, OfferStep.REVOKE, rules.OFFER_ENDED)
    need = find_need(book, state)
    gate_closed = need is not None and event.received > need.need.gate_closes
    forbid(state.sealed is not None and gate_closed, rules.OFFER_BINDING)
    late = state.offer is not None and event.received > state.offer.valid_until
    forbid(late, rules.OFFER_EXPIRED)
    book = book._replace(offers=with_one(book.offers, body.offer, state._replace(phase=phase)))
    return lapse_counters(book, body.offer)


_ACTS: Mapping[type[Record], Callable[[Offers, Event, Any, Setting], Offers]] = {
    Need: _need,
    NeedWithdrawal: _withdraw_need,
    Offer: _offer,
    SealedOffer: _sealed,
    OfferKey: _key,
    OfferRevocation: _revoke,
    CounterOffer: make_counter,
    CounterAnswer: answer_counter,
    Order: place_order,
    NeedResult: tell_result,
}
BODIES: frozenset[type[Record]] = frozenset(_ACTS)
