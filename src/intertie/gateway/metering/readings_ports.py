"""What the acts need of whatever keeps interval readings: a projection of messages and of imported files, as columns.

It remembers how far it has read, in the same write that keeps what was read: a step that is interrupted anywhere is done
again, and nothing is there twice or missing. stores/readings_files.py keeps these promises. All methods raise StoreError.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Annotated, Any, NamedTuple, Protocol

from msgspec import Meta

from intertie.market.reading_days import Fault, Finding
from intertie.model.ids import DocumentName, MessageId
from intertie.model.interval import ZoneName
from intertie.model.record import Record

# The document that readings come in.
READINGS = DocumentName("meter_readings")

# A pyarrow Table with the columns of formats/reading_table.py: SCHEMA.
Table = Any


class ReadingsSettings(Record, frozen=True, kw_only=True):
    """Interval readings of this gateway."""

    # Relative to the gateway's directory.
    folder: str = "readings"
    # Whose days are local days; a change needs `intertie readings rebuild`.
    zone: ZoneName = "UTC"
    # A CSV of meters and their nameplates; with it, readings of other meters are refused. Empty: all are taken.
    meters: str = ""
    # How often a serving gateway takes in what is new.
    seconds: Annotated[float, Meta(ge=0.1, le=86_400)] = 5.0


class Cursor(Record, frozen=True, kw_only=True):
    """How far was read: seqs of messages, numbers of imports; and messages of ours whose outcome is not known yet."""

    incoming: int = 0
    outgoing: int = 0
    imported: int = 0
    waiting: tuple[MessageId, ...] = ()


class Import(NamedTuple):
    """A file that was imported: its rows, whole, as they were kept."""

    number: int
    findings: Sequence[Finding]
    tables: Iterator[Table]


class Summary(NamedTuple):
    """What there is. `rows` are meter days with all their revisions."""

    zone: str
    rows: int
    readings: int
    first: date | None
    last: date | None
    files: int
    size: int
    imports: int
    faults: dict[Fault, int]


class Wanted(NamedTuple):
    """Which rows; None: any."""

    first: date | None = None
    last: date | None = None
    meters: Sequence[str] | None = None
    channels: Sequence[str] | None = None
    parties: Sequence[str] | None = None


class Batch(Protocol):
    """What is being added; nobody sees it before `commit`."""

    @property
    def cursor(self) -> Cursor:
        """How far was read before this batch."""

    def add(self, table: Table) -> None:
        """Rows, in any order."""

    def find(self, finding: Finding) -> None:
        """Keep what was found, and count it."""

    def commit(self, cursor: Cursor) -> None:
        """All of it is there, with the cursor, or nothing is. The batch may go on after it."""


class ReadingsStore(Protocol):
    """Rows of meter days: nothing is overwritten, revisions and repeats stay."""

    def writing(self) -> AbstractContextManager[Batch]:
        """Add rows; one writer at a time, over all processes, others wait."""

    def clear(self) -> None:
        """Forget all that is a projection; imports stay."""

    def compact(self) -> int:
        """Merge small files; how many there are fewer."""

    def summary(self) -> Summary:
        """What there is."""

    def findings(self) -> Iterator[Finding]:
        """What was found, oldest first."""

    def tables(self, wanted: Wanted, columns: Sequence[str] | None = None) -> Iterator[Table]:
        """Rows, file by file; each file is sorted by bucket, meter, channel, day, revision, arrival."""

    def keep_import(self, tables: Iterator[Table], findings: Iterator[Finding]) -> int:
        """Keep the rows of an imported file as they are, on disk; its number."""

    def imports(self, after: int) -> Iterator[Import]:
        """Imported files with higher numbers."""
