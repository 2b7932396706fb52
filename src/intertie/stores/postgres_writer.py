"""The writer of a PostgreSQL store: groups of operations in one transaction, one process after the other.

Each group holds the journal's advisory lock from its beginning to its commit. So every operation sees all that was committed
before it, as under SQLite's write lock, and the journal cannot fork. A session that ends, however, gives the lock back.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from intertie.model.errors import StoreError
from intertie.stores.postgres_schema import Db, Server, connect, get, is_lost, store_error
from intertie.stores.writer import Catch, GroupWriter, Job

# A commit whose answer was lost is asked for this often, half a second apart: a database that restarts takes seconds.
DOUBT_ATTEMPTS = 30
DOUBT_SECONDS = 0.5


class InDoubt(StoreError):
    """The database went away while it committed, and did not come back soon enough to say what became of it."""


class PostgresWriter(GroupWriter[Db]):
    """Runs operations on the one writing session of this process, and finds another one when it is lost."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self._lock_key = server.key("journal")
        self._pause = threading.Event()
        try:
            self._db = connect(server, write=True)
        except psycopg.Error as error:
            raise store_error(error) from error

    def _close(self) -> None:
        self._db.close()

    def _attempt(self, group: list[Job[Db, Any]]) -> Exception | None:
        """Once more on a new session if this one was lost before its commit: then nothing of the group is kept."""
        error = self._transaction(group)
        if isinstance(error, psycopg.Error) and is_lost(self._db, error):
            self._db.close()
            error = self._transaction(group)
        if isinstance(error, InDoubt):  # for all of them: one by one they might be kept twice
            for job in group:
                job.error = error
            return None
        return store_error(error) if isinstance(error, psycopg.Error) else error

    def _transaction(self, group: list[Job[Db, Any]]) -> Exception | None:
        with Catch() as caught:
            if self._db.closed:
                self._db = connect(self._server, write=True)
            self._db.execute(f"BEGIN; SELECT pg_advisory_xact_lock({self._lock_key})", prepare=False)
            self._apply_all(group, partial(self._apply, alone=len(group) == 1))
            self._commit_transaction()
        if caught.error is not None:
            self._give_up()
        return caught.error

    def _give_up(self) -> None:
        """Leave the transaction; a session that cannot is left too."""
        if not self._db.closed:
            with Catch() as caught:
                self._db.execute("ROLLBACK")
            if caught.error is not None:
                self._db.close()

    def _apply(self, job: Job[Db, Any], *, alone: bool) -> None:
        """Run one operation under a savepoint of its own; raise if the session went with it. One that is alone needs no
        savepoint: what it leaves is the whole transaction."""
        job.error = None
        if alone:
            job.value = job.operation(self._db)
            return
        self._db.execute("SAVEPOINT one")
        with Catch() as caught:
            job.value = job.operation(self._db)
        if caught.error is None:
            self._db.execute("RELEASE one")
            return
        if isinstance(caught.error, psycopg.Error) and is_lost(self._db, caught.error):
            raise caught.error
        self._db.execute("ROLLBACK TO one; RELEASE one", prepare=False)
        job.error = store_error(caught.error) if isinstance(caught.error, psycopg.Error) else caught.error

    def _commit_transaction(self) -> None:
        transaction = get(
            self._db, "UPDATE pulse SET number = number + 1 RETURNING pg_current_xact_id()::text"
        )
        if self._db.info.transaction_status != TransactionStatus.INTRANS:
            raise StoreError("a transaction was given up", do="report this")
        try:
            self._db.execute("COMMIT")
        except psycopg.Error as error:
            if not is_lost(self._db, error):
                raise  # the server says that it did not
            self._db.close()
            if not self._was_committed(transaction):
                raise

    def _was_committed(self, transaction: str) -> bool:
        """What became of a commit whose answer was lost, from the database that kept it or did not."""
        for _ in range(DOUBT_ATTEMPTS):
            with suppress(psycopg.Error):
                self._db = connect(self._server, write=True)
                status = get(self._db, "SELECT pg_xact_status(%s::text::xid8)", (transaction,))
                if status in ("committed", "aborted"):
                    return bool(status == "committed")
                if status is None:
                    break  # so long ago that it is forgotten
            self._pause.wait(DOUBT_SECONDS)
        raise InDoubt(
            "the database went away while it committed, and whether it did is not known",
            do="look whether it is there before doing it again",
        )
