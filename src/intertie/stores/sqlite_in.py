"""Receiving into SQLite: operations for the writer, questions for readers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw
import msgspec

from intertie.exchange.outbound import ParcelState, State
from intertie.gateway.ports import NewMessage, ParcelRow, ReceiptWriter, Refusal
from intertie.model.ids import MessageId, ParcelId, PartyId
from intertie.seal.body_cipher import BodyKeys
from intertie.seal.receipt import Outcome
from intertie.stores import receiving
from intertie.stores.rows import (
    INSERT_MESSAGE,
    PARCEL_COLUMNS,
    PARCEL_FROM,
    micros,
    new_rows,
    parcel_row,
    write_transport,
)
from intertie.stores.sqlite_answers import keep_owed
from intertie.stores.sqlite_bodies import keep_bodies
from intertie.stores.sqlite_journal import append, keep_refusals, next_message_seq, tally
from intertie.stores.sqlite_trade import keep_arrived

_FIND_PARCEL = (
    f"SELECT {PARCEL_COLUMNS} FROM {PARCEL_FROM} WHERE p.id = ? AND p.outgoing = 0 AND p.partner = ?"  # noqa: S608
)
_FIND_MESSAGES = """SELECT m.id, m.leaf FROM json_each(?) AS wanted
    CROSS JOIN messages AS m ON m.id = wanted.value AND m.sender = ? AND m.outgoing = 0"""
_INSERT_PARCEL = """INSERT INTO parcels (id, outgoing, partner, digest, manifest, leaves, receipt, at, transport, state)
    VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?)"""


def find_parcel(db: apsw.Connection, partner: PartyId, parcel: ParcelId) -> ParcelRow | None:
    """A parcel received before."""
    found = db.execute(_FIND_PARCEL, (parcel, partner)).fetchone()
    return parcel_row(found) if found else None


def find_messages(db: apsw.Connection, sender: PartyId, ids: Sequence[MessageId]) -> dict[MessageId, bytes]:
    """Leaf hashes of what is kept under these ids."""
    return dict(db.execute(_FIND_MESSAGES, (msgspec.json.encode(ids).decode(), sender)))


def accept(
    db: apsw.Connection,
    keys: BodyKeys,
    parcel: ParcelRow,
    messages: Sequence[NewMessage],
    refusals: Sequence[Refusal],
    outcomes: Sequence[Outcome],
    write_receipt: ReceiptWriter,
    now: datetime,
) -> bytes:
    """`Store.accept`, under the write lock: what was looked up before may have changed, so it is looked up again."""
    known = find_parcel(db, parcel.partner, parcel.id)
    if known is not None:
        return receiving.check_repeat(parcel, known)
    held = find_messages(db, parcel.partner, [message.id for message in messages])
    settled = receiving.settle(parcel, messages, refusals, outcomes, held, now)
    head = append(db, receiving.arrival_entries(parcel, settled, now))
    receipt = write_receipt(settled.outcomes, head)
    number = _keep_parcel(db, parcel, receipt)
    first = _keep_messages(db, keys, settled.messages, number, now)
    keep_arrived(db, parcel, settled.messages, first)
    keep_refusals(db, settled.refusals)
    keep_owed(db, parcel)
    append(db, [receiving.receipt_entry(parcel, receipt, now)])
    return receipt


def refuse(db: apsw.Connection, refusal: Refusal) -> None:
    """`Store.refuse`."""
    keep_refusals(db, [refusal])
    append(db, [receiving.refusal_entry(refusal)])


def _keep_parcel(db: apsw.Connection, parcel: ParcelRow, receipt: bytes) -> int:
    values = (
        parcel.id,
        parcel.partner,
        parcel.digest,
        parcel.manifest,
        parcel.leaves,
        receipt,
        micros(parcel.at),
        write_transport(parcel.transport),
    )
    db.execute(_INSERT_PARCEL, (*values, ParcelState.RECEIPTED.value))
    return db.last_insert_rowid()


def _keep_messages(
    db: apsw.Connection, keys: BodyKeys, messages: Sequence[NewMessage], number: int, now: datetime
) -> int:
    """The first one's seq."""
    if not messages:
        return 0
    first = next_message_seq(db)
    chunk = keep_bodies(db, keys, messages, first, now, outgoing=False)
    db.executemany(INSERT_MESSAGE, new_rows(messages, first, chunk, micros(now), parcel=number, done=True))
    tally(db, False, State.ACCEPTED, len(messages))
    return first
