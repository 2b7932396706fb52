"""A gateway with as many messages as years of business leave: through the store's own acts, sealing nothing. Some are rare on
purpose, and old, so that looking for them is as slow as it gets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any, NamedTuple

import msgspec

from bench.portal_trade import AGGREGATION, GSA, Said, business
from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import NewMessage, ParcelRow
from intertie.gateway.trading.trade_ports import Shared
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry, Kind
from intertie.model.documents import example
from intertie.model.ids import (
    ConversationId,
    DocumentName,
    MessageId,
    ParcelId,
    PartyId,
    new_message_id,
    new_parcel_id,
)
from intertie.model.message import Header, write_message
from intertie.seal.receipt import Outcome
from intertie.seal.tree import leaf_hash

# Messages of one transaction: a full parcel.
PARCEL = 1000
# Over so many days the messages came and went.
DAYS = 90
# What went and what came; of every thousand messages most are the first.
OUT = ("meter_readings", "invoice", "outage_notice", "account_statement")
IN = ("meter_readings", "remittance_advice", "asset_outage", "operating_response")
# One of the oldest parcel only.
RARE_OUT, RARE_TALK, RARE_DETAIL = (
    "tariff_filing",
    "rare-talk",
    "AGREEMENT_NOT_IN_FORCE: ask the one who signed",
)
RARE_PARCELS = 2
# Messages that wait, and that are under way.
WAITING, UNDER_WAY = 300, 3


class Filled(NamedTuple):
    """What to look for."""

    messages: int
    frequent: PartyId
    rare: PartyId  # has messages in the oldest parcels only
    out: MessageId  # of the middle, with a receipt
    came: MessageId
    parcel: ParcelId
    refused: MessageId
    ders: int


class _Document(NamedTuple):
    """What all messages of a document have in common; `raw` with an id that is replaced."""

    header: Header
    raw: bytes


class Filler:
    """Writes into the store of a gateway whose partners are known."""

    def __init__(self, gateway: Gateway, partners: Sequence[PartyId], now: datetime) -> None:
        self._gateway, self._store, self._partners, self._now = gateway, gateway.store, partners, now
        self._documents = {name: _document(name) for name in (*OUT, *IN, RARE_OUT)}
        self._number = count()

    def fill(self, messages: int, progress: Callable[[int, int], None] = lambda done, all: None) -> Filled:
        """So many messages, a parcel at a time: half of them came. The last partner's are among the first."""
        parcels = max(4, messages // PARCEL)
        step = timedelta(days=DAYS) / parcels
        rare, others = self._partners[-1], self._partners[:-1]
        went: list[tuple[list[MessageId], ParcelId]] = []
        came: list[MessageId] = []
        for place in range(parcels):
            at = self._now - timedelta(days=DAYS) + place * step
            partner = rare if place < RARE_PARCELS else others[(place // 2) % len(others)]
            if place % 2:
                came.append(self._came(partner, at))
            else:
                went.append(self._went(partner, at, oldest=place == 0))
            progress(place + 1, parcels)
        self._open(others[0])
        ids, parcel = went[len(went) // 2]
        return Filled(
            messages=parcels * PARCEL + WAITING + UNDER_WAY + 1,
            frequent=others[0],
            rare=rare,
            out=ids[1],
            came=came[len(came) // 2],
            parcel=parcel,
            refused=went[0][0][0],
            ders=self._trade(others[0]),
        )

    def _new(self, partner: PartyId, at: datetime, names: Sequence[str], *, out: bool) -> list[NewMessage]:
        us = self._gateway.party.id
        sender, recipient = (us, partner) if out else (partner, us)
        made = []
        for place, name in enumerate(names):
            header, raw = self._documents[name]
            number, id = next(self._number), new_message_id(at)
            body = raw.replace(header.id.encode(), id.encode(), 1)
            talk = None if number % 3 else ConversationId(f"talk-{number // 30}")
            if name == RARE_OUT:
                talk = ConversationId(RARE_TALK)
            made.append(
                NewMessage(
                    body=body,
                    leaf=leaf_hash(body),
                    position=place,
                    id=id,
                    sender=sender,
                    recipient=recipient,
                    interface=header.interface,
                    document=header.document,
                    mode=header.mode.value,
                    conversation=talk,
                    agreement=header.agreement,
                    created=at,
                    expires=at + timedelta(days=200),
                    priority=5,
                )
            )
        return made

    def _went(
        self, partner: PartyId, at: datetime, *, oldest: bool, receipted: bool = True
    ) -> tuple[list[MessageId], ParcelId]:
        """A parcel that went and got its receipt a second later. Of the oldest one message was refused."""
        names = mixed(OUT)
        if oldest:
            names[:3] = [RARE_OUT] * 3
        new = self._new(partner, at, names if receipted else names[:UNDER_WAY], out=True)
        self._queue(new, at)
        row = self._parcel(partner, new, at, out=True)
        ids = [one.id for one in new]
        self._store.add_parcel(row, ids, at)
        if receipted:
            ends = [(id, State.ACCEPTED, "") for id in ids]
            if oldest:
                ends[0] = (ids[0], State.REFUSED, RARE_DETAIL)
            self._store.close_parcel(row.id, b"receipt", ends, [], at + timedelta(seconds=1))
        return ids, row.id

    def _came(self, partner: PartyId, at: datetime) -> MessageId:
        """A parcel that came; a message of it."""
        new = self._new(partner, at, mixed(IN), out=False)
        self._accept(partner, new, at)
        return new[1].id

    def _accept(self, partner: PartyId, new: Sequence[NewMessage], at: datetime) -> None:
        row = self._parcel(partner, new, at, out=False)
        outcomes = [Outcome(message=one.id, leaf=one.leaf.hex(), status="accepted") for one in new]
        self._store.accept(row, new, [], outcomes, _receipt, at)

    def _queue(self, new: Sequence[NewMessage], at: datetime) -> None:
        entries = [
            Entry(kind=Kind.MESSAGE_OUT, at=at, partner=one.recipient, message=one.id, digest=one.leaf.hex())
            for one in new
        ]
        self._store.add_outgoing(new, entries, at)

    def _open(self, partner: PartyId) -> None:
        """Some that wait, are under way, were taken back, or could not go."""
        at = self._now - timedelta(hours=1)
        new = self._new(partner, at, mixed(OUT)[:WAITING], out=True)
        self._queue(new, at)
        for place, state in enumerate([State.CANCELLED, State.FAILED] * 5):
            self._store.set_state(new[place].id, state, "for the bench", [], at)
        self._went(partner, at, oldest=False, receipted=False)

    def _trade(self, partner: PartyId) -> int:
        """A month's business in the book with a partner; how many DERs are in it."""
        for said in business(self._gateway.party.id, partner, self._now):
            self._say(said, partner)
        return len(self.book(partner).registry[AGGREGATION].ders)

    def _say(self, said: Said, partner: PartyId) -> None:
        """A message of the trade, which both hold."""
        us, at = self._gateway.party.id, said.at
        header, _ = example(DocumentName(said.document))
        talk = None if said.talk is None else ConversationId(said.talk)
        header = msgspec.structs.replace(
            header,
            sender=us if said.ours else partner,
            recipient=partner if said.ours else us,
            created=at,
            expires=at + timedelta(days=30),
            agreement=None if said.document in ("base_contract", "contract_signature") else GSA,
            conversation=talk,
        )
        self._documents[said.document] = _Document(header, write_message(header, said.body))
        (new,) = self._new(partner, at, [said.document], out=said.ours)
        new = new._replace(conversation=talk)
        if not said.ours:
            self._accept(partner, [new._replace(traded=True)], at)
            return
        self._queue([new], at)
        row = self._parcel(partner, [new], at, out=True)
        self._store.add_parcel(row, [new.id], at)
        ends = [(new.id, State.ACCEPTED, "")]
        shared = Shared(at, [new.id])
        self._store.close_parcel(row.id, b"receipt", ends, [], at, shared=shared)

    def book(self, partner: PartyId) -> Any:
        """As a page reads it."""
        return self._gateway.books.of(self._store, partner).ledger.book

    def _parcel(self, partner: PartyId, new: Sequence[NewMessage], at: datetime, *, out: bool) -> ParcelRow:
        leaves = b"".join(one.leaf for one in new)
        return ParcelRow(
            id=new_parcel_id(at),
            outgoing=out,
            partner=partner,
            digest=hashlib.sha256(leaves).digest(),
            blob=b"sealed" if out else None,
            manifest=b"{}",
            leaves=leaves,
            receipt=None,
            at=at,
        )


def mixed(names: Sequence[str]) -> list[str]:
    """A parcel's documents: every tenth message is one of the others."""
    return [
        names[1 + place // 10 % (len(names) - 1)] if place % 10 == 9 else names[0] for place in range(PARCEL)
    ]


def _document(name: str) -> _Document:
    header, body = example(DocumentName(name))
    return _Document(header, write_message(header, body))


def _receipt(outcomes: object, head: Head) -> bytes:
    """In place of a signed one: no page looks into it."""
    return b"receipt"
