"""Reading sessions, lent for one question at a time and kept for the next.

Our own small pool and not psycopg_pool: that one keeps sessions alive from threads of its own, and what we want of a pool is
that a question whose session turned out to be dead is asked once more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from intertie.model.errors import StoreError
from intertie.stores.postgres_schema import Db, Server, connect, get, is_lost, store_error

T = TypeVar("T")

# Questions at once. A server has a hundred sessions by default, for all processes of all gateways.
READERS_MAX = 8
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresReaders:
    """A pool of sessions that see only finished writes. Safe to use from any thread."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._idle: list[Db] = []
        self._lock = threading.Lock()
        self._places = threading.Semaphore(READERS_MAX)
        self._closed = False

    def ask(self, question: Callable[[Db], T]) -> T:
        """The answer to a question of one statement. It must ask nothing else of the store. Raises StoreError."""
        return self._ask(question, whole=False)

    def snapshot(self, question: Callable[[Db], T]) -> T:
        """The answer to a question of several statements that see one moment; as `ask`."""
        return self._ask(question, whole=True)

    def version(self) -> int:
        """A number that differs after any process wrote."""
        return int(self.ask(lambda db: get(db, "SELECT number FROM pulse")))

    def close(self) -> None:
        """Close the idle sessions; one on loan is closed when it comes back."""
        with self._lock:
            self._closed = True
        self._drop_idle()

    def _ask(self, question: Callable[[Db], T], *, whole: bool) -> T:
        with self._places:
            db = self._take()
            try:
                if db is not None:
                    try:
                        return self._run(db, question, whole=whole)
                    except psycopg.Error as error:
                        if not is_lost(db, error):
                            raise
                        db.close()
                        self._drop_idle()  # it died while nobody used it; its sisters did too
                db = connect(self._server, write=False)
                return self._run(db, question, whole=whole)
            except psycopg.Error as error:
                raise store_error(error) from error
            finally:
                if db is not None:
                    self._give(db)

    def _run(self, db: Db, question: Callable[[Db], T], *, whole: bool) -> T:
        if not whole:
            return question(db)
        db.execute(_SNAPSHOT)
        try:
            return question(db)
        finally:
            if not db.closed:
                with suppress(psycopg.Error):
                    db.execute("ROLLBACK")

    def _take(self) -> Db | None:
        with self._lock:
            if self._closed:
                raise StoreError("the store is closed", do="open it again")
            return self._idle.pop() if self._idle else None

    def _give(self, db: Db) -> None:
        with self._lock:
            sound = not db.closed and db.info.transaction_status == TransactionStatus.IDLE
            if sound and not self._closed:
                self._idle.append(db)
                return
        db.close()

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()
