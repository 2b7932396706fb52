"""Dispatches with a partner: what waits for an answer, what runs, and one of them as it went, for a table and a plot."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.trading.trade_dispatch import Limits, find_dispatch, limits
from intertie.market import confirmation
from intertie.market.dispatch import TELEMETRY_AROUND
from intertie.market.dispatch_state import OPEN, TABLE, Dispatch, State, Status, Step, view
from intertie.market.telemetry import Track, track
from intertie.model.contract import Confirmation
from intertie.model.errors import SettingsError
from intertie.model.ids import ConfirmationId, ConnectionPointId
from intertie.model.interval import IntervalSeries

# What a person reads at once, newest first.
DISPATCHES_PAGE = 50
# Those that need somebody now come before all others, in this order.
URGENT = (Status.WAITING, Status.UNANSWERED, Status.DUE, Status.RUNNING, Status.UNREPORTED)


class DispatchLine(NamedTuple):
    """A dispatch as it stands now. `peak_kw` has the sign of what was asked."""

    name: str
    status: Status
    state: State
    deal: ConfirmationId | None
    point: ConnectionPointId
    peak_kw: Decimal
    start: datetime
    end: datetime
    respond_by: datetime
    answered: datetime | None
    late: bool
    reason: str
    emergency: bool
    revision: int


class DispatchesView(NamedTuple):
    """Dispatches, the most urgent first. `deals` may be called now or later; `next` is where the next page starts."""

    lines: tuple[DispatchLine, ...]
    total: int
    next: int | None
    deals: tuple[Confirmation, ...]


class Points(NamedTuple):
    """What a plot draws: seconds since 1970, and kilowatts; None is a gap."""

    at: tuple[int, ...]
    asked: tuple[float | None, ...]
    owed: tuple[float | None, ...]
    measured: tuple[float | None, ...]


class DispatchView(NamedTuple):
    """One dispatch as it went. What each side can do with it now, by the table of states."""

    line: DispatchLine
    dispatch: Dispatch
    track: Track
    can_answer: bool
    can_report: bool
    can_stop: bool
    can_cancel: bool
    can_change: bool
    can_measure: bool
    measured_to: datetime  # where telemetry goes on


def dispatches_view(desk: Desk, start: int = 0, only: Collection[Status] = ()) -> DispatchesView:
    """The list, from a place on."""
    found = [line_of(one, desk.now) for one in desk.book.dispatches.values()]
    found = [one for one in found if not only or one.status in only]
    found.sort(key=lambda one: one.start, reverse=True)
    found.sort(key=lambda one: URGENT.index(one.status) if one.status in URGENT else len(URGENT))
    start = min(max(start, 0), max(len(found) - 1, 0))
    after = start + DISPATCHES_PAGE
    return DispatchesView(
        tuple(found[start:after]),
        len(found),
        after if after < len(found) else None,
        tuple(callable_deals(desk)),
    )


def callable_deals(desk: Desk) -> list[Confirmation]:
    """The deals that bind both and are not over."""
    return [
        deal.terms
        for _, deal in sorted(desk.book.deals.items())
        if confirmation.status(deal, desk.now) in confirmation.STANDING and deal.terms.term.end > desk.now
    ]


class Left(NamedTuple):
    """What a call of a deal is held to, and how much of it is left."""

    limits: Limits
    kw: Decimal
    calls: int
    point: ConnectionPointId


def limits_left(desk: Desk, deal: ConfirmationId, point: ConnectionPointId | None = None) -> Left:
    """The limits to show beside a form. SettingsError for a deal, or a point of it, that is not there."""
    found = limits(desk, deal, point)
    if point is not None and point not in found.deal.points:
        raise SettingsError(f"{point} is not in {deal}", do="Choose one of its points.")
    return Left(
        found,
        max(Decimal(found.deal.contracted_kw) - found.called_kw, Decimal(0)),
        max(found.deal.max_calls - found.calls_used, 0),
        point or found.deal.points[0],
    )


def dispatch_view(desk: Desk, name: str) -> DispatchView:
    """One dispatch, of what both hold; SettingsError if it is not there. One that is on its way still is looked up, too."""
    one = desk.book.dispatches.get(name) or find_dispatch(desk, name)
    window = one.instruction.window
    return DispatchView(
        line_of(one, desk.now),
        one,
        track(one, desk.now),
        one.state in (State.ISSUED, State.CHANGED),
        (one.state, Step.START) in TABLE and (one.started is None or one.finished is None),
        (one.state, Step.STOP) in TABLE and desk.now < window.end,
        (one.state, Step.CANCEL) in TABLE and one.state in OPEN and desk.now < window.end,
        (one.state, Step.CHANGE) in TABLE and desk.now < window.end,
        one.state is not State.REFUSED and desk.now >= window.start - TELEMETRY_AROUND,
        max((each.power_kw.end for each in one.telemetry), default=window.start),
    )


def points_of(track: Track) -> Points:
    """The track as a plot takes it."""
    return Points(
        tuple(int(row.start.timestamp()) for row in track.rows),
        tuple(_float(row.asked_kw) for row in track.rows),
        tuple(_float(row.owed_kw) for row in track.rows),
        tuple(_float(row.measured_kw) for row in track.rows),
    )


def line_of(one: Dispatch, now: datetime) -> DispatchLine:
    """A dispatch in a line."""
    body = one.instruction
    return DispatchLine(
        body.dispatch,
        view(one, now),
        one.state,
        body.confirmation,
        body.point,
        peak_of(body.target_kw),
        body.window.start,
        body.window.end,
        body.respond_by,
        one.answered,
        one.late,
        one.reason or "",
        body.emergency,
        body.revision,
    )


def peak_of(series: IntervalSeries) -> Decimal:
    """The value that is farthest from zero, with its sign."""
    low, high = series.span
    return Decimal(high if abs(high) >= abs(low) else low).scaleb(series.power_of_ten).normalize()


def _float(value: Decimal | None) -> float | None:
    return None if value is None else round(float(value), 3)


def text_of(series: IntervalSeries) -> str:
    """The values as a person writes them: one where all are the same, else one for each interval."""
    values = [series.quantity(place) for place in range(len(series.values))]
    said = ["-" if value is None else format(value.normalize(), "f") for value in values]
    return said[0] if len(set(said)) == 1 else ", ".join(said)
