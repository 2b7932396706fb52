"""Readings from CSV, one line for each interval of a meter: docs/readings.md has the header.

A file is read once, forwards, in bounded memory: its lines are judged in blocks, spread over temporary files by meter, and
each of these becomes rows of whole days (csv_days.py). A line that cannot be used is a finding with its text.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv

from intertie.formats.csv_days import LINE, Days, Refused, days_of
from intertie.formats.csv_lines import Judge, Known
from intertie.formats.reading_table import Origin
from intertie.market.reading_days import KEPT, Fault, Finding
from intertie.model.errors import IntertieError

REQUIRED = ("meter", "value")
OPTIONAL = {"channel": "import", "unit": "kWh", "quality": "", "revision": "1", "minutes": ""}
STAMPS = ("start", "end")
# Every field is text: what it is, is judged here.
TEXTS = dict.fromkeys((*REQUIRED, *STAMPS, *OPTIONAL), pa.string())
HEADER = "meter, start (or end) and value, and perhaps channel, unit, quality, revision and minutes"
# Some 100,000 lines are judged together.
BLOCK_BYTES = 4 * 1024 * 1024
# Text whose lines are sorted together: some 700,000 lines, 100 MB while they are.
PART_BYTES = 32 * 1024 * 1024
PARTS_MAX = 64


class BadCsv(IntertieError):
    """The file as a whole cannot be read: its header, its encoding."""


class CsvRules(NamedTuple):
    """How lines are read: whose local time, what has not ended yet, which meters there are; and what lines need not say."""

    zone: str
    now: datetime
    is_known: Callable[[str], bool]
    minutes: int = 15
    quality: str = "raw"


class CsvRead:
    """A file whose lines were judged. Take `tables` to its end, then `findings`."""

    def __init__(self, rules: CsvRules, origin: Origin, parts: int, folder: str) -> None:
        self.lines = 0
        self._rules, self._origin, self._folder = rules, origin, folder
        self._parts = [open(f"{folder}/{i}", "w+b") for i in range(parts)]  # noqa: SIM115 - closed with the file
        self._said = open(f"{folder}/findings", "w+b")  # noqa: SIM115
        self._meters: list[str] = []
        self._skipped: list[tuple[int, str]] = []
        self._encoder = msgspec.json.Encoder()

    def close(self) -> None:
        """Let go of the temporary files."""
        for file in (*self._parts, self._said):
            file.close()

    def judge(self, source: BinaryIO) -> None:
        """All lines. Raises BadCsv."""
        try:
            reader = pyarrow.csv.open_csv(
                source,
                read_options=pyarrow.csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
                parse_options=pyarrow.csv.ParseOptions(
                    invalid_row_handler=self._skip, ignore_empty_lines=False
                ),
                convert_options=pyarrow.csv.ConvertOptions(column_types=TEXTS, strings_can_be_null=False),
            )
            stamp = _stamp_of(reader.schema.names)
            judge = Judge(self._rules.zone, self._rules.now, Known(self._rules.is_known, self._meters))
            for block in reader:
                self._keep(judge, _columns(block, stamp, self._rules), block)
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise BadCsv(
                f"not a CSV of readings: {str(error).splitlines()[0]}",
                do=f"Its first line names the fields: {HEADER}; the encoding is UTF-8.",
            ) from error

    @property
    def tables(self) -> Iterator[Any]:
        """Rows of whole days."""
        for file in self._parts:
            file.seek(0)
            lines = np.frombuffer(file.read(), LINE)
            if len(lines):
                days = days_of(lines, self._meters, self._rules.zone, self._origin)
                self._tell(days)
                if len(days.table):
                    yield days.table

    def findings(self) -> Iterator[Finding]:
        """Lines that were refused, and what was odd about the others."""
        for line, text in self._skipped:
            yield self._finding(Fault.BAD_LINE, 1, line=line, refused=text)
        skipped = np.array([line for line, _ in self._skipped]) - np.arange(len(self._skipped))
        self._said.seek(0)
        for raw in self._said:
            one = msgspec.json.decode(raw, type=Finding)
            if (
                one.line is not None
            ):  # from the place among lines that could be split, to the line of the file
                before = int(np.searchsorted(skipped, one.line + 2, side="right"))
                one = msgspec.structs.replace(one, line=one.line + 2 + before)
            yield one

    def _skip(self, row: Any) -> str:
        self._skipped.append((row.number, row.text))
        return "skip"

    def _keep(self, judge: Judge, columns: Sequence[Any], block: Any) -> None:
        lines, reasons = judge(columns, self.lines)
        self.lines += len(lines)
        bad = np.flatnonzero(reasons >= 0)
        if len(bad):
            fields = block.take(pa.array(bad)).to_pydict()
            texts = [",".join(fields_of) for fields_of in zip(*fields.values(), strict=True)]
            for place, text, meter in zip(bad.tolist(), texts, fields["meter"], strict=True):
                self._refuse(Refused(FAULTS[reasons[place]], int(lines["line"][place]), text, meter))
            lines = lines[reasons < 0]
        count = len(self._parts)
        for i, file in enumerate(self._parts):
            (lines if count == 1 else lines[lines["meter"] % count == i]).tofile(file)

    def _tell(self, days: Days) -> None:
        for each in days.refused:
            self._refuse(each)
        for meter, fault, number in days.odd:
            self._write(self._finding(fault, number, meter=meter))

    def _refuse(self, one: Refused) -> None:
        self._write(self._finding(one.fault, 1, meter=one.meter, line=one.line, refused=one.text))

    def _write(self, finding: Finding) -> None:
        self._said.write(self._encoder.encode(finding) + b"\n")

    def _finding(
        self, fault: Fault, count: int, *, meter: str = "", line: int | None = None, refused: str = ""
    ) -> Finding:
        return Finding(
            source=self._origin.source,
            party=self._origin.party,
            fault=fault,
            count=count,
            kept=fault in KEPT,
            meter=meter[:128],
            line=line,
            refused=refused,
        )


FAULTS = tuple(Fault)


@contextlib.contextmanager
def read_csv(source: BinaryIO, size: int, rules: CsvRules, origin: Origin) -> Iterator[CsvRead]:
    """A file of about so many bytes, judged to its end. Raises BadCsv."""
    parts = min(PARTS_MAX, 1 + size // PART_BYTES)
    with tempfile.TemporaryDirectory(prefix="intertie-readings-") as folder:
        read = CsvRead(rules, origin, parts, folder)
        try:
            read.judge(source)
            yield read
        finally:
            read.close()


def _stamp_of(names: Sequence[str]) -> str:
    """Which end of an interval the header names. BadCsv for a header of other fields."""
    stamps = [name for name in STAMPS if name in names]
    unknown = set(names) - {*REQUIRED, *STAMPS, *OPTIONAL}
    if unknown or len(stamps) != 1 or not {*REQUIRED} <= {*names} or len(set(names)) != len(names):
        raise BadCsv(f"its first line has {', '.join(names)}"[:300], do=f"It may have {HEADER}.")
    return stamps[0]


def _columns(block: Any, stamp: str, rules: CsvRules) -> Sequence[Any]:
    """The fields in the order that Judge takes them, with what lines need not say."""
    given = {**OPTIONAL, "minutes": str(rules.minutes), "quality": rules.quality}
    rest = [
        block.column(name) if name in block.schema.names else pa.repeat(pa.scalar(text), block.num_rows)
        for name, text in given.items()
    ]
    return [block.column("meter"), block.column(stamp), block.column("value"), *rest, stamp == "end"]
