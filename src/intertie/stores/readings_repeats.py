"""Meter days that were there before, in the same revision: said again with the same readings, or with others.

All of them stay; which counts is decided when they are read (formats/reading_block.py). Here they are only named and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intertie.gateway.metering.readings_ports import Table, Wanted
from intertie.market.reading_days import Fault, Finding
from intertie.stores.readings_parquet import ParquetFiles
from intertie.stores.readings_state import Part

KEY = ("party", "meter", "channel", "day", "revision")
NEEDED = (*KEY, "step_seconds", "power_of_ten", "values", "arrived", "source")


def repeats(files: ParquetFiles, table: Table, folder: Path, parts: Sequence[Part]) -> Iterator[Finding]:
    """What of a sorted table stands in these files, or in the table itself, before."""
    days = pc.min_max(table["day"]).as_py()
    wanted = Wanted(first=days["min"], last=days["max"])
    found = [_pairs(table)]
    for part in parts:
        if part.first <= days["max"] and part.last >= days["min"]:
            keys = files.read(folder / part.name, wanted, KEY)
            mask = pc.is_in(keys["meter"], value_set=pc.unique(table["meter"]))
            if pc.any(mask).as_py():
                old = files.read(folder / part.name, wanted, NEEDED).filter(mask)
                found.append(_pairs(pa.concat_tables([old, table.select(NEEDED)]), len(old)))
    for pairs in found:
        yield from pairs


def _pairs(table: Table, old: int = 0) -> list[Finding]:
    """Rows with the key of one before them; with `old`, only of those from there on beside those before."""
    place = pa.array(np.arange(len(table)))
    keys = table.select(KEY).append_column("place", place)
    if old:
        keys = keys.sort_by([(name, "ascending") for name in (*KEY, "place")])
    same = np.ones(max(len(keys) - 1, 0), np.bool_)
    for name in KEY:
        column = keys[name].combine_chunks()
        same &= pc.equal(column.slice(1), column.slice(0, len(column) - 1)).to_numpy(zero_copy_only=False)
    at = np.flatnonzero(same)
    if not len(at):
        return []
    places = keys["place"].to_numpy()
    pairs = [(int(places[i]), int(places[i + 1])) for i in at]
    if old:
        pairs = [(one, other) for one, other in pairs if one < old <= other]
    return [finding for one, other in pairs for finding in _compared(table, one, other)]


def _compared(table: Table, one: int, other: int) -> Iterator[Finding]:
    """How many readings of the later row say the same as the earlier one's, and how many something else."""
    first, second = (table.slice(place, 1).to_pylist()[0] for place in (one, other))
    same = differing = 0
    if first["step_seconds"] != second["step_seconds"]:
        differing = sum(value is not None for value in second["values"])
    else:
        power = min(first["power_of_ten"], second["power_of_ten"])
        scale = [10 ** (row["power_of_ten"] - power) for row in (first, second)]
        for left, right in zip(first["values"], second["values"], strict=False):
            if left is not None and right is not None:
                equal = left * scale[0] == right * scale[1]
                same, differing = same + equal, differing + (not equal)
    for fault, count in ((Fault.REPEATED, same), (Fault.CONFLICT, differing)):
        if count:
            yield Finding(
                source=second["source"],
                party=second["party"],
                fault=fault,
                count=count,
                kept=True,
                meter=second["meter"],
            )
