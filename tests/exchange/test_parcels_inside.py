"""Sealed parcels inside another protocol: AS2, AS4 or Internet ET carries them, and the signed receipt comes back that way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace as with_
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from tests.exchange.as2_world import key_of
from tests.exchange.et_world import KEYS
from tests.exchange.house import AGGREGATOR, UTILITY, partner_of
from tests.exchange.parcel_files import by_file
from tests.exchange.relay_world import HOME, HUB, Link, World, make_world

from intertie.bindings.as2.client import As2Client
from intertie.bindings.as2.door import As2Doorway
from intertie.bindings.as2.translator import As2
from intertie.bindings.as4.client import As4Client
from intertie.bindings.as4.door import As4Doorway
from intertie.bindings.as4.translator import As4
from intertie.bindings.internet_et.client import InternetEtClient
from intertie.bindings.internet_et.door import InternetEtDoorway
from intertie.bindings.internet_et.keys import OwnKeys
from intertie.bindings.internet_et.translator import InternetEt
from intertie.exchange.outbound import State
from intertie.formats.as2.terms import As2Terms
from intertie.formats.as4.terms import As4Terms
from intertie.formats.as4.user_message import Party
from intertie.formats.internet_et.terms import InternetEtTerms
from intertie.gateway.configuration.as2_settings import As2Door
from intertie.gateway.configuration.as4_settings import As4Door
from intertie.gateway.configuration.internet_et_settings import InternetEtDoor
from intertie.gateway.gateway import Partner
from intertie.gateway.relaying.deliver_relayed import deliver_relayed
from intertie.gateway.sending.answers import Delivery
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.translating.deliver_translated import deliver_translated
from intertie.gateway.translating.file_link import FileLink
from intertie.gateway.translating.files import File
from intertie.model.errors import PartnerError
from intertie.model.ids import PartyId
from intertie.seal.smime_keys import OwnSmime, SmimeKey

KINDS = ("as2", "as4", "internet_et")
# Whose keys of the protocol each has.
KEPT = {AGGREGATOR: AGGREGATOR, HOME: UTILITY, HUB: UTILITY}
NAMES = {AGGREGATOR: "SUN", HOME: "HOME", HUB: "HUB"}
CODES = {AGGREGATOR: "123456789", HOME: "006982359", HUB: "006982367"}
EBCORE = "urn:oasis:names:tc:ebcore:partyid-type:unregistered"
PUT_OUT = "put out as a file; no receipt yet"


def smime(party: PartyId) -> SmimeKey:
    return key_of(KEPT[party])


class Inside:
    """Two gateways, each with a door and a client of one protocol, and what went between them."""

    def __init__(self, kind: str, world: World, one: PartyId, other: PartyId) -> None:
        self.kind, self.world = kind, world
        self.posted: list[tuple[PartyId, bytes]] = []
        self.lose = False  # answers of doors
        self.change = False  # what goes to them
        self.wire = _Wire(self)
        self.told: list[tuple[str, ...]] = []
        for party, partner in ((one, other), (other, one)):
            book = world.gateways[party].partners.partners  # type: ignore[attr-defined]
            known = book.get(partner) or partner_of(world.gateways[partner].keys)
            self.agree(party, known)
        self.own = {party: self._own(party) for party in (one, other)}
        for party, own in self.own.items():
            world.gateways[party] = with_(world.gateways[party], translators={kind: own})
        self.doors = {party: self._door(party) for party in (one, other)}
        self.clients = {party: self._client(party) for party in (one, other)}

    def agree(self, party: PartyId, known: Partner, until: date = date(2027, 12, 31)) -> None:
        """That one exchanges parcels with this partner inside the protocol, until a day."""
        terms: dict[str, Any] = {f"{self.kind}_terms": self._terms(known.party)}
        foreign = by_file(known.party, until, sftp_terms=None, **terms)
        book = self.world.gateways[party].partners.partners  # type: ignore[attr-defined]
        book[known.party] = known._replace(foreign=foreign)

    def _terms(self, party: PartyId) -> As2Terms | As4Terms | InternetEtTerms:
        url = f"https://{party}/{self.kind.replace('_', '-')}"
        pem = (smime(party).pem.decode(),)
        if self.kind == "as2":
            return As2Terms(name=NAMES[party], url=url, certificates=pem)
        if self.kind == "as4":
            named = {"party_id": NAMES[party], "party_type": EBCORE}
            return As4Terms(**named, url=url, certificates=pem, service="urn:x:files", action="exchange")
        keys = (KEYS[KEPT[party]].public,)
        return InternetEtTerms(code=CODES[party], url=url, keys=keys, refnums=True)

    def _own(self, party: PartyId) -> Any:
        if self.kind == "internet_et":
            keys = OwnKeys(1, lambda _: KEYS[KEPT[party]])
            return InternetEt(CODES[party], str(party), 1_000_000, keys)
        keys = OwnSmime(1, lambda _: smime(party))
        if self.kind == "as2":
            return As2(NAMES[party], f"https://{party}/as2", 1_000_000, keys)
        return As4(Party(NAMES[party], EBCORE), 1_000_000, keys)

    def _door(self, party: PartyId) -> Any:
        gateway, own = self.world.gateways[party], self.own[party]
        if self.kind == "as2":
            return As2Doorway(gateway, own, As2Door(name=NAMES[party]), self.world.clock, lambda: 0.0)
        if self.kind == "as4":
            return As4Doorway(gateway, own, As4Door(party_id=NAMES[party]), self.world.clock, lambda: 0.0)
        said = InternetEtDoor(code=CODES[party])
        return InternetEtDoorway(gateway, own, said, self.world.clock, lambda: 0.0)

    def _client(self, party: PartyId) -> Any:
        gateway, own = self.world.gateways[party], self.own[party]
        if self.kind == "internet_et":
            return InternetEtClient(
                gateway,
                own,
                self.world.clock,
                seconds=5.0,
                retry_minutes=5.0,
                directory=Path("/"),
                tell=lambda *told: self.told.append(told),
                transport=self.wire,
            )
        kind = As2Client if self.kind == "as2" else As4Client
        return kind(gateway, own, self.world.clock, 5.0, self.wire)

    def link(self, party: PartyId) -> FileLink:
        return FileLink(Link(self.world, party), self.clients[party].put, self.world.now.date)

    def send(self, party: PartyId, to: PartyId) -> Delivery | None:
        gateway = self.world.gateways[party]
        return asyncio.run(deliver_once(gateway, self.link(party), to, self.world.clock, lambda: 0.0))

    def hand_on(self, party: PartyId, to: PartyId) -> Delivery | None:
        gateway = self.world.gateways[party]
        return asyncio.run(deliver_relayed(gateway, self.link(party), to, self.world.clock, lambda: 0.0))

    def answer(self, party: PartyId, to: PartyId) -> Delivery | None:
        """What this party owes: its signed receipt among it."""
        gateway, post = self.world.gateways[party], self.clients[party].post
        return asyncio.run(deliver_translated(gateway, post, to, self.world.clock, lambda: 0.0))


class _Wire(httpx.AsyncBaseTransport):
    """To the door of an address."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body, it = await request.aread(), self._inside
        party = next(one for one in it.doors if request.url.host == one)
        if it.change:
            body = body[: len(body) // 2] + bytes([body[len(body) // 2] ^ 1]) + body[len(body) // 2 + 1 :]
        it.posted.append((party, body))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(it.doors[party].app())) as client:
            answer = await client.post(str(request.url), headers=request.headers.multi_items(), content=body)
        if it.lose:
            raise httpx.ReadTimeout("lost")
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


