"""The feeder at a time, as both sides of a trade know it: every connection point with its load, what can be had there, what is
out, and which limits hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from intertie.gateway.trading.trade_availability import deals_in_force
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.availability import Grounds, keys_of
from intertie.market.availability_view import Question, Row, view
from intertie.market.condition import limits_at, value_of
from intertie.market.feeder import Tree, tree_at
from intertie.market.grid import Able, able, dead_points
from intertie.market.offer_terms import grounds_of
from intertie.model.contract import Confirmation, Direction, Service
from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import ConnectionPointId
from intertie.model.interval import Window
from intertie.model.offers import Order
from intertie.model.system import ConditionKind

QUARTER = timedelta(minutes=15)
# What a person reads on one page, and what one look may cost: each point asks for the availability of all behind it.
POINTS_PAGE = 100


class Slider(NamedTuple):
    """A place among the quarter hours of a day."""

    at: datetime
    place: int
    last: int


class Forecast(NamedTuple):
    """The load that was told for a point, alone or together with others."""

    kw: Decimal
    points: int


class PointLine(NamedTuple):
    """A connection point at a time. Of what can be had, None: no agreement that was made here is in force."""

    point: ConnectionPointId
    section: str | None
    load: Forecast | None
    firm_kw: Decimal | None
    ordered_kw: Decimal | None
    declared_kw: Decimal | None
    withdrawn_kw: Decimal | None
    remaining_kw: Decimal | None
    ders: int
    able_kw: Decimal
    towards_kw: Decimal | None
    back_kw: Decimal | None
    outages: tuple[str, ...]  # names, and "switching"

    @property
    def dead(self) -> bool:
        """Whether it is without supply."""
        return bool(self.outages)

    @property
    def short(self) -> bool:
        """Whether more was promised than is there."""
        return self.remaining_kw is not None and self.remaining_kw < 0


class SectionLine(NamedTuple):
    """A section of the feeder; `dead` of its `points` are without supply."""

    section: str
    parent: str | None
    device: str | None
    points: int
    dead: int


class FeederView(NamedTuple):
    """The feeder at a time. `total` points are known, of which `points` are a page from `start` on."""

    at: datetime
    service: Service | None
    services: tuple[Service, ...]
    direction: Direction
    sections: tuple[SectionLine, ...]
    points: tuple[PointLine, ...]
    start: int
    total: int
    dead: int

    @property
    def next(self) -> int | None:
        """Where the next page starts."""
        after = self.start + POINTS_PAGE
        return after if after < self.total else None


class Looked(NamedTuple):
    """What is looked at; a service that is not named is the one with the most places."""

    at: datetime
    service: Service | None = None
    direction: Direction = Direction.UP
    start: int = 0


def slide(day: Window, place: int | None, now: datetime) -> Slider:
    """A quarter hour of a day; without a place, the one that runs now, or the first of another day. Of the one that runs now, the
    moment itself: what went out since it began is out."""
    last = max((day.end - day.start) // QUARTER - 1, 0)
    if place is None:
        place = (now - day.start) // QUARTER if day.holds(now) else 0
    place = min(max(place, 0), last)
    start = day.start + QUARTER * place
    return Slider(now if start <= now < start + QUARTER else start, place, last)


def feeder_view(desk: Desk, looked: Looked) -> FeederView:
    """The page. What is known is as of the desk's now; what it is about, the time that is looked at."""
    book, at = desk.book, looked.at
    tree = tree_at(book.grid.models, at)
    deals = deals_in_force(desk)
    orders = [one.order for one in book.offers.orders.values()]
    service, services = _services(desk, deals, orders, looked.service)
    out = _out(desk, at)
    order = _in_order(tree, known_points(desk, tree))
    start = min(max(looked.start, 0), max(len(order) - 1, 0)) // POINTS_PAGE * POINTS_PAGE
    shown = order[start : start + POINTS_PAGE]
    ders = _by_point(able(book.grid, book.registry, tree.under(shown), None, at, desk.now))
    rows = _rows(desk, shown, deals, orders, service, looked)
    lines = []
    for point in shown:
        behind = [one for each in tree.under([point]) for one in ders.get(each, ())]
        lines.append(
            _line(desk, tree, point, rows.get(point), behind, at)._replace(outages=out.get(point, ()))
        )
    sections = tuple(_sections(tree, out))
    return FeederView(
        at, service, services, looked.direction, sections, tuple(lines), start, len(order), len(out)
    )


