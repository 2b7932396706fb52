"""`intertie availability withdraw`: nothing can be done any more where something was declared."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._times import Moment, window_of
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_availability as act
from intertie.model.contract import Service
from intertie.model.errors import SettingsError
from intertie.model.ids import AggregationId, ConnectionPointId


def withdraw(
    partner: PartyOption,
    aggregation: AggregationId,
    /,
    *,
    service: Annotated[Service | None, Parameter(help="Only of this service.")] = None,
    point: Annotated[ConnectionPointId | None, Parameter(help="Only at this point.")] = None,
    start: Annotated[
        Moment | None, Parameter(name="--from", help="Only declarations that touch the time from here ...")
    ] = None,
    until: Annotated[Moment | None, Parameter(help="... until here.")] = None,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Take back what was declared and has not ended: each declaration gets a revision of zero kW.

    Example:

        intertie availability withdraw utility.example AGG-NORTH
        intertie availability withdraw utility.example AGG-NORTH --point F12-T7 --from 2h --until 1h

    For DERs that fail, `intertie outage notice` is better: what they take is worked out, and comes back when they do.

    Parameters
    ----------
    partner
        The utility.
    aggregation
        Its name.
    """
    if (start is None) != (until is None):
        raise SettingsError("from when until when?", do="Give both --from and --until, or neither.")
    with desk_with(dir, partner, agreement) as (it, desk):
        within = None if start is None or until is None else window_of(start, until, desk.now)
        return told(it, act.withdraw(desk, aggregation, service, point, within), wait, json=json)
