"""A utility and an aggregator in memory that speak Internet ET with X12: one posts, the other takes it, or a test loses it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace as with_
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
from msgspec.structs import replace
from pysequoia import CipherSuite, Profile, Tsk
from tests.exchange.as2_world import NOTICE, TRADING
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

from intertie.bindings.internet_et.client import InternetEtClient
from intertie.bindings.internet_et.door import InternetEtDoorway
from intertie.bindings.internet_et.keys import OwnKeys
from intertie.bindings.internet_et.translator import InternetEt
from intertie.exchange.outbound import State
from intertie.formats.internet_et import receipt as receipts
from intertie.formats.internet_et.fields import REPORT
from intertie.formats.internet_et.form import write_form
from intertie.formats.internet_et.package import write_inside, write_package
from intertie.formats.internet_et.receipt import Receipt
from intertie.formats.internet_et.signed import read_signed
from intertie.formats.internet_et.terms import InternetEtTerms, Quirk
from intertie.formats.x12.carried import write_carried
from intertie.gateway.configuration.internet_et_settings import InternetEtDoor
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import MessageRow, Query
from intertie.gateway.sending.answers import Delivery
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.gateway.trading.trade_books import Books
from intertie.gateway.translating.deliver_translated import deliver_translated
from intertie.gateway.translating.foreign import Foreign, paper_events
from intertie.model.documents import read_message
from intertie.model.ids import InterfaceCode, MessageId, PartyId
from intertie.model.message import Mode
from intertie.model.record import Record
from intertie.model.system import OutageNotice
from intertie.seal.pgp import PgpKey

CODES = {UTILITY: "006982359", AGGREGATOR: "123456789"}
URLS = {party: f"https://{party}/internet-et" for party in CODES}


def key_of(name: str) -> PgpKey:
    """Of a curve: made at once."""
    made = Tsk.generate(user_id=name, cipher_suite=CipherSuite.Cv25519, profile=Profile.RFC4880)
    return PgpKey(bytes(made))


KEYS = {party: key_of(party) for party in CODES}
STRANGER = key_of("stranger")


def foreign_of(party: PartyId, *quirks: Quirk, until: date = date(2027, 12, 31), **terms: Any) -> Foreign:
    said: dict[str, Any] = {
        "code": CODES[party],
        "url": URLS[party],
        "keys": (KEYS[party].public,),
        "quirks": frozenset(quirks),
        "refnums": True,
    }
    return Foreign(
        name=party,
        roles=(PARTY_ROLES[party],),
        legacy_until=until,
        internet_et_terms=InternetEtTerms(**(said | terms)),
        x12=TRADING,
        contract=TEXT,
    )


class Wire(httpx.AsyncBaseTransport):
    """Carries posts to the door of their address, and notes them."""

    def __init__(self, two: Two) -> None:
        self._two = two

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        party = next(one for one in URLS if str(request.url).startswith(f"https://{one}/"))
        self._two.posted.append((party, dict(request.headers) | {"url": str(request.url)}, body))
        if party in self._two.lose_posts:
            raise httpx.ConnectError("lost")
        if party in self._two.says:
            status, headers, body = self._two.says[party]
            return httpx.Response(status, headers=headers, content=body)
        app = httpx.ASGITransport(self._two.doors[party].app())
        async with httpx.AsyncClient(transport=app) as client:
            headers, body = self._two.on_the_way(request.headers.multi_items(), body)
            answer = await client.post(URLS[party], headers=headers, content=body)
        self._two.answered.append(answer)
        if party in self._two.lose_answers:
            raise httpx.ReadTimeout("lost")
        headers, body = self._two.on_the_way_back(answer.headers.multi_items(), answer.content)
        return httpx.Response(answer.status_code, headers=headers, content=body)


class Two:
    """Both sides, one clock, what was posted (to whom), and what was answered."""

    def __init__(self, *quirks: Quirk, folder: Path = Path("/"), **terms: Any) -> None:
        self.now = NOW
        self.folder = folder
        self.posted: list[tuple[PartyId, dict[str, str], bytes]] = []
        self.answered: list[httpx.Response] = []
        self.told: list[tuple[str, ...]] = []  # of exchange failures
        self.lose_posts: set[PartyId] = set()  # posts to these do not arrive
        self.lose_answers: set[PartyId] = set()  # answers of these do not
        self.says: dict[PartyId, tuple[int, dict[str, str], bytes]] = {}  # whatever is posted to these
        self.on_the_way: Callable[[Any, bytes], tuple[Any, bytes]] = lambda headers, body: (headers, body)
        self.on_the_way_back: Callable[[Any, bytes], tuple[Any, bytes]] = lambda headers, body: (
            headers,
            body,
        )
        self.keys = dict(KEYS)
        self.et = {
            party: InternetEt(
                CODES[party], f"{party}", 1_000_000, OwnKeys(1, lambda _, party=party: self.keys[party])
            )
            for party in CODES
        }
        self.gateways: dict[PartyId, Gateway] = {}
        for party, roles in ((UTILITY, UTILITY_ROLES), (AGGREGATOR, AGGREGATOR_ROLES)):
            foreign = foreign_of(other(party), *quirks, **terms)
            self.gateways[party] = with_(
                gateway_of(keys_of(party, roles), []),
                partners=Book([partner_of(other(party), foreign)]),
                books=Books(lambda _, foreign=foreign: paper_events(foreign)),
                translators={"internet_et": self.et[party]},
            )
        self.doors = {party: self.door(party) for party in CODES}
        self.clients = {party: self.client(party) for party in CODES}

    def door(self, party: PartyId, **settings: Any) -> InternetEtDoorway:
        said = InternetEtDoor(code=CODES[party], **settings)
        return InternetEtDoorway(self.gateways[party], self.et[party], said, lambda: self.now, lambda: 0.0)

    def client(self, party: PartyId) -> InternetEtClient:
        return InternetEtClient(
            self.gateways[party],
            self.et[party],
            lambda: self.now,
            seconds=5.0,
            retry_minutes=15.0,
            directory=self.folder,
            tell=lambda *told: self.told.append(told),
            transport=Wire(self),
        )

    def restart(self, party: PartyId) -> None:
        """Its process is another one."""
        self.now += timedelta(seconds=1)
        self.doors[party], self.clients[party] = self.door(party), self.client(party)

    def change(self, party: PartyId, **terms: Any) -> None:
        """What `party` holds of the other changed."""
        partners = self.gateways[party].partners
        assert isinstance(partners, Book)
        partner = partners.partners[other(party)]
        assert partner.foreign is not None
        new = replace(partner.foreign, internet_et_terms=replace(partner.foreign.internet_et, **terms))
        partners.partners[other(party)] = partner._replace(foreign=new)

    def say(self, party: PartyId, body: Record = NOTICE) -> MessageId:
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
        client = self.clients[party]
        return asyncio.run(
            deliver_translated(self.gateways[party], client.post, other(party), lambda: self.now, lambda: 0.0)
        )

    def state(self, party: PartyId, message: MessageId) -> tuple[State, str]:
        row = self.gateways[party].store.message(message, outgoing=True)
        assert row is not None
        return row.state, row.detail

    def inbox(self, party: PartyId) -> list[MessageRow]:
        return list(self.gateways[party].store.messages(Query(outgoing=False)))

    def post(
        self, body: bytes, headers: dict[str, str], query: str = "", to: PartyId = AGGREGATOR
    ) -> httpx.Response:
        """A post of anybody's to a door."""

        async def posted() -> httpx.Response:
            app = httpx.ASGITransport(self.doors[to].app())
            async with httpx.AsyncClient(transport=app) as client:
                return await client.post(
                    (URLS[to] if not query.startswith("/") else f"https://{to}") + query,
                    content=body,
                    headers=headers,
                )

        self.now += timedelta(seconds=1)
        return asyncio.run(posted())


