"""Reading from SQLite: what people and acts ask, each from one snapshot."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import apsw

from intertie.gateway.ports import Hold, MessageRow, ParcelRow, Query, Refusal
from intertie.journal.checkpoint import Head
from intertie.model.ids import DocumentName, InterfaceCode, MessageId, ParcelId, PartyId
from intertie.seal.body_cipher import BodyKeys
from intertie.seal.certificates import Chain
from intertie.stores.open_messages import is_open, open_messages
from intertie.stores.rows import (
    HOLD_COLUMNS,
    MESSAGE_COLUMNS,
    MESSAGE_FROM,
    PARCEL_COLUMNS,
    PARCEL_FROM,
    REFUSAL_COLUMNS,
    hold_row,
    index_rows,
    micros,
    parcel_row,
    read_chain,
    refusal,
)
from intertie.stores.sqlite_bodies import message_rows

_PARTNER = "CASE m.outgoing WHEN 1 THEN m.recipient ELSE m.sender END"


def message(
    db: apsw.Connection,
    keys: BodyKeys,
    wanted: MessageId,
    outgoing: bool | None,
    partner: PartyId | None,
    body: bool,
) -> MessageRow | None:
    """`Store.message`."""
    sql = f"""SELECT {MESSAGE_COLUMNS} FROM {MESSAGE_FROM} WHERE m.id = :id
        AND (:outgoing IS NULL OR m.outgoing = :outgoing) AND (:partner IS NULL OR {_PARTNER} = :partner)
        ORDER BY m.seq LIMIT 1"""  # noqa: S608
    side = None if outgoing is None else int(outgoing)
    rows = db.execute(sql, {"id": wanted, "outgoing": side, "partner": partner})
    found = message_rows(db, keys, rows) if body else index_rows(rows)
    return found[0] if found else None


def select_messages(query: Query) -> tuple[str, dict[str, Any]]:
    """The statement for `Store.messages` and its values."""
    where = ["m.outgoing = :outgoing", "m.seq > :after"]
    values: dict[str, Any] = {"outgoing": int(query.outgoing), "after": query.after, "limit": query.limit}
    if query.partner is not None:
        where.append("m.recipient = :partner" if query.outgoing else "m.sender = :partner")
        values["partner"] = query.partner
    if query.document is not None:
        where.append("m.document = :document")
        values["document"] = query.document
    if query.conversation is not None:
        where.append("m.conversation = :conversation")
        values["conversation"] = query.conversation
    if query.states is not None:
        names = {f"state{place}": state.value for place, state in enumerate(query.states)}
        where.append(f"m.state IN ({', '.join(f':{name}' for name in names)})")
        values |= names
    if is_open(query):
        where.append(open_messages(query, lambda name: f":{name}"))
    sql = f"SELECT {MESSAGE_COLUMNS} FROM {MESSAGE_FROM} WHERE {' AND '.join(where)} ORDER BY m.seq LIMIT :limit"  # noqa: S608
    return sql, values


def messages(db: apsw.Connection, keys: BodyKeys, query: Query) -> list[MessageRow]:
    """`Store.messages`."""
    rows = db.execute(*select_messages(query))
    return message_rows(db, keys, rows) if query.bodies else index_rows(rows)


def parcel(
    db: apsw.Connection, wanted: ParcelId, outgoing: bool, partner: PartyId | None
) -> ParcelRow | None:
    """`Store.parcel`."""
    sql = f"""SELECT {PARCEL_COLUMNS} FROM {PARCEL_FROM} WHERE p.id = :id AND p.outgoing = :outgoing
        AND (:partner IS NULL OR p.partner = :partner) ORDER BY p.number LIMIT 1"""  # noqa: S608
    found = db.execute(sql, {"id": wanted, "outgoing": int(outgoing), "partner": partner}).fetchone()
    return parcel_row(found) if found else None


def parcel_messages(
    db: apsw.Connection, keys: BodyKeys, wanted: ParcelId, outgoing: bool, partner: PartyId | None
) -> list[MessageRow]:
    """`Store.parcel_messages`."""
    sql = f"""SELECT {MESSAGE_COLUMNS} FROM {MESSAGE_FROM}
        WHERE m.parcel = (SELECT number FROM parcels WHERE id = :id AND outgoing = :outgoing
            AND (:partner IS NULL OR partner = :partner) ORDER BY number LIMIT 1)
        ORDER BY m.position"""  # noqa: S608
    found = db.execute(sql, {"id": wanted, "outgoing": int(outgoing), "partner": partner})
    return message_rows(db, keys, found)


def refusals(db: apsw.Connection, after: int, limit: int) -> list[tuple[int, Refusal]]:
    """`Store.refusals`."""
    sql = f"SELECT seq, {REFUSAL_COLUMNS} FROM refusals WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
    return [(row[0], refusal(row[1:])) for row in db.execute(sql, (after, limit))]


def counts(db: apsw.Connection) -> dict[tuple[bool, str], int]:
    """`Store.counts`."""
    found = db.execute("SELECT outgoing, state, count FROM tallies WHERE count > 0")
    return {(bool(outgoing), state): count for outgoing, state, count in found}


def partner_heads(db: apsw.Connection, partner: PartyId) -> list[Head]:
    """`Store.partner_heads`."""
    found = db.execute("SELECT size, root FROM partner_heads WHERE partner = ? ORDER BY number", (partner,))
    return [Head(size, root) for size, root in found]


def chain(db: apsw.Connection, thumbprint: bytes) -> Chain | None:
    """`Store.chain`."""
    found = db.execute("SELECT chain FROM chains WHERE thumbprint = ?", (thumbprint,)).get
    return None if found is None else read_chain(found)


def announced(db: apsw.Connection, partner: PartyId) -> int:
    """`Store.announced`."""
    return int(db.execute("SELECT announced FROM partners WHERE party = ?", (partner,)).get or 0)


def ended(
    db: apsw.Connection,
    interface: InterfaceCode,
    document: DocumentName,
    mode: str,
    before: datetime,
    after: int,
    limit: int,
) -> list[MessageRow]:
    """`Store.ended`."""
    sql = f"""SELECT {MESSAGE_COLUMNS} FROM {MESSAGE_FROM} WHERE m.document = ? AND m.outgoing IN (0, 1)
        AND m.interface = ? AND m.mode = ? AND m.done_at < ? AND m.erased_at IS NULL
        AND m.seq > ? ORDER BY m.seq LIMIT ?"""  # noqa: S608
    return index_rows(db.execute(sql, (document, interface, mode, micros(before), after, limit)))


def holds(db: apsw.Connection) -> list[Hold]:
    """`Store.holds`."""
    sql = f"SELECT {HOLD_COLUMNS} FROM holds WHERE released_at IS NULL ORDER BY number"  # noqa: S608
    return [hold_row(row) for row in db.execute(sql)]
