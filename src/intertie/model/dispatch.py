"""Calling a service: the instruction, the answer to it, and its cancellation."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.model.contract import Revision, Service
from intertie.model.ids import AggregationRef, ConfirmationRef, Name, PointRef, Text
from intertie.model.interval import Instant, IntervalSeries, Window
from intertie.model.quantity import Kilowatts, Percent, Unit
from intertie.model.record import Record, RuleError
from intertie.model.rules import forbids, needs, no_repeats, not_negative, percents, series_covers, series_of

# An emergency on one point displaces what runs there: a handful.
OVERRIDES_MAX = 100


class Instruction(StrEnum):
    """What `target_kw` means: net injection to hold, or a change from the baseline (positive: less load, more injection)."""

    SET_POINT = "set_point"
    RELATIVE = "relative"


class DispatchInstruction(Record, frozen=True, kw_only=True):
    """Asks for power over a window at one point (OpenADR 3 DISPATCH_SETPOINT and _RELATIVE; UFTP FlexOrder).

    Without a `confirmation` it is a command of the operator, outside any deal. A higher `revision` changes it. An emergency
    may displace other dispatches: they end where it begins (`overrides`).
    """

    dispatch: Name
    service: Service
    point: PointRef
    window: Window
    instruction: Instruction
    target_kw: IntervalSeries
    respond_by: Instant
    confirmation: ConfirmationRef | None = None
    aggregation: AggregationRef | None = None
    target_kvar: IntervalSeries | None = None
    ramp_kw_per_minute: Kilowatts | None = None
    emergency: bool = False
    revision: Revision = 1
    overrides: Annotated[tuple[Name, ...], Meta(max_length=OVERRIDES_MAX)] = ()
    text: Text = ""

    def check(self) -> None:
        """Targets over exactly the window, in kW and kvar; an answer is due before the window ends."""
        series_of("target_kw", self.target_kw, Unit.KW, signed=True)
        series_of("target_kvar", self.target_kvar, Unit.KVAR, signed=True)
        series_covers("target_kw", self.target_kw, self.window)
        series_covers("target_kvar", self.target_kvar, self.window)
        not_negative(self, "ramp_kw_per_minute")
        if None in self.target_kw.values:
            raise RuleError("target_kw: a target has no gaps")
        if self.respond_by >= self.window.end:
            raise RuleError("respond_by: not before the window ends")
        no_repeats("overrides", self.overrides)
        if self.overrides and not self.emergency:
            raise RuleError("overrides: only an emergency displaces other dispatches")
        if self.dispatch in self.overrides:
            raise RuleError("overrides: a dispatch does not displace itself")


class DispatchAnswer(StrEnum):
    """What the recipient of an instruction says."""

    ACCEPTED = "accepted"
    PARTIAL = "partial"
    REFUSED = "refused"


class RefusalReason(StrEnum):
    """Why a dispatch is not, or not fully, followed."""

    NOT_AVAILABLE = "not_available"
    NOTICE_TOO_SHORT = "notice_too_short"
    CALLS_EXHAUSTED = "calls_exhausted"
    DURATION_EXCEEDED = "duration_exceeded"
    OUTSIDE_TERM = "outside_term"
    ABOVE_CONTRACTED = "above_contracted"
    UNKNOWN_CONFIRMATION = "unknown_confirmation"
    UNKNOWN_POINT = "unknown_point"
    ASSET_OUTAGE = "asset_outage"
    COMMUNICATION_LOST = "communication_lost"
    SAFETY = "safety"
    TOO_LATE = "too_late"
    OTHER = "other"


class DispatchResponse(Record, frozen=True, kw_only=True):
    """Accepts a `revision` of an instruction, in full or in part, or refuses it. `committed_kw` has its sign."""

    dispatch: Name
    answer: DispatchAnswer
    revision: Revision = 1
    reason: RefusalReason | None = None
    committed_kw: IntervalSeries | None = None
    text: Text = ""

    def check(self) -> None:
        """Less than all has a reason; a part says how much; a refusal commits to nothing."""
        series_of("committed_kw", self.committed_kw, Unit.KW, signed=True)
        if self.answer is DispatchAnswer.ACCEPTED:
            forbids(self, self.answer, "reason")
        elif self.answer is DispatchAnswer.PARTIAL:
            needs(self, self.answer, "reason", "committed_kw")
        else:
            needs(self, self.answer, "reason")
            forbids(self, self.answer, "committed_kw")


class CancelReason(StrEnum):
    """Why a dispatch is taken back."""

    NO_LONGER_NEEDED = "no_longer_needed"
    FORECAST_CHANGED = "forecast_changed"
    REPLACED = "replaced"
    OUTAGE = "outage"
    ISSUED_IN_ERROR = "issued_in_error"
    OTHER = "other"


class DispatchCancel(Record, frozen=True, kw_only=True):
    """Takes an instruction back from `effective` on; what was delivered before it counts. `replaced_by` if there is one."""

    dispatch: Name
    effective: Instant
    reason: CancelReason
    replaced_by: Name | None = None
    text: Text = ""

    def check(self) -> None:
        """A replacement is named where there is one, and is another dispatch."""
        if self.reason is CancelReason.REPLACED:
            needs(self, self.reason, "replaced_by")
        if self.replaced_by == self.dispatch:
            raise RuleError("replaced_by: a dispatch does not replace itself")


class ReportKind(StrEnum):
    """What an aggregator reports while a dispatch runs."""

    STARTED = "started"
    FINISHED = "finished"
    STOPPED = "stopped"


class DispatchReport(Record, frozen=True, kw_only=True):
    """A dispatch has begun to be followed, is done, or had to be given up before its end (then with a reason).

    `achieved_kw` is what the aggregator measured, with the sign and meaning of the instruction; settlement uses the meters.
    """

    dispatch: Name
    report: ReportKind
    at: Instant
    reason: RefusalReason | None = None
    achieved_kw: IntervalSeries | None = None
    ders: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    text: Text = ""

    def check(self) -> None:
        """Giving up has a reason, nothing else has; a start has achieved nothing yet."""
        series_of("achieved_kw", self.achieved_kw, Unit.KW, signed=True)
        rule = needs if self.report is ReportKind.STOPPED else forbids
        rule(self, self.report, "reason")
        if self.report is ReportKind.STARTED:
            forbids(self, self.report, "achieved_kw")


class DispatchTelemetry(Record, frozen=True, kw_only=True):
    """What the aggregator measures during a dispatch, with the sign and meaning of the instruction: power held, or change from
    the baseline as it estimates it. Where two overlap, the higher `revision` counts."""

    dispatch: Name
    power_kw: IntervalSeries
    revision: Revision = 1
    state_of_charge_percent: Percent | None = None
    ders_reporting: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None

    def check(self) -> None:
        """In kW; a percentage from 0 to 100."""
        series_of("power_kw", self.power_kw, Unit.KW, signed=True)
        percents(self, "state_of_charge_percent")