def notice_file(number: int = 7) -> bytes:
    """An outage notice of the utility's as an interchange."""
    two = Two()
    message = two.say(UTILITY)
    row = two.gateways[UTILITY].store.message(message, outgoing=True)
    assert row is not None
    return write_carried(*read_message(row.body), TRADING, number)


FILE = notice_file()
# Another outage, in another message.
OTHER = notice_file(8).replace(b"OUT-2026-0031", b"OUT-2026-0032")
BOUNDARY = "--boundary1--200309090001"


def elements(**changed: str | None) -> dict[str, str]:
    """Those of a package of the utility's; None leaves one out. `_` stands for `-`, and `from_` for `from`."""
    said: dict[str, str | None] = {
        "from": CODES[UTILITY],
        "to": CODES[AGGREGATOR],
        "version": "1.6",
        "receipt-disposition-to": CODES[UTILITY],
        "receipt-report-type": REPORT,
        "input-format": "X12",
        "receipt-security-selection": (
            "signed-receipt-protocol=required,pgp-signature;signed-receipt-micalg=required,sha256"
        ),
        "refnum": "1",
        "refnum-orig": "1",
    }
    said |= {name.strip("_").replace("_", "-"): value for name, value in changed.items()}
    return {name: value for name, value in said.items() if value is not None}


def package(content: bytes = FILE, by: PgpKey = KEYS[UTILITY], to: PgpKey = KEYS[AGGREGATOR]) -> bytes:
    """A message of OpenPGP as the utility writes it."""
    return by.seal(write_inside(content, "application/EDI-X12"), to.public, NOW)


def form(
    message: bytes | None = None, *, last: bool = False, **changed: str | None
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a request."""
    kind, data = write_package(package() if message is None else message, "--boundary2--200309090001")
    body = write_form(elements(**changed), "x.pgp", kind, data, BOUNDARY, last=last)
    return body, {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def told(answer: httpx.Response, key: PgpKey = KEYS[AGGREGATOR]) -> Receipt:
    """The receipt in an answer, its signature verified."""
    assert answer.status_code == 200, answer.text
    report = read_signed(answer.headers["content-type"], answer.content, (key.public,))
    assert report.signed is not None
    said = receipts.read(report.body)
    assert said is not None, report.body
    return said
