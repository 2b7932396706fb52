"""What an aggregation said it can do, and what its own outages took from that: declarations with revisions, and their withdrawal.

A declaration replaces an earlier one of the same window if its revision is higher; where windows overlap, the later to arrive
counts in the overlap, as a real-time declaration does over that of the day before. A DER outage takes its power from every
declaration that arrived before it, from its start until the return, without anybody declaring anew; a declaration that
arrives after it is taken to know of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from intertie.market.event import Broken, Event, Rule
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
    "The connection point is one of the aggregation's",
    "UFTP rejection reason: Invalid CongestionPoint",
)
SERVICE_OFF = Rule(
    "availability.service_off", "The service is one of the agreement's", "base contract: services"
)
OUTAGE_UNKNOWN = Rule(
    "availability.unknown_outage",
    "A return names an outage of the aggregation that is not over",
    "use case, System/Outage",
)
RULES: tuple[Rule, ...] = (
    WRONG_SIDE,
    SUBMITTED,
    STALE,
    PAST,
    AGGREGATION,
    POINT,
    SERVICE_OFF,
    OUTAGE_UNKNOWN,
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
    """What the rules need besides: the seller, and what is registered. None: no book says."""

    seller: PartyId
    services: frozenset[Service] | None = None
    ders: Mapping[AggregationId, Mapping[DerId, Place]] | None = None


class Declared(NamedTuple):
    """A declaration in force, and its place in the order of events."""

    body: AvailabilityDeclaration
    order: Order


class Return(NamedTuple):
    """News of an outage: how much of it is back from when, and whether that is all."""

    returned: datetime
    available_kw: Decimal
    complete: bool


class Outage(NamedTuple):
    """A DER outage, as last told, with its returns."""

    body: AssetOutage
    order: Order
    returns: tuple[Return, ...] = ()

    @property
    def over(self) -> bool:
        """All of it is back, or known to be from a time on."""
        return any(one.complete for one in self.returns)

    def missing_kw(self, at: datetime) -> Decimal:
        """How much power is out at a time, as far as is known. After the expected return nothing is, until somebody says so."""
        expected = self.body.expected_return
        if at < self.body.starts or (expected is not None and at >= expected and not self.returns):
            return Decimal(0)
        back = [one for one in self.returns if one.returned <= at]
        if any(one.complete for one in back):
            return Decimal(0)
        return max(Decimal(0), self.body.unavailable_kw - sum((one.available_kw for one in back), Decimal(0)))


class Availability(NamedTuple):
    """Everything of this family between one buyer and one seller."""

    declared: Mapping[str, tuple[Declared, ...]] = MappingProxyType({})
    outages: Mapping[str, Outage] = MappingProxyType({})


EMPTY = Availability()


def apply(state: Availability, event: Event, grounds: Grounds) -> Availability:
    """The availability after the event. Raises Broken; KeyError for a body that is not of this family (see BODIES)."""
    if event.sender != grounds.seller:
        raise Broken(WRONG_SIDE, f"from {event.sender}")
    body = event.body
    if isinstance(body, AvailabilityDeclaration):
        return _declare(state, event, body, grounds)
    if isinstance(body, AssetOutage):
        return _lose(state, event, body)
    if isinstance(body, AssetReturn):
        return _return(state, event, body)
    raise KeyError(type(body))


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
        if body.point not in {one.point for one in ders.values()}:
            raise Broken(POINT, f"no DER of {body.aggregation} is connected at {body.point}")
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


def _lose(state: Availability, event: Event, body: AssetOutage) -> Availability:
    """A new outage, or a later word on one of the same name, which starts it anew (market/asset_outage.py has its rules)."""
    outages = {**state.outages, body.outage: Outage(body, event.order)}
    return state._replace(outages=MappingProxyType(outages))


def _return(state: Availability, event: Event, body: AssetReturn) -> Availability:
    outage = state.outages.get(body.outage)
    if outage is None or outage.body.aggregation != body.aggregation:
        raise Broken(OUTAGE_UNKNOWN, f"{body.outage} of {body.aggregation}")
    if outage.over:
        raise Broken(OUTAGE_UNKNOWN, f"{body.outage} is over")
    back = Return(body.returned, body.available_kw or Decimal(0), body.complete)
    after = outage._replace(returns=(*outage.returns, back))
    return state._replace(outages=MappingProxyType({**state.outages, body.outage: after}))


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
            outage.missing_kw(at) * _share(outage, key, grounds)
            for outage in state.outages.values()
            if outage.body.aggregation == key.aggregation and outage.order > found.order
        ),
        Decimal(0),
    )
    return Declaration(kw, min(kw, out))


def _share(outage: Outage, key: Key, grounds: Grounds) -> Decimal:
    """The part of an outage that is felt at a point, by the rating of the DERs. Without a registration that says where they
    are, all of it, at every point: what cannot be told is not counted on."""
    ders = (grounds.ders or {}).get(key.aggregation)
    if not ders:
        return Decimal(1)
    lost = [ders[der] for der in outage.body.ders if der in ders]
    total = sum((one.kw for one in lost), Decimal(0))
    if not total:
        return Decimal(1)
    return sum((one.kw for one in lost if one.point == key.point), Decimal(0)) / total


def value_at(series: IntervalSeries, at: datetime) -> Decimal | None:
    """The value of the interval that a time is in; None outside, and for a gap."""
    place = (at - series.start) // series.step
    return series.quantity(place) if 0 <= place < len(series.values) else None


def changes(state: Availability, keys: Iterable[Key], start: datetime, end: datetime) -> list[datetime]:
    """The times from start to end, the start included, at which anything that was declared can change."""
    times = {start}
    for key in keys:
        for one in state.declared.get(key.text, ()):
            for series in (one.body.up_kw, one.body.down_kw):
                first = max(0, (start - series.start) // series.step)
                last = min(len(series.values), (end - series.start) // series.step + 1)
                times |= {series.start + series.step * place for place in range(first, last + 1)}
    for outage in state.outages.values():
        times |= {outage.body.starts, *(one.returned for one in outage.returns)}
        if outage.body.expected_return is not None:
            times.add(outage.body.expected_return)
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
    for at in changes(state, wanted, start, end):
        sums = Declaration(Decimal(0), Decimal(0))
        for key in wanted:
            one = declared_at(state, key, direction, at, grounds)
            if one is None:
                return None
            sums = Declaration(sums.declared_kw + one.declared_kw, sums.withdrawn_kw + one.withdrawn_kw)
        if least is None or sums.left_kw < least.left_kw:
            least = sums
    return least
