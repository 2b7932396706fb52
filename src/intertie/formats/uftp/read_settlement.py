"""A FlexSettlement as a performance statement, and what we say to each of its orders by what both hold of it."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from intertie.formats.uftp import messages as m
from intertie.formats.uftp.forms import SettlementDisposition
from intertie.formats.uftp.isp import WATT, Day
from intertie.formats.uftp.say_settlement import check_complete, half_up, period_of, zone_of_order
from intertie.formats.uftp.terms import (
    Context,
    UnsayableError,
    checked_name,
    energy,
    point_here,
    sign_of,
    total_price,
)
from intertie.market.offer_state import OrderState
from intertie.model.billing import LineCode
from intertie.model.contract import Direction
from intertie.model.ids import ConfirmationId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.quantity import Kilowatts, Unit
from intertie.model.record import DECIMAL_PLACES
from intertie.model.settlement import FACTOR_MAX, EventPerformance, PerformanceStatement, StatementLine

# Energy of a mean power of whole watts, in thousandths of a watt-hour.
MILLIWATT_HOUR = -6
# A factor's places, as our own statements have them.
FACTOR_PLACES = Decimal("0.0001")


class Isps(NamedTuple):
    """An order's ISPs, one by one and without gaps, in W, with their signs in UFTP."""

    day: Day
    first: int
    isps: tuple[m.SettlementIsp, ...]

    @property
    def window(self) -> Window:
        """From the first to the last."""
        start = self.day.start_of(self.first)
        return Window(start=start, end=start + self.day.length * len(self.isps))


def read_settlement(message: m.FlexSettlement, context: Context, name: str) -> PerformanceStatement:
    """The statement, under this name. Raises UnsayableError, and Broken if an order is left out."""
    if not message.orders:
        raise UnsayableError("Missing Settlement Items: there is none")
    if message.currency != context.terms.currency:
        raise UnsayableError(f"Invalid Message: Currency is {context.terms.currency}")
    if message.period_end < message.period_start:
        raise UnsayableError("PeriodStart/End rejected: it ends before it begins")
    first = context.offers.orders.get(message.orders[0].order_reference or "")
    statement = PerformanceStatement(
        statement=name,
        confirmation=_confirmation(message, context),
        service=first.order.service if first is not None else context.terms.service,
        period=period_of(message.period_start, message.period_end, context.terms.zone),
        baseline_method=_baseline(message, context),
        events=tuple(_event(one, context) for one in message.orders),
        lines=tuple(line for one in message.orders for line in _lines(one, context)),
        contracted_kw=_reserved(message),
    )
    check_complete(statement, context)
    return statement


def _confirmation(message: m.FlexSettlement, context: Context) -> ConfirmationId:
    """The one contract that all of it is about."""
    by_orders = {one.contract_id for one in message.orders}
    named = (by_orders | {one.contract_id for one in message.contracts}) - {None}
    if len(named) > 1:
        raise UnsayableError("Invalid Message: a settlement is of one ContractID here; send one for each")
    said = named.pop() if named else context.terms.confirmation
    if said is None:
        raise UnsayableError(
            "Unknown ContractID: none is named, and none is agreed for settlements without one"
        )
    return ConfirmationId(checked_name(said, "Unknown ContractID"))


def _baseline(message: m.FlexSettlement, context: Context) -> str:
    methods = {one.baseline_reference or context.terms.baseline for one in message.orders}
    if len(methods) > 1:
        raise UnsayableError(
            "Invalid Message: a settlement has one BaselineReference here; send one for each"
        )
    return checked_name(methods.pop(), "Invalid Message: BaselineReference")


def _known(one: m.OrderSettlement, context: Context) -> OrderState | None:
    return context.offers.orders.get(one.order_reference or "")


def isps_of_order(one: m.OrderSettlement, context: Context) -> Isps:
    """Its ISPs; IspError, or UnsayableError for gaps in them."""
    known = _known(one, context)
    length = known.order.ordered_kw.step if known else timedelta(minutes=context.terms.isp_minutes)
    day = Day(one.period, zone_of_order(known, context), length)
    found: dict[int, m.SettlementIsp] = {}
    for isp in one.isps:
        for number in range(isp.start, isp.start + isp.duration):
            if number in found or number > day.isps:
                raise UnsayableError(
                    f"ISP conflict: {number} of {one.period} stands there twice, or is none of its"
                )
            found[number] = isp
    first, last = min(found), max(found)
    if last - first + 1 != len(found):
        raise UnsayableError(f"ISPs out of bounds: the settlement of {one.order_reference} has gaps")
    return Isps(day, first, tuple(found[number] for number in range(first, last + 1)))


def _sign(one: m.OrderSettlement, context: Context) -> int:
    known = _known(one, context)
    return sign_of(known.order.direction if known else Direction.UP, context.terms)


def _event(one: m.OrderSettlement, context: Context) -> EventPerformance:
    if one.order_reference is None:
        raise UnsayableError("Missing Settlement Items: OrderReference is missing")
    isps, sign = isps_of_order(one, context), _sign(one, context)
    asked = [sign * isp.ordered_power for isp in isps.isps]
    # Flexibility the wrong way is none.
    delivered = [max(0, isp.delivered_power * _way(isp.ordered_power or sign)) for isp in isps.isps]
    return EventPerformance(
        dispatch=checked_name(one.order_reference, "Invalid Message: OrderReference"),
        window=isps.window,
        asked_kw=_series(isps, Unit.KW, asked),
        baseline_kwh=_series(isps, Unit.KWH, [isp.baseline_power for isp in isps.isps]),
        actual_kwh=_series(isps, Unit.KWH, [isp.actual_power for isp in isps.isps]),
        delivered_kwh=_series(isps, Unit.KWH, delivered),
        performance_factor=_factor(sum(delivered), sum(abs(power) for power in asked)),
        point=point_here(context, one.congestion_point),
    )


