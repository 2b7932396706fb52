"""A utility and an aggregator in memory that speak AS2 with X12: one posts, the other's door takes it, or a test loses it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace as with_
from datetime import date, timedelta
from functools import cache
from typing import Any

import httpx
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
from tests.exchange.uftp_world import PARTY_ROLES, TALK, TEXT, other, partner_of

from intertie.bindings.as2.client import As2Client
from intertie.bindings.as2.door import As2Doorway
from intertie.bindings.as2.translator import As2
from intertie.exchange.outbound import State
from intertie.formats.as2.terms import As2Terms, Quirk
from intertie.formats.x12.trading import Trading, X12Party
from intertie.gateway.configuration.as2_settings import As2Door
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import MessageRow, Query
from intertie.gateway.sending.answers import Delivery
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.gateway.trading.trade_books import Books
from intertie.gateway.translating.deliver_translated import deliver_translated
from intertie.gateway.translating.foreign import Foreign, paper_events
from intertie.model.documents import example
from intertie.model.ids import DocumentName, InterfaceCode, MessageId, PartyId
from intertie.model.message import Mode
from intertie.model.record import Record
from intertie.model.system import OutageNotice
from intertie.seal.smime_keys import OwnSmime, SmimeKey

NAMES = {UTILITY: "UTILITY", AGGREGATOR: "Sun & Wind"}
URLS = {party: f"https://{party}/as2" for party in NAMES}
TRADING = Trading(
    profile="ny",
    utility=X12Party(party=UTILITY, name="The Utility", number="006982359"),
    aggregator=X12Party(party=AGGREGATOR, name="Sun & Wind", number="123456789"),
    usage="T",
    acknowledge=False,
    advice="none",
)
_, _NOTICE = example(DocumentName("outage_notice"))
assert isinstance(_NOTICE, OutageNotice)
NOTICE = _NOTICE
# What a door was asked, and what it answers, on the way between them: a test may change or lose either.
Way = Callable[[httpx.Request], httpx.Request | None]


@cache
def key_of(party: PartyId) -> SmimeKey:
    return SmimeKey.generate(NAMES[party], NOW)


@cache
def stranger() -> SmimeKey:
    return SmimeKey.generate("stranger", NOW)


def foreign_of(party: PartyId, *quirks: Quirk, until: date = date(2027, 12, 31), **terms: Any) -> Foreign:
    said: dict[str, Any] = {
        "name": NAMES[party],
        "url": URLS[party],
        "certificates": (key_of(party).pem.decode(),),
        "quirks": frozenset(quirks),
    }
    return Foreign(
        name=party,
        roles=(PARTY_ROLES[party],),
        legacy_until=until,
        as2_terms=As2Terms(**(said | terms)),
        x12=TRADING,
        contract=TEXT,
    )


class Wire(httpx.AsyncBaseTransport):
    """Carries posts to the door of their address, and notes them."""

    def __init__(self, two: Two) -> None:
        self._two = two

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        party = next(one for one, url in URLS.items() if str(request.url) == url)
        self._two.posted.append((party, dict(request.headers), body))
        if party in self._two.lose_posts:
            raise httpx.ConnectError("lost")
        app = httpx.ASGITransport(self._two.doors[party].app())
        async with httpx.AsyncClient(transport=app) as client:
            headers, body = self._two.on_the_way(request.headers.multi_items(), body)
            answer = await client.post(URLS[party], headers=headers, content=body)
        answer = self._two.answer_with or answer
        self._two.answered.append(answer)
        if party in self._two.lose_answers:
            raise httpx.ReadTimeout("lost")
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


class Two:
    """Both sides, one clock, what was posted (to whom), and what was answered."""

    def __init__(self, *quirks: Quirk, **terms: Any) -> None:
        self.now = NOW
        self.posted: list[tuple[PartyId, dict[str, str], bytes]] = []
        self.answered: list[httpx.Response] = []
        self.answer_with: httpx.Response | None = None  # in place of what a door says
        self.lose_posts: set[PartyId] = set()  # posts to these do not arrive
        self.lose_answers: set[PartyId] = set()  # answers of these do not
        self.on_the_way: Callable[[Any, bytes], tuple[Any, bytes]] = lambda headers, body: (headers, body)
        self.keys = {party: key_of(party) for party in NAMES}
        self.as2 = {
            party: As2(
                NAMES[party], URLS[party], 1_000_000, OwnSmime(1, lambda _, party=party: self.keys[party])
            )
            for party in NAMES
        }
        self.gateways: dict[PartyId, Gateway] = {}
        for party, roles in ((UTILITY, UTILITY_ROLES), (AGGREGATOR, AGGREGATOR_ROLES)):
            foreign = foreign_of(other(party), *quirks, **terms)
            self.gateways[party] = with_(
                gateway_of(keys_of(party, roles), []),
                partners=Book([partner_of(other(party), foreign)]),
                books=Books(lambda _, foreign=foreign: paper_events(foreign)),
                translators={"as2": self.as2[party]},
            )
        self.doors = {party: self.door(party) for party in NAMES}

    def door(self, party: PartyId, **settings: Any) -> As2Doorway:
        said = As2Door(name=NAMES[party], **settings)
        return As2Doorway(self.gateways[party], self.as2[party], said, lambda: self.now, lambda: 0.0)

    def change(self, party: PartyId, **terms: Any) -> None:
        """What `party` holds of the other changed."""
        partners = self.gateways[party].partners
        assert isinstance(partners, Book)
        there = other(party)
        partner = partners.partners[there]
        assert partner.foreign is not None and partner.foreign.as2_terms is not None
        as2 = replace(partner.foreign.as2_terms, **terms)
        partners.partners[there] = partner._replace(foreign=replace(partner.foreign, as2_terms=as2))

    def say(self, party: PartyId, body: Record) -> MessageId:
        self.now += timedelta(seconds=1)
        out = Outgoing(
            body=body,
            recipient=other(party),
            interface=InterfaceCode("DA"),
            mode=Mode.REAL_TIME if isinstance(body, OutageNotice) else Mode.SCHEDULED,
            agreement=TEXT.agreement,
            conversation=TALK,
        )
        return send(self.gateways[party], [out], self.now)[0]

    def carry(self, party: PartyId) -> Delivery | None:
        """One delivery by this party: what it owes, and one message."""
        self.now += timedelta(seconds=1)
        return asyncio.run(self._carry(party))

    async def _carry(self, party: PartyId) -> Delivery | None:
        client = As2Client(self.gateways[party], self.as2[party], lambda: self.now, 5.0, Wire(self))
        try:
            return await deliver_translated(
                self.gateways[party], client.post, other(party), lambda: self.now, lambda: 0.0
            )
        finally:
            await client.aclose()

    def state(self, party: PartyId, message: MessageId) -> tuple[State, str]:
        row = self.gateways[party].store.message(message, outgoing=True)
        assert row is not None
        return row.state, row.detail

    def inbox(self, party: PartyId) -> list[MessageRow]:
        return list(self.gateways[party].store.messages(Query(outgoing=False)))
