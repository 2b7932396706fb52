"""UFTP's messages in our words. References are looked up in what both hold; what breaks a rule of the trade by being said in
another way than its reference is raised as that rule (Broken), before there is a document that could break it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec

from intertie.formats.uftp import messages as m
from intertie.formats.uftp.forms import Disposition
from intertie.formats.uftp.isp import Day, IspError, spread, to_powers, to_series, window_of
from intertie.formats.uftp.read_settlement import read_settlement
from intertie.formats.uftp.terms import (
    Context,
    Said,
    UnsayableError,
    checked_name,
    direction_of,
    ids_of,
    need_of,
    offer_of,
    point_here,
    price_per_kwh,
    sign_of,
    total_price,
)
from intertie.market import offer_rules as rules
from intertie.market.event import Broken
from intertie.market.offer_state import NeedState
from intertie.model.availability import LoadPrognosis
from intertie.model.contract import Service
from intertie.model.ids import ConfirmationId, ConversationId, MessageId
from intertie.model.interval import IntervalSeries
from intertie.model.offers import Need, Offer, OfferOption, OfferRevocation, Order, RevocationReason
from intertie.model.quantity import Money
from intertie.model.record import Record

# Names that are made of UFTP's ids begin with this: no two parties choose the same.
PREFIX = "uftp:"
# A factor of two decimal places times whole watts is exact in hundredths of a watt.
CENTIWATT = -5


def read_message(message: m.Payload, context: Context) -> Said:
    """The message in our words. Raises Broken where it contradicts what it refers to, UnsayableError where we have no words."""
    reader = _READERS.get(type(message))
    if reader is None:
        raise UnsayableError(f"Invalid Message: {type(message).__name__} has no counterpart here")
    try:
        said, reply = reader(message, context)
        # UFTP's numbers have wider bounds than ours: what is kept must be readable again.
        body = msgspec.convert(msgspec.to_builtins(said), type(said))
    except IspError as error:
        raise UnsayableError(str(error)) from error
    except msgspec.ValidationError as error:  # a rule of the document
        raise UnsayableError(f"Invalid Message: {error}") from error
    except ValueError as error:
        raise UnsayableError(f"Invalid Message: {error}") from error
    return Said(body, ConversationId(message.conversation_id), reply)


def day_of_message(message: m.Flex) -> Day:
    """The day that the message is about."""
    return Day(message.period, message.time_zone, message.isp_duration)


def powers_of(message: m.Flex, isps: tuple[m.Isp, ...]) -> dict[int, int]:
    """Power by ISP number, zeros left out."""
    found = spread(day_of_message(message), ((one.start, one.duration, one.power) for one in isps))
    return {number: power for number, power in found.items() if power}


def _request(message: m.FlexRequest, context: Context) -> tuple[Record, MessageId | None]:
    day = day_of_message(message)
    spread(
        day, ((one.start, one.duration, 0) for one in message.isps)
    )  # each ISP once, room and need together
    asked = [one for one in message.isps if one.disposition is not Disposition.AVAILABLE]
    sides = {_side(one) for one in asked} - {0}
    if len(sides) != 1:
        raise UnsayableError("Invalid Message: a request asks for power in one direction")
    wanted = spread(
        day, ((one.start, one.duration, max(abs(one.min_power), abs(one.max_power))) for one in asked)
    )
    first, last = (pick(number for number, power in wanted.items() if power) for pick in (min, max))
    series = to_series(day, wanted, first, last)
    terms = context.terms
    need = Need(
        need=PREFIX + message.conversation_id,
        revision=message.revision,
        service=_service(message.service_type, terms.service),
        points=(point_here(context, message.congestion_point),),
        window=window_of(series),
        zone=message.time_zone,
        requested_kw=series,
        gate_closes=message.expiration,
        decide_by=series.start,
        currency=terms.currency,
        direction=direction_of(sides.pop(), terms),
        early_orders=True,
        confirmation=_contract(message.contract_id),
    )
    return need, None


def _side(isp: m.RequestIsp) -> int:
    """-1, 0 or 1; UnsayableError where the bounds lie on both sides of the baseline."""
    low, high = isp.min_power, isp.max_power
    if low > high or (low < 0 < high):
        raise UnsayableError(f"Invalid Message: ISP {isp.start} asks for power between {low} and {high} W")
    return (high > 0) - (low < 0)


def _service(text: str | None, agreed: Service) -> Service:
    if text is None:
        return agreed
    try:
        return Service(text)
    except ValueError as error:
        raise UnsayableError(
            f"Invalid Message: ServiceType {text[:60]!r} is none of {', '.join(Service)}"
        ) from error


def _contract(text: str | None) -> ConfirmationId | None:
    return None if text is None else ConfirmationId(checked_name(text, "Unknown ContractID"))


def _offer(message: m.FlexOffer, context: Context) -> tuple[Record, MessageId | None]:
    need = _need_answered(message, context)
    _check_prognosis(message, context)
    day = day_of_message(message)
    powers = [powers_of(message, one.isps) for one in message.options]
    signs = {power > 0 for option in powers for power in option.values()}
    if len(signs) > 1:
        raise UnsayableError("Invalid Message: an offer is power in one direction")
    sign = 1 if True in signs else -1
    direction = direction_of(sign, context.terms)
    if need is not None:
        direction = need.need.direction if not signs else direction
        first = day.number_of(need.need.window.start)
        last = first + len(need.need.requested_kw.values) - 1
    else:
        numbers = [number for option in powers for number in option]
        if not numbers:
            raise Broken(rules.OFFER_BOUNDS, "it offers nothing")
        first, last = min(numbers), max(numbers)
    options = tuple(
        _option(place, one, to_series(day, _within(taken, first, last), first, last), message.currency)
        for place, (one, taken) in enumerate(zip(message.options, powers, strict=True), 1)
    )
    return Offer(
        offer=PREFIX + message.message_id,
        service=need.need.service if need else context.terms.service,
        points=(point_here(context, message.congestion_point),),
        window=window_of(options[0].offered_kw),
        options=options,
        valid_until=message.expiration,
        direction=direction,
        need=need.need.need if need else None,
        need_revision=need.need.revision if need else None,
        confirmation=_contract(message.contract_id),
    ), need.message if need else None


def _need_answered(message: m.FlexOffer, context: Context) -> NeedState | None:
    """The need of a solicited offer; Broken where period, zone or intervals are not its own."""
    named = message.flex_request_message_id
    if named is None:
        return None
    need = need_of(context, named)
    if need is None:
        # A revision that was replaced is here, as a message; what was never here is unknown.
        replaced = any(context.known(one) for one in ids_of(named))
        raise Broken(
            rules.OFFER_NEED_REVISED if replaced else rules.OFFER_NEED_UNKNOWN, f"FlexRequest {named}"
        )
    series, day = need.need.requested_kw, day_of_message(message)
    if message.time_zone != need.need.zone:
        raise Broken(rules.NEED_ZONE, f"it is {need.need.zone}")
    if message.isp_duration != series.step:
        raise Broken(rules.OFFER_STEP, f"it is {series.step_seconds // 60} minutes")
    if not day.window.holds(series.start):
        raise Broken(rules.OFFER_PERIOD, "the request is about another day")
    return need


def _check_prognosis(message: m.FlexOffer, context: Context) -> None:
    named = message.d_prognosis_message_id
    if named is not None and not any(context.known(one) for one in ids_of(named)):
        raise Broken(rules.OFFER_AVAILABILITY, f"D-Prognosis {named}")


def _within(powers: Mapping[int, int], first: int, last: int) -> dict[int, int]:
    outside = [number for number in powers if not first <= number <= last]
    if outside:
        raise Broken(rules.OFFER_BOUNDS, f"ISP {min(outside)} is not asked for")
    return {number: abs(power) for number, power in powers.items()}


def _option(place: int, said: m.OfferOption, series: IntervalSeries, currency: str) -> OfferOption:
    return OfferOption(
        option=place,
        offered_kw=series,
        price=Money(amount=price_per_kwh(said.price, series), currency=currency),
        minimum_fraction=said.min_activation_factor,
    )


def _revocation(message: m.FlexOfferRevocation, context: Context) -> tuple[Record, MessageId | None]:
    offer = offer_of(context, message.flex_offer_message_id)
    if offer is None:
        raise Broken(rules.OFFER_UNKNOWN, f"FlexOffer {message.flex_offer_message_id}")
    return OfferRevocation(
        offer=offer.name, revision=offer.revision, reason=RevocationReason.OTHER
    ), offer.message


def _order(message: m.FlexOrder, context: Context) -> tuple[Record, MessageId | None]:
    name = checked_name(message.order_reference, "Invalid Message: OrderReference")
    point = (point_here(context, message.congestion_point),)
    powers = powers_of(message, message.isps)
    if message.flex_offer_message_id is None:
        return _call(message, context, name, powers), None
    state = offer_of(context, message.flex_offer_message_id)
    if state is None or state.offer is None:
        raise Broken(rules.OFFER_UNKNOWN, f"FlexOffer {message.flex_offer_message_id}")
    offer = state.offer
    option = _option_named(message, offer)
    series, day = option.offered_kw, day_of_message(message)
    if message.isp_duration != series.step or not day.window.holds(series.start):
        raise Broken(rules.ORDER_TERMS, "it is another day, or other ISPs")
    sign = sign_of(offer.direction, context.terms)
    offered = {number: sign * watts for number, watts in to_powers(day, series).items() if watts}
    if powers != offered:
        raise Broken(rules.ORDER_TERMS, "its ISPs are not those of the offer")
    factor = message.activation_factor
    return Order(
        order=name,
        service=_service(message.service_type, offer.service),
        points=point,
        window=offer.window,
        ordered_kw=scaled(series, factor),
        price=Money(amount=_ordered_price(message, option, factor), currency=message.currency),
        direction=offer.direction,
        offer=offer.offer,
        offer_revision=offer.revision,
        option=option.option,
        confirmation=_contract(message.contract_id),
    ), state.message


def _option_named(message: m.FlexOrder, offer: Offer) -> OfferOption:
    named = message.option_reference
    if named is None and len(offer.options) == 1:
        return offer.options[0]
    option = next((one for one in offer.options if str(one.option) == named), None)
    if option is None:
        raise Broken(rules.ORDER_OPTION, f"OptionReference {named}")
    return option


def _ordered_price(message: m.FlexOrder, option: OfferOption, factor: Decimal) -> Decimal:
    """The price per kWh. The total that was offered, or its share, is the offered price, whatever was rounded."""
    whole = total_price(option.offered_kw, option.price.amount)
    if message.price in (whole, round(whole * factor, 4)):
        return option.price.amount
    return price_per_kwh(message.price, option.offered_kw)


def _prognosis(message: m.DPrognosis, context: Context) -> tuple[Record, MessageId | None]:
    day = day_of_message(message)
    powers = spread(day, ((one.start, one.duration, one.power) for one in message.isps))
    first, last = min(powers), max(powers)
    if last - first + 1 != len(powers):
        raise UnsayableError("ISPs out of bounds: a prognosis has no gaps")
    series = to_series(day, powers, first, last)
    return LoadPrognosis(
        point=point_here(context, message.congestion_point),
        window=window_of(series),
        zone=message.time_zone,
        revision=message.revision,
        load_kw=series,
    ), None


def _settlement(message: m.FlexSettlement, context: Context) -> tuple[Record, MessageId | None]:
    return read_settlement(message, context, PREFIX + message.message_id), None


def _call(message: m.FlexOrder, context: Context, name: str, powers: Mapping[int, int]) -> Order:
    """An order without an offer, under a contract."""
    signs = {power > 0 for power in powers.values()}
    if len(signs) != 1:
        raise UnsayableError("Invalid Message: an order is power in one direction")
    first, last = min(powers), max(powers)
    series = to_series(day_of_message(message), _within(powers, first, last), first, last)
    return Order(
        order=name,
        service=_service(message.service_type, context.terms.service),
        points=(point_here(context, message.congestion_point),),
        window=window_of(series),
        ordered_kw=series,
        price=Money(amount=price_per_kwh(message.price, series), currency=message.currency),
        direction=direction_of(1 if signs.pop() else -1, context.terms),
        confirmation=_contract(message.contract_id),
    )


def scaled(series: IntervalSeries, factor: Decimal) -> IntervalSeries:
    """The share of each interval, exact: `factor` has two decimal places."""
    if factor == 1:
        return series
    times = int(factor * 100) * 10 ** (series.power_of_ten - CENTIWATT - 2)
    values = tuple(None if value is None else value * times for value in series.values)
    return msgspec.structs.replace(series, power_of_ten=CENTIWATT, values=values)


_READERS: Mapping[type[m.Payload], Callable[[Any, Context], tuple[Record, MessageId | None]]] = (
    MappingProxyType(
        {
            m.FlexRequest: _request,
            m.FlexOffer: _offer,
            m.FlexOfferRevocation: _revocation,
            m.FlexOrder: _order,
            m.DPrognosis: _prognosis,
            m.FlexSettlement: _settlement,
        }
    )
)
