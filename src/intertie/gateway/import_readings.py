"""Readings that come in a file, not in a message: kept whole, and journaled with the hash of the file."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple

import msgspec

from intertie.formats.reading_table import Origin, table_of
from intertie.formats.readings_csv import CsvRules, read_csv
from intertie.gateway.gateway import Gateway
from intertie.gateway.readings import Readings, finding_of
from intertie.journal.entry import Entry, Kind
from intertie.market.reading_days import Finding, split
from intertie.model.errors import SettingsError
from intertie.model.explain import why_unreadable
from intertie.model.ids import new_uuid7
from intertie.model.message import MESSAGE_BYTES_MAX
from intertie.model.metering import MeterReadingSet


class Imported(NamedTuple):
    """A file that was kept: its number, what its rows name as their source, and the hash of its bytes."""

    number: int
    source: str
    sha256: str


def import_csv(
    gateway: Gateway,
    readings: Readings,
    file: BinaryIO,
    size: int,
    rules: CsvRules,
    progress: Callable[[int], None],
) -> Imported:
    """A CSV of about so many bytes, once, forwards. Raises BadCsv, StoreError."""
    watched = Watched(file, progress)
    origin = _origin(gateway, rules.now)
    with read_csv(io.BufferedReader(watched), size, rules, origin) as read:
        number = readings.store.keep_import(read.tables, _later(read.findings))
    return _noted(gateway, origin, number, watched.sha256, rules.now)


def import_json(gateway: Gateway, readings: Readings, raw: bytes, now: datetime) -> Imported:
    """A `meter_readings` body, as `intertie example meter_readings` prints it. SettingsError if it is none."""
    if len(raw) > MESSAGE_BYTES_MAX:
        raise SettingsError(f"larger than {MESSAGE_BYTES_MAX} bytes", do="Bring larger files as CSV.")
    try:
        said = msgspec.json.decode(raw, type=MeterReadingSet)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(
            f"no meter_readings: {why_unreadable(error)}",
            do="`intertie example meter_readings` prints one; a .csv is read as CSV.",
        ) from error
    origin = _origin(gateway, now)
    rows, found = split(said.meters, readings.zone, now, readings.is_known)
    findings = (finding_of(one, origin, said) for one in found)
    number = readings.store.keep_import(iter([table_of(rows, origin)] if rows else []), findings)
    return _noted(gateway, origin, number, hashlib.sha256(raw).hexdigest(), now)


def imported_tables(readings: Readings, number: int) -> Iterator[Any]:
    """The rows of one import."""
    for one in readings.store.imports(number - 1):
        if one.number == number:
            yield from one.tables


class Watched(io.RawIOBase):
    """A file that is read once: its hash, and how far it was read."""

    def __init__(self, file: BinaryIO, progress: Callable[[int], None]) -> None:
        self._file, self._progress, self._hash = file, progress, hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of what was read."""
        return self._hash.hexdigest()

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As `io.RawIOBase` says."""
        view = memoryview(buffer)
        data = self._file.read(len(view))
        view[: len(data)] = data
        self._hash.update(data)
        self._progress(len(data))
        return len(data)


def _later(findings: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Findings that are asked for only when the rows were taken."""
    yield from findings()


def _origin(gateway: Gateway, now: datetime) -> Origin:
    return Origin(gateway.party.id, now, f"import:{new_uuid7(now)}")


def _noted(gateway: Gateway, origin: Origin, number: int, sha256: str, now: datetime) -> Imported:
    """In the journal: that a file with this hash was imported, and as which."""
    note = f"readings imported: {origin.source}"
    gateway.store.note([Entry(kind=Kind.ACT, at=now, digest=sha256, note=note)])
    return Imported(number, origin.source, sha256)
