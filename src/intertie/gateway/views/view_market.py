"""The market as one side sees it: needs with the time that is left to their gates, offers (a sealed one shows nothing of what is
in it), counters, orders, and who would be ordered how much."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from intertie.gateway.trading.sealed_ports import KeptKey, SealedKeys
from intertie.gateway.trading.trade_clearing import Outcome
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.offer_state import (
    CounterState,
    NeedPhase,
    NeedState,
    OfferPhase,
    OfferState,
    OrderState,
    Standing,
    counter_standing,
    need_standing,
    offer_standing,
)
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.offers import Need, NeedResult, Offer
from intertie.model.quantity import Money

# What a person reads at once; older ones are found by their name.
NEEDS_PAGE = 50
OFFERS_PAGE = 200


class Span(NamedTuple):
    """The least and the most of a series, in kW, gaps aside."""

    low: Decimal
    high: Decimal


class Option(NamedTuple):
    """One way to take an offer."""

    option: int
    kw: Span
    price: Money
    least: Decimal


class OfferLine(NamedTuple):
    """An offer. While it is `sealed` the buyer sees that it is there and its commitment, and no `options`; its seller sees its
    own, as long as its key is kept here."""

    partner: PartyId
    name: str
    revision: int
    need: str | None
    state: str
    sealed: bool
    commitment: str
    received: datetime
    opened: datetime | None
    options: tuple[Option, ...]
    valid_until: datetime | None
    order: str | None
    verdict: str
    reason: str

    @property
    def open(self) -> bool:
        """Whether it can be ordered, countered or taken back."""
        return self.state == Standing.OPEN


class Asked(NamedTuple):
    """A need with one aggregator: how it stands there, and what came."""

    partner: PartyId
    state: str
    received: datetime
    sealed: int
    opened: int
    result: NeedResult | None


class NeedLine(NamedTuple):
    """A need as it was published, and each aggregator that was asked. `left` is the time until the gate closes; zero: closed."""

    need: Need
    state: str
    kw: Span
    left: timedelta
    asked: tuple[Asked, ...]

    @property
    def open(self) -> bool:
        """Whether offers are taken."""
        return self.state == Standing.OPEN

    @property
    def decidable(self) -> bool:
        """Whether its gate has closed and nobody has decided."""
        return self.state in (Standing.GATE_CLOSED, Standing.OVERDUE)


class CounterLine(NamedTuple):
    """A counter to an offer."""

    partner: PartyId
    name: str
    offer: str
    state: str
    kw: Span
    price: Money
    valid_until: datetime


class OrderLine(NamedTuple):
    """An order: a deal."""

    partner: PartyId
    name: str
    offer: str | None
    need: str | None
    kw: Span
    price: Money
    window: Window
    received: datetime


class MarketView(NamedTuple):
    """The page: needs, the newest first; what is about `chosen`, or about no need."""

    needs: tuple[NeedLine, ...]
    more: int
    chosen: NeedLine | None
    offers: tuple[OfferLine, ...]
    counters: tuple[CounterLine, ...]
    orders: tuple[OrderLine, ...]


class AwardLine(NamedTuple):
    """What clearing makes of one offer."""

    partner: PartyId
    offer: str
    verdict: str
    reason: str
    option: int | None
    kw: Span | None
    price: Money | None


def market_view(desks: Sequence[Desk], chosen: str = "", keys: SealedKeys | None = None) -> MarketView:
    """The page over these desks, which are of one moment. SettingsError if the need is not there."""
    needs = _needs(desks)
    wanted = next((one for one in needs if one.need.need == chosen), None)
    if chosen and wanted is None:
        raise SettingsError(f"no need {chosen} was published", do="Choose one of the list.")
    kept = _kept(keys)
    about = chosen or None
    offers = [
        line
        for desk in desks
        for one in desk.book.offers.offers.values()
        if one.need == about
        for line in [_offer(desk, one, kept)]
    ]
    names = {(line.partner, line.name) for line in offers}
    counters = [
        _counter(desk, one)
        for desk in desks
        for one in desk.book.offers.counters.values()
        if (desk.partner, one.counter.offer) in names
    ]
    orders = [
        _order(desk, one) for desk in desks for one in desk.book.offers.orders.values() if one.need == about
    ]
    return MarketView(
        tuple(needs[:NEEDS_PAGE]),
        max(len(needs) - NEEDS_PAGE, 0),
        wanted,
        tuple(sorted(offers, key=lambda one: one.received)[-OFFERS_PAGE:]),
        tuple(counters[-OFFERS_PAGE:]),
        tuple(sorted(orders, key=lambda one: one.received)[-OFFERS_PAGE:]),
    )


def award_lines(outcome: Outcome) -> list[AwardLine]:
    """Who gets how much and why: first what was cleared, then what was not."""
    found = [
        AwardLine(
            PartyId(one.bidder.seller),
            one.bidder.offer.offer,
            one.verdict,
            one.reason or "",
            one.option,
            None if one.kw is None else span_of(one.kw),
            one.price,
        )
        for one in outcome.cleared.taken
    ]
    lost = [(one, "not_opened") for one in outcome.unopened]
    lost += [(one, "left_out") for one in sorted(outcome.left_out)]
    found += [AwardLine(party, offer, "not_awarded", why, None, None, None) for (party, offer), why in lost]
    return found


def span_of(series: IntervalSeries) -> Span:
    """The least and the most."""
    low, high = series.span
    return Span(*(Decimal(value).scaleb(series.power_of_ten).normalize() for value in (low, high)))


def _needs(desks: Sequence[Desk]) -> list[NeedLine]:
    """The newest first: what is asked of several under one name is one line, by its highest revision."""
    found: dict[str, list[tuple[Desk, NeedState]]] = {}
    for desk in desks:
        for name, one in desk.book.offers.needs.items():
            found.setdefault(name, []).append((desk, one))
    lines = [_need(each) for each in found.values()]
    return sorted(lines, key=lambda one: one.need.gate_closes, reverse=True)


def _need(asked: Collection[tuple[Desk, NeedState]]) -> NeedLine:
    desk, newest = max(asked, key=lambda one: one[1].need.revision)
    standing = need_standing(newest, desk.now)
    undecided = [one for one in asked if one[1].phase is NeedPhase.OPEN]
    if standing is Standing.ENDED and undecided:  # one was told, and another was not yet
        standing = need_standing(undecided[0][1], desk.now)
    return NeedLine(
        newest.need,
        newest.phase.value if standing is Standing.ENDED else standing.value,
        span_of(newest.need.requested_kw),
        max(newest.need.gate_closes - desk.now, timedelta(0)),
        tuple(_asked(each, one) for each, one in asked),
    )


def _asked(desk: Desk, one: NeedState) -> Asked:
    offers = [each for each in desk.book.offers.offers.values() if each.need == one.need.need]
    return Asked(
        desk.partner,
        one.phase.value,
        one.received,
        sum(each.phase is OfferPhase.SEALED for each in offers),
        sum(each.phase in (OfferPhase.OPEN, OfferPhase.ORDERED, OfferPhase.NOT_AWARDED) for each in offers),
        one.result,
    )


def _kept(keys: SealedKeys | None) -> Mapping[tuple[PartyId, str, int], Offer]:
    found = () if keys is None else keys.all()
    return {
        (PartyId(key.partner), key.offer, key.revision): key.inside
        for key in found
        if isinstance(key, KeptKey)
    }


def _offer(desk: Desk, one: OfferState, kept: Mapping[tuple[PartyId, str, int], Offer]) -> OfferLine:
    standing = offer_standing(one, desk.book.offers, desk.now)
    inside = one.offer or kept.get((desk.partner, one.name, one.revision))
    need = desk.book.offers.needs.get(one.need or "")
    told = need.result.offers if need is not None and need.result is not None else ()
    said = next((each for each in told if each.offer == one.name), None)
    return OfferLine(
        desk.partner,
        one.name,
        one.revision,
        one.need,
        one.phase.value if standing is Standing.ENDED else standing.value,
        one.offer is None,
        "" if one.sealed is None else one.sealed.commitment,
        one.received,
        one.opened,
        _options(inside),
        None if inside is None else inside.valid_until,
        one.order,
        "" if said is None else said.verdict.value,
        "" if said is None or said.reason is None else said.reason.value,
    )


def _options(offer: Offer | None) -> tuple[Option, ...]:
    options: Iterable[Option] = (
        Option(one.option, span_of(one.offered_kw), one.price, one.minimum_fraction)
        for one in (offer.options if offer is not None else ())
    )
    return tuple(options)


def _counter(desk: Desk, one: CounterState) -> CounterLine:
    standing = counter_standing(one, desk.now)
    body = one.counter
    return CounterLine(
        desk.partner,
        body.counter,
        body.offer,
        one.phase.value if standing is Standing.ENDED else standing.value,
        span_of(body.ordered_kw),
        body.price,
        body.valid_until,
    )


def _order(desk: Desk, one: OrderState) -> OrderLine:
    body = one.order
    return OrderLine(
        desk.partner,
        body.order,
        body.offer,
        one.need,
        span_of(body.ordered_kw),
        body.price,
        body.window,
        one.received,
    )
