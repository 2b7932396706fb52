"""Proving from PostgreSQL: rows of the tree, signed parcels, heads, time stamps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from intertie.gateway.proving.proof_ports import SignedParcel, Stamp
from intertie.journal.checkpoint import Head
from intertie.model.errors import StoreError
from intertie.model.ids import ParcelId, PartyId
from intertie.seal.tree import HASH_BYTES
from intertie.stores.postgres_journal import many, next_number
from intertie.stores.postgres_readers import PostgresReaders
from intertie.stores.postgres_schema import Db, get
from intertie.stores.postgres_writer import PostgresWriter
from intertie.stores.rows import micros, moment

_SIGNED = "SELECT number, id, outgoing, partner, manifest, receipt, at FROM parcels WHERE number > %(after)s"
_KEEP = """INSERT INTO partner_heads (number, partner, size, root, at, proven, signed)
    SELECT coalesce(max(number), 0) + 1, %s, %s, %s, %s, 1, %s FROM partner_heads
    ON CONFLICT (partner, size, root) DO UPDATE
    SET proven = 1, signed = coalesce(partner_heads.signed, excluded.signed)"""


class PostgresProof:
    """`gateway.proving.proof_ports.ProofStore` in PostgreSQL; part of PostgresStore."""

    _writer: PostgresWriter
    _readers: PostgresReaders

    def tree_row(self, level: int, start: int, end: int) -> bytes:
        """Hashes of a row of the tree; row 0 is the journal's leaves."""
        sql = "SELECT leaf FROM journal WHERE idx >= %(start)s AND idx < %(end)s ORDER BY idx"
        if level:
            sql = """SELECT hash FROM tree_rows WHERE level = %(level)s AND idx >= %(start)s AND idx < %(end)s
                ORDER BY idx"""
        values = {"level": level, "start": start, "end": end}
        return self._readers.ask(lambda db: b"".join(row[0] for row in db.execute(sql, values, binary=True)))

    def tree_row_size(self, level: int) -> int:
        """How many hashes of a row above the leaves are kept."""
        sql = "SELECT coalesce(max(idx) + 1, 0) FROM tree_rows WHERE level = %s"
        return int(self._readers.ask(lambda db: get(db, sql, (level,))))

    def add_tree_row(self, level: int, start: int, hashes: bytes) -> None:
        """Keep more of a row; another process may have been faster."""
        lines = [
            (level, start + i // HASH_BYTES, hashes[i : i + HASH_BYTES])
            for i in range(0, len(hashes), HASH_BYTES)
        ]
        sql = "INSERT INTO tree_rows (level, idx, hash) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
        self._writer.run(lambda db: many(db, sql, lines))

    def signed_parcels(
        self,
        *,
        after: int = 0,
        limit: int = 100,
        outgoing: bool | None = None,
        partner: PartyId | None = None,
    ) -> list[SignedParcel]:
        """Parcels by number, without their bytes."""
        where, values = "", dict[str, Any](after=after, limit=limit)
        if outgoing is not None:
            where += " AND outgoing = %(outgoing)s"
            values["outgoing"] = int(outgoing)
        if partner is not None:
            where += " AND partner = %(partner)s"
            values["partner"] = partner
        sql = f"{_SIGNED}{where} ORDER BY number LIMIT %(limit)s"
        found = self._readers.ask(lambda db: db.execute(sql, values, binary=True).fetchall())
        return [SignedParcel(n, i, bool(o), p, m, r, moment(at)) for n, i, o, p, m, r, at in found]

    def parcel_entries(self, parcel: ParcelId, *, limit: int = 10_000) -> list[tuple[int, bytes]]:
        """Lines of the journal that name a parcel, by index."""
        sql = "SELECT idx, entry FROM journal WHERE parcel = %s ORDER BY idx LIMIT %s"
        return self._readers.ask(
            lambda db: [(i, raw) for i, raw in db.execute(sql, (parcel, limit), binary=True)]
        )

    def witnessed_heads(self, partner: PartyId, *, after: Head, limit: int) -> list[Head]:
        """Heads of a partner's journal by size and root."""
        return self._heads(partner, after, limit, "")

    def unproven_heads(self, partner: PartyId, *, after: Head, limit: int) -> list[Head]:
        """Those that no audit has placed."""
        return self._heads(partner, after, limit, "AND proven = 0")

    def _heads(self, partner: PartyId, after: Head, limit: int, only: str) -> list[Head]:
        sql = f"""SELECT size, root FROM partner_heads WHERE partner = %s AND (size, root) > (%s, %s) {only}
            ORDER BY size, root LIMIT %s"""  # noqa: S608
        values = (partner, *after, limit)
        return self._readers.ask(lambda db: [Head(*row) for row in db.execute(sql, values, binary=True)])

    def proven_head(self, partner: PartyId) -> Head | None:
        """The largest head that an audit has placed."""
        sql = "SELECT size, root FROM partner_heads WHERE partner = %s AND proven = 1 ORDER BY size DESC LIMIT 1"
        found = self._readers.ask(lambda db: db.execute(sql, (partner,), binary=True).fetchone())
        return Head(*found) if found else None

    def mark_proven(self, partner: PartyId, heads: Sequence[Head], now: datetime) -> None:
        """Remember that these were placed."""
        lines = [(partner, head.size, head.root, micros(now), None) for head in heads]
        self._writer.run(lambda db: many(db, _KEEP, lines))

    def keep_checkpoint(self, partner: PartyId, head: Head, signed: bytes, now: datetime) -> None:
        """Keep a placed head with the partner's word for it; the first word stays."""
        self._writer.run(lambda db: db.execute(_KEEP, (partner, *head, micros(now), signed)) and None)

    def kept_checkpoint(self, partner: PartyId, head: Head) -> bytes | None:
        """The partner's word for a head."""
        sql = "SELECT signed FROM partner_heads WHERE partner = %s AND size = %s AND root = %s"
        found: bytes | None = self._readers.ask(lambda db: get(db, sql, (partner, *head)))
        return found

    def add_stamp(self, head: Head, request: bytes, now: datetime) -> int:
        """Keep a request for a time stamp."""
        sql = "INSERT INTO stamps (number, size, root, request, at) VALUES (%s, %s, %s, %s, %s)"

        def write(db: Db) -> int:
            number = next_number(db, "stamps", "number")
            db.execute(sql, (number, *head, request, micros(now)))
            return number

        return self._writer.run(write)

    def answer_stamp(self, number: int, reply: bytes) -> None:
        """Keep the reply to a request."""

        def write(db: Db) -> None:
            if not db.execute("UPDATE stamps SET reply = %s WHERE number = %s", (reply, number)).rowcount:
                raise StoreError(f"no request number {number} for a time stamp", do="report this")

        self._writer.run(write)

    def stamps(
        self, *, answered: bool | None = None, least: int = 0, limit: int | None = None
    ) -> list[Stamp]:
        """Requests with their replies."""
        where = {None: "", True: "AND reply IS NOT NULL", False: "AND reply IS NULL"}[answered]
        return self._stamps(f"WHERE size >= %s {where} ORDER BY number LIMIT %s", least, limit)

    def last_stamp(self) -> Stamp | None:
        """The newest request with a reply."""
        return next(iter(self._stamps("WHERE reply IS NOT NULL ORDER BY number DESC LIMIT 1")), None)

    def _stamps(self, which: str, *values: int | None) -> list[Stamp]:
        sql = f"SELECT number, size, root, request, reply, at FROM stamps {which}"  # noqa: S608 - our own clauses
        found = self._readers.ask(lambda db: db.execute(sql, values, binary=True).fetchall())
        return [Stamp(n, Head(s, r), q, a, moment(at)) for n, s, r, q, a, at in found]
