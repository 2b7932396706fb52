"""The plan follows from the data, and the data gives a season worth playing."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from intertie.demo.feeder import Feeder, read_feeder
from intertie.demo.plan import (
    EVENING,
    PEAKS,
    Fate,
    Plan,
    choose_events,
    forecast_kw,
    make_plan,
    offer_watts,
)
from intertie.model.errors import SettingsError

FOLDER = Path(__file__).parents[3] / "examples" / "feeder"


@pytest.fixture(scope="module")
def feeder() -> Feeder:
    return read_feeder(FOLDER)


@pytest.fixture(scope="module")
def plan(feeder: Feeder) -> Plan:
    return make_plan(feeder)


def test_the_portfolio(plan: Plan) -> None:
    kinds = [e.kind for e in plan.offered]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "storage": 14, "pv": 4, "heat_pump": 13, "charger": 8,
    }  # fmt: skip
    assert plan.committed in plan.offered


def test_the_limit_is_exceeded_on_the_evenings_that_are_called(feeder: Feeder, plan: Plan) -> None:
    peaks = feeder.net()[:, EVENING.start : EVENING.stop].max(axis=1)
    above = {e.day for e in plan.events if peaks[e.day] > plan.limit_kw * 1000}
    assert len(above) == PEAKS
    assert {e.fate for e in plan.events if e.day not in above} == {Fate.CANCELLED}
    assert {e.fate for e in plan.events} == set(Fate)


def test_every_call_covers_what_is_above_the_limit(feeder: Feeder, plan: Plan) -> None:
    for event in plan.events:
        row = feeder.net()[event.day]
        over = [i for i in EVENING if row[i] > plan.limit_kw * 1000]
        assert all(event.first <= i < event.last for i in over)
        assert event.first in EVENING
        assert event.last <= EVENING.stop
        assert event.asked_kw >= max(int(row[i]) for i in EVENING) / 1000 - plan.limit_kw
        assert event.asked_kw % 5 == 0


def test_no_outage_on_a_day_with_a_call(plan: Plan) -> None:
    assert not {o.day for o in plan.outages} & {e.day for e in plan.events}
    assert {o.planned for o in plan.outages} == {True, False}
    assert all(o.first < o.last and o.nodes for o in plan.outages)


def test_the_plan_is_the_same_every_time(feeder: Feeder, plan: Plan) -> None:
    assert make_plan(feeder) == plan
    assert plan.event_on(plan.events[0].day) == plan.events[0]
    assert plan.event_on(0) is None


def test_a_short_season_is_refused() -> None:
    days = [date(2026, 1, 5) + timedelta(days=i) for i in range(20)]
    with pytest.raises(SettingsError, match="20 days hold"):
        choose_events(days, np.zeros((20, 96), np.int64))


def test_the_forecast_is_two_percent_above_and_whole() -> None:
    assert forecast_kw(np.array([100_000, 100_001, 0])) == [102, 103, 0]


def test_the_offer_is_the_batteries_and_half_of_the_flexible_load(feeder: Feeder) -> None:
    battery, pump = feeder.of_kind("storage")[0], feeder.of_kind("heat_pump")[0]
    # A battery offers what 90 % of its energy gives for two hours, at most its power.
    assert set(offer_watts(feeder, [battery], 20)) == {
        min(battery.rated_w, (battery.rated_wh or 0) * 9 // 20)
    }
    week = feeder.power[pump.name][13:20].sum(axis=0)
    assert offer_watts(feeder, [pump], 20) == [int(w) // 7 // 2 for w in week]
    assert offer_watts(feeder, [pump], 0) == [int(w) // 2 for w in feeder.power[pump.name][0]]
    assert offer_watts(feeder, [], 5) == [0] * 96
