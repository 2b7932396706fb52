"""A utility and an aggregator in memory that exchange files: a carrier that a test can disturb puts them down for the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace as with_
from datetime import date, timedelta
from typing import Any

from msgspec.structs import replace
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
from tests.exchange.uftp_world import PARTY_ROLES, TEXT, other, partner_of

from intertie.exchange.outbound import State
from intertie.formats.espi.terms import EspiTerms
from intertie.formats.file_terms import CsvTerms, JsonTerms
from intertie.formats.sftp_terms import SftpTerms
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import MessageRow, Query
from intertie.gateway.sending.answers import Delivery
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.gateway.trading.trade_books import Books
from intertie.gateway.translating.accept_file import Brought, accept_file
from intertie.gateway.translating.deliver_file import FilePosts, FileTranslator, Sent
from intertie.gateway.translating.deliver_translated import PostAnswer, Reply, deliver_translated
from intertie.gateway.translating.files import File, Judged, Purpose, read_files, write_files
from intertie.gateway.translating.foreign import Foreign, paper_events
from intertie.model.errors import PartnerError
from intertie.model.ids import ConversationId, InterfaceCode, MessageId, PartyId
from intertie.model.message import Mode
from intertie.model.record import Record
from intertie.model.system import OutageNotice

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG9Zb3Vyc2VsZiBpbiBhIHRlc3QgdGhhdCBuZXZlcg== them"
FORMATS: dict[str, Any] = {
    "x12": replace(TRADING, acknowledge=True, advice="all"),
    "csv": CsvTerms(),
    "json": JsonTerms(),
    "espi": EspiTerms(zone="America/New_York"),
}


def foreign_of(
    party: PartyId, format: str = "x12", until: date = date(2027, 12, 31), **changed: Any
) -> Foreign:
    said: dict[str, Any] = {
        "name": party,
        "roles": (PARTY_ROLES[party],),
        "legacy_until": until,
        "sftp_terms": SftpTerms(user="them", keys=(KEY,)),
        format: FORMATS[format],
        "contract": TEXT,
    }
    return Foreign(**(said | changed))


def receipt_of(judged: Sequence[Judged], files: Sequence[File]) -> bytes:
    """What a carrier keeps: its receipt, and the format's answers."""
    lines = [f"{one.item.place}: {one.outcome.status} {one.outcome.detail}" for one in judged]
    receipt = File(
        name="receipt.txt", kind="text/plain", content="\n".join(lines).encode(), purpose=Purpose.RECEIPT
    )
    answers = [replace(file, purpose=Purpose.ANSWER) for file in files]
    return write_files([receipt, *answers])


class Tray:
    """A carrier of one side: puts files down for the other, or does with them what a test says."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.put: list[File] = []
        self.lose = False  # the file arrives, and nobody hears of it
        self.say: PostAnswer | None = None
        self.receipt = False  # the other side says at once that it has it

    async def send(self, foreign: Foreign, file: File) -> Sent:
        if self.say is not None:
            return Sent(self.say)
        self.put.append(file)
        if self.lose:
            raise PartnerError("no answer")
        receipt = None
        if self.receipt and file.about is not None:
            receipt = Reply(PartyId(foreign.name), file.about, True, "", b"signed receipt", self.clock())
        return Sent(PostAnswer(200), receipt)

    async def aclose(self) -> None:
        pass


class Two:
    """Both sides, one clock, and what each put down."""

    def __init__(self, format: str = "x12", **changed: Any) -> None:
        self.now = NOW
        self.trays = {party: Tray(lambda: self.now) for party in (UTILITY, AGGREGATOR)}
        self.gateways: dict[PartyId, Gateway] = {}
        for party, roles in ((UTILITY, UTILITY_ROLES), (AGGREGATOR, AGGREGATOR_ROLES)):
            foreign = foreign_of(other(party), format, **changed)
            self.gateways[party] = with_(
                gateway_of(keys_of(party, roles), []),
                partners=Book([partner_of(other(party), foreign)]),
                books=Books(lambda _, foreign=foreign: paper_events(foreign)),
                translators={"sftp": FileTranslator("sftp")},
            )

    def change(self, party: PartyId, **changed: Any) -> None:
        """What `party` holds of the other changed."""
        partners = self.gateways[party].partners
        assert isinstance(partners, Book)
        there = other(party)
        partner = partners.partners[there]
        assert partner.foreign is not None
        partners.partners[there] = partner._replace(foreign=replace(partner.foreign, **changed))

    def regard(self, party: PartyId, **changed: Any) -> None:
        """How `party` stands to the other changed."""
        partners = self.gateways[party].partners
        assert isinstance(partners, Book)
        partners.partners[other(party)] = partners.partners[other(party)]._replace(**changed)

    def say(self, party: PartyId, body: Record = NOTICE, talk: ConversationId | None = None) -> MessageId:
        self.now += timedelta(seconds=1)
        return send(self.gateways[party], [self.outgoing(party, body, talk)], self.now)[0]

    def outgoing(self, party: PartyId, body: Record, talk: ConversationId | None = None) -> Outgoing:
        return Outgoing(
            body=body,
            recipient=other(party),
            interface=InterfaceCode("DA"),
            mode=Mode.REAL_TIME if isinstance(body, OutageNotice) else Mode.SCHEDULED,
            agreement=TEXT.agreement,
            conversation=talk,
        )

    def post(self, party: PartyId) -> Delivery | None:
        """One delivery by this party: what it owes, and one message."""
        self.now += timedelta(seconds=1)
        gateway, clock = self.gateways[party], lambda: self.now
        posts = FilePosts(gateway, self.trays[party], clock)
        return asyncio.run(deliver_translated(gateway, posts.post, other(party), clock, lambda: 0.0))

    def take(self, party: PartyId, content: bytes, **brought: Any) -> list[File]:
        """A file of the other side comes to this one; what is owed for it."""
        self.now += timedelta(seconds=1)
        file = Brought(other(party), content, self.now, **brought)
        return read_files(accept_file(self.gateways[party], file, receipt_of, self.now))

    def carry(self, party: PartyId) -> list[File]:
        """This party delivers all that is due, and the other takes each file but receipts; what was put down."""
        before = len(self.trays[party].put)
        while self.post(party) is not None:
            pass
        put = self.trays[party].put[before:]
        for file in put:
            if file.purpose is not Purpose.RECEIPT:
                self.take(other(party), file.content)
        return put

    def state(self, party: PartyId, message: MessageId) -> tuple[State, str]:
        row = self.gateways[party].store.message(message, outgoing=True)
        assert row is not None
        return row.state, row.detail

    def inbox(self, party: PartyId) -> list[MessageRow]:
        return list(self.gateways[party].store.messages(Query(outgoing=False)))
