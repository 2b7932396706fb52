"""Power over a window as a person says it: one value for all of it, or one for each interval."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, InvalidOperation

from intertie.model.errors import SettingsError
from intertie.model.interval import IntervalSeries, Window, intervals_in
from intertie.model.quantity import Unit
from intertie.model.record import RuleError, check_decimal

# A watt: what meters of this trade tell apart.
POWER_OF_TEN = -3
WATT = Decimal("0.001")


def series_in(
    option: str, text: str, window: Window, step: timedelta, unit: Unit = Unit.KW
) -> IntervalSeries:
    """The series over a window of one value for all intervals, or one for each, divided by commas; "-" is a gap."""
    try:
        count = intervals_in(window, step)
        values = [_value(part.strip()) for part in text.split(",")]
        if len(values) == 1:
            values *= count
        if len(values) != count:
            raise RuleError(f"{len(values)} values for {count} intervals of {step}")
        return IntervalSeries(
            start=window.start,
            step_seconds=int(step.total_seconds()),
            unit=unit,
            power_of_ten=POWER_OF_TEN,
            values=tuple(values),
        )
    except RuleError as error:
        raise SettingsError(
            f"{option}: {error}", do="Give one value for all intervals, or one for each: 5 or 5,5,4.5"
        ) from error


def _value(text: str) -> int | None:
    if text == "-":
        return None
    try:
        kw = Decimal(text)
    except InvalidOperation as error:
        raise RuleError("not a number") from error
    check_decimal("value", kw)
    if kw % WATT:
        raise RuleError("finer than a watt")
    return int(kw / WATT)
