"""Interval readings out of messages: what partners sent and what they accepted of ours becomes rows of meter days.

A projection of the journal: `take_in` reads what is new since the last time, and `rebuild` reads everything again. Files
beside a message (docs/readings.md: CSV) are read as the message itself is.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from intertie.exchange.outbound import DELIVERED, State
from intertie.formats.reading_table import Origin, table_of
from intertie.formats.readings_csv import CsvRules, read_csv
from intertie.gateway.attaching.attachments import attachments_of, open_attachment
from intertie.gateway.gateway import Gateway
from intertie.gateway.metering.readings_ports import READINGS, Batch, Cursor, ReadingsStore, Table
from intertie.gateway.ports import MessageRow, Query
from intertie.market.reading_days import KEPT, Fault, Finding, Found, split
from intertie.model.errors import IntertieError
from intertie.model.ids import MessageId
from intertie.model.message import read_envelope
from intertie.model.metering import MeterReadingSet, Quality

# Rows without bodies that are looked at together; bodies, up to 8 MiB, are read one by one.
LOOK = 200
# A message with its state is committed with others until they are so large: a crash repeats no more than that.
COMMIT_BYTES = 64 * 1024 * 1024
# Of what an error says of bytes that cannot be read.
WHY_CHARACTERS = 200
CSV_TYPES = ("text/csv", "application/csv")

KnownMeter = Callable[[str], bool]


class Readings(NamedTuple):
    """Where readings are kept, whose days they have, and which meters are known."""

    store: ReadingsStore
    zone: str
    is_known: KnownMeter


class Taken(NamedTuple):
    """What was read: messages and imports, and how many rows they gave."""

    messages: int = 0
    imports: int = 0
    rows: int = 0


class _Series(msgspec.Struct, gc=False):
    start: datetime
    step_seconds: int
    values: list[int | None]
    power_of_ten: int = -3


class _Meter(msgspec.Struct, gc=False):
    meter: str
    channel: str
    quality: Quality | list[Quality]
    series: _Series
    revision: int = 1


class _Body(msgspec.Struct, gc=False):
    """What the rows need of a body. It was checked whole when it was accepted, or sent."""

    meters: list[_Meter]


_DECODER = msgspec.json.Decoder(_Body)


def take_in(gateway: Gateway, readings: Readings, progress: Callable[[int], None] | None = None) -> Taken:
    """Read what is new; `progress` is told how many bytes of bodies were read. Raises StoreError."""
    with readings.store.writing() as batch:
        work = _Work(gateway, readings, batch, progress)
        work.read_imports()
        work.read_incoming()
        work.read_outgoing()
        work.commit()
    readings.store.compact()
    return work.taken


def rebuild(gateway: Gateway, readings: Readings, progress: Callable[[int], None] | None = None) -> Taken:
    """Forget the projection and read the journal's messages, and the imports, from the beginning."""
    readings.store.clear()
    return take_in(gateway, readings, progress)


