"""A utility and an aggregator with real doors and SQLite stores, some traffic between them, and a way to rewrite a journal."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec
from tests.exchange.https_world import (
    AGGREGATOR,
    AGREEMENT,
    UTILITY,
    Book,
    Door,
    House,
    link_of,
    make_ca,
    make_house,
    now,
    open_door,
)
from tests.store.store_builders import sqlite_store

from intertie.bindings.parcel_https.client import HttpsLink
from intertie.bindings.parcel_https.witness_client import PatientPages
from intertie.gateway.configuration.settings import Delivery
from intertie.gateway.proving.audit_journal import Audit, audit_journals
from intertie.gateway.receiving.accept_parcel import new_message
from intertie.gateway.sending.deliver import deliver_once
from intertie.journal.entry import Entry, Kind, read_entry
from intertie.journal.growth import grow
from intertie.model.documents import example
from intertie.model.ids import MessageId, new_message_id
from intertie.model.message import write_message
from intertie.seal.tree import Frontier, leaf_hash

T = TypeVar("T")
PARCELS = 6


def over_link(house: House, work: Callable[[HttpsLink], Coroutine[Any, Any, T]]) -> T:
    """Something done over a link of this house."""

    async def run() -> T:
        link = link_of(house, Delivery(connect_seconds=5.0, answer_seconds=20.0))
        try:
            return await work(link)
        finally:
            await link.aclose()

    return asyncio.run(run())


def with_store(house: House, path: Path) -> House:
    book = Book(dict(house.book.partners))
    return House(house.directory, replace(house.gateway, store=sqlite_store(path), partners=book), book)


def queue(sender: House, recipient: House) -> MessageId:
    """A message that this sender may send, in its outbox."""
    party = sender.gateway.party.id
    header, body = example("outage_notice" if party == UTILITY else "availability_declaration")
    fresh = msgspec.structs.replace(
        header,
        id=new_message_id(now()),
        interface="DA",
        sender=party,
        recipient=recipient.gateway.party.id,
        agreement=AGREEMENT,
        created=now(),
        expires=now() + timedelta(hours=1),
    )
    raw = write_message(fresh, body)
    entry = Entry(
        kind=Kind.MESSAGE_OUT,
        at=now(),
        partner=fresh.recipient,
        message=fresh.id,
        digest=leaf_hash(raw).hex(),
    )
    sender.gateway.store.add_outgoing([new_message(raw, leaf_hash(raw), 0, fresh)], [entry], now())
    return fresh.id


def send(sender: House, recipient: House, count: int = 1) -> None:
    """So many parcels of one message each, receipted; the recipient's door is open and known."""

    async def work(link: HttpsLink) -> None:
        for _ in range(count):
            queue(sender, recipient)
            delivery = await deliver_once(sender.gateway, link, recipient.gateway.party.id, now, lambda: 0.5)
            assert delivery is not None and delivery.receipted, delivery

    over_link(sender, work)


def audit(house: House, at: datetime | None = None, *, everything: bool = False) -> Audit:
    async def work(link: HttpsLink) -> Audit:
        partners = house.book.all()
        pages = PatientPages(link)
        return await audit_journals(house.gateway, pages, partners, at or now(), everything=everything)

    return over_link(house, work)


@dataclass
class Traffic:
    """Two houses that exchanged parcels both ways, and their stores at rest, to be copied."""

    utility: House
    aggregator: House
    stores: Path

    def again(self, folder: Path) -> Traffic:
        """The same houses over copies of the stores."""
        for name in ("utility.db", "aggregator.db", "store.kek"):
            shutil.copy(self.stores / name, folder / name)
        return Traffic(
            with_store(self.utility, folder / "utility.db"),
            with_store(self.aggregator, folder / "aggregator.db"),
            folder,
        )

    @contextmanager
    def open(self) -> Iterator[tuple[Door, Door]]:
        """Both doors, each known to the other."""
        with open_door(self.utility) as one, open_door(self.aggregator) as other:
            self.utility.knows(self.aggregator, other.url)
            self.aggregator.knows(self.utility, one.url)
            yield one, other

    def close(self) -> None:
        for house in (self.utility, self.aggregator):
            house.gateway.store.close()


def make_traffic(folder: Path) -> Traffic:
    ca = make_ca()
    houses = [make_house(folder / party, ca, party) for party in (UTILITY, AGGREGATOR)]
    traffic = Traffic(
        with_store(houses[0], folder / "utility.db"), with_store(houses[1], folder / "aggregator.db"), folder
    )
    with traffic.open():
        send(traffic.utility, traffic.aggregator, PARCELS)
        send(traffic.aggregator, traffic.utility, 2)
    traffic.close()
    return traffic


# Rewriting


def entries_of(path: Path) -> list[Entry]:
    with rows(path) as db:
        return [read_entry(raw) for (raw,) in db.execute("SELECT entry FROM journal ORDER BY idx")]


def rebuild(path: Path, entries: Sequence[Entry]) -> None:
    """A journal of these entries, sound in itself: new leaves, new head, new tree."""
    growth = grow(Frontier().to_bytes(), entries)
    with rows(path) as db:
        db.execute("DELETE FROM journal; DELETE FROM tree_rows")
        db.executemany("INSERT INTO journal (idx, entry, leaf) VALUES (?, ?, ?)", growth.lines)
        db.execute("UPDATE frontier SET size = ?, root = ?, nodes = ?", (*growth.head, growth.nodes))


@contextmanager
def rows(path: Path) -> Iterator[apsw.Connection]:
    """The file, as whoever can write to the disk has it."""
    db = apsw.Connection(str(path))
    try:
        with db:
            yield db
    finally:
        db.close()
