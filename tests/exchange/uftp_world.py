"""A utility and an aggregator in memory that speak UFTP: one posts, the other's door takes it, or a test loses it."""

from __future__ import annotations

import asyncio
from dataclasses import replace as with_
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace
from tests.exchange.house import (
    AGGREGATOR,
    AGGREGATOR_ROLES,
    NOW,
    UTILITY,
    UTILITY_ROLES,
    Book,
    gateway_of,
    keys_of,
)

from intertie.bindings.uftp.door import UftpDoorway
from intertie.bindings.uftp.translator import Uftp
from intertie.exchange.outbound import State
from intertie.formats.uftp.forms import Role as UsefRole
from intertie.formats.uftp.terms import Terms
from intertie.gateway.configuration.settings import UftpDoor
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.sending.answers import Delivery
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.gateway.trading.trade_books import Books
from intertie.gateway.translating.deliver_translated import PostAnswer, deliver_translated
from intertie.gateway.translating.foreign import Foreign, paper_events
from intertie.market.book import Book as TradeBook
from intertie.model.agreement import BaseContract, Elections
from intertie.model.contract import Confirmation, Service
from intertie.model.documents import example
from intertie.model.errors import IntertieError, PartnerError, Refused
from intertie.model.ids import (
    AgreementId,
    ConnectionPointId,
    ConversationId,
    DocumentName,
    InterfaceCode,
    MessageId,
    PartyId,
    new_uuid7,
)
from intertie.model.interval import IntervalSeries, Window
from intertie.model.message import Mode
from intertie.model.offers import Need, Offer, OfferOption, Order
from intertie.model.party import Role
from intertie.model.quantity import Kilowatts, Money, Unit
from intertie.model.record import Record
from intertie.seal.keys import PublicKeys
from intertie.seal.sodium_keys import only
from intertie.seal.sodium_sign import SodiumKey, write_public

ZONE = "America/New_York"
POINT = ConnectionPointId("ean.871685900012636543")
_, _TEXT = example(DocumentName("base_contract"))
assert isinstance(_TEXT, BaseContract)
TEXT = replace(
    _TEXT,
    buyer=UTILITY,
    seller=AGGREGATOR,
    effective=NOW - timedelta(days=1),
    ends=None,
    elections=replace(_TEXT.elections, currency="USD"),
    calendar=replace(_TEXT.calendar, zone=ZONE),
)
assert isinstance(TEXT.elections, Elections)
DOMAINS = {UTILITY: "dso.example", AGGREGATOR: "agr.example"}
ROLES = {UTILITY: UsefRole.DSO, AGGREGATOR: UsefRole.AGR}
PARTY_ROLES = {UTILITY: Role.DISTRIBUTION_UTILITY, AGGREGATOR: Role.DER_AGGREGATOR}
KEYS = {UTILITY: SodiumKey.of_seed(b"u" * 32), AGGREGATOR: SodiumKey.of_seed(b"a" * 32)}
TALK = ConversationId(new_uuid7(NOW))
START = datetime(2026, 1, 16, 22, 0, tzinfo=NOW.tzinfo)  # 17:00 in New York
STEPS = 4
WINDOW = Window(start=START, end=START + timedelta(minutes=15 * STEPS))


def other(party: PartyId) -> PartyId:
    return AGGREGATOR if party == UTILITY else UTILITY


def foreign_of(party: PartyId, until: date = date(2027, 12, 31), **terms: Any) -> Foreign:
    said: dict[str, Any] = {
        "domain": DOMAINS[party],
        "role": ROLES[party],
        "key": write_public(KEYS[party].public),
        "url": f"https://{DOMAINS[party]}/shapeshifter/api/v3/message",
        "currency": "USD",
        "zone": ZONE,
        **terms,
    }
    return Foreign(
        name=party, roles=(PARTY_ROLES[party],), legacy_until=until, uftp_terms=Terms(**said), contract=TEXT
    )


def partner_of(party: PartyId, foreign: Foreign) -> Partner:
    roles = frozenset(foreign.roles)
    return Partner(
        party=party,
        name=party,
        roles=roles,
        keys=PublicKeys(party=party, roles=roles, signing={}, sealing={}),
        url=foreign.url,
        agreements=(),
        suspended=False,
        foreign=foreign,
    )


def kw(*values: int) -> IntervalSeries:
    return IntervalSeries(start=START, step_seconds=900, unit=Unit.KW, power_of_ten=0, values=values)


NEED = Need(
    need="N1",
    service=Service.DIST_CAPACITY,
    points=(POINT,),
    window=WINDOW,
    zone=ZONE,
    requested_kw=kw(100, 100, 0, 80),
    gate_closes=NOW + timedelta(hours=4),
    decide_by=START,
    currency="USD",
    early_orders=True,
)
OPTION = OfferOption(
    option=1,
    offered_kw=kw(60, 40, 0, 40),
    price=Money(amount=Decimal("0.37"), currency="USD"),
    minimum_fraction=Decimal("0.5"),
)

