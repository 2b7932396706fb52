"""Acts about what is out, by both sides, and availability beside them: one account of what can be counted on."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.trade_stage import (
    AGG,
    DEAL_TERMS,
    DERS,
    HOUR,
    MINUTE,
    P7,
    P9,
    Stage,
    dealt,
    kw,
    registered,
)

from intertie.cli.outage_show import DERS as DER_COLUMNS
from intertie.cli.outage_show import GRID, ders_row, grid_row
from intertie.gateway.trading import trade_availability as availability
from intertie.gateway.trading import trade_outage as act
from intertie.market.outage import State
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.contract import Direction, Service
from intertie.model.documents import example
from intertie.model.errors import Refused, SettingsError
from intertie.model.feeder import FeederModel
from intertie.model.ids import DocumentName
from intertie.model.interval import Window
from intertie.model.message import Mode
from intertie.model.quantity import Kilowatts
from intertie.model.system import (
    AssetOutageCause,
    OutageCause,
    OutageKind,
    OutageNotice,
    OutageStatus,
    OutageUpdate,
)

_, MODEL = example(DocumentName("feeder_model"))
assert isinstance(MODEL, FeederModel)
D1, D2, D3 = (one.id for one in DERS)


def notice(stage: Stage, name: str = "OUT-1", **changes: object) -> OutageNotice:
    base = OutageNotice(
        outage=name, kind=OutageKind.UNPLANNED, points=(P7, P9), starts=stage.now, cause=OutageCause.WEATHER
    )
    return replace(base, **changes)


def news(stage: Stage, status: OutageStatus, **changes: object) -> OutageUpdate:
    base = OutageUpdate(outage="OUT-1", revision=1, at=stage.now, status=status)
    return replace(base, **changes)


def test_from_notice_to_restoration() -> None:
    stage = registered()
    told = act.tell(stage.utility, notice(stage))
    planned = notice(
        stage,
        "OUT-2",
        kind=OutageKind.PLANNED,
        starts=stage.now + HOUR,
        estimated_restoration=stage.now + 2 * HOUR,
    )
    ahead = act.tell(stage.utility, planned)
    assert [stage.mode_of(UTILITY, one) for one in (told, ahead)] == [Mode.REAL_TIME, Mode.SCHEDULED]
    stage.done(told, ahead)
    for status in (OutageStatus.CREW_ASSIGNED, OutageStatus.REPAIRING):
        stage.done(act.update(stage.utility, news(stage, status, estimated_restoration=stage.now + HOUR)))
    outage = stage.books().grid.outages["OUT-1"]
    assert (outage.revision, outage.status) == (2, OutageStatus.REPAIRING)
    row = dict(zip(GRID, grid_row(outage, stage.now), strict=True))
    assert row["points_out"] == "F12-T7 F12-T9" and row["points_back"] == "" and row["news"] == "repairing"
    stage.done(act.restore(stage.utility, "OUT-1", stage.now, points=[P9]))
    row = dict(zip(GRID, grid_row(stage.books().grid.outages["OUT-1"], stage.now), strict=True))
    assert (row["points_out"], row["points_back"], row["state"]) == ("F12-T7", "F12-T9", "partly_restored")
    stage.done(act.restore(stage.utility, "OUT-1", stage.now))
    assert stage.books().grid.outages["OUT-1"].state is State.RESTORED
    with pytest.raises(SettingsError, match="back already"):
        act.restore(stage.utility, "OUT-1", stage.now)
    with pytest.raises(Refused, match=r"outage.name"):
        act.tell(stage.utility, notice(stage))
    with pytest.raises(SettingsError, match="no outage OUT-9"):
        act.update(stage.utility, news(stage, OutageStatus.REPAIRING, outage="OUT-9"))


def test_a_section_names_the_points_behind_it() -> None:
    stage = registered()
    stage.done(*stage.utility.say(replace(MODEL, effective=stage.now - HOUR)))
    head = MODEL.sections[0].section
    points = act.points_of(stage.utility, (), (head,))
    assert set(points) == {one.point for one in MODEL.points}
    assert act.points_of(stage.utility, (P9,), ()) == (P9,)
    stage.done(act.tell(stage.utility, notice(stage, points=points, sections=(head,))))
    stage.done(act.restore(stage.utility, "OUT-1", stage.now, sections=[head]))
    assert stage.books().grid.outages["OUT-1"].state is State.RESTORED


def lose(stage: Stage, *ders: object, much: int | None = None, **changes: object) -> None:
    lost = None if much is None else Kilowatts(Decimal(much))
    stage.done(
        act.lose(
            stage.aggregator,
            "A-1",
            AGG,
            list(ders),  # type: ignore[arg-type]
            OutageKind.UNPLANNED,
            AssetOutageCause.FAILURE,
            stage.now,
            kw=lost,
            **changes,  # type: ignore[arg-type]
        )
    )


def test_ders_are_out_in_part_or_whole_and_come_back() -> None:
    stage = registered()
    lose(stage, D1, D2)
    known = stage.books().grid.assets["A-1"]
    assert (known.missing_kw, known.of_kw, known.revision) == (20, 20, 1)
    expected = stage.now + HOUR
    lose(stage, D1, D2, much=5, expected=expected)
    known = stage.books().grid.assets["A-1"]
    assert (known.missing_kw, known.revision, known.expected) == (5, 2, expected)
    assert known.lost(Decimal(10)) == Decimal("2.5")
    row = dict(zip(DER_COLUMNS, ders_row(known, stage.now), strict=True))
    assert (row["missing_kw"], row["ders_out"], row["ders_back"]) == ("5", "DER-1 DER-2", "")
    stage.done(act.bring_back(stage.aggregator, "A-1", stage.now, [D1]))
    row = dict(zip(DER_COLUMNS, ders_row(stage.books().grid.assets["A-1"], stage.now), strict=True))
    assert (row["state"], row["ders_out"], row["ders_back"]) == ("partly_back", "DER-2", "DER-1")
    stage.done(act.bring_back(stage.aggregator, "A-1", stage.now))
    assert stage.books().grid.assets["A-1"].state == "back"
    with pytest.raises(SettingsError, match="back already"):
        act.bring_back(stage.aggregator, "A-1", stage.now)
    with pytest.raises(SettingsError, match="no outage A-9 of DERs"):
        act.bring_back(stage.aggregator, "A-9", stage.now)
    with pytest.raises(Refused, match=r"asset_outage.over"):
        lose(stage, D1, much=1)


def declaration(start: datetime, *up: float, **changes: object) -> AvailabilityDeclaration:
    series = kw(start, *up)
    base = AvailabilityDeclaration(
        aggregation=AGG,
        service=DEAL_TERMS.service,
        point=P7,
        window=Window(start=series.start, end=series.end),
        revision=77,
        up_kw=series,
        down_kw=kw(start, *(0 for _ in up)),
    )
    return replace(base, **changes)


def left(stage: Stage, start: datetime, **asked: object) -> list[tuple[Decimal, Decimal | None, Decimal]]:
    """Firm, declared and remaining at P7, as both see it."""
    window = Window(start=start, end=start + 2 * HOUR)
    question = availability.Asked(window, HOUR, point=P7)._replace(**asked)
    found = [availability.views(desk, question) for desk in (stage.utility, stage.aggregator)]
    assert found[0] == found[1]
    (one,) = found[0]
    return [(row.firm_kw, row.declared_kw, row.remaining_kw) for row in one.rows]


def test_declared_revised_withdrawn_and_declared_again() -> None:
    stage = dealt()
    start = stage.now + 2 * HOUR
    first = availability.declare(stage.aggregator, declaration(start, 15, 12))
    assert stage.mode_of(AGGREGATOR, first) is Mode.SCHEDULED
    now = availability.declare(stage.aggregator, declaration(stage.now + 5 * MINUTE, 20))
    assert stage.mode_of(AGGREGATOR, now) is Mode.REAL_TIME
    stage.done(first, now)
    assert left(stage, start) == [(10, 15, 5), (10, 12, 2)]
    stage.done(availability.declare(stage.aggregator, declaration(start, 9, 12)))
    assert left(stage, start) == [(10, 9, -1), (10, 12, 2)]
    (known,) = [
        one.body
        for many in stage.books().availability.declared.values()
        for one in many
        if one.body.window.start == start
    ]
    assert known.revision == 2
    within = Window(start=start, end=start + MINUTE)
    stage.done(*availability.withdraw(stage.aggregator, AGG, within=within))
    assert left(stage, start) == [(10, 0, -10), (10, 0, -10)]
    with pytest.raises(SettingsError, match="nothing is declared"):
        availability.withdraw(stage.aggregator, AGG, within=within)
    with pytest.raises(SettingsError, match="nothing is declared"):
        availability.withdraw(stage.aggregator, AGG, Service.VOLT_VAR)
    stage.done(*availability.withdraw(stage.aggregator, AGG, point=P7))
    stage.done(availability.declare(stage.aggregator, declaration(start, 11, 11)))
    assert left(stage, start) == [(10, 11, 1), (10, 11, 1)]


def test_an_outage_takes_from_what_was_declared_and_gives_it_back() -> None:
    stage = dealt()
    start = stage.now + 2 * HOUR
    stage.done(availability.declare(stage.aggregator, declaration(start, 20, 20)))
    lose(stage, D1, D3)
    assert left(stage, start) == [(10, 20, 0), (10, 20, 0)]
    stage.done(act.bring_back(stage.aggregator, "A-1", stage.now, [D1]))
    assert left(stage, start) == [(10, 20, 10), (10, 20, 10)]


def test_the_view_shows_what_is_declared_agreed_or_asked_for() -> None:
    stage = dealt()
    start = stage.now + 2 * HOUR
    window = Window(start=start, end=start + HOUR)
    asked = availability.Asked(window, HOUR)
    assert [one.point for one in availability.views(stage.utility, asked)] == [P7, P9]
    assert availability.views(stage.utility, asked._replace(service=Service.VOLT_VAR)) == []
    here = asked._replace(service=Service.VOLT_VAR, point=P7)
    (one,) = availability.views(stage.utility, here)
    assert one.rows[0].declared_kw is None and one.rows[0].firm_kw == 0
    assert left(stage, start, direction=Direction.DOWN)[0] == (0, None, 0)
    assert [deal.confirmation for deal in availability.deals_in_force(stage.utility)] == ["NWS-1"]


def test_an_aggregator_does_not_tell_of_the_grid_nor_a_utility_of_ders() -> None:
    stage = registered()
    with pytest.raises(SettingsError, match="does not go from"):
        act.tell(stage.aggregator, notice(stage))
    with pytest.raises(SettingsError, match="does not go from"):
        availability.declare(stage.utility, declaration(stage.now + HOUR, 5))
    with pytest.raises(SettingsError, match="does not go from"):
        act.lose(stage.utility, "A", AGG, [D1], OutageKind.UNPLANNED, AssetOutageCause.FAILURE, stage.now)
