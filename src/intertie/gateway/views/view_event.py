"""One call as both sides look at it: what was asked, the baseline, what was metered and what counts as delivered, interval by
interval; the days that the baseline rests on, those that were left out and why; and the messages in which it was all said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

from intertie.gateway.office.office_acts import NotHere
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.views.view_settlement import LOOK_BACK_MAX, STATEMENTS_MAX, energy, ledger_of, newest
from intertie.market.book import Ledger, place
from intertie.market.dispatch_state import Dispatch, Status, value_at, view
from intertie.market.event import Event
from intertie.model.documents import document_of
from intertie.model.ids import DocumentName, MessageId, PartyId
from intertie.model.interval import IntervalSeries
from intertie.model.settlement import (
    EventPerformance,
    MeterPerformance,
    PerformanceStatement,
    StatementLine,
)

# Meters of one event that a page lists, those that are furthest from their baseline first; all are in the statement.
METERS_MAX = 200
# Messages of one event that a page lists: telemetry of a long one comes each few minutes.
MESSAGES_MAX = 200
# Points of one line of a plot: more than a day of seconds.
POINTS_MAX = 100_000


class Curve(NamedTuple):
    """A line of a plot: None is a gap."""

    name: str
    unit: str
    values: tuple[float | None, ...]


class Plot(NamedTuple):
    """Curves over the starts of their intervals, in seconds since 1970."""

    times: tuple[int, ...]
    step_seconds: int
    curves: tuple[Curve, ...]


class Interval(NamedTuple):
    """A row of the table beside the plot, kWh; None: no reading."""

    start: datetime
    asked: Decimal | None
    baseline: Decimal | None
    metered: Decimal | None
    delivered: Decimal | None


class MeterRow(NamedTuple):
    """A meter's part, kWh over the whole event."""

    meter: str
    baseline: Decimal
    metered: Decimal
    less: Decimal
    gaps: int
    quality: str


class Excluded(NamedTuple):
    """A day that was looked at and not used, and why."""

    day: date
    reason: str
    text: str


class Performance(NamedTuple):
    """What one statement says of the event. Energies in kWh."""

    statement: str
    by: PartyId
    message: MessageId
    received: datetime
    method: str
    asked: Decimal
    baseline: Decimal
    metered: Decimal
    delivered: Decimal
    factor: Decimal
    adjustment: Decimal | None
    text: str
    days_used: tuple[date, ...]
    excluded: tuple[Excluded, ...]
    plot: Plot
    intervals: tuple[Interval, ...]
    meters: tuple[MeterRow, ...]
    meters_left_out: int
    lines: tuple[tuple[int, StatementLine], ...]  # numbered from 1


class Said(NamedTuple):
    """A message about the event."""

    message: MessageId
    document: DocumentName
    by: PartyId
    received: datetime
    text: str


class EventView(NamedTuple):
    """The whole page. `performance` is None before any statement speaks of it; `others` names the other statements that do."""

    partner: PartyId
    dispatch: str
    confirmation: str
    service: str
    point: str
    start: datetime
    end: datetime
    zone: str
    status: Status
    emergency: bool
    asked_kwh: Decimal
    performance: Performance | None
    others: tuple[str, ...]
    telemetry: Plot | None
    messages: tuple[Said, ...]
    messages_left_out: int


def event_view(desk: Desk, dispatch: str, statement: str = "") -> EventView:
    """A call by the newest statement that speaks of it, or by the one that is named. NotHere if there is no such call, or the
    statement does not speak of it."""
    ledger = ledger_of(desk.gateway, desk.partner)
    one = ledger.book.dispatches.get(dispatch)
    if one is None:
        raise NotHere(
            f"there is no dispatch {dispatch} with {desk.partner}", do="The calendar of settlement has all."
        )
    told = one.instruction
    deal = None if told.confirmation is None else ledger.book.deals.get(told.confirmation)
    spoken = list(_spoken(ledger, dispatch))
    chosen = _chosen(spoken, dispatch, statement)
    messages, left_out = _messages(ledger, dispatch)
    return EventView(
        partner=desk.partner,
        dispatch=dispatch,
        confirmation=told.confirmation or "",
        service=told.service.value,
        point=told.point,
        start=told.window.start,
        end=told.window.end,
        zone="UTC" if deal is None else deal.terms.zone,
        status=view(one, desk.now),
        emergency=told.emergency,
        asked_kwh=energy(told.target_kw),
        performance=None if chosen is None else _performance(*chosen),
        others=tuple(body.statement for _, body, _ in spoken if chosen is None or body is not chosen[1]),
        telemetry=_telemetry(one),
        messages=messages,
        messages_left_out=left_out,
    )


_Spoken = tuple[Event, PerformanceStatement, EventPerformance]


