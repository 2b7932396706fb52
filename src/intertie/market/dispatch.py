"""How dispatches change: what each message makes of them, or the rule that it breaks."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from intertie.market import dispatch_rules
from intertie.market.dispatch_rules import Ground, check
from intertie.market.dispatch_state import EMPTY, TABLE, Dispatch, Dispatches, State, Step
from intertie.market.event import Broken, Event, Rule
from intertie.model.dispatch import (
    DispatchAnswer,
    DispatchCancel,
    DispatchInstruction,
    DispatchReport,
    DispatchResponse,
    DispatchTelemetry,
    Instruction,
    ReportKind,
)
from intertie.model.interval import IntervalSeries

__all__ = ["EMPTY", "RULES", "apply"]

# What led up to an event, and how it faded, is worth seeing: an hour on either side.
TELEMETRY_AROUND = timedelta(hours=1)

STALE = Rule(
    "dispatch.revision",
    "An instruction that is given again has a higher revision.",
    "Change of a dispatch (docs/dispatch.md)",
)
UNKNOWN = Rule(
    "dispatch.unknown",
    "An answer, report, telemetry or cancellation is of a dispatch that was called.",
    "000 Description, sentence 1",
)
CLOSED = Rule(
    "dispatch.closed",
    "What is refused is not followed; what is finished, stopped, cancelled or overridden is not taken up again.",
    "State table of a dispatch (docs/states.md)",
)
OLD_REVISION = Rule(
    "dispatch.old_revision",
    "An answer is to the newest revision.",
    "Change of a dispatch (docs/dispatch.md): an answer that crosses with a change says nothing of it",
)
LATE = Rule(
    "dispatch.late",
    "After the deadline a dispatch can be accepted, but neither refused nor reduced: all of it is owed.",
    "Acknowledgement deadline of the instruction (respond_by)",
)
COMMITMENT = Rule(
    "dispatch.commitment",
    "What is committed is over the instruction's window, in its steps, not more than it asks for; an acceptance is all.",
    "UFTP FlexOrder: power as ordered",
)
BACK_DATED = Rule(
    "dispatch.back_dated",
    "A dispatch that has begun is not taken back for a time before its cancellation arrived.",
    "What was delivered before counts (docs/dispatch.md)",
)
NOT_STARTED = Rule(
    "dispatch.not_started",
    "An end is reported of what was reported to have begun.",
    "State table of a dispatch (docs/states.md)",
)
STARTED = Rule(
    "dispatch.started_twice",
    "A dispatch begins once, and ends once.",
    "State table of a dispatch (docs/states.md)",
)
NO_OVERRIDE = Rule(
    "dispatch.nothing_to_override",
    "An emergency displaces dispatches that are open.",
    "Emergency override (docs/dispatch.md); FERC Order 2222: operational override for safety or reliability",
)
OUTSIDE = Rule(
    "dispatch.telemetry_outside",
    "Telemetry is of the window, or of the hour before or after it.",
    "Telemetry during the event (docs/dispatch.md)",
)
RULES: tuple[Rule, ...] = (
    *dispatch_rules.RULES,
    *(
        STALE,
        UNKNOWN,
        CLOSED,
        OLD_REVISION,
        LATE,
        COMMITMENT,
        BACK_DATED,
        NOT_STARTED,
        STARTED,
        NO_OVERRIDE,
        OUTSIDE,
    ),
)

_STEPS = {
    DispatchAnswer.ACCEPTED: Step.ACCEPT,
    DispatchAnswer.PARTIAL: Step.REDUCE,
    DispatchAnswer.REFUSED: Step.REFUSE,
}


def apply(dispatches: Dispatches, event: Event, ground: Ground) -> Dispatches:
    """The dispatches after a message; the same for a message that is not about one. Raises Broken."""
    match event.body:
        case DispatchInstruction() as body:
            return _instruct(dispatches, body, event, ground)
        case DispatchResponse() as body:
            after = _answer(_known(dispatches, body.dispatch), body, event)
        case DispatchCancel() as body:
            after = _cancel(_known(dispatches, body.dispatch), body, event)
        case DispatchReport() as body:
            after = _report(_known(dispatches, body.dispatch), body)
        case DispatchTelemetry() as body:
            after = _measured(_known(dispatches, body.dispatch), body)
        case _:
            return dispatches
    return {**dispatches, after.instruction.dispatch: after}


def _known(dispatches: Dispatches, name: str) -> Dispatch:
    found = dispatches.get(name)
    if found is None:
        raise Broken(UNKNOWN, f"there is no {name}")
    return found


def _instruct(dispatches: Dispatches, body: DispatchInstruction, event: Event, ground: Ground) -> Dispatches:
    before = dispatches.get(body.dispatch)
    if before is not None and body.revision <= before.instruction.revision:
        raise Broken(STALE, f"{body.dispatch} is at revision {before.instruction.revision} already")
    displaced = {name: _displaced(dispatches, name, body) for name in body.overrides}
    if before is None:
        check({**dispatches, **displaced}, body, event, ground)
        after = Dispatch(body, event.received)
    else:
        state = _step(before, Step.CHANGE)
        check({**dispatches, **displaced}, body, event, ground, before)
        after = before._replace(instruction=body, issued=event.received, state=state, late=False)
    return {**dispatches, **displaced, body.dispatch: after}


def _displaced(dispatches: Dispatches, name: str, by: DispatchInstruction) -> Dispatch:
    before = dispatches.get(name)
    if before is None or (before.state, Step.OVERRIDE) not in TABLE:
        raise Broken(NO_OVERRIDE, f"{name} is {'not there' if before is None else before.state}")
    return before._replace(
        state=_step(before, Step.OVERRIDE), ends_early=by.window.start, overridden_by=by.dispatch
    )


def _answer(before: Dispatch, body: DispatchResponse, event: Event) -> Dispatch:
    asked = before.instruction
    if body.revision != asked.revision:
        raise Broken(OLD_REVISION, f"{asked.dispatch} is at revision {asked.revision}")
    state = _step(before, _STEPS[body.answer])
    late = event.received > asked.respond_by
    if late and body.answer is not DispatchAnswer.ACCEPTED:
        raise Broken(LATE, f"the answer was due by {asked.respond_by.isoformat()}")
    after = before._replace(state=state, answered=event.received, late=late, reason=body.reason)
    if body.answer is DispatchAnswer.REFUSED:
        return _refused(before, after)
    committed = body.committed_kw
    if committed is not None:
        _check_commitment(asked, committed, whole=body.answer is DispatchAnswer.ACCEPTED)
    return after._replace(agreed=asked, committed_kw=committed)


def _refused(before: Dispatch, after: Dispatch) -> Dispatch:
    """Who refuses a change keeps to what was agreed before: its terms are the instruction again, at the newest revision."""
    agreed = before.agreed
    if before.state is not State.CHANGED or agreed is None:
        return after
    revision = before.instruction.revision
    partly = before.committed_kw not in (None, agreed.target_kw)
    return after._replace(
        state=State.PARTIAL if partly else after.state,
        instruction=msgspec.structs.replace(agreed, revision=revision),
    )


def _check_commitment(asked: DispatchInstruction, committed: IntervalSeries, *, whole: bool) -> None:
    target = asked.target_kw
    if (committed.start, committed.end, committed.step) != (target.start, target.end, target.step):
        raise Broken(COMMITMENT, "it is over another window or in other steps")
    for i in range(len(target.values)):
        wanted, given = target.quantity(i), committed.quantity(i)
        if whole and wanted != given:
            raise Broken(COMMITMENT, f"interval {i + 1}: an acceptance is of {wanted} kW")
        relative = asked.instruction is Instruction.RELATIVE
        if relative and given and wanted is not None and (given * wanted < 0 or abs(given) > abs(wanted)):
            raise Broken(COMMITMENT, f"interval {i + 1}: {given} kW of {wanted}")


def _cancel(before: Dispatch, body: DispatchCancel, event: Event) -> Dispatch:
    state = _step(before, Step.CANCEL)
    start = before.instruction.window.start
    if start < event.created and body.effective < event.created:
        raise Broken(BACK_DATED, f"it has been running since {start.isoformat()}")
    return before._replace(
        state=state,
        ends_early=_latest(body.effective, event.received, start),
        cancel_reason=body.reason,
        replaced_by=body.replaced_by,
    )


def _latest(effective: datetime, received: datetime, start: datetime) -> datetime:
    """From when on nothing is owed: never before it was known, once the window has begun."""
    return max(effective, received) if received > start else effective


def _report(before: Dispatch, body: DispatchReport) -> Dispatch:
    if body.report is ReportKind.STARTED:
        state = _step(before, Step.START)
        if before.started is not None:
            raise Broken(STARTED, f"it began at {before.started.isoformat()}")
        return before._replace(state=state, started=body.at, reports=(*before.reports, body))
    if body.report is ReportKind.FINISHED:
        if before.finished is not None:
            raise Broken(STARTED, f"it ended at {before.finished.isoformat()}")
        if before.started is None or body.at < before.started:
            raise Broken(NOT_STARTED)
    state = _step(before, Step.FINISH if body.report is ReportKind.FINISHED else Step.STOP)
    return before._replace(state=state, finished=body.at, reason=body.reason, reports=(*before.reports, body))


def _measured(before: Dispatch, body: DispatchTelemetry) -> Dispatch:
    if before.state is State.REFUSED:
        raise Broken(CLOSED, f"{body.dispatch} is refused")
    window, series = before.instruction.window, body.power_kw
    if series.start < window.start - TELEMETRY_AROUND or series.end > window.end + TELEMETRY_AROUND:
        raise Broken(
            OUTSIDE, f"{body.dispatch} is from {window.start.isoformat()} to {window.end.isoformat()}"
        )
    return before._replace(telemetry=(*before.telemetry, body))


def _step(before: Dispatch, step: Step) -> State:
    after = TABLE.get((before.state, step))
    if after is None:
        raise Broken(CLOSED, f"{before.instruction.dispatch} is {before.state}: no {step}")
    return after
