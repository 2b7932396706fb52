"""Acts of dispatch: the limits that a caller sees are those that the rules keep, and each act says what it should."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.trade_stage import AGG, DEAL_TERMS, DERS, HOUR, MINUTE, NWS, P7, P9, Stage, dealt, kw

from intertie.gateway.trading import trade_dispatch as act
from intertie.gateway.trading import trade_outage
from intertie.market.dispatch_state import State
from intertie.model.contract import Direction, Service
from intertie.model.dispatch import (
    CancelReason,
    DispatchAnswer,
    DispatchInstruction,
    Instruction,
    RefusalReason,
    ReportKind,
)
from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import ConfirmationId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.message import Mode
from intertie.model.system import AssetOutageCause, OutageCause, OutageKind, OutageNotice

QUARTER = timedelta(minutes=15)


def instruction(
    stage: Stage, power: float = 5, after: timedelta = HOUR, **changes: object
) -> DispatchInstruction:
    start = stage.now + after
    series = kw(start, power, power, step=QUARTER)
    base = DispatchInstruction(
        dispatch=act.fresh_name(stage.utility, start),
        service=DEAL_TERMS.service,
        point=P7,
        window=Window(start=start, end=series.end),
        instruction=Instruction.RELATIVE,
        target_kw=series,
        respond_by=act.due_by(stage.utility, DEAL_TERMS.service, None),
        confirmation=NWS,
    )
    return replace(base, **changes)


def called(**changes: object) -> tuple[Stage, str]:
    """A stage with one dispatch, and its name."""
    stage = dealt()
    body = instruction(stage, **changes)  # type: ignore[arg-type]
    stage.done(act.instruct(stage.utility, body))
    return stage, body.dispatch


def test_limits_follow_what_happens() -> None:
    stage = dealt()
    fresh = act.limits(stage.utility, NWS)
    assert (fresh.state, fresh.calls_used, fresh.called_kw, fresh.able_kw) == ("accepted", 0, 0, 30)
    assert fresh.earliest == stage.now + 31 * MINUTE and fresh.answer_minutes == 15
    assert fresh.lacking == () == fresh.dead and len(fresh.hours) == 1
    assert act.limits(stage.utility, NWS, P9).able_kw == 10
    stage.done(act.instruct(stage.utility, instruction(stage, 6)))
    stage.done(
        trade_outage.lose(
            stage.aggregator,
            "A-1",
            AGG,
            [DERS[0].id],
            OutageKind.UNPLANNED,
            AssetOutageCause.FAILURE,
            stage.now,
        )
    )
    dark = OutageNotice(
        outage="OUT-1", kind=OutageKind.UNPLANNED, points=(P9,), starts=stage.now, cause=OutageCause.WEATHER
    )
    stage.done(trade_outage.tell(stage.utility, dark))
    now = act.limits(stage.utility, NWS)
    assert (now.calls_used, now.called_kw, now.able_kw) == (1, 6, 10)
    assert now.lacking == ("DER-1 out by A-1", "DER-3 no supply") and now.dead == ("F12-T9: outage OUT-1",)
    assert act.limits(stage.aggregator, NWS)._replace(earliest=now.earliest) == now
    with pytest.raises(SettingsError, match="no deal NONE"):
        act.limits(stage.utility, ConfirmationId("NONE"))


def test_what_is_shown_as_the_limit_is_the_limit() -> None:
    """A call at the edge of each limit stands, and one step beyond it breaks the rule of that name."""
    stage = dealt()
    shown = act.limits(stage.utility, NWS)
    notice = timedelta(minutes=shown.deal.notice_minutes)
    longest = timedelta(minutes=shown.deal.max_duration_minutes)
    beyond = stage.now + notice - MINUTE
    edge = instruction(stage, float(shown.deal.contracted_kw), after=shown.earliest - stage.now)
    for broken, rule in (
        (instruction(stage, float(shown.deal.contracted_kw) + 1), "dispatch.above_contracted"),
        (instruction(stage, after=beyond - stage.now), "dispatch.under_notice"),
        (whole(stage, longest + QUARTER), "dispatch.duration"),
        (
            instruction(stage, respond_by=stage.now + timedelta(minutes=shown.answer_minutes - 1)),
            "dispatch.time_to_answer",
        ),
    ):
        with pytest.raises(Refused, match=rule):
            act.instruct(stage.utility, broken)
    stage.done(act.instruct(stage.utility, edge))
    stage.done(act.instruct(stage.utility, whole(stage, longest)))
    stage.done(act.instruct(stage.utility, instruction(stage, after=9 * HOUR)))
    assert act.limits(stage.utility, NWS).calls_used == shown.deal.max_calls
    with pytest.raises(Refused, match=r"dispatch.over_call_limit"):
        act.instruct(stage.utility, instruction(stage, after=12 * HOUR))


def whole(stage: Stage, length: timedelta) -> DispatchInstruction:
    start = stage.now + 5 * HOUR
    series = kw(start, *[1.0] * (length // QUARTER), step=QUARTER)
    window = Window(start=start, end=series.end)
    return instruction(stage, after=5 * HOUR, window=window, target_kw=series)


def test_an_answer_in_time_goes_with_the_needs_of_its_hurry() -> None:
    stage = dealt()
    slow = act.instruct(stage.utility, instruction(stage, respond_by=stage.now + HOUR))
    assert stage.mode_of(UTILITY, slow) is Mode.SCHEDULED
    quick = act.due_by(stage.utility, Service.VOLT_VAR, None)
    assert timedelta(minutes=2) <= quick - stage.now <= timedelta(minutes=3)
    emergency = instruction(
        stage, service=Service.VOLT_VAR, respond_by=quick, emergency=True, confirmation=None, after=5 * MINUTE
    )
    hurried = act.instruct(stage.utility, emergency)
    assert stage.mode_of(UTILITY, hurried) is Mode.REAL_TIME
    said = stage.now + 2 * HOUR
    assert act.due_by(stage.utility, Service.VOLT_VAR, said) == said


def test_names_are_told_apart() -> None:
    stage, name = called()
    start = stage.utility.book.dispatches[name].instruction.window.start
    assert name.endswith("-1") and act.fresh_name(stage.utility, start) == f"{name[:-1]}2"


def test_answered_in_part_changed_and_answered_again() -> None:
    stage, name = called(power=6)
    asked = act.find_dispatch(stage.aggregator, name).instruction.target_kw
    part = act.part_of(asked, [Decimal(4)])
    stage.done(
        act.answer(
            stage.aggregator, name, DispatchAnswer.PARTIAL, reason=RefusalReason.ASSET_OUTAGE, committed=part
        )
    )
    stage.done(act.change(stage.utility, name, target_kw=kw(asked.start, 3, 3, step=QUARTER)))
    one = stage.books().dispatches[name]
    assert one.state is State.CHANGED and one.instruction.revision == 2 and one.committed_kw == part
    stage.done(act.answer(stage.aggregator, name, DispatchAnswer.ACCEPTED))
    assert stage.books().dispatches[name].state is State.ACCEPTED
    with pytest.raises(SettingsError, match="does not fit together"):
        act.change(stage.utility, name, target_kw=kw(asked.start, 3, step=QUARTER))
    with pytest.raises(SettingsError, match="does not fit together"):
        act.answer(stage.aggregator, name, DispatchAnswer.REFUSED)


def test_started_measured_and_finished() -> None:
    stage, name = called()
    stage.done(act.answer(stage.aggregator, name, DispatchAnswer.ACCEPTED))
    with pytest.raises(Refused, match=r"dispatch.not_started"):
        act.report(stage.aggregator, name, ReportKind.FINISHED, stage.now)
    start = act.find_dispatch(stage.aggregator, name).instruction.window.start
    stage.done(act.report(stage.aggregator, name, ReportKind.STARTED, start, ders=2))
    first = act.measure(stage.aggregator, name, kw(start, 4, step=QUARTER), ders=2)
    assert stage.mode_of(AGGREGATOR, first) is Mode.REAL_TIME
    stage.done(first)
    stage.done(act.measure(stage.aggregator, name, kw(start, 5, 5, step=QUARTER)))
    stage.done(act.report(stage.aggregator, name, ReportKind.FINISHED, start + 2 * QUARTER))
    one = stage.books().dispatches[name]
    assert one.state is State.FINISHED and [each.revision for each in one.telemetry] == [1, 2]
    with pytest.raises(SettingsError, match="no dispatch NONE"):
        act.measure(stage.aggregator, "NONE", kw(start, 4))


def test_given_up_and_taken_back() -> None:
    stage, name = called()
    stage.done(act.answer(stage.aggregator, name, DispatchAnswer.ACCEPTED))
    stopped = act.report(
        stage.aggregator, name, ReportKind.STOPPED, stage.now, reason=RefusalReason.COMMUNICATION_LOST
    )
    stage.done(stopped)
    assert stage.books().dispatches[name].state is State.STOPPED
    other = instruction(stage, after=3 * HOUR)
    stage.done(act.instruct(stage.utility, other))
    with pytest.raises(SettingsError, match="replaced_by"):
        act.cancel(stage.utility, other.dispatch, CancelReason.REPLACED, stage.now)
    cancelled = act.cancel(stage.utility, other.dispatch, CancelReason.FORECAST_CHANGED, stage.now)
    assert stage.mode_of(UTILITY, cancelled) is Mode.SCHEDULED
    stage.done(cancelled)
    assert stage.books().dispatches[other.dispatch].state is State.CANCELLED


def test_the_point_that_is_meant() -> None:
    with pytest.raises(SettingsError, match="has 2 points"):
        act.point_of(DEAL_TERMS, None)
    assert act.point_of(DEAL_TERMS, P9) == P9 and act.point_of(replace(DEAL_TERMS, points=(P7,)), None) == P7


WATTS = st.lists(st.integers(-50_000, 50_000), min_size=1, max_size=8)


@given(WATTS, st.lists(st.integers(0, 60_000), min_size=1, max_size=1))
def test_a_part_is_never_more_than_what_was_asked(asked: list[int], some: list[int]) -> None:
    series = replace(kw(DEAL_TERMS.term.start, 1), values=tuple(asked))
    part = act.part_of(series, [Decimal(some[0]) / 1000])
    for wanted, given_ in zip(asked, part.values, strict=True):
        assert given_ is not None and abs(given_) == min(abs(wanted), some[0]) and given_ * wanted >= 0


@given(WATTS)
def test_kilowatts_without_a_sign_get_that_of_the_deal(watts: list[int]) -> None:
    series: IntervalSeries = replace(kw(DEAL_TERMS.term.start, 1), values=tuple(watts))
    assert act.signed(series, Direction.UP) == series
    down = act.signed(series, Direction.DOWN)
    assert all(value is not None and value <= 0 for value in down.values)
    assert [abs(value or 0) for value in down.values] == list(map(abs, watts))


def test_as_many_values_as_intervals() -> None:
    series = kw(DEAL_TERMS.term.start, 4, 4)
    assert act.part_of(series, [Decimal(1), Decimal(9)]).values == (1000, 4000)
    with pytest.raises(SettingsError, match="3 values for 2 intervals"):
        act.part_of(series, [Decimal(1)] * 3)
