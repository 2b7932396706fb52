"""One writing thread per process: what waits is committed together, one disk flush for all, each apart from the others.

Callers hand over an operation and wait for it. When the operation is theirs again it is on disk, or it raised and left
nothing behind. Measured, a flush costs many times an operation; grouping is what makes small writes fast.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import groupby
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import apsw

from intertie.model.errors import StoreError
from intertie.stores.schema import store_error

T = TypeVar("T")
C = TypeVar("C")  # the engine's connection

# Operations in one transaction: beyond this a flush is no longer what costs, and other processes want their turn.
GROUP_MAX = 256


class Together(ABC, Generic[C, T]):
    """An operation of which several at once cost hardly more than one."""

    def __call__(self, db: C) -> T:
        """By itself."""
        return self.all_of(db, [self])[0]

    @abstractmethod
    def all_of(self, db: C, those: Sequence[Self]) -> list[T]:
        """What comes of each, in their order, as if they had been run one after the other. Raises if one of them cannot be
        done, and then each is run by itself."""


class Job(Generic[C, T]):
    """An operation and the place where its caller waits."""

    def __init__(self, operation: Callable[[C], T]) -> None:
        self.operation = operation
        self.future: Future[T] = Future()
        self.value: T
        self.error: Exception | None = None

    def answer(self) -> None:
        """Wake the caller with what came of it."""
        if self.error is None:
            self.future.set_result(self.value)
        else:
            self.future.set_exception(self.error)


class Catch:
    """Holds what its block raised: the error belongs to the caller who waits, in another thread."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __enter__(self) -> Catch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> bool:
        if isinstance(error, Exception):
            self.error = error
            return True
        return False


class GroupWriter(ABC, Generic[C]):
    """Runs operations on the one writing connection. Safe to call from any thread but its own."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job[C, Any] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def run(self, operation: Callable[[C], T]) -> T:
        """What the operation returned, once it is on disk. Raises what it raised, and StoreError for the engine's errors;
        then nothing of it was kept. An operation must do nothing but write to its connection: it may run twice."""
        job: Job[C, T] = Job(operation)
        with self._lock:
            if self._closed:
                raise StoreError("the store is closed", do="open it again")
            if threading.current_thread() is self._thread:
                raise StoreError(
                    "a write inside a write", do="report this: a receipt writer must not use the store"
                )
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="store writer", daemon=True)
                self._thread.start()
            self._jobs.put(job)
        return job.future.result()

    def close(self) -> None:
        """Finish what waits, then close the connection."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        if self._thread is not None:
            self._thread.join()
        self._close()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            group = [job]
            while len(group) < GROUP_MAX:
                try:
                    other = self._jobs.get_nowait()
                except Empty:
                    break
                if other is None:
                    self._jobs.put(None)
                    break
                group.append(other)
            self._commit(group)

    def _commit(self, group: list[Job[C, Any]]) -> None:
        """All in one transaction; if that cannot be had (disk full, an I/O error), each in its own, so that an error
        reaches only those whose operation cannot be kept."""
        error = self._attempt(group)
        if error is None:
            for job in group:
                job.answer()
        elif len(group) == 1:
            group[0].error = error
            group[0].answer()
        else:
            for job in group:
                self._commit([job])

    @abstractmethod
    def _attempt(self, group: list[Job[C, Any]]) -> Exception | None:
        """Apply all in one transaction, each apart from the others; the error that lost the whole of it, if any."""

    @abstractmethod
    def _close(self) -> None:
        """Let go of the connection."""

    def _apply_all(self, group: Sequence[Job[C, Any]], apply: Callable[[Job[C, Any]], None]) -> None:
        """Apply operations in their order, those that can be done together at once."""
        for kind, alike in groupby(group, key=lambda job: type(job.operation)):
            jobs = list(alike)
            if len(jobs) > 1 and issubclass(kind, Together) and self._apply_joined(jobs, apply):
                continue
            for job in jobs:
                apply(job)

    def _apply_joined(self, jobs: Sequence[Job[C, Any]], apply: Callable[[Job[C, Any]], None]) -> bool:
        operations = [job.operation for job in jobs]
        joined: Job[C, list[Any]] = Job(lambda db: operations[0].all_of(db, operations))  # type: ignore[attr-defined]
        apply(joined)
        if joined.error is not None:
            return False
        for job, value in zip(jobs, joined.value, strict=True):
            job.error, job.value = None, value
        return True


class Writer(GroupWriter[apsw.Connection]):
    """The writer of a SQLite file."""

    def __init__(self, db: apsw.Connection) -> None:
        super().__init__()
        self._db = db

    def _close(self) -> None:
        with suppress(apsw.Error):  # what was promised is on disk; the log is read at the next opening
            self._db.close()

    def _attempt(self, group: list[Job[apsw.Connection, Any]]) -> Exception | None:
        """The error that lost the whole transaction, if any."""
        with Catch() as caught:
            self._db.execute("BEGIN IMMEDIATE")
            self._apply_all(group, self._apply)
            self._db.execute("COMMIT")
        if caught.error is not None and self._db.in_transaction:
            with suppress(apsw.Error):
                self._db.execute("ROLLBACK")
        return _named(caught.error)

    def _apply(self, job: Job[apsw.Connection, Any]) -> None:
        """Run one operation under a savepoint of its own; raise only if the transaction went with it."""
        job.error = None
        self._db.execute("SAVEPOINT one")
        with Catch() as caught:
            job.value = job.operation(self._db)
        if caught.error is None:
            self._db.execute("RELEASE one")
            return
        if not self._db.in_transaction:  # SQLite gives up all of it on some errors (disk full, I/O)
            raise caught.error
        self._db.execute("ROLLBACK TO one")
        self._db.execute("RELEASE one")
        job.error = _named(caught.error)


def _named(error: Exception | None) -> Exception | None:
    """SQLite's errors as StoreError; others are the operation's own."""
    return store_error(error) if isinstance(error, apsw.Error) else error