def _rows(
    desk: Desk,
    points: Iterable[ConnectionPointId],
    deals: Sequence[Confirmation],
    orders: Sequence[Order],
    service: Service | None,
    looked: Looked,
) -> dict[ConnectionPointId, Row]:
    """What can be had at each point; nothing where no terms are known."""
    grounds = _grounds(desk)
    if grounds is None or service is None:
        return {}
    start = looked.at.replace(minute=looked.at.minute // 15 * 15, second=0, microsecond=0)
    window = Window(start=start, end=start + QUARTER)
    found = {}
    for point in points:
        question = Question(service, point, looked.direction, window, QUARTER)
        (found[point],) = view(desk.book.availability, deals, orders, question, grounds)
    return found


def _line(
    desk: Desk, tree: Tree, point: ConnectionPointId, row: Row | None, behind: Sequence[Able], at: datetime
) -> PointLine:
    towards, back = limits_at(desk.book.grid.conditions, [point], at)
    return PointLine(
        point,
        tree.places.get(point),
        _load(desk, point, at),
        row and row.firm_kw,
        row and row.ordered_kw,
        row and row.declared_kw,
        row and row.withdrawn_kw,
        row and row.remaining_kw,
        len(behind),
        sum((one.kw for one in behind), Decimal(0)),
        towards,
        back,
        (),
    )


def _grounds(desk: Desk) -> Grounds | None:
    try:
        return grounds_of(desk.text, desk.book.registry, desk.book.grid, desk.now)
    except (Refused, SettingsError):  # nothing is in force, or only on paper: no book knows its terms
        return None


def _services(
    desk: Desk, deals: Iterable[Confirmation], orders: Iterable[Order], wanted: Service | None
) -> tuple[Service | None, tuple[Service, ...]]:
    places: dict[Service, int] = {}
    for service, points in (
        *((key.service, 1) for key in keys_of(desk.book.availability)),
        *((deal.service, len(deal.points)) for deal in deals),
        *((order.service, len(order.points)) for order in orders),
    ):
        places[service] = places.get(service, 0) + points
    services = tuple(sorted(places, key=lambda one: (-places[one], one)))
    return wanted or next(iter(services), None), services


def known_points(desk: Desk, tree: Tree) -> set[ConnectionPointId]:
    """Every point that both sides have spoken of."""
    book = desk.book
    points = set(tree.places) | {key.point for key in keys_of(book.availability)}
    points |= {point for deal in book.deals.values() for point in deal.terms.points}
    points |= {point for one in book.offers.orders.values() for point in one.order.points}
    points |= {point for one in book.grid.outages.values() for point in one.lost}
    points |= {point for one in book.grid.conditions.values() for point in one.body.points}
    for aggregation in book.registry.values():
        points |= {versions[-1].der.point for versions in aggregation.ders.values()}
    return points


def _in_order(tree: Tree, points: Iterable[ConnectionPointId]) -> list[ConnectionPointId]:
    """Along the feeder, section by section from the substation down; what hangs on none comes last."""
    rank = {section: place for place, section in enumerate(walk(tree))}
    return sorted(points, key=lambda point: (rank.get(tree.places.get(point, ""), len(rank)), point))


def walk(tree: Tree) -> list[str]:
    """The sections, each before those that it feeds."""
    children: dict[str | None, list[str]] = {}
    for name, (parent, _) in sorted(tree.parents.items()):
        children.setdefault(parent, []).append(name)
    found: list[str] = []
    waiting = list(reversed(children.get(None, [])))
    while waiting:
        name = waiting.pop()
        found.append(name)
        waiting += reversed(children.get(name, []))
    return found


def _sections(tree: Tree, out: Mapping[ConnectionPointId, tuple[str, ...]]) -> Iterable[SectionLine]:
    for name in walk(tree):
        parent, device = tree.parents[name]
        points = tree.points.get(name, ())
        yield SectionLine(name, parent, device, len(points), sum(point in out for point in points))


def _out(desk: Desk, at: datetime) -> dict[ConnectionPointId, tuple[str, ...]]:
    """The points without supply then, and by what."""
    grid = desk.book.grid
    found: dict[ConnectionPointId, tuple[str, ...]] = {}
    for name, outage in grid.outages.items():
        for point in outage.lost:
            span = outage.span(point, desk.now)
            if span is not None and span[0] <= at and (span[1] is None or at < span[1]):
                found[point] = (*found.get(point, ()), name)
    for point in dead_points(grid, at, desk.now):
        found.setdefault(point, ("switching",))
    return found


def _by_point(ders: Sequence[Able]) -> dict[ConnectionPointId, list[Able]]:
    found: dict[ConnectionPointId, list[Able]] = {}
    for one in ders:
        found.setdefault(one.version.der.point, []).append(one)
    return found


def _load(desk: Desk, point: ConnectionPointId, at: datetime) -> Forecast | None:
    """The forecast that holds; of several the one of the fewest points, which says the most of this one."""
    found = [
        Forecast(value, len(one.body.points))
        for one in desk.book.grid.conditions.values()
        if one.body.kind is ConditionKind.FORECAST and one.holds(at) and point in one.body.points
        for value in value_of(one.body.forecast_kw, at)
    ]
    return min(found, key=lambda one: one.points, default=None)
