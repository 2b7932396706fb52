"""`intertie registration move`: a DER that is connected elsewhere."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._times import Moment, moment
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_registration as act
from intertie.model.aggregation import DerMove
from intertie.model.ids import AggregationId, ConnectionPointId, DerId, MeterId
from intertie.model.made import made


def move(
    partner: PartyOption,
    aggregation: AggregationId,
    der: DerId,
    /,
    *,
    feeder: Annotated[str, Parameter(help="Its feeder there.")],
    point: Annotated[ConnectionPointId, Parameter(help="Its connection point there.")],
    meter: Annotated[MeterId, Parameter(help="Its meter there.")],
    premises: Annotated[str | None, Parameter(help="The premises; or give --account.")] = None,
    account: Annotated[str | None, Parameter(help="The customer's account.")] = None,
    start: Annotated[Moment | None, Parameter(name="--from", help="Default: now.")] = None,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Say that a DER is connected elsewhere: it leaves its old place, and counts at the new one once accepted.

    Example:

        intertie registration move utility.example AGG-NORTH DER-0001 --feeder F12 --point F12-T9 --meter M-7 --premises P-9

    Parameters
    ----------
    partner
        The utility.
    aggregation
        Its name.
    der
        The DER.
    """
    body = made(DerMove, der=der, feeder=feeder, point=point, meter=meter, premises=premises, account=account)
    with desk_with(dir, partner, agreement) as (it, desk):
        effective = desk.now if start is None else moment(start, desk.now)
        return told(it, [act.change(desk, aggregation, effective, moved=[body])], wait, json=json)
