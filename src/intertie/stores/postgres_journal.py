"""The journal in PostgreSQL, and the small writes that every other operation shares. All run inside the caller's transaction,
which holds the journal's lock (postgres_writer.py): numbers are given out as the largest and one more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from intertie.exchange.outbound import State
from intertie.gateway.ports import Refusal
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry
from intertie.journal.growth import grow
from intertie.model.ids import PartyId
from intertie.seal.certificates import Chain
from intertie.stores.postgres_schema import Db, get
from intertie.stores.rows import REFUSAL_COLUMNS, Row, micros, refusal_row, write_chain

# From so many rows on, COPY is faster than statements, which the driver sends without waiting between them.
COPY_LEAST = 16


def plain(text: str) -> str:
    """Text that PostgreSQL can keep: a partner may send U+0000 in the sentence of a refusal, and no text column holds it."""
    return text.replace("\0", "\ufffd")


def insert(db: Db, table: str, columns: str, rows: Sequence[Row]) -> None:
    """Rows of one table, the names all ours."""
    if len(rows) >= COPY_LEAST:
        with db.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    elif rows:
        places = ", ".join(["%s"] * len(rows[0]))
        many(db, f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)  # noqa: S608


def many(db: Db, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """One statement for each row."""
    if len(rows) == 1:
        db.execute(sql, rows[0])
    elif rows:
        with db.cursor() as cursor:
            cursor.executemany(sql, rows)


def head(db: Db) -> Head:
    """The head as stored."""
    found = db.execute("SELECT size, root FROM frontier", binary=True).fetchone()
    if found is None:
        raise ValueError("no frontier")
    return Head(*found)


def append(db: Db, entries: Iterable[Entry]) -> Head:
    """Append and return the new head. The frontier is read here, under the lock: no two processes fork the tree."""
    added = list(entries)
    growth = grow(get(db, "SELECT nodes FROM frontier"), added)
    if growth.lines:
        lines = [(*line, entry.parcel) for line, entry in zip(growth.lines, added, strict=True)]
        insert(db, "journal", "idx, entry, leaf, parcel", lines)
        db.execute("UPDATE frontier SET size = %s, root = %s, nodes = %s", (*growth.head, growth.nodes))
    return growth.head


def entries(db: Db, after: int, limit: int) -> list[tuple[int, bytes, bytes]]:
    """Lines from index `after`."""
    sql = "SELECT idx, entry, leaf FROM journal WHERE idx >= %s ORDER BY idx LIMIT %s"
    return [(idx, entry, leaf) for idx, entry, leaf in db.execute(sql, (after, limit), binary=True)]


def next_number(db: Db, table: str, column: str) -> int:
    """The next number of a table whose rows are never deleted: none is given twice."""
    return int(get(db, f"SELECT coalesce(max({column}), 0) + 1 FROM {table}"))  # noqa: S608 - names of ours


def next_message_seq(db: Db) -> int:
    """The seq of the next message."""
    return next_number(db, "messages", "seq")


def keep_refusals(db: Db, refusals: Sequence[Refusal]) -> None:
    """Rows of refusals; the journal is the caller's."""
    if refusals:
        first = next_number(db, "refusals", "seq")
        rows = [
            (seq, *refusal_row(r._replace(detail=plain(r.detail), code=str(r.code))))
            for seq, r in enumerate(refusals, first)
        ]
        insert(db, "refusals", f"seq, {REFUSAL_COLUMNS}", rows)


def keep_chunk(db: Db, data: bytes) -> int:
    """Bytes on disk once; the number of their row."""
    sql = "INSERT INTO chunks SELECT coalesce(max(chunk), 0) + 1, %s FROM chunks RETURNING chunk"
    with db.cursor(binary=True) as cursor:
        found = cursor.execute(sql.replace("%s", "%b"), (data,)).fetchone()
    return int(found[0]) if found else 0


def keep_chains(db: Db, chains: Mapping[bytes, Chain]) -> None:
    """Certificate chains by thumbprint; what is there stays."""
    rows = [(thumbprint, write_chain(chain)) for thumbprint, chain in sorted(chains.items())]
    many(db, "INSERT INTO chains (thumbprint, chain) VALUES (%s, %s) ON CONFLICT DO NOTHING", rows)


def keep_head(db: Db, partner: PartyId, head: Head, now: datetime) -> None:
    """A head of a partner's journal; the same head twice is kept once."""
    sql = """INSERT INTO partner_heads (number, partner, size, root, at)
        SELECT coalesce(max(number), 0) + 1, %s, %s, %s, %s FROM partner_heads ON CONFLICT DO NOTHING"""
    db.execute(sql, (partner, head.size, head.root, micros(now)))


def tally(db: Db, outgoing: bool, state: State, change: int) -> None:
    """So many messages more (or fewer) in this state."""
    if change:
        sql = """INSERT INTO tallies VALUES (%s, %s, greatest(%s, 0))
            ON CONFLICT (outgoing, state) DO UPDATE SET count = tallies.count + %s"""
        db.execute(sql, (int(outgoing), state.value, change, change))
