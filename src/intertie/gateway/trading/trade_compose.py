"""From what a person says to the document that says it: needs, offers, calls and availability, with what follows from the
contract, the need or the deal filled in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.trading.trade_dispatch import due_by, fresh_name, signed
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.contract import Confirmation, Direction, Service
from intertie.model.dispatch import DispatchInstruction, Instruction
from intertie.model.errors import SettingsError
from intertie.model.ids import AggregationId, ConnectionPointId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.made import changed, made
from intertie.model.offers import Clearing, Need, Offer, OfferOption
from intertie.model.quantity import Money


class NeedSaid(NamedTuple):
    """What is needed, and how it is decided. Not said: decided when the window begins; keys half-way from gate to decision."""

    service: Service
    points: Sequence[ConnectionPointId]
    requested: IntervalSeries
    gate: datetime
    decide_by: datetime | None = None
    direction: Direction = Direction.UP
    sealed: bool = False
    keys_by: datetime | None = None
    clearing: Clearing = Clearing.PAY_AS_BID
    cap: Decimal | None = None
    least_kw: Decimal | None = None
    text: str = ""


def need_of(desk: Desk, name: str, revision: int, said: NeedSaid) -> Need:
    """The need, in the currency and the zone of the contract. SettingsError if it does not fit together."""
    decide = said.requested.start if said.decide_by is None else said.decide_by
    keys = said.gate + (decide - said.gate) / 2 if said.keys_by is None else said.keys_by
    currency = desk.text.elections.currency
    return made(
        Need,
        need=name,
        revision=revision,
        service=said.service,
        points=tuple(said.points),
        window=Window(start=said.requested.start, end=said.requested.end),
        zone=desk.text.calendar.zone,
        requested_kw=said.requested,
        gate_closes=said.gate,
        decide_by=decide,
        currency=currency,
        direction=said.direction,
        clearing=said.clearing,
        price_cap=None if said.cap is None else Money(amount=said.cap, currency=currency),
        min_offer_kw=said.least_kw,
        sealed=said.sealed,
        keys_by=keys if said.sealed else None,
        text=said.text,
    )


class OptionSaid(NamedTuple):
    """One way to take an offer: whole, or down to a fraction of each interval."""

    kw: IntervalSeries
    price: Decimal
    least: Decimal = Decimal(1)


class OfferSaid(NamedTuple):
    """What is offered. To a need: its points, service and direction, until it is decided, where nothing else is said."""

    options: Sequence[OptionSaid]
    aggregation: AggregationId | None = None
    points: Sequence[ConnectionPointId] = ()
    valid_until: datetime | None = None
    service: Service | None = None
    direction: Direction = Direction.UP
    text: str = ""


def offer_of(desk: Desk, name: str, said: OfferSaid, need: Need | None) -> Offer:
    """The offer. SettingsError if it does not fit together, or nothing says what is offered and where."""
    if not said.options:
        raise SettingsError("nothing is offered", do="Say how many kW, at which price.")
    service = need.service if need is not None else said.service
    if service is None or (need is None and not said.points):
        raise SettingsError(
            "what is offered, and where?", do="Name the service and a point, or the need that it answers."
        )
    currency = need.currency if need is not None else desk.text.elections.currency
    first = said.options[0].kw
    window = Window(start=first.start, end=first.end)
    options = [
        made(
            OfferOption,
            option=number,
            offered_kw=one.kw,
            price=Money(amount=one.price, currency=currency),
            minimum_fraction=one.least,
        )
        for number, one in enumerate(said.options, 1)
    ]
    ends = need.decide_by if need is not None else window.start
    return made(
        Offer,
        offer=name,
        service=service,
        points=tuple(said.points) or (need.points if need is not None else ()),
        window=window,
        options=options,
        valid_until=said.valid_until or ends,
        direction=need.direction if need is not None else said.direction,
        need=None if need is None else need.need,
        need_revision=None if need is None else need.revision,
        aggregation=said.aggregation,
        text=said.text,
    )


class CallSaid(NamedTuple):
    """What is called for. Kilowatts without a sign get that of the deal's direction. Without a deal it is an emergency."""

    service: Service
    point: ConnectionPointId
    kw: IntervalSeries
    deal: Confirmation | None = None
    name: str | None = None
    set_point: bool = False
    respond_by: datetime | None = None
    ramp: Decimal | None = None
    overrides: Sequence[str] = ()
    text: str = ""


def instruction_of(desk: Desk, said: CallSaid) -> DispatchInstruction:
    """The instruction. SettingsError if it does not fit together."""
    series = said.kw
    if said.deal is not None and not said.set_point:
        series = signed(series, said.deal.direction)
    return made(
        DispatchInstruction,
        dispatch=said.name or fresh_name(desk, series.start),
        service=said.service,
        point=said.point,
        window=Window(start=series.start, end=series.end),
        instruction=Instruction.SET_POINT if said.set_point else Instruction.RELATIVE,
        target_kw=series,
        respond_by=due_by(desk, said.service, said.respond_by),
        confirmation=said.deal and said.deal.confirmation,
        ramp_kw_per_minute=said.ramp,
        emergency=said.deal is None,
        overrides=tuple(said.overrides),
        text=said.text,
    )


class ChangeSaid(NamedTuple):
    """What of an instruction becomes another; None stays as it is. Kilowatts have their sign."""

    window: Window | None = None
    kw: IntervalSeries | None = None
    respond_by: datetime | None = None
    ramp: Decimal | None = None


def changes_of(desk: Desk, before: DispatchInstruction, said: ChangeSaid) -> dict[str, Any]:
    """The fields of the next revision, with a new time for its answer. SettingsError for another window without its kW."""
    window = before.window if said.window is None else said.window
    if said.kw is None and window != before.window:
        raise SettingsError("how much, in another window?", do="Give the kW for it, too.")
    changes: dict[str, Any] = {"window": window, "respond_by": due_by(desk, before.service, said.respond_by)}
    if said.kw is not None:
        changes["target_kw"] = said.kw
    if said.ramp is not None:
        changes["ramp_kw_per_minute"] = said.ramp
    return changes


class AvailabilitySaid(NamedTuple):
    """What an aggregation can do at a point. Not said: nothing down, no reactive power, no price, no notice."""

    aggregation: AggregationId
    service: Service
    point: ConnectionPointId
    up: IntervalSeries
    down: IntervalSeries | None = None
    kvar: IntervalSeries | None = None
    price: Decimal | None = None
    notice_minutes: int | None = None


def availability_of(desk: Desk, said: AvailabilitySaid) -> AvailabilityDeclaration:
    """The declaration, in the currency of the contract. SettingsError if it does not fit together."""
    nothing = changed(said.up, values=(0,) * len(said.up.values))
    price = None if said.price is None else Money(amount=said.price, currency=desk.text.elections.currency)
    return made(
        AvailabilityDeclaration,
        aggregation=said.aggregation,
        service=said.service,
        point=said.point,
        window=Window(start=said.up.start, end=said.up.end),
        revision=1,
        up_kw=said.up,
        down_kw=said.down or nothing,
        kvar=said.kvar,
        price=price,
        notice_minutes=said.notice_minutes,
    )
