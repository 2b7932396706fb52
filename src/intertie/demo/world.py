"""What really flows and what the meters read: the load data, less what DERs moved, less what was without supply."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intertie.demo.feeder import STEPS, Element, Feeder, Watts
from intertie.demo.plan import PlannedOutage
from intertie.demo.response import Call, respond


class World:
    """The feeder as the season goes on. Moves and outages change what comes, never what was metered before."""

    def __init__(self, feeder: Feeder, outages: Sequence[PlannedOutage]) -> None:
        size = len(feeder.days) * STEPS
        self._feeder = feeder
        self._power = {name: rows.reshape(size).copy() for name, rows in feeder.power.items()}
        self._moved = {name: np.zeros(size, np.int64) for name in feeder.elements}
        self._nodes: dict[str, list[str]] = {}
        for element in feeder.elements.values():
            self._nodes.setdefault(element.node, []).append(element.name)
        self._dark = {node: np.ones(size, np.int64) for node in self._nodes}
        for outage in outages:
            start = outage.day * STEPS
            for node in outage.nodes:
                self._dark[node][start + outage.first : start + outage.last] = 0

    def call(self, call: Call, elements: Sequence[Element], out_of_service: frozenset[str]) -> None:
        """These elements answer a dispatch, each as it can."""
        for name, moved in respond(call, elements, self._power, out_of_service).items():
            self._moved[name] += moved

    def moved_watts(self, elements: Sequence[Element], first: int, last: int) -> list[int]:
        """What these elements took less, in quarter-hours `first` up to `last` of the season."""
        total = sum((self._moved[e.name][first:last] for e in elements), np.zeros(last - first, np.int64))
        return [-int(watts) for watts in total]

    def node_watts(self, node: str) -> Watts:
        """Net flow into a node over the season."""
        total = np.zeros(len(self._feeder.days) * STEPS, np.int64)
        for name in self._nodes[node]:
            sign = -1 if self._feeder.elements[name].kind == "pv" else 1
            if name in self._power:
                total += sign * self._power[name]
            total += self._moved[name]
        return total * self._dark[node]

    def transformer_watts(self, day: int) -> list[int]:
        """What the transformer carries on a day, after all that was moved."""
        total = sum((self.node_watts(node) for node in self._nodes), np.zeros(1, np.int64))
        return [int(w) for w in total[day * STEPS : (day + 1) * STEPS]]

    def meter_days(self, nodes: Sequence[str], day: int) -> dict[str, tuple[int, ...]]:
        """Net watt-hours per quarter-hour at these nodes' meters, rounded to whole watt-hours, half up."""
        cut = slice(day * STEPS, (day + 1) * STEPS)
        return {node: tuple(int(w) for w in (self.node_watts(node)[cut] + 2) // 4) for node in nodes}
