"""Folders of plain Parquet for `intertie settle many`: readings, which are only read, and the lines, in parts."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from intertie.formats.many_lines import LINES
from intertie.formats.many_loads import columns_of
from intertie.gateway.settlement.settle_many import InputFile, MadeFrom
from intertie.model.errors import StoreError
from intertie.seal.private_files import sync_folder

BOUNDS, LOCK = "parts.json", ".lock"


class ReadingsFolder:
    """All Parquet files of a folder and of those in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self) -> list[InputFile]:
        """All of them, by name. Raises StoreError if there are none, or one has no readings in it."""
        with _errors(self.folder):
            found = [
                InputFile(
                    name=str(path.relative_to(self.folder)), size=said.st_size, changed=said.st_mtime_ns
                )
                for path in sorted(self.folder.rglob("*.parquet"))
                for said in (path.stat(),)
            ]
            for one in found:
                columns_of(pq.read_schema(self.folder / one.name).names)
        if not found:
            raise StoreError(f"{self.folder} has no Parquet files", do="Name the folder of the readings.")
        return found

    def meters(self, names: Iterable[str]) -> set[str]:
        """The meters that these files speak of: one column is read, a row group at a time."""
        found: set[str] = set()
        with _errors(self.folder):
            for name in names:
                with pq.ParquetFile(self.folder / name, read_dictionary=["meter"]) as file:
                    for group in range(file.num_row_groups):
                        column = file.read_row_group(group, ["meter"])["meter"]
                        found.update(pc.unique(column).to_pylist())
        return found

    def paths(self) -> list[str]:
        """For an engine that reads them itself."""
        return [str((self.folder / one.name).resolve()) for one in self.files()]

    def rows(self, low: str, high: str | None, meters: Sequence[str]) -> Any:
        """The rows of these meters, all of them between `low` and `high`: by what row groups say of themselves, others are
        not read."""
        with _errors(self.folder):
            files = [str(self.folder / one.name) for one in self.files()]
            data = ds.dataset(files, format="parquet")
            where = ds.field("meter") >= low
            if high is not None:
                where = where & (ds.field("meter") < high)
            if len(meters) <= FEW:
                where = where & ds.field("meter").isin(list(meters))
            return data.to_table(columns=columns_of(data.schema.names), filter=where)


# So many names cost less to look for than the rows of the others to carry.
FEW = 50


class LinesFolder:
    """Parts of lines, each with a note of what it was made from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def alone(self) -> Iterator[None]:
        """By a lock that the kernel lets go with the process: two runs that mix their parts would leave lines of neither."""
        with _errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            held = (self.folder / LOCK).open("wb")
        with held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StoreError(
                    f"another run is writing to {self.folder}",
                    do="Wait for it, or name another folder.",
                ) from error
            yield

    def bounds(self, make: Callable[[], Sequence[str]]) -> list[str]:
        """The first meter of each part; made once, the same for each later run."""
        path = self.folder / BOUNDS
        with _errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                _write(path, msgspec.json.encode(list(make())))
            return msgspec.json.decode(path.read_bytes(), type=list[str])

    def made_from(self, number: int) -> MadeFrom | None:
        """Of a part that is there and unharmed."""
        try:
            made = msgspec.json.decode(self._note(number).read_bytes(), type=MadeFrom)
            return made if sha256_of(self.read(number)) == made.sha256 else None
        except (OSError, msgspec.DecodeError, StoreError):
            return None

    def read(self, number: int) -> Any:
        """The lines of a part. Raises StoreError."""
        with _errors(self.folder):
            return pq.read_table(self.part(number), schema=LINES)

    def write(self, number: int, lines: Any, job: str, files: Sequence[InputFile]) -> None:
        """Keep the lines of a part: first they, then the note that they are there."""
        with _errors(self.folder):
            sink = pa.BufferOutputStream()
            pq.write_table(lines.combine_chunks(), sink, compression="zstd")
            _write(self.part(number), sink.getvalue().to_pybytes())
            made = MadeFrom(job=job, files=tuple(files), sha256=sha256_of(lines))
            _write(self._note(number), msgspec.json.encode(made))

    def part(self, number: int) -> Path:
        """The file of a part."""
        return self.folder / f"lines-{number:05}.parquet"

    def _note(self, number: int) -> Path:
        return self.folder / f"lines-{number:05}.json"


def sha256_of(lines: Any) -> str:
    """Of the lines as CSV: the same whichever version of Parquet holds them."""
    sources = pc.binary_join(lines["sources"], " ")
    plain = lines.set_column(lines.column_names.index("sources"), "sources", sources)
    sink = pa.BufferOutputStream()
    pacsv.write_csv(plain, sink, pacsv.WriteOptions(include_header=False))
    return sha256(sink.getvalue()).hexdigest()


def _write(path: Path, data: bytes) -> None:
    """Whole, on disk, under its name, or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


@contextmanager
def _errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException, msgspec.DecodeError) as error:
        why = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise StoreError(f"{folder} cannot be used: {why}", do="Check the folder and its files.") from error
