"""The journal in SQLite, and the small writes that every other operation shares. All run inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import apsw

from intertie.exchange.outbound import State
from intertie.gateway.ports import Refusal
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry
from intertie.journal.growth import grow
from intertie.model.ids import PartyId
from intertie.seal.certificates import Chain
from intertie.stores.rows import REFUSAL_COLUMNS, micros, refusal_row, write_chain


def head(db: apsw.Connection) -> Head:
    """The head as stored."""
    return Head(*db.execute("SELECT size, root FROM frontier").get)


def append(db: apsw.Connection, entries: Iterable[Entry]) -> Head:
    """Append and return the new head. The frontier is read here, under the write lock: no two processes fork the tree."""
    growth = grow(db.execute("SELECT nodes FROM frontier").get, entries)
    if growth.lines:
        db.executemany("INSERT INTO journal (idx, entry, leaf) VALUES (?, ?, ?)", growth.lines)
        db.execute("UPDATE frontier SET size = ?, root = ?, nodes = ?", (*growth.head, growth.nodes))
    return growth.head


def entries(db: apsw.Connection, after: int, limit: int) -> list[tuple[int, bytes, bytes]]:
    """Lines from index `after`."""
    found = db.execute(
        "SELECT idx, entry, leaf FROM journal WHERE idx >= ? ORDER BY idx LIMIT ?", (after, limit)
    )
    return list(found)


def keep_refusals(db: apsw.Connection, refusals: Iterable[Refusal]) -> None:
    """Rows of refusals; the journal is the caller's."""
    db.executemany(
        f"INSERT INTO refusals ({REFUSAL_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
        [refusal_row(refusal) for refusal in refusals],
    )


def keep_chunk(db: apsw.Connection, data: bytes) -> int:
    """Bytes on disk once; the number of their row."""
    db.execute("INSERT INTO chunks (data) VALUES (?)", (data,))
    return db.last_insert_rowid()


def keep_chains(db: apsw.Connection, chains: Mapping[bytes, Chain]) -> None:
    """Certificate chains by thumbprint; what is there stays."""
    rows = [(thumbprint, write_chain(chain)) for thumbprint, chain in sorted(chains.items())]
    db.executemany("INSERT OR IGNORE INTO chains (thumbprint, chain) VALUES (?, ?)", rows)


def keep_head(db: apsw.Connection, partner: PartyId, head: Head, now: datetime) -> None:
    """A head of a partner's journal; the same head twice is kept once."""
    sql = "INSERT OR IGNORE INTO partner_heads (partner, size, root, at) VALUES (?, ?, ?, ?)"
    db.execute(sql, (partner, head.size, head.root, micros(now)))


def tally(db: apsw.Connection, outgoing: bool, state: State, change: int) -> None:
    """So many messages more (or fewer) in this state."""
    if change:
        db.execute(
            "INSERT INTO tallies VALUES (?, ?, max(?, 0)) ON CONFLICT DO UPDATE SET count = count + ?",
            (int(outgoing), state.value, change, change),
        )


def next_message_seq(db: apsw.Connection) -> int:
    """The seq of the next message; rows are never deleted, so none is given twice."""
    return int(db.execute("SELECT coalesce(max(seq), 0) + 1 FROM messages").get)
