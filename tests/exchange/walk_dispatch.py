"""Steps of a dispatch: called, changed, answered in whole or part, refused, begun, ended, cancelled, overridden; telemetry."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.walk import NEXT, NUMBERS, Walk, known_name
from tests.unit.market.grid_cases import DEAL, HEAD, POINTS, at, call, kw, performance, statement, window

from intertie.market.dispatch_state import OPEN, State
from intertie.model.dispatch import (
    CancelReason,
    DispatchAnswer,
    DispatchCancel,
    DispatchReport,
    DispatchResponse,
    DispatchTelemetry,
    Instruction,
    RefusalReason,
    ReportKind,
)
from intertie.model.ids import ConfirmationId
from intertie.model.interval import Window

NAMES = st.sampled_from(["X1", "X2", "X3", "X4", "X5"])
SHARES = st.sampled_from([0.0, 0.5, 1.0])


class DispatchSteps(Walk):
    """The utility calls; the aggregator answers, reports and measures."""

    @rule(
        name=NAMES,
        off=NEXT,
        first=st.sampled_from([10, 10, 10, 11, 12, 13, 16]),
        long=st.integers(1, 3),
        power=st.sampled_from([5, 12, 20, 26]),
        changes=st.sampled_from(
            [
                {},
                {},
                {},
                {},
                {"point": POINTS[0]},
                {"instruction": Instruction.SET_POINT},
                {"confirmation": None},
            ]
        ),
    )
    def instruct(
        self, name: str, off: int, first: int, long: int, power: int, changes: dict[str, Any]
    ) -> None:
        known = self.see(UTILITY).dispatches.get(name)
        revision = max(1, (known.instruction.revision if known is not None else 0) + off)
        while at(first) < self.two.now + timedelta(minutes=45):  # the next evening, or one that is too near
            first += 24
        span = window(first, first + long)
        answer_by = max(span.start - timedelta(minutes=30), self.two.now + timedelta(minutes=16))
        if answer_by >= span.end:
            return
        body = call(name, (power,) * long, span, revision=revision, respond_by=answer_by, **changes)
        self.try_(UTILITY, body)

    def _first_call(self, number: int) -> None:
        """Where there is none to speak of."""
        self.instruct(f"X{number % 5 + 1}", 1, 10, 2, 5 + number % 15, {})

    @rule(
        name=st.sampled_from(["E1", "E2"]),
        overrides=st.lists(NUMBERS, max_size=2, unique=True),
        minutes=st.integers(-30, 90),
        deal=st.booleans(),
    )
    def emergency(self, name: str, overrides: list[int], minutes: int, deal: bool) -> None:
        open_ = [key for key, one in self.see(UTILITY).dispatches.items() if one.state in OPEN]
        start = (self.two.now + timedelta(minutes=minutes)).replace(second=0, microsecond=0)
        span = Window(start=start, end=start + timedelta(hours=2))
        body = call(
            name,
            (30, 30),
            span,
            emergency=True,
            overrides=tuple({known_name(open_, number, ["X1"]) for number in overrides} - {name}),
            confirmation=DEAL if deal else None,
            respond_by=span.start + timedelta(minutes=5),
        )
        self.try_(UTILITY, body)

    @rule(
        number=NUMBERS,
        said=st.sampled_from(DispatchAnswer),
        share=SHARES,
        back=st.sampled_from([0, 0, 0, 1]),
        bare=st.booleans(),
    )
    def answer(self, number: int, said: DispatchAnswer, share: float, back: int, bare: bool) -> None:
        dispatches = self.see(AGGREGATOR).dispatches
        waiting = [key for key, one in dispatches.items() if one.state in (State.ISSUED, State.CHANGED)]
        name = known_name(waiting or dispatches, number, ["X1"])
        known = dispatches.get(name)
        if known is None:
            self._first_call(number)
            return
        target = known.instruction.target_kw
        committed = replace(
            target, values=tuple(int(value * share) for value in target.values if value is not None)
        )
        accepted, refused = said is DispatchAnswer.ACCEPTED, said is DispatchAnswer.REFUSED
        body = DispatchResponse(
            dispatch=name,
            answer=said,
            revision=max(1, known.instruction.revision - back),
            reason=None if accepted else RefusalReason.NOT_AVAILABLE,
            committed_kw=None if refused or (accepted and bare) else committed,
        )
        self.try_(AGGREGATOR, body)

    @rule(
        number=NUMBERS,
        minutes=st.integers(-60, 300),
        reason=st.sampled_from([CancelReason.OTHER, CancelReason.REPLACED]),
    )
    def cancel(self, number: int, minutes: int, reason: CancelReason) -> None:
        dispatches = self.see(UTILITY).dispatches
        name = known_name(dispatches, number, ["X1"])
        if not dispatches:
            self._first_call(number)
        body = DispatchCancel(
            dispatch=name,
            effective=self.two.now + timedelta(minutes=minutes),
            reason=reason,
            replaced_by="X9" if reason is CancelReason.REPLACED else None,
        )
        self.try_(UTILITY, body)

    @rule(
        number=NUMBERS,
        kind=st.sampled_from(ReportKind),
        minutes=st.integers(-90, 5),
    )
    def report(self, number: int, kind: ReportKind, minutes: int) -> None:
        dispatches = self.see(AGGREGATOR).dispatches
        agreed = [key for key, one in dispatches.items() if one.state in (State.ACCEPTED, State.PARTIAL)]
        name = known_name(agreed or dispatches, number, ["X1"])
        if not agreed:
            self.answer(number, DispatchAnswer.PARTIAL, 0.5, 0, bare=False)
        body = DispatchReport(
            dispatch=name,
            report=kind,
            at=self.two.now + timedelta(minutes=minutes),
            reason=RefusalReason.SAFETY if kind is ReportKind.STOPPED else None,
        )
        self.try_(AGGREGATOR, body)

    @rule(
        number=NUMBERS,
        hours=st.sampled_from([-1, 0, 1, 3]),
        power=st.integers(-5, 30),
        revision=st.integers(1, 3),
    )
    def measure(self, number: int, hours: int, power: int, revision: int) -> None:
        dispatches = self.see(AGGREGATOR).dispatches
        name = known_name(dispatches, number, ["X1"])
        start = dispatches[name].instruction.window.start if name in dispatches else at(10)
        span = Window(start=start + timedelta(hours=hours), end=start + timedelta(hours=hours + 1))
        series = kw(span, *(power + step for step in range(4)), minutes=15)
        self.try_(AGGREGATOR, DispatchTelemetry(dispatch=name, power_kw=series, revision=revision))

    @rule(
        days=st.integers(0, 2),
        forget=st.sampled_from([False, False, True]),
        meter=st.sampled_from(["M1", "M1", "M2"]),
        name=st.sampled_from([DEAL, DEAL, ConfirmationId("DEAL-2")]),
    )
    def settle(self, days: int, forget: bool, meter: str, name: ConfirmationId) -> None:
        """A statement of the calls until now, or until some days ago."""
        period = window(-12, max(1, (self.two.now - at()) // timedelta(hours=1) - 24 * days))
        calls = [one.instruction for one in self.see(UTILITY).dispatches.values()]
        mine = [one for one in calls if one.confirmation == DEAL and one.window.end <= period.end]
        body = statement(
            *(performance(one.dispatch, one.window, meter) for one in mine if period.holds(one.window.start)),
            period=period,
            confirmation=name,
        )
        self.try_(UTILITY, replace(body, events=body.events[1:] if forget else body.events))

    @rule(more=st.sampled_from([-0.5, 0.1, 0.5]))
    def wait_for_a_call(self, more: float) -> None:
        """Until shortly before, or after, the next one that is open begins."""
        starts = [
            one.instruction.window.start for one in self.see(UTILITY).dispatches.values() if one.state in OPEN
        ]
        later = [start + timedelta(hours=more) for start in starts if start > self.two.now]
        self.two.now = max(self.two.now, min(later, default=self.two.now))


__all__ = ["HEAD", "DispatchSteps"]
