"""`intertie registration resume`: a suspension ends."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._times import Moment, moment
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_registration as act
from intertie.model.ids import AggregationId


def resume(
    partner: PartyOption,
    aggregation: AggregationId,
    suspension: str,
    /,
    *,
    start: Annotated[Moment | None, Parameter(name="--from", help="Default: now.")] = None,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """End a suspension that we made.

    Example:

        intertie registration resume aggregator.example AGG-NORTH S-1

    Parameters
    ----------
    partner
        The other side.
    aggregation
        Its name.
    suspension
        Its name.
    """
    with desk_with(dir, partner, agreement) as (it, desk):
        effective = desk.now if start is None else moment(start, desk.now)
        return told(it, [act.resume(desk, aggregation, suspension, effective)], wait, json=json)
