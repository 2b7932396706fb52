"""Parquet files of readings: encrypted, written whole or not at all, and read in part by what their row groups say."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from intertie.formats.reading_table import ORDER, SCHEMA, bucket_of
from intertie.gateway.metering.readings_ports import Table, Wanted
from intertie.model.errors import StoreError
from intertie.seal.parquet_keys import ParquetKeys
from intertie.seal.private_files import sync_folder
from intertie.stores.readings_state import make_folder

# Meter days that are read or skipped together: some 6 MB of quarter hours.
GROUP_ROWS = 8192
# Differences of neighbouring integers: half the bytes and three times the speed of any dictionary (docs/performance.md).
ENCODING = {"values.list.element": "DELTA_BINARY_PACKED"}
DICTIONARY = ["party", "meter", "channel", "source"]
LINES = pa.schema([("line", pa.binary())])
BUCKET = SCHEMA.get_field_index("bucket")


@contextlib.contextmanager
def errors(what: str) -> Iterator[None]:
    """What the file system or the reader of Parquet says, as StoreError."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        why = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise StoreError(
            f"{what} cannot be used: {why}",
            do="Check the disk; `intertie readings rebuild` makes the readings anew from the journal.",
        ) from error


class ParquetFiles:
    """Reads and writes them, encrypted under these keys."""

    def __init__(self, keys: ParquetKeys) -> None:
        self._keys = keys

    def write(self, path: Path, tables: Iterable[Table]) -> int:
        """Write a new file of rows, each table sorted and after the one before it; on disk, under its name, when this
        returns. Its size."""
        return self._write(path, SCHEMA, tables, use_dictionary=DICTIONARY, column_encoding=ENCODING)

    def write_lines(self, path: Path, lines: Iterable[bytes]) -> None:
        """Write a new file of lines, each some JSON."""
        self._write(path, LINES, _tables_of(lines))

    def read_lines(self, path: Path) -> Iterator[bytes]:
        """The lines of a file."""
        for table in self.batches(path):
            yield from table["line"].to_pylist()

    def _write(self, path: Path, schema: Any, tables: Iterable[Table], **how: Any) -> int:
        make_folder(path.parent)
        draft = path.with_name(f".{path.name}.part")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            with pq.ParquetWriter(
                file, schema, compression="lz4", encryption_properties=self._keys.writing(), **how
            ) as writer:
                for table in tables:
                    writer.write_table(table, row_group_size=GROUP_ROWS)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
        return path.stat().st_size

    def _open(self, path: Path, *, memory_map: bool = False) -> Any:
        return pq.ParquetFile(path, memory_map=memory_map, decryption_properties=self._keys.reading())

    def read(self, path: Path, wanted: Wanted, columns: Sequence[str] | None = None) -> Table:
        """The rows of a file that are wanted."""
        with self._open(path, memory_map=True) as file:
            buckets = None if wanted.meters is None else {bucket_of(meter) for meter in wanted.meters}
            groups = [
                i for i in range(file.num_row_groups) if buckets is None or _has(file.metadata, i, buckets)
            ]
            names = list(columns or SCHEMA.names)
            needed = names + [name for name in _asked(wanted) if name not in names]
            table = file.read_row_groups(groups, columns=needed)
        mask = _mask(table, wanted)
        return (table if mask is None else table.filter(mask)).select(names)

    def groups_of(self, path: Path) -> list[tuple[int, int, int]]:
        """For each row group its least and greatest bucket, and its rows."""
        with self._open(path) as file:
            found = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
            return [(*_span(group), group.num_rows) for group in found]

    def read_groups(self, path: Path, groups: Sequence[int]) -> Table:
        """Whole row groups."""
        with self._open(path) as file:
            return file.read_row_groups(list(groups))

    def batches(self, path: Path) -> Iterator[Table]:
        """A file from its beginning to its end, a row group at a time."""
        with self._open(path) as file:
            for i in range(file.num_row_groups):
                yield file.read_row_group(i)


def sort(table: Table) -> Table:
    """Rows in the order of a file."""
    return table.sort_by(ORDER)


def _tables_of(lines: Iterable[bytes]) -> Iterator[Table]:
    waiting = iter(lines)
    while some := list(islice(waiting, GROUP_ROWS)):
        yield pa.table({"line": some}, LINES)


def _has(metadata: Any, group: int, buckets: set[int]) -> bool:
    low, high = _span(metadata.row_group(group))
    return any(low <= bucket <= high for bucket in buckets)


def _span(group: Any) -> tuple[int, int]:
    statistics = group.column(BUCKET).statistics
    return statistics.min, statistics.max


def _asked(wanted: Wanted) -> list[str]:
    days = ["day"] if wanted.first or wanted.last else []
    lists = {"meter": wanted.meters, "channel": wanted.channels, "party": wanted.parties}
    return days + [name for name, given in lists.items() if given is not None]


def _mask(table: Table, wanted: Wanted) -> Any:
    """None: all rows."""
    masks = []
    if wanted.first is not None:
        masks.append(pc.greater_equal(table["day"], pa.scalar(wanted.first)))
    if wanted.last is not None:
        masks.append(pc.less_equal(table["day"], pa.scalar(wanted.last)))
    for name, given in (
        ("meter", wanted.meters),
        ("channel", wanted.channels),
        ("party", wanted.parties),
    ):
        if given is not None:
            masks.append(pc.is_in(table[name], value_set=pa.array(given, pa.string())))
    mask = masks[0] if masks else None
    for other in masks[1:]:
        mask = pc.and_(mask, other)
    return mask
