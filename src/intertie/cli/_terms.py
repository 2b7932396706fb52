"""Contracts and deals as a person writes them: a TOML file in which every default is shown, and `--set NAME=VALUE`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

from intertie.cli._shared import read_file
from intertie.model.errors import SettingsError
from intertie.model.record import Record

T = TypeVar("T", bound=Record)


def read_terms(file: Path | None) -> dict[str, Any]:
    """What a TOML file says; nothing without one. SettingsError."""
    if file is None:
        return {}
    try:
        return tomllib.loads(read_file(file).decode("utf-8"), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: {error}", do="`--template` prints a file to fill in.") from error


def with_set(said: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """The same with `NAME=VALUE` in place, a part of a part as `elections.netting=gross`. A value is TOML, or else text."""
    after = dict(said)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise SettingsError(
                f"{setting} is no NAME=VALUE", do="As --set elections.payment_day_of_month=20."
            )
        place, parts = after, name.strip().split(".")
        for part in parts[:-1]:
            inner = place.get(part, {})
            if not isinstance(inner, Mapping):
                raise SettingsError(f"{name}: {part} has no parts", do="`--template` shows the names.")
            place[part] = dict(inner)
            place = place[part]
        place[parts[-1]] = _value(text.strip())
    return after


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"x = {text}", parse_float=Decimal)["x"]
    except tomllib.TOMLDecodeError:
        return text


def record_of(kind: type[T], said: Mapping[str, Any]) -> T:
    """The document of what was said; SettingsError names the place that is wrong or missing."""
    try:
        return msgspec.convert(said, kind)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{error}", do="`--template` shows every field with its default.") from error


def said_of(record: Record) -> dict[str, Any]:
    """What a document says, to be changed."""
    said: dict[str, Any] = msgspec.to_builtins(record, builtin_types=(datetime, date, time, Decimal))
    return said


def template(kind: type[Record], said: Mapping[str, Any]) -> str:
    """A TOML file of a document: what is said as it is, and every other field as a comment with its default."""
    return "\n".join(_lines(kind, said, "")) + "\n"


def _lines(kind: type[Record], said: Mapping[str, Any], table: str) -> list[str]:
    hints, plain, inner = get_type_hints(kind), [], []
    for field in msgspec.structs.fields(kind):
        if field.required:
            default: Any = None
        else:
            default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
        part = hints[field.name]
        if isinstance(part, type) and issubclass(part, Record) and field.name not in ("term", "window"):
            name = f"{table}.{field.name}" if table else field.name
            given = said.get(field.name, {})
            inner += ["", f"[{name}]", *_lines(part, given, name)]
        elif field.name in said:
            plain.append(f"{field.name} = {toml(said[field.name])}")
        elif field.required:
            plain.append(f"# {field.name} = ...   # needed")
        else:
            plain.append(f"# {field.name} = {toml(default)}")
    return [*plain, *inner]


def toml(value: Any) -> str:
    """A value on one line; what is none is an empty comment's."""
    if value is None:
        return '""   # none'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return toml(value.value)
    if isinstance(value, Decimal):
        return f'"{value}"'
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Record):
        return toml(said_of(value))
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    return msgspec.json.encode(str(value)).decode()
