"""Dispatch: every term of the deal, the grid and the DERs behind a point as rules; answers, changes, cancellation, reports."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.unit.market.grid_cases import (
    AGG,
    CALL,
    HEAD,
    SELLER,
    answer,
    at,
    breaks,
    call,
    called,
    change,
    deal,
    event,
    grid_of,
    ground,
    kw,
    three_ders,
    window,
)

from intertie.market import dispatch, dispatch_rules
from intertie.market.dispatch_state import State, Status, view
from intertie.market.event import Rule
from intertie.market.registering import apply as register
from intertie.model.aggregation import DerRemoval, DerSuspension, RemovalReason, SuspensionReason
from intertie.model.contract import Direction, Service
from intertie.model.dispatch import (
    CancelReason,
    DispatchCancel,
    DispatchReport,
    DispatchTelemetry,
    Instruction,
    RefusalReason,
    ReportKind,
)
from intertie.model.ids import AggregationId, ConfirmationId, ConnectionPointId, DerId
from intertie.model.quantity import Kilowatts
from intertie.model.system import (
    AssetOutage,
    AssetOutageCause,
    ConditionKind,
    OutageCause,
    OutageKind,
    OutageNotice,
    SwitchAction,
    SwitchingStep,
    SystemCondition,
)


def outage(kind: OutageKind = OutageKind.PLANNED, **changes: Any) -> OutageNotice:
    said = {"points": (HEAD,), "starts": at(9), "estimated_restoration": at(11), **changes}
    return OutageNotice(outage="O1", kind=kind, cause=OutageCause.MAINTENANCE, **said)


def suspension(*ders: str) -> DerSuspension:
    return DerSuspension(
        suspension="S1",
        aggregation=AGG,
        effective=at(),
        reason=SuspensionReason.SAFETY,
        ders=tuple(DerId(one) for one in ders),
    )


def all_out(**changes: Any) -> AssetOutage:
    said: dict[str, Any] = {"ders": tuple(DerId(f"D{i}") for i in (1, 2, 3)), "unavailable_kw": 30, **changes}
    said["unavailable_kw"] = Kilowatts(Decimal(said["unavailable_kw"]))
    return AssetOutage(
        outage="A1",
        aggregation=AGG,
        kind=OutageKind.UNPLANNED,
        starts=at(),
        cause=AssetOutageCause.COMMUNICATION,
        **said,
    )


BAD_CALLS: list[tuple[Rule, dict[str, Any], float]] = [
    (dispatch_rules.NO_DEAL, {"confirmation": None}, 0),
    (dispatch_rules.UNKNOWN_DEAL, {"confirmation": ConfirmationId("DEAL-9")}, 0),
    (dispatch_rules.SERVICE, {"service": Service.RELIABILITY}, 0),
    (dispatch_rules.POINT, {"point": ConnectionPointId("T9")}, 0),
    (dispatch_rules.AGGREGATION, {"aggregation": AggregationId("AGG-9")}, 0),
    (dispatch_rules.TERM, {"span": window(24 * 70 + 9, 24 * 70 + 11)}, 0),
    (dispatch_rules.HOURS, {"span": window(9, 11)}, 0),
    (dispatch_rules.NOTICE, {"respond_by": at(9.75)}, 9.25),
    (dispatch_rules.DURATION, {"span": window(10, 15), "power": (1,) * 5}, 0),
    (dispatch_rules.CAPACITY, {"power": (20, 26)}, 0),
    (dispatch_rules.DIRECTION, {"power": (20, -1)}, 0),
    (dispatch_rules.RAMP, {"ramp_kw_per_minute": Kilowatts(Decimal(6))}, 0),
    (dispatch_rules.ACK_TIME, {"respond_by": at(8.2)}, 8),
    (dispatch_rules.OVER, {}, 12),
]


@pytest.mark.rule("dispatch.no_deal")
@pytest.mark.rule("dispatch.unknown_deal")
@pytest.mark.rule("dispatch.service")
@pytest.mark.rule("dispatch.point")
@pytest.mark.rule("dispatch.aggregation")
@pytest.mark.rule("dispatch.outside_term")
@pytest.mark.rule("dispatch.outside_hours")
@pytest.mark.rule("dispatch.under_notice")
@pytest.mark.rule("dispatch.duration")
@pytest.mark.rule("dispatch.above_contracted")
@pytest.mark.rule("dispatch.direction")
@pytest.mark.rule("dispatch.ramp")
@pytest.mark.rule("dispatch.time_to_answer")
@pytest.mark.rule("dispatch.in_the_past")
@pytest.mark.parametrize(("rule", "changes", "hours"), BAD_CALLS, ids=lambda one: getattr(one, "name", ""))
def test_a_call_against_the_deal(rule: Rule, changes: dict[str, Any], hours: float) -> None:
    with breaks(rule):
        called(event(call(**changes), hours))


def test_a_call_by_the_deal() -> None:
    assert called(event(call(), 9))["X1"].state is State.ISSUED
    assert called(event(call(power=(25, 25)), 0))["X1"].state is State.ISSUED


@pytest.mark.rule("dispatch.deal_not_in_force")
def test_a_deal_that_is_not_agreed() -> None:
    with breaks(dispatch_rules.NOT_IN_FORCE) as broken:
        called(event(call()), on=ground(why="is objected"))
    assert "DEAL-1 is objected" in str(broken.value)


@pytest.mark.rule("dispatch.over_call_limit")
def test_one_call_too_many_and_one_taken_back_in_time() -> None:
    spans = [window(10 + 24 * i, 12 + 24 * i) for i in range(4)]
    state = called(*(event(call(f"X{i}", span=span), 0) for i, span in enumerate(spans[:3])))
    with breaks(dispatch_rules.CALLS):
        called(event(call("X3", span=spans[3]), 1), before=state)
    cancel = DispatchCancel(dispatch="X0", effective=at(2), reason=CancelReason.NO_LONGER_NEEDED)
    state = called(event(cancel, 2), event(call("X3", span=spans[3]), 3), before=state)
    assert state["X3"].state is State.ISSUED


@pytest.mark.rule("dispatch.above_contracted")
def test_two_calls_at_once_share_the_contracted_kilowatts() -> None:
    state = called(event(call(power=(15, 15)), 0))
    with breaks(dispatch_rules.CAPACITY):
        called(event(call("X2", power=(10, 11)), 0), before=state)
    called(event(call("X2", power=(10, 10)), 0), before=state)


@pytest.mark.rule("dispatch.direction")
def test_a_deal_down() -> None:
    on = ground(terms=deal(direction=Direction.DOWN))
    called(event(call(power=(-20, -20))), on=on)
    with breaks(dispatch_rules.DIRECTION):
        called(event(call()), on=on)


@pytest.mark.rule("dispatch.de_energised")
def test_a_point_without_supply() -> None:
    with breaks(dispatch_rules.DE_ENERGISED) as broken:
        called(event(call()), on=ground(state=grid_of(event(outage(), 0))))
    assert "T1: outage O1, from 2026-03-02T21:00:00Z to 2026-03-02T23:00:00Z" in str(broken.value)
    over = outage(starts=at(8), estimated_restoration=at(10))
    called(event(call()), on=ground(state=grid_of(event(over, 0))))
    below = outage(points=(ConnectionPointId("P3"),))
    called(event(call()), on=ground(state=grid_of(event(below, 0))))


@pytest.mark.rule("dispatch.de_energised")
def test_a_section_that_is_switched_off_and_fed_from_the_other_side() -> None:
    def switched(*steps: tuple[str, SwitchAction]) -> SystemCondition:
        orders = tuple(SwitchingStep(device=d, action=a, at=at(9)) for d, a in steps)
        return SystemCondition(
            condition="W1",
            kind=ConditionKind.SWITCHING,
            points=(HEAD,),
            window=window(9, 11),
            switching=orders,
        )

    off = switched(("R2", SwitchAction.OPEN))
    with breaks(dispatch_rules.DE_ENERGISED) as broken:
        called(event(call()), on=ground(state=grid_of(event(off, 0))))
    assert "switching" in str(broken.value)
    fed = switched(("R2", SwitchAction.OPEN), ("T39", SwitchAction.CLOSE))
    called(event(call()), on=ground(state=grid_of(event(fed, 0))))


@pytest.mark.rule("dispatch.suspended")
def test_suspended_ders_are_not_called() -> None:
    on = ground(registry=register(three_ders(), event(suspension("D1", "D2"), 0)))
    with breaks(dispatch_rules.SUSPENDED) as broken:
        called(event(call(power=(10, 11)), 1), on=on)
    assert "without D1, D2 there are 10 kW" in str(broken.value)
    called(event(call(power=(10, 10)), 1), on=on)


@pytest.mark.rule("dispatch.assets_out")
def test_ders_that_are_all_out() -> None:
    with breaks(dispatch_rules.ASSETS_OUT):
        called(event(call(), 1), on=ground(state=grid_of(event(all_out(), 0, SELLER))))
    some = all_out(ders=(DerId("D1"), DerId("D2")), unavailable_kw=20)
    called(event(call(), 1), on=ground(state=grid_of(event(some, 0, SELLER))))


@pytest.mark.rule("dispatch.system_limit")
def test_a_set_point_beyond_the_limit() -> None:
    limit = SystemCondition(
        condition="L1",
        kind=ConditionKind.LIMIT,
        points=(HEAD,),
        window=CALL,
        export_limit_kw=kw(CALL, 15, 15),
    )
    on = ground(state=grid_of(event(limit, 0)))
    with breaks(dispatch_rules.LIMIT):
        called(event(call(instruction=Instruction.SET_POINT, power=(15, 16)), 1), on=on)
    called(event(call(instruction=Instruction.SET_POINT, power=(15, 15)), 1), on=on)


def test_an_emergency_is_not_held_to_the_deal_but_to_the_grid() -> None:
    urgent = {"emergency": True, "confirmation": None, "span": window(9, 15), "power": (60,) * 6}
    assert called(event(call(**urgent, respond_by=at(9)), 9))["X1"].state is State.ISSUED
    with breaks(dispatch_rules.DE_ENERGISED):
        called(event(call(**urgent, respond_by=at(9)), 9), on=ground(state=grid_of(event(outage(), 0))))


@pytest.mark.rule("dispatch.nothing_to_override")
def test_an_emergency_displaces_what_is_open() -> None:
    state = called(event(call(), 0))
    urgent = {"emergency": True, "span": window(11, 12), "power": (9,), "respond_by": at(10.9)}
    after = called(event(call("E1", overrides=("X1",), **urgent), 10.5), before=state)
    assert (after["X1"].state, after["X1"].ends_early) == (State.OVERRIDDEN, at(11))
    for name in ("X1", "X9"):
        with breaks(dispatch.NO_OVERRIDE):
            called(event(call("E2", overrides=(name,), **urgent), 10.6), before=after)


@pytest.mark.rule("dispatch.revision")
def test_a_change_has_a_higher_revision_and_waits_for_its_own_answer() -> None:
    state = called(event(call(), 0), event(answer(), 1, SELLER))
    with breaks(dispatch.STALE):
        called(event(call(power=(10, 10)), 2), before=state)
    state = called(event(call(power=(10, 25), revision=2), 2), before=state)
    assert (state["X1"].state, state["X1"].owed(at(3))) == (State.CHANGED, call().target_kw)
    refused = answer(said="refused", revision=2, reason=RefusalReason.NOT_AVAILABLE)
    kept = called(event(refused, 3, SELLER), before=state)["X1"]
    assert (kept.state, kept.owed(at(4)), kept.instruction.revision) == (State.ACCEPTED, call().target_kw, 2)


@pytest.mark.rule("dispatch.under_notice")
def test_a_change_for_more_needs_notice_and_one_for_less_does_not() -> None:
    state = called(event(call(respond_by=at(9.9)), 0), event(answer(), 1, SELLER))
    with breaks(dispatch_rules.NOTICE):
        called(event(call(power=(20, 21), revision=2, respond_by=at(9.9)), 9.5), before=state)
    less = called(event(call(power=(20, 19), revision=2, respond_by=at(9.9)), 9.5), before=state)
    assert less["X1"].state is State.CHANGED


@pytest.mark.rule("dispatch.old_revision")
def test_an_answer_that_crosses_with_a_change() -> None:
    state = called(event(call(), 0), event(call(power=(10, 10), revision=2), 1))
    with breaks(dispatch.OLD_REVISION):
        called(event(answer(), 2, SELLER), before=state)


@pytest.mark.rule("dispatch.late")
def test_after_the_deadline_all_is_owed_and_can_still_be_accepted() -> None:
    state = called(event(call(), 0))
    assert view(state["X1"], at(9.4)) is Status.WAITING and view(state["X1"], at(9.5)) is Status.UNANSWERED
    refusal = answer(said="refused", reason=RefusalReason.NOT_AVAILABLE)
    with breaks(dispatch.LATE):
        called(event(refusal, 9.6, SELLER), before=state)
    late = called(event(answer(), 9.6, SELLER), before=state)["X1"]
    assert late.late and late.state is State.ACCEPTED and state["X1"].owed(at(10)) == call().target_kw


@pytest.mark.rule("dispatch.commitment")
def test_a_part_is_a_part() -> None:
    def partly(*values: int) -> Any:
        reason = RefusalReason.ASSET_OUTAGE
        return answer(said="partial", reason=reason, committed_kw=kw(CALL, *values))

    state = called(event(call(), 0), event(partly(20, 5), 1, SELLER))
    owed = state["X1"].owed(at(2))
    assert state["X1"].state is State.PARTIAL and owed is not None and owed.values == (20, 5)
    for values in ((21, 20), (20, -1), (20,)):
        with breaks(dispatch.COMMITMENT):
            called(event(call(), 0), event(partly(*values), 1, SELLER))
    with breaks(dispatch.COMMITMENT):
        called(event(call(), 0), event(answer(committed_kw=kw(CALL, 20, 19)), 1, SELLER))


@pytest.mark.rule("dispatch.unknown")
@pytest.mark.rule("dispatch.closed")
def test_what_was_not_called_or_is_over() -> None:
    with breaks(dispatch.UNKNOWN):
        called(event(answer("X9"), 1, SELLER))
    cancel = DispatchCancel(dispatch="X1", effective=at(2), reason=CancelReason.OUTAGE)
    with breaks(dispatch.CLOSED):
        called(event(call(), 0), event(cancel, 2), event(answer(), 3, SELLER))


@pytest.mark.rule("dispatch.back_dated")
def test_what_was_delivered_counts() -> None:
    state = called(event(call(), 0), event(answer(), 1, SELLER))
    cancel = DispatchCancel(dispatch="X1", effective=at(10.5), reason=CancelReason.OUTAGE)
    with breaks(dispatch.BACK_DATED):
        called(event(cancel, 11), before=state)
    after = called(event(cancel, 10.4), before=state)["X1"]
    assert after.ends_early == at(10.5) and after.counts_as_call


def report(kind: ReportKind, hours: float, **changes: Any) -> DispatchReport:
    return DispatchReport(dispatch="X1", report=kind, at=at(hours), **changes)


@pytest.mark.rule("dispatch.not_started")
@pytest.mark.rule("dispatch.started_twice")
def test_start_and_end_are_reported_once_and_in_order() -> None:
    state = called(event(call(), 0), event(answer(), 1, SELLER))
    with breaks(dispatch.NOT_STARTED):
        called(event(report(ReportKind.FINISHED, 12), 12, SELLER), before=state)
    assert view(state["X1"], at(10)) is Status.DUE
    state = called(event(report(ReportKind.STARTED, 10), 10, SELLER), before=state)
    assert view(state["X1"], at(11)) is Status.RUNNING and view(state["X1"], at(12)) is Status.UNREPORTED
    with breaks(dispatch.STARTED):
        called(event(report(ReportKind.STARTED, 11), 11, SELLER), before=state)
    done = called(event(report(ReportKind.FINISHED, 12), 12, SELLER), before=state)
    assert view(done["X1"], at(13)) is Status.FINISHED
    stop = report(ReportKind.STOPPED, 11, reason=RefusalReason.SAFETY)
    assert called(event(stop, 11, SELLER), before=state)["X1"].state is State.STOPPED


@pytest.mark.rule("dispatch.telemetry_outside")
def test_telemetry_of_the_hour_around() -> None:
    state = called(event(call(), 0), event(answer(), 1, SELLER))
    inside = DispatchTelemetry(dispatch="X1", power_kw=kw(window(9, 10), 3))
    assert called(event(inside, 10, SELLER), before=state)["X1"].telemetry == (inside,)
    with breaks(dispatch.OUTSIDE):
        outside = DispatchTelemetry(dispatch="X1", power_kw=kw(window(8, 9), 3))
        called(event(outside, 10, SELLER), before=state)


def test_a_der_that_left_is_not_called_any_more() -> None:
    removal = DerRemoval(der=DerId("D1"), reason=RemovalReason.CUSTOMER_LEFT)
    registry = register(three_ders(), event(change(2, 0, removed=(removal,)), 0, SELLER))
    assert called(event(call(), 1), on=ground(registry=registry))["X1"].issued == at() + timedelta(hours=1)