class _Work:
    """One pass over what is new."""

    def __init__(
        self, gateway: Gateway, readings: Readings, batch: Batch, progress: Callable[[int], None] | None
    ) -> None:
        self._gateway, self._readings, self._batch = gateway, readings, batch
        self._cursor: Cursor = batch.cursor
        self._bytes = 0
        self._progress = progress
        self.taken = Taken()

    def read_imports(self) -> None:
        """Files that were imported, each in one commit."""
        for one in self._readings.store.imports(self._cursor.imported):
            for table in one.tables:
                self._add(table)
            for finding in one.findings:
                self._batch.find(finding)
            self._cursor = msgspec.structs.replace(self._cursor, imported=one.number)
            self.taken = self.taken._replace(imports=self.taken.imports + 1)
            self.commit()

    def read_incoming(self) -> None:
        """What partners sent, in the order of this store."""
        for row in self._new(outgoing=False, after=self._cursor.incoming):
            self._read(row)
            self._cursor = msgspec.structs.replace(self._cursor, incoming=row.seq)
            self._commit_if_large()

    def read_outgoing(self) -> None:
        """What we sent, once its recipient has it; what never arrives is not among what both hold."""
        waiting: list[MessageId] = []
        for id in self._cursor.waiting:
            row = self._gateway.store.message(id, outgoing=True, body=False)
            if row is not None and not self._read_if_delivered(row):
                waiting.append(id)
        for row in self._new(outgoing=True, after=self._cursor.outgoing):
            if not self._read_if_delivered(row):
                waiting.append(row.id)
            self._cursor = msgspec.structs.replace(self._cursor, outgoing=row.seq)
        self._cursor = msgspec.structs.replace(self._cursor, waiting=tuple(waiting))

    def commit(self) -> None:
        """What was read is there."""
        self._batch.commit(self._cursor)
        self._bytes = 0

    def _commit_if_large(self) -> None:
        if self._bytes >= COMMIT_BYTES:
            self.commit()

    def _new(self, *, outgoing: bool, after: int) -> Iterator[MessageRow]:
        while True:
            query = Query(outgoing=outgoing, after=after, limit=LOOK, document=READINGS, bodies=False)
            rows = self._gateway.store.messages(query)
            yield from rows
            if len(rows) < LOOK:
                return
            after = rows[-1].seq

    def _read_if_delivered(self, row: MessageRow) -> bool:
        """False: its outcome is not known yet."""
        if row.state in (State.QUEUED, State.SENDING):
            return False
        if row.state in DELIVERED:
            self._read(row)
        return True

    def _read(self, row: MessageRow) -> None:
        """A message's rows, and those of its files. What cannot be read is found, and stays in the message."""
        partner = row.recipient if row.outgoing else row.sender
        whole = self._gateway.store.message(row.id, outgoing=row.outgoing, partner=partner)
        if whole is None or not whole.body:
            return  # erased: so are its readings
        self._bytes += len(whole.body)
        if self._progress is not None:
            self._progress(len(whole.body))
        origin = Origin(row.sender, row.at, row.id)
        self._read_body(whole, origin)
        for ref in attachments_of(whole):
            if ref.media_type in CSV_TYPES or ref.name.lower().endswith(".csv"):
                self._read_file(whole, ref.name, ref.size, origin)
        self.taken = self.taken._replace(messages=self.taken.messages + 1)

    def _read_body(self, row: MessageRow, origin: Origin) -> None:
        try:
            said = _DECODER.decode(read_envelope(row.body).body)
        except (msgspec.MsgspecError, UnicodeDecodeError, IntertieError) as error:
            self._unreadable(origin, error)
            return
        rows, found = split(said.meters, self._readings.zone, origin.arrived, self._readings.is_known)
        for each in found:
            self._batch.find(finding_of(each, origin, said))
        if rows:
            self._add(table_of(rows, origin))

    def _read_file(self, row: MessageRow, name: str, size: int, origin: Origin) -> None:
        """An attached CSV, chunk by chunk; nothing of a file that is broken or not there."""
        rules = CsvRules(zone=self._readings.zone, now=origin.arrived, is_known=self._readings.is_known)
        origin = origin._replace(source=f"{origin.source}/{name}")
        try:
            _, chunks = open_attachment(self._gateway, row, name)
            with read_csv(io.BufferedReader(_Stream(chunks)), size, rules, origin) as read:
                for table in read.tables:
                    self._add(table)
                for finding in read.findings():
                    self._batch.find(finding)
        except IntertieError as error:
            self._unreadable(origin, error)
        self._bytes += size

    def _add(self, table: Table) -> None:
        self._batch.add(table)
        self.taken = self.taken._replace(rows=self.taken.rows + len(table))

    def _unreadable(self, origin: Origin, error: Exception) -> None:
        """What a message, or a file of it, says stays there."""
        found = Found(0, Fault.UNREADABLE, 0, "")
        self._batch.find(_finding(found, origin, str(error)[:WHY_CHARACTERS]))


def finding_of(found: Found, origin: Origin, said: _Body | MeterReadingSet) -> Finding:
    """What was found about a series of a body, with the series itself if it is refused."""
    refused = "" if found.fault in KEPT else msgspec.json.encode(said.meters[found.place]).decode()
    return _finding(found, origin, refused)


def _finding(found: Found, origin: Origin, refused: str) -> Finding:
    return Finding(
        source=origin.source,
        party=origin.party,
        fault=found.fault,
        count=found.readings,
        kept=found.fault in KEPT,
        meter=found.meter,
        index=found.place,
        refused=refused,
    )


class _Stream(io.RawIOBase):
    """Chunks as a file that is read once, forwards."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left = chunks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        if not self._left:
            self._left = next(self._chunks, b"")
        count = min(len(view), len(self._left))
        view[:count], self._left = self._left[:count], self._left[count:]
        return count
