"""The data keys of a PostgreSQL store as its keeper sees them: which there are, what is not encrypted yet, another key port."""

from __future__ import annotations

from datetime import datetime

from intertie.seal.body_cipher import OVERHEAD, BodyKeys, BodyName, DataKey
from intertie.seal.key_port import KeyPort
from intertie.stores.erasing import key_entry
from intertie.stores.postgres_bodies import bind, current_key
from intertie.stores.postgres_journal import append, many
from intertie.stores.postgres_schema import Db, get
from intertie.stores.rows import DATA_KEY_COLUMNS, DataKeyRow, data_key_row, moment

_OPEN = "SELECT number, month, wrapped FROM data_keys WHERE wrapped IS NOT NULL ORDER BY number"
_BODIES = """SELECT seq, outgoing, id, leaf, at, start, length, erased_at FROM messages
    WHERE seq BETWEEN %s AND %s AND chunk = %s ORDER BY seq"""


def data_keys(db: Db) -> list[DataKeyRow]:
    """All data keys there ever were."""
    found = db.execute(f"SELECT {DATA_KEY_COLUMNS} FROM data_keys ORDER BY number")  # noqa: S608 - a constant
    return [data_key_row(row) for row in found]


def unprotected(db: Db) -> int:
    """How many chunks still hold bodies as they were before there was encryption."""
    return int(get(db, "SELECT count(*) FROM unprotected"))


def unlock(db: Db, keys: BodyKeys) -> None:
    """StoreLockedError unless every data key opens."""
    for row in db.execute(_OPEN, binary=True):
        keys.cipher(DataKey(*row))


def protect_one(db: Db, keys: BodyKeys) -> int:
    """Encrypt the bodies of one chunk of before, under the key of their month; how many chunks are left."""
    found = db.execute("SELECT chunk, first, last FROM unprotected ORDER BY chunk LIMIT 1").fetchone()
    if found is None:
        return 0
    chunk, first, last = found
    rows = db.execute(_BODIES, (first, last, chunk), binary=True).fetchall()
    data = get(db, "SELECT data FROM chunks WHERE chunk = %s", (chunk,))
    bodies, starts, place = [], [], 0
    for seq, outgoing, message, leaf, _, start, length, erased_at in rows:
        if erased_at is None:
            bodies.append((BodyName(seq, bool(outgoing), message, leaf), data[start : start + length]))
            starts.append((place, seq))
            place += length + OVERHEAD
    key = current_key(db, keys, len(bodies), moment(rows[0][4]))
    db.execute("UPDATE chunks SET data = %b WHERE chunk = %s", (keys.cipher(key).seal(bodies), chunk))
    many(db, "UPDATE messages SET start = %s WHERE seq = %s", starts)
    bind(db, chunk, key, len(bodies))
    db.execute("DELETE FROM unprotected WHERE chunk = %s", (chunk,))
    return unprotected(db)


def rewrap(db: Db, keys: BodyKeys, port: KeyPort, now: datetime) -> int:
    """Wrap every data key by another port; bodies stay as they are. How many keys there were."""
    found = [DataKey(*row) for row in db.execute(_OPEN, binary=True)]
    again = [keys.rewrap(key, port) for key in found]
    many(
        db,
        "UPDATE data_keys SET wrapped = %s, port = %s WHERE number = %s",
        [(key.wrapped, port.name, key.number) for key in again],
    )
    append(db, [key_entry(f"rewrapped:{port.name}", b"".join(key.wrapped for key in again), now)])
    return len(again)