def _spoken(ledger: Ledger, dispatch: str) -> list[_Spoken]:
    """The statements that speak of a call, the newest first."""
    return [
        (event, body, part)
        for event, body in islice(newest(ledger, PerformanceStatement), STATEMENTS_MAX)
        for part in body.events
        if part.dispatch == dispatch
    ]


def _chosen(spoken: Sequence[_Spoken], dispatch: str, statement: str) -> _Spoken | None:
    if not statement:
        return spoken[0] if spoken else None
    found = next((one for one in spoken if one[1].statement == statement), None)
    if found is None:
        raise NotHere(f"no statement {statement} speaks of {dispatch}", do="Leave the statement out.")
    return found


def _performance(event: Event, body: PerformanceStatement, part: EventPerformance) -> Performance:
    meters = sorted(map(_meter, part.meters), key=lambda row: (-abs(row.less), row.meter))
    return Performance(
        statement=body.statement,
        by=event.sender,
        message=event.message,
        received=event.received,
        method=body.baseline_method,
        asked=energy(part.asked_kw),
        baseline=part.baseline_kwh.total(),
        metered=part.actual_kwh.total(),
        delivered=part.delivered_kwh.total(),
        factor=part.performance_factor,
        adjustment=part.adjustment_factor,
        text=part.text,
        days_used=part.days_used,
        excluded=tuple(Excluded(one.day, one.reason.value, one.text) for one in part.days_excluded),
        plot=_plot_of(part),
        intervals=_intervals(part),
        meters=tuple(meters[:METERS_MAX]),
        meters_left_out=max(0, len(meters) - METERS_MAX),
        lines=tuple(
            (number, line) for number, line in enumerate(body.lines, 1) if line.dispatch == part.dispatch
        ),
    )


def _asked_kwh(part: EventPerformance) -> list[Decimal | None]:
    """What was asked in each interval of the readings: the power at its start, over its length."""
    series, hours = part.baseline_kwh, Decimal(part.baseline_kwh.step_seconds) / 3600
    starts = [series.start + series.step * number for number in range(len(series.values))]
    return [value_at(part.asked_kw, start) * hours for start in starts]


def _values(series: IntervalSeries) -> list[Decimal | None]:
    return [series.quantity(number) for number in range(len(series.values))]


def _floats(values: Sequence[Decimal | None]) -> tuple[float | None, ...]:
    return tuple(None if value is None else float(value) for value in values[:POINTS_MAX])


def _plot_of(part: EventPerformance) -> Plot:
    named = {
        "Asked": _asked_kwh(part),
        "Baseline": _values(part.baseline_kwh),
        "Metered": _values(part.actual_kwh),
        "Delivered": _values(part.delivered_kwh),
    }
    curves = tuple(Curve(name, "kWh", _floats(values)) for name, values in named.items())
    return Plot(_times(part.baseline_kwh), part.baseline_kwh.step_seconds, curves)


def _times(series: IntervalSeries) -> tuple[int, ...]:
    first = int(series.start.timestamp())
    return tuple(first + series.step_seconds * number for number in range(len(series.values[:POINTS_MAX])))


def _intervals(part: EventPerformance) -> tuple[Interval, ...]:
    series = (part.baseline_kwh, part.actual_kwh, part.delivered_kwh)
    rows = zip(_asked_kwh(part), *map(_values, series), strict=False)
    first, step = part.baseline_kwh.start, part.baseline_kwh.step
    return tuple(Interval(first + step * number, *row) for number, row in enumerate(rows))


def _meter(part: MeterPerformance) -> MeterRow:
    baseline, metered = part.baseline_kwh.total(), part.actual_kwh.total()
    gaps = sum(value is None for value in part.actual_kwh.values)
    return MeterRow(part.meter, baseline, metered, baseline - metered, gaps, part.quality.name.lower())


def _telemetry(one: Dispatch) -> Plot | None:
    """The newest measurement of power: what is known before a statement is made."""
    if not one.telemetry:
        return None
    power = max(one.telemetry, key=lambda each: each.revision).power_kw
    return Plot(_times(power), power.step_seconds, (Curve("Telemetry", "kW", _floats(_values(power))),))


def _messages(ledger: Ledger, dispatch: str) -> tuple[tuple[Said, ...], int]:
    """What was said of a call, in order, the newest if there is more than a page has; and how much more there is."""
    void = {place(one.event) for one in ledger.voids}
    found = [
        event
        for event in islice(reversed(ledger.events), LOOK_BACK_MAX)
        if getattr(event.body, "dispatch", None) == dispatch and place(event) not in void
    ]
    said = tuple(
        Said(
            event.message,
            document_of(event.body).name,
            event.sender,
            event.received,
            getattr(event.body, "text", "") or "",
        )
        for event in reversed(found[:MESSAGES_MAX])
    )
    return said, max(0, len(found) - MESSAGES_MAX)
