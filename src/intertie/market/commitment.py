"""Nothing is sold twice: in every interval, what deals and other programmes take of an aggregation is at most what was accepted.

Asked when a deal is proposed (with the deals that stand) and when a statement is made (a meter is counted under one deal at a
time). What the utility's other partners have is asked in market/elsewhere.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import combinations, pairwise
from typing import NamedTuple

from intertie.market.event import Broken, Event, Rule
from intertie.market.feeder import NO_TREE, Tree
from intertie.market.hours import Stretch, over_time, windows_of, zone_of
from intertie.market.registering import programme_claims
from intertie.market.registry import Registry, Version
from intertie.model.contract import Confirmation
from intertie.model.errors import SettingsError
from intertie.model.ids import AggregationId, ConfirmationId, ConnectionPointId, MeterId
from intertie.model.interval import Window
from intertie.model.settlement import PerformanceStatement

SOLD_TWICE = Rule(
    "commitment.sold_twice",
    "In no interval do all deals and declared programmes take more of an aggregation than was accepted; only a deal that stands "
    "alone may come before its DERs.",
    "FERC Order 2222 (no double counting); base contract, quantity",
)
UNKNOWN_HOURS = Rule(
    "commitment.hours",
    "The hours of a deal are in a zone that exists, over at most ten years.",
    "Both sides must lay out the same intervals (docs/grid.md)",
)
SETTLED_TWICE = Rule(
    "commitment.settled_twice",
    "A meter is counted under one deal at a time.",
    "FERC Order 2222 (no double counting); standards.md 8.3",
)
OTHER_PROGRAMME = Rule(
    "commitment.other_programme",
    "A meter is not counted in an interval in which another programme has all the DERs behind it.",
    "FERC Order 2222 (dual participation)",
)
RULES: tuple[Rule, ...] = (SOLD_TWICE, UNKNOWN_HOURS, SETTLED_TWICE, OTHER_PROGRAMME)

# Deals that draw on different sets of points are asked about in all combinations, up to so many: beyond, each by itself and all
# together. Real partners have a handful.
SETS_MAX = 8


class Settled(NamedTuple):
    """An event that a statement counted: when, under which deal, and the meters in it."""

    confirmation: ConfirmationId
    window: Window
    meters: tuple[MeterId, ...]


# By dispatch: a later statement about the same dispatch replaces what an earlier one counted.
Counted = Mapping[str, Settled]
NOTHING: Counted = {}


class Oversold(NamedTuple):
    """From `start` to `end` `short_kw` more are taken than there are."""

    start: datetime
    end: datetime
    short_kw: Decimal


def check_deal(
    deal: Confirmation, others: Iterable[Confirmation], registry: Registry, tree: Tree = NO_TREE
) -> None:
    """Whether a deal can stand beside the others (proposed or agreed). Raises Broken."""
    try:
        zone_of(deal.zone)
        beside = [one for one in others if one.confirmation != deal.confirmation]
        found = oversold([deal, *beside], registry, tree)
    except SettingsError as error:
        raise Broken(UNKNOWN_HOURS, error.why) from error
    if found is not None:
        when = found.start.isoformat()
        raise Broken(SOLD_TWICE, f"{found.short_kw.normalize():f} kW are taken twice from {when}")


def oversold(deals: Sequence[Confirmation], registry: Registry, tree: Tree = NO_TREE) -> Oversold | None:
    """The first stretch, in the term of the first deal, in which it and the others take more than was accepted.

    Deals on the same points share them; of deals on overlapping sets every combination must be possible (Hall's condition).
    """
    first = deals[0]
    pools: dict[tuple[AggregationId | None, frozenset[ConnectionPointId]], list[Confirmation]] = {}
    for deal in deals:
        if deal is first or deal.term.overlaps(first.term):
            pools.setdefault((deal.aggregation, frozenset(deal.points)), []).append(deal)
    mine, *rest = pools
    sizes = range(len(rest) + 1) if len(rest) < SETS_MAX else (0, len(rest))
    for size in sizes:
        for chosen in combinations(rest, size):
            together = [deal for key in (mine, *chosen) for deal in pools[key]]
            found = _short(first, together, registry, tree)
            if found is not None:
                return found
    return None


def _short(
    first: Confirmation, deals: Sequence[Confirmation], registry: Registry, tree: Tree
) -> Oversold | None:
    taken = [(_within(deal, first.term), Decimal(deal.contracted_kw)) for deal in deals]
    there, lent = _supply(_drawn_on(deals, registry, tree), first.term)
    own = windows_of(first.term, first.service_hours, first.zone)
    alone = [(own, Decimal(first.contracted_kw))]
    for stretch, supply, single in _compare(over_time([*taken, *lent]), over_time(there), over_time(alone)):
        # Where nobody else takes anything, its DERs may still be to come.
        if single and stretch.kw > supply and stretch.kw > single:
            return Oversold(stretch.start, stretch.end, stretch.kw - supply)
    return None


def _within(deal: Confirmation, term: Window) -> tuple[Window, ...]:
    """When a deal takes its kilowatts, as far as it lies in `term`."""
    both = Window(start=max(deal.term.start, term.start), end=min(deal.term.end, term.end))
    return windows_of(both, deal.service_hours, deal.zone)


Claims = list[tuple[tuple[Window, ...], Decimal]]


def _supply(versions: Iterable[Version], term: Window) -> tuple[Claims, Claims]:
    """What DERs have, and what other programmes have of them."""
    there: Claims = []
    lent: Claims = []
    for version in versions:
        span = _span(version, term)
        if span is None:
            continue
        there.append(((span,), version.kw))
        if version.der.other_programmes:
            lent += _lent(version, span)
    return there, lent


def _lent(version: Version, span: Window) -> Claims:
    """What programmes take of what was accepted: the part of a nameplate that nobody accepted is theirs first."""
    spare = version.der.nameplate_kw - version.kw
    found: Claims = []
    for stretch in over_time(programme_claims(version.der, span)):
        kw = min(version.kw, stretch.kw - spare)
        if kw > 0:
            found.append(((Window(start=stretch.start, end=stretch.end),), kw))
    return found


def _drawn_on(deals: Sequence[Confirmation], registry: Registry, tree: Tree) -> list[Version]:
    """The DERs that any of the deals draws on: at its points, and behind them."""
    wanted: dict[AggregationId | None, set[ConnectionPointId]] = {}
    for deal in deals:
        wanted.setdefault(deal.aggregation, set()).update(tree.under(deal.points))
    everywhere = wanted.get(None, set())
    return [
        aggregation.bounded(version)
        for name, aggregation in registry.items()
        for versions in aggregation.ders.values()
        for version in versions
        if version.starts is not None
        and (version.der.point in everywhere or version.der.point in wanted.get(name, ()))
    ]


def _span(version: Version, term: Window) -> Window | None:
    """The part of the term in which a version counts."""
    start = term.start if version.starts is None else max(version.starts, term.start)
    end = term.end if version.ends is None else min(version.ends, term.end)
    return Window(start=start, end=end) if start < end else None


def _compare(
    taken: Sequence[Stretch], there: Sequence[Stretch], alone: Sequence[Stretch]
) -> Iterable[tuple[Stretch, Decimal, Decimal]]:
    """Each stretch in which something is taken, cut where supply or the first deal changes, with both."""
    edges = sorted({edge for one in (*taken, *there, *alone) for edge in (one.start, one.end)})
    places = [0, 0, 0]
    rows = (taken, there, alone)
    for start, end in pairwise(edges):
        values = []
        for i, row in enumerate(rows):
            while places[i] < len(row) and row[places[i]].end <= start:
                places[i] += 1
            here = places[i] < len(row) and row[places[i]].start <= start
            values.append(row[places[i]].kw if here else Decimal(0))
        if values[0]:
            yield Stretch(start, end, values[0]), values[1], values[2]


def settle(counted: Counted, event: Event, registry: Registry) -> Counted:
    """What statements have counted, after a message; Broken for one that counts a meter twice."""
    body = event.body
    if not isinstance(body, PerformanceStatement):
        return counted
    after = dict(counted)
    for one in body.events:
        meters = tuple(sorted(meter.meter for meter in one.meters))
        after[one.dispatch] = Settled(body.confirmation, one.window, meters)
    for one in body.events:
        mine = after[one.dispatch]
        _once(one.dispatch, mine, after)
        _ours(mine, registry)
    return after


def _once(dispatch: str, mine: Settled, counted: Counted) -> None:
    for name, other in counted.items():
        if name == dispatch or other.confirmation == mine.confirmation:
            continue
        shared = set(other.meters) & set(mine.meters)
        if shared and other.window.overlaps(mine.window):
            raise Broken(SETTLED_TWICE, f"{min(shared)} is counted in {name} and in {dispatch}")


def _ours(mine: Settled, registry: Registry) -> None:
    """A meter behind which every DER is another programme's at some time of the event."""
    behind: dict[MeterId, list[bool]] = {}
    for aggregation in registry.values():
        for version in aggregation.counting(mine.window.start).values():
            if version.der.meter in mine.meters:
                claims = over_time(programme_claims(version.der, mine.window))
                wholly = any(one.kw >= version.der.nameplate_kw for one in claims)
                behind.setdefault(version.der.meter, []).append(wholly)
    for meter in sorted(behind):
        if all(behind[meter]):
            raise Broken(OTHER_PROGRAMME, f"{meter} is in another programme then")
