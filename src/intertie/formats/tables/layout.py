"""The columns of a document, worked out from its type: so a table says what the type says, and no list is kept beside it.

A field that is one value is a column of its name; a window or an amount is a column for each of its fields (`window.start`,
`price.currency`); a list of names is one cell with blanks between them. What a document has many of (lines, DERs, options) is one
line each. Interval series are one line an interval, with its start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import msgspec.inspect as inspect
from msgspec import Struct

from intertie.model.documents import DOCUMENTS
from intertie.model.errors import SettingsError
from intertie.model.ids import DocumentName
from intertie.model.interval import IntervalSeries
from intertie.model.metering import MeterReadings
from intertie.model.quantity import Unit
from intertie.model.record import Record

# What stands before the document's own columns, and what of it a writer may leave out.
DOCUMENT, MODE, CONVERSATION, REPLY, MESSAGE = "document", "mode", "conversation", "in_reply_to", "message"
AGREEMENT = "agreement"
ABOUT = (DOCUMENT, MODE, CONVERSATION, REPLY, MESSAGE, AGREEMENT)
# The first column of a series, and its step.
START, MINUTES = "interval_start", "interval_minutes"
# Documents that have a table. The others are for programs: contracts, feeder models, sealed offers.
DOCUMENTS_WITH_TABLES = (
    *("aggregation_registration", "registration_decision", "der_suspension", "der_resumption"),
    *("availability_declaration", "load_prognosis", "asset_outage", "asset_return"),
    *("outage_notice", "outage_update", "restoration_notice"),
    *("need", "need_withdrawal", "offer", "offer_revocation", "order"),
    *("dispatch_instruction", "dispatch_response", "dispatch_cancel", "dispatch_report"),
    *("meter_request", "meter_readings"),
    *("invoice", "remittance_advice", "dispute", "dispute_answer"),
)
# By how the name of a series ends.
_UNITS = {"kw": Unit.KW, "kvar": Unit.KVAR, "kwh": Unit.KWH, "series": Unit.KWH}


class Kind(StrEnum):
    """How a cell is read and written."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"
    NAMES = "names, with blanks between them"
    YES_NO = "true or false"
    SERIES = "number for each interval; empty: a gap"


@dataclass(frozen=True)
class Column:
    """One column: its name, and where in the record its value is."""

    name: str
    path: tuple[str, ...]
    kind: Kind
    need: bool
    unit: Unit | None = None


@dataclass(frozen=True)
class Rows:
    """What a document has many of: the field, its columns, and the series of each, if it has one."""

    field: str
    type: type[Struct]
    columns: tuple[Column, ...]
    series: tuple[Column, ...]
    unsaid: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """A document's columns. `unsaid`: fields that a table has no place for."""

    document: DocumentName
    type: type[Record]
    columns: tuple[Column, ...]
    series: tuple[Column, ...]
    rows: Rows | None
    unsaid: tuple[str, ...]

    @property
    def has_series(self) -> bool:
        """Whether a line is an interval."""
        return bool(self.series or (self.rows and self.rows.series))

    def all(self) -> Iterator[Column]:
        """In the order in which they are written."""
        yield from self.columns
        if self.rows is not None:
            yield from self.rows.columns
        yield from self.series
        if self.rows is not None:
            yield from self.rows.series

    def header(self) -> list[str]:
        """The names of all columns."""
        times = [START, MINUTES] if self.has_series else []
        own = [one.name for one in self.all()]
        cut = len(own) - sum(one.kind is Kind.SERIES for one in self.all())
        return [*ABOUT, *own[:cut], *times, *own[cut:]]


@cache
def layout_of(document: str) -> Layout:
    """SettingsError for a document without a table."""
    if document not in DOCUMENTS_WITH_TABLES:
        raise SettingsError(f"{document} has no table", do="docs/csv.md names those that have one.")
    kind = DOCUMENTS[DocumentName(document)].type
    columns, series, unsaid, rows = _split(kind, (), need=True)
    return Layout(DocumentName(document), kind, columns, series, rows, unsaid)


def _split(
    kind: type[Struct], path: tuple[str, ...], *, need: bool
) -> tuple[tuple[Column, ...], tuple[Column, ...], tuple[str, ...], Rows | None]:
    columns: list[Column] = []
    series: list[Column] = []
    unsaid: list[str] = []
    rows: Rows | None = None
    for field in _fields(kind):
        here, wanted = (*path, field.encode_name), need and field.required
        said = _plain(field.type)
        record = said.cls if isinstance(said, inspect.StructType) else None
        if record is IntervalSeries:
            series.append(_column(here, Kind.SERIES, wanted, _unit(field.encode_name)))
        elif (
            kind is MeterReadings and field.encode_name == "quality"
        ):  # one for all intervals, or one for each
            series.append(_column(here, Kind.TEXT, wanted))
        elif record is not None:
            inner, _, left, _ = _split(record, here, need=wanted)
            columns += inner
            unsaid += left
        elif isinstance(said, inspect.VarTupleType) and isinstance(said.item_type, inspect.StructType):
            if rows is None and not path:
                rows = _rows(here, said.item_type.cls)
            else:
                unsaid.append(".".join(here))
        else:
            columns.append(_column(here, _kind(said), wanted))
    return tuple(columns), tuple(series), tuple(unsaid), rows


def _rows(path: tuple[str, ...], kind: type[Struct]) -> Rows:
    columns, series, unsaid, _ = _split(kind, path, need=True)
    return Rows(path[-1], kind, columns, series, unsaid)


def _fields(kind: type[Struct]) -> tuple[inspect.Field, ...]:
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)
    return found.fields


def _plain(said: inspect.Type) -> inspect.Type:
    """Without None, and without what only tells about it."""
    if isinstance(said, inspect.Metadata):
        return _plain(said.type)
    if isinstance(said, inspect.UnionType):
        others = [one for one in said.types if not isinstance(one, inspect.NoneType)]
        return _plain(others[0])
    return said


_KINDS: Mapping[type[inspect.Type], Kind] = {
    inspect.IntType: Kind.NUMBER,
    inspect.DecimalType: Kind.NUMBER,
    inspect.DateTimeType: Kind.TIME,
    inspect.BoolType: Kind.YES_NO,
    inspect.VarTupleType: Kind.NAMES,
}


def _kind(said: inspect.Type) -> Kind:
    return _KINDS.get(type(said), Kind.TEXT)


def _column(path: tuple[str, ...], kind: Kind, need: bool, unit: Unit | None = None) -> Column:
    return Column(".".join(path), path, kind, need, unit)


def _unit(name: str) -> Unit:
    return _UNITS[name.rpartition("_")[2]]


def value_at(record: Any, path: tuple[str, ...]) -> Any:
    """What stands there; None where something on the way is not there."""
    for name in path:
        if record is None:
            return None
        record = getattr(record, name)
    return record
