"""Readings that come in a file, not in a message: kept whole, and journaled with the hash of the file."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple

import msgspec

from intertie.formats.espi.series import EspiRead, EspiRules
from intertie.formats.espi.stream import read_feed
from intertie.formats.reading_table import Origin, table_of
from intertie.formats.readings_csv import CsvRules, read_csv
from intertie.gateway.gateway import Gateway
from intertie.gateway.metering.readings import Readings, finding_of
from intertie.journal.entry import Entry, Kind
from intertie.market.reading_days import KEPT, Fault, Finding, split
from intertie.model.errors import SettingsError
from intertie.model.explain import why_unreadable
from intertie.model.ids import new_uuid7
from intertie.model.message import MESSAGE_BYTES_MAX
from intertie.model.metering import MeterReadingSet

# Series of a feed that become rows together: mostly days, 96 values each.
SERIES_AT_ONCE = 2000


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


def import_espi(
    gateway: Gateway,
    readings: Readings,
    file: BinaryIO,
    rules: EspiRules,
    now: datetime,
    progress: Callable[[int], None],
) -> Imported:
    """An ESPI feed of any length, once, forwards. Raises EspiError, StoreError; then nothing of it is kept."""
    watched = Watched(file, progress)
    origin = _origin(gateway, now)
    taking = _Espi(readings, EspiRead(read_feed(io.BufferedReader(watched)), rules), origin, now)
    number = readings.store.keep_import(taking.tables(), _later(taking.findings))
    return _noted(gateway, origin, number, watched.sha256, now)


class _Espi:
    """A feed's series as rows, some at a time; then what was not taken."""

    def __init__(self, readings: Readings, read: EspiRead, origin: Origin, now: datetime) -> None:
        self._readings, self._read, self._origin, self._now = readings, read, origin, now
        self._found: list[Finding] = []

    def tables(self) -> Iterator[Any]:
        """Rows of whole days."""
        series = iter(self._read)
        while some := list(itertools.islice(series, SERIES_AT_ONCE)):
            rows, found = split(some, self._readings.zone, self._now, self._readings.is_known)
            for one in found:
                refused = "" if one.fault in KEPT else msgspec.json.encode(some[one.place]).decode()
                self._found.append(self._said(one.fault, one.readings, one.meter, refused))
            if rows:
                yield table_of(rows, self._origin)

    def findings(self) -> Iterator[Finding]:
        """What was found in the readings, and readings that were not taken, with their entries."""
        yield from self._found
        for one in self._read.unread:
            yield self._said(one.fault, one.readings, one.meter, f"entry {one.entry}: {one.why}")

    def _said(self, fault: Fault, count: int, meter: str, refused: str) -> Finding:
        return Finding(
            source=self._origin.source,
            party=self._origin.party,
            fault=fault,
            count=count,
            kept=fault in KEPT,
            meter=meter,
            refused=refused,
        )


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
