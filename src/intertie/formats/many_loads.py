"""Net loads of many meters from rows of meter days, as the gateway nets them: the net channel where a meter has one, else
import less export."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intertie.formats.reading_block import COLUMNS as STORED
from intertie.formats.reading_block import block_of
from intertie.market.block_tables import block_of_table
from intertie.market.blocks import Block
from intertie.model.errors import IntertieError
from intertie.model.metering import Channel

# What a row must have, and what it may have besides: the columns of the gateway's own store, or a plain table in watt-hours.
NEEDED = ("meter", "day", "revision", "values")
TAKEN = (*NEEDED, "channel", "step_seconds", "power_of_ten", "quality", "arrived", "source", "message")


class Loads(NamedTuple):
    """Net watt-hours, and the blocks they were made of."""

    net: Block
    parts: tuple[Block, ...]


def columns_of(names: Sequence[str]) -> list[str]:
    """The columns of a file that matter. Raises IntertieError for a file without readings."""
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise IntertieError(
            f"no column {', '.join(missing)}", do="Rows need meter, day, revision, values: docs/scale.md."
        )
    return [name for name in TAKEN if name in names]


def loads_of(
    table: Any, meters: Sequence[str], first: date, days: int, zone: str, step_minutes: int
) -> Loads:
    """The loads of these meters; other meters and days are passed over. Raises BadBlock."""
    if "channel" not in table.column_names:
        made = _block(table, meters, first, days, zone, step_minutes)
        return Loads(made, (made,))
    there = set(pc.unique(table["channel"]).to_pylist())
    blocks = {
        channel: _block(
            table.filter(pc.equal(table["channel"], channel.value)), meters, first, days, zone, step_minutes
        )
        for channel in Channel
        if channel.value in there
    }
    if not blocks:
        made = _block(table.slice(0, 0), meters, first, days, zone, step_minutes)
        return Loads(made, (made,))
    return Loads(_net(blocks), tuple(blocks.values()))


def _block(table: Any, meters: Sequence[str], first: date, days: int, zone: str, step: int) -> Block:
    if set(STORED) <= set(table.column_names):
        return block_of([table.select(list(STORED))], meters, first, days, zone, step)
    names = {"source": "message"} if "message" not in table.column_names else {}
    plain = table.rename_columns([names.get(name, name) for name in table.column_names])
    return block_of_table(_with_quality(plain), first, days, zone, step, meters)


def _with_quality(table: Any) -> Any:
    """A column of one code for each day is of no use to a plain table."""
    if "quality" not in table.column_names or not len(table):
        return table
    same = pc.all(pc.equal(pc.list_value_length(table["quality"]), pc.list_value_length(table["values"])))
    return table if same.as_py() else table.drop_columns(["quality"])


def _net(blocks: dict[Channel, Block]) -> Block:
    if set(blocks) == {Channel.IMPORT} or set(blocks) == {Channel.NET}:
        return next(iter(blocks.values()))
    any_block = next(iter(blocks.values()))
    values, present = np.zeros_like(any_block.values), np.zeros_like(any_block.present)
    if Channel.IMPORT in blocks:
        taken = blocks[Channel.IMPORT]
        values, present = taken.values.copy(), taken.present.copy()
        if Channel.EXPORT in blocks:
            given = blocks[Channel.EXPORT]
            has = given.present.any(axis=(1, 2), keepdims=True)
            values -= given.values
            present &= given.present | ~has
    if Channel.NET in blocks:
        net = blocks[Channel.NET]
        has = net.present.any(axis=(1, 2), keepdims=True)
        values, present = np.where(has, net.values, values), np.where(has, net.present, present)
    return any_block._replace(
        values=np.where(present, values, 0),
        present=present,
        quality=np.maximum.reduce([one.quality for one in blocks.values()]),
        revision=np.maximum.reduce([one.revision for one in blocks.values()]),
    )


def rows_of(loads: Loads, rows: Any) -> Loads:
    """Some meters."""
    return Loads(_rows(loads.net, rows), tuple(_rows(one, rows) for one in loads.parts))


def _rows(block: Block, rows: Any) -> Block:
    return block._replace(
        meters=tuple(block.meters[i] for i in rows),
        values=block.values[rows],
        present=block.present[rows],
        quality=block.quality[rows],
        revision=block.revision[rows],
        source=block.source[rows],
    )


def empty_table() -> Any:
    """No rows: of meters that have no readings at all."""
    return pa.table(
        {
            "meter": pa.array([], pa.string()),
            "day": pa.array([], pa.date32()),
            "revision": pa.array([], pa.int32()),
            "values": pa.array([], pa.list_(pa.int64())),
        }
    )
