"""What flows: load less generation, plus what was moved, and nothing where there is no supply."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from intertie.demo.feeder import STEPS, Element, Feeder
from intertie.demo.plan import PlannedOutage
from intertie.demo.response import Call
from intertie.demo.world import World

ELEMENTS = {
    e.name: e
    for e in (
        Element("house", "customer", "n1", 3000, None),
        Element("sun", "pv", "n1", 9000, None),
        Element("battery", "storage", "n2", 4000, 8000),
        Element("shop", "customer", "n2", 3000, None),
    )
}
DAYS = tuple(date(2026, 1, 5) + timedelta(days=i) for i in range(3))


def feeder() -> Feeder:
    power = {
        name: np.full((3, STEPS), watts, np.int64)
        for name, watts in (("house", 1001), ("sun", 300), ("shop", 2000))
    }
    return Feeder(ELEMENTS, DAYS, power, "feeder", 400, "Europe/Berlin", "busbar", {"busbar": None})


def test_a_node_is_consumption_less_generation() -> None:
    world = World(feeder(), [])
    assert set(world.node_watts("n1")) == {701}
    assert set(world.transformer_watts(1)) == {2701}


def test_a_meter_rounds_to_watt_hours() -> None:
    # 701 W for a quarter of an hour: 175.25 Wh; 2000 W: 500 Wh.
    found = World(feeder(), []).meter_days(["n1", "n2"], 0)
    assert {node: set(values) for node, values in found.items()} == {"n1": {175}, "n2": {500}}
    assert len(found["n1"]) == STEPS


def test_a_call_moves_power() -> None:
    world = World(feeder(), [])
    world.call(Call(STEPS + 76, STEPS + 80, 1500), [ELEMENTS["battery"]], frozenset())
    day = world.transformer_watts(1)
    assert (set(day[76:80]), set(day[:76])) == ({1201}, {2701})
    assert world.transformer_watts(0) == [2701] * STEPS
    night = world.transformer_watts(2)[:20]
    assert set(night) == {2701 + 4 * 1500 * 100 // 95 // 20}


def test_without_supply_nothing_flows() -> None:
    outage = PlannedOutage("fault", False, 1, 10, 20, ("n2",))
    world = World(feeder(), [outage])
    assert set(world.node_watts("n2")[STEPS + 10 : STEPS + 20]) == {0}
    assert set(world.node_watts("n1")) == {701}
    assert world.meter_days(["n2"], 1)["n2"][9:21] == (500, *[0] * 10, 500)


def test_the_feeder_itself_is_left_alone() -> None:
    grid = feeder()
    world = World(grid, [])
    world.call(Call(0, 4, 1500), [ELEMENTS["battery"]], frozenset())
    assert (grid.net() == 2701).all()


def test_what_was_moved_is_told_as_a_reduction() -> None:
    stage = World(feeder(), ())
    assert stage.moved_watts(list(ELEMENTS.values()), 0, 4) == [0, 0, 0, 0]
