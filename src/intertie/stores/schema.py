"""Opening a SQLite file: ours or refused, its schema brought up to date by numbered migrations, its settings durable."""

from __future__ import annotations

import os
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

import apsw

from intertie.model.errors import SettingsError, StoreError
from intertie.seal.tree import Frontier

# "ITie" in the file's header (PRAGMA application_id) tells our files from others.
APPLICATION_ID = int.from_bytes(b"ITie", "big")
# Several processes write to one file; each holds the lock for one group of operations, milliseconds. Ten seconds is an
# operator's patience and many times the longest group.
BUSY_MILLISECONDS = 10_000
# Pages (4 KiB) in the write-ahead log before they are moved to the file: 16 MiB makes that rare and short.
CHECKPOINT_PAGES = 4_000
# After a burst the log is cut back to this many bytes.
LOG_BYTES = 64 * 1024 * 1024
# Page cache of a connection, in KiB (negative means KiB to SQLite).
CACHE_KIB = -32_000


class Migration(NamedTuple):
    """A step from one schema version to the next."""

    version: int
    sql: str


def migrations() -> list[Migration]:
    """The migrations of this program in order; SettingsError if a number is missing or twice there."""
    return read_migrations(resources.files("intertie.stores").joinpath("sql/sqlite"))


def read_migrations(folder: Traversable) -> list[Migration]:
    """The numbered files of a folder in order; SettingsError if a number is missing or twice there."""
    found = []
    for file in folder.iterdir():
        number, _, rest = file.name.partition("_")
        if rest.endswith(".sql"):
            found.append(Migration(int(number), file.read_text(encoding="utf-8")))
    found.sort()
    if [m.version for m in found] != list(range(1, len(found) + 1)):
        raise SettingsError(
            f"migrations {[m.version for m in found]} have a gap", do="install the program again"
        )
    return found


def store_error(error: apsw.Error) -> StoreError:
    """What SQLite said, as an error that tells what to do."""
    if isinstance(error, apsw.FullError):
        return StoreError(f"no room to write: {error}; nothing of this was kept", do="free some disk space")
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return StoreError(
            f"the store is busy: {error}", do="look for a process that holds it and does not go on"
        )
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return StoreError(f"the store is damaged: {error}", do="stop the gateway and restore the last backup")
    return StoreError(f"the store cannot be used: {error}", do="check the disk and the file's permissions")


def open_store(path: Path) -> None:
    """Make the file, or check that it is ours and bring its schema up to date.

    Raises SettingsError for a file that is no store of this program or is of a newer one (it is left as it is), and
    StoreError if it cannot be read or written.
    """
    try:
        _create(path)
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be made: {error.strerror}", do="make its folder, or name another"
        ) from error
    except apsw.Error as error:
        raise store_error(error) from error
    try:
        db.set_busy_timeout(BUSY_MILLISECONDS)
        known = migrations()
        _check(db, path, known[-1].version)
        db.pragma("journal_mode", "wal")
        db.pragma("secure_delete", 1)
        _migrate(db, known)
    except apsw.NotADBError as error:
        raise _foreign(path) from error
    except apsw.Error as error:
        raise store_error(error) from error
    finally:
        db.close()


def connect(path: Path, *, write: bool) -> apsw.Connection:
    """A connection to a store that `open_store` has seen. Raises apsw errors."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    db.set_busy_timeout(BUSY_MILLISECONDS)
    db.pragma("synchronous", "full")  # a commit is on disk, and survives a power cut, when it returns
    db.pragma("foreign_keys", 1)
    db.pragma("trusted_schema", 0)
    db.pragma("cache_size", CACHE_KIB)
    if write:
        db.pragma("secure_delete", 1)  # what is freed is overwritten with zeros
        db.pragma("temp_store", "memory")  # no copy of a page in a temporary file
        db.pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        db.pragma("journal_size_limit", LOG_BYTES)
    else:
        db.pragma("query_only", 1)
    return db


def _create(path: Path) -> None:
    """An empty file that only its owner reads: messages are confidential. SQLite gives its log the same mode."""
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _check(db: apsw.Connection, path: Path, newest: int) -> None:
    """Refuse what is not ours before anything is written to it."""
    application = db.pragma("application_id")
    empty = not db.execute("SELECT count(*) FROM sqlite_schema").get
    if application != APPLICATION_ID and not (empty and application == 0):
        raise _foreign(path)
    version = db.pragma("user_version")
    if version > newest:
        raise SettingsError(
            f"{path} has schema {version}, this program knows up to {newest}: a newer version made it",
            do="run that version or a newer one, or restore a backup made before the upgrade",
        )


def _foreign(path: Path) -> SettingsError:
    return SettingsError(
        f"{path} is not a store of this program; it is left as it is", do="name another file"
    )


def _migrate(db: apsw.Connection, known: list[Migration]) -> None:
    """All missing migrations in one transaction; another process may have been faster."""
    if db.pragma("user_version") == known[-1].version:
        return
    db.execute("BEGIN IMMEDIATE")
    version = db.pragma("user_version")
    for migration in known[version:]:
        db.execute(migration.sql)
    if version == 0:
        empty = Frontier()
        db.execute("INSERT INTO frontier VALUES (1, 0, ?, ?)", (empty.root(), empty.to_bytes()))
        db.pragma("application_id", APPLICATION_ID)
    db.pragma("user_version", known[-1].version)
    db.execute("COMMIT")
