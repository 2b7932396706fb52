"""Bodies in SQLite: encrypted when they are kept, decrypted when they are read, under the data key of their month."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import apsw

from intertie.gateway.ports import MessageRow, NewMessage
from intertie.seal.body_cipher import OVERHEAD, USES_MAX, BodyKeys, BodyName, DataKey
from intertie.stores.rows import Row, message_row, micros
from intertie.stores.sqlite_journal import keep_chunk

_OF_MONTH = """SELECT number, month, wrapped, used FROM data_keys WHERE month = ? AND wrapped IS NOT NULL
    ORDER BY number DESC LIMIT 1"""
_NEWEST = (
    "SELECT number, month, wrapped FROM data_keys WHERE wrapped IS NOT NULL ORDER BY number DESC LIMIT 1"
)


def current_key(db: apsw.Connection, keys: BodyKeys, bodies: int, now: datetime) -> DataKey:
    """The data key for so many more bodies of this month; a new one for a new month, or when one has done its work.

    StoreLockedError if the port does not open the newest key: a store never goes on under a port that is not its own.
    """
    month = now.astimezone(UTC).strftime("%Y-%m")
    found = db.execute(_OF_MONTH, (month,)).fetchone()
    if found is not None and found[3] + bodies <= USES_MAX:
        return DataKey(*found[:3])
    newest = db.execute(_NEWEST).fetchone()
    if newest is not None:
        keys.cipher(DataKey(*newest))
    number = int(db.execute("SELECT coalesce(max(number), 0) + 1 FROM data_keys").get)
    key = keys.make(number, month)
    db.execute(
        "INSERT INTO data_keys (number, month, port, wrapped, made_at) VALUES (?, ?, ?, ?, ?)",
        (key.number, key.month, keys.port_name, key.wrapped, micros(now)),
    )
    return key


def keep_bodies(
    db: apsw.Connection,
    keys: BodyKeys,
    messages: Sequence[NewMessage],
    first: int,
    now: datetime,
    *,
    outgoing: bool,
) -> int:
    """The number of the chunk that holds the bodies of these messages, encrypted; their seqs begin at `first`."""
    key = current_key(db, keys, len(messages), now)
    named = [
        (BodyName(seq, outgoing, message.id, message.leaf), message.body)
        for seq, message in enumerate(messages, first)
    ]
    chunk = keep_chunk(db, keys.cipher(key).seal(named))
    bind(db, chunk, key, len(messages))
    return chunk


def bind(db: apsw.Connection, chunk: int, key: DataKey, bodies: int) -> None:
    """A chunk holds so many ciphertexts under this key."""
    db.execute("INSERT INTO ciphertexts VALUES (?, ?, ?)", (chunk, key.number, bodies))
    db.execute(
        "UPDATE data_keys SET used = used + ?, live = live + ? WHERE number = ?", (bodies, bodies, key.number)
    )


def message_rows(db: apsw.Connection, keys: BodyKeys, found: Iterable[Row]) -> list[MessageRow]:
    """Rows of MESSAGE_COLUMNS with their bodies, read by chunk and place without loading whole chunks."""
    rows = list(found)
    built: list[MessageRow] = []
    blob, at = None, None
    try:
        for row in rows:
            chunk, start, number, month, wrapped = row[-5:]
            seq, outgoing, id, leaf, size, erased = row[0], row[1], row[2], row[14], row[22], row[23]
            if erased is not None:
                built.append(message_row(row, b""))
                continue
            if blob is None:
                blob = db.blob_open("main", "chunks", "data", chunk, False)
            elif chunk != at:
                blob.reopen(chunk)
            at = chunk
            blob.seek(start)
            if number is None:
                body = blob.read(size)
            else:
                name = BodyName(seq, bool(outgoing), id, leaf)
                sealed = blob.read(size + OVERHEAD)
                body = keys.cipher(DataKey(number, month, wrapped)).open(name, sealed)
            built.append(message_row(row, body))
    finally:
        if blob is not None:
            blob.close()
    return built
