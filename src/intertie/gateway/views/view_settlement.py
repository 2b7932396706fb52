"""What a settlement analyst looks at first: the calls of a month as a calendar, and the statements of a partner.

All of it is read from books in memory: bodies there are decoded, and nothing is worked out again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from intertie.gateway.gateway import Gateway
from intertie.gateway.office.office_acts import NotHere
from intertie.gateway.trading.trade_desk import SIDES, Desk
from intertie.market.book import Book, Ledger, place
from intertie.market.dispatch_state import Dispatch, Status, view
from intertie.market.event import Event
from intertie.model.errors import SettingsError
from intertie.model.ids import MessageId, PartyId
from intertie.model.interval import IntervalSeries
from intertie.model.party import Role
from intertie.model.record import Record
from intertie.model.settlement import EventPerformance, PerformanceStatement

# A page of more is read by nobody; what is left out is counted.
CALENDAR_EVENTS_MAX = 500
# Partners of one calendar: each has a book of its own, and a person chooses one of more.
CALENDAR_PARTNERS_MAX = 200
# Newest messages of a book that are looked through for documents of one kind: some tens of milliseconds.
LOOK_BACK_MAX = 200_000
# Statements of one list, and those that a month's calls are looked up in: ten deals settled monthly for a year.
STATEMENTS_MAX = 120

_Of = TypeVar("_Of", bound=Record)
_DAY = timedelta(days=1)


class CalendarEvent(NamedTuple):
    """A call, and what the newest statement says of it. Energies in kWh; `asked_kw` is its largest target, as a size."""

    partner: PartyId
    dispatch: str
    confirmation: str
    point: str
    start: datetime
    end: datetime
    asked_kw: Decimal
    asked_kwh: Decimal
    status: Status
    emergency: bool
    statement: str = ""
    factor: Decimal | None = None
    delivered_kwh: Decimal | None = None


class CalendarDay(NamedTuple):
    """A day of the calendar's zone."""

    day: date
    in_month: bool
    events: tuple[CalendarEvent, ...]


class Calendar(NamedTuple):
    """Whole weeks, from Monday, around a month (YYYY-MM); `left_out` calls of it are not shown."""

    month: str
    before: str
    after: str
    zone: str
    weeks: tuple[tuple[CalendarDay, ...], ...]
    events: tuple[CalendarEvent, ...]
    left_out: int
    partners: tuple[PartyId, ...]


class StatementRow(NamedTuple):
    """A statement in a list. `by` is who made it; amounts in `currency`."""

    partner: PartyId
    statement: str
    confirmation: str
    by: PartyId
    start: datetime
    end: datetime
    received: datetime
    message: MessageId
    calls: int
    total: Decimal
    currency: str
    factor: Decimal | None
    corrects: str | None
    corrected_by: str | None
    invoices: tuple[str, ...]
    disputes: tuple[str, ...]


class Statements(NamedTuple):
    """The newest first; `more` if there are older ones."""

    rows: tuple[StatementRow, ...]
    more: bool


def trading_partners(gateway: Gateway) -> tuple[PartyId, ...]:
    """Those whose trade with us a book is kept of, by name."""
    return tuple(sorted(one.party for one in gateway.partners.all() if SIDES & one.roles and not one.trial))


def ledger_of(gateway: Gateway, partner: PartyId) -> Ledger:
    """The ledger with a partner. NotHere if it is none."""
    if gateway.partners.find(partner) is None:
        raise NotHere(f"{partner} is no partner", do="Choose one of the partners that are listed.")
    return gateway.books.of(gateway.store, partner).ledger


def newest(ledger: Ledger, kind: type[_Of]) -> Iterator[tuple[Event, _Of]]:
    """Documents of a kind that have an effect, the newest first, among the newest messages of the book."""
    void = {place(one.event) for one in ledger.voids}
    for event in islice(reversed(ledger.events), LOOK_BACK_MAX):
        if isinstance(event.body, kind) and place(event) not in void:
            yield event, event.body


def month_of(text: str, zone: ZoneInfo, now: datetime) -> date:
    """The first day of a month (YYYY-MM); of the present one if nothing is said. SettingsError if it is none."""
    if not text:
        return now.astimezone(zone).date().replace(day=1)
    try:
        found = date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise SettingsError(f"{text} is no month", do="Write it as 2026-07.") from error
    if not 1900 < found.year < 2999:
        raise SettingsError(f"{text} is too far away", do="Choose a month between 1901 and 2998.")
    return found


