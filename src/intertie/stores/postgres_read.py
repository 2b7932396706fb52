"""Reading from PostgreSQL: what people and acts ask, each from one snapshot."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from intertie.gateway.ports import Hold, MessageRow, ParcelRow, Query, Refusal
from intertie.journal.checkpoint import Head
from intertie.model.ids import DocumentName, InterfaceCode, MessageId, ParcelId, PartyId
from intertie.seal.body_cipher import BodyKeys
from intertie.seal.certificates import Chain
from intertie.stores.open_messages import is_open, open_messages
from intertie.stores.postgres_bodies import BODY_COLUMNS, BODY_FROM, message_rows
from intertie.stores.postgres_schema import Db, get
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

_PARTNER = "CASE m.outgoing WHEN 1 THEN m.recipient ELSE m.sender END"


def _rows(db: Db, keys: BodyKeys, rest: str, values: dict[str, Any], *, bodies: bool) -> list[MessageRow]:
    columns, tables = (BODY_COLUMNS, BODY_FROM) if bodies else (MESSAGE_COLUMNS, MESSAGE_FROM)
    found = db.execute(f"SELECT {columns} FROM {tables} WHERE {rest}", values, binary=True)  # noqa: S608
    return message_rows(keys, found) if bodies else index_rows(found)


def message(
    db: Db,
    keys: BodyKeys,
    wanted: MessageId,
    outgoing: bool | None,
    partner: PartyId | None,
    body: bool,
) -> MessageRow | None:
    """`Store.message`."""
    where, values = ["m.id = %(id)s"], dict[str, Any](id=wanted)
    if outgoing is not None:
        where.append("m.outgoing = %(outgoing)s")
        values["outgoing"] = int(outgoing)
    if partner is not None:
        where.append(f"{_PARTNER} = %(partner)s")
        values["partner"] = partner
    rest = f"{' AND '.join(where)} ORDER BY m.seq LIMIT 1"
    found = _rows(db, keys, rest, values, bodies=body)
    return found[0] if found else None


def messages(db: Db, keys: BodyKeys, query: Query) -> list[MessageRow]:
    """`Store.messages`."""
    where = ["m.outgoing = %(outgoing)s", "m.seq > %(after)s"]
    values: dict[str, Any] = {"outgoing": int(query.outgoing), "after": query.after, "limit": query.limit}
    if query.partner is not None:
        where.append(f"m.{'recipient' if query.outgoing else 'sender'} = %(partner)s")
        values["partner"] = query.partner
    if query.document is not None:
        where.append("m.document = %(document)s")
        values["document"] = query.document
    if query.conversation is not None:
        where.append("m.conversation = %(conversation)s")
        values["conversation"] = query.conversation
    if query.states is not None:
        where.append("m.state = ANY(%(states)s)")
        values["states"] = [state.value for state in query.states]
    if is_open(query):
        where.append(open_messages(query, lambda name: f"%({name})s"))
    rest = f"{' AND '.join(where)} ORDER BY m.seq LIMIT %(limit)s"
    return _rows(db, keys, rest, values, bodies=query.bodies)


def _named_parcel(wanted: ParcelId, outgoing: bool, partner: PartyId | None) -> tuple[str, dict[str, Any]]:
    where, values = "p.id = %(id)s AND p.outgoing = %(outgoing)s", {"id": wanted, "outgoing": int(outgoing)}
    if partner is not None:
        return f"{where} AND p.partner = %(partner)s", {**values, "partner": partner}
    return where, values


def parcel(db: Db, wanted: ParcelId, outgoing: bool, partner: PartyId | None) -> ParcelRow | None:
    """`Store.parcel`."""
    where, values = _named_parcel(wanted, outgoing, partner)
    sql = f"SELECT {PARCEL_COLUMNS} FROM {PARCEL_FROM} WHERE {where} ORDER BY p.number LIMIT 1"  # noqa: S608
    found = db.execute(sql, values, binary=True).fetchone()
    return parcel_row(found) if found else None


def parcel_messages(
    db: Db, keys: BodyKeys, wanted: ParcelId, outgoing: bool, partner: PartyId | None
) -> list[MessageRow]:
    """`Store.parcel_messages`."""
    where, values = _named_parcel(wanted, outgoing, partner)
    rest = f"""m.parcel = (SELECT p.number FROM parcels AS p WHERE {where} ORDER BY p.number LIMIT 1)
        ORDER BY m.position"""  # noqa: S608
    return _rows(db, keys, rest, values, bodies=True)


def refusals(db: Db, after: int, limit: int) -> list[tuple[int, Refusal]]:
    """`Store.refusals`."""
    sql = f"SELECT seq, {REFUSAL_COLUMNS} FROM refusals WHERE seq > %s ORDER BY seq LIMIT %s"  # noqa: S608
    return [(row[0], refusal(row[1:])) for row in db.execute(sql, (after, limit), binary=True)]


def counts(db: Db) -> dict[tuple[bool, str], int]:
    """`Store.counts`."""
    found = db.execute("SELECT outgoing, state, count FROM tallies WHERE count > 0")
    return {(bool(outgoing), state): count for outgoing, state, count in found}


def partner_heads(db: Db, partner: PartyId) -> list[Head]:
    """`Store.partner_heads`."""
    sql = "SELECT size, root FROM partner_heads WHERE partner = %s ORDER BY number"
    return [Head(size, root) for size, root in db.execute(sql, (partner,), binary=True)]


def chain(db: Db, thumbprint: bytes) -> Chain | None:
    """`Store.chain`."""
    found = get(db, "SELECT chain FROM chains WHERE thumbprint = %s", (thumbprint,))
    return None if found is None else read_chain(found)


def kept_chains(db: Db, thumbprints: list[bytes]) -> set[bytes]:
    """Those of these that are kept."""
    sql = "SELECT thumbprint FROM chains WHERE thumbprint = ANY(%s)"
    return {found for (found,) in db.execute(sql, (thumbprints,), binary=True)}


def announced(db: Db, partner: PartyId) -> int:
    """`Store.announced`."""
    return int(get(db, "SELECT announced FROM partners WHERE party = %s", (partner,)) or 0)


def ended(
    db: Db,
    interface: InterfaceCode,
    document: DocumentName,
    mode: str,
    before: datetime,
    after: int,
    limit: int,
) -> list[MessageRow]:
    """`Store.ended`."""
    sql = f"""SELECT {MESSAGE_COLUMNS} FROM {MESSAGE_FROM} WHERE m.document = %s AND m.outgoing IN (0, 1)
        AND m.interface = %s AND m.mode = %s AND m.done_at < %s AND m.erased_at IS NULL
        AND m.seq > %s ORDER BY m.seq LIMIT %s"""  # noqa: S608
    values = (document, interface, mode, micros(before), after, limit)
    return index_rows(db.execute(sql, values, binary=True))


def remarks(db: Db) -> list[str]:
    """Settings of the server without which what was committed may not survive a power cut."""
    sql = "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name"
    return [
        f"the database runs with {name} = off: a power cut may lose the store" for (name,) in db.execute(sql)
    ]


def holds(db: Db) -> list[Hold]:
    """`Store.holds`."""
    sql = f"SELECT {HOLD_COLUMNS} FROM holds WHERE released_at IS NULL ORDER BY number"  # noqa: S608
    return [hold_row(row) for row in db.execute(sql)]
