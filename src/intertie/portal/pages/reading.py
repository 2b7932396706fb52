"""What a browser sent, read once: the values of a query or a form, as typed values or an error that names the field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import TypeVar
from urllib.parse import parse_qsl

from intertie.model.errors import IntertieError

_E = TypeVar("_E", bound=Enum)
# The largest form of ours: an hour of five-minute values and some text.
FIELDS_MAX = 2_000
TEXT_MAX = 10_000


class FieldError(IntertieError):
    """A field of a form or an address that cannot be what it must be."""


class Fields:
    """Values by name. Blank is the same as not there, as browsers send empty fields."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.pairs = tuple(pairs)
        self._all: dict[str, list[str]] = {}
        for name, value in pairs:
            if value.strip():
                self._all.setdefault(name, []).append(value.strip())

    @classmethod
    def read(cls, raw: bytes) -> Fields:
        """Those of a query, or of a form sent as application/x-www-form-urlencoded; FieldError."""
        try:
            return cls(
                parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
            )
        except ValueError as error:
            raise FieldError("the form cannot be read", do="Load the page again.") from error

    def __contains__(self, name: str) -> bool:
        return name in self._all

    def many(self, name: str) -> list[str]:
        """All values of this name."""
        return list(self._all.get(name, ()))

    def text(self, name: str, label: str = "", longest: int = TEXT_MAX) -> str:
        """One value; FieldError if it is not there, or too long."""
        found = self.maybe(name, longest)
        if found is None:
            raise FieldError(f"{label or name} is missing", do="Fill it in.")
        return found

    def maybe(self, name: str, longest: int = TEXT_MAX) -> str | None:
        """One value, or None."""
        found = self._all.get(name)
        if not found:
            return None
        if len(found[0]) > longest:
            raise FieldError(f"{name} has more than {longest} characters", do="Make it shorter.")
        return found[0]

    def matching(self, name: str, pattern: str, label: str = "") -> str | None:
        """One value that has this form, or None."""
        found = self.maybe(name)
        if found is not None and re.fullmatch(pattern.removeprefix("^").removesuffix("$"), found) is None:
            raise FieldError(f"{label or name}: {found[:40]!r} has not the right form", do="Mend it.")
        return found

    def number(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number; `default` if it is not there."""
        found = self.maybe(name, 20)
        if found is None:
            if default is None:
                raise FieldError(f"{name} is missing", do="Fill it in.")
            return default
        if re.fullmatch(r"-?[0-9]{1,19}", found) is None or not low <= int(found) <= high:
            raise FieldError(f"{name}: a whole number from {low} to {high}", do="Mend it.")
        return int(found)

    def decimal(self, name: str, label: str = "") -> Decimal:
        """A decimal number with a point, finite."""
        text = self.text(name, label, 40)
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal("nan")
        if not value.is_finite():
            raise FieldError(f"{label or name}: {text[:40]!r} is no number", do="Write it as 1234.5.")
        return value

    def one_of(self, name: str, type: type[_E]) -> _E | None:
        """A member of an enumeration, or None."""
        found = self.maybe(name, 100)
        if found is None:
            return None
        try:
            return type(found)
        except ValueError as error:
            known = ", ".join(str(one.value) for one in type)
            raise FieldError(
                f"{name}: {found[:40]!r} is none of {known}", do="Choose one of them."
            ) from error

    def instant(self, name: str, label: str = "") -> datetime | None:
        """A time. The browser's own field says none of a zone: pages send it in UTC and say so."""
        found = self.maybe(name, 40)
        if found is None:
            return None
        try:
            at = datetime.fromisoformat(found)
        except ValueError as error:
            raise FieldError(
                f"{label or name}: {found[:40]!r} is no time", do="Write it as 2026-07-01T12:00 (UTC)."
            ) from error
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)

    def day(self, name: str, label: str = "") -> date | None:
        """A date."""
        found = self.maybe(name, 10)
        if found is None:
            return None
        try:
            return date.fromisoformat(found)
        except ValueError as error:
            raise FieldError(f"{label or name}: {found!r} is no day", do="Write it as 2026-07-01.") from error

    def given(self) -> Mapping[str, str]:
        """The first value of each name: what a form shows again."""
        return {name: values[0] for name, values in self._all.items()}
