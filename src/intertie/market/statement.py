"""Settlement of a period: from dispatches and readings to events, lines and an invoice. Both sides run it, each on what
it holds; given the same inputs both get the same cent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from intertie.market.baseline import (
    Adjustment,
    Event,
    Loads,
    NoBaseline,
    Reason,
    Rule,
    apply,
    compute,
    mean_of_days,
)
from intertie.market.blocks import layout
from intertie.market.method import Family, Found, Method, find
from intertie.market.payment import EventResult, Line, Terms, month_lines
from intertie.market.performance import Performance, measure, month_factor
from intertie.market.rounding import rounded
from intertie.model.billing import Invoice, InvoiceLine, LineCode
from intertie.model.contract import Confirmation
from intertie.model.dispatch import DispatchInstruction
from intertie.model.ids import MeterId
from intertie.model.interval import IntervalSeries, Window, local_day
from intertie.model.quantity import Money, Unit
from intertie.model.settlement import (
    EventPerformance,
    ExcludedDay,
    ExclusionReason,
    MeterPerformance,
    PerformanceStatement,
    StatementLine,
)

# Series of a statement show milliwatt-hours: finer than any rounding that follows.
SERIES_POWER = -6
# A call that somebody began in the first minute of an interval counts from the interval's beginning; readings know no seconds.
NEAR = timedelta(minutes=1)
_REASONS = {
    Reason.EVENT_DAY: ExclusionReason.EVENT_DAY,
    Reason.OUTAGE_DAY: ExclusionReason.OUTAGE,
    Reason.HOLIDAY: ExclusionReason.HOLIDAY,
    Reason.NO_READINGS: ExclusionReason.MISSING_DATA,
    Reason.CLOCK_CHANGE: ExclusionReason.OTHER,
    Reason.LOW_USAGE: ExclusionReason.LOW_USAGE,
    Reason.NOT_AMONG_HIGHEST: ExclusionReason.NOT_AMONG_HIGHEST,
    Reason.TOO_NEAR: ExclusionReason.OTHER,
    Reason.QUALITY: ExclusionReason.OTHER,
}

# Net watt-hours per interval, by meter and local day.
Readings = Mapping[MeterId, Loads]


class Call(NamedTuple):
    """One dispatch of the period. A refused one delivered nothing, whatever the meters say; a cancelled one is no call."""

    instruction: DispatchInstruction
    refused: bool = False


class Book(NamedTuple):
    """What one side holds for a settlement."""

    rule: Rule
    terms: Terms
    zone: str
    readings: Readings
    not_usable: Mapping[date, Reason]
    delivered_cap: Fraction = Fraction(1)
    # The meters of each call, by its name: under its point, and of DERs that took part on its day; None: all, for each call.
    of_call: Mapping[str, frozenset[MeterId]] | None = None
    # How the deal says it; None: by the rule.
    method: Method | None = None

    def text(self) -> str:
        """How the baseline is found, for people."""
        return self.rule.text() if self.method is None else self.method.text()


def settle(
    book: Book,
    confirmation: Confirmation,
    calls: Sequence[Call],
    first: date,
    last: date,
    name: str,
    before: Decimal | None = None,
) -> tuple[PerformanceStatement, list[Line]]:
    """The statement of the days from `first` to `last`, and its lines. Raises NoBaseline.

    `before` is the factor of the period before, for a period without a call.
    """
    events = [settle_event(book, call) for call in calls]
    results = [result_of(book, event) for event in events]
    lines = month_lines(results, book.terms, first, last, before)
    period = Window(start=_midnight(first, book.zone), end=_midnight(last + timedelta(days=1), book.zone))
    statement = PerformanceStatement(
        statement=name,
        confirmation=confirmation.confirmation,
        service=confirmation.service,
        period=period,
        baseline_method=confirmation.baseline_method,
        events=tuple(events),
        lines=tuple(_statement_line(line) for line in lines),
        contracted_kw=confirmation.contracted_kw,
        performance_factor=month_factor([(r.factor, r.hours) for r in results], before),
        text=book.text(),
    )
    return statement, lines


def settle_event(book: Book, call: Call) -> EventPerformance:
    """One event on the sum of all meters; each meter's part rests on the same days and the same adjustment."""
    book = _of_call(book, call.instruction)
    event = event_of(call.instruction, book.zone)
    asked = asked_wh(call.instruction)
    base, actual, parts = _found(book, event, asked)
    performance = measure(base.values, actual, asked, book.delivered_cap)
    if call.refused:
        performance = Performance(
            performance.asked, (Fraction(0),) * len(asked), performance.missing, Decimal("0.00")
        )
    window = call.instruction.window
    return EventPerformance(
        dispatch=call.instruction.dispatch,
        window=window,
        asked_kw=call.instruction.target_kw,
        baseline_kwh=_series(window, event, base.values),
        actual_kwh=_series(window, event, actual),
        delivered_kwh=_series(window, event, performance.delivered),
        performance_factor=performance.factor,
        meters=tuple(
            MeterPerformance(
                meter=meter,
                baseline_kwh=_series(window, event, parts[meter]),
                actual_kwh=_series(window, event, _actual(book.readings[meter], event)),
            )
            for meter in sorted(parts)
        ),
        days_used=base.days_used,
        days_excluded=tuple(
            ExcludedDay(day=one.day, reason=_REASONS[one.reason]) for one in base.days_excluded
        ),
        adjustment_factor=_shown(base.adjustment)
        if _type_one(book) and book.rule.adjustment is Adjustment.MULTIPLICATIVE
        else None,
        point=call.instruction.point,
        text="adjustment at its cap" if base.cap_hit else "",
    )


