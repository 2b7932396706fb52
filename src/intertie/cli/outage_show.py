"""`intertie outage show`: what is out, of the grid and of the DERs."""

from __future__ import annotations

from datetime import datetime

from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_table, when
from intertie.cli._trade import desk_with
from intertie.market.asset_outage import FINAL as BACK
from intertie.market.asset_outage import AssetsOut
from intertie.market.outage import FINAL as RESTORED
from intertie.market.outage import Outage

GRID = ("outage", "kind", "state", "news", "cause", "from", "expected", "points_out", "points_back")
DERS = ("outage", "aggregation", "state", "cause", "from", "expected", "missing_kw", "ders_out", "ders_back")


def show(partner: PartyOption, /, *, all: bool = False, dir: Dir = HERE, json: Json = False) -> None:
    """Show what is out, and when it is expected back. What that does to deals and dispatches, `intertie trade effects` says.

    Example:

        intertie outage show aggregator.example
        intertie outage show aggregator.example --all

    Parameters
    ----------
    partner
        The other side.
    all
        Those too that are over.
    """
    with desk_with(dir, partner) as (_, desk):
        grid, now = desk.book.grid, desk.now
    outages = [grid_row(one, now) for one in grid.outages.values() if all or one.state not in RESTORED]
    assets = [ders_row(one, now) for one in grid.assets.values() if all or one.state not in BACK]
    if json:
        print_json(
            {
                "outages": [dict(zip(GRID, row, strict=True)) for row in outages],
                "ders": [dict(zip(DERS, row, strict=True)) for row in assets],
            }
        )
        return
    print_table("Of the grid", GRID, outages, empty="No outage of the grid.")
    print_table("Of DERs", DERS, assets, empty="No outage of DERs.")


def grid_row(one: Outage, now: datetime) -> list[str]:
    """A row of GRID; points whose time has not come are out all the same."""
    out = [
        point for point in one.lost if (span := one.span(point, now)) and (span[1] is None or span[1] > now)
    ]
    back = [point for point in one.lost if point not in out]
    news = one.status or ""
    times = when(one.starts), when(one.expected)
    return [one.name, one.kind, one.state, news, one.cause, *times, " ".join(out), " ".join(back)]


def ders_row(one: AssetsOut, now: datetime) -> list[str]:
    """A row of DERS."""
    out = [der for der, back in one.back.items() if back is None or back > now]
    back = [der for der in one.back if der not in out]
    times = when(one.starts), when(one.expected)
    said = [one.name, one.aggregation, one.state, one.cause, *times, f"{one.missing_kw.normalize():f}"]
    return [*said, " ".join(out), " ".join(back)]
