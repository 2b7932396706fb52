"""Acts of the market between a utility and two aggregators, over real parcels: what each is asked, ordered and told."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.exchange.house import (
    AGGREGATOR,
    AGGREGATOR_ROLES,
    NOW,
    STRANGER,
    UTILITY,
    UTILITY_ROLES,
    Wire,
    gateway_of,
    keys_of,
)
from tests.exchange.test_simulate import Keys
from tests.exchange.test_trade import TEXT
from tests.exchange.test_trade_offers import NEED, OFFER, kw, usd

from intertie.cli._market import countdown, span_of
from intertie.cli.market_clear import rows
from intertie.exchange.outbound import State
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.trading import trade_clearing, trade_contract
from intertie.gateway.trading import trade_market as act
from intertie.gateway.trading.open_offers import open_sealed
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.offer_state import NeedPhase, OfferPhase
from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import MessageId, PartyId
from intertie.model.offers import (
    Clearing,
    CounterVerdict,
    LossReason,
    Need,
    Offer,
    OfferVerdict,
    RevocationReason,
    WithdrawalReason,
)

RIVAL = STRANGER
SELLERS = (AGGREGATOR, RIVAL)
OPEN = replace(NEED, sealed=False, keys_by=None, price_cap=usd("1"))


class Three:
    """A utility under a contract with each of two aggregators."""

    def __init__(self) -> None:
        utility = keys_of(UTILITY, UTILITY_ROLES)
        sellers = [keys_of(party, AGGREGATOR_ROLES) for party in SELLERS]
        self.gateways = {UTILITY: gateway_of(utility, sellers)}
        self.gateways |= {keys.party: gateway_of(keys, [utility]) for keys in sellers}
        self.keys = {party: Keys() for party in SELLERS}
        self.now = NOW
        for seller in SELLERS:
            text = replace(TEXT, seller=seller)
            self.done(trade_contract.propose(self.desk(UTILITY, seller), text))
            for party in (UTILITY, seller):
                self.done(trade_contract.sign(self.desk(party, seller), text.agreement))

    def desk(self, party: PartyId, seller: PartyId = AGGREGATOR) -> Desk:
        there = seller if party == UTILITY else UTILITY
        return Desk(self.gateways[party], there, self.now)

    @property
    def desks(self) -> list[Desk]:
        return [self.desk(UTILITY, seller) for seller in SELLERS]

    def of(self, seller: PartyId) -> Desk:
        return self.desk(seller, seller)

    def carry(self) -> None:
        """Everything that is queued."""
        for _ in range(3):
            for sender, there in [(UTILITY, one) for one in SELLERS] + [(one, UTILITY) for one in SELLERS]:
                self.now += timedelta(seconds=1)
                wire = Wire(self.gateways[there], sender, now=self.now)
                asyncio.run(deliver_once(self.gateways[sender], wire, there, lambda: self.now, lambda: 0.0))

    def done(self, *messages: MessageId) -> None:
        self.carry()
        for message in messages:
            found = [one.store.message(message, outgoing=True) for one in self.gateways.values()]
            assert [row.state for row in found if row is not None] == [State.ACCEPTED]

    def ask(self, need: Need, *sellers: PartyId) -> None:
        asked = [self.desk(UTILITY, seller) for seller in sellers or SELLERS]
        body = replace(need, revision=act.next_revision(self.desks, need.need))
        self.done(*(act.publish(desk, body) for desk in asked))

    def offer(self, seller: PartyId, offer: Offer) -> None:
        self.done(act.make_offer(self.of(seller), offer, self.keys[seller]))

    def same(self) -> None:
        """Both books are one, with each seller."""
        for seller in SELLERS:
            books = [
                self.gateways[party].books.of(self.gateways[party].store, there).ledger
                for party, there in ((UTILITY, seller), (seller, UTILITY))
            ]
            assert books[0].digest() == books[1].digest() and not books[0].voids


def priced(price: str, *values: int, name: str = "O1", least: str = "0") -> Offer:
    option = replace(
        OFFER.options[0], price=usd(price), offered_kw=kw(*values), minimum_fraction=Decimal(least)
    )
    return replace(OFFER, offer=name, options=(option,))


def test_a_uniform_price_over_two_sellers() -> None:
    three = Three()
    three.ask(replace(OPEN, clearing=Clearing.UNIFORM))
    three.offer(AGGREGATOR, priced("0.80", 60, 60))
    three.offer(RIVAL, priced("0.60", 70, 70))
    with pytest.raises(SettingsError, match="the gate of N1 closes"):
        trade_clearing.clear_need(three.desks, "N1")
    three.now = OPEN.gate_closes + timedelta(seconds=1)
    outcome = trade_clearing.clear_need(three.desks, "N1")
    assert outcome.cleared.clearing_price == usd("0.80") and outcome.unopened == ()
    assert [(row[0], row[2], row[5], row[6]) for row in rows(outcome)] == [
        (AGGREGATOR, "partial", "10 to 30", "0.8 USD"),
        (RIVAL, "awarded", "70", "0.8 USD"),
    ]
    sent = trade_clearing.send_outcome(outcome)
    assert {party: len(ids) for party, ids in sent.items()} == {AGGREGATOR: 2, RIVAL: 2}
    three.done(*(id for ids in sent.values() for id in ids))
    three.same()
    for seller, verdict in ((AGGREGATOR, OfferVerdict.PARTIAL), (RIVAL, OfferVerdict.AWARDED)):
        offers = three.of(seller).book.offers
        (told,) = offers.needs["N1"].result.offers  # type: ignore[union-attr]
        assert (told.verdict, told.order) == (verdict, offers.offers["O1"].order)
        assert offers.needs["N1"].result.offers_seen == 2  # type: ignore[union-attr]
        assert offers.orders[str(told.order)].order.price == usd("0.80")
    again = trade_clearing.clear_need(three.desks, "N1")
    assert again.cleared == outcome.cleared and trade_clearing.send_outcome(again) == {}


def test_a_part_that_failed_is_mended_by_the_same_act() -> None:
    three = Three()
    three.ask(OPEN)
    three.offer(AGGREGATOR, priced("0.60", 40, 40))
    three.offer(RIVAL, priced("0.70", 40, 40))
    three.now = OPEN.gate_closes + timedelta(seconds=1)
    only = trade_clearing.clear_need(three.desks, "N1")
    first = trade_clearing.send_outcome(only._replace(asked=only.asked[:1]))
    three.done(*first[AGGREGATOR])
    rest = trade_clearing.send_outcome(trade_clearing.clear_need(three.desks, "N1"))
    assert list(rest) == [RIVAL]
    three.done(*rest[RIVAL])
    three.same()
    assert {one.book.offers.needs["N1"].phase for one in three.desks} == {NeedPhase.DECIDED}


def test_who_is_left_out_or_does_not_open_is_told_so() -> None:
    three = Three()
    sealed = replace(NEED, price_cap=usd("1"))
    three.ask(sealed)
    three.offer(AGGREGATOR, priced("0.60", 40, 40))
    three.offer(AGGREGATOR, priced("0.50", 10, 10, name="O2"))
    three.offer(RIVAL, priced("0.70", 40, 40))
    three.now = sealed.gate_closes + timedelta(minutes=1)
    open_sealed(three.gateways[AGGREGATOR], three.keys[AGGREGATOR], three.now)
    three.carry()
    with pytest.raises(SettingsError, match="1 offers are sealed still"):
        trade_clearing.clear_need(three.desks, "N1")
    assert sealed.keys_by is not None
    three.now = sealed.keys_by + timedelta(seconds=1)
    outcome = trade_clearing.clear_need(three.desks, "N1", [f"{AGGREGATOR}:O2"])
    assert outcome.unopened == ((RIVAL, "O1"),)
    assert [(row[0], row[1], row[3]) for row in rows(outcome)] == [
        (AGGREGATOR, "O1", ""),
        (RIVAL, "O1", "not_opened"),
        (AGGREGATOR, "O2", "left out"),
    ]
    sent = trade_clearing.send_outcome(outcome)
    three.done(*(id for ids in sent.values() for id in ids))
    three.same()
    told = {one.offer: one.reason for one in three.of(AGGREGATOR).book.offers.needs["N1"].result.offers}  # type: ignore[union-attr]
    assert told == {"O1": None, "O2": LossReason.OTHER}
    (lost,) = three.of(RIVAL).book.offers.needs["N1"].result.offers  # type: ignore[union-attr]
    assert lost.reason is LossReason.NOT_OPENED


def test_a_need_must_be_the_same_for_all() -> None:
    three = Three()
    three.ask(OPEN)
    three.ask(replace(OPEN, requested_kw=kw(50, 50)), RIVAL)
    gate = OPEN.gate_closes + timedelta(seconds=1)
    later = [Desk(desk.gateway, desk.partner, gate) for desk in three.desks]
    with pytest.raises(SettingsError, match="has another need N1"):
        trade_clearing.clear_need(later, "N1")
    three.ask(OPEN)
    three.now = gate
    assert trade_clearing.clear_need(three.desks, "N1").need.revision == 3
    with pytest.raises(SettingsError, match="no need N9 is open"):
        trade_clearing.clear_need(three.desks, "N9")


def test_nobody_offered_and_all_is_unmet() -> None:
    three = Three()
    three.ask(OPEN)
    three.now = OPEN.gate_closes + timedelta(seconds=1)
    outcome = trade_clearing.clear_need(three.desks, "N1")
    assert outcome.cleared.unmet_kw == (100, 80) and rows(outcome) == []
    three.done(*(id for ids in trade_clearing.send_outcome(outcome).values() for id in ids))
    three.same()


def test_a_revised_need_takes_new_offers() -> None:
    three = Three()
    three.ask(OPEN)
    three.offer(AGGREGATOR, priced("0.60", 40, 40))
    three.ask(replace(OPEN, requested_kw=kw(30, 30)))
    desk = three.of(AGGREGATOR)
    assert desk.book.offers.needs["N1"].need.revision == 2
    assert desk.book.offers.offers["O1"].phase is OfferPhase.LAPSED
    three.offer(AGGREGATOR, priced("0.60", 30, 30))
    offer = three.of(AGGREGATOR).book.offers.offers["O1"]
    assert (offer.revision, offer.phase) == (2, OfferPhase.OPEN)
    assert offer.offer is not None and offer.offer.need_revision == 2
    assert [one.need.need for one in act.open_needs(three.of(AGGREGATOR))] == ["N1"]
    three.same()


def unsolicited(name: str = "F1") -> Offer:
    return replace(priced("0.90", 20, 20, name=name), need=None, need_revision=None)


def test_countered_declined_countered_and_accepted() -> None:
    three = Three()
    three.offer(AGGREGATOR, unsolicited())
    utility = three.desk(UTILITY)
    three.done(act.make_counter(utility, "F1", price=Decimal("0.5")))
    (name,) = three.of(AGGREGATOR).book.offers.counters
    three.done(act.answer_counter(three.of(AGGREGATOR), name, CounterVerdict.DECLINED))
    three.done(
        act.make_counter(
            three.desk(UTILITY), "F1", kw(10, 10), Decimal("0.8"), three.now + timedelta(hours=1)
        )
    )
    second = next(one for one in three.of(AGGREGATOR).book.offers.counters if one != name)
    three.done(act.answer_counter(three.of(AGGREGATOR), second, CounterVerdict.ACCEPTED))
    (order,) = three.desk(UTILITY).book.offers.orders.values()
    assert order.order.price == usd("0.8") and order.order.ordered_kw == kw(10, 10)
    three.same()
    with pytest.raises(SettingsError, match="no counter C9"):
        act.answer_counter(three.of(AGGREGATOR), "C9", CounterVerdict.ACCEPTED)


def test_ordered_in_part_and_taken_back() -> None:
    three = Three()
    three.offer(AGGREGATOR, unsolicited("F1"))
    three.offer(AGGREGATOR, unsolicited("F2"))
    three.done(act.order(three.desk(UTILITY), "F1", ordered_kw=kw(5, 20)))
    with pytest.raises(SettingsError, match="F2 has no option 7"):
        act.order(three.desk(UTILITY), "F2", option=7)
    with pytest.raises(Refused, match=r"order.more_than_offered"):
        act.order(three.desk(UTILITY), "F2", ordered_kw=kw(21, 20))
    three.done(act.revoke_offer(three.of(AGGREGATOR), "F2", RevocationReason.SOLD_ELSEWHERE))
    with pytest.raises(Refused, match=r"offer.ended"):
        act.order(three.desk(UTILITY), "F2")
    three.ask(OPEN)
    three.done(act.withdraw_need(three.desk(UTILITY), "N1", WithdrawalReason.MET_OTHERWISE))
    with pytest.raises(Refused, match=r"need.ended"):
        act.withdraw_need(three.desk(UTILITY), "N1", WithdrawalReason.MET_OTHERWISE)
    three.same()


def test_how_long_a_gate_is_open_and_how_much_is_asked() -> None:
    for left, said in (
        (timedelta(seconds=59), "0:00:59 left"),
        (timedelta(days=2, hours=3, minutes=4), "2 d 3:04:00 left"),
        (timedelta(seconds=-1), "closed"),
    ):
        assert countdown(OPEN, OPEN.gate_closes - left) == said
    assert span_of(kw(5, 5)) == "5" and span_of(kw(100, 80)) == "80 to 100"
