"""What outages and suspensions do: to each deal in its hours, to each open dispatch, to what was declared.

Computed from the book by whoever looks, the same on both sides; nothing is stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from intertie.market.dispatch_rules import Ground
from intertie.market.dispatch_state import OPEN, Dispatch, Dispatches, value_at
from intertie.market.feeder import tree_at
from intertie.market.grid import NO_SUPPLY, Able, able
from intertie.market.hours import windows_of
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.contract import Confirmation
from intertie.model.ids import AggregationId, ConfirmationId, ConnectionPointId, DerId
from intertie.model.interval import Window


class Lack(NamedTuple):
    """A DER that can do less than was accepted of it at a time, and why."""

    der: DerId
    point: ConnectionPointId
    kw: Decimal
    of_kw: Decimal
    why: str


class DealEffect(NamedTuple):
    """An interval in which a deal may be called and its DERs cannot give all of it."""

    confirmation: ConfirmationId
    start: datetime
    contracted_kw: Decimal
    able_kw: Decimal
    short_kw: Decimal
    why: tuple[str, ...]


class DispatchEffect(NamedTuple):
    """An interval of an open dispatch in which its DERs cannot give what is owed."""

    dispatch: str
    start: datetime
    owed_kw: Decimal
    able_kw: Decimal
    short_kw: Decimal
    why: tuple[str, ...]


class DeclaredEffect(NamedTuple):
    """An interval of a declaration that promises more than the DERs at its point can give now."""

    aggregation: AggregationId
    point: ConnectionPointId
    start: datetime
    declared_kw: Decimal
    able_kw: Decimal


class Effects(NamedTuple):
    """Everything that is not as agreed in a window."""

    lacks: tuple[Lack, ...]
    deals: tuple[DealEffect, ...]
    dispatches: tuple[DispatchEffect, ...]
    declared: tuple[DeclaredEffect, ...]


def effects(
    ground: Ground,
    dispatches: Dispatches,
    declarations: Iterable[AvailabilityDeclaration],
    window: Window,
    step: timedelta,
    now: datetime,
) -> Effects:
    """What is not as agreed in the window, by intervals of `step`, as far as is known at `now`."""
    times = [window.start + step * i for i in range(-(-(window.end - window.start) // step))]
    deals = [deal.confirmation for deal in ground.deals.values() if not deal.not_in_force]
    lacks: dict[DerId, Lack] = {}
    found: list[DealEffect] = []
    for deal in deals:
        for at in _called(deal, times, window):
            ders = _ders(ground, deal.points, deal.aggregation, at, now)
            lacks.update((one.der, _lack(one)) for one in ders if one.kw < one.version.kw)
            effect = _deal_effect(deal, at, ders)
            if effect is not None:
                found.append(effect)
    return Effects(
        tuple(lacks[der] for der in sorted(lacks)),
        tuple(found),
        tuple(e for one in dispatches.values() for e in _dispatch_effects(one, ground, window, now)),
        tuple(e for one in declarations for e in _declared_effects(one, ground, window, now)),
    )


def _called(deal: Confirmation, times: Iterable[datetime], window: Window) -> list[datetime]:
    """The intervals in which a deal may be called."""
    if not deal.term.overlaps(window):
        return []
    both = Window(start=max(deal.term.start, window.start), end=min(deal.term.end, window.end))
    hours = windows_of(both, deal.service_hours, deal.zone)
    return [at for at in times if any(one.holds(at) for one in hours)]


def _ders(
    ground: Ground,
    points: Iterable[ConnectionPointId],
    aggregation: AggregationId | None,
    at: datetime,
    now: datetime,
) -> list[Able]:
    wanted = tree_at(ground.grid.models, at).under(points)
    return able(ground.grid, ground.registry, wanted, aggregation, at, now)


def _lack(one: Able) -> Lack:
    return Lack(one.der, one.version.der.point, one.kw, one.version.kw, one.why)


def _deal_effect(deal: Confirmation, at: datetime, ders: list[Able]) -> DealEffect | None:
    """Only what is lacking counts: a deal whose DERs are still to be registered is not short by an outage."""
    able_kw = sum((one.kw for one in ders), Decimal(0))
    lacking = any(one.kw < one.version.kw for one in ders)
    contracted = Decimal(deal.contracted_kw)
    if not lacking or able_kw >= contracted:
        return None
    return DealEffect(deal.confirmation, at, contracted, able_kw, contracted - able_kw, _reasons(ders))


def _dispatch_effects(one: Dispatch, ground: Ground, window: Window, now: datetime) -> list[DispatchEffect]:
    body, owed = one.instruction, one.owed(now)
    if one.state not in OPEN or owed is None or not body.window.overlaps(window):
        return []
    deal = ground.deals.get(body.confirmation) if body.confirmation is not None else None
    aggregation = body.aggregation or (deal.confirmation.aggregation if deal is not None else None)
    found = []
    for i in range(len(owed.values)):
        at = owed.start + owed.step * i
        ders = _ders(ground, [body.point], aggregation, at, now) if window.holds(at) else []
        able_kw, wanted = sum((der.kw for der in ders), Decimal(0)), abs(value_at(owed, at))
        if ders and able_kw < wanted and any(der.kw < der.version.kw for der in ders):
            found.append(DispatchEffect(body.dispatch, at, wanted, able_kw, wanted - able_kw, _reasons(ders)))
    return found


def _declared_effects(
    one: AvailabilityDeclaration, ground: Ground, window: Window, now: datetime
) -> list[DeclaredEffect]:
    found = []
    for i in range(len(one.up_kw.values)):
        at = one.up_kw.start + one.up_kw.step * i
        declared = one.up_kw.quantity(i)
        if not declared or not window.holds(at):
            continue
        ders = _ders(ground, [one.point], one.aggregation, at, now)
        able_kw = sum((der.kw for der in ders), Decimal(0))
        if able_kw < declared and any(der.kw < der.version.kw for der in ders):
            found.append(DeclaredEffect(one.aggregation, one.point, at, declared, able_kw))
    return found


def _reasons(ders: list[Able]) -> tuple[str, ...]:
    """Why, each reason once; points without supply are named."""
    said = {
        f"{one.why} at {one.version.der.point}" if one.why == NO_SUPPLY else one.why
        for one in ders
        if one.why
    }
    return tuple(sorted(said))
