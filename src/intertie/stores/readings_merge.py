"""Small files of a month into larger ones: when, and row by row in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from intertie.formats.reading_table import BUCKETS
from intertie.gateway.metering.readings_ports import Table
from intertie.stores.readings_parquet import ParquetFiles, sort
from intertie.stores.readings_state import Part

# So many files of about one size become one, four to eight times as large: each row is written again once a size, and
# whoever reads a month opens at most seven files of each.
FILES = 8
# Of one size are files whose rows are between two powers of this.
GROWTH = 8
# Rows that are merged at a time.
ROWS = 65_536


def to_merge(parts: Sequence[Part]) -> list[Part]:
    """Files of one month that are to become one; none if it is in order."""
    sizes: dict[int, list[Part]] = {}
    for part in parts:
        size, rows = 0, part.rows
        while rows >= GROWTH:
            size, rows = size + 1, rows // GROWTH
        sizes.setdefault(size, []).append(part)
    for size in sorted(sizes):
        if len(sizes[size]) >= FILES:
            return sizes[size]
    return []


def merged(files: ParquetFiles, paths: Sequence[Path]) -> Iterator[Table]:
    """Rows of sorted files, sorted: some buckets at a time."""
    groups = [files.groups_of(path) for path in paths]
    total = sum(rows for found in groups for _, _, rows in found)
    at_once = max(1, BUCKETS * ROWS // max(total, 1))
    for low in range(0, BUCKETS, at_once):
        high = low + at_once - 1
        tables = []
        for path, found in zip(paths, groups, strict=True):
            places = [i for i, (least, most, _) in enumerate(found) if least <= high and most >= low]
            if places:
                table = files.read_groups(path, places)
                bucket = table["bucket"]
                inside = pc.and_(pc.greater_equal(bucket, low), pc.less_equal(bucket, high))
                tables.append(table.filter(inside))
        rows = pa.concat_tables(tables) if tables else None
        if rows is not None and len(rows):
            yield sort(rows)
