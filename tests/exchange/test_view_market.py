"""The page of the market on each of its sides: what is sealed shows nothing, what is open shows all, and who would be ordered."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_acts_market import OPEN, RIVAL, Three, priced
from tests.exchange.test_trade_offers import GATE, KEYS, NEED, START, usd

from intertie.gateway.trading import trade_market as act
from intertie.gateway.trading.open_offers import open_sealed
from intertie.gateway.trading.trade_clearing import clear_need, send_outcome
from intertie.gateway.trading.trade_compose import NeedSaid, OfferSaid, OptionSaid, need_of, offer_of
from intertie.gateway.trading.trade_said import series_in
from intertie.gateway.views import view_market
from intertie.gateway.views.view_market import MarketView, Span, award_lines, market_view
from intertie.model.contract import Direction, Service
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.model.interval import Window
from intertie.model.offers import Clearing, CounterVerdict, WithdrawalReason

SEALED = replace(NEED, price_cap=usd("1"))


def seen_by(three: Three, seller: PartyId, chosen: str = "N1") -> MarketView:
    return market_view([three.of(seller)], chosen, three.keys[seller])


def test_a_sealed_offer_shows_nothing_before_the_gate_has_closed() -> None:
    three = Three()
    three.ask(SEALED)
    three.offer(AGGREGATOR, priced("0.43", 7, 7))
    seen = market_view(three.desks, "N1")
    (offer,) = seen.offers
    assert offer.sealed and offer.state == "sealed" and len(offer.commitment) == 64 and not offer.open
    assert (offer.options, offer.valid_until, offer.opened) == ((), None, None)
    assert "0.43" not in repr(seen)
    assert [(one.partner, one.sealed, one.opened) for one in seen.needs[0].asked] == [
        (AGGREGATOR, 1, 0),
        (RIVAL, 0, 0),
    ]
    (own,) = seen_by(three, AGGREGATOR).offers
    assert (
        own.sealed
        and own.options[0].price == usd("0.43")
        and own.options[0].kw == Span(Decimal(7), Decimal(7))
    )
    assert seen_by(three, RIVAL).offers == ()
    forgotten = market_view([three.of(AGGREGATOR)], "N1")
    assert forgotten.offers[0].options == ()


def test_the_gate_counts_down_and_the_offers_open() -> None:
    three = Three()
    three.ask(SEALED)
    three.offer(AGGREGATOR, priced("0.43", 7, 7))
    three.offer(RIVAL, priced("0.40", 5, 5))
    (need,) = market_view(three.desks).needs
    assert need.open and need.left == GATE - three.now and not need.decidable
    three.now = GATE + timedelta(seconds=1)
    (need,) = market_view(three.desks).needs
    assert (need.state, need.left, need.decidable) == ("gate_closed", timedelta(0), True)
    with pytest.raises(SettingsError, match="sealed still"):
        clear_need(three.desks, "N1")
    three.now = GATE + timedelta(hours=1)
    for party in (AGGREGATOR, RIVAL):
        assert open_sealed(three.gateways[party], three.keys[party], three.now)
    three.carry()
    seen = market_view(three.desks, "N1")
    assert [one.state for one in seen.offers] == ["open", "open"] and all(one.opened for one in seen.offers)
    assert all(len(one.commitment) == 64 and not one.sealed for one in seen.offers)
    assert {one.options[0].price for one in seen.offers} == {usd("0.43"), usd("0.40")}


def test_an_award_and_what_each_is_told() -> None:
    three = Three()
    three.ask(replace(OPEN, clearing=Clearing.UNIFORM))
    three.offer(AGGREGATOR, priced("0.30", 40, 40))
    three.offer(RIVAL, priced("0.20", 1, 1, name="O2"))
    three.now = KEYS + timedelta(seconds=1)
    outcome = clear_need(three.desks, "N1", without=["O2"])
    lines = {one.offer: one for one in award_lines(outcome)}
    assert lines["O2"].reason == "left_out" and lines["O2"].kw is None and lines["O2"].partner == RIVAL
    assert (
        lines["O1"].verdict in ("awarded", "partial") and lines["O1"].price == outcome.cleared.clearing_price
    )
    three.done(*(id for ids in send_outcome(outcome).values() for id in ids))
    told = market_view(three.desks, "N1")
    assert told.chosen is not None and told.chosen.state == "decided" and not told.chosen.decidable
    by_name = {one.name: one for one in told.offers}
    assert (by_name["O2"].verdict, by_name["O2"].reason, by_name["O2"].order) == (
        "not_awarded",
        "other",
        None,
    )
    assert by_name["O1"].state == "ordered" and by_name["O1"].order == told.orders[0].name
    mine = seen_by(three, RIVAL)
    assert [one.verdict for one in mine.offers] == ["not_awarded"] and mine.orders == ()
    assert mine.needs[0].asked[0].result is not None


def test_one_that_was_told_and_one_that_was_not() -> None:
    three = Three()
    three.ask(OPEN)
    three.now = GATE + timedelta(seconds=5)
    outcome = clear_need(three.desks, "N1")
    half = outcome._replace(asked=outcome.asked[:1])
    three.done(*(id for ids in send_outcome(half).values() for id in ids))
    (need,) = market_view(three.desks).needs
    assert need.state == "gate_closed" and need.decidable
    assert [one.state for one in need.asked] == ["decided", "open"]


def test_offers_without_a_need_counters_and_orders() -> None:
    three = Three()
    unasked = replace(priced("0.5", 6, 6, name="U-1"), need=None, need_revision=None)
    three.offer(AGGREGATOR, unasked)
    three.ask(OPEN)
    alone = market_view(three.desks)
    assert (
        [one.name for one in alone.offers] == ["U-1"]
        and alone.offers[0].need is None
        and alone.chosen is None
    )
    assert alone.offers[0].open
    three.done(act.make_counter(three.desk(UTILITY), "U-1", price=Decimal("0.4")))
    (counter,) = market_view(three.desks).counters
    assert (counter.offer, counter.state, counter.price) == ("U-1", "open", usd("0.4"))
    three.done(act.answer_counter(three.of(AGGREGATOR), counter.name, CounterVerdict.ACCEPTED))
    taken = seen_by(three, AGGREGATOR, "")
    assert (
        taken.counters[0].state == "accepted"
        and taken.orders[0].offer == "U-1"
        and taken.orders[0].need is None
    )
    assert market_view(three.desks, "N1").offers == ()
    with pytest.raises(SettingsError, match="no need N9"):
        market_view(three.desks, "N9")


def test_many_needs_are_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    three = Three()
    for number in range(3):
        gate = GATE + timedelta(minutes=number)
        three.ask(replace(OPEN, need=f"N{number}", gate_closes=gate), AGGREGATOR)
    three.done(act.withdraw_need(three.desk(UTILITY), "N0", WithdrawalReason.MET_OTHERWISE))
    monkeypatch.setattr(view_market, "NEEDS_PAGE", 2)
    seen = market_view(three.desks, "N0")
    assert [one.need.need for one in seen.needs] == ["N2", "N1"] and seen.more == 1
    assert seen.chosen is not None and seen.chosen.state == "withdrawn"


def test_a_need_is_composed_with_what_follows() -> None:
    three = Three()
    desk = three.desk(UTILITY)
    requested = series_in(
        "kW", "40,30", Window(start=START, end=START + timedelta(hours=2)), timedelta(hours=1)
    )
    said = NeedSaid(Service.DIST_CAPACITY, NEED.points, requested, GATE, sealed=True, cap=Decimal(1))
    body = need_of(desk, "N1", 1, said)
    assert body.decide_by == START and body.keys_by == GATE + (START - GATE) / 2
    assert (body.currency, body.zone, body.price_cap) == ("USD", desk.text.calendar.zone, usd("1"))
    assert need_of(desk, "N1", 1, said._replace(sealed=False, keys_by=KEYS)).keys_by is None
    with pytest.raises(SettingsError, match="points"):
        need_of(desk, "N1", 1, said._replace(points=NEED.points * 2))
    three.done(act.publish(desk, body))
    offered = OptionSaid(requested, Decimal("0.9"), Decimal("0.5"))
    need = act.find_need(three.of(AGGREGATOR), "N1").need
    offer = offer_of(three.of(AGGREGATOR), "O1", OfferSaid([offered]), need)
    assert (offer.points, offer.valid_until, offer.service) == (need.points, need.decide_by, need.service)
    assert offer.options[0].minimum_fraction == Decimal("0.5") and offer.need_revision == 1
    three.offer(AGGREGATOR, offer)
    assert seen_by(three, AGGREGATOR).offers[0].options[0].kw == Span(Decimal(30), Decimal(40))


def test_an_offer_without_a_need_says_what_and_where() -> None:
    three = Three()
    desk = three.of(AGGREGATOR)
    requested = series_in("kW", "5", Window(start=START, end=START + timedelta(hours=1)), timedelta(hours=1))
    said = OfferSaid([OptionSaid(requested, Decimal("0.9"))], points=NEED.points, direction=Direction.DOWN)
    with pytest.raises(SettingsError, match="what is offered"):
        offer_of(desk, "U", said, None)
    with pytest.raises(SettingsError, match="nothing is offered"):
        offer_of(desk, "U", said._replace(options=()), None)
    body = offer_of(desk, "U", said._replace(service=Service.DIST_CAPACITY), None)
    assert body.valid_until == START and body.direction is Direction.DOWN and body.need is None
