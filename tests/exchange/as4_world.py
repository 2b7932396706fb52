"""A utility and an aggregator in memory that speak AS4 with X12: one posts, the other's door takes it, or a test loses it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace as with_
from datetime import date, timedelta
from functools import cache
from typing import Any

import httpx
from msgspec.structs import replace
from tests.exchange.as2_world import TRADING
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

from intertie.bindings.as4.client import As4Client
from intertie.bindings.as4.door import As4Doorway
from intertie.bindings.as4.translator import As4
from intertie.exchange.outbound import State
from intertie.formats.as4.message import File, Post, write_message
from intertie.formats.as4.terms import As4Terms, Quirk
from intertie.formats.as4.user_message import Party
from intertie.gateway.configuration.as4_settings import As4Door
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import MessageRow, Query
from intertie.gateway.sending.answers import Delivery
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.gateway.trading.trade_books import Books
from intertie.gateway.translating.deliver_translated import deliver_translated
from intertie.gateway.translating.foreign import Foreign, paper_events
from intertie.model.ids import InterfaceCode, MessageId, PartyId
from intertie.model.message import Mode
from intertie.model.record import Record
from intertie.model.system import OutageNotice
from intertie.seal.smime_keys import OwnSmime, SmimeKey

KIND = "urn:oasis:names:tc:ebcore:partyid-type:unregistered"
PARTIES = {UTILITY: Party("utility-1", KIND), AGGREGATOR: Party("Sun & Wind", KIND)}
URLS = {party: f"https://{party}/as4" for party in PARTIES}


@cache
def key_of(party: PartyId) -> SmimeKey:
    return SmimeKey.generate(PARTIES[party].name, NOW)


@cache
def stranger() -> SmimeKey:
    return SmimeKey.generate("stranger", NOW)


def terms_of(party: PartyId, *quirks: Quirk, **changed: Any) -> As4Terms:
    said: dict[str, Any] = {
        "party_id": PARTIES[party].name,
        "party_type": KIND,
        "url": URLS[party],
        "certificates": (key_of(party).pem.decode(),),
        "service": "urn:intertie:files",
        "action": "exchange",
        "quirks": frozenset(quirks),
    }
    return As4Terms(**(said | changed))


def foreign_of(party: PartyId, *quirks: Quirk, until: date = date(2027, 12, 31), **changed: Any) -> Foreign:
    return Foreign(
        name=party,
        roles=(PARTY_ROLES[party],),
        legacy_until=until,
        as4_terms=terms_of(party, *quirks, **changed),
        x12=TRADING,
        contract=TEXT,
    )


def theirs(content: bytes, identity: str = "t1@partner.example", **changed: Any) -> Post:
    """A post of the utility's to the aggregator, made by hand."""
    by, at = changed.pop("by", key_of(UTILITY)), changed.pop("at", NOW)
    us, kind = changed.pop("us", PARTIES[UTILITY]), changed.pop("kind", "application/edi-x12")
    return write_message(
        File(content, kind),
        us,
        terms_of(AGGREGATOR, **changed),
        by,
        encrypt_for=key_of(AGGREGATOR).certificate,
        message_id=identity,
        conversation="talk",
        at=at,
    ).post


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
        self._two.answered.append(answer)
        if party in self._two.lose_answers:
            raise httpx.ReadTimeout("lost")
        return self._two.on_the_way_back(
            httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        )


class Two:
    """Both sides, one clock, what was posted (to whom), and what was answered."""

    def __init__(self, *quirks: Quirk, **terms: Any) -> None:
        self.now = NOW
        self.posted: list[tuple[PartyId, dict[str, str], bytes]] = []
        self.answered: list[httpx.Response] = []
        self.lose_posts: set[PartyId] = set()  # posts to these do not arrive
        self.lose_answers: set[PartyId] = set()  # answers of these do not
        self.on_the_way: Callable[[Any, bytes], tuple[Any, bytes]] = lambda headers, body: (headers, body)
        self.on_the_way_back: Callable[[httpx.Response], httpx.Response] = lambda answer: answer
        self.keys = {party: key_of(party) for party in PARTIES}
        self.as4 = {
            party: As4(PARTIES[party], 1_000_000, OwnSmime(1, lambda _, party=party: self.keys[party]))
            for party in PARTIES
        }
        self.gateways: dict[PartyId, Gateway] = {}
        for party, roles in ((UTILITY, UTILITY_ROLES), (AGGREGATOR, AGGREGATOR_ROLES)):
            foreign = foreign_of(other(party), *quirks, **terms)
            self.gateways[party] = with_(
                gateway_of(keys_of(party, roles), []),
                partners=Book([partner_of(other(party), foreign)]),
                books=Books(lambda _, foreign=foreign: paper_events(foreign)),
                translators={"as4": self.as4[party]},
            )
        self.doors = {party: self.door(party) for party in PARTIES}

    def door(self, party: PartyId, **settings: Any) -> As4Doorway:
        said = As4Door(party_id=PARTIES[party].name, **settings)
        return As4Doorway(self.gateways[party], self.as4[party], said, lambda: self.now, lambda: 0.0)

    def take(self, party: PartyId, post: Post) -> Any:
        """A post at the door of this party, as the door's own answer."""
        return self.doors[party].take(list(post.headers), post.body)

    def change(self, party: PartyId, **terms: Any) -> None:
        """What `party` holds of the other changed."""
        foreign = self.foreign(party)
        self.set_foreign(party, replace(foreign, as4_terms=replace(foreign.as4, **terms)))

    def foreign(self, party: PartyId) -> Foreign:
        partner = self.gateways[party].partners.find(other(party))
        assert partner is not None and partner.foreign is not None
        return partner.foreign

    def set_foreign(self, party: PartyId, foreign: Foreign) -> None:
        partners = self.gateways[party].partners
        assert isinstance(partners, Book)
        there = other(party)
        partners.partners[there] = partners.partners[there]._replace(foreign=foreign)

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

    def carry(self, party: PartyId, later: timedelta = timedelta(seconds=1)) -> Delivery | None:
        """One delivery by this party: what it owes, and one message."""
        self.now += later
        return asyncio.run(self._carry(party))

    async def _carry(self, party: PartyId) -> Delivery | None:
        client = As4Client(self.gateways[party], self.as4[party], lambda: self.now, 5.0, Wire(self))
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
