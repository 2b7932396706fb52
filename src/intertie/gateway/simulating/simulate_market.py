"""What a simulated partner says in the market: a utility asks, clears and tells; an aggregator offers and takes counters."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from functools import partial

from intertie.gateway.simulating.simulate_script import Manner
from intertie.gateway.simulating.simulate_turn import Turn
from intertie.gateway.trading import trade_market
from intertie.gateway.trading.trade_clearing import clear_need, send_outcome
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.offer_setting import amounts
from intertie.market.offer_state import CounterPhase, NeedPhase, NeedState, OfferPhase
from intertie.model.ids import ConnectionPointId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.made import made
from intertie.model.offers import CounterVerdict, Need, Offer, OfferOption
from intertie.model.quantity import Money, Unit

WATT = Decimal("0.001")
QUARTER = timedelta(minutes=15)
# From the last key to the decision, and from there to the begin: a person who watches has time to look.
TO_DECIDE, TO_BEGIN = timedelta(minutes=10), timedelta(minutes=30)
INTERVALS = 8


def ask(turn: Turn) -> None:
    """Publish a need over what counts, so many times, so far apart."""
    part, desk = turn.script.market, turn.desk
    known = desk.drafted.offers.needs
    there = _there(desk)
    if len(known) >= part.needs or not there:
        return
    number = len(known) + 1
    wait = part.every_seconds if known else part.after_seconds
    turn.once(f"ask for the {number}. time", wait, partial(_publish, turn, f"SIM-NEED-{number}", there))


def _publish(turn: Turn, name: str, there: dict[ConnectionPointId, Decimal]) -> None:
    part, desk = turn.script.market, turn.desk
    gate = turn.now + timedelta(seconds=part.gate_seconds)
    keys = gate + timedelta(seconds=part.keys_seconds) if part.sealed else None
    decide = (keys or gate) + TO_DECIDE
    start = _quarter(decide + TO_BEGIN)
    kw = sum(there.values(), Decimal(0))
    currency = desk.text.elections.currency
    requested = _series(start, [kw] * INTERVALS)
    need = made(
        Need,
        need=name,
        service=turn.script.deal.service,
        points=sorted(there),
        window=Window(start=start, end=requested.end),
        zone=desk.text.calendar.zone,
        requested_kw=requested,
        gate_closes=gate,
        keys_by=keys,
        decide_by=decide,
        currency=currency,
        clearing=part.clearing,
        price_cap=Money(amount=part.cap, currency=currency),
        sealed=part.sealed,
    )
    trade_market.publish(desk, need)


def settle(turn: Turn) -> None:
    """Decide every need whose gate has closed and whose offers are open, or can be opened no more."""
    part, desk = turn.script.market, turn.desk
    for number, (name, state) in enumerate(desk.book.offers.needs.items(), 1):
        decided = desk.drafted.offers.needs[name].phase is not NeedPhase.OPEN
        manner = part.manner(number)
        if (
            state.phase is NeedPhase.OPEN
            and not decided
            and manner is not Manner.SILENT
            and _ripe(desk, state)
        ):
            turn.once(f"decide {name}", part.after_seconds, partial(_settle, desk, name, manner))


def _ripe(desk: Desk, state: NeedState) -> bool:
    need = state.need
    if desk.now <= need.gate_closes:
        return False
    sealed = [
        one
        for one in desk.book.offers.offers.values()
        if one.need == need.need and one.phase is OfferPhase.SEALED
    ]
    return not sealed or (need.keys_by is not None and desk.now > need.keys_by)


def _settle(desk: Desk, name: str, manner: Manner) -> None:
    offers = [one.name for one in desk.book.offers.offers.values() if one.need == name]
    send_outcome(clear_need([desk], name, offers if manner is Manner.REFUSE else ()))


def offer(turn: Turn) -> None:
    """Offer to every need whose gate is open, sealed where it is asked."""
    part, desk = turn.script.market, turn.desk
    for number, state in enumerate(desk.book.offers.needs.values(), 1):
        need, manner = state.need, part.manner(number)
        if state not in trade_market.open_needs(desk) or manner in (Manner.SILENT, Manner.REFUSE):
            continue
        name = f"SIM-{need.need}"
        made_before = desk.drafted.offers.offers.get(name)
        if made_before is not None and made_before.phase is not OfferPhase.LAPSED:
            continue
        there = _there(desk)
        kw = sum((there.get(point, Decimal(0)) for point in need.points), Decimal(0))
        if manner is Manner.PART:
            kw *= part.partial_fraction
        if kw > 0:
            what = f"offer {kw.normalize():f} kW to {need.need} revision {need.revision}"
            turn.once(what, part.after_seconds, partial(_offer, turn, name, need, kw))


def _offer(turn: Turn, name: str, need: Need, kw: Decimal) -> None:
    desk = turn.desk
    asked = amounts(need.requested_kw)
    option = made(
        OfferOption,
        option=1,
        offered_kw=_series(need.window.start, [min(kw, some) for some in asked], need.requested_kw.step),
        price=Money(amount=turn.script.market.price, currency=need.currency),
        minimum_fraction=Decimal(0),
    )
    body = made(
        Offer,
        offer=name,
        service=need.service,
        points=[point for point in need.points if point in _there(desk)],
        window=need.window,
        options=[option],
        valid_until=need.decide_by,
        direction=need.direction,
        need=need.need,
        need_revision=need.revision,
    )
    trade_market.make_offer(desk, body, turn.keys)


def answer_counters(turn: Turn) -> None:
    """Accept every counter."""
    desk = turn.desk
    for name, state in desk.book.offers.counters.items():
        if state.phase is CounterPhase.OPEN and desk.drafted.offers.counters[name].phase is CounterPhase.OPEN:
            accept = partial(trade_market.answer_counter, desk, name, CounterVerdict.ACCEPTED)
            turn.once(f"accept counter {name}", turn.script.market.after_seconds, accept)


def _there(desk: Desk) -> dict[ConnectionPointId, Decimal]:
    """What counts now, by point."""
    found: dict[ConnectionPointId, Decimal] = {}
    for aggregation in desk.book.registry.values():
        for one in aggregation.counting(desk.now).values():
            found[one.der.point] = found.get(one.der.point, Decimal(0)) + one.kw
    return found


def _series(start: datetime, kw: list[Decimal], step: timedelta = QUARTER) -> IntervalSeries:
    values = tuple(int((some / WATT).to_integral_value(ROUND_DOWN)) for some in kw)
    return made(
        IntervalSeries,
        start=start,
        step_seconds=int(step.total_seconds()),
        unit=Unit.KW,
        power_of_ten=-3,
        values=values,
    )


def _quarter(at: datetime) -> datetime:
    """The next full quarter of an hour."""
    whole = at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
    return whole if whole == at else whole + QUARTER