_, _DEAL = example(DocumentName("confirmation"))
assert isinstance(_DEAL, Confirmation)
DEAL = replace(
    _DEAL,
    agreement=TEXT.agreement,
    service=NEED.service,
    points=(POINT,),
    term=Window(start=NOW, end=NOW + timedelta(days=300)),
    contracted_kw=Kilowatts(Decimal(100)),
    currency="USD",
    zone=ZONE,
    confirm_deadline=NOW,
    aggregation=None,
)


class Two:
    """Both sides, one clock, and what was posted."""

    def __init__(self, deals: tuple[Confirmation, ...] = (), **terms: Any) -> None:
        self.now = NOW
        self.posted: list[tuple[PartyId, bytes]] = []  # by whom
        self.lose: set[PartyId] = set()  # posts by these do not arrive
        self.gateways: dict[PartyId, Gateway] = {}
        self.uftp = {party: Uftp(DOMAINS[party], only(KEYS[party])) for party in DOMAINS}
        self.doors: dict[PartyId, UftpDoorway] = {}
        for party, roles in ((UTILITY, UTILITY_ROLES), (AGGREGATOR, AGGREGATOR_ROLES)):
            foreign = replace(foreign_of(other(party), **terms), deals=deals)
            self.gateways[party] = self._gateway(party, roles, foreign)
        self._open()

    def _gateway(self, party: PartyId, roles: frozenset[Role], foreign: Foreign) -> Gateway:
        return with_(
            gateway_of(keys_of(party, roles), []),
            partners=Book([partner_of(other(party), foreign)]),
            books=Books(lambda _: paper_events(foreign)),
            translators={"uftp": self.uftp[party]},
        )

    def _open(self) -> None:
        for party, gateway in self.gateways.items():
            self.doors[party] = UftpDoorway(
                gateway, self.uftp[party], UftpDoor(), lambda: self.now, lambda: 0.0
            )

    def change(self, party: PartyId, **changes: Any) -> None:
        """The partner's file changed here."""
        partners = self.gateways[party].partners
        assert isinstance(partners, Book)
        there = other(party)
        partners.partners[there] = partners.partners[there]._replace(**changes)

    def say(
        self,
        party: PartyId,
        body: Record,
        conversation: ConversationId = TALK,
        agreement: AgreementId = TEXT.agreement,
    ) -> MessageId:
        self.now += timedelta(seconds=1)
        out = Outgoing(
            body=body,
            recipient=other(party),
            interface=InterfaceCode("DA"),
            mode=Mode.SCHEDULED,
            agreement=agreement,
            conversation=conversation,
        )
        return send(self.gateways[party], [out], self.now)[0]

    def carry(self, party: PartyId) -> Delivery | None:
        """One delivery by this party: what it owes, and one message."""
        self.now += timedelta(seconds=1)
        there = other(party)

        async def post(foreign: Foreign, signed: bytes) -> PostAnswer:
            raw = self.uftp[party].wrap(foreign, signed)
            self.posted.append((party, raw))
            if party in self.lose:
                raise PartnerError("no answer")
            try:
                self.doors[there].take(raw)
            except Refused:
                return PostAnswer(401)
            except IntertieError:
                return PostAnswer(400)
            return PostAnswer(200)

        return asyncio.run(
            deliver_translated(self.gateways[party], post, there, lambda: self.now, lambda: 0.0)
        )

    def exchange(
        self, party: PartyId, body: Record, conversation: ConversationId = TALK
    ) -> tuple[State, str]:
        """Say it, carry it, and carry the answer back; what became of it."""
        message = self.say(party, body, conversation)
        self.carry(party)
        self.carry(other(party))
        return self.state(party, message)

    def state(self, party: PartyId, message: MessageId) -> tuple[State, str]:
        row = self.gateways[party].store.message(message, outgoing=True)
        assert row is not None
        return row.state, row.detail

    def book(self, party: PartyId) -> TradeBook:
        gateway = self.gateways[party]
        return gateway.books.of(gateway.store, other(party)).ledger.book


def offer_to(two: Two, **changes: Any) -> Offer:
    """The aggregator's offer to the need as it has it."""
    need = next(iter(two.book(AGGREGATOR).offers.needs.values())).need
    offer = Offer(
        offer="O1",
        service=need.service,
        points=need.points,
        window=need.window,
        options=(OPTION,),
        valid_until=need.window.start,
        direction=need.direction,
        need=need.need,
        need_revision=need.revision,
    )
    return replace(offer, **changes)


def order_of(two: Two, **changes: Any) -> Order:
    """The utility's order of the first offer that it has, whole."""
    state = next(iter(two.book(UTILITY).offers.offers.values()))
    assert state.offer is not None
    option = state.offer.options[0]
    order = Order(
        order="D1",
        service=state.offer.service,
        points=state.offer.points,
        window=state.offer.window,
        ordered_kw=option.offered_kw,
        price=option.price,
        direction=state.offer.direction,
        offer=state.offer.offer,
        offer_revision=1,
        option=option.option,
    )
    return replace(order, **changes)
