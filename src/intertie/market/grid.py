"""The state of the grid between two parties: feeder models, outages, conditions, DERs out of service; and what follows from them
for a point at a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from intertie.market import asset_outage, condition, feeder, outage
from intertie.market.asset_outage import AssetOutages
from intertie.market.condition import Conditions, switches_at, switching_times
from intertie.market.event import Event, Rule
from intertie.market.feeder import Models, tree_at
from intertie.market.outage import Outages
from intertie.market.registry import Aggregation, Registry, Version, at_points
from intertie.model.ids import AggregationId, ConnectionPointId, DerId
from intertie.model.interval import Window

RULES: tuple[Rule, ...] = (*feeder.RULES, *outage.RULES, *condition.RULES, *asset_outage.RULES)


class Grid(NamedTuple):
    """What both sides know of the grid and of what is out on it."""

    models: Models
    outages: Outages
    conditions: Conditions
    assets: AssetOutages


EMPTY = Grid({}, {}, {}, {})


class Dead(NamedTuple):
    """A stretch without supply at a point, and what took it; an `end` that is not known is None."""

    point: ConnectionPointId
    start: datetime
    end: datetime | None
    why: str


def apply(grid: Grid, event: Event, registry: Registry) -> Grid:
    """The grid after a message; the same grid for a message that is not about it. Raises Broken."""
    tree = tree_at(grid.models, event.received)
    return Grid(
        feeder.apply(grid.models, event),
        outage.apply(grid.outages, event, tree),
        condition.apply(grid.conditions, event),
        asset_outage.apply(grid.assets, event, registry),
    )


def dead_in(grid: Grid, point: ConnectionPointId, window: Window, now: datetime) -> list[Dead]:
    """When a point has no supply in a window, as far as is known at `now`: by outages, and by switches that are open."""
    found = []
    for name, one in grid.outages.items():
        span = one.span(point, now)
        if span is not None and span[0] < window.end and (span[1] is None or window.start < span[1]):
            found.append(Dead(point, span[0], span[1], f"outage {name}"))
    return sorted([*found, *_cut_off(grid, point, window)], key=lambda one: (one.start, one.why))


def _cut_off(grid: Grid, point: ConnectionPointId, window: Window) -> list[Dead]:
    """By switching: looked at where the window begins and wherever a switch or the model changes."""
    times = {window.start, *switching_times(grid.conditions, window)}
    times |= {
        one.effective for models in grid.models.values() for one in models if window.holds(one.effective)
    }
    cuts = sorted(times)
    found: list[Dead] = []
    for start, end in zip(cuts, [*cuts[1:], window.end], strict=True):
        switches = switches_at(grid.conditions, start)
        if not switches or point not in tree_at(grid.models, start).dead(switches):
            continue
        if found and found[-1].end == start:
            found[-1] = found[-1]._replace(end=end)
        else:
            found.append(Dead(point, start, end, "switching"))
    return found


def dead_points(grid: Grid, at: datetime, now: datetime) -> frozenset[ConnectionPointId]:
    """All points without supply at a time, as far as is known at `now`."""
    found: set[ConnectionPointId] = set()
    for one in grid.outages.values():
        for point in one.lost:
            span = one.span(point, now)
            if span is not None and span[0] <= at and (span[1] is None or at < span[1]):
                found.add(point)
    switches = switches_at(grid.conditions, at)
    return frozenset(found | tree_at(grid.models, at).dead(switches)) if switches else frozenset(found)


NO_SUPPLY = "no supply"


class Able(NamedTuple):
    """What a DER can do at a time, and why it is not what was accepted."""

    aggregation: Aggregation
    der: DerId
    version: Version
    kw: Decimal
    why: str


def able(
    grid: Grid,
    registry: Registry,
    points: Iterable[ConnectionPointId],
    aggregation: AggregationId | None,
    at: datetime,
    now: datetime,
) -> list[Able]:
    """The DERs that count at these points at a time: nothing of one that is suspended or without supply, less of one that is
    out or limited."""
    dead = dead_points(grid, at, now)
    found = []
    for one, der, version in at_points(registry, points, aggregation, at):
        kw, why = version.kw, ""
        suspension = one.suspended(der, at)
        if suspension is not None:
            kw, why = Decimal(0), f"suspended by {suspension.name}"
        elif version.der.point in dead:
            kw, why = Decimal(0), NO_SUPPLY
        else:
            kw, why = _in_service(grid, one, der, version, at, now)
        found.append(Able(one, der, version, kw, why))
    return found


def _in_service(
    grid: Grid, aggregation: Aggregation, der: DerId, version: Version, at: datetime, now: datetime
) -> tuple[Decimal, str]:
    kw = aggregation.working_kw(der, version, at)
    why = "" if kw == version.kw else "limited"
    for one in grid.assets.values():
        if one.aggregation == aggregation.name and one.out(der, at, now):
            left = version.kw - one.lost(version.kw)
            if left < kw:
                kw, why = left, f"out by {one.name}"
    return kw, why
