"""Our documents as UFTP's messages. What UFTP has no words for is refused where it is written, with what to do instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from intertie.formats.uftp import messages as m
from intertie.formats.uftp.forms import Disposition
from intertie.formats.uftp.isp import Day, IspError, day_of, gather, to_powers
from intertie.formats.uftp.read import scaled
from intertie.formats.uftp.say_settlement import say_settlement
from intertie.formats.uftp.terms import Context, UnsayableError, address_of, sign_of, total_price
from intertie.model.availability import LoadPrognosis
from intertie.model.interval import IntervalSeries
from intertie.model.message import Header
from intertie.model.offers import Need, Offer, OfferOption, OfferRevocation, Order
from intertie.model.record import Record
from intertie.model.settlement import PerformanceStatement

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# The least share that UFTP can say.
FACTOR_MIN = Decimal("0.01")


def say(header: Header, body: Record, context: Context) -> m.Payload:
    """The UFTP message of a document. Raises UnsayableError."""
    writer = _WRITERS.get(type(body))
    if writer is None:
        raise UnsayableError(
            f"Invalid Message: UFTP has no message for {header.document}", do="Send it over another binding."
        )
    try:
        return writer(header, body, context)
    except (IspError, ValueError, ArithmeticError) as error:
        raise UnsayableError(f"Invalid Message: {error}") from error


def meta(header: Header, context: Context) -> dict[str, Any]:
    """What every message says first."""
    conversation = header.conversation or header.id
    if not UUID.fullmatch(conversation):
        raise UnsayableError(
            f"Invalid Message: conversation {conversation} is no UUID, and UFTP's are",
            do="Name the conversation by a UUID.",
        )
    return {
        "version": context.terms.version,
        "sender_domain": context.own_domain,
        "recipient_domain": context.domain,
        "time_stamp": header.created,
        "message_id": header.id,
        "conversation_id": conversation,
    }


def flex(header: Header, context: Context, day: Day, points: Any) -> dict[str, Any]:
    """What every message about ISPs says first."""
    return {
        **meta(header, context),
        "isp_duration": day.length,
        "time_zone": day.zone,
        "period": day.period,
        "congestion_point": address_of(context, points),
    }


def series_day(series: IntervalSeries, zone: str) -> Day:
    """The day that a series lies in."""
    if series.step < timedelta(minutes=1):
        raise UnsayableError("ISP duration rejected: UFTP has whole minutes")
    return day_of(series.start, series.end, zone, series.step)


def _need(header: Header, need: Need, context: Context) -> m.Payload:
    if need.sealed:
        raise UnsayableError(
            "Invalid Message: UFTP has no sealed offers",
            do="Ask for open offers, or send it over another binding.",
        )
    day = series_day(need.requested_kw, need.zone)
    sign = sign_of(need.direction, context.terms)
    wanted = {number: watts for number, watts in to_powers(day, need.requested_kw).items() if watts}
    isps = tuple(
        m.RequestIsp(
            disposition=Disposition.REQUESTED,
            min_power=min(0, sign * watts),
            max_power=max(0, sign * watts),
            start=start,
            duration=duration,
        )
        for start, duration, watts in gather(wanted)
    )
    if not isps:
        raise UnsayableError("Invalid Message: nothing is requested")
    return m.FlexRequest(
        **flex(header, context, day, need.points),
        revision=need.revision,
        expiration=need.gate_closes,
        contract_id=need.confirmation,
        service_type=need.service.value,
        isps=isps,
    )


def isps_of(day: Day, series: IntervalSeries, sign: int) -> tuple[m.Isp, ...]:
    """The ISPs of a series, zeros left out."""
    powers = {number: sign * watts for number, watts in to_powers(day, series).items() if watts}
    return tuple(
        m.Isp(start=start, duration=duration, power=power) for start, duration, power in gather(powers)
    )


def zone_of(context: Context, need: str | None) -> str:
    """The zone of a need, or of the partner's points."""
    known = context.offers.needs.get(need) if need is not None else None
    return known.need.zone if known is not None else context.terms.zone


def _offer(header: Header, offer: Offer, context: Context) -> m.Payload:
    if offer.revision != 1:
        raise UnsayableError(
            "Invalid Message: an offer of UFTP has no revisions", do="Revoke it, and make another one."
        )
    need = context.offers.needs.get(offer.need) if offer.need is not None else None
    request = context.original(need.message) if need is not None else None
    day = series_day(offer.options[0].offered_kw, zone_of(context, offer.need))
    sign = sign_of(offer.direction, context.terms)
    prognosis = context.original(offer.availability) if offer.availability is not None else None
    return m.FlexOffer(
        **flex(header, context, day, offer.points),
        expiration=offer.valid_until,
        unsolicited=request is None,
        flex_request_message_id=request.message_id if request is not None else None,
        contract_id=offer.confirmation,
        d_prognosis_message_id=prognosis.message_id if prognosis is not None else None,
        currency=offer.options[0].price.currency,
        options=tuple(_option(day, one, sign) for one in offer.options),
    )


