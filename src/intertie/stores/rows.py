"""Rows of the schema (the same in every engine) to what the ports speak, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from intertie.exchange.outbound import State
from intertie.gateway.ports import Erased, Hold, MessageRow, NewMessage, ParcelRow, Refusal
from intertie.model.errors import StoreError
from intertie.seal.body_cipher import OVERHEAD
from intertie.seal.certificates import Chain
from intertie.seal.transport import Transport

Row = tuple[Any, ...]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TRANSPORT = msgspec.json.Decoder(Transport)
_CHAIN = msgspec.json.Decoder(Chain)

# The order of MessageRow, without its body, then where the body is and which key opens it.
MESSAGE_COLUMNS = """m.seq, m.outgoing, m.id, m.sender, m.recipient, m.interface, m.document, m.mode, m.conversation,
    m.agreement, m.created, m.expires, m.priority, m.state, m.leaf, p.id, m.position, m.at, m.done_at, m.attempts,
    m.next_attempt, m.detail, m.length, m.erased_at, m.erased_why, m.chunk, m.start, k.number, k.month, k.wrapped"""
MESSAGE_FROM = """messages AS m LEFT JOIN parcels AS p ON p.number = m.parcel
    LEFT JOIN ciphertexts AS x ON x.chunk = m.chunk LEFT JOIN data_keys AS k ON k.number = x.data_key"""
PARCEL_COLUMNS = (
    "p.id, p.outgoing, p.partner, p.digest, c.data, p.manifest, p.leaves, p.receipt, p.at, p.transport"
)
PARCEL_FROM = "parcels AS p LEFT JOIN chunks AS c ON c.chunk = p.chunk"
HOLD_COLUMNS = "number, message, agreement, reference, at"
REFUSAL_COLUMNS = "at, partner, parcel, message, code, step, detail, digest"

# The order of `new_rows`.
NEW_COLUMNS = """seq, outgoing, id, sender, recipient, interface, document, mode, conversation,
    agreement, created, expires, priority, state, leaf, parcel, position, at, done_at, chunk, start, length"""
INSERT_MESSAGE = f"""INSERT INTO messages ({NEW_COLUMNS})
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""  # noqa: S608 - a constant


# By value: calling the enumeration costs as much as reading a column.
STATES = {state.value: state for state in State}


def micros(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - EPOCH) // _MICROSECOND


def moment(stored: int) -> datetime:
    """The time in UTC."""
    return EPOCH + timedelta(0, 0, stored)


def moment_or_none(stored: int | None) -> datetime | None:
    """The time in UTC, if there is one."""
    return None if stored is None else moment(stored)


def new_rows(
    messages: Sequence[NewMessage], first: int, chunk: int, now: int, *, parcel: int | None, done: bool
) -> Iterable[Row]:
    """Rows for INSERT_MESSAGE: queued (parcel None) or received, the bodies' ciphertexts end to end in `chunk`."""
    state = State.ACCEPTED.value if done else State.QUEUED.value
    start = 0
    for seq, m in enumerate(messages, first):
        length = len(m.body)
        yield (
            *(
                seq,
                0 if done else 1,
                m.id,
                m.sender,
                m.recipient,
                m.interface,
                m.document,
                m.mode,
                m.conversation,
            ),
            *(m.agreement, micros(m.created), micros(m.expires), m.priority, state, m.leaf, parcel),
            *(m.position if done else None, now, now if done else None, chunk, start, length),
        )
        start += length + OVERHEAD


def index_rows(found: Iterable[Row]) -> list[MessageRow]:
    """Rows of MESSAGE_COLUMNS without their bodies."""
    return [message_row(row, b"") for row in found]


def message_row(r: Row, body: bytes) -> MessageRow:
    """A row of MESSAGE_COLUMNS with the body that was read for it."""
    return MessageRow._make(  # by place, in the order of MESSAGE_COLUMNS: thousands are made for a parcel
        (
            r[0],
            r[1] != 0,
            *r[2:10],
            moment(r[10]),
            moment(r[11]),
            r[12],
            STATES[r[13]],
            *r[14:17],
            moment(r[17]),
            None if r[18] is None else moment(r[18]),
            r[19],
            None if r[20] is None else moment(r[20]),
            r[21],
            body,
            r[22],
            None if r[23] is None else Erased(moment(r[23]), r[24]),
        )
    )


def parcel_row(r: Row) -> ParcelRow:
    """A row of PARCEL_COLUMNS."""
    return ParcelRow(r[0], bool(r[1]), r[2], r[3], r[4], r[5], r[6], r[7], moment(r[8]), read_transport(r[9]))


def write_transport(transport: Transport | None) -> str | None:
    """The column `transport`."""
    return None if transport is None else msgspec.json.encode(transport).decode()


def read_transport(stored: str | None) -> Transport | None:
    """The column `transport`; StoreError if it is not what this program wrote."""
    try:
        return None if stored is None else _TRANSPORT.decode(stored)
    except msgspec.MsgspecError as error:
        raise StoreError("a parcel's transport cannot be read", do="restore the last backup") from error


def write_chain(chain: Chain) -> str:
    """A chain as the JSON array of its certificates in base64."""
    return msgspec.json.encode(chain).decode()


def read_chain(stored: str) -> Chain:
    """What `write_chain` wrote; StoreError if it is not."""
    try:
        return _CHAIN.decode(stored)
    except msgspec.MsgspecError as error:
        raise StoreError("a certificate chain cannot be read", do="restore the last backup") from error


def refusal_row(r: Refusal) -> Row:
    """The values of REFUSAL_COLUMNS."""
    return (micros(r.at), r.partner, r.parcel, r.message, r.code, r.step, r.detail, r.digest)


def refusal(r: Row) -> Refusal:
    """A row of REFUSAL_COLUMNS."""
    return Refusal(moment(r[0]), *r[1:])


def hold_row(r: Row) -> Hold:
    """A row of HOLD_COLUMNS."""
    return Hold(r[0], r[1], r[2], r[3], moment(r[4]))


class DataKeyRow(NamedTuple):
    """A data key: which month it is for, which port wraps it, how many bodies were encrypted under it and are left."""

    number: int
    month: str
    port: str
    made_at: datetime
    used: int
    live: int
    destroyed_at: datetime | None


DATA_KEY_COLUMNS = "number, month, port, made_at, used, live, destroyed_at"


def data_key_row(r: Row) -> DataKeyRow:
    """A row of DATA_KEY_COLUMNS."""
    return DataKeyRow(r[0], r[1], r[2], moment(r[3]), r[4], r[5], moment_or_none(r[6]))