def _way(power: int) -> int:
    return 1 if power > 0 else -1


def _factor(delivered: int, asked: int) -> Decimal:
    share = min(Decimal(delivered) / asked, Decimal(FACTOR_MAX)) if asked else Decimal(0)
    return share.quantize(FACTOR_PLACES)


def _series(isps: Isps, unit: Unit, watts: list[int]) -> IntervalSeries:
    seconds = int(isps.day.length.total_seconds())
    if unit is Unit.KWH:
        milli = [half_up(Fraction(power * seconds * 1000, 3600)) for power in watts]
        return IntervalSeries(
            start=isps.window.start,
            step_seconds=seconds,
            unit=unit,
            power_of_ten=MILLIWATT_HOUR,
            values=tuple(milli),
        )
    return IntervalSeries(
        start=isps.window.start, step_seconds=seconds, unit=unit, power_of_ten=WATT, values=tuple(watts)
    )


def _lines(one: m.OrderSettlement, context: Context) -> list[StatementLine]:
    """Price and penalty; that the net is what they come to is checked for the answer."""
    isps = isps_of_order(one, context)
    ordered = abs(energy(_series(isps, Unit.KW, [isp.ordered_power for isp in isps.isps])))
    lines = [_line(one, LineCode.UTILISATION, "price", one.price, ordered)]
    if one.penalty:
        missing = energy(_series(isps, Unit.KW, [isp.deficiency for isp in isps.isps]))
        lines.append(_line(one, LineCode.PENALTY, "penalty", -one.penalty, missing))
    return lines


def _line(one: m.OrderSettlement, code: LineCode, text: str, amount: Decimal, kwh: Decimal) -> StatementLine:
    places = Decimal(1).scaleb(-DECIMAL_PLACES)
    return StatementLine(
        code=code,
        text=text,
        quantity=kwh.quantize(places),
        unit="kWh",
        rate=(amount / kwh).quantize(places) if kwh else Decimal(0),
        amount=amount,
        dispatch=one.order_reference,
    )


def _reserved(message: m.FlexSettlement) -> Kilowatts | None:
    """What is contracted, where all ISPs of the contract say the same; None for nothing, or for what differs."""
    powers = {isp.reserved_power for one in message.contracts for day in one.periods for isp in day.isps}
    watts = powers.pop() if len(powers) == 1 else 0
    return Kilowatts(Decimal(watts).scaleb(WATT)) if watts > 0 else None


def statuses_of(
    message: m.FlexSettlement, context: Context | None, rejected: str = ""
) -> tuple[m.OrderSettlementStatus, ...]:
    """What we say to each order: what is wrong by what both hold, or that it is accepted; what is rejected is so in each."""
    found = []
    for one in message.orders:
        why = rejected or ("" if context is None else dispute_of(one, message, context))
        found.append(
            m.OrderSettlementStatus(
                order_reference=one.order_reference,
                disposition=SettlementDisposition.DISPUTED if why else SettlementDisposition.ACCEPTED,
                dispute_reason=why or None,
            )
        )
    return tuple(found)


def dispute_of(one: m.OrderSettlement, message: m.FlexSettlement, context: Context) -> str:
    """Why the settlement of an order is not what both hold; nothing if it is."""
    known = _known(one, context)
    if known is None:
        return f"there is no order {one.order_reference}"
    order = known.order
    if (point_here(context, one.congestion_point),) != order.points:
        return f"the order is of {', '.join(order.points)}"
    isps, sign = isps_of_order(one, context), _sign(one, context)
    said = dict(enumerate((sign * isp.ordered_power for isp in isps.isps), isps.first))
    if _outside(said, isps.day, order.ordered_kw):
        return "OrderedFlexPower is not what was ordered"
    price = total_price(order.ordered_kw, order.price.amount)
    if one.price != price and one.price != _as_ordered(known, context):
        return f"Price is not the order's {price}"
    if one.net != one.price - one.penalty:
        return "NetSettlement is not Price less Penalty"
    if one.penalty and not any(isp.deficiency for isp in one.isps):
        return "there is a Penalty, and no PowerDeficiency"
    if any(abs(isp.deficiency) > abs(isp.ordered_power) for isp in one.isps):
        return "PowerDeficiency is more than was ordered"
    return _of_period(message.period_start, one.period, message.period_end)


def _outside(said: dict[int, int], day: Day, ordered: IntervalSeries) -> bool:
    """Whether the power said differs from what was ordered, in any ISP of the day."""
    first = day.number_of(ordered.start)
    factor = Fraction(10) ** (ordered.power_of_ten - WATT)
    wanted = {first + place: half_up(factor * (value or 0)) for place, value in enumerate(ordered.values)}
    return any(said.get(number, 0) != wanted.get(number, 0) for number in {*said, *wanted})


def _as_ordered(known: OrderState, context: Context) -> Decimal | None:
    """The price that stood in the FlexOrder: for a share of an offer it may be that of the whole."""
    original = context.original(known.message)
    return original.price if isinstance(original, m.FlexOrder) else None


def _of_period(start: date, day: date, end: date) -> str:
    return "" if start <= day <= end else "its Period is not in the settlement's"
