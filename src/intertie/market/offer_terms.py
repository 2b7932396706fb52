"""What the other families say to the rules of the market and of availability: terms of the contract, points, DERs, deals."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from intertie.market import confirmation
from intertie.market.availability import Availability, Grounds, Key, Place, least_declared
from intertie.market.feeder import tree_at
from intertie.market.grid import Grid
from intertie.market.offer_setting import SERVICES, Setting
from intertie.market.registry import Registry, Standing
from intertie.model.agreement import BaseContract
from intertie.model.contract import Direction, Service
from intertie.model.ids import AggregationId, ConnectionPointId
from intertie.model.quantity import Money


def grounds_of(text: BaseContract, registry: Registry, grid: Grid, at: datetime) -> Grounds:
    """What the rules of availability stand on: the seller, the services, where each accepted DER is connected, and the feeder and
    what is out, as far as is known at a time."""
    ders = {
        name: {
            der: Place(one.der.point, one.kw)
            for der, versions in aggregation.ders.items()
            for one in versions
            if one.standing is Standing.ACCEPTED
        }
        for name, aggregation in registry.items()
    }
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
