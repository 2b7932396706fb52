"""What the rules of the market need to know besides its own messages: the parties, and what their agreement and books say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from intertie.market.event import Broken, Rule
from intertie.model.agreement import INTERVALS_SECONDS
from intertie.model.contract import Confirmation, Direction, Service
from intertie.model.ids import AggregationId, ConnectionPointId, MessageId, PartyId
from intertie.model.interval import IntervalSeries
from intertie.model.quantity import Money

# Energy sold to a distribution owner would be under federal jurisdiction (standards.md 1.1).
SERVICES = frozenset(set(Service) - {Service.ENERGY})

# How much of an aggregation was declared at points, for a service and a direction, over a whole interval; None: nothing known.
Declared = Callable[
    [AggregationId, Service, tuple[ConnectionPointId, ...], Direction, datetime, datetime], "Decimal | None"
]


class Setting(NamedTuple):
    """The two parties and the terms between them. None means: the agreement, or the books, do not say."""

    buyer: PartyId
    seller: PartyId
    services: frozenset[Service] = SERVICES
    zone: str | None = None
    steps_seconds: frozenset[int] = frozenset(INTERVALS_SECONDS)
    currency: str | None = None
    price_cap: Money | None = None
    unsolicited: bool = True
    points: frozenset[ConnectionPointId] | None = None
    parents: Mapping[ConnectionPointId, ConnectionPointId] = MappingProxyType({})
    confirmations: frozenset[str] | None = None
    # The terms of those that a book knows.
    deals: Mapping[str, Confirmation] = MappingProxyType({})
    aggregations: frozenset[str] | None = None
    availabilities: frozenset[MessageId] | None = None
    declared: Declared | None = None

    def below(self, point: ConnectionPointId, points: Iterable[ConnectionPointId]) -> bool:
        """Whether the point is one of `points`, or fed from one."""
        wanted, seen = set(points), set[ConnectionPointId]()
        here: ConnectionPointId | None = point
        while here is not None and here not in seen:
            if here in wanted:
                return True
            seen.add(here)
            here = self.parents.get(here)
        return False

    def knows(self, points: Iterable[ConnectionPointId]) -> bool:
        """Whether all points are known; so they are where no book says which there are."""
        return self.points is None or all(
            one in self.points or one in self.parents or one in self.parents.values() for one in points
        )


def forbid(broken: bool, rule: Rule, detail: str = "", *, do: str = "") -> None:
    """Raise Broken(rule) where the condition holds."""
    if broken:
        raise Broken(rule, detail, do=do)


def alike(one: IntervalSeries, other: IntervalSeries) -> bool:
    """Same intervals."""
    return (one.start, one.step_seconds, len(one.values)) == (
        other.start,
        other.step_seconds,
        len(other.values),
    )


def amounts(series: IntervalSeries) -> list[Decimal]:
    """Exact values in the series' unit; a gap is nothing."""
    return [series.quantity(place) or Decimal(0) for place in range(len(series.values))]
