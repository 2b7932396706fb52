"""The page of the feeder over real books: what both sides see of each point, at a time that somebody chose."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR
from tests.exchange.test_acts_outage import MODEL, notice
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
    der,
    kw,
    registered,
)

from intertie.gateway.trading import trade_outage, trade_registration
from intertie.gateway.trading.trade_availability import declare
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.views import view_feeder
from intertie.gateway.views.view_feeder import (
    QUARTER,
    FeederView,
    Looked,
    PointLine,
    feeder_view,
    slide,
    walk,
)
from intertie.market.feeder import tree_at
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.contract import Direction, Service
from intertie.model.ids import ConnectionPointId
from intertie.model.interval import Window, local_day
from intertie.model.system import ConditionKind, SwitchAction, SwitchingStep, SystemCondition


def point(seen: FeederView, name: ConnectionPointId = P7) -> PointLine:
    (found,) = [one for one in seen.points if one.point == name]
    return found


def both(stage: Stage, **looked: object) -> FeederView:
    """The page of either side, which is the same."""
    at = looked.pop("at", stage.now)
    wanted = Looked(at, **looked)  # type: ignore[arg-type]
    seen = feeder_view(stage.utility, wanted)
    assert seen == feeder_view(stage.aggregator, wanted)
    return seen


def condition(
    stage: Stage, kind: ConditionKind, *points: ConnectionPointId, **more: object
) -> SystemCondition:
    start = stage.now.replace(minute=0, second=0, microsecond=0) + HOUR
    return SystemCondition(
        condition=f"C-{kind}", kind=kind, points=points, window=Window(start=start, end=start + HOUR), **more
    )


def test_what_was_agreed_and_declared_at_each_point() -> None:
    stage = dealt()
    start = stage.now + HOUR
    series = kw(start, 15)
    said = AvailabilityDeclaration(
        aggregation=AGG,
        service=DEAL_TERMS.service,
        point=P7,
        window=Window(start=start, end=series.end),
        revision=1,
        up_kw=series,
        down_kw=kw(start, 2),
    )
    stage.done(declare(stage.aggregator, said))
    seen = both(stage, at=start + 20 * MINUTE)
    assert (seen.service, seen.services, seen.total, seen.dead) == (
        DEAL_TERMS.service,
        (DEAL_TERMS.service,),
        2,
        0,
    )
    here, there = point(seen), point(seen, P9)
    assert (here.firm_kw, here.declared_kw, here.withdrawn_kw, here.remaining_kw) == (10, 15, 0, 5)
    assert (here.ders, here.able_kw, here.dead, here.short) == (2, 20, False, False)
    assert (there.firm_kw, there.declared_kw, there.remaining_kw, there.short) == (10, None, -10, True)
    assert here.section is None and seen.sections == ()
    down = point(both(stage, at=start + QUARTER, direction=Direction.DOWN))
    assert (down.firm_kw, down.declared_kw) == (0, 2)
    other = both(stage, at=start, service=Service.RELIABILITY)
    assert point(other).declared_kw is None and point(other).firm_kw == 0
    before = point(both(stage, at=start - QUARTER))
    assert before.declared_kw is None and before.firm_kw == 10


def test_outages_and_switches_along_the_feeder() -> None:
    stage = dealt()
    stage.done(*stage.utility.say(replace(MODEL, effective=stage.now - HOUR)))
    planned = notice(stage, points=(P9,), starts=stage.now + HOUR, estimated_restoration=stage.now + 3 * HOUR)
    stage.done(trade_outage.tell(stage.utility, planned))
    now = both(stage)
    assert [one.section for one in now.sections] == ["F12-S1", "F12-S2", "F12-S3", "F14-S1"]
    assert [(one.points, one.dead) for one in now.sections] == [(0, 0), (1, 0), (1, 0), (0, 0)]
    assert [one.point for one in now.points] == [P7, P9] and not point(now, P9).dead
    ahead = both(stage, at=stage.now + 2 * HOUR)
    assert point(ahead, P9).outages == ("OUT-1",) and point(ahead, P9).able_kw == 0 and ahead.dead == 1
    assert ahead.sections[2].dead == 1 and not point(ahead).dead
    assert not point(both(stage, at=stage.now + 4 * HOUR), P9).dead
    at = stage.now + 5 * MINUTE
    opened = condition(
        stage,
        ConditionKind.SWITCHING,
        P7,
        switching=(SwitchingStep(device="F12-R2", action=SwitchAction.OPEN, at=at),),
    )
    opened = replace(opened, window=Window(start=at, end=at + HOUR))
    stage.done(*stage.utility.say(opened))
    cut = both(stage, at=at + MINUTE)
    assert point(cut).outages == ("switching",) == point(cut, P9).outages


def test_load_and_limits_are_what_was_told() -> None:
    stage = dealt()
    start = stage.now.replace(minute=0, second=0, microsecond=0) + HOUR
    alone = condition(stage, ConditionKind.FORECAST, P7, forecast_kw=kw(start, 12))
    together = replace(alone, condition="C-2", points=(P7, P9), forecast_kw=kw(start, 40))
    limit = condition(stage, ConditionKind.LIMIT, P9, limit_kw=kw(start, 30), export_limit_kw=kw(start, 8))
    for body in (alone, together, limit):
        stage.done(*stage.utility.say(body))
    seen = both(stage, at=start + QUARTER)
    assert point(seen).load == view_feeder.Forecast(Decimal(12), 1)
    assert point(seen, P9).load == view_feeder.Forecast(Decimal(40), 2)
    assert (point(seen, P9).towards_kw, point(seen, P9).back_kw) == (30, 8)
    assert (point(seen).towards_kw, point(seen).back_kw) == (None, None)
    over = both(stage, at=alone.window.end)
    assert point(over).load is None and point(over, P9).back_kw is None


def test_without_terms_nothing_is_said_of_what_can_be_had() -> None:
    stage = Stage()
    empty = feeder_view(stage.utility, Looked(stage.now))
    assert (empty.total, empty.points, empty.service, empty.next) == (0, (), None, None)
    known = both(registered())
    assert known.service is None and point(known).firm_kw is None and point(known).ders == 2
    assert not point(known).short


def test_pages_of_points_hold_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = registered()
    more = [der(number, ConnectionPointId(f"P-{number:03}")) for number in range(10, 17)]
    stage.done(trade_registration.change(stage.aggregator, AGG, stage.now, added=more))
    monkeypatch.setattr(view_feeder, "POINTS_PAGE", 4)
    seen: list[str] = []
    start: int | None = 0
    while start is not None:
        page = both(stage, start=start)
        assert page.start == start and page.total == 9
        seen += [one.point for one in page.points]
        start = page.next
    assert len(seen) == 9 == len(set(seen))
    assert both(stage, start=10**9).points and both(stage, start=-5).start == 0


def test_points_behind_a_point_count_at_it() -> None:
    stage = registered()
    places = (*MODEL.points[:1], replace(MODEL.points[1], parent=P7))
    stage.done(*stage.utility.say(replace(MODEL, effective=stage.now - HOUR, points=places)))
    seen = both(stage)
    assert (point(seen).ders, point(seen).able_kw) == (len(DERS), 30) and point(seen, P9).ders == 1
    desk: Desk = stage.desk(AGGREGATOR)
    assert len(walk(tree_at(desk.book.grid.models, stage.now))) == len(MODEL.sections)


DAYS = st.dates(date(2026, 1, 1), date(2027, 12, 31))


@given(DAYS, st.integers(-200, 200) | st.none(), st.integers(0, 3 * 24 * 60))
def test_the_slider_stays_in_its_day(day: date, place: int | None, minutes: int) -> None:
    window = local_day(day, "America/New_York")
    now = window.start - timedelta(days=1) + timedelta(minutes=minutes)
    found = slide(window, place, now)
    assert 0 <= found.place <= found.last and window.holds(found.at)
    assert found.last + 1 == (window.end - window.start) // QUARTER and found.last in (91, 95, 99)
    assert slide(window, found.place, now) == found
    if place is None and window.holds(now):
        assert found.at == now
    assert found.at.tzinfo is UTC
