"""Running a gateway from memory: the twin of stores/sqlite_operations.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import islice

from intertie.exchange.outbound import ParcelState, State
from intertie.exchange.timeliness import BEFORE, FlowRef, Span
from intertie.gateway.operating.operations_ports import QueueLine, Stop
from intertie.gateway.ports import MessageRow, Refusal
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry
from intertie.journal.growth import Growth, grow
from intertie.model.ids import ParcelId, PartyId


class MemoryOperations:
    """`gateway.operating.operations_ports.OperationsStore` in dictionaries; part of MemoryStore."""

    _open: Callable[[], AbstractContextManager[None]]
    _grown: Callable[[Growth], Head]
    _rows: list[MessageRow]
    _states: dict[tuple[ParcelId, bool, PartyId], ParcelState]
    _refusals: list[Refusal]
    _nodes: bytes

    def __init__(self) -> None:
        super().__init__()
        self._spans: dict[tuple[datetime, FlowRef, int], Span] = {}
        self._stops: dict[tuple[PartyId, bool], Stop] = {}

    def queues(self) -> list[QueueLine]:
        """Queues that are not empty."""
        with self._open():
            lines: dict[tuple[PartyId, int], QueueLine] = {}
            for row in self._rows:
                if row.outgoing and row.state in (State.QUEUED, State.SENDING):
                    key = (row.recipient, row.priority)
                    line = lines.get(key, QueueLine(*key, 0, 0, row.at))
                    lines[key] = line._replace(
                        queued=line.queued + (row.state is State.QUEUED),
                        sending=line.sending + (row.state is State.SENDING),
                        oldest=min(line.oldest, row.at),
                    )
            return [lines[key] for key in sorted(lines)]

    def waiting_parcels(self) -> dict[PartyId, int]:
        """Parcels without a receipt by partner."""
        with self._open():
            waiting = (
                key[2] for key, state in self._states.items() if key[1] and state is ParcelState.WAITING
            )
            return dict(sorted(Counter(waiting).items()))

    def refused_since(self, since: datetime, *, limit: int) -> dict[str, int]:
        """Refusals by code."""
        with self._open():
            found: Counter[str] = Counter()
            for refusal in islice(reversed(self._refusals), limit):
                if refusal.at < since:
                    break
                found[refusal.code] += 1
            return dict(sorted(found.items()))

    def add_timeliness(self, spans: Sequence[Span], keep_since: datetime) -> None:
        """Add counts; old spans are summed up."""
        with self._open():
            held, self._spans = self._spans, {}
            for span in (*held.values(), *spans):
                start = BEFORE if span.start < keep_since else span.start
                key = (start, span.flow, span.place)
                before = self._spans.get(key, Span(*key, 0, 0, 0.0))
                self._spans[key] = Span(
                    *key,
                    before.receipts + span.receipts,
                    before.late + span.late,
                    before.seconds + span.seconds,
                )

    def timeliness(self, since: datetime | None = None) -> list[Span]:
        """Counts by span and flow."""
        with self._open():
            return sorted(span for span in self._spans.values() if since is None or span.start >= since)

    def stops(self) -> list[Stop]:
        """Stop flags by partner."""
        with self._open():
            return [self._stops[key] for key in sorted(self._stops)]

    def raise_stop(self, stop: Stop, entries: Sequence[Entry]) -> None:
        """Keep a flag and journal it."""
        with self._open():
            growth = grow(self._nodes, entries)
            self._stops[stop.partner, stop.ours] = stop
            self._grown(growth)

    def lower_stop(self, partner: PartyId, *, ours: bool, entries: Sequence[Entry]) -> bool:
        """Take a flag down and journal it."""
        with self._open():
            if (partner, ours) not in self._stops:
                return False
            growth = grow(self._nodes, entries)
            del self._stops[partner, ours]
            self._grown(growth)
            return True

    def probe(self) -> None:
        """Memory can be written."""
        with self._open():
            return

    def size_bytes(self) -> int:
        """The bytes of what it holds."""
        with self._open():
            return sum(len(row.body) for row in self._rows)
