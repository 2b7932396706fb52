"""Following up in SQLite: watches over urgent messages, dead letters, and what was sent again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import apsw
import msgspec

from intertie.exchange.escalation import Look, look_at
from intertie.exchange.outbound import State
from intertie.gateway.ports import ESCALATE_MAX, UNANSWERED_LOOK, Mark, MessageRow, NewMessage
from intertie.model.ids import MessageId, PartyId
from intertie.stores import sending
from intertie.stores.readers import Readers
from intertie.stores.rows import MESSAGE_COLUMNS, MESSAGE_FROM, index_rows, micros, moment_or_none
from intertie.stores.sqlite_journal import append
from intertie.stores.writer import Writer

_OPEN = "SELECT 1 FROM watches WHERE escalated_at IS NULL AND due <= ? LIMIT 1"
_DUE = f"""SELECT {MESSAGE_COLUMNS} FROM watches AS w CROSS JOIN {MESSAGE_FROM}
    WHERE w.escalated_at IS NULL AND w.due <= ? AND m.seq = w.seq ORDER BY w.due, w.seq LIMIT ?"""  # noqa: S608
_UNTOLD = f"""SELECT {MESSAGE_COLUMNS} FROM watches AS w CROSS JOIN {MESSAGE_FROM}
    WHERE w.escalated_at >= ? AND w.told_at IS NULL AND m.seq = w.seq ORDER BY w.seq LIMIT ?"""  # noqa: S608
_TELL = """UPDATE watches SET told_at = ? WHERE escalated_at IS NOT NULL AND told_at IS NULL
    AND seq IN (SELECT m.seq FROM json_each(?) AS wanted CROSS JOIN messages AS m
        WHERE m.id = wanted.value AND m.outgoing = 1)"""
_ESCALATED = f"""SELECT {MESSAGE_COLUMNS} FROM watches AS w CROSS JOIN {MESSAGE_FROM}
    WHERE w.seq > :after AND w.escalated_at IS NOT NULL AND m.seq = w.seq
    AND (:partner IS NULL OR m.recipient = :partner) ORDER BY w.seq LIMIT :limit"""  # noqa: S608
# The condition is that of the index, to the letter: without it every message would be read.
_DEAD = f"""SELECT {MESSAGE_COLUMNS} FROM messages AS d INDEXED BY messages_dead CROSS JOIN {MESSAGE_FROM}
    WHERE d.outgoing = 1 AND d.state IN ('refused', 'expired', 'failed') AND d.seq > :after
    AND (:partner IS NULL OR d.recipient = :partner) AND m.seq = d.seq
    AND NOT EXISTS (SELECT 1 FROM resends AS r WHERE r.old = d.seq) ORDER BY d.seq LIMIT :limit"""  # noqa: S608
_NEWEST_DEAD = _DEAD.replace("ORDER BY d.seq", "ORDER BY d.seq DESC")
_UNANSWERED = f"""SELECT {MESSAGE_COLUMNS} FROM (SELECT seq FROM watches WHERE escalated_at IS NOT NULL
    ORDER BY seq DESC LIMIT {UNANSWERED_LOOK}) AS w CROSS JOIN {MESSAGE_FROM}
    WHERE m.seq = w.seq AND m.state IN ('queued', 'sending') ORDER BY m.seq DESC LIMIT ?"""  # noqa: S608
_MARKS = """SELECT m.id, w.due, w.escalated_at, w.told_at, old.id, new.id
    FROM json_each(?) AS wanted CROSS JOIN messages AS m LEFT JOIN watches AS w ON w.seq = m.seq
    LEFT JOIN resends AS r ON r.seq = m.seq LEFT JOIN messages AS old ON old.seq = r.old
    LEFT JOIN resends AS s ON s.old = m.seq LEFT JOIN messages AS new ON new.seq = s.seq
    WHERE m.id = wanted.value AND m.outgoing = 1"""
_HELD = """SELECT m.seq, m.id, m.state, m.recipient, n.id FROM json_each(?) AS wanted CROSS JOIN messages AS m
    LEFT JOIN resends AS s ON s.old = m.seq LEFT JOIN messages AS n ON n.seq = s.seq
    WHERE m.id = wanted.value AND m.outgoing = 1"""


def _json(values: Iterable[object]) -> str:
    return msgspec.json.encode(list(values)).decode()


def check(db: apsw.Connection, new: Sequence[NewMessage]) -> Mapping[MessageId, int]:
    """The seqs of the dead letters that new messages send again; raises as `sending.check_resends`."""
    wanted = [message.resends for message in new if message.resends is not None]
    if not wanted:
        return {}
    found = list(db.execute(_HELD, (_json(wanted),)))
    held = {id: sending.Dead(State(state), to, again) for _, id, state, to, again in found}
    sending.check_resends(new, held)
    return {id: seq for seq, id, _, _, _ in found}


def follow(db: apsw.Connection, new: Sequence[NewMessage], first: int, dead: Mapping[MessageId, int]) -> None:
    """Open the watches of messages that were kept from seq `first`, and keep what they send again."""
    watched = [(seq, micros(m.answer_by)) for seq, m in enumerate(new, first) if m.answer_by is not None]
    if watched:
        db.executemany("INSERT INTO watches (seq, due) VALUES (?, ?)", watched)
    again = [(seq, dead[m.resends]) for seq, m in enumerate(new, first) if m.resends is not None]
    if again:
        db.executemany("INSERT INTO resends (seq, old) VALUES (?, ?)", again)


def escalate(db: apsw.Connection, now: datetime) -> list[MessageRow]:
    """`Store.escalate`."""
    rows = index_rows(db.execute(_DUE, (micros(now), ESCALATE_MAX)))
    late = [row for row in rows if look_at(row.state) is Look.ESCALATE]
    settled = [(row.seq,) for row in rows if look_at(row.state) is Look.SETTLE]
    db.executemany("DELETE FROM watches WHERE seq = ?", settled)
    db.executemany(
        "UPDATE watches SET escalated_at = ? WHERE seq = ?", [(micros(now), row.seq) for row in late]
    )
    append(db, [sending.escalated_entry(row, now) for row in late])
    return late


class SqliteFollow:
    """What `gateway.ports.Store` says of following up, in a SQLite file; part of SqliteStore."""

    _writer: Writer
    _readers: Readers

    def escalate(self, now: datetime) -> list[MessageRow]:
        """Escalate what is due; writes nothing if nothing is."""
        with self._readers.snapshot() as db:
            if db.execute(_OPEN, (micros(now),)).get is None:
                return []
        return self._writer.run(lambda db: escalate(db, now))

    def untold(self, since: datetime, limit: int) -> list[MessageRow]:
        """Escalations of which nobody was told."""
        with self._readers.snapshot() as db:
            return index_rows(db.execute(_UNTOLD, (micros(since), limit)))

    def set_told(self, messages: Sequence[MessageId], now: datetime) -> None:
        """Somebody was told of these."""
        self._writer.run(lambda db: db.execute(_TELL, (micros(now), _json(messages))) and None)

    def escalated(
        self, *, after: int = 0, limit: int = 100, partner: PartyId | None = None
    ) -> list[MessageRow]:
        """Messages that escalated."""
        values = {"after": after, "limit": limit, "partner": partner}
        with self._readers.snapshot() as db:
            return index_rows(db.execute(_ESCALATED, values))

    def unanswered(self, limit: int) -> list[MessageRow]:
        """Messages that escalated and are open still."""
        with self._readers.snapshot() as db:
            return index_rows(db.execute(_UNANSWERED, (limit,)))

    def dead_letters(
        self, *, after: int = 0, limit: int = 100, partner: PartyId | None = None, newest: bool = False
    ) -> list[MessageRow]:
        """Messages that came to nothing and were not sent again."""
        values = {"after": after, "limit": limit, "partner": partner}
        with self._readers.snapshot() as db:
            return index_rows(db.execute(_NEWEST_DEAD if newest else _DEAD, values))

    def marks(self, messages: Sequence[MessageId]) -> dict[MessageId, Mark]:
        """What else is known of messages."""
        with self._readers.snapshot() as db:
            found = list(db.execute(_MARKS, (_json(messages),)))
        made = {
            id: Mark(moment_or_none(due), moment_or_none(at), moment_or_none(told), old, new)
            for id, due, at, told, old, new in found
        }
        return {id: mark for id, mark in made.items() if mark != Mark()}
