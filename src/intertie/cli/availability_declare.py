"""`intertie availability declare`: what an aggregation can do at a point."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption, read_file
from intertie.cli._times import Length, Moment, window_of
from intertie.cli._trade import Under, Wait, desk_with, has_agreement, told
from intertie.formats.series_csv import read_series
from intertie.gateway.trading import trade_availability as act
from intertie.gateway.trading.trade_compose import AvailabilitySaid, availability_of
from intertie.gateway.trading.trade_said import series_in
from intertie.model.contract import Service
from intertie.model.errors import SettingsError
from intertie.model.ids import AggregationId, ConnectionPointId
from intertie.model.interval import IntervalSeries
from intertie.model.quantity import Unit

QUARTER = timedelta(minutes=15)
NEEDED, OPTIONAL = {"up_kw": Unit.KW}, {"down_kw": Unit.KW, "kvar": Unit.KVAR}


def declare(
    partner: PartyOption,
    aggregation: AggregationId,
    table: Path | None = None,
    /,
    *,
    service: Annotated[Service, Parameter(help="For which service.")],
    point: Annotated[ConnectionPointId, Parameter(help="At which connection point.")],
    up_kw: Annotated[
        str | None,
        Parameter(
            help="Less load or more injection: one value, or one an interval, as 5,5,4.5 (- is a gap)."
        ),
    ] = None,
    down_kw: Annotated[str, Parameter(help="More load or less injection.")] = "0",
    start: Annotated[
        Moment | None, Parameter(name="--from", help="A time, or so long from now, as 2h.")
    ] = None,
    until: Annotated[Moment | None, Parameter(help="A time, or so long after --from, as 4h.")] = None,
    step: Annotated[Length, Parameter(help="Length of an interval.")] = QUARTER,
    price: Annotated[Decimal | None, Parameter(help="Per kWh, in the currency of the contract.")] = None,
    notice: Annotated[int | None, Parameter(help="Minutes of notice that it takes.")] = None,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Declare what an aggregation can do. What was declared of the same window before is replaced by it.

    Example:

        intertie availability declare utility.example AGG-1 --service DIST_CAPACITY --point F12-T7 --up-kw 25 --from 2h --until 6h
        intertie availability declare utility.example AGG-1 tomorrow.csv --service DIST_CAPACITY --point F12-T7

    The table is comma-separated, one line an interval, with the columns start (a time with its offset) and up_kw, and, as far as
    there are, down_kw and kvar. An empty cell is a gap.

    Parameters
    ----------
    partner
        The utility.
    aggregation
        Its name.
    table
        In place of --up-kw, --from and --until; "-" is standard input.
    """
    if (table is None) == (up_kw is None):
        raise SettingsError("what can it do?", do="Give a table, or --up-kw with --from and --until.")
    with desk_with(dir, partner, agreement, wait=wait, ready=has_agreement) as (it, desk):
        if table is not None:
            series = read_series(read_file(table), NEEDED, OPTIONAL, step)
        else:
            series = _stated(up_kw or "", down_kw, start, until, step, desk.now)
        said = AvailabilitySaid(
            aggregation,
            service,
            point,
            series["up_kw"],
            series.get("down_kw"),
            series.get("kvar"),
            price,
            notice,
        )
        body = availability_of(desk, said)
        return told(it, [act.declare(desk, body)], wait, json=json)


def _stated(
    up_kw: str,
    down_kw: str,
    start: datetime | timedelta | None,
    until: datetime | timedelta | None,
    step: timedelta,
    now: datetime,
) -> dict[str, IntervalSeries]:
    if start is None or until is None:
        raise SettingsError("from when until when?", do="Give --from and --until, as --from 2h --until 4h.")
    window = window_of(start, until, now)
    return {
        "up_kw": series_in("--up-kw", up_kw, window, step),
        "down_kw": series_in("--down-kw", down_kw, window, step),
    }
