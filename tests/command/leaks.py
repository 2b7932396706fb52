"""Names of meters, DERs, premises and customers, and where they stand: in columns, in bytes of files, inside signed things."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from intertie.gateway.ports import Query
from intertie.run import opened

ALL = ("utility", "aggregator", "rival")
# What names a person, a device or a place of theirs, in any document; numbers and dates are not told apart by it.
NAMING = {
    "account",
    "affected_ders",
    "consent",
    "customer",
    "der",
    "ders",
    "duns",
    "evse",
    "id",
    "meter",
    "meters",
    "point",
    "points",
    "premises",
    "reference",
    "user",
    "vehicle",
}
# Shorter ones stand in any megabyte of ciphertext by chance.
NAME_LEAST = 6
# Base64url as it stands in signed things: long enough to hold a name.
SEGMENT = re.compile(rb"[A-Za-z0-9_-]{16,}")


def names_in(value: Any, key: str = "") -> Iterator[str]:
    """Every text that stands under a naming key."""
    if isinstance(value, dict):
        for inner, part in value.items():
            yield from names_in(part, inner)
    elif isinstance(value, list):
        for part in value:
            yield from names_in(part, key)
    elif key in NAMING and isinstance(value, str) and len(value) >= NAME_LEAST:
        yield value


def all_names(directory: Path) -> set[str]:
    with opened(directory) as it:
        store = it.gateway.store
        rows = [row for out in (True, False) for row in store.messages(Query(outgoing=out, limit=10**6))]
    return {name for row in rows for name in names_in(json.loads(row.body)["body"])}


def found(raw: bytes, names: set[str]) -> set[str]:
    """The names that stand in these bytes, also inside base64url."""
    inside = b" ".join(
        base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
        for segment in SEGMENT.findall(raw)
        if len(segment) % 4 != 1
    )
    return {name for name in names if name.encode() in raw or name.encode() in inside}


def columns(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every value of every table, but the chunks of ciphertexts."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    for (table,) in list(db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")):
        if table != "chunks":
            for row in db.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    yield table, value if isinstance(value, bytes) else str(value).encode()
    db.close()
