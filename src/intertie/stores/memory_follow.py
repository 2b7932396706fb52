"""Following up in memory: the twin of stores/sqlite_follow.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from intertie.exchange.dead_letters import DEAD
from intertie.exchange.escalation import Look, look_at
from intertie.exchange.outbound import State
from intertie.gateway.ports import ESCALATE_MAX, UNANSWERED_LOOK, Mark, MessageRow, NewMessage
from intertie.journal.checkpoint import Head
from intertie.journal.growth import Growth, grow
from intertie.model.ids import MessageId, PartyId
from intertie.stores import sending


class MemoryFollow:
    """What `gateway.ports.Store` says of following up, in dictionaries; part of MemoryStore."""

    _open: Callable[[], AbstractContextManager[None]]
    _grown: Callable[[Growth], Head]
    _rows: list[MessageRow]
    _out: dict[MessageId, int]
    _nodes: bytes
    _changes: int

    def __init__(self) -> None:
        super().__init__()
        self._watches: dict[MessageId, datetime] = {}  # until when an answer is due
        self._escalated: dict[MessageId, datetime] = {}
        self._told: dict[MessageId, datetime] = {}
        self._resends: dict[MessageId, MessageId] = {}  # new to old
        self._resent: dict[MessageId, MessageId] = {}  # old to new

    def _row_of(self, message: MessageId) -> MessageRow:
        return self._rows[self._out[message] - 1]._replace(body=b"")

    def _check_resends(self, new: Sequence[NewMessage]) -> None:
        wanted = {m.resends for m in new if m.resends in self._out}
        rows = [self._row_of(old) for old in wanted if old is not None]
        sending.check_resends(
            new, {r.id: sending.Dead(r.state, r.recipient, self._resent.get(r.id)) for r in rows}
        )

    def _follow(self, message: NewMessage) -> None:
        if message.answer_by is not None:
            self._watches[message.id] = message.answer_by
        if message.resends is not None:
            self._resends[message.id] = message.resends
            self._resent[message.resends] = message.id

    def escalate(self, now: datetime) -> list[MessageRow]:
        """Escalate what is due."""
        with self._open():
            open_ = (
                (due, self._out[id])
                for id, due in self._watches.items()
                if due <= now and id not in self._escalated
            )
            rows = [self._rows[seq - 1]._replace(body=b"") for _, seq in sorted(open_)[:ESCALATE_MAX]]
            late = [row for row in rows if look_at(row.state) is Look.ESCALATE]
            if rows:
                self._grown(grow(self._nodes, [sending.escalated_entry(row, now) for row in late]))
            for row in rows:
                if row in late:
                    self._escalated[row.id] = now
                else:
                    del self._watches[row.id]
            return late

    def untold(self, since: datetime, limit: int) -> list[MessageRow]:
        """Escalations of which nobody was told."""
        with self._open():
            found = [id for id, at in self._escalated.items() if at >= since and id not in self._told]
            return self._listed(found, 0, limit, None)

    def set_told(self, messages: Sequence[MessageId], now: datetime) -> None:
        """Somebody was told of these."""
        with self._open():
            for message in messages:
                if message in self._escalated:
                    self._told.setdefault(message, now)
            self._changes += 1

    def escalated(
        self, *, after: int = 0, limit: int = 100, partner: PartyId | None = None
    ) -> list[MessageRow]:
        """Messages that escalated."""
        with self._open():
            return self._listed(list(self._escalated), after, limit, partner)

    def unanswered(self, limit: int) -> list[MessageRow]:
        """Messages that escalated and are open still."""
        with self._open():
            newest = self._listed(list(self._escalated), 0, UNANSWERED_LOOK, None, newest=True)
            return [row for row in newest if row.state in (State.QUEUED, State.SENDING)][:limit]

    def dead_letters(
        self, *, after: int = 0, limit: int = 100, partner: PartyId | None = None, newest: bool = False
    ) -> list[MessageRow]:
        """Messages that came to nothing and were not sent again."""
        with self._open():
            dead = [
                row.id
                for row in self._rows
                if row.outgoing and row.state in DEAD and row.id not in self._resent
            ]
            return self._listed(dead, after, limit, partner, newest)

    def _listed(
        self,
        ids: Sequence[MessageId],
        after: int,
        limit: int,
        partner: PartyId | None,
        newest: bool = False,
    ) -> list[MessageRow]:
        rows = sorted(map(self._row_of, ids), key=lambda row: row.seq, reverse=newest)
        return [row for row in rows if row.seq > after and partner in (None, row.recipient)][:limit]

    def marks(self, messages: Sequence[MessageId]) -> dict[MessageId, Mark]:
        """What else is known of messages."""
        with self._open():
            made = {
                id: Mark(
                    self._watches.get(id),
                    self._escalated.get(id),
                    self._told.get(id),
                    self._resends.get(id),
                    self._resent.get(id),
                )
                for id in messages
                if id in self._out
            }
            return {id: mark for id, mark in made.items() if mark != Mark()}
