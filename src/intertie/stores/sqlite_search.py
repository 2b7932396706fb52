"""Searching messages in SQLite."""

from __future__ import annotations

import apsw

from intertie.gateway.ports import Found, Search
from intertie.stores.readers import Readers
from intertie.stores.rows import index_rows
from intertie.stores.searching import Dialect, search


def _sources(index: str) -> str:
    """The index is named: what this planner knows of how many rows there are may be old, or nothing."""
    return f"messages AS m INDEXED BY {index}" if index else "messages AS m NOT INDEXED"


SQLITE = Dialect(value=lambda name: f":{name}", place="instr", sources=_sources)


def search_messages(db: apsw.Connection, wanted: Search) -> Found:
    """`Store.search`."""
    rows, older = search(db.execute, wanted, SQLITE)
    return Found(index_rows(rows), older)


class SqliteSearch:
    """Part of SqliteStore."""

    _readers: Readers

    def search(self, wanted: Search) -> Found:
        """Messages, newest first."""
        with self._readers.snapshot() as db:
            return search_messages(db, wanted)
