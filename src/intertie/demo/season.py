"""The stage: the offices, the world between them, the clock, and the agenda that is played in the order of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from intertie.demo.books import Books
from intertie.demo.feeder import STEP_SECONDS, STEPS, Element, Feeder
from intertie.demo.gateways import AGGREGATOR, ALL, RIVAL, DemoError, Organisation, SeasonClock
from intertie.demo.plan import DEAL_STARTS, Plan
from intertie.demo.staff import Mail, Office, settle
from intertie.demo.world import World
from intertie.model.errors import Refused
from intertie.model.ids import AggregationId, ConfirmationId, ConnectionPointId, DerId, MessageId, MeterId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.message import utc
from intertie.model.quantity import Kilowatts, Unit
from intertie.model.record import Record

AGGREGATION = AggregationId("winter-2026")
# What each aggregator calls its DERs.
AGGREGATIONS = {AGGREGATOR: AGGREGATION, RIVAL: AggregationId("rival-2026")}
NEED = "capacity-winter-2026"
DEAL = ConfirmationId("capacity-2026-01")

Action = Callable[[], object]
Body = TypeVar("Body", bound=Record)


class Entry(NamedTuple):
    """Something that people do at a time; what is on the agenda first goes first."""

    at: datetime
    number: int
    text: str
    action: Action


class Broken(NamedTuple):
    """What somebody tried and their own gateway refused, with the rule's name and why."""

    who: str
    name: str
    why: str


class Desk:
    """One office with its books: what it sends and what it reads is noted in them."""

    def __init__(self, office: Office, zone: str) -> None:
        self.office = office
        self.books = Books(zone)
        self.inbox: list[Mail] = []

    def read(self) -> list[Mail]:
        """New mail, noted in the books."""
        new = self.office.read_new()
        for mail in new:
            self.books.note(mail.body)
        self.inbox += new
        return new

    def newest(
        self, kind: type[Body], field: str = "", begins: str = "", *, of: Organisation | None = None
    ) -> tuple[MessageId, Body]:
        """The last document of a kind that came in, or the last whose `field` begins so, or that one party sent; DemoError if
        none did."""
        for mail in reversed(self.inbox):
            if (
                isinstance(mail.body, kind)
                and of in (None, *(who for who in ALL if who.party == mail.header.sender))
                and (not field or str(getattr(mail.body, field)).startswith(begins))
            ):
                return mail.id, mail.body
        raise DemoError(f"{self.office.who.short} waits for {kind.__name__} {begins}".rstrip())


class Season:
    """Everything the chapters share."""

    def __init__(
        self,
        feeder: Feeder,
        plan: Plan,
        clock: SeasonClock,
        utility: Desk,
        aggregator: Desk,
        rival: Desk,
        alive: Callable[[], bool],
    ) -> None:
        self.feeder = feeder
        self.plan = plan
        self.world = World(feeder, plan.outages)
        self.clock = clock
        self.utility = utility
        self.aggregator = aggregator
        self.rival = rival
        self.broken: list[Broken] = []
        self.accepted: tuple[Element, ...] = ()
        self.point = ConnectionPointId(feeder.name)
        self._alive = alive
        self._agenda: list[Entry] = []

    def plan_action(self, at: datetime, text: str, action: Action) -> None:
        """Put something on the agenda."""
        self._agenda.append(Entry(at, len(self._agenda), text, action))

    def play(self, tell: Callable[[Entry, int, int], None]) -> None:
        """Do everything on the agenda in the order of time; all have their receipts before the next thing."""
        agenda = sorted(self._agenda)
        for done, entry in enumerate(agenda):
            tell(entry, done, len(agenda))
            self.clock.advance(entry.at)
            entry.action()
            self.exchange()

    def exchange(self) -> None:
        """Wait for all receipts; then everybody reads what came."""
        desks = (self.utility, self.aggregator, self.rival)
        settle([desk.office for desk in desks], self.clock, self._alive)
        for desk in desks:
            desk.read()

    def try_to(self, who: Organisation, name: str, act: Action) -> None:
        """Something that a rule of the trade forbids: the own gateway says so, and nothing leaves."""
        try:
            act()
        except Refused as refused:
            self.broken.append(Broken(who.short, name, refused.detail))

    def at(self, day: int | date, quarter: int = 0, minutes: int = 0) -> datetime:
        """The instant of a quarter-hour of a day, as UTC."""
        when = self.feeder.days[day] if isinstance(day, int) else day
        start = datetime(when.year, when.month, when.day, tzinfo=ZoneInfo(self.feeder.zone))
        return utc(start) + timedelta(seconds=STEP_SECONDS * quarter, minutes=minutes)

    def window(self, day: int, first: int = 0, last: int = STEPS) -> Window:
        """Quarter-hours of a day as a window."""
        return Window(start=self.at(day, first), end=self.at(day, last))


def term(season: Season) -> Window:
    """From the deal's first day to the end of the season."""
    return Window(start=season.at(DEAL_STARTS), end=season.at(len(season.feeder.days) - 1, STEPS))


def series(start: datetime, unit: Unit, values: Sequence[int | None], power: int = -3) -> IntervalSeries:
    """Quarter-hours from `start`: watts as kW and watt-hours as kWh unless `power` says otherwise; None is a gap."""
    return IntervalSeries(
        start=start,
        step_seconds=STEP_SECONDS,
        unit=unit,
        power_of_ten=power,
        values=tuple(None if v is None else int(v) for v in values),
    )


def meter_of(node: str) -> MeterId:
    """The meter at a node: one per connection, net of everything behind it."""
    return MeterId(f"{node}-meter")


def node_of(meter: str) -> str:
    """The node a meter is at."""
    return meter.removesuffix("-meter")


def ders_of(elements: Sequence[Element]) -> tuple[DerId, ...]:
    """Their ids."""
    return tuple(DerId(e.name) for e in elements)


def points_of(nodes: Sequence[str]) -> tuple[ConnectionPointId, ...]:
    """Their connection points."""
    return tuple(ConnectionPointId(node) for node in nodes)


def kw(watts: int) -> Kilowatts:
    """Watts as kilowatts, exact."""
    return Kilowatts(Decimal(watts).scaleb(-3))
