"""A table read into documents, each with the lines that say it. What is wrong with one document is no matter of the others."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from intertie.formats.billing_csv import FORMULA
from intertie.formats.file_terms import CsvTerms
from intertie.formats.table_csv import rows_of
from intertie.formats.tables.layout import (
    ABOUT,
    AGREEMENT,
    CONVERSATION,
    DOCUMENT,
    MESSAGE,
    MINUTES,
    MODE,
    REPLY,
    START,
    Column,
    Kind,
    Layout,
    Rows,
    layout_of,
)
from intertie.model.errors import Fault, IntertieError
from intertie.model.explain import why_unreadable
from intertie.model.ids import AgreementRef, ConversationRef, MessageRef, ShortText
from intertie.model.interval import SERIES_MAX
from intertie.model.message import Mode
from intertie.model.record import Record

# Documents of one table: each becomes a message, all in one transaction.
DOCUMENTS_MAX = 10_000
# The powers of ten that a series may have, the usual one first.
_POWERS = (-3, -4, -5, -6)

Cells = Mapping[str, str]
Line = tuple[int, Cells]


class TableError(IntertieError):
    """A table, or some lines of it, that makes no document."""

    fault = Fault.THEIRS

    def __init__(self, why: str) -> None:
        super().__init__(why, do="docs/csv.md has the columns, and an example of each table.")


class About(Record, frozen=True, kw_only=True):
    """What a table says beside its documents."""

    mode: Mode | None = None
    conversation: ConversationRef | None = None
    in_reply_to: MessageRef | None = None
    message: ShortText = ""  # what its writer calls it: said again in the results
    agreement: AgreementRef | None = None


class Told(NamedTuple):
    """One document of a table: its lines, the same as a table of its own, and what they say, or why they say nothing."""

    first: int
    last: int
    part: bytes
    about: About
    body: Record | None = None
    error: TableError | None = None


def is_table_of(raw: bytes, separator: str) -> str:
    """The name of the document in the first line of a table; empty if it does not say one."""
    lines = raw.decode("utf-8-sig", "replace").splitlines()[:2]
    cells = [line.split(separator) for line in lines]
    if len(cells) < 2 or DOCUMENT not in (names := [one.strip().strip('"') for one in cells[0]]):
        return ""
    at = names.index(DOCUMENT)
    return cells[1][at].strip().strip('"') if at < len(cells[1]) else ""


def read_table(raw: bytes, terms: CsvTerms) -> list[Told]:
    """The documents of a table, at least one. TableError if it is none: no header, other columns, several kinds of document."""
    name = is_table_of(raw, terms.separator)
    if not name:
        raise TableError("its first line of data names no document under `document`")
    try:
        by = layout_of(name)
    except IntertieError as error:
        raise TableError(f"`document` names none that has a table ({error.why[:80]})") from error
    times = (START, MINUTES) if by.has_series else ()
    allowed = [*ABOUT, *times, *(column.name for column in by.all())]
    needed = [DOCUMENT, *(column.name for column in by.all() if column.need)]
    try:
        lines = list(rows_of(raw, needed, allowed, terms.separator))
    except IntertieError as error:
        raise TableError(error.why) from error
    groups = list(_documents(lines, by))
    if not 0 < len(groups) <= DOCUMENTS_MAX:
        raise TableError(f"it has {len(groups)} documents, not 1 to {DOCUMENTS_MAX}")
    text = list(io.StringIO(raw.decode("utf-8-sig"), newline=""))  # as the reader of tables counts lines
    return [_told(group, by, terms, text, before) for before, group in _with_before(groups)]


def _with_before(groups: Sequence[list[Line]]) -> Iterator[tuple[int, list[Line]]]:
    """Each with the number of the line before it."""
    last = 1
    for group in groups:
        yield last, group
        last = group[-1][0]


def _documents(lines: Sequence[Line], by: Layout) -> Iterator[list[Line]]:
    """Lines of one document: those whose own columns are as in the line before, or empty."""
    own = [*ABOUT, *(column.name for column in by.columns)]
    yield from _runs(lines, own, always=by.rows is None and not by.has_series)


def _runs(lines: Sequence[Line], own: Sequence[str], *, always: bool) -> Iterator[list[Line]]:
    """Lines that belong together, since what they say in these columns is the same, or is left out."""
    run: list[Line] = []
    key: tuple[str, ...] = ()
    for line in lines:
        said = tuple(line[1].get(name, "") for name in own)
        if run and (always or (any(said) and said != key)):
            yield run
            run = []
        if not run:
            key = said
        run.append(line)
    if run:
        yield run


def _told(group: list[Line], by: Layout, terms: CsvTerms, text: Sequence[str], before: int) -> Told:
    first, last = group[0][0], group[-1][0]
    part = "".join([text[0], *text[before:last]]).encode()
    place = f"line {first}" if first == last else f"lines {first} to {last}"
    about = About()
    try:
        about = _about(group[0][1])
        if {cells[DOCUMENT] for _, cells in group if DOCUMENT in cells} != {by.document}:
            raise ValueError("one table has one kind of document")
        body = msgspec.convert(_body(group, by, terms), by.type, strict=False)
    except msgspec.ValidationError as error:
        return Told(first, last, part, about, error=TableError(f"{place}: {why_unreadable(error)}"))
    except (ValueError, ArithmeticError) as error:
        why = str(error) if type(error) is ValueError else "a number that cannot be reckoned with"
        return Told(first, last, part, about, error=TableError(f"{place}: {why}"))
    return Told(first, last, part, about, body)


def _about(cells: Cells) -> About:
    said = {name: cells[name] for name in (MODE, CONVERSATION, REPLY, MESSAGE, AGREEMENT) if name in cells}
    return msgspec.convert(said, About, strict=False)


def _body(group: Sequence[Line], by: Layout, terms: CsvTerms) -> dict[str, Any]:
    reader = _Cells(terms)
    body: dict[str, Any] = {}
    reader.fill(body, group[0][1], by.columns, 0)
    if by.series:
        body |= reader.series(group, by.series)
    if by.rows is not None:
        body[by.rows.field] = list(_records(group, by.rows, reader))
    return body


def _records(group: Sequence[Line], rows: Rows, reader: _Cells) -> Iterator[dict[str, Any]]:
    own = [column.name for column in rows.columns]
    for run in _runs(group, own, always=not rows.series):
        record: dict[str, Any] = {}
        reader.fill(record, run[0][1], rows.columns, 1)
        if rows.series:
            record |= reader.series(run, rows.series)
        yield record


class _Cells:
    """Reads cells as a partner writes them."""

    def __init__(self, terms: CsvTerms) -> None:
        self._zone = ZoneInfo(terms.zone)
        self._comma = terms.separator == ";"

    def fill(self, record: dict[str, Any], cells: Cells, columns: Sequence[Column], skip: int) -> None:
        """Put what a line says where it belongs; what it leaves out is left out."""
        for column in columns:
            if column.name not in cells:
                continue
            inside = record
            for name in column.path[skip:-1]:
                inside = inside.setdefault(name, {})
            inside[column.path[-1]] = self._value(column, cells[column.name])

    def series(self, run: Sequence[Line], columns: Sequence[Column]) -> dict[str, Any]:
        """The series of some lines by field, each with a value a line. ValueError where lines do not follow each other."""
        found: dict[str, Any] = {}
        there = [column for column in columns if any(column.name in cells for _, cells in run)]
        for column in there:
            if column.kind is Kind.TEXT:
                found[column.path[-1]] = _one_or_all([cells.get(column.name, "") for _, cells in run])
        numbers = [column for column in there if column.kind is Kind.SERIES]
        if not numbers:
            return found
        start, step = self._grid(run)
        for column in numbers:
            values = [self._number(cells.get(column.name)) for _, cells in run]
            power, whole = _whole(values)
            found[column.path[-1]] = {
                "start": start,
                "step_seconds": step,
                "unit": column.unit,
                "power_of_ten": power,
                "values": whole,
            }
        return found

    def _grid(self, run: Sequence[Line]) -> tuple[datetime, int]:
        """Where the first interval begins, and how long each is."""
        if len(run) > SERIES_MAX:
            raise ValueError(f"more than {SERIES_MAX} intervals")
        starts = []
        for number, cells in run:
            if START not in cells:
                raise ValueError(f"line {number} has no {START}")
            starts.append(self.time(cells[START]))
        said = {cells[MINUTES] for _, cells in run if MINUTES in cells}
        if len(said) > 1:
            raise ValueError(f"{MINUTES} is not the same in all lines")
        if said:
            step = timedelta(minutes=float(self._number(said.pop()) or 0))
        elif len(starts) > 1:
            step = starts[1] - starts[0]
        else:
            raise ValueError(f"one interval alone needs {MINUTES}")
        for (number, _), (one, other) in zip(run[1:], pairwise(starts), strict=True):
            if other - one != step:
                raise ValueError(f"line {number}: {START} is not {step} after the line before")
        return starts[0], int(step.total_seconds())

    def _value(self, column: Column, cell: str) -> object:
        if column.kind is Kind.NAMES:
            return cell.split()
        if column.kind is Kind.YES_NO:
            return cell.lower()
        if column.kind is Kind.TIME:
            return self.time(cell)
        if column.kind is Kind.NUMBER:
            return cell.replace(",", ".") if self._comma else cell
        return cell[1:] if cell[:1] == "'" and cell[1:2] in FORMULA else cell

    def _number(self, cell: str | None) -> Decimal | None:
        if cell is None:
            return None
        try:
            found = Decimal(cell.replace(",", ".") if self._comma else cell)
        except InvalidOperation as error:
            raise ValueError("a value of an interval is no number") from error
        if not found.is_finite():
            raise ValueError("a value of an interval is no number")
        return found

    def time(self, cell: str) -> datetime:
        """A time with its zone, or local to the zone that was agreed. ValueError for one that is not there, or is there twice."""
        try:
            at = datetime.fromisoformat(cell)
        except ValueError as error:
            raise ValueError("a time is no ISO 8601 time, as 2026-01-20 14:00") from error
        if at.tzinfo is None:
            first, second = (at.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1))
            if first.astimezone(UTC).astimezone(self._zone).replace(tzinfo=None) != at:
                raise ValueError("a local time that the clock leaves out in spring")
            if first.utcoffset() != second.utcoffset():
                raise ValueError("a local time that comes twice in autumn: write it with its offset")
            at = first
        return at.astimezone(UTC)


def _whole(values: Sequence[Decimal | None]) -> tuple[int, list[int | None]]:
    """The values as integers times a power of ten."""
    for power in _POWERS:
        scaled = [None if one is None else one.scaleb(-power) for one in values]
        if all(one is None or one == one.to_integral_value() for one in scaled):
            return power, [None if one is None else int(one) for one in scaled]
    raise ValueError("a value of an interval has more than six decimals")


def _one_or_all(cells: list[str]) -> str | list[str]:
    """One for all intervals if it is the same, or stands in the first line alone."""
    said = {cell for cell in cells if cell}
    return said.pop() if len(said) == 1 else cells
