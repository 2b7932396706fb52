"""The checks that messages of the market share: sides, conversations, references, and the terms of a need and of an offer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from intertie.market import offer_rules as rules
from intertie.market.event import Broken, Event
from intertie.market.offer_setting import Setting, alike, amounts, forbid
from intertie.market.offer_state import NeedPhase, NeedState, Offers, OfferState, OrderState
from intertie.model.ids import ConversationId, MessageId
from intertie.model.interval import IntervalSeries
from intertie.model.offers import (
    CounterOffer,
    Need,
    NeedResult,
    NeedWithdrawal,
    Offer,
    OfferOption,
    Order,
)

BY_BUYER = (Need, NeedWithdrawal, CounterOffer, Order, NeedResult)


def check_side(event: Event, setting: Setting) -> None:
    """Each document comes from the side whose word it is."""
    buyer_says = isinstance(event.body, BY_BUYER)
    expected = (setting.buyer, setting.seller) if buyer_says else (setting.seller, setting.buyer)
    forbid((event.sender, event.recipient) != expected, rules.WRONG_SIDE, f"from {event.sender}")


def check_conversation(book: Offers, event: Event, expected: ConversationId | None) -> None:
    """In the conversation that it belongs to, or, if that is None, in one of its own."""
    if expected is not None:
        forbid(event.conversation != expected, rules.OTHER_CONVERSATION, f"it is {expected}")
        return
    forbid(event.conversation is None, rules.NO_CONVERSATION)
    used = {one.conversation for one in book.needs.values()}
    used |= {one.conversation for one in book.offers.values()}
    forbid(event.conversation in used, rules.CONVERSATION_IN_USE)


def check_reply(event: Event, answered: MessageId) -> None:
    """`in_reply_to`, where it is given, is the message that is answered."""
    forbid(event.in_reply_to not in (None, answered), rules.OTHER_MESSAGE, f"it is {answered}")


def find_offer(book: Offers, event: Event, name: str, revision: int) -> OfferState:
    """The offer that a message names, in its conversation."""
    state = book.offers.get(name)
    if state is None or state.revision != revision:
        detail = f"{name}, revision {revision}" + (f": it is at {state.revision}" if state else "")
        raise Broken(rules.OFFER_UNKNOWN, detail)
    check_conversation(book, event, state.conversation)
    check_reply(event, state.message)
    return state


def find_need(book: Offers, offer: OfferState) -> NeedState | None:
    """The need of an offer; None if it is unsolicited."""
    return None if offer.need is None else book.needs[offer.need]


def may_offer(book: Offers, event: Event, name: str, revision: int | None, *, sealed: bool) -> NeedState:
    """The need that takes this offer now."""
    state = book.needs.get(name)
    if state is None:
        raise Broken(rules.OFFER_NEED_UNKNOWN, f"there is no need {name}")
    check_conversation(book, event, state.conversation)
    check_reply(event, state.message)
    forbid(state.phase is not NeedPhase.OPEN, rules.OFFER_NEED_ENDED, f"{name} is {state.phase}")
    forbid(
        revision != state.need.revision, rules.OFFER_NEED_REVISED, f"it is at revision {state.need.revision}"
    )
    forbid(event.received > state.need.gate_closes, rules.OFFER_GATE, f"it closed {state.need.gate_closes}")
    forbid(state.need.sealed and not sealed, rules.OFFER_SEALED)
    forbid(sealed and not state.need.sealed, rules.OFFER_NOT_SEALED)
    return state


def check_need(event: Event, need: Need, setting: Setting) -> None:
    """The terms of a need: those of the agreement, and times in their order."""
    forbid(need.service not in setting.services, rules.SERVICE_OFF, f"{need.service} is not one of them")
    step = need.requested_kw.step_seconds
    forbid(step not in setting.steps_seconds, rules.NEED_STEP, f"{step} s is none of them")
    forbid(setting.zone not in (None, need.zone), rules.NEED_ZONE, f"it is {setting.zone}")
    forbid(not setting.knows(need.points), rules.NEED_POINT)
    forbid(setting.currency not in (None, need.currency), rules.OFFER_CURRENCY, f"it is {setting.currency}")
    forbid(need.window.start <= event.received, rules.NEED_PERIOD)
    times = [event.received, need.gate_closes, need.keys_by, need.decide_by, need.window.start]
    known = [at for at in times if at is not None]
    forbid(known != sorted(known) or known[0] == known[1], rules.NEED_GATE)
    agreed = setting.price_cap
    if agreed is not None and agreed.currency == need.currency:
        above = need.price_cap is None or need.price_cap.amount > agreed.amount
        forbid(above, rules.NEED_CAP, f"it is {agreed}")
    known_deal = setting.confirmations is None or need.confirmation in {None, *setting.confirmations}
    forbid(not known_deal, rules.OFFER_CONFIRMATION, f"{need.confirmation}")


def check_offer(received: datetime, offer: Offer, need: Need | None, setting: Setting) -> None:
    """The terms of an offer: those of its need, or of the agreement."""
    forbid(offer.service not in setting.services, rules.SERVICE_OFF, f"{offer.service} is not one of them")
    forbid(offer.window.start <= received, rules.OFFER_PERIOD, "it has begun")
    known = setting.aggregations is None or offer.aggregation in {None, *setting.aggregations}
    forbid(not known, rules.OFFER_AGGREGATION, f"{offer.aggregation}")
    known = setting.availabilities is None or offer.availability in {None, *setting.availabilities}
    forbid(not known, rules.OFFER_AVAILABILITY, f"{offer.availability}")
    known = setting.confirmations is None or offer.confirmation in {None, *setting.confirmations}
    forbid(not known, rules.OFFER_CONFIRMATION, f"{offer.confirmation}")
    if need is not None:
        _check_against_need(offer, need, setting)
    else:
        forbid(not setting.knows(offer.points), rules.OFFER_POINT)
        forbid(
            not received < offer.valid_until <= offer.window.end,
            rules.OFFER_EXPIRY,
            f"it is {offer.valid_until}",
        )
    for option in offer.options:
        _check_option(option, need, setting)


def _check_against_need(offer: Offer, need: Need, setting: Setting) -> None:
    forbid(offer.window != need.window, rules.OFFER_PERIOD, "it is another period")
    product = (offer.service, offer.direction), (need.service, need.direction)
    forbid(product[0] != product[1], rules.OFFER_PRODUCT, f"it is {need.service}, {need.direction}")
    outside = [one for one in offer.points if not setting.below(one, need.points)]
    forbid(bool(outside), rules.OFFER_POINT, f"{', '.join(outside[:3])}")
    forbid(
        not need.decide_by <= offer.valid_until <= offer.window.end,
        rules.OFFER_EXPIRY,
        f"the need is decided by {need.decide_by}",
    )


def _check_option(option: OfferOption, need: Need | None, setting: Setting) -> None:
    name, offered = f"option {option.option}", option.offered_kw
    kw = amounts(offered)
    forbid(not any(kw), rules.OFFER_BOUNDS, f"{name} offers nothing")
    if need is None:
        step = offered.step_seconds
        forbid(step not in setting.steps_seconds, rules.OFFER_STEP, f"{name} has steps of {step} s")
        check_price(option, setting.currency, setting)
        return
    forbid(not alike(offered, need.requested_kw), rules.OFFER_STEP, name)
    places = zip(kw, amounts(need.requested_kw), strict=True)
    forbid(any(some and not asked for some, asked in places), rules.OFFER_BOUNDS, name)
    least = need.min_offer_kw
    forbid(least is not None and max(kw) < least, rules.OFFER_SMALL, f"{name}: {least} kW is the least")
    check_price(option, need.currency, setting)
    cap = need.price_cap
    forbid(cap is not None and option.price.amount > cap.amount, rules.OFFER_CAP, f"{name}: the cap is {cap}")


def check_price(option: OfferOption, currency: str | None, setting: Setting) -> None:
    """In the currency, and within the cap of the agreement."""
    name, price, cap = f"option {option.option}", option.price, setting.price_cap
    forbid(currency not in (None, price.currency), rules.OFFER_CURRENCY, f"{name}: it is {currency}")
    above = cap is not None and cap.currency == price.currency and price.amount > cap.amount
    forbid(above, rules.OFFER_CAP, f"{name}: the cap is {cap}")


def orders_of(book: Offers, need: str) -> Iterator[OrderState]:
    """The orders to offers for a need."""
    return (order for order in book.orders.values() if order.need == need)


def check_needed(book: Offers, received: datetime, ordered_kw: IntervalSeries, need: NeedState) -> None:
    """An order to a need comes between its gate and its decision, and no interval gets more than it asked."""
    forbid(need.phase is not NeedPhase.OPEN, rules.NEED_ENDED, f"{need.need.need} is {need.phase}")
    forbid(received <= need.need.gate_closes and not need.need.early_orders, rules.ORDER_GATE)
    forbid(received > need.need.decide_by, rules.ORDER_LATE)
    sums = amounts(ordered_kw)
    for other in orders_of(book, need.need.need):
        sums = [a + b for a, b in zip(sums, amounts(other.order.ordered_kw), strict=True)]
    for place, (ordered, asked) in enumerate(zip(sums, amounts(need.need.requested_kw), strict=True), 1):
        forbid(ordered > asked, rules.ORDER_MORE_THAN_NEEDED, f"interval {place}: {asked} kW is needed")
