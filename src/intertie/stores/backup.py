"""Backups: one file with everything a store keeps, the same for every engine: a SQLite store of its own.

So it can be verified without the gateway, taken as a gateway's store in an emergency, and restored into another engine. A digest
of every value lies in it: a changed bit is found where no key and no signature is at hand. What opens the bodies is not in
it: keys are kept apart (docs/stores.md).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import apsw
import msgspec

from intertie.gateway.proving.verify_journal import verify_journal
from intertie.journal.checkpoint import Head
from intertie.model.errors import SettingsError, StoreError
from intertie.stores import sqlite_journal
from intertie.stores.readers import Readers
from intertie.stores.schema import APPLICATION_ID, migrations, open_store, store_error
from intertie.stores.sqlite_proof import SqliteProof
from intertie.stores.tables import TABLES, columns, count_rows

_KEEP_DIGEST = """CREATE TABLE backup_digest (
    one INTEGER PRIMARY KEY CHECK (one = 1), digest BLOB NOT NULL CHECK (length(digest) = 32)) STRICT"""


class Contents(NamedTuple):
    """What is in a backup, verified: rows by table, the journal's head, and a SHA-256 of every value in it."""

    rows: dict[str, int]
    head: Head
    digest: bytes
    compared: bool  # with the digest that lies in it; a copy by SQLite's own tools has none


class Copied(Protocol):
    """A store that can be copied out and in."""

    def copy_out(self, part: Path) -> dict[str, int]:
        """Make a SQLite store of one moment of this store at a place where nothing is; rows by table as they were read."""

    def copy_in(self, source: apsw.Connection) -> dict[str, int]:
        """Take over all rows, in one transaction; rows by table as they are here then. StoreError unless nothing is here."""


def back_up(store: Copied, file: Path) -> Contents:
    """Write a backup and verify what was written. A running gateway goes on meanwhile. What cannot be finished leaves no file
    of this name. SettingsError if there is one, StoreError, EvidenceError if the journal does not hold together."""
    if file.exists():
        raise SettingsError(f"{file} is there already; it was left as it is", do="name another file")
    part = _made(file)
    try:
        read = store.copy_out(part)
        _keep_digest(part)
        contents = look_into(part)
        _compare(read, contents.rows)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.rename(file)
        _flush_folder(file.parent)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror}", do="free some space there") from error
    finally:
        for leftover in (part, *(part.with_name(part.name + end) for end in ("-wal", "-shm", "-journal"))):
            with suppress(OSError):
                leftover.unlink()
    return contents


def restore(store: Copied, file: Path) -> Contents:
    """Take over everything in a backup, of this version or an older one, into a store in which nothing is yet; it is verified
    first, and compared after. SettingsError for what is no backup, StoreError for one that was changed, and for a store that
    is not empty: it is left as it is."""
    with _up_to_date(file) as (sound, compared):
        contents = look_into(sound)
        if compared is not None:
            contents = contents._replace(compared=compared)
        try:
            with closing(_read(sound)) as source:
                here = store.copy_in(source)
        except apsw.Error as error:
            raise store_error(error) from error
        _compare(contents.rows, here)
    return contents


def look_into(file: Path) -> Contents:
    """Verify a backup of this version: the file itself, its journal, its rows. StoreError, EvidenceError."""
    try:
        with closing(_read(file)) as db:
            found, compared = check_digest(db, file)
            rows = count_rows(db)
        with closing(_Journal(file)) as journal:
            head = verify_journal(journal)
    except apsw.Error as error:
        raise store_error(error) from error
    return Contents(rows, head, found, compared)


def digest_of(db: apsw.Connection) -> bytes:
    """SHA-256 over the schema's version, and every table with its columns and its rows in order, in MessagePack."""
    pack = msgspec.msgpack.encode
    digest = hashlib.sha256(pack(db.pragma("user_version")))
    names = db.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'backup_digest' ORDER BY 1"
    )
    for (table,) in list(names):
        there = columns(db, table)
        digest.update(pack((table, there)))
        order = ", ".join(map(str, range(1, len(there) + 1)))
        for row in db.execute(f"SELECT {', '.join(there)} FROM {table} ORDER BY {order}"):  # noqa: S608 - of our schema
            digest.update(pack(row))
    return digest.digest()


