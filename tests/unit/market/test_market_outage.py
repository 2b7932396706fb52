"""Outages both ways, conditions and the feeder model: what is dead when, and every rule."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.unit.market.grid_cases import (
    AGG,
    HEAD,
    POINTS,
    SELLER,
    at,
    breaks,
    event,
    feeder,
    grid_of,
    three_ders,
    window,
)

from intertie.market import asset_outage, condition, grid, outage
from intertie.market import feeder as feeders
from intertie.market.feeder import tree_at
from intertie.market.grid import able, dead_in, dead_points
from intertie.model.feeder import PointPlace, Section
from intertie.model.ids import AggregationId, ConnectionPointId, DerId
from intertie.model.quantity import Kilowatts
from intertie.model.record import Record
from intertie.model.system import (
    AssetOutage,
    AssetOutageCause,
    AssetReturn,
    ConditionKind,
    OutageCause,
    OutageKind,
    OutageNotice,
    OutageStatus,
    OutageUpdate,
    RestorationNotice,
    SwitchAction,
    SwitchingStep,
    SystemCondition,
)

P1, P2, P3 = POINTS
TREE = tree_at({"F1": (feeder(),)}, at())


def notice(**changes: Any) -> OutageNotice:
    said = {"points": (HEAD,), "starts": at(2), "kind": OutageKind.UNPLANNED, **changes}
    return OutageNotice(outage="O1", cause=OutageCause.WEATHER, **said)


def news(revision: int = 1, status: OutageStatus = OutageStatus.REPAIRING, **changes: Any) -> OutageUpdate:
    return OutageUpdate(outage="O1", revision=revision, at=changes.pop("at", at(3)), status=status, **changes)


def restored(*points: ConnectionPointId, hours: float = 4, **changes: Any) -> RestorationNotice:
    return RestorationNotice(outage="O1", points=points or (HEAD,), restored=at(hours), **changes)


def dead(state: grid.Grid, hours: float, now: float | None = None) -> set[str]:
    return set(dead_points(state, at(hours), at(hours if now is None else now)))


def out(*ders: str, kw: int = 10, **changes: Any) -> AssetOutage:
    said = {"outage": "A1", "aggregation": AGG, "starts": at(2), **changes}
    ids = tuple(DerId(one) for one in ders)
    return AssetOutage(
        ders=ids,
        kind=OutageKind.UNPLANNED,
        cause=AssetOutageCause.FAILURE,
        unavailable_kw=Kilowatts(Decimal(kw)),
        **said,
    )


def back(*ders: str, hours: float = 5, **changes: Any) -> AssetReturn:
    said = {"outage": "A1", "aggregation": AGG, **changes}
    return AssetReturn(ders=tuple(DerId(one) for one in ders), returned=at(hours), **said)


def refused(rule: Any, body: Record, *before: Record) -> None:
    state = grid_of(*(event(one, i / 100) for i, one in enumerate(before)))
    with breaks(rule):
        grid.apply(state, event(body, 1), three_ders())


def test_an_outage_takes_all_behind_a_point_and_lasts_until_it_is_restored() -> None:
    state = grid_of(event(notice(estimated_restoration=at(6)), 2))
    assert dead(state, 1) == set() and dead(state, 3) == {HEAD, P1, P2, P3}
    assert dead(state, 7, now=3) == set(), "expected to be back"
    assert dead(state, 7) == {HEAD, P1, P2, P3}, "it was not restored in time"
    state = grid_of(event(notice(), 2), event(restored(P3, complete=False), 4), event(restored(hours=6), 6))
    assert dead(state, 5) == {HEAD, P1, P2}
    assert state.outages["O1"].state is outage.State.RESTORED and dead(state, 6) == set()


def test_a_section_and_all_below_it() -> None:
    state = grid_of(event(notice(points=(P3,), sections=("S3",)), 2))
    assert dead(state, 3) == {P3}
    assert dead(grid_of(event(notice(points=(P3,), sections=("S1",)), 2)), 3) == {HEAD, P1, P2, P3}
    assert TREE.below(["S2"]) == {"S2", "S3"}


def test_a_part_that_is_back_and_a_point_that_is_lost_later() -> None:
    update = news(1, OutageStatus.PARTLY_RESTORED, restored_points=(P1,))
    state = grid_of(event(notice(), 2), event(update, 3))
    assert dead(state, 3) == {HEAD, P2, P3} and state.outages["O1"].state is outage.State.PARTLY_RESTORED
    more = grid_of(event(notice(points=(P1,)), 2), event(news(added_points=(P2,), at=at(4)), 4))
    assert (dead(more, 3), dead(more, 4)) == ({P1}, {P1, P2})


def test_one_that_is_postponed_lasts_as_long_and_one_that_is_cancelled_not_at_all() -> None:
    planned = notice(kind=OutageKind.PLANNED, estimated_restoration=at(6))
    state = grid_of(event(planned, 0), event(news(1, OutageStatus.POSTPONED, starts=at(10)), 1))
    (one,) = dead_in(state, P1, window(0, 24), at(1))
    assert (one.start, one.end, one.why) == (at(10), at(14), "outage O1")
    state = grid_of(event(planned, 0), event(news(1, OutageStatus.CANCELLED), 1))
    assert dead_in(state, P1, window(0, 24), at(1)) == []


@pytest.mark.rule("outage.name")
@pytest.mark.rule("outage.unknown")
@pytest.mark.rule("outage.revision")
@pytest.mark.rule("outage.over")
@pytest.mark.rule("outage.not_affected")
@pytest.mark.rule("outage.no_section")
@pytest.mark.rule("outage.early")
def test_the_rules_of_an_outage() -> None:
    refused(outage.NAME, notice(), notice())
    refused(outage.UNKNOWN, news())
    refused(outage.UNKNOWN, restored())
    refused(outage.STALE, news(2), notice(), news(2))
    refused(outage.OVER, news(), notice(), restored())
    refused(outage.OVER, restored(), notice(), news(1, OutageStatus.CANCELLED))
    refused(outage.NOT_AFFECTED, restored(P2, complete=False), notice(points=(P1,)))
    refused(outage.NO_SECTION, notice(sections=("S7",)))
    refused(outage.EARLY, restored(hours=1), notice())


def switching(*steps: tuple[str, SwitchAction, float], **changes: Any) -> SystemCondition:
    orders = tuple(SwitchingStep(device=d, action=a, at=at(h)) for d, a, h in steps)
    said = {"points": (HEAD,), "window": window(2, 8), "kind": ConditionKind.SWITCHING, **changes}
    return SystemCondition(condition="W1", switching=orders, **said)


def test_switches_cut_off_and_feed_from_the_other_side() -> None:
    opened, tied = ("R3", SwitchAction.OPEN, 3.0), ("T39", SwitchAction.CLOSE, 5.0)
    state = grid_of(event(switching(opened, tied), 0))
    assert [dead(state, hour) for hour in (2, 3, 5)] == [set(), {P3}, set()]
    (one,) = dead_in(state, P3, window(0, 24), at(1))
    assert (one.start, one.end) == (at(3), at(5))
    alone = grid_of(event(switching(opened), 0))
    (one,) = dead_in(alone, P3, window(0, 24), at(1))
    assert (one.start, one.end) == (at(3), at(8)), "with its condition it is over"


@pytest.mark.rule("condition.revision")
@pytest.mark.rule("condition.nothing_to_end")
def test_the_rules_of_a_condition() -> None:
    normal = SystemCondition(
        condition="W1", kind=ConditionKind.NORMAL, points=(HEAD,), window=window(4, 8), revision=2
    )
    one = switching(("R3", SwitchAction.OPEN, 3.0))
    refused(condition.STALE, one, one)
    refused(condition.NOTHING_TO_END, normal)
    refused(condition.NOTHING_TO_END, msgspec.structs.replace(normal, revision=3), one, normal)
    state = grid_of(event(one, 0), event(normal, 1))
    assert (dead(state, 3), dead(state, 4)) == ({P3}, set())


@pytest.mark.rule("feeder.revision")
@pytest.mark.rule("feeder.one_place")
def test_the_rules_of_the_feeder_model() -> None:
    refused(feeders.STALE, feeder())
    places = (PointPlace(point=ConnectionPointId("P8"), section="S1"),)
    sections = (Section(section="S1", feeder="F2"),)
    clash = feeder(model="F2", sections=sections, points=places, ties=())
    refused(feeders.ONE_PLACE, clash)


def test_a_newer_model_counts_from_its_date() -> None:
    moved = feeder(2, effective=at(5), points=(PointPlace(point=P3, section="S9"),))
    models = grid_of(event(moved, 0)).models
    assert (tree_at(models, at(4)).places[P3], tree_at(models, at(5)).places[P3]) == ("S3", "S9")


def able_kw(state: grid.Grid, hours: float, now: float | None = None) -> Decimal:
    moment = at(hours if now is None else now)
    return sum((one.kw for one in able(state, three_ders(), POINTS, AGG, at(hours), moment)), Decimal(0))


def test_ders_that_are_out_are_missing_until_they_are_back() -> None:
    one = out("D1", "D2", kw=10, expected_return=at(6))
    state = grid_of(event(one, 2, SELLER))
    assert (able_kw(state, 1), able_kw(state, 3)) == (30, 20)
    assert (able_kw(state, 7, now=3), able_kw(state, 7)) == (30, 20)
    part = grid_of(event(one, 2, SELLER), event(back("D1", complete=False), 5, SELLER))
    assert able_kw(part, 5) == 25 and part.assets["A1"].state is asset_outage.State.PARTLY_BACK
    whole = grid_of(event(one, 2, SELLER), event(back("D1"), 5, SELLER))
    assert able_kw(whole, 5) == 30 and whole.assets["A1"].state is asset_outage.State.BACK


@pytest.mark.rule("asset_outage.revision")
@pytest.mark.rule("asset_outage.unknown")
@pytest.mark.rule("asset_outage.unknown_der")
@pytest.mark.rule("asset_outage.not_out")
@pytest.mark.rule("asset_outage.too_much")
@pytest.mark.rule("asset_outage.over")
def test_the_rules_of_an_outage_of_ders() -> None:
    refused(asset_outage.STALE, out("D1"), out("D1"))
    refused(asset_outage.UNKNOWN, back("D1"))
    refused(asset_outage.UNKNOWN_DER, out("D9"))
    refused(asset_outage.UNKNOWN_DER, out("D1", aggregation=AggregationId("AGG-9")))
    refused(asset_outage.NOT_OUT, back("D2"), out("D1"))
    refused(asset_outage.NOT_OUT, back("D1", hours=1), out("D1"))
    refused(asset_outage.TOO_MUCH, out("D1", kw=11))
    refused(asset_outage.OVER, out("D1", revision=2), out("D1"), back("D1"))