def _option(day: Day, option: OfferOption, sign: int) -> m.OfferOption:
    fraction = max(option.minimum_fraction, FACTOR_MIN)
    if fraction != round(fraction, 2):
        raise UnsayableError("Invalid Message: UFTP's MinActivationFactor has two decimal places")
    return m.OfferOption(
        option_reference=str(option.option),
        price=total_price(option.offered_kw, option.price.amount),
        min_activation_factor=round(fraction, 2),
        isps=isps_of(day, option.offered_kw, sign),
    )


def _revocation(header: Header, body: OfferRevocation, context: Context) -> m.Payload:
    state = context.offers.offers.get(body.offer)
    offered = context.original(state.message) if state is not None else None
    if offered is None:
        raise UnsayableError(f"Unknown FlexOfferMessageID: offer {body.offer} is not known")
    return m.FlexOfferRevocation(**meta(header, context), flex_offer_message_id=offered.message_id)


def _order(header: Header, order: Order, context: Context) -> m.Payload:
    if order.offer is None:
        return _call(header, order, context)
    state = context.offers.offers.get(order.offer)
    offered = context.original(state.message) if state is not None else None
    place = (order.option or 1) - 1
    if state is None or state.offer is None or not isinstance(offered, m.FlexOffer):
        raise UnsayableError(f"Unknown FlexOfferMessageID: offer {order.offer} is not known")
    if place >= len(offered.options):
        raise UnsayableError(f"Unknown OptionReference: {order.option}")
    chosen, option = offered.options[place], state.offer.options[place]
    same = order.price.amount == option.price.amount
    return m.FlexOrder(
        **meta(header, context),
        isp_duration=offered.isp_duration,
        time_zone=offered.time_zone,
        period=offered.period,
        congestion_point=offered.congestion_point,
        flex_offer_message_id=offered.message_id,
        unsolicited=False,
        service_type=order.service.value,
        contract_id=order.confirmation or offered.contract_id,
        d_prognosis_message_id=offered.d_prognosis_message_id,
        baseline_reference=offered.baseline_reference,
        price=chosen.price if same else total_price(option.offered_kw, order.price.amount),
        currency=order.price.currency,
        order_reference=order.order,
        option_reference=chosen.option_reference,
        activation_factor=_factor(order.ordered_kw, option.offered_kw),
        isps=chosen.isps,
    )


def _factor(ordered: IntervalSeries, offered: IntervalSeries) -> Decimal:
    """The one share of all intervals that was ordered."""
    total = offered.total()
    factor = round(ordered.total() / total, 2) if total else Decimal(1)
    wanted = scaled(offered, factor)
    same = all(ordered.quantity(i) == wanted.quantity(i) for i in range(len(offered.values)))
    if not same or len(ordered.values) != len(offered.values):
        raise UnsayableError(
            "ISPs out of bounds: UFTP orders one share, of two decimal places, of all intervals",
            do="Order the offer whole, or each interval by the same hundredths.",
        )
    return Decimal(f"{factor:.2f}")


def _prognosis(header: Header, body: LoadPrognosis, context: Context) -> m.Payload:
    day = series_day(body.load_kw, body.zone)
    powers = to_powers(day, body.load_kw)
    return m.DPrognosis(
        **flex(header, context, day, (body.point,)),
        revision=body.revision,
        isps=tuple(
            m.Isp(start=start, duration=duration, power=power) for start, duration, power in gather(powers)
        ),
    )


def _settlement(header: Header, body: PerformanceStatement, context: Context) -> m.Payload:
    return m.FlexSettlement(**meta(header, context), **say_settlement(body, context))


def _call(header: Header, order: Order, context: Context) -> m.Payload:
    day = series_day(order.ordered_kw, context.terms.zone)
    return m.FlexOrder(
        **flex(header, context, day, order.points),
        unsolicited=True,
        service_type=order.service.value,
        contract_id=order.confirmation,
        price=total_price(order.ordered_kw, order.price.amount),
        currency=order.price.currency,
        order_reference=order.order,
        isps=isps_of(day, order.ordered_kw, sign_of(order.direction, context.terms)),
    )


_WRITERS: Mapping[type[Record], Callable[[Header, Any, Context], m.Payload]] = MappingProxyType(
    {
        Need: _need,
        Offer: _offer,
        OfferRevocation: _revocation,
        Order: _order,
        LoadPrognosis: _prognosis,
        PerformanceStatement: _settlement,
    }
)
