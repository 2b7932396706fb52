"""What a simulated aggregator says: DERs, availability, answers to deals and calls, and how a call went."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from functools import partial

from intertie.gateway.simulating.simulate_script import Manner
from intertie.gateway.simulating.simulate_turn import Turn
from intertie.gateway.trading import trade_availability, trade_dispatch, trade_registration
from intertie.gateway.trading.trade_contract import answer_deal
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.availability import Key
from intertie.market.confirmation import State as DealState
from intertie.market.confirmation import status
from intertie.market.dispatch_state import Dispatch, State, value_at
from intertie.market.registry import Aggregation
from intertie.model.aggregation import Der
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.dispatch import DispatchAnswer, ReportKind
from intertie.model.ids import AggregationId, ConnectionPointId, MessageId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.made import made
from intertie.model.quantity import Unit

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
WATT = Decimal("0.001")
# Telemetry goes in pieces of so many minutes: often enough to be watched, seldom enough to be read.
PIECE = 5


def register(turn: Turn) -> None:
    """Register the DERs of the script, if nothing is registered."""
    part, desk = turn.script.registration, turn.desk
    if part.ders and not desk.drafted.registry:
        ders = [_der(turn, number) for number in range(1, part.ders + 1)]
        offered = trade_registration.Offered((turn.script.deal.service,), turn.now)
        name = AggregationId(part.aggregation)
        turn.once(
            f"register {name} with {part.ders} DERs",
            part.after_seconds,
            lambda: trade_registration.register(desk, name, offered, ders),
        )


def _der(turn: Turn, number: int) -> Der:
    part = turn.script.registration
    return made(
        Der,
        id=f"SIM-DER-{number}",
        technology=part.technology,
        nameplate_kw=part.kw,
        feeder=part.feeder,
        point=part.point,
        meter=f"SIM-M-{number}",
        premises=f"SIM-P-{number}",
        consent=f"SIM-C-{number}",
    )


def answer_deals(turn: Turn) -> None:
    """Accept deals, or object to them; a deal that is met with silence is deemed accepted."""
    part, desk = turn.script.deal, turn.desk
    for number, (name, known) in enumerate(desk.book.deals.items(), 1):
        said, manner = desk.drafted.deals[name].state, part.manner(number)
        waits = status(known, turn.now) is DealState.OPEN and said is DealState.OPEN
        if not waits or known.answerer != desk.us or manner is Manner.SILENT:
            continue
        objection = part.reason if manner in (Manner.REFUSE, Manner.PART) else None
        what = f"{'object to' if objection else 'accept'} deal {name} revision {known.terms.revision}"
        turn.once(what, part.after_seconds, partial(answer_deal, desk, name, objection))


def declare(turn: Turn) -> None:
    """Declare what counts at each point, from the next hour on, once nothing that was declared reaches so far."""
    part, desk = turn.script.availability, turn.desk
    if not part.declare:
        return
    start = turn.now.replace(minute=0, second=0, microsecond=0) + HOUR
    for name, aggregation in desk.book.registry.items():
        for point, kw in _at_points(aggregation, turn.now).items():
            key = Key(name, turn.script.deal.service, point)
            known = desk.drafted.availability.declared.get(key.text, ())
            if any(one.body.window.holds(start) for one in known):
                continue
            watts = int((kw * part.fraction / WATT).to_integral_value(ROUND_DOWN))
            body = _declaration(key, start, part.hours, watts)
            turn.once(
                f"declare {watts / 1000:g} kW of {name} at {point} from {start:%d %B, %H:%MZ}",
                0.0,
                partial(trade_availability.declare, desk, body),
            )


def _at_points(aggregation: Aggregation, now: datetime) -> dict[ConnectionPointId, Decimal]:
    found: dict[ConnectionPointId, Decimal] = {}
    for one in aggregation.counting(now).values():
        found[one.der.point] = found.get(one.der.point, Decimal(0)) + one.kw
    return found


def _declaration(key: Key, start: datetime, hours: int, watts: int) -> AvailabilityDeclaration:
    up = IntervalSeries(start=start, step_seconds=3600, unit=Unit.KW, values=(watts,) * hours)
    return made(
        AvailabilityDeclaration,
        aggregation=key.aggregation,
        service=key.service,
        point=key.point,
        window=Window(start=start, end=start + hours * HOUR),
        revision=1,
        up_kw=up,
        down_kw=IntervalSeries(start=start, step_seconds=3600, unit=Unit.KW, values=(0,) * hours),
    )


def answer_calls(turn: Turn) -> None:
    """Answer every instruction, and every change of one."""
    part, desk = turn.script.dispatch, turn.desk
    waiting = (State.ISSUED, State.CHANGED)
    for number, (name, known) in enumerate(desk.book.dispatches.items(), 1):
        said, manner = desk.drafted.dispatches[name].state, part.manner(number)
        if known.state not in waiting or said not in waiting or manner is Manner.SILENT:
            continue
        what = f"{name} revision {known.instruction.revision}"
        said_so, answer = _answer(turn, known, manner)
        turn.once(f"{said_so} {what}", part.after_seconds, partial(answer, desk, name))


def _answer(turn: Turn, known: Dispatch, manner: Manner) -> tuple[str, Callable[[Desk, str], MessageId]]:
    """The answer in words, and the act."""
    part, act = turn.script.dispatch, trade_dispatch.answer
    if manner is Manner.REFUSE:
        return "refuse", partial(act, said=DispatchAnswer.REFUSED, reason=part.reason)
    if manner is not Manner.PART:
        return "accept", partial(act, said=DispatchAnswer.ACCEPTED)
    asked = known.instruction.target_kw
    each = [
        (abs(asked.quantity(place) or Decimal(0)) * part.partial_fraction).quantize(WATT, ROUND_DOWN)
        for place in range(len(asked.values))
    ]
    committed = trade_dispatch.part_of(asked, each)
    return "accept a part of", partial(
        act, said=DispatchAnswer.PARTIAL, reason=part.reason, committed=committed
    )


def follow_calls(turn: Turn) -> None:
    """Start, measure and finish what was accepted."""
    for name, known in turn.desk.book.dispatches.items():
        if known.state in (State.ACCEPTED, State.PARTIAL) and turn.now >= known.instruction.window.start:
            _follow(turn, name, known)


def _follow(turn: Turn, name: str, known: Dispatch) -> None:
    desk = turn.desk
    start, end = known.instruction.window.start, known.instruction.window.end
    if known.started is None:
        turn.once(
            f"start {name}", 0.0, lambda: trade_dispatch.report(desk, name, ReportKind.STARTED, turn.now)
        )
        return
    measured = max((one.power_kw.end for one in desk.drafted.dispatches[name].telemetry), default=start)
    until = min(turn.now, end)
    minutes = (until - measured) // MINUTE
    if minutes >= PIECE or (minutes and until == end):
        power = _measured(turn, known, measured, minutes)
        turn.once(
            f"measure {name} from {measured:%H:%MZ}", 0.0, lambda: trade_dispatch.measure(desk, name, power)
        )
    elif until == end:
        turn.once(f"finish {name}", 0.0, lambda: trade_dispatch.report(desk, name, ReportKind.FINISHED, end))


def _measured(turn: Turn, known: Dispatch, start: datetime, minutes: int) -> IntervalSeries:
    owed = known.owed(turn.now) or known.instruction.target_kw
    follows = turn.script.dispatch.follows
    values = tuple(
        int((value_at(owed, start + n * MINUTE) * follows / WATT).to_integral_value(ROUND_DOWN))
        for n in range(minutes)
    )
    return IntervalSeries(start=start, step_seconds=60, unit=Unit.KW, values=values)
