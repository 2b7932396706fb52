"""Parcels of others, and what relays said of ours, in SQLite."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

import apsw

from intertie.exchange.relaying import Event, Telling
from intertie.gateway.relaying.relay_ports import Load, Relayed
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry
from intertie.model.errors import StoreError
from intertie.model.ids import ParcelId, PartyId
from intertie.stores import relaying
from intertie.stores.readers import Readers
from intertie.stores.relaying import Moved, relayed_of, values_of
from intertie.stores.rows import micros
from intertie.stores.sqlite_journal import append
from intertie.stores.writer import Writer


class SqliteRelay:
    """What `gateway.relaying.relay_ports.RelayStore` says, in a SQLite file; part of SqliteStore."""

    _readers: Readers
    _writer: Writer

    def take_relayed(self, row: Relayed, write: Callable[[Head], bytes], now: datetime) -> bytes:
        """Keep it with its hop receipt, or find the one of before."""

        def take(db: apsw.Connection) -> bytes:
            known = _find(db, row.parcel)
            if known is not None:
                return relaying.check_again(row, known)
            receipt = write(append(db, [relaying.taken_entry(row, now)]))
            db.execute(relaying.INSERT, values_of(row._replace(receipt=receipt)))
            append(db, [relaying.hop_receipt_entry(row, receipt, now)])
            return receipt

        return self._writer.run(take)

    def relayed(self, parcel: ParcelId) -> Relayed | None:
        """One parcel of others."""
        with self._readers.snapshot() as db:
            return _find(db, parcel)

    def relay_due(
        self, party: PartyId, now: datetime, *, without: Collection[ParcelId] = ()
    ) -> Relayed | None:
        """What goes to this party now."""
        asked = {"party": party, "limit": relaying.DUE_LOOK, **relaying.times(now)}
        with self._readers.snapshot() as db:
            parcel = relaying.first_of(list(db.execute(relaying.DUE, asked)), without)
            return None if parcel is None else _find(db, parcel)

    def defer_relayed(self, parcel: ParcelId, next_attempt: datetime, detail: str) -> None:
        """Later."""
        values = {"parcel": parcel, "next_attempt": micros(next_attempt), "detail": detail}
        self._writer.run(lambda db: db.execute(relaying.DEFER, values))

    def move_relayed(
        self,
        parcel: ParcelId,
        event: Event,
        entry: Entry,
        *,
        onward: bytes | None = None,
        answer: bytes | None = None,
        detail: str = "",
    ) -> bool:
        """A step of the way on."""
        return self._step(parcel, lambda row: relaying.moved(row, event, onward, answer, detail), entry)

    def tell_relayed(self, parcel: ParcelId, telling: Telling, entry: Entry) -> bool:
        """A step of the way back."""
        return self._step(parcel, lambda row: relaying.told(row, telling), entry)

    def _step(self, parcel: ParcelId, change: Callable[[Relayed], Moved], entry: Entry) -> bool:
        def run(db: apsw.Connection) -> bool:
            row = _find(db, parcel)
            if row is None:
                raise StoreError(f"no parcel {parcel} of others is here", do="report this")
            moved = change(row)
            if moved.changed:
                db.execute(relaying.UPDATE, values_of(moved.row))
                append(db, [entry])
            return moved.changed

        return self._writer.run(run)

    def relay_load(self, sender: PartyId) -> Load:
        """How much of a sender's waits."""
        with self._readers.snapshot() as db:
            ((count, size),) = db.execute(relaying.LOAD, {"sender": sender})
        return Load(count, size)

    def relay_ending(self, now: datetime) -> list[Relayed]:
        """What ends now."""
        with self._readers.snapshot() as db:
            return [relayed_of(row) for row in db.execute(relaying.ENDING, relaying.endings(now))]

    def relayed_rows(self, *, waiting: bool, limit: int) -> list[Relayed]:
        """The newest."""
        asked = {"all": int(not waiting), "limit": limit}
        with self._readers.snapshot() as db:
            return [relayed_of(row) for row in db.execute(relaying.LIST, asked)]

    def keep_hops(
        self,
        parcel: ParcelId,
        *,
        outgoing: bool,
        partner: PartyId,
        statements: Sequence[bytes],
        now: datetime,
    ) -> None:
        """Keep what relays said."""
        about = {"parcel": parcel, "outgoing": int(outgoing), "partner": partner}
        if not statements or set(statements) <= set(self.hops(parcel, outgoing=outgoing, partner=partner)):
            return

        def run(db: apsw.Connection) -> None:
            for statement in statements:
                asked = {**about, "digest": hashlib.sha256(statement).digest()}
                if db.execute(relaying.HAS_HOP, asked).fetchone() is None:
                    db.execute(relaying.KEEP_HOP, {**asked, "statement": statement})
                    append(db, [relaying.hop_entry(parcel, partner, statement, now)])

        self._writer.run(run)

    def hops(self, parcel: ParcelId, *, outgoing: bool, partner: PartyId) -> list[bytes]:
        """What relays said."""
        asked = {"parcel": parcel, "outgoing": int(outgoing), "partner": partner}
        with self._readers.snapshot() as db:
            return [statement for (statement,) in db.execute(relaying.HOPS, asked)]


def _find(db: apsw.Connection, parcel: ParcelId) -> Relayed | None:
    found: tuple[Any, ...] | None = db.execute(relaying.FIND, {"parcel": parcel}).fetchone()
    return relayed_of(found) if found else None
