"""A PostgreSQL store copied out into a SQLite store, and in from one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import msgspec
import psycopg

from intertie.stores.postgres_schema import Db, Server, connect, get, store_error
from intertie.stores.schema import open_store
from intertie.stores.schema import store_error as sqlite_error
from intertie.stores.tables import TABLES, columns, not_empty, put_rows

# Rows fetched at once; of chunks, each of which may be as large as a parcel, few.
ROWS_AT_ONCE = 2_000
CHUNKS_AT_ONCE = 4
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class _Named(msgspec.Struct):
    """What the journal's index needs of an entry."""

    parcel: str | None = None


def copy_out(server: Server, part: Path) -> dict[str, int]:
    """All rows of one moment, while writers go on; rows by table as this database counts them."""
    try:
        open_store(part)
        with closing(apsw.Connection(str(part))) as target, closing(connect(server, write=False)) as source:
            target.pragma("journal_mode", "off")  # what is not finished is thrown away
            target.pragma("synchronous", "off")  # and what is, flushed by the caller
            target.execute("BEGIN; DELETE FROM frontier")
            source.execute("SET idle_in_transaction_session_timeout = 0")  # while the other file is written
            source.execute(_SNAPSHOT)
            counts = {}
            for table in TABLES:
                counts[table] = int(get(source, f"SELECT count(*) FROM {table}"))  # noqa: S608 - a name of ours
                names = columns(target, table)
                put_rows(target, table, names, _rows(source, table, names))
            target.execute("COMMIT")
            target.pragma("journal_mode", "delete")
    except psycopg.Error as error:
        raise store_error(error) from error
    except apsw.Error as error:
        raise sqlite_error(error) from error
    return counts


def _rows(db: Db, table: str, names: list[str]) -> Iterator[tuple[Any, ...]]:
    """The rows of a table, some at a time."""
    with db.cursor(name="rows", binary=True) as cursor:
        cursor.itersize = CHUNKS_AT_ONCE if table in ("chunks", "relayed") else ROWS_AT_ONCE
        cursor.execute(f"SELECT {', '.join(names)} FROM {table}")  # noqa: S608 - names of our schema
        yield from cursor


def copy_in(db: Db, source: apsw.Connection) -> dict[str, int]:
    """All rows of a SQLite store; an operation for the writer."""
    if get(db, "SELECT size FROM frontier") or any(
        get(db, f"SELECT 1 FROM {table} LIMIT 1")  # noqa: S608 - a name of ours
        for table in TABLES
        if table != "frontier"
    ):
        raise not_empty()
    db.execute("DELETE FROM frontier")
    for table in TABLES:
        _copy_table(db, source, table)
    return {table: int(get(db, f"SELECT count(*) FROM {table}")) for table in TABLES}  # noqa: S608


def _copy_table(db: Db, source: apsw.Connection, table: str) -> None:
    names = columns(source, table)
    rows: Iterator[tuple[Any, ...]] = source.execute(f"SELECT {', '.join(names)} FROM {table}")  # noqa: S608
    if table == "journal":
        names, rows = [*names, "parcel"], ((*row, _parcel_of(row[1])) for row in rows)
    kinds = _types(db, table)
    with (
        db.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(names)}) FROM STDIN (FORMAT binary)") as copy,
    ):
        copy.set_types([kinds[name] for name in names])
        for row in rows:
            copy.write_row(row)


def _types(db: Db, table: str) -> dict[str, str]:
    """The types of a table's columns."""
    sql = """SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
        WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"""
    return dict(db.execute(sql, (table,)).fetchall())


def _parcel_of(entry: bytes) -> str | None:
    """The parcel that a journal's line names; a line that is no JSON (somebody changed it) names none."""
    try:
        return msgspec.json.decode(entry, type=_Named).parcel
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
