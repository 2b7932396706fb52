"""Claims: which process does what only one should do at a time, as delivering to one partner.

A claim is an advisory lock of a session that is there for nothing else. It ends with the process, however that ends: the
server gives it to the next one who asks, without a time that has to pass first.
"""

from __future__ import annotations

import threading
from contextlib import suppress

import psycopg

from intertie.stores.postgres_schema import Db, Server, connect, get, is_lost, store_error


class Claims:
    """The claims of this process. Safe to use from any thread."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._db: Db | None = None
        self._held: set[str] = set()

    def claim(self, what: str) -> bool:
        """Whether this process may do it from now on; also if it may already. Raises StoreError."""
        with self._lock:
            try:
                return self._claim(what)
            except psycopg.Error as error:
                raise store_error(error) from error

    def release(self, what: str) -> None:
        """Let others do it. If the session is gone, they may already."""
        with self._lock:
            if what not in self._held or self._db is None:
                return
            self._held.discard(what)
            try:
                get(self._db, "SELECT pg_advisory_unlock(%s)", (self._server.key(f"claim {what}"),))
            except psycopg.Error:
                self._lost()

    def close(self) -> None:
        """Give all of them back."""
        with self._lock:
            if self._db is not None:
                with suppress(psycopg.Error):  # the server would do it too, a moment later
                    self._db.execute("SELECT pg_advisory_unlock_all()")
            self._lost()

    def _claim(self, what: str) -> bool:
        try:
            return self._ask(what)
        except psycopg.Error as error:
            if self._db is None or not is_lost(self._db, error):
                raise
            self._lost()  # and with the session all that it held: begin again on another
            return self._ask(what)

    def _ask(self, what: str) -> bool:
        if self._db is None:
            self._db = connect(self._server, write=True)
        if what in self._held:
            get(self._db, "SELECT 1")  # still our session
            return True
        if not get(self._db, "SELECT pg_try_advisory_lock(%s)", (self._server.key(f"claim {what}"),)):
            return False
        self._held.add(what)
        return True

    def _lost(self) -> None:
        self._held.clear()
        if self._db is not None:
            self._db.close()
            self._db = None
