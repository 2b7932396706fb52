"""Running a gateway on PostgreSQL: queues, timeliness, stop flags. Every question is answered from an index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from intertie.exchange.timeliness import BEFORE, FlowRef, Span
from intertie.gateway.operating.operations_ports import QueueLine, Stop
from intertie.journal.entry import Entry
from intertie.model.ids import PartyId
from intertie.stores.postgres_journal import append, many
from intertie.stores.postgres_readers import PostgresReaders
from intertie.stores.postgres_schema import Db, get
from intertie.stores.postgres_writer import PostgresWriter
from intertie.stores.rows import micros, moment

# Both partial indexes hold only what waits. Messages are queued in the order of seq, so the oldest is the one with the least.
_QUEUED = """SELECT q.recipient, q.priority, q.count, m.at FROM (
        SELECT recipient, priority, count(*) AS count, min(seq) AS first FROM messages
        WHERE outgoing = 1 AND state = 'queued' GROUP BY recipient, priority
    ) AS q JOIN messages AS m ON m.seq = q.first"""
_SENDING = """SELECT p.partner, m.priority, count(*), min(m.at) FROM parcels AS p
    JOIN messages AS m ON m.parcel = p.number
    WHERE p.outgoing = 1 AND p.state = 'waiting' AND m.state = 'sending' GROUP BY p.partner, m.priority"""
_PARCELS = """SELECT partner, count(*) FROM parcels WHERE outgoing = 1 AND state = 'waiting' GROUP BY partner
    ORDER BY partner"""
_ADDED = """ON CONFLICT (start, interface, document, mode, place) DO UPDATE SET count = timeliness.count + excluded.count,
    late = timeliness.late + excluded.late, seconds = timeliness.seconds + excluded.seconds"""
_ADD = f"INSERT INTO timeliness VALUES (%s, %s, %s, %s, %s, %s, %s, %s) {_ADDED}"  # noqa: S608
_OLD = "start > 0 AND start < %s"
_SUM_UP = f"""INSERT INTO timeliness
    SELECT 0, interface, document, mode, place, sum(count), sum(late), sum(seconds) FROM timeliness WHERE {_OLD}
    GROUP BY interface, document, mode, place {_ADDED}"""  # noqa: S608
_STOP = """INSERT INTO stops (partner, ours, since, until) VALUES (%s, %s, %s, %s)
    ON CONFLICT (partner, ours) DO UPDATE SET since = excluded.since, until = excluded.until"""


def queues(db: Db) -> list[QueueLine]:
    """`OperationsStore.queues`."""
    lines = {
        (partner, priority): QueueLine(partner, priority, count, 0, moment(at))
        for partner, priority, count, at in db.execute(_QUEUED)
    }
    for partner, priority, count, at in db.execute(_SENDING):
        line = lines.get((partner, priority), QueueLine(partner, priority, 0, 0, moment(at)))
        lines[partner, priority] = line._replace(sending=count, oldest=min(line.oldest, moment(at)))
    return [lines[key] for key in sorted(lines)]


def refused_since(db: Db, since: datetime, limit: int) -> dict[str, int]:
    """`OperationsStore.refused_since`: from the newest backwards, up to the first that is older."""
    found: Counter[str] = Counter()
    for code, at in db.execute("SELECT code, at FROM refusals ORDER BY seq DESC LIMIT %s", (limit,)):
        if at < micros(since):
            break
        found[code] += 1
    return dict(sorted(found.items()))


def add_timeliness(db: Db, spans: Sequence[Span], keep_since: datetime) -> None:
    """`OperationsStore.add_timeliness`."""
    many(db, _ADD, [(micros(s.start), *s.flow, s.place, s.receipts, s.late, s.seconds) for s in spans])
    old = (micros(keep_since),)
    if get(db, f"SELECT 1 FROM timeliness WHERE {_OLD} LIMIT 1", old):  # noqa: S608
        db.execute(_SUM_UP, old)
        db.execute(f"DELETE FROM timeliness WHERE {_OLD}", old)  # noqa: S608


def timeliness(db: Db, since: datetime | None) -> list[Span]:
    """`OperationsStore.timeliness`."""
    least = micros(BEFORE if since is None else since)
    sql = "SELECT * FROM timeliness WHERE start >= %s ORDER BY start, interface, document, mode, place"
    return [
        Span(moment(at), FlowRef(*flow), place, count, late, seconds)
        for at, *flow, place, count, late, seconds in db.execute(sql, (least,))
    ]


def raise_stop(db: Db, stop: Stop, entries: Sequence[Entry]) -> None:
    """`OperationsStore.raise_stop`."""
    db.execute(_STOP, (stop.partner, int(stop.ours), micros(stop.since), micros(stop.until)))
    append(db, entries)


def lower_stop(db: Db, partner: PartyId, ours: bool, entries: Sequence[Entry]) -> bool:
    """`OperationsStore.lower_stop`."""
    sql = "DELETE FROM stops WHERE partner = %s AND ours = %s"
    if not db.execute(sql, (partner, int(ours))).rowcount:
        return False
    append(db, entries)
    return True


class PostgresOperations:
    """`gateway.operating.operations_ports.OperationsStore` in PostgreSQL; part of PostgresStore."""

    _writer: PostgresWriter
    _readers: PostgresReaders

    def queues(self) -> list[QueueLine]:
        """What waits, from one snapshot."""
        return self._readers.snapshot(queues)

    def waiting_parcels(self) -> dict[PartyId, int]:
        """Sealed parcels without a receipt."""
        return self._readers.ask(lambda db: dict(db.execute(_PARCELS)))

    def refused_since(self, since: datetime, *, limit: int) -> dict[str, int]:
        """Refusals by code."""
        return self._readers.ask(lambda db: refused_since(db, since, limit))

    def add_timeliness(self, spans: Sequence[Span], keep_since: datetime) -> None:
        """Add counts."""
        self._writer.run(lambda db: add_timeliness(db, spans, keep_since))

    def timeliness(self, since: datetime | None = None) -> list[Span]:
        """Counts by span, flow and place."""
        return self._readers.ask(lambda db: timeliness(db, since))

    def stops(self) -> list[Stop]:
        """Stop flags by partner."""
        sql = "SELECT partner, ours, since, until FROM stops ORDER BY partner, ours"
        return self._readers.ask(
            lambda db: [Stop(p, bool(ours), moment(s), moment(u)) for p, ours, s, u in db.execute(sql)]
        )

    def raise_stop(self, stop: Stop, entries: Sequence[Entry]) -> None:
        """Keep a flag and journal it."""
        self._writer.run(lambda db: raise_stop(db, stop, entries))

    def lower_stop(self, partner: PartyId, *, ours: bool, entries: Sequence[Entry]) -> bool:
        """Take a flag down and journal it."""
        return self._writer.run(lambda db: lower_stop(db, partner, ours, entries))

    def probe(self) -> None:
        """Write a row and flush it."""
        self._writer.run(lambda db: db.execute("UPDATE frontier SET size = size") and None)

    def size_bytes(self) -> int:
        """Our tables with their indexes."""
        sql = """SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class AS c
            WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'"""
        return int(self._readers.ask(lambda db: get(db, sql)))