def check_digest(db: apsw.Connection, file: Path) -> tuple[bytes, bool]:
    """The digest of what lies there, and whether the file names one; StoreError if it names another."""
    damaged = f"{file} was changed after it was written, or is damaged"
    try:
        said = db.pragma("integrity_check")
        named = db.table_exists("main", "backup_digest")
        kept = db.execute("SELECT digest FROM backup_digest").get if named else None
        found = digest_of(db)
    except (apsw.Error, UnicodeDecodeError) as error:
        raise StoreError(f"{damaged}: {error}", do="use another backup") from error
    if said != "ok" or (named and kept != found):
        raise StoreError(damaged, do="use another backup")
    return found, named


def _keep_digest(part: Path) -> None:
    try:
        with closing(apsw.Connection(str(part), flags=apsw.SQLITE_OPEN_READWRITE)) as db, db:
            db.execute(_KEEP_DIGEST)
            db.execute("INSERT INTO backup_digest VALUES (1, ?)", (digest_of(db),))
    except apsw.Error as error:
        raise store_error(error) from error


class _Journal(SqliteProof):
    """The journal in a file that nobody writes to."""

    def __init__(self, file: Path) -> None:
        self._readers = Readers(lambda: _read(file))

    def head(self) -> Head:
        """The head as stored."""
        with self._readers.snapshot() as db:
            return sqlite_journal.head(db)

    def entries(self, *, after: int = 0, limit: int = 10_000) -> list[tuple[int, bytes, bytes]]:
        """Lines of the journal from index `after`."""
        with self._readers.snapshot() as db:
            return sqlite_journal.entries(db, after, limit)

    def close(self) -> None:
        """Let go of the file."""
        self._readers.close()


def _compare(expected: dict[str, int], found: dict[str, int]) -> None:
    wrong = [table for table in TABLES if expected[table] != found[table]]
    if wrong:
        counts = ", ".join(f"{table} {found[table]} of {expected[table]}" for table in wrong)
        raise StoreError(f"not everything was copied: {counts}", do="do it again; report this")


def _made(file: Path) -> Path:
    """An empty file beside the one to come, for its owner only: messages are confidential."""
    part = file.with_name(f".{file.name}.part")
    try:
        part.unlink(missing_ok=True)  # of one that was cut off
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"{part} cannot be made: {error.strerror}", do="name another place") from error
    return part


def _flush_folder(folder: Path) -> None:
    """The new name is on disk too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(file: Path) -> apsw.Connection:
    """A reading connection that leaves nothing beside the file."""
    return apsw.Connection(
        f"{file.absolute().as_uri()}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )


@contextmanager
def _up_to_date(file: Path) -> Iterator[tuple[Path, bool | None]]:
    """The backup and None; or a copy of it that was brought to this version, and whether it was compared with its digest before.
    SettingsError for what is no backup or is of a newer version, StoreError for one that was changed."""
    try:
        with closing(_read(file)) as db:
            ours = db.pragma("application_id") == APPLICATION_ID
            version = db.pragma("user_version")
    except apsw.Error as error:
        raise SettingsError(
            f"{file} is no backup: {error}", do="name one that `intertie store backup` wrote"
        ) from error
    if not ours:
        raise SettingsError(f"{file} is no backup", do="name one that `intertie store backup` wrote")
    newest = migrations()[-1].version
    if version == newest:
        yield file, None
        return
    compared = False
    if version < newest:
        with closing(_read(file)) as db:
            _, compared = check_digest(db, file)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=file.parent) as folder:
        copy = Path(folder) / "store.db"
        shutil.copyfile(file, copy)
        open_store(copy)  # refuses a newer one
        _settle(copy)
        with closing(apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READWRITE)) as db:
            db.execute("DROP TABLE IF EXISTS backup_digest")  # of the rows as they were before
        yield copy, compared


def _settle(copy: Path) -> None:
    """All of it in one file."""
    with closing(apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READWRITE)) as db:
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
