"""Bodies in PostgreSQL: encrypted when they are kept, decrypted when they are read, under the data key of their month."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from intertie.gateway.ports import MessageRow, NewMessage
from intertie.seal.body_cipher import OVERHEAD, USES_MAX, BodyKeys, BodyName, DataKey
from intertie.stores.postgres_journal import keep_chunk, next_number
from intertie.stores.postgres_schema import Db
from intertie.stores.rows import MESSAGE_COLUMNS, MESSAGE_FROM, Row, message_row, micros

_OF_MONTH = """SELECT number, month, wrapped, used FROM data_keys WHERE month = %s AND wrapped IS NOT NULL
    ORDER BY number DESC LIMIT 1"""
_NEWEST = (
    "SELECT number, month, wrapped FROM data_keys WHERE wrapped IS NOT NULL ORDER BY number DESC LIMIT 1"
)
# As rows.MESSAGE_COLUMNS, then the body's bytes as they lie there: of a large value only that part is read.
BODY_COLUMNS = f"""{MESSAGE_COLUMNS}, CASE WHEN m.erased_at IS NULL THEN substring(b.data FROM (m.start + 1)::int
    FOR (m.length + CASE WHEN x.chunk IS NULL THEN 0 ELSE {OVERHEAD} END)::int) END"""
BODY_FROM = f"{MESSAGE_FROM} JOIN chunks AS b ON b.chunk = m.chunk"


def current_key(db: Db, keys: BodyKeys, bodies: int, now: datetime) -> DataKey:
    """The data key for so many more bodies of this month; a new one for a new month, or when one has done its work.

    StoreLockedError if the port does not open the newest key: a store never goes on under a port that is not its own.
    """
    month = now.astimezone(UTC).strftime("%Y-%m")
    found = db.execute(_OF_MONTH, (month,), binary=True).fetchone()
    if found is not None and found[3] + bodies <= USES_MAX:
        return DataKey(*found[:3])
    newest = db.execute(_NEWEST, binary=True).fetchone()
    if newest is not None:
        keys.cipher(DataKey(*newest))
    key = keys.make(next_number(db, "data_keys", "number"), month)
    db.execute(
        "INSERT INTO data_keys (number, month, port, wrapped, made_at) VALUES (%s, %s, %s, %s, %s)",
        (key.number, key.month, keys.port_name, key.wrapped, micros(now)),
    )
    return key


def keep_bodies(
    db: Db, keys: BodyKeys, messages: Sequence[NewMessage], first: int, now: datetime, *, outgoing: bool
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


def bind(db: Db, chunk: int, key: DataKey, bodies: int) -> None:
    """A chunk holds so many ciphertexts under this key."""
    db.execute("INSERT INTO ciphertexts VALUES (%s, %s, %s)", (chunk, key.number, bodies))
    db.execute(
        "UPDATE data_keys SET used = used + %s, live = live + %s WHERE number = %s",
        (bodies, bodies, key.number),
    )


def message_rows(keys: BodyKeys, found: Iterable[Row]) -> list[MessageRow]:
    """Rows of BODY_COLUMNS with their bodies opened."""
    built = []
    for row in found:
        number, month, wrapped, raw = row[-4:]
        if raw is None:
            built.append(message_row(row, b""))
        elif number is None:
            built.append(message_row(row, raw))
        else:
            name = BodyName(row[0], bool(row[1]), row[2], row[14])
            built.append(message_row(row, keys.cipher(DataKey(number, month, wrapped)).open(name, raw)))
    return built