@pytest.fixture(params=KINDS)
def two(request: pytest.FixtureRequest) -> Iterator[Inside]:
    """The aggregator and the customer's gateway, and nobody between."""
    world = make_world()
    world.partner(AGGREGATOR, HOME, via=None)
    world.partner(HOME, AGGREGATOR, via=None)
    return Inside(request.param, world, AGGREGATOR, HOME)


def test_a_parcel_goes_inside_and_its_signed_receipt_comes_back_so(two: Inside) -> None:
    message = two.world.say()
    sent = two.send(AGGREGATOR, HOME)
    assert sent is not None and (sent.receipted, sent.detail) == (True, PUT_OUT)
    assert two.world.received() == [message]
    assert two.world.state(message)[0] is State.SENDING  # the protocol's own receipt closes nothing
    two.answer(HOME, AGGREGATOR)
    assert two.world.state(message) == (State.ACCEPTED, "")
    assert [party for party, _ in two.posted] == [HOME, AGGREGATOR]
    assert not any(b"ITP1" in body for _, body in two.posted)  # encrypted once more


def test_whose_answer_was_lost_is_put_again_and_has_one_effect(two: Inside) -> None:
    message = two.world.say()
    two.lose = True
    sent = two.send(AGGREGATOR, HOME)
    assert sent is not None and not sent.receipted
    two.lose = False
    for _ in range(3):
        two.world.now += timedelta(minutes=11)
        two.send(AGGREGATOR, HOME)
        two.answer(HOME, AGGREGATOR)
    assert two.world.received() == [message]
    assert two.world.state(message) == (State.ACCEPTED, "")
    assert not two.told  # of failures of an exchange


def test_what_was_changed_on_its_way_is_not_taken_and_the_right_one_still_is(two: Inside) -> None:
    message = two.world.say()
    two.change = True
    sent = two.send(AGGREGATOR, HOME)
    assert sent is not None and not sent.receipted and sent.detail  # the partner said that it was not taken
    assert two.world.received() == [] and two.world.state(message)[0] is State.SENDING
    two.change = False
    two.world.now += timedelta(minutes=11)
    two.send(AGGREGATOR, HOME)
    assert two.world.received() == [message]


def test_after_its_end_date_nothing_goes(two: Inside) -> None:
    message = two.world.say()
    known = two.world.gateways[AGGREGATOR].partners.find(HOME)
    assert known is not None
    two.agree(AGGREGATOR, known, date(2026, 1, 14))
    sent = two.send(AGGREGATOR, HOME)
    assert sent is not None and not sent.receipted and "ended on 2026-01-14" in sent.detail
    assert not two.posted and two.world.state(message)[0] is State.SENDING


@pytest.mark.parametrize("kind", KINDS)
def test_a_relay_takes_over_a_connection_and_hands_on_inside(kind: str) -> None:
    world = make_world()
    inside = Inside(kind, world, HOME, HUB)
    message = world.say()
    world.send(AGGREGATOR)
    said = inside.hand_on(HUB, HOME)
    assert said is not None and said.receipted, said
    assert world.received() == [message] and [party for party, _ in inside.posted] == [HOME]
    inside.answer(HOME, HUB)
    assert inside.posted[-1][0] == HUB


def test_a_file_that_does_not_fit_the_protocol_is_refused_by_name(two: Inside) -> None:
    known = two.world.gateways[AGGREGATOR].partners.find(HOME)
    assert known is not None and known.foreign is not None
    large = File(
        name="x.itp", kind="application/vnd.intertie.parcel", content=b"ITP1" + Random(7).randbytes(9_000_000)
    )
    with pytest.raises(PartnerError, match="does not fit a message"):
        asyncio.run(two.clients[AGGREGATOR].put(known.foreign, large))
    assert not two.posted