def _of_call(book: Book, instruction: DispatchInstruction) -> Book:
    if book.of_call is None:
        return book
    mine = book.of_call.get(instruction.dispatch, frozenset())
    if not mine:
        raise NoBaseline(
            f"no DER under {instruction.point} took part on the day of {instruction.dispatch}",
            do="`intertie registration show` lists them; settle it by hand.",
        )
    return book._replace(readings={meter: days for meter, days in book.readings.items() if meter in mine})


def result_of(book: Book, event: EventPerformance) -> EventResult:
    """What an event contributes to its month, from what the statement shows of it."""
    delivered = sum((v or 0 for v in event.delivered_kwh.values), 0)
    step_hours = Fraction(event.asked_kw.step_seconds, 3600)
    asked = Fraction(event.asked_kw.total()) * step_hours
    return EventResult(
        dispatch=event.dispatch,
        day=event.window.start.astimezone(ZoneInfo(book.zone)).date(),
        hours=Fraction(event.window.hours),
        asked_kwh=rounded(asked, Decimal("0.001")),
        delivered_kwh=rounded(Fraction(delivered) * Fraction(10) ** SERIES_POWER, Decimal("0.001")),
        factor=event.performance_factor,
    )


def invoice_of(
    statement: PerformanceStatement,
    lines: Sequence[Line],
    confirmation: Confirmation,
    name: str,
    issued: date,
    due: date,
    corrects: str | None = None,
) -> Invoice:
    """The invoice that a statement supports: its lines, numbered from one, and their sum."""
    numbered = tuple(
        InvoiceLine(
            line=number,
            code=LineCode(line.code),
            text=line.text,
            quantity=line.quantity,
            unit=line.unit,
            rate=line.rate,
            amount=line.amount,
            dispatch=line.dispatch,
            statement=statement.statement,
        )
        for number, line in enumerate(lines, start=1)
    )
    amount = sum((line.amount for line in numbered), Decimal("0.00"))
    return Invoice(
        invoice=name,
        period=statement.period,
        issued=issued,
        due=due,
        lines=numbered,
        total=Money(amount=amount, currency=confirmation.currency),
        corrects=corrects,
        confirmation=confirmation.confirmation,
    )


