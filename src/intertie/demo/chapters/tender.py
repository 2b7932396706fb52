"""The capacity of the winter is tendered: a need, two sealed offers, their opening after the gate, an order and two results."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial

from intertie.demo.feeder import STEPS
from intertie.demo.gateways import AGGREGATOR, AGGREGATORS, RIVAL, UTILITY, DemoError, Organisation
from intertie.demo.plan import EVENING
from intertie.demo.season import AGGREGATIONS, NEED, Desk, Season, series, term
from intertie.market.clearing import Bidder, Cleared, Taken, clear
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.contract import Service
from intertie.model.interval import IntervalSeries
from intertie.model.message import Verb
from intertie.model.offers import (
    Need,
    NeedResult,
    Offer,
    OfferKey,
    OfferOption,
    OfferResult,
    OfferVerdict,
    Order,
    SealedOffer,
    offer_bytes,
)
from intertie.model.quantity import Money, Unit
from intertie.seal.sealed_offer import Closed, Context, Opening, close_offer

# What each asks for a kilowatt-hour; the rival would hold less, and dearer.
PRICES = {AGGREGATOR: Decimal("1.00"), RIVAL: Decimal("1.20")}
SHARES = {AGGREGATOR: 1.0, RIVAL: 0.4}
# Hours after the season opens: the contracts are signed then, and the aggregations decided.
DECLARED, ASKED, OFFERED, EARLY, GATE, OPENED, KEYS_BY, DECIDED, DECIDE_BY = 6, 7, 8, 9, 10, 11, 12, 13, 16


def plan(season: Season) -> None:
    """One day from the need to the order."""
    first = season.clock.now
    sealed: dict[Organisation, Opening] = {}
    for hour, text, act in (
        (DECLARED, "both aggregators declare what they could do in the winter", partial(_declare, season)),
        (ASKED, "the utility asks for capacity, in sealed offers", partial(_ask, season)),
        (OFFERED, "both aggregators offer, sealed", partial(_offer, season, sealed)),
        (EARLY, "the rival would open its offer before the gate", partial(_open_early, season, sealed)),
        (OPENED, "the gate is closed: both offers are opened", partial(_open, season, sealed)),
        (DECIDED, "the utility decides, and both have their result", partial(_decide, season)),
    ):
        season.plan_action(first + timedelta(hours=hour), text, act)


def asked_kw(season: Season) -> int:
    """What the hardest evening asks for."""
    return max(event.asked_kw for event in season.plan.events)


def evenings(season: Season, kilowatts: int) -> IntervalSeries:
    """So many kilowatts in every evening of the deal, and nothing outside."""
    days = term(season)
    day = [kilowatts * 1000 if i in EVENING else None for i in range(STEPS)]
    count = int((days.end - days.start) / timedelta(days=1))
    return series(days.start, Unit.KW, day * count)


def _desk(season: Season, who: Organisation) -> Desk:
    return season.aggregator if who is AGGREGATOR else season.rival


def _price(amount: Decimal) -> Money:
    return Money(amount=amount, currency="EUR")


def _declare(season: Season) -> None:
    for who in AGGREGATORS:
        up = evenings(season, int(asked_kw(season) * SHARES[who]))
        none = tuple(None if value is None else 0 for value in up.values)
        body = AvailabilityDeclaration(
            aggregation=AGGREGATIONS[who],
            service=Service.DIST_CAPACITY,
            point=season.point,
            window=term(season),
            revision=1,
            up_kw=up,
            down_kw=series(up.start, Unit.KW, none),
            notice_minutes=60,
        )
        _desk(season, who).office.send(body, about="availability-winter")


def _ask(season: Season) -> None:
    opened = season.clock.now - timedelta(hours=ASKED)
    body = Need(
        need=NEED,
        service=Service.DIST_CAPACITY,
        points=(season.point,),
        window=term(season),
        zone=season.feeder.zone,
        requested_kw=evenings(season, asked_kw(season)),
        gate_closes=opened + timedelta(hours=GATE),
        keys_by=opened + timedelta(hours=KEYS_BY),
        decide_by=opened + timedelta(hours=DECIDE_BY),
        currency="EUR",
        price_cap=_price(Decimal("1.50")),
        sealed=True,
        text="Reservation is paid at 6.00 EUR per kW and month; the price is for what is called.",
    )
    for who in AGGREGATORS:
        season.utility.office.send(body, verb=Verb.CREATE, about=NEED, to=who)


def _offer(season: Season, sealed: dict[Organisation, Opening]) -> None:
    for who in AGGREGATORS:
        desk = _desk(season, who)
        mail, need = desk.newest(Need)
        offer = Offer(
            offer=f"{NEED}-{who.short}",
            service=need.service,
            points=need.points,
            window=need.window,
            options=(
                OfferOption(
                    option=1,
                    offered_kw=evenings(season, int(asked_kw(season) * SHARES[who])),
                    price=_price(PRICES[who]),
                    minimum_fraction=Decimal("0.5"),
                ),
            ),
            valid_until=need.decide_by,
            need=need.need,
            need_revision=need.revision,
            aggregation=AGGREGATIONS[who],
        )
        closed, sealed[who] = _close(offer, who)
        body = SealedOffer(offer=offer.offer, need=need.need, need_revision=need.revision, **closed._asdict())
        desk.office.send(body, verb=Verb.CREATE, about=NEED, reply_to=mail)


def _close(offer: Offer, who: Organisation) -> tuple[Closed, Opening]:
    bound = Context(
        seller=who.party,
        buyer=UTILITY.party,
        need=offer.need or "",
        need_revision=offer.need_revision or 0,
        offer=offer.offer,
        revision=offer.revision,
    )
    return close_offer(offer_bytes(offer), bound)


def _give_key(season: Season, who: Organisation, opening: Opening) -> None:
    key = OfferKey(offer=f"{NEED}-{who.short}", revision=1, **opening._asdict())
    _desk(season, who).office.send(key, about=NEED)


def _open_early(season: Season, sealed: dict[Organisation, Opening]) -> None:
    season.try_to(RIVAL, f"{NEED}-{RIVAL.short}", partial(_give_key, season, RIVAL, sealed[RIVAL]))


def _open(season: Season, sealed: dict[Organisation, Opening]) -> None:
    for who, opening in sealed.items():
        _give_key(season, who, opening)


def _decide(season: Season) -> None:
    """Cleared are the offers that the utility's own gateway has opened; each aggregator hears of its own only."""
    cleared = outcome(season)
    for who in AGGREGATORS:
        taken = next(one for one in cleared.taken if one.bidder.seller == who.party)
        order = _order(season, taken)
        bodies = [order] if order else []
        result = NeedResult(
            need=NEED,
            revision=cleared.need.revision,
            offers=(
                OfferResult(
                    offer=taken.bidder.offer.offer,
                    revision=taken.bidder.offer.revision,
                    verdict=taken.verdict,
                    reason=taken.reason,
                    order=order.order if order else None,
                ),
            ),
            offers_seen=len(cleared.taken),
        )
        season.utility.office.send(*bodies, result, about=NEED, to=who)


def outcome(season: Season) -> Cleared:
    """The clearing of all opened offers, from the utility's books with its aggregators."""
    bidders = []
    for who in AGGREGATORS:
        for one in season.utility.office.book_with(who).book.offers.offers.values():
            if one.offer is not None and one.need == NEED:
                bidders.append(Bidder(who.party, one.offer, one.received))
    need = season.utility.office.book_with(AGGREGATOR).book.offers.needs[NEED].need
    return clear(need, bidders)


def order_of(season: Season) -> Order:
    """The order that the aggregator got."""
    _, order = season.aggregator.newest(Order)
    return order


def _order(season: Season, taken: Taken) -> Order | None:
    if taken.verdict is OfferVerdict.NOT_AWARDED:
        return None
    offer = taken.bidder.offer
    if taken.kw is None or taken.price is None:
        raise DemoError(f"{offer.offer} is taken without a quantity or a price")
    return Order(
        order=f"O-{offer.offer}",
        service=offer.service,
        points=offer.points,
        window=offer.window,
        ordered_kw=taken.kw,
        price=taken.price,
        offer=offer.offer,
        offer_revision=offer.revision,
        option=taken.option,
    )
