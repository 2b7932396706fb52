"""Running a gateway on SQLite: queues, timeliness, stop flags. Every question is answered from an index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import apsw

from intertie.exchange.timeliness import BEFORE, FlowRef, Span
from intertie.gateway.operating.operations_ports import QueueLine, Stop
from intertie.journal.entry import Entry
from intertie.model.ids import PartyId
from intertie.stores.readers import Readers
from intertie.stores.rows import micros, moment
from intertie.stores.sqlite_journal import append
from intertie.stores.writer import Writer

# Both partial indexes hold only what waits: messages_queued (recipient, priority, seq) and parcels_waiting. Messages are
# queued in the order of seq, so the oldest is the one with the least.
_QUEUED = """SELECT q.recipient, q.priority, q.count, m.at FROM (
        SELECT recipient, priority, count(*) AS count, min(seq) AS first FROM messages INDEXED BY messages_queued
        WHERE outgoing = 1 AND state = 'queued' GROUP BY recipient, priority
    ) AS q JOIN messages AS m ON m.seq = q.first"""
_SENDING = """SELECT p.partner, m.priority, count(*), min(m.at) FROM parcels AS p INDEXED BY parcels_waiting
    CROSS JOIN messages AS m INDEXED BY messages_parcel ON m.parcel = p.number
    WHERE p.outgoing = 1 AND p.state = 'waiting' AND m.state = 'sending' GROUP BY p.partner, m.priority"""
_PARCELS = """SELECT partner, count(*) FROM parcels INDEXED BY parcels_waiting
    WHERE outgoing = 1 AND state = 'waiting' GROUP BY partner"""
_ADD = """INSERT INTO timeliness VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count,
    late = late + excluded.late, seconds = seconds + excluded.seconds"""
_OLD = "start > 0 AND start < ?"
_SUM_UP = f"""INSERT INTO timeliness
    SELECT 0, interface, document, mode, place, sum(count), sum(late), sum(seconds) FROM timeliness WHERE {_OLD}
    GROUP BY interface, document, mode, place
    ON CONFLICT DO UPDATE SET count = count + excluded.count, late = late + excluded.late,
        seconds = seconds + excluded.seconds"""  # noqa: S608


def queues(db: apsw.Connection) -> list[QueueLine]:
    """`OperationsStore.queues`."""
    lines = {
        (partner, priority): QueueLine(partner, priority, count, 0, moment(at))
        for partner, priority, count, at in db.execute(_QUEUED)
    }
    for partner, priority, count, at in db.execute(_SENDING):
        line = lines.get((partner, priority), QueueLine(partner, priority, 0, 0, moment(at)))
        lines[partner, priority] = line._replace(sending=count, oldest=min(line.oldest, moment(at)))
    return [lines[key] for key in sorted(lines)]


def refused_since(db: apsw.Connection, since: datetime, limit: int) -> dict[str, int]:
    """`OperationsStore.refused_since`: from the newest backwards, up to the first that is older."""
    found: Counter[str] = Counter()
    for code, at in db.execute("SELECT code, at FROM refusals ORDER BY seq DESC LIMIT ?", (limit,)):
        if at < micros(since):
            break
        found[code] += 1
    return dict(sorted(found.items()))


def add_timeliness(db: apsw.Connection, spans: Sequence[Span], keep_since: datetime) -> None:
    """`OperationsStore.add_timeliness`."""
    db.executemany(_ADD, [(micros(s.start), *s.flow, s.place, s.receipts, s.late, s.seconds) for s in spans])
    old = (micros(keep_since),)
    if db.execute(f"SELECT 1 FROM timeliness WHERE {_OLD} LIMIT 1", old).get:  # noqa: S608
        db.execute(_SUM_UP, old)
        db.execute(f"DELETE FROM timeliness WHERE {_OLD}", old)  # noqa: S608


def raise_stop(db: apsw.Connection, stop: Stop, entries: Sequence[Entry]) -> None:
    """`OperationsStore.raise_stop`."""
    values = (stop.partner, int(stop.ours), micros(stop.since), micros(stop.until))
    db.execute("INSERT OR REPLACE INTO stops (partner, ours, since, until) VALUES (?, ?, ?, ?)", values)
    append(db, entries)


def lower_stop(db: apsw.Connection, partner: PartyId, ours: bool, entries: Sequence[Entry]) -> bool:
    """`OperationsStore.lower_stop`."""
    db.execute("DELETE FROM stops WHERE partner = ? AND ours = ?", (partner, int(ours)))
    if not db.changes():
        return False
    append(db, entries)
    return True


class SqliteOperations:
    """`gateway.operating.operations_ports.OperationsStore` in a SQLite file; part of SqliteStore."""

    _writer: Writer
    _readers: Readers
    _path: Path

    def queues(self) -> list[QueueLine]:
        """Queues that are not empty."""
        with self._readers.snapshot() as db:
            return queues(db)

    def waiting_parcels(self) -> dict[PartyId, int]:
        """Parcels without a receipt by partner."""
        with self._readers.snapshot() as db:
            return dict(db.execute(_PARCELS))

    def refused_since(self, since: datetime, *, limit: int) -> dict[str, int]:
        """Refusals by code."""
        with self._readers.snapshot() as db:
            return refused_since(db, since, limit)

    def add_timeliness(self, spans: Sequence[Span], keep_since: datetime) -> None:
        """Add counts; old spans are summed up."""
        self._writer.run(lambda db: add_timeliness(db, spans, keep_since))

    def timeliness(self, since: datetime | None = None) -> list[Span]:
        """Counts by span and flow."""
        least = micros(BEFORE if since is None else since)
        sql = "SELECT * FROM timeliness WHERE start >= ? ORDER BY start, interface, document, mode, place"
        with self._readers.snapshot() as db:
            return [
                Span(moment(at), FlowRef(*flow), place, count, late, seconds)
                for at, *flow, place, count, late, seconds in db.execute(sql, (least,))
            ]

    def stops(self) -> list[Stop]:
        """Stop flags by partner."""
        sql = "SELECT partner, ours, since, until FROM stops ORDER BY partner, ours"
        with self._readers.snapshot() as db:
            return [Stop(p, bool(ours), moment(s), moment(u)) for p, ours, s, u in db.execute(sql)]

    def raise_stop(self, stop: Stop, entries: Sequence[Entry]) -> None:
        """Keep a flag and journal it."""
        self._writer.run(lambda db: raise_stop(db, stop, entries))

    def lower_stop(self, partner: PartyId, *, ours: bool, entries: Sequence[Entry]) -> bool:
        """Take a flag down and journal it."""
        return self._writer.run(lambda db: lower_stop(db, partner, ours, entries))

    def probe(self) -> None:
        """Write a page and flush it."""
        self._writer.run(lambda db: db.execute("UPDATE frontier SET size = size") and None)

    def size_bytes(self) -> int:
        """The file and its log."""
        parts = (self._path, self._path.with_name(self._path.name + "-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())
