"""Proving from SQLite: rows of the tree, signed parcels, heads, time stamps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw

from intertie.gateway.proving.proof_ports import SignedParcel, Stamp
from intertie.journal.checkpoint import Head
from intertie.model.errors import StoreError
from intertie.model.ids import ParcelId, PartyId
from intertie.seal.tree import HASH_BYTES
from intertie.stores.readers import Readers
from intertie.stores.rows import micros, moment
from intertie.stores.writer import Writer

# As in the index journal_parcel, to the letter: else SQLite would read the whole journal. The bytes are `"parcel":"`.
PARCEL_ENTRIES = """SELECT idx, entry FROM journal WHERE instr(entry, x'2270617263656C223A22') > 0
    AND substr(entry, instr(entry, x'2270617263656C223A22') + 10, 36) = ? ORDER BY idx LIMIT ?"""


class SqliteProof:
    """`gateway.proving.proof_ports.ProofStore` in a SQLite file; part of SqliteStore."""

    _writer: Writer
    _readers: Readers

    def tree_row(self, level: int, start: int, end: int) -> bytes:
        """Hashes of a row of the tree; row 0 is the journal's leaves."""
        table, column, where = ("tree_rows", "hash", "level = ? AND") if level else ("journal", "leaf", "")
        sql = f"SELECT {column} FROM {table} WHERE {where} idx >= ? AND idx < ? ORDER BY idx"  # noqa: S608
        with self._readers.snapshot() as db:
            return b"".join(row[0] for row in db.execute(sql, ([level] if level else []) + [start, end]))

    def tree_row_size(self, level: int) -> int:
        """How many hashes of a row above the leaves are kept."""
        sql = "SELECT coalesce(max(idx) + 1, 0) FROM tree_rows WHERE level = ?"
        with self._readers.snapshot() as db:
            return int(db.execute(sql, (level,)).get)

    def add_tree_row(self, level: int, start: int, hashes: bytes) -> None:
        """Keep more of a row; another process may have been faster."""
        lines = [
            (level, start + i // HASH_BYTES, hashes[i : i + HASH_BYTES])
            for i in range(0, len(hashes), HASH_BYTES)
        ]
        sql = "INSERT OR IGNORE INTO tree_rows (level, idx, hash) VALUES (?, ?, ?)"
        self._writer.run(lambda db: db.executemany(sql, lines) and None)

    def signed_parcels(
        self,
        *,
        after: int = 0,
        limit: int = 100,
        outgoing: bool | None = None,
        partner: PartyId | None = None,
    ) -> list[SignedParcel]:
        """Parcels by number, without their bytes."""
        sql = """SELECT number, id, outgoing, partner, manifest, receipt, at FROM parcels WHERE number > :after
            AND (:outgoing IS NULL OR outgoing = :outgoing) AND (:partner IS NULL OR partner = :partner)
            ORDER BY number LIMIT :limit"""
        side = None if outgoing is None else int(outgoing)
        values = {"after": after, "limit": limit, "outgoing": side, "partner": partner}
        with self._readers.snapshot() as db:
            return [
                SignedParcel(n, i, bool(o), p, m, r, moment(at))
                for n, i, o, p, m, r, at in db.execute(sql, values)
            ]

    def parcel_entries(self, parcel: ParcelId, *, limit: int = 10_000) -> list[tuple[int, bytes]]:
        """Lines of the journal that name a parcel, by index."""
        with self._readers.snapshot() as db:
            return list(db.execute(PARCEL_ENTRIES, (parcel.encode(), limit)))

    def witnessed_heads(self, partner: PartyId, *, after: Head, limit: int) -> list[Head]:
        """Heads of a partner's journal by size and root."""
        return self._heads(partner, after, limit, "")

    def unproven_heads(self, partner: PartyId, *, after: Head, limit: int) -> list[Head]:
        """Those that no audit has placed."""
        return self._heads(partner, after, limit, "AND proven = 0")

    def _heads(self, partner: PartyId, after: Head, limit: int, only: str) -> list[Head]:
        sql = f"""SELECT size, root FROM partner_heads WHERE partner = ? AND (size, root) > (?, ?) {only}
            ORDER BY size, root LIMIT ?"""  # noqa: S608
        with self._readers.snapshot() as db:
            return [Head(*row) for row in db.execute(sql, (partner, *after, limit))]

    def proven_head(self, partner: PartyId) -> Head | None:
        """The largest head that an audit has placed."""
        sql = (
            "SELECT size, root FROM partner_heads WHERE partner = ? AND proven = 1 ORDER BY size DESC LIMIT 1"
        )
        with self._readers.snapshot() as db:
            found = db.execute(sql, (partner,)).fetchone()
            return Head(*found) if found else None

    def mark_proven(self, partner: PartyId, heads: Sequence[Head], now: datetime) -> None:
        """Remember that these were placed."""
        lines = [(partner, head.size, head.root, micros(now)) for head in heads]
        sql = """INSERT INTO partner_heads (partner, size, root, at, proven) VALUES (?, ?, ?, ?, 1)
            ON CONFLICT DO UPDATE SET proven = 1"""
        self._writer.run(lambda db: db.executemany(sql, lines) and None)

    def keep_checkpoint(self, partner: PartyId, head: Head, signed: bytes, now: datetime) -> None:
        """Keep a placed head with the partner's word for it; the first word stays."""
        sql = """INSERT INTO partner_heads (partner, size, root, at, proven, signed) VALUES (?, ?, ?, ?, 1, ?)
            ON CONFLICT DO UPDATE SET proven = 1, signed = coalesce(signed, excluded.signed)"""
        self._writer.run(lambda db: db.execute(sql, (partner, *head, micros(now), signed)) and None)

    def kept_checkpoint(self, partner: PartyId, head: Head) -> bytes | None:
        """The partner's word for a head."""
        sql = "SELECT signed FROM partner_heads WHERE partner = ? AND size = ? AND root = ?"
        with self._readers.snapshot() as db:
            found = db.execute(sql, (partner, *head)).fetchone()
            return found[0] if found else None

    def add_stamp(self, head: Head, request: bytes, now: datetime) -> int:
        """Keep a request for a time stamp."""
        sql = "INSERT INTO stamps (size, root, request, at) VALUES (?, ?, ?, ?)"

        def write(db: apsw.Connection) -> int:
            db.execute(sql, (*head, request, micros(now)))
            return db.last_insert_rowid()

        return self._writer.run(write)

    def answer_stamp(self, number: int, reply: bytes) -> None:
        """Keep the reply to a request."""

        def write(db: apsw.Connection) -> None:
            db.execute("UPDATE stamps SET reply = ? WHERE number = ?", (reply, number))
            if not db.changes():
                raise StoreError(f"no request number {number} for a time stamp", do="report this")

        self._writer.run(write)

    def stamps(
        self, *, answered: bool | None = None, least: int = 0, limit: int | None = None
    ) -> list[Stamp]:
        """Requests with their replies."""
        where = {None: "", True: "AND reply IS NOT NULL", False: "AND reply IS NULL"}[answered]
        return self._stamps(
            f"WHERE size >= ? {where} ORDER BY number LIMIT ?", least, -1 if limit is None else limit
        )

    def last_stamp(self) -> Stamp | None:
        """The newest request with a reply."""
        return next(iter(self._stamps("WHERE reply IS NOT NULL ORDER BY number DESC LIMIT 1")), None)

    def _stamps(self, which: str, *values: int) -> list[Stamp]:
        sql = f"SELECT number, size, root, request, reply, at FROM stamps {which}"  # noqa: S608 - our own clauses
        with self._readers.snapshot() as db:
            return [Stamp(n, Head(s, r), q, a, moment(at)) for n, s, r, q, a, at in db.execute(sql, values)]
