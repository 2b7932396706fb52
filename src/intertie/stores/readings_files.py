"""Readings as Parquet files in a folder:

    state.json                 which files count, and how far messages and imports were read
    months/2026-01/N.parquet   meter days of a month; sorted, never changed
    findings/N.jsonl           what was wrong with what came, and what of it could not be used
    imports/N.parquet, .jsonl  files that were imported, as they were read: not a projection, kept for a rebuild
    writer.lock, files.lock    one writer at a time; no file goes while somebody reads

A file that state.json does not name does not count: it is left of a crash, or was merged into another one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from intertie.gateway.metering.readings_ports import Batch, Cursor, Import, Summary, Table, Wanted
from intertie.market.reading_days import Finding
from intertie.model.errors import StoreError
from intertie.seal.parquet_keys import ParquetKeys
from intertie.seal.private_files import sync_folder
from intertie.stores import readings_parquet as parquet
from intertie.stores import readings_state as states
from intertie.stores.readings_merge import merged, to_merge
from intertie.stores.readings_repeats import repeats
from intertie.stores.readings_state import Part, State

# Meter days that are sorted and written together: some 50 MB of quarter hours.
ROWS_AT_ONCE = 65_536
MONTHS, FINDINGS, IMPORTS = "months", "findings", "imports"


class ReadingsFiles:
    """`gateway.metering.readings_ports.ReadingsStore` in a folder. Safe to use from any thread and process."""

    def __init__(self, folder: Path, zone: str, keys: ParquetKeys) -> None:
        """The folder is made by the first write."""
        self._files = parquet.ParquetFiles(keys)
        self._folder = folder
        self._zone = zone

    @contextlib.contextmanager
    def writing(self) -> Iterator[Batch]:
        """One writer at a time."""
        with parquet.errors(str(self._folder)), self._alone():
            yield _Batch(self._files, self._folder, states.load(self._folder, self._zone))

    def clear(self) -> None:
        """All but imports. What is read meanwhile is read to its end: files that are open stay."""
        with parquet.errors(str(self._folder)), self._alone(), self._locked("files.lock", fcntl.LOCK_EX):
            states.save(self._folder, State(zone=self._zone))
            for name in (MONTHS, FINDINGS):
                shutil.rmtree(self._folder / name, ignore_errors=True)

    def compact(self) -> int:
        """Month by month: what to merge, readings_merge says."""
        with parquet.errors(str(self._folder)), self._alone():
            state = states.load(self._folder, self._zone)
            before = len(state.parts)
            for month in sorted({part.month for part in state.parts}):
                while old := to_merge([part for part in state.parts if part.month == month]):
                    state = self._merge(state, month, old)
            self._sweep(state)
            return before - len(state.parts)

    def summary(self) -> Summary:
        """From state.json alone."""
        state = states.load(self._folder, self._zone)
        parts = state.parts
        return Summary(
            zone=state.zone,
            rows=sum(part.rows for part in parts),
            readings=sum(part.readings for part in parts),
            first=min((part.first for part in parts), default=None),
            last=max((part.last for part in parts), default=None),
            files=len(parts),
            size=sum(part.size for part in parts),
            imports=len(self._import_numbers(0)),
            faults=dict(state.faults),
        )

    def findings(self) -> Iterator[Finding]:
        """Of messages and of imports."""
        with parquet.errors(str(self._folder)), self._reading():
            for name in states.load(self._folder, self._zone).findings:
                yield from _lines(self._files, self._folder / name)

    def tables(self, wanted: Wanted, columns: Sequence[str] | None = None) -> Iterator[Table]:
        """Files of other days are not opened."""
        with parquet.errors(str(self._folder)), self._reading():
            for part in states.load(self._folder, self._zone).parts:
                if (wanted.first or part.last) <= part.last and (wanted.last or part.first) >= part.first:
                    yield self._files.read(self._folder / part.name, wanted, columns)

    def keep_import(self, tables: Iterator[Table], findings: Iterator[Finding]) -> int:
        """Its rows count once its Parquet file has its name; findings are there before."""
        with parquet.errors(str(self._folder)), self._alone():
            number = max(self._import_numbers(0), default=0) + 1
            path = self._folder / IMPORTS / f"{number:08}.parquet"
            states.make_folder(path.parent)
            draft = path.with_name(f".{path.name}.rows")
            self._files.write(draft, tables)  # findings are known once the rows were read
            _write_lines(self._files, path.with_suffix(".lines"), findings)
            draft.replace(path)
            sync_folder(path.parent)
            return number

    def imports(self, after: int) -> Iterator[Import]:
        """In the order of their numbers."""
        with parquet.errors(str(self._folder)):
            for number in self._import_numbers(after):
                path = self._folder / IMPORTS / f"{number:08}.parquet"
                yield Import(
                    number, list(_lines(self._files, path.with_suffix(".lines"))), self._files.batches(path)
                )

    def _import_numbers(self, after: int) -> list[int]:
        found = sorted(int(path.stem) for path in (self._folder / IMPORTS).glob("[0-9]*.parquet"))
        return [number for number in found if number > after]

    def _merge(self, state: State, month: str, old: Sequence[Part]) -> State:
        """One file in the place of several; the state changes once it is there."""
        number = state.number + 1
        name = f"{MONTHS}/{month}/{number:08}.parquet"
        size = self._files.write(
            self._folder / name, merged(self._files, [self._folder / part.name for part in old])
        )
        new = Part(
            name=name,
            month=month,
            rows=sum(part.rows for part in old),
            readings=sum(part.readings for part in old),
            first=min(part.first for part in old),
            last=max(part.last for part in old),
            size=size,
        )
        kept = tuple(part for part in state.parts if part not in old)
        state = msgspec.structs.replace(state, number=number, parts=(*kept, new))
        states.save(self._folder, state)
        return state

    def _sweep(self, state: State) -> None:
        """Remove files that do not count, unless somebody reads: then another time."""
        counted = {self._folder / part.name for part in state.parts}
        counted |= {self._folder / name for name in state.findings}
        with self._locked("files.lock", fcntl.LOCK_EX | fcntl.LOCK_NB) as ours:
            for folder in (MONTHS, FINDINGS) if ours else ():
                for path in (self._folder / folder).rglob("*.*"):
                    if path not in counted:
                        path.unlink()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        states.make_folder(self._folder)
        with self._locked("writer.lock", fcntl.LOCK_EX):
            yield

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        if not self._folder.is_dir():
            yield
            return
        with self._locked("files.lock", fcntl.LOCK_SH):
            yield

    @contextlib.contextmanager
    def _locked(self, name: str, how: int) -> Iterator[bool]:
        """False: not to be had at once."""
        handle = os.open(self._folder / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, how)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(handle)


class _Batch:
    """`gateway.metering.readings_ports.Batch`."""

    def __init__(self, files: parquet.ParquetFiles, folder: Path, state: State) -> None:
        self._files = files
        self._folder, self._state = folder, state
        self._tables: list[Table] = []
        self._rows = 0
        self._parts: list[Part] = []
        self._found: list[Finding] = []

    @property
    def cursor(self) -> Cursor:
        return self._state.cursor

    def add(self, table: Table) -> None:
        self._tables.append(table)
        self._rows += len(table)
        if self._rows >= ROWS_AT_ONCE:
            self._flush()

    def find(self, finding: Finding) -> None:
        self._found.append(finding)

    def commit(self, cursor: Cursor) -> None:
        self._flush()
        faults, names = dict(self._state.faults), self._state.findings
        if self._found:
            for one in self._found:
                faults[one.fault] = faults.get(one.fault, 0) + one.count
            name = f"{FINDINGS}/{self._next():08}.lines"
            _write_lines(self._files, self._folder / name, iter(self._found))
            names = (*names, name)
        if cursor == self._state.cursor and not self._parts and not self._found:
            return
        self._state = msgspec.structs.replace(
            self._state,
            cursor=cursor,
            parts=(*self._state.parts, *self._parts),
            findings=names,
            faults=faults,
        )
        states.save(self._folder, self._state)
        self._parts, self._found = [], []

    def _flush(self) -> None:
        """A file for each month of what was added."""
        if not self._rows:
            return
        table = parquet.sort(pa.concat_tables(self._tables))
        self._found += repeats(self._files, table, self._folder, (*self._state.parts, *self._parts))
        self._tables, self._rows = [], 0
        months = pc.strftime(table["day"], "%Y-%m")
        for month in pc.unique(months).to_pylist():
            self._write(month, table.filter(pc.equal(months, month)))

    def _write(self, month: str, table: Table) -> None:
        name = f"{MONTHS}/{month}/{self._next():08}.parquet"
        days = pc.min_max(table["day"]).as_py()
        part = Part(
            name=name,
            month=month,
            rows=len(table),
            readings=sum(
                len(chunk.flatten()) - chunk.flatten().null_count for chunk in table["values"].chunks
            ),
            first=days["min"],
            last=days["max"],
            size=self._files.write(self._folder / name, [table]),
        )
        self._parts.append(part)

    def _next(self) -> int:
        self._state = msgspec.structs.replace(self._state, number=self._state.number + 1)
        return self._state.number


def _lines(files: parquet.ParquetFiles, path: Path) -> Iterator[Finding]:
    decoder = msgspec.json.Decoder(Finding)
    for line in files.read_lines(path):
        try:
            yield decoder.decode(line)
        except msgspec.MsgspecError as error:
            raise StoreError(
                f"{path} cannot be read: {error}", do="Run `intertie readings rebuild`."
            ) from error


def _write_lines(files: parquet.ParquetFiles, path: Path, findings: Iterator[Finding]) -> None:
    encoder = msgspec.json.Encoder()
    files.write_lines(path, (encoder.encode(one) for one in findings))
