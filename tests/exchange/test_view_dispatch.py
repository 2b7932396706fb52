"""The page of dispatches: what is urgent comes first, what can be done follows the table, and the plot has what was measured."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR
from tests.exchange.test_acts_dispatch import QUARTER, called, instruction
from tests.exchange.trade_stage import DEAL_TERMS, HOUR, MINUTE, NWS, P7, P9, Stage, dealt, kw

from intertie.gateway.trading import trade_dispatch as act
from intertie.gateway.trading.trade_compose import CallSaid, instruction_of
from intertie.gateway.views import view_dispatch
from intertie.gateway.views.view_dispatch import (
    DispatchView,
    dispatch_view,
    dispatches_view,
    limits_left,
    peak_of,
    points_of,
)
from intertie.market.dispatch_state import Status
from intertie.model.contract import Direction
from intertie.model.dispatch import CancelReason, DispatchAnswer, Instruction, RefusalReason, ReportKind
from intertie.model.errors import SettingsError
from intertie.model.ids import ConfirmationId, ConnectionPointId


def both(stage: Stage, name: str) -> DispatchView:
    """The page of either side, which is the same."""
    seen = dispatch_view(stage.utility, name)
    assert seen == dispatch_view(stage.aggregator, name)
    return seen


def can(seen: DispatchView) -> tuple[bool, bool, bool, bool]:
    return seen.can_answer, seen.can_report, seen.can_stop, seen.can_cancel


def test_a_call_from_its_wait_to_its_end() -> None:
    stage, name = called(power=6)
    waits = both(stage, name)
    assert waits.line.status is Status.WAITING and can(waits) == (True, False, False, True)
    assert (waits.line.peak_kw, waits.line.deal, waits.line.answered) == (6, NWS, None)
    stage.done(act.answer(stage.aggregator, name, DispatchAnswer.ACCEPTED))
    agreed = both(stage, name)
    assert agreed.line.status is Status.AHEAD and can(agreed) == (False, True, True, True)
    stage.now = agreed.line.start
    stage.done(act.report(stage.aggregator, name, ReportKind.STARTED, stage.now))
    assert both(stage, name).line.status is Status.RUNNING and both(stage, name).can_report
    stage.now = agreed.line.end
    assert can(both(stage, name)) == (False, True, False, False)
    stage.done(act.report(stage.aggregator, name, ReportKind.FINISHED, stage.now))
    over = both(stage, name)
    assert over.line.status is Status.FINISHED and can(over) == (False, False, False, False)


def test_what_is_taken_back_can_be_nothing_else() -> None:
    stage, name = called()
    stage.done(act.cancel(stage.utility, name, CancelReason.FORECAST_CHANGED, stage.now))
    seen = both(stage, name)
    assert seen.line.status is Status.CANCELLED and can(seen) == (False, False, False, False)
    refused, other = called(power=3)
    said = act.answer(refused.aggregator, other, DispatchAnswer.REFUSED, reason=RefusalReason.SAFETY)
    refused.done(said)
    line = both(refused, other).line
    assert (line.status, line.reason) == (Status.REFUSED, "safety") and not both(refused, other).can_cancel


def test_the_plot_has_what_was_asked_owed_and_measured() -> None:
    stage, name = called(power=6)
    part = act.part_of(act.find_dispatch(stage.aggregator, name).instruction.target_kw, [Decimal(4)])
    said = act.answer(
        stage.aggregator, name, DispatchAnswer.PARTIAL, reason=RefusalReason.NOT_AVAILABLE, committed=part
    )
    stage.done(said)
    start = both(stage, name).line.start
    stage.now = start + QUARTER
    stage.done(act.report(stage.aggregator, name, ReportKind.STARTED, start))
    stage.done(act.measure(stage.aggregator, name, kw(start - QUARTER, 0.5, 3.9, step=QUARTER)))
    drawn = points_of(both(stage, name).track)
    first = int(start.timestamp())
    assert drawn.at == (first - 900, first, first + 900)
    assert drawn.asked == (None, 6.0, 6.0) and drawn.owed == (None, 4.0, 4.0)
    assert drawn.measured == (0.5, 3.9, None)


def test_the_urgent_come_first_and_pages_hold_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, first = called(power=2)
    stage.done(act.answer(stage.aggregator, first, DispatchAnswer.ACCEPTED))
    later = instruction(stage, 2, after=5 * HOUR)
    stage.done(act.instruct(stage.utility, later))
    seen = dispatches_view(stage.aggregator)
    assert [one.name for one in seen.lines] == [later.dispatch, first] and seen.next is None
    assert [one.confirmation for one in seen.deals] == [NWS]
    assert [one.name for one in dispatches_view(stage.utility, only=[Status.AHEAD]).lines] == [first]
    monkeypatch.setattr(view_dispatch, "DISPATCHES_PAGE", 1)
    page = dispatches_view(stage.aggregator)
    assert page.next == 1 and dispatches_view(stage.aggregator, 1).lines[0].name == first
    assert (
        dispatches_view(stage.aggregator, 99).next is None and dispatches_view(stage.aggregator, -3) == page
    )


def test_what_is_left_of_a_deal() -> None:
    stage, _ = called(power=6)
    left = limits_left(stage.utility, NWS, P9)
    assert (left.kw, left.calls, left.point) == (14, 2, P9)
    assert limits_left(stage.utility, NWS).point == P7
    for deal, where in ((ConfirmationId("NONE"), None), (NWS, ConnectionPointId("NOWHERE"))):
        with pytest.raises(SettingsError):
            limits_left(stage.utility, deal, where)
    stage.now = DEAL_TERMS.term.end + MINUTE
    assert dispatches_view(stage.utility).deals == ()


def test_one_that_is_on_its_way_is_seen_by_who_sent_it() -> None:
    stage = dealt()
    body = instruction(stage, 3)
    act.instruct(stage.utility, body)
    assert dispatch_view(stage.utility, body.dispatch).line.status is Status.WAITING
    assert dispatches_view(stage.utility).lines == ()
    with pytest.raises(SettingsError, match="no dispatch"):
        dispatch_view(stage.desk(AGGREGATOR), body.dispatch)


def test_an_instruction_is_composed_with_what_follows() -> None:
    stage = dealt(direction=Direction.DOWN)
    start = stage.now + HOUR
    said = CallSaid(
        DEAL_TERMS.service, P7, kw(start, 5, step=QUARTER), limits_left(stage.utility, NWS).limits.deal
    )
    body = instruction_of(stage.utility, said)
    assert (
        body.target_kw.values == (-5000,) and body.instruction is Instruction.RELATIVE and not body.emergency
    )
    assert body.respond_by - stage.now >= timedelta(minutes=16) and body.dispatch.endswith("-1")
    held = instruction_of(stage.utility, said._replace(set_point=True, name="D-X"))
    assert held.target_kw.values == (5000,) and held.dispatch == "D-X"
    urgent = instruction_of(stage.utility, said._replace(deal=None, overrides=["D-1"]))
    assert urgent.emergency and urgent.confirmation is None and urgent.overrides == ("D-1",)
    with pytest.raises(SettingsError, match="respond_by"):
        instruction_of(stage.utility, said._replace(respond_by=start + HOUR))


@given(st.lists(st.integers(-50_000, 50_000), min_size=1, max_size=8))
def test_the_peak_is_the_farthest_from_zero(watts: list[int]) -> None:
    series = replace(kw(DEAL_TERMS.term.start, 1), values=tuple(watts))
    peak = peak_of(series) * 1000
    assert int(peak) in watts and abs(peak) == max(map(abs, watts))
