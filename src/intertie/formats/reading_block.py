"""Rows of meter days as a block (market/blocks.py): what settlement computes with.

Of several rows of a meter's day those of the highest revision count. A day that came in parts is put together: of two rows
of one revision the one that came first counts, and the later one fills its gaps; so no order of reading changes the block.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intertie.market.blocks import WATT_HOURS, BadBlock, Block, empty, layout

# What a block is made of.
COLUMNS = (
    "meter",
    "day",
    "revision",
    "step_seconds",
    "power_of_ten",
    "values",
    "quality",
    "arrived",
    "source",
)
EPOCH = date(1970, 1, 1)


def block_of(
    tables: Iterable[Any],
    meters: Sequence[str],
    first: date,
    count: int,
    zone: str,
    step_minutes: int = 15,
    power_of_ten: int = WATT_HOURS,
) -> Block:
    """A block of these meters and days; what the rows do not have is a gap. Rows of other steps are passed over.

    Raises BadBlock for a value that is finer than the block's power of ten.
    """
    block = empty(meters, first, count, zone, step_minutes, power_of_ten)
    found = [table for table in (_rows(one, block) for one in tables) if len(table)]
    if not found:
        return block
    table = _ordered(pa.concat_tables(found), block)
    names = pc.unique(table["source"])
    sources = pc.index_in(table["source"], names).to_numpy().astype(np.int32)
    cells, revisions = table["cell"].to_numpy(), table["revision"].to_numpy()
    turn = _turns(cells)
    for number in range(int(turn.max()) + 1):
        here = turn == number
        part = table if here.all() else table.filter(pa.array(here))
        _fill(block, part, cells[here], number == 0)
        if number == 0:
            block.revision.reshape(-1)[cells[here]] = revisions[here]
            block.source.reshape(-1)[cells[here]] = sources[here]
    return block._replace(messages=tuple(names.to_pylist()))


def _rows(table: Any, block: Block) -> Any:
    """Rows of the block's meters, days and step, with `cell`: where each of them stands."""
    meter = pc.index_in(table["meter"], pa.array(block.meters, pa.string()))
    day = pc.subtract(pc.cast(table["day"], pa.int32()), (block.first - EPOCH).days)
    inside = pc.and_(pc.greater_equal(day, 0), pc.less(day, block.values.shape[1]))
    inside = pc.and_(inside, pc.equal(table["step_seconds"], block.step_minutes * 60))
    inside = pc.and_(inside, pc.is_valid(meter))
    cell = pc.add(pc.multiply(pc.cast(meter, pa.int64()), block.values.shape[1]), pc.cast(day, pa.int64()))
    table = table.append_column("cell", cell)
    return table if pc.all(inside).as_py() in (True, None) else table.filter(inside)


def _ordered(table: Any, block: Block) -> Any:
    """By cell; of each cell only the highest revision, the rows that came first before the others."""
    cells = table["cell"].to_numpy()
    if not (cells[1:] > cells[:-1]).all():
        order = [("cell", "ascending"), ("revision", "descending"), ("arrived", "ascending")]
        table = table.sort_by([*order, ("source", "ascending")])
        cells, revisions = table["cell"].to_numpy(), table["revision"].to_numpy()
        starts = np.concatenate(([True], cells[1:] != cells[:-1]))
        top = revisions[starts][np.cumsum(starts) - 1]
        table = table.filter(pa.array(revisions == top))
    return table


def _turns(cells: Any) -> Any:
    """For each row how many of the same cell stand before it."""
    starts = np.concatenate(([True], cells[1:] != cells[:-1]))
    first = np.maximum.accumulate(np.where(starts, np.arange(len(cells)), 0))
    return np.arange(len(cells)) - first


def _fill(block: Block, table: Any, cells: Any, fresh: bool) -> None:
    """Rows of different cells into the block, a length of day at a time."""
    table = table.combine_chunks()
    days = cells % block.values.shape[1]
    for day_cells, rows, slots in _by_layout(block, cells, days):
        part = table if len(rows) == len(table) else table.take(pa.array(rows))
        values, present = _values(part, len(slots), block.power_of_ten)
        quality = _quality(part["quality"].chunk(0), len(slots))
        _put(block, day_cells, slots, values, present, quality, fresh)


