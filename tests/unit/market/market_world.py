"""A small world for the rules of the trade: one feeder, one deal, one hot Wednesday."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from intertie.market.payment import EventResult, Line, Terms
from intertie.model.contract import Confirmation, Service
from intertie.model.dispatch import DispatchInstruction, Instruction
from intertie.model.interval import IntervalSeries, Window
from intertie.model.quantity import Unit

D = Decimal
ZONE = "America/New_York"
EVENT_DAY = date(2024, 7, 17)  # a Wednesday
INDEPENDENCE_DAY = date(2024, 7, 4)  # a Thursday within the look-back
FIVE_PM = 68  # quarter hours from midnight

# The ten weekdays before EVENT_DAY, latest first, if 4 July is a day like any other.
TEN_DAYS = tuple(date(2024, 7, n) for n in (16, 15, 12, 11, 10, 9, 8, 5, 4, 3))


def flat(level: int | None, intervals: int = 96) -> list[int | None]:
    """A day at one level."""
    return [level] * intervals


def ladder(low: int = 1000, step: int = 10) -> dict[date, list[int | None]]:
    """Ten flat days: 1000 yesterday, 1010 the day before, ... 1090 on the earliest. The five earliest are the highest."""
    return {day: flat(low + step * place) for place, day in enumerate(TEN_DAYS)}


def weekdays_before(day: date, count: int) -> list[date]:
    """The latest `count` weekdays before a day, latest first."""
    found: list[date] = []
    while len(found) < count:
        day -= timedelta(days=1)
        if day.weekday() < 5:
            found.append(day)
    return found


def shaped(before: int | None, during: int | None, rest: int = 500) -> list[int | None]:
    """A day with one level from 13:00 to 15:00 (the adjustment window of a 17:00 event) and one from 17:00 to 18:00."""
    load: list[int | None] = [rest] * 96
    load[52:60] = [before] * 8
    load[68:72] = [during] * 4
    return load


def confirmation(**changes: object) -> Confirmation:
    """A deal of 4 kW at 10.00 a kW month, 0.50 a kWh, penalty 2.00 a kWh, capped at half of the reservation."""
    terms: dict[str, object] = {
        "confirmation": "CONF-1",
        "agreement": "AGR-1",
        "service": Service.DIST_CAPACITY,
        "points": ("POINT-1",),
        "contracted_kw": D("4"),
        "term": Window(start=datetime(2024, 5, 1, tzinfo=UTC), end=datetime(2024, 10, 1, tzinfo=UTC)),
        "reservation_rate_per_kw_month": D("10.00"),
        "utilisation_rate_per_kwh": D("0.50"),
        "penalty_rate_per_kwh": D("2.00"),
        "penalty_cap_fraction": D("0.5"),
        "delivered_cap_fraction": D("1"),
        "notice_minutes": 120,
        "max_calls": 10,
        "max_duration_minutes": 240,
        "baseline_method": "high-5-of-10-multiplicative",
        "adjustment_cap_fraction": D("0.2"),
        "tolerance_percent": D("1"),
        "currency": "USD",
        "zone": ZONE,
        "confirm_deadline": datetime(2024, 4, 20, tzinfo=UTC),
    }
    return Confirmation(**{**terms, **changes})  # type: ignore[arg-type]


def instruction(
    kilowatts: Sequence[int],
    *,
    dispatch: str = "DISP-1",
    start: datetime = datetime(2024, 7, 17, 21, tzinfo=UTC),
    step: int = 900,
) -> DispatchInstruction:
    """Asks for some kW less in each interval, from 17:00 New York time on if nothing else is said."""
    series = IntervalSeries(
        start=start, step_seconds=step, unit=Unit.KW, power_of_ten=0, values=tuple(kilowatts)
    )
    return DispatchInstruction(
        dispatch=dispatch,
        service=Service.DIST_CAPACITY,
        point="POINT-1",
        window=Window(start=start, end=series.end),
        instruction=Instruction.RELATIVE,
        target_kw=series,
        respond_by=start - timedelta(hours=1),
        confirmation="CONF-1",
    )


def terms(**changes: Decimal) -> Terms:
    """The money of `confirmation()`; without other word the penalty cap is the whole reservation."""
    plain = Terms(D("4"), D("10.00"), D("0.50"), D("2.00"))
    return plain._replace(**changes)


def result(
    asked: str, delivered: str, factor: str, *, dispatch: str = "DISP-1", hours: Fraction = Fraction(1)
) -> EventResult:
    """What an event of EVENT_DAY brings to its month."""
    return EventResult(dispatch, EVENT_DAY, hours, D(asked), D(delivered), D(factor))


def by_code(lines: Sequence[Line], code: str) -> list[Line]:
    """The lines with a code."""
    return [line for line in lines if line.code == code]


def half_up(value: Fraction, places: int) -> Fraction:
    """The other way to round half away from zero: count the units, look at the rest."""
    scaled = abs(value) * 10**places
    units, rest = divmod(scaled.numerator, scaled.denominator)
    if 2 * rest >= scaled.denominator:
        units += 1
    return Fraction(units if value >= 0 else -units, 10**places)
