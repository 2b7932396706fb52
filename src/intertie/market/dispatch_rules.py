"""What an instruction must keep: the terms of its deal, the state of the grid, and what the DERs behind it can do.

An emergency is not held to notice, calls, hours, duration and capacity, nor does it need a deal; but nobody can be called where
there is no supply, or who is suspended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from intertie.market.condition import limits_at, switching_times
from intertie.market.dispatch_state import ACKNOWLEDGE, OPEN, Dispatch, Dispatches, calls, value_at
from intertie.market.event import Broken, Event, Rule
from intertie.market.feeder import tree_at
from intertie.market.grid import NO_SUPPLY, Able, Grid, able, dead_in
from intertie.market.hours import Stretch, covers, over_time, windows_of
from intertie.market.registry import Registry
from intertie.model.contract import Confirmation, Direction
from intertie.model.dispatch import DispatchInstruction, Instruction
from intertie.model.ids import ConfirmationId, ConnectionPointId
from intertie.model.interval import IntervalSeries, Window


class Deal(NamedTuple):
    """A deal as a dispatch finds it: its terms, and why it is not in force, if it is not."""

    confirmation: Confirmation
    not_in_force: str = ""


class Ground(NamedTuple):
    """What a dispatch stands on: the deals, what is registered, and the grid."""

    deals: Mapping[ConfirmationId, Deal]
    registry: Registry
    grid: Grid


def _term(name: str, text: str, term: str) -> Rule:
    return Rule(f"dispatch.{name}", text, f"Term of the confirmation: {term}")


NO_DEAL = Rule(
    "dispatch.no_deal",
    "A dispatch is called under a deal; only an emergency needs none.",
    "NAESB base contract pattern: nothing is called without a transaction confirmation",
)
UNKNOWN_DEAL = Rule("dispatch.unknown_deal", "The deal is one that both know.", "NAESB base contract pattern")
NOT_IN_FORCE = Rule(
    "dispatch.deal_not_in_force",
    "The deal was agreed to and has not ended.",
    "NAESB base contract pattern: confirmation, deemed acceptance",
)
SERVICE = _term("service", "A deal is called for its service.", "service")
POINT = _term("point", "A deal is called at its points.", "points")
AGGREGATION = _term("aggregation", "A deal of one aggregation is not called of another.", "aggregation")
TERM = _term("outside_term", "A deal is called inside its term.", "term")
HOURS = _term("outside_hours", "A deal is called in its hours, in its zone.", "service_hours, zone")
NOTICE = _term(
    "under_notice",
    "An instruction, and a change that asks for more, arrives the notice of the deal before its window.",
    "notice_minutes",
)
CALLS = _term("over_call_limit", "A deal is called at most so often.", "max_calls")
DURATION = _term("duration", "A call is at most so long.", "max_duration_minutes")
CAPACITY = _term(
    "above_contracted",
    "At no time do the calls of a deal ask for more than its contracted kilowatts.",
    "contracted_kw",
)
DIRECTION = _term("direction", "A deal up is called up, a deal down is called down.", "direction")
RAMP = _term("ramp", "A call asks for no steeper ramp than the deal.", "ramp_kw_per_minute")
ACK_TIME = Rule(
    "dispatch.time_to_answer",
    "The time to answer is at least that of the service.",
    "Times by service (docs/dispatch.md); catalogue DA, latency of a scheduled dispatch",
)
OVER = Rule("dispatch.in_the_past", "A window that is over cannot be called.", "State table (docs/states.md)")
DE_ENERGISED = Rule(
    "dispatch.de_energised",
    "A point without supply is not called.",
    "IEC 61968 connectivity: what has no supply cannot follow a call",
)
SUSPENDED = Rule(
    "dispatch.suspended",
    "No more is called than the DERs have that are not suspended.",
    "Suspension by either side (docs/grid.md)",
)
ASSETS_OUT = Rule(
    "dispatch.assets_out",
    "DERs that are all out of service are not called.",
    "000 Discussed Categories, System/Outage Information, from the aggregator",
)
LIMIT = Rule(
    "dispatch.system_limit",
    "A set-point keeps the limits that the utility has told for its point.",
    "OpenADR 3 IMPORT_CAPACITY_LIMIT, EXPORT_CAPACITY_LIMIT",
)
RULES: tuple[Rule, ...] = (
    *(NO_DEAL, UNKNOWN_DEAL, NOT_IN_FORCE, SERVICE, POINT, AGGREGATION, TERM, HOURS, NOTICE, CALLS, DURATION),
    *(CAPACITY, DIRECTION, RAMP, ACK_TIME, OVER, DE_ENERGISED, SUSPENDED, ASSETS_OUT, LIMIT),
)


def check(
    dispatches: Dispatches,
    body: DispatchInstruction,
    event: Event,
    ground: Ground,
    before: Dispatch | None = None,
) -> None:
    """Whether the instruction, or its change, may stand. Raises Broken with the first rule that it breaks."""
    if body.window.end <= event.received:
        raise Broken(OVER, f"it was over at {_at(body.window.end)}")
    more = before is None or asks_more(body, before.agreed or before.instruction)
    if not body.emergency:
        deal = _deal(body, ground)
        _place(deal, body)
        _time(deal, body, event, more)
        _amount(deal, body, dispatches, before)
    if more:
        _grid(body, event.received, ground)
        _assets(body, event.received, ground)


def asks_more(body: DispatchInstruction, before: DispatchInstruction) -> bool:
    """Whether a change asks for anything that was not asked before: less, later or shorter needs no notice."""
    if body.instruction is not before.instruction or body.point != before.point:
        return True
    if body.window.start < before.window.start or body.window.end > before.window.end:
        return True
    if (body.ramp_kw_per_minute or 0) > (
        before.ramp_kw_per_minute or 0
    ) or body.target_kvar != before.target_kvar:
        return True
    if body.instruction is Instruction.SET_POINT:
        return any(
            value_at(body.target_kw, at) != value_at(before.target_kw, at) for at in _edges(body, before)
        )
    return any(
        abs(value_at(body.target_kw, at)) > abs(value_at(before.target_kw, at)) for at in _edges(body, before)
    )


def _edges(*bodies: DispatchInstruction) -> list[datetime]:
    """Where the targets may change, inside the first of them."""
    edges = {
        one.target_kw.start + one.target_kw.step * i
        for one in bodies
        for i in range(len(one.target_kw.values))
    }
    return sorted(at for at in edges if bodies[0].window.holds(at))


def _deal(body: DispatchInstruction, ground: Ground) -> Confirmation:
    if body.confirmation is None:
        raise Broken(NO_DEAL)
    deal = ground.deals.get(body.confirmation)
    if deal is None:
        raise Broken(UNKNOWN_DEAL, f"there is no {body.confirmation}")
    if deal.not_in_force:
        raise Broken(NOT_IN_FORCE, f"{body.confirmation} {deal.not_in_force}")
    return deal.confirmation


def _place(deal: Confirmation, body: DispatchInstruction) -> None:
    if body.service is not deal.service:
        raise Broken(SERVICE, f"{deal.confirmation} is for {deal.service}")
    if body.point not in deal.points:
        raise Broken(POINT, f"{body.point} is not in {deal.confirmation}")
    if deal.aggregation is not None and body.aggregation not in (None, deal.aggregation):
        raise Broken(AGGREGATION, f"{deal.confirmation} is of {deal.aggregation}")


def _time(deal: Confirmation, body: DispatchInstruction, event: Event, more: bool) -> None:
    window = body.window
    if window.start < deal.term.start or window.end > deal.term.end:
        raise Broken(TERM, f"{deal.confirmation} is from {_at(deal.term.start)} to {_at(deal.term.end)}")
    if window.end - window.start > timedelta(minutes=deal.max_duration_minutes):
        raise Broken(DURATION, f"at most {deal.max_duration_minutes} minutes")
    day = timedelta(days=1)
    around = Window(start=window.start - day, end=window.end + day)
    if not covers(windows_of(around, deal.service_hours, deal.zone), window):
        raise Broken(HOURS, f"not in the hours of {deal.confirmation} in {deal.zone}")
    if more and event.received + timedelta(minutes=deal.notice_minutes) > window.start:
        raise Broken(NOTICE, f"{deal.notice_minutes} minutes of notice, received at {_at(event.received)}")
    if body.respond_by - event.received < ACKNOWLEDGE[body.service]:
        minutes = ACKNOWLEDGE[body.service] // timedelta(minutes=1)
        raise Broken(ACK_TIME, f"{body.service} has {minutes} minutes to answer")


def _amount(
    deal: Confirmation, body: DispatchInstruction, dispatches: Dispatches, before: Dispatch | None
) -> None:
    used = calls(dispatches, deal.confirmation) - (before is not None and before.counts_as_call)
    if used >= deal.max_calls:
        raise Broken(CALLS, f"{used} of {deal.max_calls} calls are used")
    if (body.ramp_kw_per_minute or 0) > (deal.ramp_kw_per_minute or body.ramp_kw_per_minute or 0):
        raise Broken(RAMP, f"at most {deal.ramp_kw_per_minute} kW a minute")
    if body.instruction is not Instruction.RELATIVE:
        return
    low, high = body.target_kw.span
    if (deal.direction is Direction.UP and low < 0) or (deal.direction is Direction.DOWN and high > 0):
        raise Broken(DIRECTION, f"{deal.confirmation} is {deal.direction}")
    peak = max((one.kw for one in _together(deal, body, dispatches)), default=Decimal(0))
    if peak > deal.contracted_kw:
        raise Broken(CAPACITY, f"{peak.normalize():f} of {deal.contracted_kw.normalize():f} kW")


def _together(deal: Confirmation, body: DispatchInstruction, dispatches: Dispatches) -> list[Stretch]:
    """What this and the other open calls of a deal ask for, over time."""
    claims = list(_asked(body.target_kw))
    for name, one in dispatches.items():
        other = one.instruction
        mine = name != body.dispatch and other.confirmation == deal.confirmation and one.state in OPEN
        if mine and other.instruction is Instruction.RELATIVE and other.window.overlaps(body.window):
            claims += _asked(other.target_kw)
    return over_time(claims)


def _asked(series: IntervalSeries) -> Iterable[tuple[tuple[Window, ...], Decimal]]:
    """Runs of equal power as claims."""
    start, count = 0, len(series.values)
    for i in range(1, count + 1):
        if i == count or series.values[i] != series.values[start]:
            window = Window(start=series.start + series.step * start, end=series.start + series.step * i)
            yield (window,), abs(series.quantity(start) or Decimal(0))
            start = i


def _grid(body: DispatchInstruction, now: datetime, ground: Ground) -> None:
    dead = dead_in(ground.grid, body.point, body.window, now)
    if dead:
        until = f" to {_at(dead[0].end)}" if dead[0].end else ""
        raise Broken(DE_ENERGISED, f"{body.point}: {dead[0].why}, from {_at(dead[0].start)}{until}")
    if body.instruction is not Instruction.SET_POINT:
        return
    points = tuple(tree_at(ground.grid.models, body.window.start).under([body.point]))
    for i in range(len(body.target_kw.values)):
        at = body.target_kw.start + body.target_kw.step * i
        towards, back = limits_at(ground.grid.conditions, points, at)
        asked = body.target_kw.quantity(i) or Decimal(0)
        if (back is not None and asked > back) or (towards is not None and -asked > towards):
            raise Broken(LIMIT, f"{asked.normalize():f} kW at {_at(at)}")


def _assets(body: DispatchInstruction, now: datetime, ground: Ground) -> None:
    """Where nothing is registered at the point, nothing is known of its DERs, and only its answer can tell."""
    deal = ground.deals.get(body.confirmation) if body.confirmation is not None else None
    aggregation = body.aggregation or (deal.confirmation.aggregation if deal is not None else None)
    points = tree_at(ground.grid.models, body.window.start).under([body.point])
    moments = _moments(body, ground, points)
    for at, until in zip(moments, [*moments[1:], body.window.end], strict=True):
        ders = able(ground.grid, ground.registry, points, aggregation, at, now)
        _suspended(ders, body, at, _peak(body.target_kw, at, until))
        if ders and all(one.why == NO_SUPPLY for one in ders):
            raise Broken(DE_ENERGISED, f"no point behind {body.point} has supply at {_at(at)}")
        if ders and not any(one.kw for one in ders):
            raise Broken(ASSETS_OUT, f"{ders[0].der} {ders[0].why}, at {_at(at)}")


def _suspended(ders: list[Able], body: DispatchInstruction, at: datetime, asked: Decimal) -> None:
    out = [one for one in ders if one.aggregation.suspended(one.der, at) is not None]
    left = sum((one.version.kw for one in ders if one not in out), Decimal(0))
    relative = body.instruction is Instruction.RELATIVE
    if out and (left == 0 or (relative and asked > left)):
        names = ", ".join(one.der for one in out[:3])
        raise Broken(SUSPENDED, f"without {names} there are {left.normalize():f} kW at {_at(at)}")


def _peak(series: IntervalSeries, start: datetime, end: datetime) -> Decimal:
    """The most that is asked for between two times."""
    first = max((start - series.start) // series.step, 0)
    last = -(-(end - series.start) // series.step)
    values = [abs(value) for value in series.values[first:last] if value is not None]
    return Decimal(max(values, default=0)).scaleb(series.power_of_ten)


def _moments(
    body: DispatchInstruction, ground: Ground, points: frozenset[ConnectionPointId]
) -> list[datetime]:
    """The times in the window at which what the DERs can do may change."""
    times: set[datetime | None] = {body.window.start, *switching_times(ground.grid.conditions, body.window)}
    for aggregation in ground.registry.values():
        for suspension in aggregation.suspensions.values():
            times |= {suspension.starts, suspension.ends}
        for versions in aggregation.ders.values():
            times |= {t for one in versions if one.der.point in points for t in (one.starts, one.ends)}
        times |= {one.since for said in aggregation.live.values() for one in said}
    for assets in ground.grid.assets.values():
        times |= {assets.starts, assets.expected, *assets.back.values()}
    for outage in ground.grid.outages.values():
        times |= {outage.starts, outage.expected}
        times |= {t for point, loss in outage.lost.items() if point in points for t in loss}
    return sorted(at for at in times if at is not None and body.window.holds(at))


def _at(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
