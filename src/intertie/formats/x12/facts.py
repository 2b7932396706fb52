"""Fields of a record as REF segments: by the qualifier that the profile has for a field, else REF*ZZ with the field's name.

A field that is a list is a REF for each; a text longer than an element is several, one after the other. A record within a
record has no place: then the document is not written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar, get_type_hints

import msgspec

from intertie.formats.x12.invoice_810 import plain
from intertie.formats.x12.trading import chunks
from intertie.formats.x12.tree import Table, table_of
from intertie.formats.x12.write_set import no_place
from intertie.model.record import Record

R = TypeVar("R", bound=Record)
MUTUAL = "ZZ"
# Text is cut only where the type says that it is text; a name that is too long is refused.
TEXTS = frozenset({"text", "detail"})


def write_facts(record: Record, set_id: str, codes: Mapping[str, str], leave: Iterable[str] = ()) -> Table:
    """A REF for each field that says something, but those in `leave`. X12WriteError for what cannot be said."""
    rows: list[dict[str, str]] = []
    left = frozenset(leave)
    for field in msgspec.structs.fields(type(record)):
        value = getattr(record, field.name)
        if field.name in left or value is None or value == () or value == "" or value == field.default:
            continue
        for words in _words(field.name, value, set_id):
            rows.append(fact(field.name, words, codes))
    return table_of(rows)


def fact(name: str, words: str, codes: Mapping[str, str]) -> dict[str, str]:
    """One REF: REF*12*value, or REF*ZZ*NAME*value."""
    code = codes.get(name)
    if code == "Q5":  # the ESI id is written as REF*Q5**id
        return {"qualifier": code, "words": words}
    return (
        {"qualifier": code, "label": words}
        if code
        else {"qualifier": MUTUAL, "label": name.upper(), "words": words}
    )


def _words(name: str, value: Any, set_id: str) -> list[str]:
    if isinstance(value, tuple):
        return [word for one in value for word in _words(name, one, set_id)]
    if isinstance(value, msgspec.Struct):
        raise no_place(name, set_id)
    if isinstance(value, bool):
        return ["Y" if value else "N"]
    if isinstance(value, Decimal):
        return [plain(value)]
    if isinstance(value, (datetime, date)):
        return [value.isoformat()]
    return chunks(str(value)) if name in TEXTS else [str(value)]


def said(rows: Table, codes: Mapping[str, str]) -> dict[str, list[str]]:
    """Values by the name of their field, as they were said."""
    names = {code: name for name, code in codes.items()}
    found: dict[str, list[str]] = {}
    for qualifier, label, words in zip(
        rows.column("qualifier"), rows.column("label"), rows.column("words"), strict=True
    ):
        if qualifier == MUTUAL:
            found.setdefault(label.lower(), []).append(words)
        elif qualifier in names:
            found.setdefault(names[qualifier], []).append(label or words)
    return found


def read_record(kind: type[R], values: Mapping[str, list[str]], more: Mapping[str, Any]) -> R:
    """The record. ValueError (also of msgspec) if it is none; what it has no field for is refused too."""
    hints = get_type_hints(kind)
    data: dict[str, Any] = dict(more)
    for name, words in values.items():
        hint = str(hints.get(name, ""))
        if hint.startswith("tuple[") or "tuple[" in hint.partition("|")[0]:
            data[name] = words
        elif name in TEXTS:
            data[name] = "".join(words)
        elif len(words) > 1:
            raise ValueError(f"a field that is one value comes {len(words)} times")
        else:
            data[name] = _plain(words[0], hint)
    return msgspec.convert(data, kind, strict=False)


def _plain(words: str, hint: str) -> object:
    if "'bool'" in hint or hint == "<class 'bool'>":
        return {"Y": True, "N": False}.get(words, words)
    return words
