"""Searching messages in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from intertie.gateway.ports import Found, Search
from intertie.stores.postgres_readers import PostgresReaders
from intertie.stores.postgres_schema import Db
from intertie.stores.rows import Row, index_rows
from intertie.stores.searching import Dialect, search

# The messages of a parcel are found before any are sorted: asked for the newest first, PostgreSQL walks back through everything
# instead, as long as it takes to meet the parcel (measured: 400 ms of a million). OFFSET 0 keeps the two apart.
_OF_PARCEL = """(SELECT * FROM messages
    WHERE parcel = ANY(ARRAY(SELECT number FROM parcels WHERE id = %(parcel)s)) OFFSET 0) AS m"""


def _sources(index: str) -> str:
    return _OF_PARCEL if index == "messages_parcel" else "messages AS m"


POSTGRES = Dialect(value=lambda name: f"%({name})s", place="strpos", sources=_sources)


def search_messages(db: Db, wanted: Search) -> Found:
    """`Store.search`."""

    def ask(sql: str, values: dict[str, Any]) -> Iterable[Row]:
        # Not prepared: a plan that is kept for any values thinks of every range of seq as short, and walks through all of it to
        # meet a document that is rare (measured: 270 ms of a million).
        return db.execute(sql, values, binary=True, prepare=False)

    rows, older = search(ask, wanted, POSTGRES)
    return Found(index_rows(rows), older)


class PostgresSearch:
    """Part of PostgresStore."""

    _readers: PostgresReaders

    def search(self, wanted: Search) -> Found:
        """Messages, newest first."""
        return self._readers.snapshot(lambda db: search_messages(db, wanted))
