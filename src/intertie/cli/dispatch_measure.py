"""`intertie dispatch measure`: telemetry of a dispatch."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption, read_file
from intertie.cli._times import Length
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.formats.series_csv import read_series
from intertie.gateway.trading import trade_dispatch as act
from intertie.model.quantity import Unit

MINUTE = timedelta(minutes=1)


def measure(
    partner: PartyOption,
    dispatch: str,
    table: Path,
    /,
    *,
    step: Annotated[Length, Parameter(help="Length of the interval of a table with one line.")] = MINUTE,
    ders: Annotated[int | None, Parameter(help="How many DERs report.")] = None,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Send what was measured during a dispatch, or up to an hour around it, with the sign and meaning of the instruction.

    Example:

        intertie dispatch measure utility.example D-20260701T1600Z-1 measured.csv

    Parameters
    ----------
    partner
        The utility.
    dispatch
        Its name.
    table
        Comma-separated, one line an interval: start (a time with its offset) and power_kw; "-" is standard input.
    """
    power = read_series(read_file(table), {"power_kw": Unit.KW}, {}, step)["power_kw"]
    with desk_with(dir, partner, agreement) as (it, desk):
        return told(it, [act.measure(desk, dispatch, power, ders=ders)], wait, json=json)
