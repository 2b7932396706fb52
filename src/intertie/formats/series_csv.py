"""Interval series as a table: one line an interval, with its start, and a column for each series; an empty cell is a gap."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from intertie.formats.table_csv import record_of, rows_of
from intertie.model.errors import SettingsError
from intertie.model.interval import Instant, IntervalSeries
from intertie.model.quantity import Unit
from intertie.model.record import Record, RuleError, check_decimal

START = "start"
# A watt: what meters of this trade tell apart.
POWER_OF_TEN = -3
_WATT = Decimal("0.001")


class _Line(Record, frozen=True, kw_only=True):
    start: Instant
    values: dict[str, Decimal]

    def check(self) -> None:
        """Whole watts, of a size that can be reckoned with."""
        for value in self.values.values():
            check_decimal("values", value)
        if any(value % _WATT for value in self.values.values()):
            raise RuleError("values: finer than a watt")


def read_series(
    raw: bytes, needed: Mapping[str, Unit], optional: Mapping[str, Unit], last: timedelta | None = None
) -> dict[str, IntervalSeries]:
    """The series of a table by column. The step is from the first line to the second; `last` is that of a table with one
    line. SettingsError where lines do not follow each other in equal steps."""
    lines = [
        record_of(_Line, number, {START: fields.pop(START, None), "values": fields})
        for number, fields in rows_of(raw, (START, *needed), optional)
    ]
    starts = [one.start for one in lines]
    step = _step(starts, last)
    units = {**needed, **optional}
    named: Collection[str] = {*needed, *(name for one in lines for name in one.values)}
    try:
        return {
            name: IntervalSeries(
                start=starts[0],
                step_seconds=int(step.total_seconds()),
                unit=units[name],
                power_of_ten=POWER_OF_TEN,
                values=tuple(int(one.values[name] / _WATT) if name in one.values else None for one in lines),
            )
            for name in named
        }
    except RuleError as error:
        raise SettingsError(f"the table cannot be read: {error}", do="Mend the column `start`.") from error


def _step(starts: list[datetime], last: timedelta | None) -> timedelta:
    if len(starts) < 2 and (not starts or last is None):
        raise SettingsError("the table has no interval whose length is known", do="Give at least two lines.")
    step = starts[1] - starts[0] if len(starts) > 1 else last
    assert step is not None
    for place in range(1, len(starts)):
        if starts[place] - starts[place - 1] != step:
            raise SettingsError(
                f"the table cannot be read: interval {place + 1} does not follow the one before it by {step}",
                do="Give every interval a line, in order; an empty cell is a gap.",
            )
    return step
