"""Blocks from Arrow tables: one row for a meter's day and revision, with lists of values (and of ESPI quality codes).

Columns: `meter` text, `day` date32, `revision` int32, `values` list of integers with nulls for gaps, in the order of time;
`quality` list of uint8 and `message` text may be there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intertie.market.blocks import BadBlock, Block, empty, layout

EPOCH = date(1970, 1, 1).toordinal()


def block_of_table(
    table: Any,
    first: date,
    count: int,
    zone: str,
    step_minutes: int = 15,
    meters: Sequence[str] | None = None,
) -> Block:
    """The readings of a table in a block; of two revisions the higher one counts. Raises BadBlock for a day of the wrong
    length, a reading that is no integer, and one revision twice with different values."""
    if not pa.types.is_integer(table.schema.field("values").type.value_type):
        raise BadBlock("values are no integers", do="Store energy in whole units of one power of ten.")
    names = pc.unique(table["meter"]).to_pylist() if meters is None else list(meters)
    block = empty(sorted(names) if meters is None else names, first, count, zone, step_minutes)
    rows = pc.index_in(table["meter"], pa.array(block.meters, pa.string()))
    meter = rows.fill_null(-1).to_numpy().astype(np.int64)
    day = table["day"].cast(pa.int32()).to_numpy().astype(np.int64) - (first.toordinal() - EPOCH)
    revision = table["revision"].to_numpy()
    wanted = np.flatnonzero((meter >= 0) & (day >= 0) & (day < count))
    order = wanted[np.argsort(revision[wanted], kind="stable")]
    place = meter[order] * count + day[order]
    # the last row of a meter's day is that of its highest revision
    last = order[len(order) - 1 - np.unique(place[::-1], return_index=True)[1]]
    _no_twins(table, order, place, revision)
    _put(block, table, np.sort(last), meter, day, revision)
    return _with_messages(block, table, np.sort(last), meter, day)


def _no_twins(table: Any, order: Any, place: Any, revision: Any) -> None:
    """Two rows of one meter's day and revision must be equal: which one came last is no reason to believe it."""
    key = np.stack([place, revision[order]])
    _, start, many = (
        np.unique(key, axis=1, return_index=True, return_counts=True) if len(order) else ((), (), ())
    )
    for at, times in zip(start, many, strict=True):
        if times > 1:
            same = order[(key == key[:, at : at + 1]).all(axis=0)]
            lists = {tuple(row) for row in table["values"].take(pa.array(same)).to_pylist()}
            if len(lists) > 1:
                name = table["meter"][int(same[0])].as_py()
                raise BadBlock(
                    f"meter {name}: revision {int(revision[same[0]])} of a day stands for two different rows",
                    do="Ask the sender which one is right; a change needs a higher revision.",
                )


def _put(block: Block, table: Any, rows: Any, meter: Any, day: Any, revision: Any) -> None:
    whole = len(rows) == table.num_rows
    lists = _one(table["values"] if whole else table["values"].take(pa.array(rows)))
    sizes = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
    flat = lists.flatten()
    present = flat.is_valid().to_numpy(zero_copy_only=False) if flat.null_count else None
    numbers = flat.fill_null(0).to_numpy(zero_copy_only=False) if flat.null_count else flat.to_numpy()
    quality = None
    if "quality" in table.column_names:
        codes = _one(table["quality"] if whole else table["quality"].take(pa.array(rows))).flatten()
        quality = codes.to_numpy()
        if len(quality) != len(numbers):
            raise BadBlock("not as many quality codes as values", do="Give one code for each value.")
    starts = np.cumsum(sizes) - sizes
    for slots, days in _layouts(block):
        mine = np.flatnonzero(np.isin(day[rows], days))
        if not mine.size:
            continue
        if (sizes[mine] != len(slots)).any():
            bad = mine[sizes[mine] != len(slots)][0]
            raise BadBlock(
                f"meter {block.meters[meter[rows[bad]]]}, {block.days[day[rows[bad]]]}: "
                f"{sizes[bad]} values, the day has {len(slots)} intervals",
                do="Ask the sender for the whole day, with gaps marked.",
            )
        at: tuple[Any, ...] = (meter[rows[mine]][:, None], day[rows[mine]][:, None], np.array(slots)[None, :])
        at = (at[0][:, 0], at[1][:, 0], slice(0, len(slots))) if slots == tuple(range(len(slots))) else at
        cells = (starts[mine][:, None] + np.arange(len(slots))) if len(mine) < len(sizes) else None
        shape = (len(mine), len(slots))
        block.values[at] = numbers.reshape(shape) if cells is None else numbers[cells]
        block.present[at] = (
            True if present is None else present.reshape(shape) if cells is None else present[cells]
        )
        if quality is not None:
            block.quality[at] = quality.reshape(shape) if cells is None else quality[cells]
    block.revision[meter[rows], day[rows]] = revision[rows]


def _layouts(block: Block) -> list[tuple[tuple[int, ...], list[int]]]:
    """Each layout that occurs, with the days that have it."""
    found: dict[tuple[int, ...], list[int]] = {}
    for place, one in enumerate(block.days):
        found.setdefault(layout(one, block.zone, block.step_minutes), []).append(place)
    return list(found.items())


def _one(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _with_messages(block: Block, table: Any, rows: Any, meter: Any, day: Any) -> Block:
    if "message" not in table.column_names:
        return block
    coded = _one(table["message"].take(pa.array(rows))).dictionary_encode()
    block.source[meter[rows], day[rows]] = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return block._replace(messages=tuple(coded.dictionary.to_pylist()))
