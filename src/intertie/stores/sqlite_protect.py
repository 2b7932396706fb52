"""The data keys of a SQLite store as its keeper sees them: which there are, what is not encrypted yet, another key port."""

from __future__ import annotations

from datetime import datetime

import apsw

from intertie.seal.body_cipher import OVERHEAD, BodyKeys, BodyName, DataKey
from intertie.seal.key_port import KeyPort
from intertie.stores.erasing import key_entry
from intertie.stores.rows import DATA_KEY_COLUMNS, DataKeyRow, data_key_row, moment
from intertie.stores.sqlite_bodies import bind, current_key
from intertie.stores.sqlite_journal import append


def data_keys(db: apsw.Connection) -> list[DataKeyRow]:
    """All data keys there ever were."""
    found = db.execute(f"SELECT {DATA_KEY_COLUMNS} FROM data_keys ORDER BY number")  # noqa: S608 - a constant
    return [data_key_row(row) for row in found]


def unprotected(db: apsw.Connection) -> int:
    """How many chunks still hold bodies as they were before there was encryption."""
    return int(db.execute("SELECT count(*) FROM unprotected").get)


def unlock(db: apsw.Connection, keys: BodyKeys) -> None:
    """StoreLockedError unless every data key opens."""
    for row in db.execute("SELECT number, month, wrapped FROM data_keys WHERE wrapped IS NOT NULL"):
        keys.cipher(DataKey(*row))


def protect_one(db: apsw.Connection, keys: BodyKeys) -> int:
    """Encrypt the bodies of one chunk of before, under the key of their month; how many chunks are left."""
    found = db.execute("SELECT chunk, first, last FROM unprotected ORDER BY chunk LIMIT 1").fetchone()
    if found is None:
        return 0
    chunk, first, last = found
    rows = list(
        db.execute(
            """SELECT seq, outgoing, id, leaf, at, start, length, erased_at FROM messages
            WHERE seq BETWEEN ? AND ? AND chunk = ? ORDER BY seq""",
            (first, last, chunk),
        )
    )
    data = db.execute("SELECT data FROM chunks WHERE chunk = ?", (chunk,)).get
    bodies, starts, place = [], [], 0
    for seq, outgoing, message, leaf, _, start, length, erased_at in rows:
        if erased_at is None:
            body = data[start : start + length]
            bodies.append((BodyName(seq, bool(outgoing), message, leaf), body))
            starts.append((place, seq))
            place += length + OVERHEAD
    key = current_key(db, keys, len(bodies), moment(rows[0][4]))
    db.execute("UPDATE chunks SET data = ? WHERE chunk = ?", (keys.cipher(key).seal(bodies), chunk))
    db.executemany("UPDATE messages SET start = ? WHERE seq = ?", starts)
    bind(db, chunk, key, len(bodies))
    db.execute("DELETE FROM unprotected WHERE chunk = ?", (chunk,))
    return unprotected(db)


def rewrap(db: apsw.Connection, keys: BodyKeys, port: KeyPort, now: datetime) -> int:
    """Wrap every data key by another port; bodies stay as they are. How many keys there were."""
    found = [
        DataKey(*row)
        for row in db.execute("SELECT number, month, wrapped FROM data_keys WHERE wrapped IS NOT NULL")
    ]
    again = [keys.rewrap(key, port) for key in found]
    db.executemany(
        "UPDATE data_keys SET wrapped = ?, port = ? WHERE number = ?",
        [(key.wrapped, port.name, key.number) for key in again],
    )
    append(db, [key_entry(f"rewrapped:{port.name}", b"".join(key.wrapped for key in again), now)])
    return len(again)
