"""The utility's view of a connection point, per interval: what is firm, what is ordered, what is declared, and what remains.

remaining = declared - withdrawn by DER outages - the greater of what confirmations make firm and what is ordered.
Where it is below zero, more was promised than is there: the aggregator is short, and both sides see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from intertie.market.availability import Availability, Grounds, Key, keys_of, least_declared
from intertie.market.hours import windows_of
from intertie.market.orders import kw_between
from intertie.model.contract import Confirmation, Direction, Service
from intertie.model.ids import ConnectionPointId
from intertie.model.interval import Window, intervals_in
from intertie.model.offers import Order

_WATT = Decimal("0.001")


class Question(NamedTuple):
    """What is looked at: one service at one point, in one direction, over a window in steps."""

    service: Service
    point: ConnectionPointId
    direction: Direction
    window: Window
    step: timedelta


class Row(NamedTuple):
    """One interval. `declared_kw` is None where nothing was declared; then nothing remains."""

    start: datetime
    end: datetime
    firm_kw: Decimal
    ordered_kw: Decimal
    declared_kw: Decimal | None
    withdrawn_kw: Decimal
    remaining_kw: Decimal

    @property
    def short(self) -> bool:
        """More is promised than is declared and not withdrawn."""
        return self.remaining_kw < 0


def view(
    state: Availability,
    deals: Sequence[Confirmation],
    orders: Sequence[Order],
    question: Question,
    grounds: Grounds,
) -> list[Row]:
    """The rows of the window; `deals` are the confirmations in force."""
    keys = _keys_at(state, question)
    count = intervals_in(question.window, question.step)
    times = [question.window.start + question.step * place for place in range(count)]
    return [_row(state, deals, orders, question, grounds, keys, at) for at in times]


def _keys_at(state: Availability, question: Question) -> list[Key]:
    return [key for key in keys_of(state) if (key.service, key.point) == (question.service, question.point)]


def _row(
    state: Availability,
    deals: Sequence[Confirmation],
    orders: Sequence[Order],
    question: Question,
    grounds: Grounds,
    keys: Sequence[Key],
    start: datetime,
) -> Row:
    end = start + question.step
    # One aggregation that says nothing does not hide what another one declared.
    said = [
        one
        for key in keys
        if (one := least_declared(state, [key], question.direction, start, end, grounds)) is not None
    ]
    declared = sum((one.declared_kw for one in said), Decimal(0)) if said else None
    withdrawn = sum((one.withdrawn_kw for one in said), Decimal(0))
    firm = sum((_firm_here(deal, question, start, end) for deal in deals), Decimal(0))
    ordered = sum((_ordered_here(order, question, start, end) for order in orders), Decimal(0))
    promised = max(firm, ordered)
    return Row(
        start, end, firm, ordered, declared, withdrawn, (declared or Decimal(0)) - withdrawn - promised
    )


def _firm_here(deal: Confirmation, question: Question, start: datetime, end: datetime) -> Decimal:
    """The contracted power of a deal, if it may be called at any time of the interval."""
    same = (deal.service, deal.direction) == (question.service, question.direction)
    if not same or not callable_in(deal, start, end):
        return Decimal(0)
    return share(deal.contracted_kw, deal.points, question.point)


def _ordered_here(order: Order, question: Question, start: datetime, end: datetime) -> Decimal:
    if (order.service, order.direction) != (question.service, question.direction):
        return Decimal(0)
    return share(kw_between(order, start, end), order.points, question.point)


def share(kw: Decimal, points: Sequence[ConnectionPointId], point: ConnectionPointId) -> Decimal:
    """The part of a deal over several points that is looked for at one: equal parts in whole watts, the rest at the first."""
    if point not in points:
        return Decimal(0)
    each = (kw / len(points)).quantize(_WATT, ROUND_DOWN)
    return kw - each * (len(points) - 1) if point == points[0] else each


def callable_in(deal: Confirmation, start: datetime, end: datetime) -> bool:
    """Whether the deal may be called at any time from start to end: in its term and its service hours, in its zone."""
    start, end = max(start, deal.term.start), min(end, deal.term.end)
    return start < end and bool(windows_of(Window(start=start, end=end), deal.service_hours, deal.zone))