def event_of(instruction: DispatchInstruction, zone: str) -> Event:
    """The local day of a dispatch, and its intervals in the order of time: on a day on which the clock turns 17:00 is an hour
    earlier or later in the day than elsewhere. Raises NoBaseline for what readings of its own step cannot settle."""
    target, name = instruction.target_kw, instruction.dispatch
    minutes, seconds = divmod(target.step_seconds, 60)
    if seconds:
        raise NoBaseline(
            f"{name} is in intervals of {target.step_seconds} seconds, readings are in whole minutes",
            do="Settle it by hand.",
        )
    day = target.start.astimezone(ZoneInfo(zone)).date()
    first, rest = divmod(target.start - local_day(day, zone).start, timedelta(minutes=minutes))
    if rest >= NEAR:
        raise NoBaseline(
            f"{name} does not begin with an interval of {minutes} minutes",
            do="Settle it by hand.",
        )
    last = first + len(target.values)
    if last > len(layout(day, zone, minutes)):
        raise NoBaseline(f"{name} runs over midnight of {day}", do="Dispatch and settle each day by itself.")
    return Event(day, first, last, minutes)


def asked_wh(instruction: DispatchInstruction) -> tuple[Fraction, ...]:
    """What an instruction asks for, in watt-hours per interval."""
    target = instruction.target_kw
    unit = Fraction(10) ** (target.power_of_ten + 3) * Fraction(target.step_seconds, 3600)
    return tuple(Fraction(value or 0) * unit for value in target.values)


def add_up(readings: Readings) -> dict[date, tuple[int | None, ...]]:
    """The sum of all meters by day. A gap in one meter is a gap in the sum; a day that a meter lacks is left out."""
    meters = list(readings.values())
    if not meters:
        return {}
    days = set(meters[0]).intersection(*meters[1:])
    return {day: _sum_of([meter[day] for meter in meters]) for day in days}


def _sum_of(loads: Sequence[Sequence[int | None]]) -> tuple[int | None, ...]:
    return tuple(
        None if any(v is None for v in column) else sum(v or 0 for v in column)
        for column in zip(*loads, strict=True)
    )


def _actual(loads: Loads, event: Event) -> tuple[int | None, ...]:
    return tuple(loads.get(event.day, (None,) * event.last)[event.first : event.last])


def _type_one(book: Book) -> bool:
    return book.method is None or book.method.family is Family.TYPE_ONE


def _found(book: Book, event: Event, asked: Sequence[Fraction]) -> Found:
    """By the method of the deal, on the sum of all meters; each meter's part rests on the same days and adjustment."""
    if book.method is not None and not _type_one(book):
        return find(book.method, book.readings, event, asked, book.zone, book.not_usable)
    total = add_up(book.readings)
    base = compute(total, event, book.rule, book.not_usable, book.zone)
    share = base.adjustment
    if book.rule.adjustment is Adjustment.ADDITIVE:
        share /= len(book.readings)
    parts = {}
    for meter, loads in book.readings.items():
        plain = mean_of_days(loads, base.days_used, event, book.zone)
        parts[meter] = apply(plain, book.rule.adjustment, share)
    actual = tuple(None if one is None else Fraction(one) for one in _actual(total, event))
    return Found(base, actual, parts)


def _series(window: Window, event: Event, watt_hours: Sequence[Fraction | int | None]) -> IntervalSeries:
    return IntervalSeries(
        start=window.start,
        step_seconds=event.step_minutes * 60,
        unit=Unit.KWH,
        power_of_ten=SERIES_POWER,
        values=tuple(None if v is None else int(rounded(Fraction(v) * 1000, Decimal(1))) for v in watt_hours),
    )


def _shown(factor: Fraction) -> Decimal:
    return rounded(factor, Decimal("0.000001"))


def _statement_line(line: Line) -> StatementLine:
    return StatementLine(
        code=LineCode(line.code),
        text=line.text,
        quantity=line.quantity,
        unit=line.unit,
        rate=line.rate,
        amount=line.amount,
        dispatch=line.dispatch,
    )


def _midnight(day: date, zone: str) -> datetime:
    return local_day(day, zone).start
