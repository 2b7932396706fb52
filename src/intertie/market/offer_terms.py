"""What the other families say to the rules of the market and of availability: terms of the contract, points, DERs, deals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from intertie.market import confirmation
from intertie.market.availability import Availability, Grounds, Key, Place, least_declared
from intertie.market.feeder import tree_at
from intertie.market.grid import Grid
from intertie.market.offer_setting import SERVICES, Setting
from intertie.market.registry import Aggregation, Registry, Standing, Version
from intertie.model.agreement import BaseContract
from intertie.model.contract import Direction, Service
from intertie.model.ids import AggregationId, ConnectionPointId, DerId
from intertie.model.quantity import Money


class AcceptedPlaces(Mapping[DerId, Place]):
    """Where each accepted DER of an aggregation is connected, by its last accepted version. Each is looked up when it is asked
    for: the book steps over thousands of offers, and an aggregation has tens of thousands of DERs."""

    def __init__(self, aggregation: Aggregation) -> None:
        self._versions: Mapping[DerId, tuple[Version, ...]] = aggregation.ders

    def __getitem__(self, der: DerId) -> Place:
        for one in reversed(self._versions[der]):
            if one.standing is Standing.ACCEPTED:
                return Place(one.der.point, one.kw)
        raise KeyError(der)

    def __iter__(self) -> Iterator[DerId]:
        return (der for der in self._versions if der in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return next(iter(self), None) is not None


def grounds_of(text: BaseContract, registry: Registry, grid: Grid, at: datetime) -> Grounds:
    """What the rules of availability stand on: the seller, the services, where each accepted DER is connected, and the feeder and
    what is out, as far as is known at a time."""
    ders = {name: AcceptedPlaces(aggregation) for name, aggregation in registry.items()}
    return Grounds(text.seller, at, services_of(text), ders, grid.assets, tree_at(grid.models, at))


def services_of(text: BaseContract) -> frozenset[Service]:
    """The services that the contract covers."""
    return frozenset(Service) if text.elections.energy else SERVICES


def cap_of(text: BaseContract) -> Money | None:
    """The most that the contract lets anything cost per kWh; None if it elects no cap."""
    amount = text.elections.price_cap_per_kwh
    return None if amount is None else Money(amount=amount, currency=text.elections.currency)


class Declarations:
    """What was declared for an aggregation at points, and is not withdrawn: as the rules of orders ask for it."""

    def __init__(self, availability: Availability, grounds: Grounds) -> None:
        self._availability = availability
        self._grounds = grounds

    def __call__(
        self,
        aggregation: AggregationId,
        service: Service,
        points: tuple[ConnectionPointId, ...],
        direction: Direction,
        start: datetime,
        end: datetime,
    ) -> Decimal | None:
        """The least over the interval; None where nothing is known."""
        keys = [Key(aggregation, service, point) for point in points]
        found = least_declared(self._availability, keys, direction, start, end, self._grounds)
        return None if found is None else found.left_kw


def setting_of(
    text: BaseContract,
    at: datetime,
    availability: Availability,
    registry: Registry,
    grid: Grid,
    deals: confirmation.Deals,
) -> Setting:
    """What the rules of the market stand on at a time."""
    tree = tree_at(grid.models, at)
    parents = {point: parent for parent, points in tree.behind.items() for point in points}
    known = (one.order[1] for many in availability.declared.values() for one in many)
    in_force = confirmation.standing(deals, text.agreement, at)
    return Setting(
        buyer=text.buyer,
        seller=text.seller,
        services=services_of(text),
        zone=text.calendar.zone,
        steps_seconds=frozenset(text.elections.interval_seconds),
        currency=text.elections.currency,
        price_cap=cap_of(text),
        unsolicited=text.elections.unsolicited_offers,
        points=frozenset(tree.places) or None,
        parents=parents,
        confirmations=frozenset(deal.terms.confirmation for deal in in_force),
        deals={deal.terms.confirmation: deal.terms for deal in in_force},
        aggregations=frozenset(registry),
        availabilities=frozenset(known),
        declared=Declarations(availability, grounds_of(text, registry, grid, at)),
    )
