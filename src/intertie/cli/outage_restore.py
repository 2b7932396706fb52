"""`intertie outage restore`: supply, or DERs, are back."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Instant, Json, PartyOption
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_outage as act
from intertie.model.errors import SettingsError
from intertie.model.ids import ConnectionPointId, DerId


def restore(
    partner: PartyOption,
    outage: str,
    /,
    *,
    point: Annotated[
        tuple[ConnectionPointId, ...], Parameter(negative=(), help="Only this point; may be given again.")
    ] = (),
    section: Annotated[tuple[str, ...], Parameter(negative=(), help="Only this section.")] = (),
    der: Annotated[tuple[DerId, ...], Parameter(negative=(), help="Of DERs: only this one.")] = (),
    at: Annotated[Instant | None, Parameter(help="Since when (default: now).")] = None,
    text: str = "",
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Tell that an outage is over, or over for some points, sections or DERs.

    Example:

        intertie outage restore aggregator.example OUT-7
        intertie outage restore utility.example A-3 --der DER-0001

    Parameters
    ----------
    partner
        The other side.
    outage
        Its name.
    """
    with desk_with(dir, partner, agreement) as (it, desk):
        since = at or desk.now
        if outage in desk.drafted.grid.assets:
            if point or section:
                raise SettingsError(f"{outage} is of DERs", do="Name --der, or nothing for all of them.")
            message = act.bring_back(desk, outage, since, der, text)
        else:
            if der:
                raise SettingsError(f"{outage} is of the grid", do="Name --point or --section, or nothing.")
            message = act.restore(desk, outage, since, points=point, sections=section, text=text)
        return told(it, [message], wait, json=json)
