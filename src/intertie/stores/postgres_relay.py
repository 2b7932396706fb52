"""Parcels of others, and what relays said of ours, in PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from intertie.exchange.relaying import Event, Telling
from intertie.gateway.relaying.relay_ports import Load, Relayed
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry
from intertie.model.errors import StoreError
from intertie.model.ids import ParcelId, PartyId
from intertie.stores import relaying
from intertie.stores.postgres_journal import append
from intertie.stores.postgres_readers import PostgresReaders
from intertie.stores.postgres_schema import Db
from intertie.stores.postgres_writer import PostgresWriter
from intertie.stores.relaying import Moved, relayed_of, values_of
from intertie.stores.rows import micros


def _run(db: Db, sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement whose parameters are written as SQLite's."""
    cursor = db.execute(relaying.psycopg_spelling(sql), values, binary=True)
    return cursor.fetchall() if cursor.description is not None else []


class PostgresRelay:
    """What `gateway.relaying.relay_ports.RelayStore` says, in PostgreSQL; part of PostgresStore."""

    _readers: PostgresReaders
    _writer: PostgresWriter

    def take_relayed(self, row: Relayed, write: Callable[[Head], bytes], now: datetime) -> bytes:
        """Keep it with its hop receipt, or find the one of before."""

        def take(db: Db) -> bytes:
            known = _find(db, row.parcel)
            if known is not None:
                return relaying.check_again(row, known)
            receipt = write(append(db, [relaying.taken_entry(row, now)]))
            _run(db, relaying.INSERT, values_of(row._replace(receipt=receipt)))
            append(db, [relaying.hop_receipt_entry(row, receipt, now)])
            return receipt

        return self._writer.run(take)

    def relayed(self, parcel: ParcelId) -> Relayed | None:
        """One parcel of others."""
        return self._readers.ask(lambda db: _find(db, parcel))

    def relay_due(
        self, party: PartyId, now: datetime, *, without: Collection[ParcelId] = ()
    ) -> Relayed | None:
        """What goes to this party now."""
        asked = {"party": party, "limit": relaying.DUE_LOOK, **relaying.times(now)}

        def look(db: Db) -> Relayed | None:
            parcel = relaying.first_of(_run(db, relaying.DUE, asked), without)
            return None if parcel is None else _find(db, parcel)

        return self._readers.snapshot(look)

    def defer_relayed(self, parcel: ParcelId, next_attempt: datetime, detail: str) -> None:
        """Later."""
        values = {"parcel": parcel, "next_attempt": micros(next_attempt), "detail": detail}
        self._writer.run(lambda db: _run(db, relaying.DEFER, values))

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
        def run(db: Db) -> bool:
            row = _find(db, parcel)
            if row is None:
                raise StoreError(f"no parcel {parcel} of others is here", do="report this")
            moved = change(row)
            if moved.changed:
                _run(db, relaying.UPDATE, values_of(moved.row))
                append(db, [entry])
            return moved.changed

        return self._writer.run(run)

    def relay_load(self, sender: PartyId) -> Load:
        """How much of a sender's waits."""
        ((count, size),) = self._readers.ask(lambda db: _run(db, relaying.LOAD, {"sender": sender}))
        return Load(count, int(size))

    def relay_ending(self, now: datetime) -> list[Relayed]:
        """What ends now."""
        rows = self._readers.ask(lambda db: _run(db, relaying.ENDING, relaying.endings(now)))
        return [relayed_of(row) for row in rows]

    def relayed_rows(self, *, waiting: bool, limit: int) -> list[Relayed]:
        """The newest."""
        asked = {"all": int(not waiting), "limit": limit}
        return [relayed_of(row) for row in self._readers.ask(lambda db: _run(db, relaying.LIST, asked))]

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

        def run(db: Db) -> None:
            for statement in statements:
                asked = {**about, "digest": hashlib.sha256(statement).digest()}
                if not _run(db, relaying.HAS_HOP, asked):
                    _run(db, relaying.KEEP_HOP, {**asked, "statement": statement})
                    append(db, [relaying.hop_entry(parcel, partner, statement, now)])

        self._writer.run(run)

    def hops(self, parcel: ParcelId, *, outgoing: bool, partner: PartyId) -> list[bytes]:
        """What relays said."""
        asked = {"parcel": parcel, "outgoing": int(outgoing), "partner": partner}
        found = self._readers.ask(lambda db: _run(db, relaying.HOPS, asked))
        return [statement for (statement,) in found]


def _find(db: Db, parcel: ParcelId) -> Relayed | None:
    found = _run(db, relaying.FIND, {"parcel": parcel})
    return relayed_of(found[0]) if found else None
