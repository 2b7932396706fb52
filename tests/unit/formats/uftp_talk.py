"""Two parties that speak UFTP: messages, documents, and what both hold of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from intertie.formats.uftp import messages as m
from intertie.formats.uftp.forms import Role
from intertie.formats.uftp.read import PREFIX, read_message
from intertie.formats.uftp.terms import (
    Context,
    Terms,
    UnsayableError,
    ids_of,
)
from intertie.market.availability import Availability
from intertie.market.event import Broken, Rule
from intertie.market.offer_state import NeedPhase, NeedState, OfferPhase, Offers, OfferState
from intertie.model.contract import Service
from intertie.model.ids import (
    ConnectionPointId,
    ConversationId,
    DocumentName,
    InterfaceCode,
    PartyId,
)
from intertie.model.interval import IntervalSeries, Window
from intertie.model.message import Header, Mode, Verb
from intertie.model.offers import Need, Offer, OfferOption
from intertie.model.quantity import Money, Unit

ZONE = "America/New_York"
POINT = ConnectionPointId("F1-T1")
ADDRESS = "ean.871685900012636543"
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
START = datetime(2026, 1, 16, 22, tzinfo=UTC)  # 17:00 in New York: ISP 69 of quarter hours
REQUEST, OFFER, TALK, UNKNOWN = (f"{n:08d}-0000-4000-8000-000000000000" for n in range(1, 5))
WHOLE = Decimal(1)
TERMS = Terms(
    domain="agr.example",
    role=Role.AGR,
    key="cs1." + "A" * 43 + "=",
    url="https://agr.example/m",
    points={POINT: ADDRESS},
    currency="USD",
    zone=ZONE,
)


def kw(*watts: int | None, start: datetime = START, seconds: int = 900, power: int = -3) -> IntervalSeries:
    return IntervalSeries(
        start=start, step_seconds=seconds, unit=Unit.KW, power_of_ten=power, values=tuple(watts)
    )


def over(series: IntervalSeries) -> Window:
    return Window(start=series.start, end=series.end)


def usd(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


def need_body(series: IntervalSeries = kw(1000, 1000, 0, 800), **more: Any) -> Need:  # noqa: B008 - frozen
    said: dict[str, Any] = {
        "need": PREFIX + TALK,
        "service": Service.DIST_CAPACITY,
        "points": (POINT,),
        "window": over(series),
        "zone": ZONE,
        "requested_kw": series,
        "gate_closes": NOW + timedelta(hours=4),
        "decide_by": series.start,
        "currency": "USD",
        "early_orders": True,
    }
    return Need(**{**said, **more})


def offer_body(*options: OfferOption, **more: Any) -> Offer:
    options = options or (
        OfferOption(option=1, offered_kw=kw(600, 400, 0, 400), price=usd("0.37"), minimum_fraction=WHOLE),
    )
    said: dict[str, Any] = {
        "offer": PREFIX + OFFER,
        "service": Service.DIST_CAPACITY,
        "points": (POINT,),
        "window": over(options[0].offered_kw),
        "options": options,
        "valid_until": NOW + timedelta(hours=5),
        "need": PREFIX + TALK,
        "need_revision": 1,
    }
    return Offer(**{**said, **more})


def context_of(
    need: Need | None = None,
    offer: Offer | None = None,
    originals: tuple[m.Payload, ...] = (),
    known: tuple[str, ...] = (),
    **terms: Any,
) -> Context:
    """What both hold: a need that REQUEST brought and an offer that OFFER brought."""
    by_id = {one.message_id: one for one in originals}
    needs = {}
    if need is not None:
        needs[need.need] = NeedState(need, NeedPhase.OPEN, ids_of(REQUEST)[1], NOW, ConversationId(TALK))
    offers = {}
    if offer is not None:
        offers[offer.offer] = OfferState(
            offer.offer, 1, OfferPhase.OPEN, ids_of(OFFER)[1], NOW, ConversationId(TALK), offer
        )
    mine = {ids_of(one.message_id)[1]: one for one in originals}
    return Context(
        own_domain="dso.example",
        domain="agr.example",
        terms=replace(TERMS, **terms),
        offers=Offers(needs, offers),
        availability=Availability(),
        original=lambda message: by_id.get(message) or mine.get(message),
        known=lambda message: message in {one for text in known for one in ids_of(text)},
    )


def header(document: str, conversation: str | None = TALK) -> Header:
    return Header(
        id=ids_of("header")[1],
        verb=Verb.CREATE,
        document=DocumentName(document),
        version=1,
        interface=InterfaceCode("DA"),
        mode=Mode.SCHEDULED,
        sender=PartyId("u.example"),
        recipient=PartyId("a.example"),
        conversation=None if conversation is None else ConversationId(conversation),
        created=NOW,
        expires=NOW + timedelta(days=1),
    )


def flex(**more: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "sender_domain": "agr.example",
        "recipient_domain": "dso.example",
        "time_stamp": NOW,
        "message_id": OFFER,
        "conversation_id": TALK,
        "isp_duration": timedelta(minutes=15),
        "time_zone": ZONE,
        "period": date(2026, 1, 16),
        "congestion_point": ADDRESS,
    }
    return {**said, **more}


def asked(low: int = -1000, high: int = 0, start: int = 69, duration: int = 1, **more: Any) -> m.RequestIsp:
    return m.RequestIsp(min_power=low, max_power=high, start=start, duration=duration, **more)


def request(*isps: m.RequestIsp, **more: Any) -> m.FlexRequest:
    said: dict[str, Any] = {"message_id": REQUEST, "revision": 1, "expiration": NOW + timedelta(hours=4)}
    return m.FlexRequest(**flex(**{**said, **more}), isps=isps or (asked(),))


def isp(power: int, start: int = 69, duration: int = 1) -> m.Isp:
    return m.Isp(power=power, start=start, duration=duration)


def flex_offer(*isps: m.Isp, price: str = "1.0000", **more: Any) -> m.FlexOffer:
    option = m.OfferOption(price=Decimal(price), min_activation_factor=Decimal("0.25"), isps=isps)
    said: dict[str, Any] = {"expiration": NOW, "currency": "USD", "options": (option,)}
    return m.FlexOffer(**flex(**{**said, **more}))


def flex_order(*isps: m.Isp, **more: Any) -> m.FlexOrder:
    said: dict[str, Any] = {
        "message_id": UNKNOWN,
        "price": Decimal("0.1295"),
        "currency": "USD",
        "order_reference": "D1",
        "isps": isps or (isp(-600), isp(-400, 70), isp(-400, 72)),
    }
    return m.FlexOrder(**flex(**{**said, **more}))


def unsayable(do: Any, *said: Any) -> str:
    with pytest.raises(UnsayableError) as caught:
        do(*said)
    return caught.value.why


def broken(message: m.Payload, context: Context) -> Rule:
    with pytest.raises(Broken) as caught:
        read_message(message, context)
    return caught.value.rule


def body_of(message: m.Payload, context: Context) -> Any:
    return read_message(message, context).body
