"""Readings as columns (Arrow): what is written to Parquet, and read from it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from intertie.market.reading_days import DayRow

# Meters are spread over so many buckets by a hash, and files are sorted by it: what asks for some meters, and what merges
# files, reads a part of each. A tenth of 100,000 meters' month is then some 60 MB.
BUCKETS = 64

SCHEMA = pa.schema(
    [
        ("bucket", pa.int16()),
        ("party", pa.string()),  # who said it; ourselves if it was imported or sent
        ("meter", pa.string()),
        ("channel", pa.string()),
        ("day", pa.date32()),  # local
        ("revision", pa.int32()),
        ("step_seconds", pa.int32()),
        ("power_of_ten", pa.int8()),  # of a kWh
        ("values", pa.list_(pa.field("element", pa.int64()))),  # in the order of time; null is a gap
        ("quality", pa.list_(pa.field("element", pa.uint8()))),  # ESPI codes; one: of all values
        ("arrived", pa.timestamp("us", tz="UTC")),
        ("source", pa.string()),  # the message's id, or import:NUMBER
    ]
)
ORDER = [(name, "ascending") for name in ("bucket", "meter", "channel", "day", "revision", "arrived")]


class Origin(NamedTuple):
    """Where rows come from."""

    party: str
    arrived: datetime
    source: str


def bucket_of(meter: str) -> int:
    """The same for ever: files are laid out by it."""
    return zlib.crc32(meter.encode()) % BUCKETS


def table_of(rows: Sequence[DayRow], origin: Origin) -> Any:
    """Rows as a table, in the order of SCHEMA; not sorted."""
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in DayRow._fields]
    meter, channel, day, revision, step, power, values, quality = columns
    return pa.table(
        [
            pa.array([bucket_of(one) for one in meter], pa.int16()),
            constant(origin.party, len(rows)),
            pa.array(meter, pa.string()),
            pa.array(channel, pa.string()),
            pa.array(day, pa.date32()),
            pa.array(revision, pa.int32()),
            pa.array(step, pa.int32()),
            pa.array(power, pa.int8()),
            pa.array(values, SCHEMA.field("values").type),
            pa.array(quality, SCHEMA.field("quality").type),
            pa.array(np.full(len(rows), micros(origin.arrived)), SCHEMA.field("arrived").type),
            constant(origin.source, len(rows)),
        ],
        schema=SCHEMA,
    )


def constant(text: str, count: int) -> Any:
    """A column that says the same in every row."""
    return pa.repeat(pa.scalar(text, pa.string()), count)


def micros(at: datetime) -> int:
    """A time as Arrow has it."""
    return int(at.timestamp() * 1_000_000)
