"""Reading connections, lent for one question at a time: as many as threads ask at once, kept for the next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apsw

from intertie.model.errors import StoreError
from intertie.stores.schema import store_error


class Readers:
    """A pool of connections that see only finished writes."""

    def __init__(self, connect: Callable[[], apsw.Connection]) -> None:
        self._connect = connect
        self._idle: list[apsw.Connection] = []
        self._watch: apsw.Connection | None = None
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def snapshot(self) -> Iterator[apsw.Connection]:
        """A connection inside a transaction: all that is read through it is of one moment. Raises StoreError."""
        db = self._take()
        sound = True
        try:
            with db:
                yield db
        except apsw.Error as error:
            sound = False
            raise store_error(error) from error
        finally:
            self._give(db, sound)

    def version(self) -> int:
        """A number that differs after any other connection, of any process, committed."""
        with self._lock:
            if self._closed:
                raise _closed()
            try:
                if self._watch is None:  # always the same connection: the number means nothing on another
                    self._watch = self._connect()
                return int(self._watch.pragma("data_version"))
            except apsw.Error as error:
                raise store_error(error) from error

    def close(self) -> None:
        """Close the idle connections; one on loan is closed when it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            watch, self._watch = self._watch, None
        for db in [*idle, *([watch] if watch else [])]:
            db.close()

    def _take(self) -> apsw.Connection:
        with self._lock:
            if self._closed:
                raise _closed()
            if self._idle:
                return self._idle.pop()
        try:
            return self._connect()
        except apsw.Error as error:
            raise store_error(error) from error

    def _give(self, db: apsw.Connection, sound: bool) -> None:
        """Back for the next question, unless the store was closed meanwhile or the connection met an error."""
        with self._lock:
            if sound and not self._closed:
                self._idle.append(db)
                return
        db.close()


def _closed() -> StoreError:
    return StoreError("the store is closed", do="open it again")
