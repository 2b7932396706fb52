"""A need, offers to it and what follows, as events of one utility and one aggregator: builders with sound defaults."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from intertie.market import offers as family
from intertie.market.event import Event
from intertie.market.offer_setting import Setting
from intertie.market.offer_state import Offers
from intertie.model.contract import Service
from intertie.model.ids import ConnectionPointId, ConversationId, MessageId, PartyId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.offers import (
    CounterOffer,
    Need,
    NeedResult,
    Offer,
    OfferKey,
    OfferOption,
    Order,
    SealedOffer,
    offer_bytes,
)
from intertie.model.quantity import Money, Unit
from intertie.model.record import Record
from intertie.seal.sealed_offer import close_offer

UTILITY, SELLER = PartyId("utility.example"), PartyId("aggregator.example")
T0 = datetime(2026, 7, 1, 12, tzinfo=UTC)
GATE, KEYS, DECIDE = (T0 + timedelta(hours=h) for h in (2, 3, 5))
START = T0 + timedelta(hours=8)
WINDOW = Window(start=START, end=START + timedelta(hours=2))
SETTING = Setting(UTILITY, SELLER)
P1, P2 = ConnectionPointId("F12-T7"), ConnectionPointId("F12-T9")


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def usd(amount: str | int | Decimal) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


def kw(*values: int | None, step: int = 3600) -> IntervalSeries:
    return IntervalSeries(start=START, step_seconds=step, unit=Unit.KW, power_of_ten=0, values=values)


def changed(record: Any, changes: dict[str, Any]) -> Any:
    return msgspec.structs.replace(record, **changes)


def need(**changes: Any) -> Need:
    base = Need(
        need="N1",
        service=Service.DIST_CAPACITY,
        points=(P1, P2),
        window=WINDOW,
        zone="America/New_York",
        requested_kw=kw(100, 80),
        gate_closes=GATE,
        decide_by=DECIDE,
        currency="USD",
    )
    if changes.get("sealed"):
        changes.setdefault("keys_by", KEYS)
    return changed(base, changes)


def option(number: int = 1, price: str = "0.50", fraction: str = "0", series: Any = None) -> OfferOption:
    return OfferOption(
        option=number,
        offered_kw=series or kw(60, 40),
        price=usd(price),
        minimum_fraction=Decimal(fraction),
    )


def offer(**changes: Any) -> Offer:
    base = Offer(
        offer="O1",
        service=Service.DIST_CAPACITY,
        points=(P1,),
        window=WINDOW,
        options=(option(),),
        valid_until=DECIDE,
        need="N1",
        need_revision=1,
    )
    return changed(base, changes)


def unsolicited(**changes: Any) -> Offer:
    return offer(**{"offer": "U1", "need": None, "need_revision": None, **changes})


def sealed(inside: Offer | None = None, **changes: Any) -> tuple[SealedOffer, OfferKey]:
    inside = inside or offer()
    outer = {"offer": inside.offer, "need": inside.need or "N1", "need_revision": 1, "revision": 1, **changes}
    name, about = outer["offer"], outer["need"]
    draft = SealedOffer(commitment="0" * 64, nonce="A" * 16, ciphertext="A" * 24, **outer)
    closed, opening = close_offer(offer_bytes(inside), family.context_of(draft, SETTING))
    body = changed(draft, closed._asdict())
    assert (body.offer, body.need) == (name, about)
    return body, OfferKey(offer=body.offer, revision=body.revision, **opening._asdict())


def order(**changes: Any) -> Order:
    base = Order(
        order="D1",
        service=Service.DIST_CAPACITY,
        points=(P1,),
        window=WINDOW,
        ordered_kw=kw(60, 40),
        price=usd("0.50"),
        offer="O1",
        offer_revision=1,
        option=1,
    )
    return changed(base, changes)


def counter(**changes: Any) -> CounterOffer:
    base = CounterOffer(
        counter="C1",
        order="D7",
        offer="O1",
        offer_revision=1,
        window=WINDOW,
        ordered_kw=kw(50, 40),
        price=usd("0.40"),
        valid_until=at(4),
    )
    return changed(base, changes)


def result(**changes: Any) -> NeedResult:
    return changed(NeedResult(need="N1", revision=1), changes)  # type: ignore[no-any-return]


_BY_UTILITY = ("Need", "NeedWithdrawal", "CounterOffer", "Order", "NeedResult", "Confirmation")


def event(body: Record, hours: float, **changes: Any) -> Event:
    """An event at some hours after T0, from the side whose word it is; its id follows from the time and the body."""
    sides = (UTILITY, SELLER) if type(body).__name__ in _BY_UTILITY else (SELLER, UTILITY)
    name = getattr(body, "order", None) or getattr(body, "counter", None) or getattr(body, "offer", "")
    made = Event(
        message=MessageId(f"{type(body).__name__}-{name}-{getattr(body, 'revision', 1)}-{hours}"),
        sender=sides[0],
        recipient=sides[1],
        created=at(hours),
        received=at(hours),
        body=body,
        conversation=ConversationId("conv-1"),
    )
    return made._replace(**changes)


def play(events: Iterable[Event], setting: Setting = SETTING, book: Offers | None = None) -> Offers:
    """The book of events that all hold."""
    book = book or Offers()
    for one in events:
        book = family.apply(book, one, setting)
    return book
