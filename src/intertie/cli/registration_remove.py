"""`intertie registration remove`: DERs leave an aggregation."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._times import Moment, moment
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_registration as act
from intertie.model.aggregation import RemovalReason
from intertie.model.ids import AggregationId, DerId


def remove(
    partner: PartyOption,
    aggregation: AggregationId,
    ders: list[DerId],
    /,
    *,
    reason: Annotated[RemovalReason, Parameter(help="Why.")],
    start: Annotated[Moment | None, Parameter(name="--from", help="Default: now.")] = None,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Take DERs out of an aggregation for good.

    Example:

        intertie registration remove utility.example AGG-NORTH DER-0001 --reason customer_left

    Parameters
    ----------
    partner
        The utility.
    aggregation
        Its name.
    ders
        The DERs.
    """
    with desk_with(dir, partner, agreement) as (it, desk):
        effective = desk.now if start is None else moment(start, desk.now)
        return told(it, [act.remove(desk, aggregation, ders, reason, effective)], wait, json=json)
