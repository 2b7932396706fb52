"""What the office API answered to which request: a small SQLite file in the gateway directory, shared by its processes."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import apsw

from intertie.gateway.office.office_once import Answered, Begun
from intertie.model.errors import StoreError
from intertie.model.ids import MessageId
from intertie.seal.private_files import locked

_SCHEMA = """
CREATE TABLE IF NOT EXISTS request (
  owner TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, at REAL NOT NULL, message TEXT NOT NULL,
  moment TEXT NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS request_at ON request (at);
"""
# Requests wait for one another only if their keys fall on the same lock: of a few at once hardly two do.
LOCKS = 256
# Another process writes for milliseconds; a disk that takes longer than this is broken.
BUSY_MS = 10_000


class KeptAnswers:
    """gateway.office.office_once.AnswerBook over a file. Safe to use from any thread."""

    def __init__(self, folder: Path) -> None:
        """The folder is made if it is not there; StoreError if that cannot be."""
        self._locks = folder / "locks"
        self._turn = threading.Lock()
        try:
            self._locks.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = apsw.Connection(str(folder / "answers.db"))
            self._db.set_busy_timeout(BUSY_MS)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute(_SCHEMA)
        except (OSError, apsw.Error) as error:
            raise StoreError(
                f"{folder}: answers cannot be kept: {type(error).__name__}", do="Check permissions and space."
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextlib.contextmanager
    def alone(self, owner: str, key: str) -> Iterator[None]:
        """A file lock, which ends with its process, however that ends."""
        place = int.from_bytes(hashlib.sha256(f"{owner}\n{key}".encode()).digest()[:2], "big") % LOCKS
        with locked(self._locks / f"{place:02x}"):
            yield

    def find(self, owner: str, key: str) -> Begun | None:
        """The request of this key."""
        with self._spoken():
            row = self._db.execute(
                "SELECT digest, moment, message, status, body FROM request WHERE owner=? AND key=?",
                (owner, key),
            ).fetchone()
        if row is None:
            return None
        digest, moment, message, status, body = row
        return Begun(digest, datetime.fromisoformat(moment), MessageId(message), status, body)

    def begin(self, owner: str, key: str, begun: Begun, forget_before: datetime) -> None:
        """Write it down."""
        at = begun.at.astimezone(UTC)
        row = (
            owner,
            key,
            begun.digest,
            at.timestamp(),
            begun.message,
            at.isoformat(),
            begun.status,
            begun.body,
        )
        with self._spoken(), self._db:
            self._db.execute("DELETE FROM request WHERE at < ?", (forget_before.timestamp(),))
            self._db.execute("INSERT INTO request VALUES (?,?,?,?,?,?,?,?)", (*row[:3], *row[3:]))

    def end(self, owner: str, key: str, answered: Answered) -> None:
        """Write down the answer."""
        with self._spoken():
            self._db.execute(
                "UPDATE request SET status=?, body=? WHERE owner=? AND key=?",
                (answered.status, answered.body, owner, key),
            )

    def drop(self, owner: str, key: str) -> None:
        """Forget the request."""
        with self._spoken():
            self._db.execute("DELETE FROM request WHERE owner=? AND key=?", (owner, key))

    @contextlib.contextmanager
    def _spoken(self) -> Iterator[None]:
        with self._turn:
            try:
                yield
            except apsw.Error as error:
                raise StoreError(
                    f"answers cannot be kept: {type(error).__name__}", do="Check space and permissions."
                ) from error
