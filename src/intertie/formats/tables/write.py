"""A document as a table. What it says and a table has no place for is refused with the field's name: nothing is left out."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from intertie.formats.billing_csv import FORMULA
from intertie.formats.file_terms import CsvTerms
from intertie.formats.tables.layout import MINUTES, START, Column, Kind, Layout, Rows, layout_of, value_at
from intertie.model.errors import Fault, IntertieError
from intertie.model.interval import IntervalSeries, Stamp
from intertie.model.message import Header
from intertie.model.record import Record


class NoTableError(IntertieError):
    """A document that a table cannot say: ours to send in another way."""

    fault = Fault.OURS


def write_table(header: Header, body: Record, terms: CsvTerms) -> bytes:
    """The table of a message of ours. NoTableError for what it has no place for."""
    by = layout_of(header.document)
    _check_said(body, by.type, by.unsaid)
    writer = _Writer(terms)
    talk, reply, under = header.conversation or "", header.in_reply_to or "", header.agreement or ""
    about = [header.document, header.mode, talk, reply, header.id, under]
    own = [writer.cell(column, value_at(body, column.path)) for column in by.columns]
    lines = [[*about, *own, *rest] for rest in _lines(body, by, writer)]
    names = by.header()
    used = [
        at
        for at, name in enumerate(names)
        if at < len(about) or any(line[at] for line in lines) or _need(by, name)
    ]
    return _csv([[line[at] for at in used] for line in [names, *lines]], terms.separator)


def _need(by: Layout, name: str) -> bool:
    return any(column.name == name and column.need for column in by.all())


def _csv(lines: Iterable[Sequence[str]], separator: str) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, lineterminator="\r\n").writerows(lines)
    return out.getvalue().encode()


def write_lines(lines: Iterable[Sequence[str]], separator: str) -> bytes:
    """Any table, with texts that no spreadsheet works out."""
    return _csv([[_plain(cell) for cell in line] for line in lines], separator)


def _lines(body: Record, by: Layout, writer: _Writer) -> Iterator[list[str]]:
    """What stands after the document's own columns, a line each."""
    if by.rows is None:
        series = [value_at(body, column.path) for column in by.series]
        yield from writer.intervals(by.series, series) if by.has_series else [[]]
        return
    for record in getattr(body, by.rows.field):
        _check_said(record, by.rows.type, tuple(name.partition(".")[2] for name in by.rows.unsaid))
        yield from _record(record, by.rows, writer)


def _record(record: Record, rows: Rows, writer: _Writer) -> Iterator[list[str]]:
    own = [writer.cell(column, value_at(record, column.path[1:])) for column in rows.columns]
    if not rows.series:
        yield own
        return
    texts = [column for column in rows.series if column.kind is Kind.TEXT]
    numbers = [column for column in rows.series if column.kind is Kind.SERIES]
    series = [value_at(record, column.path[1:]) for column in numbers]
    for at, line in enumerate(writer.intervals(numbers, series)):
        said = [value_at(record, column.path[1:]) for column in texts]
        yield [*own, *(str(one[at] if isinstance(one, tuple) else one) for one in said), *line]


def _check_said(record: Record, kind: type[msgspec.Struct], unsaid: Sequence[str]) -> None:
    """NoTableError for a field that has no column, and says something."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(kind)}
    for name in unsaid:
        value = value_at(record, tuple(name.split(".")))
        if value not in ((), None, "", defaults.get(name)):
            raise NoTableError(f"{name}: a table has no place for it", do="Send the document in another way.")


class _Writer:
    """Writes cells as the partner reads them."""

    def __init__(self, terms: CsvTerms) -> None:
        self._zone = ZoneInfo(terms.zone)
        self._comma = terms.separator == ";"

    def cell(self, column: Column, value: Any) -> str:
        """One value."""
        if value is None:
            return ""
        if isinstance(value, tuple):
            return " ".join(str(one) for one in value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, datetime):
            return self.time(value)
        if isinstance(value, Decimal):
            return self.number(value)
        text = str(value.value if isinstance(value, Enum) else value)
        if column.kind is Kind.TEXT and text != text.strip():
            raise NoTableError(f"{column.name}: blanks at an end", do="Write it without.")
        return _plain(text) if column.kind is Kind.TEXT else text

    def number(self, value: Decimal) -> str:
        """Without an exponent; with a comma, where fields are divided by semicolons."""
        text = f"{value:f}"
        return text.replace(".", ",") if self._comma else text

    def time(self, at: datetime) -> str:
        """Local, with its offset."""
        return at.astimezone(self._zone).isoformat()

    def intervals(
        self, columns: Sequence[Column], series: Sequence[IntervalSeries | None]
    ) -> Iterator[list[str]]:
        """A line an interval: its start, its length, and the value of each series."""
        there = [one for one in series if one is not None]
        if not there:
            yield ["", "", *("" for _ in columns)]
            return
        first = there[0]
        for one in there:
            if (one.start, one.step_seconds, len(one.values)) != (
                first.start,
                first.step_seconds,
                len(first.values),
            ):
                do = "Send the document in another way."
                raise NoTableError("series with other intervals: a table has one line for each", do=do)
            if one.stamped is not Stamp.START:
                raise NoTableError("a series that is stamped at the end", do="Stamp it at the start.")
        minutes = self.number(Decimal(first.step_seconds) / 60)
        for at in range(len(first.values)):
            start = self.time(first.start + first.step * at)
            values = [None if one is None else one.quantity(at) for one in series]
            yield [start, minutes, *("" if one is None else self.number(one) for one in values)]


def _plain(text: str) -> str:
    """No formula for a spreadsheet."""
    return f"'{text}" if text.startswith(FORMULA) else text


__all__ = ["MINUTES", "START", "NoTableError", "write_lines", "write_table"]
