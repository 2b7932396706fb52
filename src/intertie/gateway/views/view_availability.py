"""Availability with a partner: what is declared and not over, and a point of it over a day as both sides have it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from intertie.gateway.trading.trade_availability import Asked, views
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.views.view_feeder import known_points
from intertie.market.availability import keys_of
from intertie.market.availability_view import Row
from intertie.market.feeder import tree_at
from intertie.market.offer_terms import services_of
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.contract import Direction, Service
from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import AggregationId, ConnectionPointId, MessageId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.quantity import Money

# What a person reads at once; all of it is in the book of the API.
DECLARED_SHOWN = 100
# What fits into a list to choose from; of more, a point is typed.
POINTS_LISTED = 200
HOUR = timedelta(hours=1)


class Span(NamedTuple):
    """The least and the most of a series; None where nothing is known of any interval."""

    low: Decimal
    high: Decimal


class DeclaredLine(NamedTuple):
    """A declaration that is not over. `nothing` is left of one that was taken back."""

    aggregation: AggregationId
    service: Service
    point: ConnectionPointId
    window: Window
    revision: int
    up: Span | None
    down: Span | None
    price: Money | None
    notice_minutes: int | None
    received: datetime
    message: MessageId
    nothing: bool


class Place(NamedTuple):
    """What is looked at over a day."""

    service: Service
    point: ConnectionPointId
    direction: Direction


class AvailabilityView(NamedTuple):
    """What is declared, by its beginning; the day of one place, if any is known; and what a declaration may be about."""

    declared: tuple[DeclaredLine, ...]
    left_out: int
    place: Place | None
    rows: tuple[Row, ...]
    points: tuple[ConnectionPointId, ...]  # none if there are too many for a list
    aggregations: tuple[AggregationId, ...]
    services: tuple[Service, ...]
    currency: str


def availability_view(
    desk: Desk, day: Window, service: Service | None, point: ConnectionPointId | None, direction: Direction
) -> AvailabilityView:
    """The page, of what both hold. Where no contract that was made here is in force, there are no services and no rows."""
    found = [
        _line(one.body, *one.order)
        for key in keys_of(desk.book.availability)
        for one in desk.book.availability.declared[key.text]
        if one.body.window.end > desk.now
    ]
    found.sort(key=lambda line: (line.window.start, line.point, line.aggregation))
    points = sorted(known_points(desk, tree_at(desk.book.grid.models, desk.now)))
    services, currency = _terms(desk)
    lines = [one for one in found if service in (None, one.service) and point in (None, one.point)]
    if lines:
        service, point = lines[0].service, lines[0].point
    else:
        service, point = service or next(iter(services), None), point or next(iter(points), None)
    place = None if service is None or point is None else Place(service, point, direction)
    return AvailabilityView(
        tuple(found[:DECLARED_SHOWN]),
        max(len(found) - DECLARED_SHOWN, 0),
        place,
        _rows(desk, day, place) if place is not None and services else (),
        tuple(points) if len(points) <= POINTS_LISTED else (),
        tuple(sorted(desk.book.registry)),
        services,
        currency,
    )


def _rows(desk: Desk, day: Window, place: Place) -> tuple[Row, ...]:
    asked = Asked(day, HOUR, place.direction, place.service, place.point)
    return tuple(row for one in views(desk, asked) for row in one.rows)


def _terms(desk: Desk) -> tuple[tuple[Service, ...], str]:
    try:
        elections = desk.text.elections
    except (Refused, SettingsError):
        return (), ""
    return tuple(sorted(services_of(desk.text))), elections.currency


def _line(body: AvailabilityDeclaration, received: datetime, message: MessageId) -> DeclaredLine:
    up, down = _span(body.up_kw), _span(body.down_kw)
    return DeclaredLine(
        body.aggregation,
        body.service,
        body.point,
        body.window,
        body.revision,
        up,
        down,
        body.price,
        body.notice_minutes,
        received,
        message,
        not any(span is not None and span.high for span in (up, down)),
    )


def _span(series: IntervalSeries) -> Span | None:
    known = [value for n in range(len(series.values)) if (value := series.quantity(n)) is not None]
    return Span(min(known), max(known)) if known else None
