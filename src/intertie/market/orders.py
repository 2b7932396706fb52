"""Orders, whole and partial, and the result that everybody gets who made an offer."""

from __future__ import annotations

from intertie.market import offer_rules as rules
from intertie.market.counters import book_order
from intertie.market.declared import check_deal, check_declared, kw_between
from intertie.market.event import Broken, Event
from intertie.market.offer_checks import (
    check_conversation,
    check_needed,
    check_reply,
    find_need,
    find_offer,
    orders_of,
)
from intertie.market.offer_setting import Setting, alike, amounts, forbid
from intertie.market.offer_state import (
    NEED_TABLE,
    OFFER_TABLE,
    NeedStep,
    OfferPhase,
    Offers,
    OfferState,
    OfferStep,
    with_one,
)
from intertie.model.offers import (
    Clearing,
    Need,
    NeedResult,
    Offer,
    OfferOption,
    OfferResult,
    OfferVerdict,
    Order,
)

__all__ = ["kw_between", "place_order", "standing_offers", "tell_result", "verdict_of"]


def place_order(book: Offers, event: Event, order: Order, setting: Setting) -> Offers:
    """The order is a deal. Raises Broken."""
    named = {one.counter.order for one in book.counters.values()} | set(book.orders)
    forbid(order.order in named, rules.ORDER_SUBMITTED)
    forbid(order.window.start <= event.received, rules.ORDER_PERIOD)
    if order.offer is None:
        _check_call(book, event, order, setting)
        return book_order(book, event, order, None)
    state = find_offer(book, event, order.offer, order.offer_revision or 0)
    forbid(state.phase is OfferPhase.SEALED, rules.ORDER_UNOPENED)
    if state.phase is not OfferPhase.OPEN or state.offer is None:
        raise Broken(rules.OFFER_ENDED, f"{order.offer} is {state.phase}")
    forbid(event.received > state.offer.valid_until, rules.OFFER_EXPIRED)
    option = next((one for one in state.offer.options if one.option == order.option), None)
    if option is None:
        raise Broken(rules.ORDER_OPTION, f"{order.offer} has no option {order.option}")
    need = find_need(book, state)
    _check_terms(order, state.offer, option)
    if need is not None:
        check_needed(book, event.received, order.ordered_kw, need)
    _check_price(book, order, option, need.need if need else None)
    check_declared(book, order, state.offer.aggregation, setting)
    check_deal(book, order, setting)
    return book_order(book, event, order, state)


def _check_call(book: Offers, event: Event, order: Order, setting: Setting) -> None:
    """An order without an offer: a call under a confirmation, by the cover sheet."""
    check_conversation(book, event, None)
    known = setting.confirmations is not None and order.confirmation in setting.confirmations
    forbid(order.confirmation is None or not known, rules.ORDER_NO_OFFER)
    forbid(order.service not in setting.services, rules.SERVICE_OFF, f"{order.service} is not one of them")
    forbid(not setting.knows(order.points), rules.NEED_POINT)
    step, price, cap = order.ordered_kw.step_seconds, order.price, setting.price_cap
    forbid(step not in setting.steps_seconds, rules.NEED_STEP, f"{step} s is none of them")
    forbid(setting.currency not in (None, price.currency), rules.ORDER_PRICE, f"it is in {setting.currency}")
    forbid(cap is not None and price.amount > cap.amount, rules.ORDER_PRICE, f"the cap is {cap}")
    check_deal(book, order, setting)


def _check_terms(order: Order, offer: Offer, option: OfferOption) -> None:
    same = (order.window, order.points, order.service, order.direction) == (
        offer.window,
        offer.points,
        offer.service,
        offer.direction,
    )
    forbid(not same or not alike(order.ordered_kw, option.offered_kw), rules.ORDER_TERMS)
    for place, (ordered, offered) in enumerate(
        zip(amounts(order.ordered_kw), amounts(option.offered_kw), strict=True), 1
    ):
        forbid(ordered > offered, rules.ORDER_MORE, f"interval {place}: {offered} kW was offered")
        least = offered * option.minimum_fraction
        forbid(ordered < least, rules.ORDER_LESS, f"interval {place}: {least.normalize():f} kW is the least")


