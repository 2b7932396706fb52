"""What an aggregation said it can do, and what its own outages took from that: declarations with revisions, and their withdrawal.

A declaration replaces an earlier one of the same window if its revision is higher; where windows overlap, the later to arrive
counts in the overlap, as a real-time declaration does over that of the day before. A DER outage (market/asset_outage.py) takes
its power from every declaration that arrived before it, from its start until the return, without anybody declaring anew; a
declaration that arrives after it is taken to know of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from intertie.market.asset_outage import AssetOutages, AssetsOut
from intertie.market.event import Broken, Event, Rule
from intertie.market.feeder import NO_TREE, Tree
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.contract import Direction, Service
from intertie.model.ids import AggregationId, ConnectionPointId, DerId, MessageId, PartyId
from intertie.model.interval import IntervalSeries
from intertie.model.record import Record
from intertie.model.system import AssetOutage, AssetReturn

# What ended longer ago is no longer looked at here: the adjustment window of a month's settlement, and some days. The
# messages themselves stay in the store.
KEPT = timedelta(days=45)

WRONG_SIDE = Rule(
    "availability.wrong_side", "Availability and DER outages come from the aggregator", "use case, category 4"
)
SUBMITTED = Rule(
    "availability.already_submitted",
    "A revision is declared once for its aggregation, service, point and window",
    "UFTP rejection reason: Already Submitted",
)
STALE = Rule(
    "availability.stale_revision",
    "A revision is higher than the one it replaces",
    "this project: owner-written things",
)
PAST = Rule("availability.period", "The window has not ended", "UFTP rejection reason: Period out of bounds")
AGGREGATION = Rule(
    "availability.unknown_aggregation",
    "The aggregation is registered",
    "use case, category 3 before category 4",
)
POINT = Rule(
    "availability.point",
    "The connection point is one of the aggregation's, or feeds one",
    "UFTP rejection reason: Invalid CongestionPoint",
)
SERVICE_OFF = Rule(
    "availability.service_off", "The service is one of the agreement's", "base contract: services"
)
RULES: tuple[Rule, ...] = (
    WRONG_SIDE,
    SUBMITTED,
    STALE,
    PAST,
    AGGREGATION,
    POINT,
    SERVICE_OFF,
)

Order = tuple[datetime, MessageId]


class Key(NamedTuple):
    """What a declaration is about."""

    aggregation: AggregationId
    service: Service
    point: ConnectionPointId

    @property
    def text(self) -> str:
        """As the key of a mapping: names hold no blanks."""
        return " ".join(self)


class Place(NamedTuple):
    """Where a DER is connected, and how much it can do."""

    point: ConnectionPointId
    kw: Decimal


class Grounds(NamedTuple):
    """What the rules need besides: the seller, what is registered (None: no book says), which DERs are out, the time as of which
    that is known, and which point feeds which."""

    seller: PartyId
    now: datetime
    services: frozenset[Service] | None = None
    ders: Mapping[AggregationId, Mapping[DerId, Place]] | None = None
    outages: AssetOutages = MappingProxyType({})
    tree: Tree = NO_TREE


class Declared(NamedTuple):
    """A declaration in force, and its place in the order of events."""

    body: AvailabilityDeclaration
    order: Order


class Availability(NamedTuple):
    """Everything of this family between one buyer and one seller."""

    declared: Mapping[str, tuple[Declared, ...]] = MappingProxyType({})


EMPTY = Availability()


def apply(state: Availability, event: Event, grounds: Grounds) -> Availability:
    """The availability after the event; the same for DERs that are out and back, which are kept with the grid. Raises Broken;
    KeyError for a body that is not of this family (see BODIES)."""
    if event.sender != grounds.seller:
        raise Broken(WRONG_SIDE, f"from {event.sender}")
    body = event.body
    if isinstance(body, AvailabilityDeclaration):
        return _declare(state, event, body, grounds)
    if type(body) not in BODIES:
        raise KeyError(type(body))
    return state


BODIES: frozenset[type[Record]] = frozenset({AvailabilityDeclaration, AssetOutage, AssetReturn})


def _declare(
    state: Availability, event: Event, body: AvailabilityDeclaration, grounds: Grounds
) -> Availability:
    if grounds.services is not None and body.service not in grounds.services:
        raise Broken(SERVICE_OFF, f"{body.service} is not one of them")
    if body.window.end <= event.received:
        raise Broken(PAST, f"it ended {body.window.end}")
    if grounds.ders is not None:
        ders = grounds.ders.get(body.aggregation)
        if ders is None:
            raise Broken(AGGREGATION, f"{body.aggregation} is not")
        if grounds.tree.under([body.point]).isdisjoint(one.point for one in ders.values()):
            raise Broken(POINT, f"no DER of {body.aggregation} is connected at or behind {body.point}")
    key = Key(body.aggregation, body.service, body.point)
    known = state.declared.get(key.text, ())
    for before in known:
        if before.body.window == body.window:
            if body.revision == before.body.revision:
                raise Broken(SUBMITTED, f"revision {body.revision}")
            if body.revision < before.body.revision:
                raise Broken(STALE, f"it is at {before.body.revision}")
    kept = [one for one in known if one.body.window != body.window and _recent(one, event.received)]
    declared = {**state.declared, key.text: (*kept, Declared(body, event.order))}
    return state._replace(declared=MappingProxyType(declared))


def _recent(one: Declared, now: datetime) -> bool:
    return one.body.window.end > now - KEPT


def keys_of(state: Availability) -> list[Key]:
    """All that was declared for, in order."""
    parts = (text.split(" ") for text in sorted(state.declared))
    return [Key(AggregationId(a), Service(s), ConnectionPointId(p)) for a, s, p in parts]


class Declaration(NamedTuple):
    """What stands at one time: what was declared, and how much of it DER outages took."""

    declared_kw: Decimal
    withdrawn_kw: Decimal

    @property
    def left_kw(self) -> Decimal:
        """What is left of it."""
        return self.declared_kw - self.withdrawn_kw


def declared_at(
    state: Availability, key: Key, direction: Direction, at: datetime, grounds: Grounds
) -> Declaration | None:
    """What stands for a point at a time; None where nothing was declared, or only a gap."""
    found: Declared | None = None
    for one in state.declared.get(key.text, ()):
        if one.body.window.holds(at) and (found is None or one.order > found.order):
            found = one
    if found is None:
        return None
    kw = value_at(found.body.up_kw if direction is Direction.UP else found.body.down_kw, at)
    if kw is None:
        return None
    out = sum(
        (
            _missing(outage, key.point, at, grounds)
            for outage in grounds.outages.values()
            if outage.aggregation == key.aggregation and outage.told > found.order
        ),
        Decimal(0),
    )
    return Declaration(kw, min(kw, out))


def _missing(outage: AssetsOut, point: ConnectionPointId, at: datetime, grounds: Grounds) -> Decimal:
    """How much is out at a point, and behind it. Without a registration that says where the DERs are, all of it, at every point:
    what cannot be told is not counted on."""
    ders = [der for der in outage.back if outage.out(der, at, grounds.now)]
    known = (grounds.ders or {}).get(outage.aggregation)
    if not known:
        return outage.missing_kw if ders else Decimal(0)
    felt = grounds.tree.under([point])
    there = (known[der].kw for der in ders if der in known and known[der].point in felt)
    return sum(map(outage.lost, there), Decimal(0))


def value_at(series: IntervalSeries, at: datetime) -> Decimal | None:
    """The value of the interval that a time is in; None outside, and for a gap."""
    place = (at - series.start) // series.step
    return series.quantity(place) if 0 <= place < len(series.values) else None


def changes(
    state: Availability, keys: Iterable[Key], start: datetime, end: datetime, outages: AssetOutages
) -> list[datetime]:
    """The times from start to end, the start included, at which anything that was declared can change."""
    times = {start}
    for key in keys:
        for one in state.declared.get(key.text, ()):
            for series in (one.body.up_kw, one.body.down_kw):
                first = max(0, (start - series.start) // series.step)
                last = min(len(series.values), (end - series.start) // series.step + 1)
                times |= {series.start + series.step * place for place in range(first, last + 1)}
    for outage in outages.values():
        known = (outage.starts, outage.expected, *outage.back.values())
        times |= {at for at in known if at is not None}
    return sorted(at for at in times if start <= at < end)


def least_declared(
    state: Availability,
    keys: Iterable[Key],
    direction: Direction,
    start: datetime,
    end: datetime,
    grounds: Grounds,
) -> Declaration | None:
    """The least that stands at any time from start to end, over all keys together; None where one of them says nothing."""
    wanted = tuple(keys)
    least: Declaration | None = None
    for at in changes(state, wanted, start, end, grounds.outages):
        sums = Declaration(Decimal(0), Decimal(0))
        for key in wanted:
            one = declared_at(state, key, direction, at, grounds)
            if one is None:
                return None
            sums = Declaration(sums.declared_kw + one.declared_kw, sums.withdrawn_kw + one.withdrawn_kw)
        if least is None or sums.left_kw < least.left_kw:
            least = sums
    return least
