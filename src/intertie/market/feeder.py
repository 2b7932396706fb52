"""The feeder model at work: what hangs below a section, and which points have no way to the substation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from intertie.market.event import Broken, Event, Rule
from intertie.model.feeder import FeederModel
from intertie.model.ids import ConnectionPointId
from intertie.model.system import SwitchAction

STALE = Rule(
    "feeder.revision",
    "A feeder model has a higher revision than the one before it.",
    "IEC 61968 connectivity, exchanged as whole revisions (docs/grid.md)",
)
ONE_PLACE = Rule(
    "feeder.one_place",
    "A section, a switch or a point is in one model only.",
    "Parent-child order of the feeder model (docs/grid.md)",
)
RULES: tuple[Rule, ...] = (STALE, ONE_PLACE)

Models = Mapping[str, tuple[FeederModel, ...]]
# The state of switches that are not as they are as a rule, by device.
Switches = Mapping[str, SwitchAction]


def apply(models: Models, event: Event) -> Models:
    """The models after a message. The older revision counts until the new one takes effect. Raises Broken."""
    body = event.body
    if not isinstance(body, FeederModel):
        return models
    known = models.get(body.model, ())
    if known and body.revision <= known[-1].revision:
        raise Broken(STALE, f"{body.model} is at revision {known[-1].revision} already")
    for name, others in models.items():
        shared = _names(body) & _names(others[-1]) if name != body.model else set()
        if shared:
            raise Broken(ONE_PLACE, f"{min(shared)} is in {name}")
    begun = [one for one in known if one.effective <= event.received]
    to_come = [one for one in known if one.effective > event.received]
    return {**models, body.model: (*begun[-1:], *to_come, body)}


def _names(model: FeederModel) -> set[str]:
    devices = {*(one.device for one in model.sections if one.device), *(one.device for one in model.ties)}
    return (
        {f"section {one.section}" for one in model.sections}
        | {f"point {one.point}" for one in model.points}
        | {f"switch {device}" for device in devices}
    )


class Tree(NamedTuple):
    """All models that count at a time, as one: what feeds a section, through which switch, and what hangs on it."""

    parents: Mapping[str, tuple[str | None, str | None]]
    ties: tuple[tuple[str, str, str], ...]
    points: Mapping[str, tuple[ConnectionPointId, ...]]
    places: Mapping[ConnectionPointId, str]
    behind: Mapping[ConnectionPointId, tuple[ConnectionPointId, ...]]

    def under(self, points: Iterable[ConnectionPointId]) -> frozenset[ConnectionPointId]:
        """The points and all that are behind them; one that no model knows is by itself."""
        found: set[ConnectionPointId] = set()
        waiting = list(points)
        while waiting:
            point = waiting.pop()
            if point not in found:
                found.add(point)
                waiting += self.behind.get(point, ())
        return frozenset(found)

    def below(self, sections: Iterable[str]) -> frozenset[str]:
        """The sections and all that are fed through them as a rule, children and their children."""
        children: dict[str, list[str]] = {}
        for name, (parent, _) in self.parents.items():
            if parent is not None:
                children.setdefault(parent, []).append(name)
        found: set[str] = set()
        waiting = list(sections)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += children.get(name, [])
        return frozenset(found)

    def points_below(self, sections: Iterable[str]) -> frozenset[ConnectionPointId]:
        """The points on these sections and below them."""
        return frozenset(point for name in self.below(sections) for point in self.points.get(name, ()))

    def dead(self, switches: Switches) -> frozenset[ConnectionPointId]:
        """The points without a way to the substation, with these switches operated: feeds are closed as a rule, ties open."""
        ways: dict[str, list[str]] = {}
        live: list[str] = []
        for name, (parent, device) in self.parents.items():
            if device is not None and switches.get(device) is SwitchAction.OPEN:
                continue
            if parent is None:
                live.append(name)
            else:
                ways.setdefault(parent, []).append(name)
                ways.setdefault(name, []).append(parent)
        for device, first, second in self.ties:
            if switches.get(device) is SwitchAction.CLOSE:
                ways.setdefault(first, []).append(second)
                ways.setdefault(second, []).append(first)
        reached: set[str] = set()
        while live:
            name = live.pop()
            if name not in reached:
                reached.add(name)
                live += ways.get(name, [])
        return frozenset(point for point, section in self.places.items() if section not in reached)


NO_TREE = Tree({}, (), {}, {}, {})


def tree_at(models: Models, at: datetime) -> Tree:
    """The models as they count at a time; before the first takes effect, the first."""
    parents: dict[str, tuple[str | None, str | None]] = {}
    ties: list[tuple[str, str, str]] = []
    points: dict[str, tuple[ConnectionPointId, ...]] = {}
    places: dict[ConnectionPointId, str] = {}
    behind: dict[ConnectionPointId, tuple[ConnectionPointId, ...]] = {}
    for revisions in models.values():
        begun = [one for one in revisions if one.effective <= at]
        model = begun[-1] if begun else revisions[0]
        for section in model.sections:
            parents[section.section] = (section.parent, section.device)
        ties += [(tie.device, tie.first, tie.second) for tie in model.ties]
        for one in model.points:
            points[one.section] = (*points.get(one.section, ()), one.point)
            places[one.point] = one.section
            if one.parent is not None:
                behind[one.parent] = (*behind.get(one.parent, ()), one.point)
    return Tree(parents, tuple(ties), points, places, behind)
