"""`intertie billing ageing`: what is owed, by how long it has been due."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from intertie.cli._billing import amounts
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_table, write_file
from intertie.cli._trade import Under, desk_with
from intertie.formats.billing_csv import ageing_csv
from intertie.gateway.billing.billing_desk import items_of, today
from intertie.market.account import ageing as ageing_of

COLUMNS = ["who owes", "not due", "1-30", "31-60", "61-90", "over 90", "disputed", "credit", "total"]


def ageing(
    partner: PartyOption,
    /,
    *,
    on: Annotated[date | None, Parameter(help="The day (default: today in the contract's zone).")] = None,
    csv: Annotated[Path | None, Parameter(help="Write it to this file, as CSV.")] = None,
    agreement: Under = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Show what each side owes the other, by days since it was due; disputed amounts and credits by themselves.

    Example:

        intertie billing ageing aggregator.example

    Parameters
    ----------
    partner
        The other side.
    """
    with desk_with(dir, partner, agreement) as (_, desk):
        day, items, text = on or today(desk), items_of(desk), desk.text
        both = [ageing_of(items, debtor, day) for debtor in (text.buyer, text.seller)]
    if csv is not None:
        write_file(csv, ageing_csv(both))
    if json:
        print_json({"on": day, "currency": text.elections.currency, "ageing": both})
        return
    rows = [amounts(list(msgspec.structs.asdict(one).values())) for one in both]
    print_table(f"Owed on {day}, {text.elections.currency}", COLUMNS, rows, empty="")
