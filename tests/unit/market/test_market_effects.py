"""What outages and suspensions do to deals, open dispatches and declarations; telemetry beside the instruction."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from tests.unit.market.grid_cases import (
    AGG,
    CALL,
    DEAL,
    HEAD,
    SELLER,
    answer,
    at,
    call,
    called,
    event,
    grid_of,
    ground,
    kw,
    three_ders,
    window,
)

from intertie.market.dispatch_state import EMPTY
from intertie.market.effects import effects
from intertie.market.registering import apply as register
from intertie.market.telemetry import ROWS_MAX, track
from intertie.model.aggregation import DerSuspension, SuspensionReason
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.contract import Service
from intertie.model.dispatch import CancelReason, DispatchCancel, DispatchTelemetry
from intertie.model.ids import ConnectionPointId, DerId
from intertie.model.interval import IntervalSeries
from intertie.model.quantity import Unit
from intertie.model.system import OutageCause, OutageKind, OutageNotice

HOUR = timedelta(hours=1)
DAY = window(0, 24)
TRANSFORMER_SIDE = OutageNotice(
    outage="O1",
    kind=OutageKind.UNPLANNED,
    cause=OutageCause.VEHICLE,
    points=(ConnectionPointId("P3"),),
    starts=at(9),
    estimated_restoration=at(12),
)


def declared(*kilowatts: int) -> AvailabilityDeclaration:
    return AvailabilityDeclaration(
        aggregation=AGG,
        service=Service.DIST_CAPACITY,
        point=HEAD,
        window=CALL,
        revision=1,
        up_kw=kw(CALL, *kilowatts),
        down_kw=kw(CALL, 0, 0),
    )


def test_nothing_is_out_and_nothing_is_short() -> None:
    found = effects(ground(), called(event(call(), 0)), [declared(30, 30)], DAY, HOUR, at(1))
    assert found == ((), (), (), ())


def test_an_outage_of_one_point_as_it_meets_each_promise() -> None:
    """Ten of thirty kilowatts are gone from 16:00 to 19:00 there; the deal of 25 kW may be called from 17:00 to 22:00."""
    on = ground(state=grid_of(event(TRANSFORMER_SIDE, 5)))
    found = effects(on, called(event(call(power=(20, 25)), 0)), [declared(15, 30)], DAY, HOUR, at(6))
    assert [(one.der, one.kw, one.why) for one in found.lacks] == [(DerId("D3"), 0, "no supply")]
    assert [(one.confirmation, one.start, one.able_kw, one.short_kw) for one in found.deals] == [
        (DEAL, at(10), 20, 5),
        (DEAL, at(11), 20, 5),
    ]
    assert found.deals[0].why == ("no supply at P3",)
    assert [(one.start, one.short_kw) for one in found.dispatches] == [(at(11), 5)]
    assert [(one.start, one.declared_kw, one.able_kw) for one in found.declared] == [(at(11), 30, 20)]


def test_a_suspension_is_seen_as_one() -> None:
    body = DerSuspension(suspension="S1", aggregation=AGG, effective=at(), reason=SuspensionReason.SAFETY)
    registry = register(three_ders(), event(body, 0))
    found = effects(ground(registry=registry), EMPTY, [], DAY, HOUR, at(1))
    assert {one.why for one in found.deals} == {("suspended by S1",)} and len(found.deals) == 5


def test_past_its_estimate_an_outage_goes_on() -> None:
    on = ground(state=grid_of(event(TRANSFORMER_SIDE, 5)))
    assert [len(effects(on, EMPTY, [], DAY, HOUR, at(now)).deals) for now in (6, 12)] == [2, 5]


def measured(first: float, *values: int, revision: int = 1, minutes: int = 30) -> DispatchTelemetry:
    span = window(first, first + len(values) * minutes / 60)
    return DispatchTelemetry(dispatch="X1", power_kw=kw(span, *values, minutes=minutes), revision=revision)


def test_telemetry_beside_what_was_asked() -> None:
    state = called(
        event(call(), 0),
        event(answer(), 1, SELLER),
        event(measured(10, 10, 20, 30), 11.5, SELLER),
        event(measured(10, 16, revision=2), 12, SELLER),
        event(measured(10, 1), 12.1, SELLER),
    )
    found = track(state["X1"], at(13))
    assert found.step == timedelta(minutes=30)
    assert [(row.asked_kw, row.owed_kw, row.measured_kw) for row in found.rows] == [
        (20, 20, 16),
        (20, 20, 20),
        (20, 20, 30),
        (20, 20, None),
    ]
    assert found.followed == Decimal("0.933"), "16 of 20, and no more than all of the others"


def test_nothing_is_owed_once_it_was_taken_back() -> None:
    cancel = DispatchCancel(dispatch="X1", effective=at(11), reason=CancelReason.OUTAGE)
    state = called(
        event(call(), 0), event(answer(), 1, SELLER), event(measured(10, 20, 20, 0, 0), 12, SELLER)
    )
    found = track(called(event(cancel, 10.5), before=state)["X1"], at(13))
    assert [row.owed_kw for row in found.rows] == [20, 20, None, None] and found.followed == 1


def test_telemetry_in_seconds_is_drawn_together() -> None:
    long = DispatchTelemetry(
        dispatch="X1",
        power_kw=IntervalSeries(
            start=CALL.start, step_seconds=4, unit=Unit.KW, power_of_ten=0, values=(20,) * 1800
        ),
    )
    state = called(event(call(), 0), event(answer(), 1, SELLER), event(long, 12, SELLER))
    found = track(state["X1"], at(13))
    assert len(found.rows) == ROWS_MAX and {row.measured_kw for row in found.rows} == {20}
