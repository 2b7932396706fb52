"""A dispatch from instruction to end: what both sides know of it, its table, and what is true of it at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from intertie.model.contract import Service
from intertie.model.dispatch import (
    CancelReason,
    DispatchInstruction,
    DispatchReport,
    DispatchTelemetry,
    RefusalReason,
)
from intertie.model.ids import ConfirmationId
from intertie.model.interval import IntervalSeries

# The least time that each service leaves for the answer. Ours: by the catalogue's latency of a scheduled dispatch (15 min) where
# a service plans ahead, by minutes where it acts after a fault (standards.md 1.3), by one where it follows voltage.
ACKNOWLEDGE = {
    Service.DIST_CAPACITY: timedelta(minutes=15),
    Service.ENERGY: timedelta(minutes=15),
    Service.RESILIENCE: timedelta(minutes=5),
    Service.POWER_QUALITY: timedelta(minutes=5),
    Service.RELIABILITY: timedelta(minutes=2),
    Service.VOLT_VAR: timedelta(minutes=1),
}


class State(StrEnum):
    """Where a dispatch is."""

    ISSUED = "issued"  # waits for the answer
    ACCEPTED = "accepted"
    PARTIAL = "partial"
    CHANGED = (
        "changed"  # waits for the answer to its newest revision; what was accepted before stands until then
    )
    REFUSED = "refused"
    FINISHED = "finished"
    STOPPED = "stopped"  # given up by the aggregator before its end
    CANCELLED = "cancelled"
    OVERRIDDEN = "overridden"  # by an emergency


class Step(StrEnum):
    """What can happen to a dispatch."""

    ACCEPT = "accept"
    REDUCE = "reduce"
    REFUSE = "refuse"
    CHANGE = "change"
    START = "start"
    FINISH = "finish"
    STOP = "stop"
    CANCEL = "cancel"
    OVERRIDE = "override"


_OPEN = (State.ISSUED, State.CHANGED, State.ACCEPTED, State.PARTIAL)
_AGREED = (State.ACCEPTED, State.PARTIAL, State.CHANGED)

TABLE: dict[tuple[State, Step], State] = {
    (State.ISSUED, Step.ACCEPT): State.ACCEPTED,
    (State.ISSUED, Step.REDUCE): State.PARTIAL,
    (State.ISSUED, Step.REFUSE): State.REFUSED,
    (State.CHANGED, Step.ACCEPT): State.ACCEPTED,
    (State.CHANGED, Step.REDUCE): State.PARTIAL,
    # Who refuses a change keeps to what was accepted before it.
    (State.CHANGED, Step.REFUSE): State.ACCEPTED,
    (State.ISSUED, Step.CHANGE): State.ISSUED,
    (State.REFUSED, Step.CHANGE): State.ISSUED,
    **{(state, Step.CHANGE): State.CHANGED for state in _AGREED},
    **{(state, Step.START): state for state in _AGREED},
    **{(state, Step.FINISH): State.FINISHED for state in _AGREED},
    **{(state, Step.STOP): State.STOPPED for state in _AGREED},
    **{(state, Step.CANCEL): State.CANCELLED for state in (*_OPEN, State.REFUSED)},
    **{(state, Step.OVERRIDE): State.OVERRIDDEN for state in _OPEN},
    # What ran until it was taken back is still reported.
    (State.CANCELLED, Step.FINISH): State.CANCELLED,
    (State.OVERRIDDEN, Step.FINISH): State.OVERRIDDEN,
}
STARTS = State.ISSUED
FINAL = frozenset({State.FINISHED, State.STOPPED, State.CANCELLED, State.OVERRIDDEN})
OPEN = frozenset(_OPEN)


class Dispatch(NamedTuple):
    """One dispatch: the newest instruction, what was agreed to, and everything that came after."""

    instruction: DispatchInstruction
    issued: datetime
    state: State = STARTS
    agreed: DispatchInstruction | None = None
    committed_kw: IntervalSeries | None = None
    reason: RefusalReason | None = None
    answered: datetime | None = None
    late: bool = False
    started: datetime | None = None
    finished: datetime | None = None
    reports: tuple[DispatchReport, ...] = ()
    ends_early: datetime | None = None
    cancel_reason: CancelReason | None = None
    replaced_by: str | None = None
    overridden_by: str | None = None
    telemetry: tuple[DispatchTelemetry, ...] = ()

    @property
    def counts_as_call(self) -> bool:
        """Against the deal's limit: not an emergency, and not one that was taken back before it began."""
        start = self.instruction.window.start
        return not self.instruction.emergency and (self.ends_early is None or self.ends_early > start)

    def owed(self, now: datetime) -> IntervalSeries | None:
        """What the aggregator owes: what it accepted; all of it where it did not answer in time. None where it refused."""
        if self.state is State.REFUSED:
            return None
        if self.state is State.CHANGED and now < self.instruction.respond_by and self.agreed is not None:
            return self.committed_kw or self.agreed.target_kw
        if self.state in (State.ISSUED, State.CHANGED) or self.committed_kw is None:
            return self.instruction.target_kw
        return self.committed_kw


Dispatches = Mapping[str, Dispatch]
EMPTY: Dispatches = {}


class Status(StrEnum):
    """What is true of a dispatch at a time."""

    WAITING = "waiting"  # for the answer, and there is time
    UNANSWERED = "unanswered"  # the deadline has passed: all of it is owed
    REFUSED = "refused"
    AHEAD = "ahead"  # agreed, and not begun
    DUE = "due"  # the window has begun, and no start was reported
    RUNNING = "running"
    UNREPORTED = "unreported"  # the window is over, and no end was reported
    FINISHED = "finished"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    OVERRIDDEN = "overridden"


_SAID = {
    State.REFUSED: Status.REFUSED,
    State.FINISHED: Status.FINISHED,
    State.STOPPED: Status.STOPPED,
    State.CANCELLED: Status.CANCELLED,
    State.OVERRIDDEN: Status.OVERRIDDEN,
}


def view(dispatch: Dispatch, now: datetime) -> Status:
    """What is true of a dispatch at `now`."""
    if dispatch.state in (State.CANCELLED, State.OVERRIDDEN) and dispatch.ends_early is not None:
        if now < dispatch.ends_early and dispatch.started is not None and dispatch.finished is None:
            return Status.RUNNING  # taken back, but not yet
        return _SAID[dispatch.state]
    if dispatch.state in _SAID:
        return _SAID[dispatch.state]
    if dispatch.state in (State.ISSUED, State.CHANGED):
        over = now >= dispatch.instruction.respond_by
        return Status.UNANSWERED if over else Status.WAITING
    window = dispatch.instruction.window
    if now >= window.end:
        return Status.UNREPORTED
    if dispatch.started is not None:
        return Status.RUNNING
    return Status.DUE if now >= window.start else Status.AHEAD


def calls(dispatches: Dispatches, confirmation: ConfirmationId) -> int:
    """How many calls of a deal are used."""
    return sum(
        one.counts_as_call and one.instruction.confirmation == confirmation for one in dispatches.values()
    )


def value_at(series: IntervalSeries, at: datetime) -> Decimal:
    """The power of a series at a time; zero outside it and in a gap."""
    if not series.start <= at < series.end:
        return Decimal(0)
    return series.quantity((at - series.start) // series.step) or Decimal(0)
