"""Counters: the utility would take an offer at other terms, and the aggregator says yes or no."""

from __future__ import annotations

from intertie.market import offer_rules as rules
from intertie.market.declared import check_declared
from intertie.market.event import Broken, Event
from intertie.market.offer_checks import check_conversation, check_needed, check_reply, find_need, find_offer
from intertie.market.offer_setting import Setting, alike, forbid
from intertie.market.offer_state import (
    COUNTER_TABLE,
    OFFER_TABLE,
    CounterPhase,
    CounterState,
    CounterStep,
    NeedState,
    OfferPhase,
    Offers,
    OfferState,
    OfferStep,
    OrderState,
    with_one,
)
from intertie.model.offers import Clearing, CounterAnswer, CounterOffer, CounterVerdict, Offer, Order


def make_counter(book: Offers, event: Event, body: CounterOffer, setting: Setting) -> Offers:
    """The counter is open. Raises Broken."""
    state = find_offer(book, event, body.offer, body.offer_revision)
    forbid(state.sealed is not None, rules.COUNTER_SEALED)
    offer = _open(state, event)
    orders = {one.counter.order for one in book.counters.values()} | set(book.orders)
    forbid(body.counter in book.counters or body.order in orders, rules.COUNTER_SUBMITTED)
    same = alike(body.ordered_kw, offer.options[0].offered_kw)
    forbid(body.window != offer.window or not same, rules.COUNTER_PERIOD)
    holds = event.received < body.valid_until <= offer.valid_until
    forbid(not holds, rules.COUNTER_EXPIRY, f"the offer holds until {offer.valid_until}")
    need = find_need(book, state)
    if need is not None:
        forbid(need.need.clearing is Clearing.UNIFORM, rules.COUNTER_UNIFORM)
        check_needed(book, event.received, body.ordered_kw, need)
    _check_price(body, offer, need, setting)
    made = CounterState(
        body, COUNTER_TABLE[CounterPhase.ABSENT, CounterStep.MAKE], event.message, event.conversation
    )
    return book._replace(counters=with_one(book.counters, body.counter, made))


def _open(state: OfferState, event: Event) -> Offer:
    """An offer that can be countered or answered still."""
    if state.phase is not OfferPhase.OPEN or state.offer is None:
        raise Broken(rules.OFFER_ENDED, f"it is {state.phase}")
    forbid(event.received > state.offer.valid_until, rules.OFFER_EXPIRED)
    return state.offer


def _check_price(body: CounterOffer, offer: Offer, need: NeedState | None, setting: Setting) -> None:
    currency = offer.options[0].price.currency
    forbid(body.price.currency != currency, rules.COUNTER_PRICE, f"it is {currency}")
    for cap in (setting.price_cap, need.need.price_cap if need else None):
        if cap is not None and cap.currency == currency:
            forbid(body.price.amount > cap.amount, rules.COUNTER_PRICE, f"the cap is {cap}")


def answer_counter(book: Offers, event: Event, body: CounterAnswer, setting: Setting) -> Offers:
    """Accepted, the counter is an order. Raises Broken."""
    counter = book.counters.get(body.counter)
    if counter is None:
        raise Broken(rules.COUNTER_UNKNOWN, f"there is no counter {body.counter}")
    check_conversation(book, event, counter.conversation)
    check_reply(event, counter.message)
    accepted = body.verdict is CounterVerdict.ACCEPTED
    step = CounterStep.ACCEPT if accepted else CounterStep.DECLINE
    phase = COUNTER_TABLE.get((counter.phase, step))
    if phase is None:
        raise Broken(rules.COUNTER_UNKNOWN, f"{body.counter} is {counter.phase}")
    forbid(event.received > counter.counter.valid_until, rules.COUNTER_EXPIRED)
    book = book._replace(counters=with_one(book.counters, body.counter, counter._replace(phase=phase)))
    return _to_order(book, event, counter.counter, setting) if accepted else book


def _to_order(book: Offers, event: Event, counter: CounterOffer, setting: Setting) -> Offers:
    state = book.offers[counter.offer]
    offer, need = _open(state, event), find_need(book, state)
    if need is not None:
        check_needed(book, event.received, counter.ordered_kw, need)
    order = Order(
        order=counter.order,
        service=offer.service,
        points=offer.points,
        window=counter.window,
        ordered_kw=counter.ordered_kw,
        price=counter.price,
        direction=offer.direction,
        offer=offer.offer,
        offer_revision=offer.revision,
        option=offer.options[0].option,
        confirmation=offer.confirmation,
    )
    check_declared(book, order, offer.aggregation, setting)
    return book_order(book, event, order, state)


def book_order(book: Offers, event: Event, order: Order, state: OfferState | None) -> Offers:
    """The order is a deal; other counters to its offer lapse."""
    need, offer = (state.need, state.offer) if state else (None, None)
    deal = OrderState(order, event.message, event.received, need, offer.aggregation if offer else None)
    book = book._replace(orders=with_one(book.orders, order.order, deal))
    if state is None:
        return book
    taken = state._replace(phase=OFFER_TABLE[state.phase, OfferStep.ORDER], order=order.order)
    return lapse_counters(book._replace(offers=with_one(book.offers, state.name, taken)), state.name)


def lapse_counters(book: Offers, offer: str) -> Offers:
    """Counters to an offer that changed, or is gone, are open no longer."""
    for name, state in book.counters.items():
        after = COUNTER_TABLE.get((state.phase, CounterStep.LAPSE))
        if state.counter.offer == offer and after is not None:
            book = book._replace(counters=with_one(book.counters, name, state._replace(phase=after)))
    return book
