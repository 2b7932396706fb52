"""Steps of the market: needs, offers to them and unsolicited ones, counters, orders, results; and what is declared available."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.walk import NEXT, NUMBERS, Walk, known_name, pick
from tests.exchange.walk_contract import SERVICES
from tests.exchange.walk_registration import AGGREGATIONS
from tests.unit.market.grid_cases import AGG, AGREEMENT, DEAL, HEAD, POINTS, kw, window
from tests.unit.market.offer_world import usd

from intertie.market.availability_view import Question, view
from intertie.market.book import Book
from intertie.market.offer_checks import orders_of
from intertie.market.offer_state import NeedPhase, OfferPhase, counter_standing, need_standing, offer_standing
from intertie.market.offer_terms import grounds_of
from intertie.market.orders import standing_offers, verdict_of
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.contract import Direction, Service
from intertie.model.ids import AggregationId, ConversationId, PartyId
from intertie.model.interval import Window
from intertie.model.offers import (
    Clearing,
    CounterAnswer,
    CounterOffer,
    CounterVerdict,
    LossReason,
    Need,
    NeedResult,
    NeedWithdrawal,
    Offer,
    OfferOption,
    OfferResult,
    OfferRevocation,
    OfferVerdict,
    Order,
    RevocationReason,
    WithdrawalReason,
)

NEEDS = st.sampled_from(["N1", "N2", "N3"])
OFFERS = st.sampled_from(["B1", "B2", "B3", "B4", "B5"])
UNSOLICITED = st.sampled_from(["U1", "U2", "U3"])
PRICES = st.sampled_from(["0.30", "0.50", "0.80"])
PLACES = st.sampled_from([(HEAD,), POINTS[:1], POINTS[:2]])
ZONE = "America/New_York"


def talk(name: str) -> ConversationId:
    return ConversationId(f"conv-{name}")


class AvailabilitySteps(Walk):
    """What the aggregator declares, for days in which others of its windows lie."""

    @rule(
        name=AGGREGATIONS,
        service=SERVICES,
        place=st.sampled_from([HEAD, *POINTS]),
        span=st.sampled_from([(0, 24), (10, 14), (12, 13), (24, 48)]),
        power=st.integers(0, 30),
        off=NEXT,
    )
    def declare(
        self,
        name: AggregationId,
        service: Service,
        place: Any,
        span: tuple[int, int],
        power: int,
        off: int,
    ) -> None:
        key = " ".join((name, service, place))
        over = window(*span)
        known = [
            one.body.revision
            for one in self.see(AGGREGATOR).availability.declared.get(key, ())
            if one.body.window == over
        ]
        values = [power, max(0, power - 5)] * (span[1] - span[0])
        body = AvailabilityDeclaration(
            aggregation=name,
            service=service,
            point=place,
            window=over,
            revision=max(1, max(known, default=0) + off),
            up_kw=kw(over, *values, minutes=30),
            down_kw=kw(over, *(0 for _ in values), minutes=30),
        )
        self.try_(AGGREGATOR, body)


class MarketSteps(Walk):
    """Needs and what follows. Sealed offers have a walk of their own (test_trade_offers.py)."""

    def _hour(self, hours: float) -> datetime:
        """A full hour so many from now."""
        later = self.two.now + timedelta(hours=hours)
        return later.replace(minute=0, second=0, microsecond=0)

    @rule(
        name=NEEDS,
        off=NEXT,
        much=st.sampled_from([20, 60, 100]),
        service=SERVICES,
        clearing=st.sampled_from(Clearing),
        cap=st.sampled_from([None, None, "0.60"]),
        again=st.booleans(),
    )
    def need(
        self,
        name: str,
        off: int,
        much: int,
        service: Service,
        clearing: Clearing,
        cap: str | None,
        again: bool,
    ) -> None:
        state = self.see(UTILITY).offers.needs.get(name)
        known = None if state is None else state.need
        gate = self._hour(3)
        span = Window(start=gate + timedelta(hours=6), end=gate + timedelta(hours=8))
        body = Need(
            need=name,
            service=service,
            points=(HEAD,),
            window=span,
            zone=ZONE,
            requested_kw=kw(span, much, much),
            gate_closes=gate,
            decide_by=gate + timedelta(hours=4),
            currency="USD",
            clearing=clearing,
            price_cap=None if cap is None else usd(cap),
        )
        if known is not None and again:
            body = replace(known, requested_kw=kw(known.window, much, much))
        if known is not None:
            body = replace(body, revision=max(1, known.revision + off))
        self.try_(UTILITY, body, talk(name))

    @rule(name=NEEDS)
    def withdraw(self, name: str) -> None:
        state = self.see(UTILITY).offers.needs.get(name)
        if state is not None:
            reason = WithdrawalReason.MET_OTHERWISE
            body = NeedWithdrawal(need=name, revision=state.need.revision, reason=reason)
            self.try_(UTILITY, body, talk(name))

    def _option(self, span: Window, power: int, price: str, number: int = 1) -> OfferOption:
        return OfferOption(
            option=number,
            offered_kw=kw(span, power, power),
            price=usd(price),
            minimum_fraction=Decimal("0.5"),
        )

    @rule(
        name=OFFERS,
        number=NUMBERS,
        off=NEXT,
        power=st.sampled_from([10, 40, 60]),
        price=PRICES,
        points=PLACES,
        aggregation=st.sampled_from([None, AGG]),
    )
    def offer(
        self,
        name: str,
        number: int,
        off: int,
        power: int,
        price: str,
        points: Any,
        aggregation: AggregationId | None,
    ) -> None:
        book = self.see(AGGREGATOR).offers
        open_ = [key for key, one in book.needs.items() if one.phase is NeedPhase.OPEN]
        need = known_name(open_ or book.needs, number, ["N1"])
        asked, known = book.needs.get(need), book.offers.get(name)
        if asked is None:
            self.need(need, 1, 60, Service.DIST_CAPACITY, Clearing.PAY_AS_BID, None, again=False)
            return
        span = asked.need.window
        options = (self._option(span, power, price), self._option(span, power // 2, "0.90", 2))
        body = Offer(
            offer=name,
            service=asked.need.service,
            points=points,
            window=span,
            options=options,
            valid_until=asked.need.decide_by,
            revision=max(1, (known.revision if known is not None else 0) + off),
            need=need,
            need_revision=asked.need.revision,
            aggregation=aggregation,
        )
        self.try_(AGGREGATOR, body, talk(need))

    @rule(name=UNSOLICITED, off=NEXT, power=st.sampled_from([5, 20]), price=PRICES, points=PLACES)
    def offer_unasked(self, name: str, off: int, power: int, price: str, points: Any) -> None:
        known = self.see(AGGREGATOR).offers.offers.get(name)
        span = Window(start=self._hour(8), end=self._hour(10))
        body = Offer(
            offer=name,
            service=Service.DIST_CAPACITY,
            points=points,
            window=span,
            options=(self._option(span, power, price),),
            valid_until=self._hour(7),
            revision=max(1, (known.revision if known is not None else 0) + off),
            aggregation=AGG,
        )
        self.try_(AGGREGATOR, body, talk(name))

    def _said(self, party: PartyId, number: int) -> Offer | None:
        """One of the offers that this party can read."""
        offers = self.see(party).offers.offers.values()
        open_ = [one.offer for one in offers if one.offer is not None and one.phase is OfferPhase.OPEN]
        known = [one.offer for one in offers if one.offer is not None]
        those = open_ if open_ and number % 8 else known
        if not those:
            self.offer("B1", number, 1, 40, "0.50", (HEAD,), None)
        return pick(those, number) if those else None

    @rule(number=NUMBERS)
    def revoke(self, number: int) -> None:
        offer = self._said(AGGREGATOR, number)
        if offer is not None:
            body = OfferRevocation(offer=offer.offer, revision=offer.revision, reason=RevocationReason.OTHER)
            self.try_(AGGREGATOR, body, talk(offer.need or offer.offer))

    @rule(
        name=st.sampled_from(["K1", "K2", "K3"]),
        number=NUMBERS,
        power=st.sampled_from([5, 30]),
        price=PRICES,
    )
    def counter(self, name: str, number: int, power: int, price: str) -> None:
        offer = self._said(UTILITY, number)
        if offer is None:
            return
        body = CounterOffer(
            counter=name,
            order=f"D-{name}",
            offer=offer.offer,
            offer_revision=offer.revision,
            window=offer.window,
            ordered_kw=kw(offer.window, power, power),
            price=usd(price),
            valid_until=min(offer.valid_until, self.two.now + timedelta(hours=3)),
        )
        self.try_(UTILITY, body, talk(offer.need or offer.offer))

    @rule(name=st.sampled_from(["K1", "K2", "K3"]), verdict=st.sampled_from(CounterVerdict))
    def answer_counter(self, name: str, verdict: CounterVerdict) -> None:
        known = self.see(AGGREGATOR).offers.counters.get(name)
        if known is None:
            self.counter(name, 1, 30, "0.30")
        else:
            self.try_(AGGREGATOR, CounterAnswer(counter=name, verdict=verdict), known.conversation)

    @rule(name=st.sampled_from(["D1", "D2", "D3", "D6", "D7"]), number=NUMBERS, share=st.integers(1, 5))
    def order(self, name: str, number: int, share: int) -> None:
        offer = self._said(UTILITY, number)
        if offer is None:
            return
        option = offer.options[0]
        power = tuple(int(value or 0) * share // 4 for value in option.offered_kw.values)
        body = Order(
            order=name,
            service=offer.service,
            points=offer.points,
            window=offer.window,
            ordered_kw=replace(option.offered_kw, values=power),
            price=option.price,
            offer=offer.offer,
            offer_revision=offer.revision,
            option=option.option,
        )
        self.try_(UTILITY, body, talk(offer.need or offer.offer))

    @rule(name=st.sampled_from(["D4", "D5"]), known=st.booleans(), soon=st.sampled_from([False, False, True]))
    def order_by_deal(self, name: str, known: bool, soon: bool) -> None:
        if not soon:
            return
        span = Window(start=self._hour(5), end=self._hour(6))
        body = Order(
            order=name,
            service=Service.DIST_CAPACITY,
            points=(HEAD,),
            window=span,
            ordered_kw=kw(span, 10),
            price=usd("1"),
            confirmation=DEAL if known else None,
        )
        self.try_(UTILITY, body, talk(name))

    @rule(name=NEEDS, forget=st.sampled_from([False, False, True]))
    def tell_result(self, name: str, forget: bool) -> None:
        book = self.see(UTILITY).offers
        state = book.needs.get(name)
        if state is None:
            return
        results = []
        for one in standing_offers(book, name).values():
            verdict = verdict_of(book, one)
            reason = None if verdict is OfferVerdict.AWARDED else LossReason.PRICE
            results.append(
                OfferResult(
                    offer=one.name, revision=one.revision, verdict=verdict, reason=reason, order=one.order
                )
            )
        prices = [order.order.price for order in orders_of(book, name)]
        body = NeedResult(
            need=name,
            revision=state.need.revision,
            offers=tuple(results[1:] if forget else results),
            clearing_price=prices[0] if prices else None,
        )
        self.try_(UTILITY, body, talk(name))

    @rule(name=NEEDS)
    def wait_for_gate(self, name: str) -> None:
        """Until orders may come; the need is not over yet."""
        state = self.see(UTILITY).offers.needs.get(name)
        if state is not None:
            self.two.now = max(self.two.now, state.need.gate_closes + timedelta(minutes=1))

    def look(self, book: Book) -> None:
        """Besides, the table of availability, and where each thing of the market stands."""
        super().look(book)
        look_at_market(book, self.two.now)


def look_at_market(book: Book, now: datetime) -> None:
    """What people are shown of a market."""
    for need in book.offers.needs.values():
        need_standing(need, now)
    for offer in book.offers.offers.values():
        offer_standing(offer, book.offers, now)
    for counter in book.offers.counters.values():
        counter_standing(counter, now)
    text = book.contracts[AGREEMENT].text_at(now)
    assert text is not None
    grounds = grounds_of(text, book.registry, book.grid, now)
    question = Question(Service.DIST_CAPACITY, HEAD, Direction.UP, window(8, 14), timedelta(hours=1))
    deals = [one.terms for one in book.deals.values()]
    view(book.availability, deals, [one.order for one in book.offers.orders.values()], question, grounds)
