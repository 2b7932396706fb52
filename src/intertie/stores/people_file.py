"""People, sessions, codes and failures in one small SQLite file of the gateway directory, shared by the office's processes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import apsw
import msgspec

from intertie.gateway.office.approvals import Approval
from intertie.gateway.office.people import Failures, Person, Session, SignInCode
from intertie.model.errors import StoreError

_T = TypeVar("_T")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS kept (
  kind TEXT NOT NULL, key TEXT NOT NULL, owner TEXT NOT NULL, at REAL NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS kept_owner ON kept (kind, owner, at);
CREATE INDEX IF NOT EXISTS kept_at ON kept (kind, at);
"""
# Another process writes for milliseconds; a disk that takes longer than this is broken.
BUSY_MS = 10_000
# Failures and challenges of strangers: what is older than a day counts for nothing, and nobody fills a disk with them.
STRANGERS_MAX = 20_000
# Where somebody was seen counts when strangers try their name (gateway/office/sign_in.py); a month of it is enough.
REMEMBERED = timedelta(days=30)
FILE = "people.db"


class PeopleFile:
    """gateway.office.people.PeopleBook over a file. Safe to use from any thread."""

    def __init__(self, folder: Path) -> None:
        """The folder is made if it is not there, for its owner only; StoreError if that cannot be."""
        self._turn = threading.RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = folder / FILE
            path.touch(mode=0o600)
            self._db = apsw.Connection(str(path))
            self._db.set_busy_timeout(BUSY_MS)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA secure_delete=ON")
            self._db.execute(_SCHEMA)
        except (OSError, apsw.Error) as error:
            raise StoreError(
                f"{folder}: people cannot be kept: {type(error).__name__}", do="Check permissions and space."
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def people(self) -> Sequence[Person]:
        """All of them, by name."""
        return [self._read(raw, Person) for raw in self._all("person", None)]

    def person(self, name: str) -> Person | None:
        """The person of this name."""
        return self._one("person", name, Person)

    def change(self, name: str, changed: Callable[[Person | None], Person]) -> Person:
        """Put what `changed` makes of it, with nobody in between."""
        with self._writing():
            person = changed(self._one("person", name, Person))
            self._put("person", name, "", person.made, msgspec.json.encode(person))
            self._db.execute("DELETE FROM kept WHERE kind='passkey' AND owner=?", (name,))
            if person.disabled is None:
                for key in person.passkeys:
                    self._put("passkey", key.id, name, key.made, b"")
        return person

    def owner_of(self, passkey: str) -> Person | None:
        """Whose passkey this is."""
        with self._spoken():
            row = self._db.execute(
                "SELECT owner FROM kept WHERE kind='passkey' AND key=?", (passkey,)
            ).fetchone()
        return self.person(str(row[0])) if row is not None else None

    def session(self, digest: str) -> Session | None:
        """The session of this digest."""
        return self._one("session", digest, Session)

    def sessions(self, person: str) -> Sequence[Session]:
        """Those of a person, newest first."""
        return [self._read(raw, Session) for raw in reversed(self._all("session", person))]

    def put_session(self, session: Session) -> None:
        """Keep it."""
        with self._writing():
            self._db.execute(
                "DELETE FROM kept WHERE kind='session' AND at < ?", ((session.seen - REMEMBERED).timestamp(),)
            )
            self._put("session", session.digest, session.person, session.made, msgspec.json.encode(session))

    def end_session(self, digest: str) -> bool:
        """Forget it."""
        return self._drop("session", digest)

    def put_code(self, code: SignInCode) -> None:
        """Keep it, the only one of its person."""
        with self._writing():
            self._db.execute("DELETE FROM kept WHERE kind='code' AND owner=?", (code.person,))
            self._put("code", code.digest, code.person, code.expires, msgspec.json.encode(code))

    def code(self, digest: str) -> SignInCode | None:
        """The code, which still counts."""
        return self._one("code", digest, SignInCode)

    def take_code(self, digest: str) -> SignInCode | None:
        """The code, which counts no more."""
        with self._writing():
            code = self._one("code", digest, SignInCode)
            self._db.execute("DELETE FROM kept WHERE kind='code' AND key=?", (digest,))
        return code

    def put_challenge(self, owner: str, challenge: bytes, now: datetime) -> None:
        """Keep what was asked."""
        with self._writing():
            self._put("challenge", owner, "", now, challenge)
            self._bound("challenge")

    def take_challenge(self, owner: str) -> tuple[bytes, datetime] | None:
        """What was asked and when, once."""
        with self._writing():
            row = self._db.execute(
                "DELETE FROM kept WHERE kind='challenge' AND key=? RETURNING value, at", (owner,)
            ).fetchone()
        return (_blob(row[0]), datetime.fromtimestamp(float(str(row[1])), UTC)) if row is not None else None

    def failures(self, key: str) -> Failures | None:
        """What failed."""
        return self._one("failure", key, Failures)

    def put_failures(self, key: str, failures: Failures | None) -> None:
        """Keep that, or forget it."""
        if failures is None:
            self._drop("failure", key)
            return
        with self._writing():
            self._put("failure", key, "", failures.last, msgspec.json.encode(failures))
            self._bound("failure")

    def put_approval(self, approval: Approval) -> None:
        """Keep it."""
        with self._writing():
            raw = msgspec.json.encode(approval)
            self._put("approval", approval.id, approval.person, approval.asked, raw)

    def approvals(self) -> Sequence[Approval]:
        """All that wait, oldest first."""
        found = [self._read(raw, Approval) for raw in self._all("approval", None)]
        return sorted(found, key=lambda one: one.asked)

    def take_approval(self, id: str) -> Approval | None:
        """It waits no more."""
        with self._writing():
            found = self._one("approval", id, Approval)
            self._db.execute("DELETE FROM kept WHERE kind='approval' AND key=?", (id,))
        return found

    def _put(self, kind: str, key: str, owner: str, at: datetime, value: bytes) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO kept VALUES (?,?,?,?,?)", (kind, key, owner, at.timestamp(), value)
        )

    def _bound(self, kind: str) -> None:
        """Forget the oldest beyond so many."""
        self._db.execute(
            "DELETE FROM kept WHERE kind=?1 AND at <= (SELECT at FROM kept WHERE kind=?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)",
            (kind, STRANGERS_MAX),
        )

    def _one(self, kind: str, key: str, type: type[_T]) -> _T | None:
        with self._spoken():
            row = self._db.execute("SELECT value FROM kept WHERE kind=? AND key=?", (kind, key)).fetchone()
        return self._read(_blob(row[0]), type) if row is not None else None

    def _all(self, kind: str, owner: str | None) -> list[bytes]:
        with self._spoken():
            rows = (
                self._db.execute("SELECT value FROM kept WHERE kind=? ORDER BY key", (kind,))
                if owner is None
                else self._db.execute(
                    "SELECT value FROM kept WHERE kind=? AND owner=? ORDER BY at", (kind, owner)
                )
            ).fetchall()
        return [_blob(row[0]) for row in rows]

    def _drop(self, kind: str, key: str) -> bool:
        with self._writing():
            self._db.execute("DELETE FROM kept WHERE kind=? AND key=?", (kind, key))
            return self._db.changes() > 0

    @staticmethod
    def _read(raw: bytes, type: type[_T]) -> _T:
        try:
            return msgspec.json.decode(raw, type=type)
        except msgspec.MsgspecError as error:
            raise StoreError(
                f"{FILE} holds what is no {type.__name__}", do="Restore it from a backup."
            ) from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction that nobody else writes beside."""
        with self._spoken():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextlib.contextmanager
    def _spoken(self) -> Iterator[None]:
        with self._turn:
            try:
                yield
            except apsw.Error as error:
                raise StoreError(
                    f"people cannot be kept: {type(error).__name__}", do="Check space and permissions."
                ) from error


def _blob(value: object) -> bytes:
    """A value of the column `value`, which the schema holds to bytes."""
    if not isinstance(value, bytes):
        raise StoreError(f"{FILE} is damaged", do="Restore it from a backup.")
    return value
