"""What a simulated utility says: decisions on DERs, a deal over them, calls of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from functools import partial

from intertie.gateway.simulating.simulate_script import Manner
from intertie.gateway.simulating.simulate_turn import Turn
from intertie.gateway.trading import trade_dispatch, trade_registration
from intertie.gateway.trading.trade_contract import confirm
from intertie.market import confirmation
from intertie.market.registering import offered_windows
from intertie.market.registration import lent_kw
from intertie.market.registry import Aggregation, Standing, Version
from intertie.model.aggregation import DecisionReason
from intertie.model.contract import Confirmation
from intertie.model.dispatch import DispatchInstruction, Instruction
from intertie.model.ids import AggregationId, ConnectionPointId, DerId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.made import made
from intertie.model.quantity import Unit

TERM = timedelta(days=90)
QUARTER = timedelta(minutes=15)
WATT = Decimal("0.001")
# From the call to its begin, beyond the notice: its parcel's way.
LEAD = timedelta(minutes=2)


def decide(turn: Turn) -> None:
    """Decide on every DER that waits."""
    part, desk = turn.script.registration, turn.desk
    for name, aggregation in desk.book.registry.items():
        accept: dict[DerId, Decimal | None] = {}
        refuse: dict[DerId, DecisionReason] = {}
        for number, (der, versions) in enumerate(aggregation.ders.items(), 1):
            if versions[-1].standing is not Standing.OFFERED:
                continue
            said = desk.drafted.registry[name].ders[der][-1].standing
            manner = part.manner(number)
            if said is not Standing.OFFERED or manner is Manner.SILENT:
                continue
            kw = _left(aggregation, versions[-1], manner, part.partial_fraction)
            if versions[-1].der.consent is None:
                refuse[der] = DecisionReason.CONSENT_MISSING
            elif manner is Manner.REFUSE:
                refuse[der] = part.reason
            elif kw <= 0:
                refuse[der] = DecisionReason.DOUBLE_COMMITMENT
            else:
                accept[der] = None if kw == versions[-1].der.nameplate_kw else kw
        if accept or refuse:
            limits = {der: kw for der, kw in accept.items() if kw is not None}
            verdicts = trade_registration.Verdicts(list(accept), refuse, limits)
            what = f"decide {name} revision {aggregation.revision}: {len(accept)} accepted, {len(refuse)} refused"
            turn.once(
                what,
                part.after_seconds,
                partial(trade_registration.decide, desk, name, verdicts, turn.now),
            )


def _left(aggregation: Aggregation, version: Version, manner: Manner, fraction: Decimal) -> Decimal:
    """What other programmes leave of it, or a part of that."""
    start = max(version.effective, version.offered)
    left = version.der.nameplate_kw - lent_kw(version.der, offered_windows(aggregation, start, version.ends))
    return (left * fraction).quantize(WATT, ROUND_DOWN) if manner is Manner.PART else left


def propose_deal(turn: Turn) -> None:
    """One deal over the first aggregation with accepted DERs; after an objection, what was asked for is not guessed."""
    part, desk = turn.script.deal, turn.desk
    if not part.propose or desk.drafted.deals:
        return
    for name, aggregation in desk.book.registry.items():
        counting = list(aggregation.counting(turn.now).values())
        kw = sum((one.kw for one in counting), Decimal(0)) * part.fraction
        if kw > 0 and not trade_registration.undecided(aggregation):
            points = sorted({one.der.point for one in counting})
            terms = terms_of(turn, name, points, kw.quantize(WATT, ROUND_DOWN))
            turn.once(
                f"confirm deal {terms.confirmation}: {terms.contracted_kw} kW",
                part.after_seconds,
                partial(confirm, desk, terms),
            )
            return


def terms_of(
    turn: Turn, aggregation: AggregationId, points: list[ConnectionPointId], kw: Decimal
) -> Confirmation:
    """The terms of a simulated deal: at any hour, many calls, rates that are easy to reckon with."""
    part, desk = turn.script.deal, turn.desk
    start = turn.now.replace(second=0, microsecond=0)
    ends = desk.text.ends
    return made(
        Confirmation,
        confirmation=part.confirmation,
        agreement=desk.agreement,
        service=part.service,
        points=points,
        contracted_kw=kw,
        term=Window(start=start, end=min(start + TERM, ends) if ends else start + TERM),
        reservation_rate_per_kw_month=Decimal(10),
        utilisation_rate_per_kwh=Decimal(1),
        penalty_rate_per_kwh=Decimal("0.5"),
        penalty_cap_fraction=Decimal(1),
        delivered_cap_fraction=Decimal("1.1"),
        notice_minutes=part.notice_minutes,
        max_calls=100,
        max_duration_minutes=240,
        baseline_method="high_5_of_10",
        adjustment_cap_fraction=Decimal("0.2"),
        tolerance_percent=Decimal(1),
        currency=desk.text.elections.currency,
        zone=desk.text.calendar.zone,
        confirm_deadline=turn.now + timedelta(days=1),
        aggregation=aggregation,
    )


def call(turn: Turn) -> None:
    """Call the deal, so many times, so far apart."""
    part, desk = turn.script.dispatch, turn.desk
    called = desk.drafted.dispatches
    for name, known in desk.book.deals.items():
        if confirmation.status(known, turn.now) not in confirmation.STANDING:
            continue
        mine = [one for one in called.values() if one.instruction.confirmation == name]
        if len(mine) >= part.calls:
            continue
        wait = part.every_seconds if mine else part.first_after_seconds
        turn.once(
            f"call {name} for the {len(mine) + 1}. time",
            wait,
            partial(_call, turn, known.terms),
        )


def _call(turn: Turn, deal: Confirmation) -> None:
    trade_dispatch.instruct(turn.desk, instruction_of(turn, deal))


def instruction_of(turn: Turn, deal: Confirmation) -> DispatchInstruction:
    """A call of a share of the deal, at the point where most is."""
    part, desk = turn.script.dispatch, turn.desk
    at = dict.fromkeys(deal.points, Decimal(0))
    for aggregation in desk.book.registry.values():
        for one in aggregation.counting(turn.now).values():
            if one.der.point in at:
                at[one.der.point] += one.kw
    point = max(at, key=lambda one: (at[one], one))
    most = min(deal.contracted_kw, at[point]) if at[point] else deal.contracted_kw
    watts = int((most * part.fraction / WATT).to_integral_value(ROUND_DOWN))
    start = turn.now + timedelta(minutes=deal.notice_minutes) + LEAD
    window = Window(
        start=start.replace(second=0, microsecond=0) + timedelta(minutes=1),
        end=start.replace(second=0, microsecond=0) + timedelta(minutes=1 + part.minutes),
    )
    series = IntervalSeries(
        start=window.start, step_seconds=900, unit=Unit.KW, values=(watts,) * (part.minutes // 15)
    )
    return made(
        DispatchInstruction,
        dispatch=trade_dispatch.fresh_name(desk, window.start),
        service=deal.service,
        point=point,
        window=window,
        instruction=Instruction.RELATIVE,
        target_kw=trade_dispatch.signed(series, deal.direction),
        respond_by=trade_dispatch.due_by(desk, deal.service, None),
        confirmation=deal.confirmation,
        aggregation=deal.aggregation,
    )