def _by_layout(block: Block, cells: Any, days: Any) -> Iterable[tuple[Any, Any, Any]]:
    """Cells and their rows, by the slots that their days have."""
    layouts: dict[tuple[int, ...], list[int]] = {}
    for day in np.unique(days).tolist():
        slots = layout(block.first + timedelta(days=day), block.zone, block.step_minutes)
        layouts.setdefault(slots, []).append(day)
    for slots, found in layouts.items():
        rows = np.flatnonzero(np.isin(days, found)) if len(layouts) > 1 else np.arange(len(days))
        yield cells[rows], rows, np.array(slots)


def _values(table: Any, length: int, power: int) -> tuple[Any, Any]:
    column = table["values"].chunk(0)
    flat = column.flatten()
    if len(flat) != len(table) * length:
        sizes = pc.list_value_length(column).to_numpy(zero_copy_only=False)
        at = int(np.flatnonzero(sizes != length)[0])
        raise BadBlock(
            f"meter {table['meter'][at]}, {table['day'][at]}: {sizes[at]} values, the day has {length} intervals",
            do="Was the zone changed? `intertie readings rebuild` cuts the days anew.",
        )
    shape = (len(table), length)
    present = np.ones(shape, np.bool_)
    if flat.null_count:
        present = flat.is_valid().to_numpy(zero_copy_only=False).reshape(shape)
        flat = pc.fill_null(flat, 0)
    values = flat.to_numpy(zero_copy_only=False).reshape(shape)
    powers = table["power_of_ten"].to_numpy()
    if (powers != power).any():
        values = _scaled(table, values, powers, power)
    return values, present


def _scaled(table: Any, values: Any, powers: Any, power: int) -> Any:
    """All values in one power of ten, exactly. Raises BadBlock."""
    up = np.power(10, np.maximum(powers.astype(np.int64) - power, 0))[:, None]
    down = np.power(10, np.maximum(power - powers.astype(np.int64), 0))[:, None]
    inexact = (values % down != 0).any(axis=1)
    if inexact.any():
        at = int(np.flatnonzero(inexact)[0])
        raise BadBlock(
            f"meter {table['meter'][at]}, {table['day'][at]}: finer than 10^{power} kWh",
            do="Ask for a block of a smaller power of ten.",
        )
    return values * up // down


def _quality(column: Any, length: int) -> Any:
    """A code for each value, or one column of codes if each row has one."""
    sizes = pc.list_value_length(column).to_numpy(zero_copy_only=False)
    flat = column.flatten().to_numpy(zero_copy_only=False)
    if (sizes == 1).all():
        return flat[:, None]
    if (sizes == length).all():
        return flat.reshape(-1, length)
    ends = np.cumsum(sizes)
    return np.stack(
        [np.broadcast_to(flat[end - size : end], (length,)) for end, size in zip(ends, sizes, strict=True)]
    )


def _put(block: Block, cells: Any, slots: Any, values: Any, present: Any, quality: Any, fresh: bool) -> None:
    """Values where nothing is yet."""
    width = block.values.shape[2]
    flat_values, flat_present = block.values.reshape(-1, width), block.present.reshape(-1, width)
    flat_quality = block.quality.reshape(-1, width)
    run = slots[-1] == len(slots) - 1
    where: Any
    if run:  # slots one after the other: whole slices, much faster than a place for each value
        adjoining = len(cells) and cells[-1] - cells[0] == len(cells) - 1
        where = (
            (slice(cells[0], cells[-1] + 1), slice(0, len(slots)))
            if adjoining
            else (cells, slice(0, len(slots)))
        )
    else:
        where = np.ix_(cells, slots)
    if fresh:
        flat_values[where], flat_present[where] = values, present
        flat_quality[where] = np.where(present, quality, 0)
        return
    new = present & ~flat_present[where]
    flat_values[where] = np.where(new, values, flat_values[where])
    flat_quality[where] = np.where(new, quality, flat_quality[where])
    flat_present[where] = flat_present[where] | new
