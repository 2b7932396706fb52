"""Erasing from SQLite: the body is overwritten where it lies, then the log is cut off, so that no copy is left in a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import apsw
import msgspec

from intertie.gateway.ports import Hold
from intertie.model.errors import StoreError
from intertie.model.ids import AgreementId, MessageId
from intertie.seal.body_cipher import OVERHEAD, BodyKeys, DataKey
from intertie.stores.erasing import erased_entry, hold_entry, key_entry
from intertie.stores.rows import HOLD_COLUMNS, hold_row, micros
from intertie.stores.schema import connect, store_error
from intertie.stores.sqlite_journal import append

# A held message may have been held since the caller looked: the store decides, under its write lock.
_ERASABLE = """SELECT m.seq, m.id, CASE m.outgoing WHEN 1 THEN m.recipient ELSE m.sender END, m.leaf, m.chunk, m.start,
    m.length, x.data_key
    FROM json_each(?) AS wanted CROSS JOIN messages AS m LEFT JOIN ciphertexts AS x ON x.chunk = m.chunk
    WHERE m.seq = wanted.value AND m.done_at IS NOT NULL AND m.erased_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM holds AS h WHERE h.released_at IS NULL
        AND (h.message = m.id OR h.agreement = m.agreement))"""
_HOLD = f"""SELECT {HOLD_COLUMNS} FROM holds WHERE released_at IS NULL
    AND message IS ? AND agreement IS ?"""  # noqa: S608
_RELEASE = f"""UPDATE holds SET released_at = ? WHERE number = ? AND released_at IS NULL
    RETURNING {HOLD_COLUMNS}"""  # noqa: S608


def erase(db: apsw.Connection, keys: BodyKeys, seqs: Sequence[int], why: str, now: datetime) -> list[int]:
    """`Store.erase`, but for the log."""
    wanted = msgspec.json.encode(sorted(set(seqs))).decode()
    found = list(db.execute(_ERASABLE, (wanted,)))
    entries = []
    for seq, message, partner, leaf, chunk, start, length, data_key in found:
        _overwrite(db, chunk, start, length if data_key is None else length + OVERHEAD)
        db.execute("UPDATE messages SET erased_at = ?, erased_why = ? WHERE seq = ?", (micros(now), why, seq))
        entries.append(erased_entry(message, partner, leaf, why, now))
        if data_key is not None:
            _one_less(db, chunk, data_key)
    for key in _spent(db):
        db.execute(
            "UPDATE data_keys SET wrapped = NULL, destroyed_at = ? WHERE number = ?",
            (micros(now), key.number),
        )
        keys.forget(key)
        entries.append(key_entry(f"data_key_destroyed:{key.month}#{key.number}", key.wrapped, now))
    append(db, entries)
    return [row[0] for row in found]


def _overwrite(db: apsw.Connection, chunk: int, start: int, length: int) -> None:
    with db.blob_open("main", "chunks", "data", chunk, True) as blob:
        blob.seek(start)
        blob.write(bytes(length))


def _one_less(db: apsw.Connection, chunk: int, data_key: int) -> None:
    """Count a body out, and free the chunk with its last one."""
    live = db.execute("UPDATE ciphertexts SET live = live - 1 WHERE chunk = ? RETURNING live", (chunk,)).get
    db.execute("UPDATE data_keys SET live = live - 1 WHERE number = ?", (data_key,))
    if live == 0:
        db.execute("UPDATE chunks SET data = x'' WHERE chunk = ?", (chunk,))


def _spent(db: apsw.Connection) -> list[DataKey]:
    """Data keys under which nothing is left to read."""
    sql = "SELECT number, month, wrapped FROM data_keys WHERE live = 0 AND used > 0 AND wrapped IS NOT NULL"
    return [DataKey(*row) for row in db.execute(sql)]


def scrub(path: Path) -> None:
    """Move the log into the file and cut it to nothing: what was overwritten is then gone from both. StoreError if another
    process reads from the log for longer than anybody should."""
    try:
        db = connect(path, write=True)
        try:
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            db.close()
    except apsw.BusyError as error:
        raise StoreError(
            "it is erased, but a copy may be left in the store's log, which another process is reading",
            do="do the same again when that process is done",
        ) from error
    except apsw.Error as error:
        raise store_error(error) from error


def hold(
    db: apsw.Connection,
    message: MessageId | None,
    agreement: AgreementId | None,
    reference: str,
    now: datetime,
) -> Hold:
    """`Store.hold`."""
    found = db.execute(_HOLD, (message, agreement)).fetchone()
    if found is not None:
        return hold_row(found)
    db.execute(
        "INSERT INTO holds (message, agreement, reference, at) VALUES (?, ?, ?, ?)",
        (message, agreement, reference, micros(now)),
    )
    new = Hold(db.last_insert_rowid(), message, agreement, reference, now)
    append(db, [hold_entry(new, now, released=False)])
    return new


def release(db: apsw.Connection, number: int, now: datetime) -> Hold | None:
    """`Store.release`."""
    found = db.execute(_RELEASE, (micros(now), number)).fetchone()
    if found is None:
        return None
    ended = hold_row(found)
    append(db, [hold_entry(ended, now, released=True)])
    return ended
