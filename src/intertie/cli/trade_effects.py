"""`intertie trade effects`: what outages and suspensions do to what was agreed with a partner."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, print_json, print_table, when
from intertie.gateway.trading.trade_effects import effects_ahead
from intertie.market.effects import DealEffect, DispatchEffect, Effects
from intertie.model.ids import PartyId
from intertie.run import opened

Hours = Annotated[int, Parameter(name="--hours", help="How far to look ahead.")]
LACKS = ("der", "point", "kw", "of_kw", "why")
SHORT = ("what", "from", "agreed_kw", "able_kw", "short_kw", "why")


def show_effects(partner: PartyId, /, *, hours: Hours = 24, dir: Dir = HERE, json: Json = False) -> None:
    """Show which DERs can do less than accepted, and which deals and open dispatches are short for it, by quarter hours."""
    with opened(dir) as it:
        found = effects_ahead(it.gateway, partner, hours, it.clock())
    lacks, short = rows(found)
    if json:
        print_json(
            {
                "lacks": [dict(zip(LACKS, row, strict=True)) for row in lacks],
                "short": [dict(zip(SHORT, row, strict=True)) for row in short],
            }
        )
        return
    print_table("DERs that can do less", LACKS, lacks, empty="Every DER can do what was accepted of it.")
    print_table("Short", SHORT, short, empty=f"Nothing is short in the next {hours} h.")


def rows(found: Effects) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of LACKS and of SHORT."""
    lacks = [[one.der, one.point, str(one.kw), str(one.of_kw), one.why] for one in found.lacks]
    short = [_short(f"deal {one.confirmation}", one.contracted_kw, one) for one in found.deals]
    short += [_short(f"dispatch {one.dispatch}", one.owed_kw, one) for one in found.dispatches]
    return lacks, short


def _short(what: str, agreed_kw: Decimal, one: DealEffect | DispatchEffect) -> list[str]:
    amounts = (agreed_kw, one.able_kw, one.short_kw)
    return [what, when(one.start), *map(str, amounts), "; ".join(one.why)]
