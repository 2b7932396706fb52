"""The tables of a store, the same in every engine, and what copying them needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apsw

from intertie.model.errors import StoreError

# Those that others refer to come first. tests/store/test_backup.py holds this to the schemas.
TABLES = (
    "data_keys",
    "chunks",
    "ciphertexts",
    "unprotected",
    "parcels",
    "messages",
    "tallies",
    "partners",
    "refusals",
    "journal",
    "frontier",
    "tree_rows",
    "partner_heads",
    "stamps",
    "chains",
    "holds",
    "revoked_tokens",
    "revoked_partners",
    "watches",
    "resends",
    "timeliness",
    "stops",
    "trade",
    "answers",
    "relayed",
    "hops",
)


def columns(db: apsw.Connection, table: str) -> list[str]:
    """The names of a table's columns in a SQLite store, in order."""
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


def count_rows(db: apsw.Connection) -> dict[str, int]:
    """Rows by table of a SQLite store."""
    return {table: int(db.execute(f"SELECT count(*) FROM {table}").get) for table in TABLES}  # noqa: S608


def put_rows(db: apsw.Connection, table: str, names: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Rows into a table of a SQLite store."""
    places = ", ".join("?" * len(names))
    db.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})", rows)  # noqa: S608 - of our schema


def not_empty() -> StoreError:
    """The refusal of a store in which something is."""
    return StoreError(
        "this store is not empty; it was left as it is", do="restore into a new gateway directory or schema"
    )
