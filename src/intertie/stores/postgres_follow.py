"""Following up in PostgreSQL: watches over urgent messages, dead letters, and what was sent again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from intertie.exchange.escalation import Look, look_at
from intertie.exchange.outbound import State
from intertie.gateway.ports import ESCALATE_MAX, UNANSWERED_LOOK, Mark, MessageRow, NewMessage
from intertie.model.ids import MessageId, PartyId
from intertie.stores import sending
from intertie.stores.postgres_journal import append, many
from intertie.stores.postgres_readers import PostgresReaders
from intertie.stores.postgres_schema import Db, get
from intertie.stores.postgres_writer import PostgresWriter
from intertie.stores.rows import MESSAGE_COLUMNS, MESSAGE_FROM, index_rows, micros, moment_or_none

_WATCHED = f"{MESSAGE_FROM} JOIN watches AS w ON w.seq = m.seq"
_OPEN = "SELECT 1 FROM watches WHERE escalated_at IS NULL AND due <= %s LIMIT 1"
_DUE = f"""SELECT {MESSAGE_COLUMNS} FROM {_WATCHED} WHERE w.escalated_at IS NULL AND w.due <= %s
    ORDER BY w.due, w.seq LIMIT %s"""  # noqa: S608
_UNTOLD = f"""SELECT {MESSAGE_COLUMNS} FROM {_WATCHED} WHERE w.escalated_at >= %s AND w.told_at IS NULL
    ORDER BY w.seq LIMIT %s"""  # noqa: S608
_TELL = """UPDATE watches SET told_at = %s WHERE escalated_at IS NOT NULL AND told_at IS NULL
    AND seq IN (SELECT seq FROM messages WHERE id = ANY(%s) AND outgoing = 1)"""
_ONE_PARTNER = "AND (%(partner)s::text IS NULL OR m.recipient = %(partner)s)"
_ESCALATED = f"""SELECT {MESSAGE_COLUMNS} FROM {_WATCHED} WHERE w.seq > %(after)s AND w.escalated_at IS NOT NULL
    {_ONE_PARTNER} ORDER BY w.seq LIMIT %(limit)s"""  # noqa: S608
# The condition is that of the index messages_dead, to the letter.
_DEAD = f"""SELECT {MESSAGE_COLUMNS} FROM {MESSAGE_FROM}
    WHERE m.outgoing = 1 AND m.state IN ('refused', 'expired', 'failed') AND m.seq > %(after)s {_ONE_PARTNER}
    AND NOT EXISTS (SELECT 1 FROM resends AS r WHERE r.old = m.seq) ORDER BY m.seq LIMIT %(limit)s"""  # noqa: S608
_NEWEST_DEAD = _DEAD.replace("ORDER BY m.seq", "ORDER BY m.seq DESC")
_UNANSWERED = f"""SELECT {MESSAGE_COLUMNS} FROM {MESSAGE_FROM} JOIN (SELECT seq FROM watches
    WHERE escalated_at IS NOT NULL ORDER BY seq DESC LIMIT {UNANSWERED_LOOK}) AS w ON w.seq = m.seq
    WHERE m.state IN ('queued', 'sending') ORDER BY m.seq DESC LIMIT %s"""  # noqa: S608
_MARKS = """SELECT m.id, w.due, w.escalated_at, w.told_at, old.id, new.id
    FROM messages AS m LEFT JOIN watches AS w ON w.seq = m.seq
    LEFT JOIN resends AS r ON r.seq = m.seq LEFT JOIN messages AS old ON old.seq = r.old
    LEFT JOIN resends AS s ON s.old = m.seq LEFT JOIN messages AS new ON new.seq = s.seq
    WHERE m.id = ANY(%s) AND m.outgoing = 1"""
_HELD = """SELECT m.seq, m.id, m.state, m.recipient, n.id FROM messages AS m
    LEFT JOIN resends AS s ON s.old = m.seq LEFT JOIN messages AS n ON n.seq = s.seq
    WHERE m.id = ANY(%s) AND m.outgoing = 1"""


def check(db: Db, new: Sequence[NewMessage]) -> Mapping[MessageId, int]:
    """The seqs of the dead letters that new messages send again; raises as `sending.check_resends`."""
    wanted = [message.resends for message in new if message.resends is not None]
    if not wanted:
        return {}
    found = db.execute(_HELD, (wanted,)).fetchall()
    held = {id: sending.Dead(State(state), to, again) for _, id, state, to, again in found}
    sending.check_resends(new, held)
    return {id: seq for seq, id, _, _, _ in found}


def follow(db: Db, new: Sequence[NewMessage], first: int, dead: Mapping[MessageId, int]) -> None:
    """Open the watches of messages that were kept from seq `first`, and keep what they send again."""
    watched = [(seq, micros(m.answer_by)) for seq, m in enumerate(new, first) if m.answer_by is not None]
    many(db, "INSERT INTO watches (seq, due) VALUES (%s, %s)", watched)
    again = [(seq, dead[m.resends]) for seq, m in enumerate(new, first) if m.resends is not None]
    many(db, "INSERT INTO resends (seq, old) VALUES (%s, %s)", again)


def escalate(db: Db, now: datetime) -> list[MessageRow]:
    """`Store.escalate`."""
    rows = index_rows(db.execute(_DUE, (micros(now), ESCALATE_MAX), binary=True))
    late = [row for row in rows if look_at(row.state) is Look.ESCALATE]
    settled = [row.seq for row in rows if look_at(row.state) is Look.SETTLE]
    db.execute("DELETE FROM watches WHERE seq = ANY(%s::bigint[])", (settled,))
    db.execute(
        "UPDATE watches SET escalated_at = %s WHERE seq = ANY(%s::bigint[])",
        (micros(now), [row.seq for row in late]),
    )
    append(db, [sending.escalated_entry(row, now) for row in late])
    return late


class PostgresFollow:
    """What `gateway.ports.Store` says of following up, in PostgreSQL; part of PostgresStore."""

    _writer: PostgresWriter
    _readers: PostgresReaders

    def escalate(self, now: datetime) -> list[MessageRow]:
        """Escalate what is due; writes nothing if nothing is."""
        if self._readers.ask(lambda db: get(db, _OPEN, (micros(now),))) is None:
            return []
        return self._writer.run(lambda db: escalate(db, now))

    def untold(self, since: datetime, limit: int) -> list[MessageRow]:
        """Escalations of which nobody was told."""
        return self._readers.ask(
            lambda db: index_rows(db.execute(_UNTOLD, (micros(since), limit), binary=True))
        )

    def set_told(self, messages: Sequence[MessageId], now: datetime) -> None:
        """Somebody was told of these."""
        self._writer.run(lambda db: db.execute(_TELL, (micros(now), list(messages))) and None)

    def escalated(
        self, *, after: int = 0, limit: int = 100, partner: PartyId | None = None
    ) -> list[MessageRow]:
        """Messages that escalated."""
        values = {"after": after, "limit": limit, "partner": partner}
        return self._readers.ask(lambda db: index_rows(db.execute(_ESCALATED, values, binary=True)))

    def unanswered(self, limit: int) -> list[MessageRow]:
        """Messages that escalated and are open still."""
        return self._readers.ask(lambda db: index_rows(db.execute(_UNANSWERED, (limit,), binary=True)))

    def dead_letters(
        self, *, after: int = 0, limit: int = 100, partner: PartyId | None = None, newest: bool = False
    ) -> list[MessageRow]:
        """Messages that came to nothing and were not sent again."""
        values = {"after": after, "limit": limit, "partner": partner}
        asked = _NEWEST_DEAD if newest else _DEAD
        return self._readers.ask(lambda db: index_rows(db.execute(asked, values, binary=True)))

    def marks(self, messages: Sequence[MessageId]) -> dict[MessageId, Mark]:
        """What else is known of messages."""
        found = self._readers.ask(lambda db: db.execute(_MARKS, (list(messages),)).fetchall())
        made = {
            id: Mark(moment_or_none(due), moment_or_none(at), moment_or_none(told), old, new)
            for id, due, at, told, old, new in found
        }
        return {id: mark for id, mark in made.items() if mark != Mark()}
