"""Receipts against their need: how long each message took from the outbox to its receipt, counted by flow and span of time.

Counts are kept per span and never per message, so that a busy day costs as much room as a quiet one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from intertie.model.ids import DocumentName, InterfaceCode

# Upper bounds in seconds; the needs of the catalogue (4 s, 10 s, 1 min, 15 min, 1 h, 1 day) are among them, so that the
# share that was in time can be read off. What took longer than the last one is in one bin more.
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0, 60.0, 900.0, 3600.0, 86_400.0)
# Twelve spans an hour: "the last hour" is right to a twelfth of it.
SPAN_SECONDS = 300
# The span into which what is older than a day is summed up: totals stay, and there are never many rows.
BEFORE = datetime(1970, 1, 1, tzinfo=UTC)


class FlowRef(NamedTuple):
    """What a message's row knows of its flow."""

    interface: InterfaceCode
    document: DocumentName
    mode: str

    def __str__(self) -> str:
        return f"{self.interface}/{self.document}.{self.mode}"


class Span(NamedTuple):
    """So many receipts of a flow, within a span of time that begins at `start`, that took about as long. `place` is the
    first of BOUNDS that none of them was over, or their number."""

    start: datetime
    flow: FlowRef
    place: int
    receipts: int
    late: int  # of them, later than the flow's need
    seconds: float  # all of them together


class Timeliness:
    """Counts between two looks at the store. For one thread."""

    def __init__(self) -> None:
        self._spans: dict[tuple[datetime, FlowRef, int], Span] = {}

    def add(self, flow: FlowRef, took: Sequence[float], need: float | None, now: datetime) -> int:
        """Messages of one flow were receipted at `now`, after so many seconds each; how many of them later than needed."""
        start = span_of(now)
        counts: Counter[int] = Counter()
        late: Counter[int] = Counter()
        together: defaultdict[int, float] = defaultdict(float)
        for seconds in took:
            place = bisect_left(BOUNDS, seconds)
            counts[place] += 1
            together[place] += seconds
            if need is not None and seconds > need:
                late[place] += 1
        for place, count in counts.items():
            key = (start, flow, place)
            held = self._spans.get(key, Span(*key, 0, 0, 0.0))
            self._spans[key] = Span(
                *key, held.receipts + count, held.late + late[place], held.seconds + together[place]
            )
        return late.total()

    def drain(self) -> list[Span]:
        """What came since the last time."""
        spans, self._spans = self._spans, {}
        return list(spans.values())


class Sum(NamedTuple):
    """All receipts of one flow: how many in each bin (one more than BOUNDS), how many late, seconds together."""

    bins: tuple[int, ...]
    late: int
    seconds: float

    @property
    def receipts(self) -> int:
        """How many."""
        return sum(self.bins)


def span_of(now: datetime) -> datetime:
    """When the span began that `now` is in."""
    return datetime.fromtimestamp(now.timestamp() // SPAN_SECONDS * SPAN_SECONDS, UTC)


def sums(spans: Iterable[Span]) -> dict[FlowRef, Sum]:
    """Spans summed up by flow."""
    found: dict[FlowRef, Sum] = {}
    for span in spans:
        held = found.get(span.flow, Sum((0,) * (len(BOUNDS) + 1), 0, 0.0))
        bins = list(held.bins)
        bins[span.place] += span.receipts
        found[span.flow] = Sum(tuple(bins), held.late + span.late, held.seconds + span.seconds)
    return found
