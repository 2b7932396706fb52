"""The market over real parcels: two gateways say what they like about needs, sealed offers and orders, lose parcels and
receipts, and end with one book."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, NOW, UTILITY
from tests.exchange.two_sides import GSA, TEXT, Two, other

from intertie.exchange.outbound import State
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.market import offers as family
from intertie.market.book import Book
from intertie.market.offer_setting import Setting
from intertie.market.offer_state import OfferPhase
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.contract import Service
from intertie.model.documents import example
from intertie.model.errors import Code, Refused
from intertie.model.ids import (
    AgreementId,
    ConversationId,
    DocumentName,
    InterfaceCode,
    MessageId,
    PartyId,
)
from intertie.model.interval import IntervalSeries, Window
from intertie.model.message import Mode
from intertie.model.offers import (
    LossReason,
    Need,
    NeedResult,
    NeedWithdrawal,
    Offer,
    OfferKey,
    OfferOption,
    OfferResult,
    OfferRevocation,
    OfferVerdict,
    Order,
    RevocationReason,
    SealedOffer,
    WithdrawalReason,
    offer_bytes,
)
from intertie.model.quantity import Money, Unit
from intertie.model.record import Record
from intertie.seal.sealed_offer import close_offer

TALK = ConversationId("conv-need")
START = NOW + timedelta(hours=12)
WINDOW = Window(start=START, end=START + timedelta(hours=2))
GATE, KEYS, DECIDE = (NOW + timedelta(hours=h) for h in (2, 4, 8))
_, _AVAILABLE = example(DocumentName("availability_declaration"))
assert isinstance(_AVAILABLE, AvailabilityDeclaration)


def kw(*values: int) -> IntervalSeries:
    return IntervalSeries(start=START, step_seconds=3600, unit=Unit.KW, power_of_ten=0, values=values)


def usd(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


NEED = Need(
    need="N1",
    service=Service.DIST_CAPACITY,
    points=("F12-T7",),  # type: ignore[arg-type]
    window=WINDOW,
    zone=TEXT.calendar.zone,
    requested_kw=kw(100, 80),
    gate_closes=GATE,
    decide_by=DECIDE,
    currency="USD",
    sealed=True,
    keys_by=KEYS,
)
OFFER = Offer(
    offer="O1",
    service=Service.DIST_CAPACITY,
    points=NEED.points,
    window=WINDOW,
    options=(OfferOption(option=1, offered_kw=kw(60, 40), price=usd("0.5"), minimum_fraction=Decimal(0)),),
    valid_until=DECIDE,
    need="N1",
    need_revision=1,
)
ORDER = Order(
    order="D1",
    service=OFFER.service,
    points=OFFER.points,
    window=WINDOW,
    ordered_kw=kw(60, 40),
    price=usd("0.5"),
    offer="O1",
    offer_revision=1,
    option=1,
)


def sealed(offer: Offer) -> tuple[SealedOffer, OfferKey]:
    setting = Setting(TEXT.buyer, TEXT.seller)
    draft = SealedOffer(
        offer=offer.offer,
        need=offer.need or "",
        need_revision=offer.need_revision or 0,
        revision=offer.revision,
        commitment="0" * 64,
        nonce="A" * 16,
        ciphertext="A" * 24,
    )
    closed, opening = close_offer(offer_bytes(offer), family.context_of(draft, setting))
    key = OfferKey(offer=offer.offer, revision=offer.revision, **opening._asdict())
    return replace(draft, **closed._asdict()), key


BOXES = {
    (name, revision): sealed(replace(OFFER, offer=name, revision=revision))
    for name in ("O1", "O2")
    for revision in (1, 2)
}


def say(two: Two, party: PartyId, body: Record, agreement: AgreementId = GSA) -> MessageId:
    two.now += timedelta(seconds=1)
    out = Outgoing(
        body=body,
        recipient=other(party),
        interface=InterfaceCode("DA"),
        mode=Mode.SCHEDULED,
        agreement=agreement,
        conversation=TALK,
    )
    return send(two.gateways[party], [out], two.now + two.skew[party])[0]


def book(two: Two, party: PartyId) -> Book:
    gateway = two.gateways[party]
    return gateway.books.of(gateway.store, other(party)).ledger.book


def at(two: Two, hours: float) -> None:
    two.now = NOW + timedelta(hours=hours)


def begun() -> Two:
    two = Two()
    two.agree()
    return two


def test_a_sealed_offer_is_opened_after_the_gate_and_ordered() -> None:
    two = begun()
    box, key = BOXES["O1", 1]
    for hours, party, body in (
        (0.1, UTILITY, NEED),
        (1, AGGREGATOR, box),
        (2.5, AGGREGATOR, key),
        (3, UTILITY, ORDER),
        (
            3.5,
            UTILITY,
            NeedResult(
                need="N1",
                revision=1,
                offers=(OfferResult(offer="O1", revision=1, verdict=OfferVerdict.AWARDED, order="D1"),),
            ),
        ),
    ):
        at(two, hours)
        message = say(two, party, body)
        two.carry(party)
        assert two.state(party, message)[0] is State.ACCEPTED, body
    for party in (UTILITY, AGGREGATOR):
        state = book(two, party).offers
        assert state.offers["O1"].phase is OfferPhase.ORDERED and set(state.orders) == {"D1"}
    assert two.digest(UTILITY) == two.digest(AGGREGATOR)


@pytest.mark.rule("key.before_gate")
def test_a_key_does_not_leave_before_the_gate() -> None:
    two = begun()
    box, key = BOXES["O1", 1]
    for party, body in ((UTILITY, NEED), (AGGREGATOR, box)):
        say(two, party, body)
        two.carry(party)
    with pytest.raises(Refused, match=r"trade_rule: key.before_gate"):
        say(two, AGGREGATOR, key)


@pytest.mark.rule("offer.gate_closed")
def test_an_offer_that_arrives_after_the_gate_is_refused_though_it_left_before() -> None:
    two = begun()
    say(two, UTILITY, NEED)
    two.carry(UTILITY)
    at(two, 1.99)
    message = say(two, AGGREGATOR, BOXES["O1", 1][0])
    at(two, 2.1)
    two.carry(AGGREGATOR)
    state, detail = two.state(AGGREGATOR, message)
    assert state is State.REFUSED and detail.startswith(f"{Code.TRADE_RULE}: offer.gate_closed")
    assert two.digest(UTILITY) == two.digest(AGGREGATOR)


@pytest.mark.rule("offer.need_revised")
def test_an_offer_and_a_revision_that_cross() -> None:
    two = begun()
    say(two, UTILITY, NEED)
    two.carry(UTILITY)
    say(two, UTILITY, replace(NEED, revision=2))
    message = say(two, AGGREGATOR, BOXES["O1", 1][0])
    two.carry(UTILITY)
    two.carry(AGGREGATOR)
    state, _ = two.state(AGGREGATOR, message)
    for party in (UTILITY, AGGREGATOR):
        offers = book(two, party).offers.offers
        assert state is State.REFUSED or offers["O1"].phase is OfferPhase.LAPSED
    assert two.digest(UTILITY) == two.digest(AGGREGATOR)


@pytest.mark.rule("availability.unknown_aggregation")
def test_nobody_declares_what_is_not_registered() -> None:
    two = begun()
    window = Window(start=START, end=START + timedelta(hours=2))
    body = replace(_AVAILABLE, window=window, up_kw=kw(50, 40), down_kw=kw(0, 0))
    with pytest.raises(Refused, match=r"availability.unknown_aggregation"):
        say(two, AGGREGATOR, body)


REVISION = st.integers(1, 2)
NAME = st.sampled_from(["O1", "O2"])


class Market(RuleBasedStateMachine):
    """Both say what they like; parcels and receipts go missing; clocks differ; time goes on."""

    @initialize(skew=st.integers(-20, 20))
    def begin(self, skew: int) -> None:
        self.two = Two(timedelta(seconds=skew))
        self.two.agree()

    def try_(self, party: PartyId, body: Record) -> None:
        try:
            say(self.two, party, body)
        except Refused as refused:
            assert refused.code is Code.TRADE_RULE

    @rule(revision=REVISION, much=st.integers(40, 100))
    def need(self, revision: int, much: int) -> None:
        self.try_(UTILITY, replace(NEED, revision=revision, requested_kw=kw(much, 80)))

    @rule(revision=REVISION)
    def withdraw(self, revision: int) -> None:
        reason = WithdrawalReason.MET_OTHERWISE
        self.try_(UTILITY, NeedWithdrawal(need="N1", revision=revision, reason=reason))

    @rule(name=NAME, revision=REVISION, part=st.integers(0, 1))
    def seal_or_open(self, name: str, revision: int, part: int) -> None:
        self.try_(AGGREGATOR, BOXES[name, revision][part])

    @rule(name=NAME, revision=REVISION)
    def revoke(self, name: str, revision: int) -> None:
        body = OfferRevocation(offer=name, revision=revision, reason=RevocationReason.OTHER)
        self.try_(AGGREGATOR, body)

    @rule(name=NAME, revision=REVISION, much=st.integers(1, 70))
    def order(self, name: str, revision: int, much: int) -> None:
        body = replace(ORDER, order=f"D-{name}", offer=name, offer_revision=revision, ordered_kw=kw(much, 40))
        self.try_(UTILITY, body)

    @rule(names=st.lists(NAME, unique=True), revision=REVISION)
    def result(self, names: list[str], revision: int) -> None:
        lost: dict[str, Any] = {"verdict": OfferVerdict.NOT_AWARDED, "reason": LossReason.PRICE}
        offers = tuple(OfferResult(offer=name, revision=revision, **lost) for name in names)
        self.try_(UTILITY, NeedResult(need="N1", revision=revision, offers=offers))

    @rule(party=st.sampled_from([UTILITY, AGGREGATOR]), lose=st.booleans())
    def carry(self, party: PartyId, lose: bool) -> None:
        self.two.carry(party, lose=lose)

    @rule(minutes=st.integers(1, 90))
    def wait(self, minutes: int) -> None:
        self.two.now += timedelta(minutes=minutes)

    def teardown(self) -> None:
        if hasattr(self, "two"):
            self.two.settle()
            assert self.two.digest(UTILITY) == self.two.digest(AGGREGATOR)
            ours, theirs = (book(self.two, party).offers for party in (UTILITY, AGGREGATOR))
            assert ours == theirs


Market.TestCase.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestMarket = Market.TestCase
