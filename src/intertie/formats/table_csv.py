"""Comma-separated tables (RFC 4180) with a header of known columns, read into records: what is wrong names line and column,
and never what stands there."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from typing import TypeVar

import msgspec

from intertie.model.errors import SettingsError
from intertie.model.explain import why_unreadable
from intertie.model.record import Record

# Ten thousand DERs at some 300 bytes; a year of minutes at some 40.
BYTES_MAX = 32 * 1024 * 1024
# RFC 4180 has no limit; a longer field is no id, number or time.
FIELD_MAX = 4096

_Of = TypeVar("_Of", bound=Record)


def rows_of(
    raw: bytes, needed: Collection[str], allowed: Collection[str], separator: str = ","
) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and filled fields of each line that has any. SettingsError for a header without a needed column, or with one
    that is not known, and for a line of another length."""
    reader = csv.reader(io.StringIO(_text(raw), newline=""), strict=True, delimiter=separator)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, needed, allowed)
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            if len(fields) != len(header):
                raise _wrong(f"line {reader.line_num} has {len(fields)} fields, the header {len(header)}")
            if max(map(len, fields)) > FIELD_MAX:
                raise _wrong(f"line {reader.line_num} has a field of more than {FIELD_MAX} characters")
            cells = zip(header, fields, strict=True)
            yield reader.line_num, {name: cell.strip() for name, cell in cells if cell.strip()}
    except csv.Error as error:
        raise _wrong(f"line {reader.line_num} is not comma-separated: {error}") from error


def record_of(kind: type[_Of], number: int, fields: dict[str, object]) -> _Of:
    """The record of a line; SettingsError says which rule its fields break."""
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _wrong(f"line {number}: {why_unreadable(error)}") from error


def _text(raw: bytes) -> str:
    if len(raw) > BYTES_MAX:
        raise _wrong(f"more than {BYTES_MAX} bytes")
    try:
        return raw.decode("utf-8-sig")  # spreadsheets write a byte order mark
    except UnicodeDecodeError as error:
        raise _wrong(f"not UTF-8 (byte {error.start})") from error


def _check_header(header: list[str], needed: Collection[str], allowed: Collection[str]) -> None:
    missing = [name for name in needed if name not in header]
    if missing:
        raise _wrong(f"its header has no {', '.join(missing)}")
    known = {*needed, *allowed}
    strange = sum(name not in known for name in header)
    if strange or len(set(header)) != len(header):
        said = f"{strange} columns that are not known" if strange else "a column twice"
        raise _wrong(f"its header has {said}; known are {', '.join(sorted(known))}")


def _wrong(why: str) -> SettingsError:
    return SettingsError(f"the table cannot be read: {why}", do="The command's --help names the columns.")