def _check_price(book: Offers, order: Order, option: OfferOption, need: Need | None) -> None:
    offered, price = option.price, order.price
    forbid(price.currency != offered.currency, rules.ORDER_PRICE, f"it is in {offered.currency}")
    if need is None or need.clearing is Clearing.PAY_AS_BID:
        forbid(price.amount != offered.amount, rules.ORDER_PRICE, f"{offered.amount} was offered")
        return
    forbid(price.amount < offered.amount, rules.ORDER_PRICE, f"{offered.amount} was offered")
    above = need.price_cap is not None and price.amount > need.price_cap.amount
    forbid(above, rules.ORDER_PRICE, f"the cap is {need.price_cap}")
    prices = {other.order.price.amount for other in orders_of(book, need.need)}
    forbid(bool(prices - {price.amount}), rules.ORDER_TWO_PRICES)


def standing_offers(book: Offers, need: str) -> dict[str, OfferState]:
    """The offers that a result must speak of: those that were not taken back and did not lapse."""
    phases = (OfferPhase.SEALED, OfferPhase.OPEN, OfferPhase.ORDERED)
    return {name: one for name, one in book.offers.items() if one.need == need and one.phase in phases}


def tell_result(book: Offers, event: Event, body: NeedResult, setting: Setting) -> Offers:
    """The need is decided, and the offers that were not ordered have lost. Raises Broken."""
    state = book.needs.get(body.need)
    if state is None or state.need.revision != body.revision:
        raise Broken(rules.NEED_UNKNOWN, f"{body.need}, revision {body.revision}")
    check_conversation(book, event, state.conversation)
    check_reply(event, state.message)
    phase = NEED_TABLE.get((state.phase, NeedStep.RESULT))
    if phase is None:
        raise Broken(rules.NEED_ENDED, f"it is {state.phase}")
    standing = standing_offers(book, body.need)
    _check_time(event, state.need, standing)
    said = {one.offer: one for one in body.offers}
    differs = sorted(set(said) ^ set(standing))
    forbid(bool(differs), rules.RESULT_OFFERS, ", ".join(differs[:3]))
    for name, offer in standing.items():
        _check_verdict(book, offer, said[name])
    prices = {order.order.price for order in orders_of(book, body.need)}
    uniform = state.need.clearing is Clearing.UNIFORM and prices
    forbid(bool(uniform) and body.clearing_price not in prices, rules.RESULT_PRICE)
    needs = with_one(book.needs, body.need, state._replace(phase=phase, result=body))
    book = book._replace(needs=needs)
    for name, offer in standing.items():
        after = OFFER_TABLE.get((offer.phase, OfferStep.LOSE))
        if after is not None:
            book = book._replace(offers=with_one(book.offers, name, offer._replace(phase=after)))
    return book


def _check_time(event: Event, need: Need, standing: dict[str, OfferState]) -> None:
    forbid(event.received <= need.gate_closes, rules.RESULT_EARLY, "the gate is open")
    closed = any(one.phase is OfferPhase.SEALED for one in standing.values())
    waiting = need.keys_by is not None and event.received <= need.keys_by
    forbid(closed and waiting, rules.RESULT_EARLY, "an offer is sealed still, and its key may come")


def _check_verdict(book: Offers, offer: OfferState, said: OfferResult) -> None:
    expected = verdict_of(book, offer)
    right = (said.revision, said.verdict, said.order) == (offer.revision, expected, offer.order)
    forbid(not right, rules.RESULT_VERDICT, f"{offer.name}, revision {offer.revision}, is {expected}")


def verdict_of(book: Offers, offer: OfferState) -> OfferVerdict:
    """What the orders made of an offer: whole if one of its options was taken as it is."""
    if offer.order is None or offer.offer is None:
        return OfferVerdict.NOT_AWARDED
    ordered = amounts(book.orders[offer.order].order.ordered_kw)
    whole = any(amounts(one.offered_kw) == ordered for one in offer.offer.options)
    return OfferVerdict.AWARDED if whole else OfferVerdict.PARTIAL
