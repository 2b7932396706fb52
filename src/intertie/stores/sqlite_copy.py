"""A SQLite store copied out and in."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw

from intertie.stores.schema import connect, store_error
from intertie.stores.tables import TABLES, columns, count_rows, not_empty, put_rows


def copy_out(path: Path, part: Path) -> dict[str, int]:
    """All pages of one moment, while writers go on; rows by table."""
    try:
        with closing(connect(path, write=False)) as source, closing(apsw.Connection(str(part))) as target:
            with source:  # one moment, for the copy and for the count
                counts = count_rows(source)
                with target.backup("main", source, "main") as work:
                    work.step(-1)
            target.pragma("journal_mode", "delete")  # one file, nothing beside it
    except apsw.Error as error:
        raise store_error(error) from error
    return counts


def copy_in(db: apsw.Connection, source: apsw.Connection) -> dict[str, int]:
    """All rows of a store; an operation for the writer."""
    counts = count_rows(db)
    if (
        any(count for table, count in counts.items() if table != "frontier")
        or db.execute("SELECT size FROM frontier").get
    ):
        raise not_empty()
    db.execute("DELETE FROM frontier")
    for table in TABLES:
        names = columns(source, table)
        put_rows(db, table, names, source.execute(f"SELECT {', '.join(names)} FROM {table}"))  # noqa: S608
    return count_rows(db)