def calendar(
    gateway: Gateway, month: str, zone_name: str, now: datetime, partner: PartyId | None = None
) -> Calendar:
    """The calls of a month with one partner or all, by days of a zone. SettingsError, NotHere."""
    zone = ZoneInfo(zone_name)
    first = month_of(month, zone, now)
    after = (first + 31 * _DAY).replace(day=1)
    partners = trading_partners(gateway)
    asked = (partner,) if partner is not None else partners[:CALENDAR_PARTNERS_MAX]
    begins, ends = first - first.weekday() * _DAY, after + (-after.weekday() % 7) * _DAY
    start, end = _midnight(begins, zone), _midnight(ends, zone)
    found = [event for one in asked for event in _calls(gateway, one, start, end, now)]
    found.sort(key=lambda one: (one.start, one.partner, one.dispatch))
    shown = tuple(found[:CALENDAR_EVENTS_MAX])
    by_day: dict[date, list[CalendarEvent]] = {}
    for event in shown:
        by_day.setdefault(event.start.astimezone(zone).date(), []).append(event)
    days = [
        CalendarDay(day, first <= day < after, tuple(by_day.get(day, ())))
        for day in (begins + number * _DAY for number in range((ends - begins).days))
    ]
    return Calendar(
        month=f"{first:%Y-%m}",
        before=f"{first - _DAY:%Y-%m}",
        after=f"{after:%Y-%m}",
        zone=zone_name,
        weeks=tuple(tuple(days[at : at + 7]) for at in range(0, len(days), 7)),
        events=shown,
        left_out=len(found) - len(shown),
        partners=partners,
    )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _calls(
    gateway: Gateway, partner: PartyId, start: datetime, end: datetime, now: datetime
) -> list[CalendarEvent]:
    """The calls of one partner that begin in a time."""
    ledger = ledger_of(gateway, partner)
    calls = {
        name: one
        for name, one in ledger.book.dispatches.items()
        if start <= one.instruction.window.start < end
    }
    said = _performances(ledger, calls) if calls else {}
    return [_calendar_event(partner, name, one, said.get(name), now) for name, one in calls.items()]


def _performances(ledger: Ledger, calls: dict[str, Dispatch]) -> dict[str, tuple[str, EventPerformance]]:
    """What the newest statement that speaks of each says."""
    found: dict[str, tuple[str, EventPerformance]] = {}
    for _, body in islice(newest(ledger, PerformanceStatement), STATEMENTS_MAX):
        for event in body.events:
            if event.dispatch in calls:
                found.setdefault(event.dispatch, (body.statement, event))
    return found


def _calendar_event(
    partner: PartyId,
    name: str,
    one: Dispatch,
    said: tuple[str, EventPerformance] | None,
    now: datetime,
) -> CalendarEvent:
    told = one.instruction
    return CalendarEvent(
        partner=partner,
        dispatch=name,
        confirmation=told.confirmation or "",
        point=told.point,
        start=told.window.start,
        end=told.window.end,
        asked_kw=max((abs(value) for value in quantities(told.target_kw)), default=Decimal(0)),
        asked_kwh=energy(told.target_kw),
        status=view(one, now),
        emergency=told.emergency,
        statement="" if said is None else said[0],
        factor=None if said is None else said[1].performance_factor,
        delivered_kwh=None if said is None else said[1].delivered_kwh.total(),
    )


def quantities(series: IntervalSeries) -> list[Decimal]:
    """The values of a series that has no gaps; gaps count as nothing."""
    return [series.quantity(number) or Decimal(0) for number in range(len(series.values))]


def energy(power: IntervalSeries) -> Decimal:
    """What a power in kW comes to in kWh."""
    return power.total() * power.step_seconds / 3600


def statements_with(gateway: Gateway, partner: PartyId, limit: int = STATEMENTS_MAX) -> Statements:
    """The statements that both we and a partner hold. NotHere."""
    ledger = ledger_of(gateway, partner)
    said = list(islice(newest(ledger, PerformanceStatement), limit + 1))
    corrected = {body.corrects: body.statement for _, body in said if body.corrects is not None}
    links = Links(ledger.book)
    rows = [_row(partner, ledger.book, event, body, corrected, links) for event, body in said[:limit]]
    return Statements(tuple(rows), len(said) > limit)


class Links:
    """Which invoices rest on a statement, and which disputes are of it or of them: read once for all statements of a book."""

    def __init__(self, book: Book) -> None:
        self._invoices: dict[str, list[str]] = {}
        self._disputes: dict[str, list[str]] = {}
        for name, item in book.accounts.items.items():
            for statement in {line.statement for line in item.invoice.lines if line.statement is not None}:
                self._invoices.setdefault(statement, []).append(name)
        for name, one in book.disputes.items():
            self._disputes.setdefault(one.body.invoice, []).append(name)

    def invoices(self, statement: str) -> tuple[str, ...]:
        """Those that rest on a statement."""
        return tuple(self._invoices.get(statement, ()))

    def disputes(self, *names: str) -> tuple[str, ...]:
        """Those of invoices and statements."""
        return tuple(found for name in names for found in self._disputes.get(name, ()))


def _row(
    partner: PartyId,
    book: Book,
    event: Event,
    body: PerformanceStatement,
    corrected: dict[str, str],
    links: Links,
) -> StatementRow:
    deal = book.deals.get(body.confirmation)
    invoices = links.invoices(body.statement)
    return StatementRow(
        partner=partner,
        statement=body.statement,
        confirmation=body.confirmation,
        by=event.sender,
        start=body.period.start,
        end=body.period.end,
        received=event.received,
        message=event.message,
        calls=len(body.events),
        total=sum((line.amount for line in body.lines), Decimal("0.00")),
        currency="" if deal is None else deal.terms.currency,
        factor=body.performance_factor,
        corrects=body.corrects,
        corrected_by=corrected.get(body.statement),
        invoices=invoices,
        disputes=links.disputes(body.statement, *invoices),
    )


def may_state(desk: Desk) -> bool:
    """Whether our side says what a period comes to: the utility, whose meters they are."""
    return Role.DISTRIBUTION_UTILITY in desk.gateway.party.roles and Role.DER_AGGREGATOR in desk.known.roles


def may_invoice(desk: Desk) -> bool:
    """Whether our side charges for what a statement supports: the seller."""
    return Role.DER_AGGREGATOR in desk.gateway.party.roles and Role.DISTRIBUTION_UTILITY in desk.known.roles
