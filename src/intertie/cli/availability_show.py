"""`intertie availability show`: firm, declared and remaining, by connection point and interval."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from intertie.cli._plot import drawn
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_table, when
from intertie.cli._times import Length, Moment, window_of
from intertie.cli._trade import Under, desk_with
from intertie.gateway.trading import trade_availability as act
from intertie.market.availability_view import Row
from intertie.model.contract import Direction, Service
from intertie.model.errors import SettingsError
from intertie.model.ids import ConnectionPointId
from intertie.model.interval import Window, intervals_in
from intertie.model.record import RuleError

COLUMNS = ("from", "firm_kw", "ordered_kw", "declared_kw", "withdrawn_kw", "remaining_kw")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# A month of quarter hours: more is no table that somebody reads.
INTERVALS_MAX = 31 * 96


def show(
    partner: PartyOption,
    /,
    *,
    service: Annotated[Service | None, Parameter(help="Only this service.")] = None,
    point: Annotated[ConnectionPointId | None, Parameter(help="Only this connection point.")] = None,
    direction: Annotated[Direction, Parameter(help="Up or down.")] = Direction.UP,
    start: Annotated[
        Moment | None, Parameter(name="--from", help="A time, or so long from now (default: this hour).")
    ] = None,
    until: Annotated[Moment, Parameter(help="A time, or so long after --from.")] = DAY,
    step: Annotated[Length, Parameter(help="Length of an interval.")] = HOUR,
    agreement: Under = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Show what is firm (confirmed), ordered, declared, withdrawn by DER outages, and what remains, as both sides have it.

    Below zero more was promised than is there. What is declared of an interval is the least that is at any time in it.

    Example:

        intertie availability show aggregator.example
        intertie availability show aggregator.example --point F12-T7 --from 2026-07-01 --until 1d --step 15min

    Parameters
    ----------
    partner
        The other side.
    """
    with desk_with(dir, partner, agreement) as (_, desk):
        first = desk.now.replace(minute=0, second=0, microsecond=0) if start is None else start
        window = window_of(first, until, desk.now)
        _check(window, step)
        found = act.views(desk, act.Asked(window, step, direction, service, point))
    if json:
        print_json({"points": [_json(one) for one in found]})
        return
    if not found:
        print("Nothing is declared, agreed or ordered.")
    for one in found:
        rows = [cells(row) for row in one.rows]
        print_table(f"{one.point}, {one.service} {one.direction}, kW", COLUMNS, rows, empty="")
        Console().print(plot(one.rows))


def _check(window: Window, step: timedelta) -> None:
    try:
        count = intervals_in(window, step)
    except RuleError as error:
        raise SettingsError(f"--step: {error}", do="Give a step that fits, as 15min or 1h.") from error
    if count > INTERVALS_MAX:
        raise SettingsError(
            f"{count} intervals, at most {INTERVALS_MAX} are shown", do="Look at a shorter time."
        )


def _json(one: act.PointView) -> dict[str, object]:
    rows = [dict(zip(COLUMNS, cells(row), strict=True)) for row in one.rows]
    return {"service": one.service, "point": one.point, "direction": one.direction, "rows": rows}


def cells(row: Row) -> list[str]:
    """A row of COLUMNS; what was not declared is blank."""
    declared = "" if row.declared_kw is None else _kw(row.declared_kw)
    amounts = (row.firm_kw, row.ordered_kw)
    return [when(row.start), *map(_kw, amounts), declared, _kw(row.withdrawn_kw), _kw(row.remaining_kw)]


def _kw(value: Decimal) -> str:
    return f"{value:.3f}"


def plot(rows: Sequence[Row]) -> Text:
    """Firm, declared and remaining over the hours from the first, drawn with characters."""
    first = rows[0].start
    hours = [(row.start - first) / HOUR for row in rows]

    def curve(values: Sequence[Decimal | None]) -> list[tuple[float, float]]:
        return [(at, float(kw)) for at, kw in zip(hours, values, strict=True) if kw is not None]

    curves = [
        ("firm", curve([row.firm_kw for row in rows]), "─"),
        ("declared", curve([row.declared_kw for row in rows]), "dot"),
        ("remaining", curve([row.remaining_kw for row in rows]), "hd"),
    ]
    return drawn(f"kW, by hours from {when(first)}", curves)
