"""Telemetry of a dispatch beside what was asked and what was committed: rows for a table and a plot."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from intertie.market.dispatch_state import Dispatch
from intertie.model.dispatch import DispatchTelemetry
from intertie.model.interval import IntervalSeries

# A screen is some hundred columns wide: more rows than this are drawn together.
ROWS_MAX = 240


class Row(NamedTuple):
    """From `start`, for a step: what was asked, what is owed, and what was measured (the mean); None where nothing is known."""

    start: datetime
    asked_kw: Decimal | None
    owed_kw: Decimal | None
    measured_kw: Decimal | None


class Track(NamedTuple):
    """A dispatch as it went: rows in equal steps, and how much of what was owed was measured where both are known."""

    step: timedelta
    rows: tuple[Row, ...]
    followed: Decimal | None


def track(dispatch: Dispatch, now: datetime) -> Track:
    """The dispatch over its window and whatever telemetry there is around it, in the finest step that it has."""
    window = dispatch.instruction.window
    series = [one.power_kw for one in dispatch.telemetry]
    first = min([window.start, *(one.start for one in series)])
    last = max([window.end, *(one.end for one in series)])
    finest = min([dispatch.instruction.target_kw.step, *(one.step for one in series)])
    step = max(finest, (last - first) / ROWS_MAX)
    measured = _measured(dispatch.telemetry, first, step)
    rows = []
    at = first
    while at < last:
        rows.append(_row(dispatch, at, now, measured.get(int((at - first) / step))))
        at += step
    return Track(step, tuple(rows), _followed(rows, dispatch))


def _row(dispatch: Dispatch, at: datetime, now: datetime, measured: Decimal | None) -> Row:
    """Nothing is asked, and nothing owed, once it was taken back."""
    asked, owed = _value(dispatch.instruction.target_kw, at), None
    promised = dispatch.owed(now)
    if promised is not None:
        owed = _value(promised, at)
    if dispatch.ends_early is not None and at >= dispatch.ends_early:
        asked = owed = None
    return Row(at, asked, owed, measured)


def _value(series: IntervalSeries, at: datetime) -> Decimal | None:
    if not series.start <= at < series.end:
        return None
    return series.quantity((at - series.start) // series.step)


def _measured(
    telemetry: tuple[DispatchTelemetry, ...], first: datetime, step: timedelta
) -> dict[int, Decimal]:
    """The mean of what was measured in each row. Of two measurements of one moment the higher revision counts, then the later."""
    newest: dict[datetime, tuple[int, Decimal | None]] = {}
    for one in telemetry:
        for i in range(len(one.power_kw.values)):
            at = one.power_kw.start + one.power_kw.step * i
            if at not in newest or newest[at][0] <= one.revision:
                newest[at] = one.revision, one.power_kw.quantity(i)
    sums: dict[int, tuple[Decimal, int]] = {}
    for at, (_, value) in newest.items():
        if value is not None:
            total, count = sums.get(int((at - first) / step), (Decimal(0), 0))
            sums[int((at - first) / step)] = total + value, count + 1
    return {row: total / count for row, (total, count) in sums.items()}


def _followed(rows: list[Row], dispatch: Dispatch) -> Decimal | None:
    """The share of what was owed that was measured, to three places, where both are known; more than all counts as all."""
    pairs = [(row.owed_kw, row.measured_kw) for row in rows if row.owed_kw and row.measured_kw is not None]
    owed = sum((abs(wanted) for wanted, _ in pairs), Decimal(0))
    if not owed:
        return None
    given = sum(
        (
            min(max(measured * (1 if wanted > 0 else -1), Decimal(0)), abs(wanted))
            for wanted, measured in pairs
        ),
        Decimal(0),
    )
    return (given / owed).quantize(Decimal("0.001"))
