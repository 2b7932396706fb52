"""A performance statement as a FlexSettlement: order by order what was expected, ordered, metered and delivered, and its pay.

UFTP has whole watts and amounts of four places: both are rounded half up; the statement's own numbers stay in our message. The
schema wants a ContractSettlement; a statement knows of a reservation only how much it was, so that it is said for the ISPs that
were called, with what was ordered in them. What was asked, available and offered under the contract is not in a statement.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from intertie.formats.uftp import messages as m
from intertie.formats.uftp.isp import Day, day_of
from intertie.formats.uftp.terms import Context, UnsayableError, address_of, sign_of, total_price
from intertie.market import settling
from intertie.market.event import Broken
from intertie.market.offer_state import OrderState
from intertie.model.billing import LineCode
from intertie.model.contract import Direction
from intertie.model.ids import ConfirmationId
from intertie.model.interval import IntervalSeries, Window, local_day
from intertie.model.settlement import EventPerformance, PerformanceStatement, StatementLine

# UFTP's amounts.
PLACES = Decimal("0.0001")
# What is paid for an order; what else a deal pays has no place in this message.
SAID = (LineCode.UTILISATION, LineCode.PENALTY)


class Paid(NamedTuple):
    """What an order comes to."""

    price: Decimal
    penalty: Decimal

    @property
    def net(self) -> Decimal:
        """As the message says it."""
        return self.price - self.penalty


def say_settlement(body: PerformanceStatement, context: Context) -> dict[str, Any]:
    """The fields of the message that are its own. UnsayableError, or Broken if an order is left out."""
    if not body.events:
        raise UnsayableError(
            "Missing Settlement Items: UFTP settles orders, and there is none in it",
            do="Nothing was called: send the invoice alone.",
        )
    zone = context.terms.zone
    first, last = _days(body.period, zone)
    check_complete(body, context)
    _check_lines(body)
    settled = [_order(one, body, context) for one in body.events]
    return {
        "period_start": first,
        "period_end": last,
        "currency": context.terms.currency,
        "orders": tuple(settled),
        "contracts": (_contract(body, settled),),
    }


def check_complete(body: PerformanceStatement, context: Context) -> None:
    """A settlement has every order of its contract in its time; Broken. A correction may have less."""
    if body.corrects is not None:
        return
    said = {one.dispatch for one in body.events}
    missing = sorted(
        name
        for name, one in context.offers.orders.items()
        if name not in said
        and contract_of(one, context) in (None, body.confirmation)
        and body.period.holds(one.order.window.start)
    )
    if missing:
        raise Broken(
            settling.ITEMS, f"{', '.join(missing[:3])} {'is' if len(missing) == 1 else 'are'} not in it"
        )


def contract_of(state: OrderState, context: Context) -> ConfirmationId | None:
    """Under which deal an order is settled."""
    return state.order.confirmation or context.terms.confirmation


def _days(period: Window, zone: str) -> tuple[date, date]:
    """The first and the last day of a period of whole local days."""
    first, end = (at.astimezone(ZoneInfo(zone)).date() for at in (period.start, period.end))
    last = end - timedelta(days=1)
    if (local_day(first, zone).start, local_day(last, zone).end) != (period.start, period.end):
        raise UnsayableError(
            f"PeriodStart/End rejected: the period is not whole days in {zone}", do="Settle whole days."
        )
    return first, last


def _check_lines(body: PerformanceStatement) -> None:
    """Every line is of an order; a reservation, a tax or an adjustment has no place here."""
    named = {one.dispatch for one in body.events}
    for line in body.lines:
        if line.code not in SAID or line.dispatch not in named:
            raise UnsayableError(
                f"Invalid Message: a FlexSettlement has prices and penalties of orders, and no line {line.code} of "
                f"{line.dispatch or 'no order'}",
                do="Leave the line to the invoice.",
            )


def _order(one: EventPerformance, body: PerformanceStatement, context: Context) -> m.OrderSettlement:
    known = context.offers.orders.get(one.dispatch)
    step = one.baseline_kwh.step
    if known is not None and step != known.order.ordered_kw.step:
        raise UnsayableError(f"ISP duration rejected: {one.dispatch} was ordered in other intervals")
    day = day_of(one.window.start, one.window.end, zone_of_order(known, context), step)
    paid = _paid(one, [line for line in body.lines if line.dispatch == one.dispatch], known)
    by_prognosis = body.baseline_method == context.terms.baseline
    return m.OrderSettlement(
        order_reference=one.dispatch,
        period=day.period,
        contract_id=body.confirmation,
        baseline_reference=None if by_prognosis else body.baseline_method,
        congestion_point=address_of(context, _points(one, known, context)),
        price=paid.price,
        penalty=paid.penalty,
        net=paid.net,
        isps=_isps(one, day, _sign(known, context)),
    )


def zone_of_order(known: OrderState | None, context: Context) -> str:
    """The zone of the need that was ordered for, or of the partner's points."""
    need = context.offers.needs.get(known.need) if known is not None and known.need is not None else None
    return need.need.zone if need is not None else context.terms.zone


