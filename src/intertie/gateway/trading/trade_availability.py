"""Acts of availability: an aggregator declares, or takes back, what it can do; and the view of a point over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from intertie.gateway.trading.trade_desk import Desk
from intertie.market import confirmation
from intertie.market.availability import Declared, keys_of
from intertie.market.availability_view import Question, Row, view
from intertie.market.offer_terms import grounds_of
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.contract import Confirmation, Direction, Service
from intertie.model.errors import SettingsError
from intertie.model.ids import AggregationId, ConnectionPointId, MessageId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.made import changed


def declare(desk: Desk, declaration: AvailabilityDeclaration) -> MessageId:
    """Declare; the revision is the next one for its aggregation, service, point and window, whatever it says."""
    known = [
        one.body.revision
        for one in _declared(desk, declaration.aggregation, declaration.service, declaration.point)
        if one.body.window == declaration.window
    ]
    body = changed(declaration, revision=max(known, default=0) + 1)
    return desk.say(body, mode=desk.mode_for(body.window.start))[0]


def withdraw(
    desk: Desk,
    aggregation: AggregationId,
    service: Service | None = None,
    point: ConnectionPointId | None = None,
    within: Window | None = None,
) -> list[MessageId]:
    """Declare that nothing can be done where something was declared, from now on, or in the windows that touch `within`.
    SettingsError if nothing was."""
    found = [
        one.body
        for one in _declared(desk, aggregation, service, point)
        if one.body.window.end > desk.now
        and (within is None or one.body.window.overlaps(within))
        and (one.body.up_kw.span[1] or one.body.down_kw.span[1])
    ]
    if not found:
        raise SettingsError(
            f"nothing is declared for {aggregation} there", do="`intertie availability show` shows what is."
        )
    said = [
        changed(
            body,
            revision=body.revision + 1,
            up_kw=_nothing(body.up_kw),
            down_kw=_nothing(body.down_kw),
            kvar=None,
        )
        for body in found
    ]
    modes = [desk.mode_for(body.window.start) for body in said]
    return [id for body, mode in zip(said, modes, strict=True) for id in desk.say(body, mode=mode)]


class PointView(NamedTuple):
    """What is firm, ordered, declared, withdrawn and remaining at a point, for a service and a direction."""

    service: Service
    point: ConnectionPointId
    direction: Direction
    rows: list[Row]


class Asked(NamedTuple):
    """What is looked at; None is everything that there is."""

    window: Window
    step: timedelta
    direction: Direction = Direction.UP
    service: Service | None = None
    point: ConnectionPointId | None = None


def views(desk: Desk, asked: Asked) -> list[PointView]:
    """The view of every point of which something is declared, agreed or ordered, as both sides have it."""
    grounds = grounds_of(desk.text, desk.book.registry, desk.book.grid, desk.now)
    deals = deals_in_force(desk)
    orders = [one.order for one in desk.book.offers.orders.values()]
    places = {(key.service, key.point) for key in keys_of(desk.book.availability)}
    places |= {(deal.service, point) for deal in deals for point in deal.points}
    places |= {(order.service, point) for order in orders for point in order.points}
    if asked.service is not None and asked.point is not None:
        places.add((asked.service, asked.point))
    chosen = sorted(
        (service, point)
        for service, point in places
        if asked.service in (None, service) and asked.point in (None, point)
    )
    found = []
    for service, point in chosen:
        question = Question(service, point, asked.direction, asked.window, asked.step)
        rows = view(desk.book.availability, deals, orders, question, grounds)
        found.append(PointView(service, point, asked.direction, rows))
    return found


def deals_in_force(desk: Desk) -> Sequence[Confirmation]:
    """The deals that bind both now."""
    return [
        deal.terms
        for deal in desk.book.deals.values()
        if confirmation.status(deal, desk.now) in confirmation.STANDING
    ]


def _declared(
    desk: Desk, aggregation: AggregationId, service: Service | None, point: ConnectionPointId | None
) -> list[Declared]:
    state = desk.drafted.availability
    return [
        one
        for key in keys_of(state)
        if key.aggregation == aggregation and service in (None, key.service) and point in (None, key.point)
        for one in state.declared[key.text]
    ]


def _nothing(series: IntervalSeries) -> IntervalSeries:
    """Zero, and not a gap: of a gap nothing is known, and nothing would stop an order."""
    return changed(series, values=(0,) * len(series.values))
