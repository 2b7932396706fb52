"""The kernel of many meters over a stream of rows, as a cluster calls it: what runs on its machines is this file and what it
imports, which is no more than arithmetic, msgspec, numpy and pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from intertie.formats.many_lines import Ask, settle_table

# Meters in memory at a time, as in a part.
METERS = 500


def settle_stream(ask: Ask, batches: Iterator[Any]) -> Iterator[Any]:
    """Lines from rows that come sorted by meter: so many meters are in memory as a part has."""
    mine = {one.meter: one for one in ask.customers}
    for table in whole_meters(batches, METERS):
        customers = [mine[meter] for meter in sorted(table["meter"].unique().to_pylist()) if meter in mine]
        if customers:
            yield from settle_table(table, ask._replace(customers=customers)).to_batches()


def whole_meters(batches: Iterator[Any], meters: int) -> Iterator[Any]:
    """Tables with all rows of their meters, about so many meters in each."""
    kept: list[Any] = []
    for batch in batches:
        kept.append(batch)
        names = [one for part in kept for one in part["meter"].unique().to_pylist()]
        if len(set(names)) <= meters:
            continue
        table = pa.Table.from_batches(kept)
        last = table["meter"][-1]
        ends = pc.index(table["meter"], last).as_py()
        yield table.slice(0, ends)
        kept = table.slice(ends).to_batches()
    if kept:
        yield pa.Table.from_batches(kept)
