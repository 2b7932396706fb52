"""Erasing from PostgreSQL: the body's row is written again without it, and the dead copy is vacuumed away.

The server's files may keep the dead bytes, which are ciphertext, until it writes over them: docs/stores.md says for how long.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime

import psycopg

from intertie.gateway.ports import Hold
from intertie.model.errors import StoreError
from intertie.model.ids import AgreementId, MessageId
from intertie.seal.body_cipher import OVERHEAD, BodyKeys, DataKey
from intertie.stores.erasing import erased_entry, hold_entry, key_entry
from intertie.stores.postgres_journal import append, next_number, plain
from intertie.stores.postgres_schema import Db, Server, connect, get, store_error
from intertie.stores.rows import HOLD_COLUMNS, hold_row, micros

# A held message may have been held since the caller looked: the store decides, under the journal's lock.
_ERASABLE = """SELECT m.seq, m.id, CASE m.outgoing WHEN 1 THEN m.recipient ELSE m.sender END, m.leaf, m.chunk, m.start,
    m.length, x.data_key FROM messages AS m LEFT JOIN ciphertexts AS x ON x.chunk = m.chunk
    WHERE m.seq = ANY(%s::bigint[]) AND m.done_at IS NOT NULL AND m.erased_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM holds AS h WHERE h.released_at IS NULL
        AND (h.message = m.id OR h.agreement = m.agreement)) ORDER BY m.seq"""
_OVERWRITE = "UPDATE chunks SET data = overlay(data PLACING %b FROM %s::int) WHERE chunk = %s"
_HOLD = f"""SELECT {HOLD_COLUMNS} FROM holds WHERE released_at IS NULL
    AND message IS NOT DISTINCT FROM %s AND agreement IS NOT DISTINCT FROM %s"""  # noqa: S608
_RELEASE = f"""UPDATE holds SET released_at = %s WHERE number = %s AND released_at IS NULL
    RETURNING {HOLD_COLUMNS}"""  # noqa: S608


def erase(db: Db, keys: BodyKeys, seqs: Sequence[int], why: str, now: datetime) -> list[int]:
    """`Store.erase`, but for the vacuuming."""
    found = db.execute(_ERASABLE, (sorted(set(seqs)),), binary=True).fetchall()
    entries = []
    for seq, message, partner, leaf, chunk, start, length, data_key in found:
        zeros = bytes(length if data_key is None else length + OVERHEAD)
        db.execute(_OVERWRITE, (zeros, start + 1, chunk))
        db.execute(
            "UPDATE messages SET erased_at = %s, erased_why = %s WHERE seq = %s", (micros(now), why, seq)
        )
        entries.append(erased_entry(message, partner, leaf, why, now))
        if data_key is not None:
            _one_less(db, chunk, data_key)
    for key in _spent(db):
        db.execute(
            "UPDATE data_keys SET wrapped = NULL, destroyed_at = %s WHERE number = %s",
            (micros(now), key.number),
        )
        keys.forget(key)
        entries.append(key_entry(f"data_key_destroyed:{key.month}#{key.number}", key.wrapped, now))
    append(db, entries)
    return [row[0] for row in found]


def _one_less(db: Db, chunk: int, data_key: int) -> None:
    """Count a body out, and free the chunk with its last one."""
    live = get(db, "UPDATE ciphertexts SET live = live - 1 WHERE chunk = %s RETURNING live", (chunk,))
    db.execute("UPDATE data_keys SET live = live - 1 WHERE number = %s", (data_key,))
    if live == 0:
        db.execute("UPDATE chunks SET data = ''::bytea WHERE chunk = %s", (chunk,))


def _spent(db: Db) -> list[DataKey]:
    """Data keys under which nothing is left to read."""
    sql = "SELECT number, month, wrapped FROM data_keys WHERE live = 0 AND used > 0 AND wrapped IS NOT NULL"
    return [DataKey(*row) for row in db.execute(sql, binary=True)]


def scrub(server: Server) -> None:
    """Give the room of dead bodies and keys back, to be written over. StoreError if that is not possible now."""
    try:
        with closing(connect(server, write=True)) as db:
            db.execute("VACUUM chunks, data_keys")
    except psycopg.Error as error:
        raise StoreError(
            f"it is erased, but dead copies are not vacuumed yet: {store_error(error).why}",
            do="do the same again, or run VACUUM on the database",
        ) from error


def hold(
    db: Db, message: MessageId | None, agreement: AgreementId | None, reference: str, now: datetime
) -> Hold:
    """`Store.hold`."""
    found = db.execute(_HOLD, (message, agreement)).fetchone()
    if found is not None:
        return hold_row(found)
    new = Hold(next_number(db, "holds", "number"), message, agreement, plain(reference), now)
    db.execute(
        "INSERT INTO holds (number, message, agreement, reference, at) VALUES (%s, %s, %s, %s, %s)",
        (*new[:4], micros(now)),
    )
    append(db, [hold_entry(new, now, released=False)])
    return new


def release(db: Db, number: int, now: datetime) -> Hold | None:
    """`Store.release`."""
    found = db.execute(_RELEASE, (micros(now), number)).fetchone()
    if found is None:
        return None
    ended = hold_row(found)
    append(db, [hold_entry(ended, now, released=True)])
    return ended
