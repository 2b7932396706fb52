"""Backups: one file with everything a store keeps, the same for every engine: a SQLite store of its own.

So it can be verified without the gateway, taken as a gateway's store in an emergency, and restored into another engine. What
opens the bodies is not in it: keys are kept apart (docs/stores.md).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import apsw

from intertie.gateway.verify_journal import verify_journal
from intertie.journal.checkpoint import Head
from intertie.model.errors import SettingsError, StoreError
from intertie.stores import sqlite_journal
from intertie.stores.readers import Readers
from intertie.stores.schema import APPLICATION_ID, migrations, open_store, store_error
from intertie.stores.sqlite_proof import SqliteProof
from intertie.stores.tables import TABLES, count_rows


class Contents(NamedTuple):
    """What is in a backup: rows by table, and the journal's head, verified."""

    rows: dict[str, int]
    head: Head


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
    first, and compared after. StoreError for a store that is not empty: it is left as it is."""
    with _up_to_date(file) as sound:
        contents = look_into(sound)
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
            said = db.pragma("integrity_check")
            if said != "ok":
                raise StoreError(f"{file} is damaged: {str(said)[:200]}", do="take another backup")
            rows = count_rows(db)
        with closing(_Journal(file)) as journal:
            head = verify_journal(journal)
    except apsw.Error as error:
        raise store_error(error) from error
    return Contents(rows, head)


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
def _up_to_date(file: Path) -> Iterator[Path]:
    """The backup, or a copy of it that was brought to this version; SettingsError for what is no backup."""
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
    if version == migrations()[-1].version:
        yield file
        return
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=file.parent) as folder:
        copy = Path(folder) / "store.db"
        shutil.copyfile(file, copy)
        open_store(copy)  # refuses a newer one
        _settle(copy)
        yield copy


def _settle(copy: Path) -> None:
    """All of it in one file."""
    with closing(apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READWRITE)) as db:
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
