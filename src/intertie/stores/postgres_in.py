"""Receiving into PostgreSQL: operations for the writer, questions for readers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from intertie.exchange.outbound import ParcelState, State
from intertie.gateway.ports import NewMessage, ParcelRow, ReceiptWriter, Refusal
from intertie.model.ids import MessageId, ParcelId, PartyId
from intertie.seal.body_cipher import BodyKeys
from intertie.seal.receipt import Outcome
from intertie.stores import receiving
from intertie.stores.postgres_answers import keep_owed
from intertie.stores.postgres_bodies import keep_bodies
from intertie.stores.postgres_journal import (
    append,
    insert,
    keep_refusals,
    next_message_seq,
    next_number,
    tally,
)
from intertie.stores.postgres_schema import Db
from intertie.stores.postgres_trade import keep_arrived
from intertie.stores.rows import (
    NEW_COLUMNS,
    PARCEL_COLUMNS,
    PARCEL_FROM,
    micros,
    new_rows,
    parcel_row,
    write_transport,
)

_FIND_PARCEL = (
    f"SELECT {PARCEL_COLUMNS} FROM {PARCEL_FROM} WHERE p.id = %s AND p.outgoing = 0 AND p.partner = %s"  # noqa: S608
)
_FIND_MESSAGES = "SELECT id, leaf FROM messages WHERE id = ANY(%s) AND sender = %s AND outgoing = 0"
_INSERT_PARCEL = """INSERT INTO parcels
    (number, id, outgoing, partner, digest, manifest, leaves, receipt, at, transport, state)
    VALUES (%s, %s, 0, %s, %s, %s, %s, %s, %s, %s, %s)"""


def find_parcel(db: Db, partner: PartyId, parcel: ParcelId) -> ParcelRow | None:
    """A parcel received before."""
    found = db.execute(_FIND_PARCEL, (parcel, partner), binary=True).fetchone()
    return parcel_row(found) if found else None


def find_messages(db: Db, sender: PartyId, ids: Sequence[MessageId]) -> dict[MessageId, bytes]:
    """Leaf hashes of what is kept under these ids."""
    return dict(db.execute(_FIND_MESSAGES, (list(ids), sender), binary=True))


def accept(
    db: Db,
    keys: BodyKeys,
    parcel: ParcelRow,
    messages: Sequence[NewMessage],
    refusals: Sequence[Refusal],
    outcomes: Sequence[Outcome],
    write_receipt: ReceiptWriter,
    now: datetime,
) -> bytes:
    """`Store.accept`, under the journal's lock: what was looked up before may have changed, so it is looked up again."""
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


def refuse(db: Db, refusal: Refusal) -> None:
    """`Store.refuse`."""
    keep_refusals(db, [refusal])
    append(db, [receiving.refusal_entry(refusal)])


def _keep_parcel(db: Db, parcel: ParcelRow, receipt: bytes) -> int:
    number = next_number(db, "parcels", "number")
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
    db.execute(_INSERT_PARCEL, (number, *values, ParcelState.RECEIPTED.value))
    return number


def _keep_messages(db: Db, keys: BodyKeys, messages: Sequence[NewMessage], number: int, now: datetime) -> int:
    """The first one's seq."""
    if not messages:
        return 0
    first = next_message_seq(db)
    chunk = keep_bodies(db, keys, messages, first, now, outgoing=False)
    rows = list(new_rows(messages, first, chunk, micros(now), parcel=number, done=True))
    insert(db, "messages", NEW_COLUMNS, rows)
    tally(db, False, State.ACCEPTED, len(messages))
    return first