def _points(one: EventPerformance, known: OrderState | None, context: Context) -> Any:
    if one.point is not None:
        return (one.point,)
    return known.order.points if known is not None else tuple(context.terms.points)


def _sign(known: OrderState | None, context: Context) -> int:
    """What is asked for in a statement is above zero in the direction of its order."""
    return sign_of(known.order.direction if known is not None else Direction.UP, context.terms)


def _isps(one: EventPerformance, day: Day, sign: int) -> tuple[m.SettlementIsp, ...]:
    base, actual, delivered = (
        _watts(series) for series in (one.baseline_kwh, one.actual_kwh, one.delivered_kwh)
    )
    if not len(base) == len(actual) == len(delivered):
        raise UnsayableError(f"ISP duration rejected: the series of {one.dispatch} have different intervals")
    asked = _asked(one.asked_kw, one.baseline_kwh.step, len(base))
    number = day.number_of(one.window.start)
    return tuple(
        m.SettlementIsp(
            start=number + place,
            baseline_power=base[place],
            ordered_power=sign * wanted,
            actual_power=actual[place],
            delivered_power=(sign if wanted >= 0 else -sign) * delivered[place],
            deficiency=max(0, abs(wanted) - delivered[place]),
        )
        for place, wanted in enumerate(asked)
    )


def _asked(series: IntervalSeries, step: timedelta, count: int) -> list[int]:
    """W in each interval of the metered series, which may be shorter than those that were asked for."""
    times, rest = divmod(series.step, step)
    if rest or times * len(series.values) != count:
        raise UnsayableError(
            "ISP duration rejected: what was asked for has shorter intervals than what was metered"
        )
    watts = _watts(series)
    return [watts[place // times] for place in range(count)]


def _watts(series: IntervalSeries) -> list[int]:
    """Mean power in whole watts, half up: of energy in kWh, or of power in kW."""
    hours = Fraction(series.step_seconds, 3600) if series.unit.value == "kWh" else Fraction(1)
    factor = Fraction(10) ** (series.power_of_ten + 3) / hours
    return [half_up(factor * _there(value)) for value in series.values]


def _there(value: int | None) -> int:
    if value is None:
        raise UnsayableError("ISPs out of bounds: a series has a gap, and a settlement has none")
    return value


def half_up(number: Fraction) -> int:
    """The nearest whole number, half away from zero."""
    whole = (2 * abs(number) + 1) // 2
    return int(whole if number >= 0 else -whole)


def _paid(one: EventPerformance, lines: list[StatementLine], known: OrderState | None) -> Paid:
    """The price of the order, and what is taken off it: also what was not delivered and is therefore not paid."""
    used, penalty = (
        sum((line.amount for line in lines if line.code is code), Decimal(0)).quantize(PLACES, ROUND_HALF_UP)
        for code in SAID
    )
    if known is None:
        return Paid(used, -penalty)
    price = total_price(known.order.ordered_kw, known.order.price.amount)
    if used + penalty > price:
        raise UnsayableError(f"Invalid Message: {one.dispatch} would be paid more than its order's {price}")
    return Paid(price, price - used - penalty)


def _contract(body: PerformanceStatement, settled: list[m.OrderSettlement]) -> m.ContractSettlement:
    """What was reserved in the ISPs that were called; nothing, where the statement names no power that is contracted."""
    reserved = half_up(Fraction(body.contracted_kw or 0) * 1000)
    days: dict[date, dict[int, int]] = {}
    for order in settled:
        isps = days.setdefault(order.period, {})
        for isp in order.isps:
            isps[isp.start] = isps.get(isp.start, 0) + abs(isp.ordered_power)
    return m.ContractSettlement(
        contract_id=body.confirmation,
        periods=tuple(
            m.ContractPeriod(
                period=day,
                isps=tuple(
                    m.ContractIsp(start=start, reserved_power=reserved, ordered_power=ordered)
                    for start, ordered in sorted(isps.items())
                ),
            )
            for day, isps in sorted(days.items())
        ),
    )


def period_of(first: date, last: date, zone: str) -> Window:
    """From the beginning of the first day to the end of the last."""
    start: datetime = local_day(first, zone).start
    return Window(start=start, end=local_day(last, zone).end)
