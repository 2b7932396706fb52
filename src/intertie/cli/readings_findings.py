"""`intertie readings findings`: everything that was wrong with what came, with what was refused."""

from __future__ import annotations

import itertools
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, print_json, print_table
from intertie.gateway.metering.readings import take_in
from intertie.market.reading_days import Fault
from intertie.run.readings import opened_readings


def findings(
    *,
    fault: Annotated[Fault | None, Parameter(help="Only these.")] = None,
    limit: Annotated[int, Parameter(help="At most this many.")] = 100,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """List what was wrong with readings that came; a refused line with its text, as it stands in the readings' folder."""
    with opened_readings(dir) as it:
        it.store.unlock()
        take_in(it.gateway, it.readings)
        found = (one for one in it.readings.store.findings() if fault in (None, one.fault))
        rows = list(itertools.islice(found, limit))
    if json:
        print_json({"findings": rows})
        return
    print_table(
        "Findings",
        ["source", "place", "meter", "what", "readings", "kept", "text"],
        [
            [
                one.source,
                one.line if one.index is None else f"series {one.index}",
                one.meter,
                one.fault,
                one.count,
                "yes" if one.kept else "no",
                one.refused[:60],
            ]
            for one in rows
        ],
        empty="Nothing was wrong with what came.",
    )
