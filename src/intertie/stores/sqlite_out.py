"""Sending from SQLite: operations for the writer, questions for readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

import apsw
import msgspec

from intertie.exchange.ordering import Ahead, Waiting, choose
from intertie.exchange.outbound import WAIT_MAX, ParcelState, State, step_parcel
from intertie.gateway.ports import MessageRow, NewMessage, ParcelRow
from intertie.gateway.trading.trade_ports import Shared
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry
from intertie.model.errors import StoreError
from intertie.model.ids import ConversationId, MessageId, ParcelId, PartyId
from intertie.seal.body_cipher import BodyKeys
from intertie.seal.transport import Transport
from intertie.stores import sending, sqlite_follow
from intertie.stores.relaying import PARTIES
from intertie.stores.rows import (
    INSERT_MESSAGE,
    MESSAGE_COLUMNS,
    MESSAGE_FROM,
    PARCEL_COLUMNS,
    PARCEL_FROM,
    STATES,
    micros,
    new_rows,
    parcel_row,
    write_transport,
)
from intertie.stores.sqlite_bodies import keep_bodies, message_rows
from intertie.stores.sqlite_journal import append, keep_chunk, keep_head, next_message_seq, tally
from intertie.stores.sqlite_trade import keep_delivered

_BY_IDS = """SELECT m.id, m.leaf, m.seq, m.state, m.recipient FROM json_each(?) AS wanted
    CROSS JOIN messages AS m ON m.id = wanted.value AND m.outgoing = 1"""
_BY_ID = "SELECT seq, state FROM messages WHERE id = ? AND outgoing = 1"
# What may go now: not waiting for a later attempt (exchange/outbound.py: is_due), not expired. Blocked: its conversation
# has an earlier one on its way.
_DUE = """m.outgoing = 1 AND m.state = 'queued' AND m.expires > :now
    AND (m.next_attempt IS NULL OR m.next_attempt <= :now OR m.next_attempt > :far)"""
_BLOCKED = """EXISTS (SELECT 1 FROM messages AS e WHERE e.outgoing = 1 AND e.done_at IS NULL
    AND e.conversation = m.conversation AND e.recipient = m.recipient AND e.seq < m.seq AND e.state = 'sending')"""
_PARCEL_DUE = """p.outgoing = 1 AND p.state = 'waiting'
    AND (p.next_attempt IS NULL OR p.next_attempt <= :now OR p.next_attempt > :far)"""
_PARTNERS = f"""SELECT s.party FROM partners AS s
    WHERE EXISTS (SELECT 1 FROM messages AS m WHERE m.recipient = s.party AND {_DUE} AND NOT {_BLOCKED})
       OR EXISTS (SELECT 1 FROM parcels AS p WHERE p.partner = s.party AND {_PARCEL_DUE})
    UNION {PARTIES} ORDER BY 1"""  # noqa: S608
# The conversation only where it matters: where an earlier message of it is not done.
_CANDIDATES = f"""SELECT m.seq, m.priority, iif(EXISTS (SELECT 1 FROM messages AS e
        WHERE e.outgoing = 1 AND e.done_at IS NULL AND e.conversation = m.conversation
        AND e.recipient = m.recipient AND e.seq < m.seq), m.conversation, NULL), m.length
    FROM messages AS m WHERE m.recipient = :partner AND {_DUE} ORDER BY m.priority, m.seq"""  # noqa: S608
_AHEAD = """SELECT seq, priority, length, state, next_attempt, expires FROM messages
    WHERE outgoing = 1 AND done_at IS NULL AND conversation = ? AND recipient = ? AND seq < ? ORDER BY seq"""
_BY_SEQS = f"""SELECT {MESSAGE_COLUMNS} FROM json_each(:seqs) AS wanted
    CROSS JOIN {MESSAGE_FROM} WHERE m.seq = wanted.value ORDER BY wanted.key"""  # noqa: S608
_UNFINISHED = f"""SELECT {PARCEL_COLUMNS} FROM {PARCEL_FROM} WHERE p.partner = :partner AND {_PARCEL_DUE}
    AND p.id NOT IN (SELECT value FROM json_each(:without)) ORDER BY p.number LIMIT 1"""  # noqa: S608
_INSERT_PARCEL = """INSERT INTO parcels (id, outgoing, partner, digest, chunk, manifest, leaves, at, transport, state)
    VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?)"""
_SEAL = """UPDATE messages SET state = ?, parcel = ?, position = wanted.key FROM json_each(?) AS wanted
    WHERE messages.seq = wanted.value"""
_DEFER = """UPDATE messages SET attempts = attempts + 1, next_attempt = ?, detail = ? FROM json_each(?) AS wanted
    WHERE messages.id = wanted.value AND messages.outgoing = 1 AND messages.state = 'queued'"""
_EXPIRED = """SELECT seq, id, recipient, leaf FROM messages
    WHERE outgoing = 1 AND state = 'queued' AND expires <= ?"""
_MOVE = "UPDATE messages SET state = ?, detail = ?, done_at = ?, next_attempt = NULL WHERE seq = ?"
_ALL_ACCEPTED = (
    "UPDATE messages SET state = 'accepted', detail = '', done_at = ?, next_attempt = NULL WHERE parcel = ?"
)
_REQUEUE = """UPDATE messages SET state = 'queued', detail = ?, parcel = NULL, position = NULL, next_attempt = NULL
    WHERE seq = ?"""


def _times(now: datetime) -> dict[str, int]:
    return {"now": micros(now), "far": micros(now + WAIT_MAX)}


def _json(values: Sequence[object]) -> str:
    return msgspec.json.encode(values).decode()


def add(
    db: apsw.Connection,
    keys: BodyKeys,
    messages: Sequence[NewMessage],
    entries: Sequence[Entry],
    now: datetime,
) -> list[int]:
    """`Store.add_outgoing`."""
    ids = [message.id for message in messages]
    seqs: dict[MessageId, int] = {}
    held: dict[MessageId, bytes] = {}
    for message, leaf, seq, _, _ in db.execute(_BY_IDS, (_json(ids),)):
        held[message], seqs[message] = leaf, seq
    new = sending.pick_new(messages, held)
    if new:
        dead = sqlite_follow.check(db, new)
        first = next_message_seq(db)
        chunk = keep_bodies(db, keys, new, first, now, outgoing=True)
        db.executemany(INSERT_MESSAGE, new_rows(new, first, chunk, micros(now), parcel=None, done=False))
        partners = {message.recipient for message in new}
        db.executemany(
            "INSERT OR IGNORE INTO partners (party) VALUES (?)", [(party,) for party in sorted(partners)]
        )
        sqlite_follow.follow(db, new, first, dead)
        tally(db, True, State.QUEUED, len(new))
        seqs.update({message.id: seq for seq, message in enumerate(new, first)})
    append(db, sending.entries_of(new, entries))
    return [seqs[message] for message in ids]


def next_partners(db: apsw.Connection, now: datetime) -> list[PartyId]:
    """`Store.next_partners`."""
    return [party for (party,) in db.execute(_PARTNERS, _times(now))]


def take(
    db: apsw.Connection, keys: BodyKeys, partner: PartyId, now: datetime, count: int, size: int
) -> list[MessageRow]:
    """`Store.take_outgoing`, from one snapshot."""
    at = micros(now)
    times = _times(now)

    def ahead(conversation: ConversationId, seq: int) -> Ahead:
        waiting = []
        for before, priority, length, state, next_attempt, expires in db.execute(
            _AHEAD, (conversation, partner, seq)
        ):
            later = next_attempt is not None and at < next_attempt <= times["far"]
            if state == State.SENDING or (expires > at and later):
                return Ahead(True, ())
            if expires > at:
                waiting.append(Waiting(before, priority, conversation, length))
        return Ahead(False, waiting)

    due = (Waiting(*row) for row in db.execute(_CANDIDATES, {"partner": partner, **times}))
    chosen = choose(due, ahead, count=count, size=size)
    return message_rows(db, keys, db.execute(_BY_SEQS, {"seqs": _json(chosen)}))


def unfinished(
    db: apsw.Connection, partner: PartyId, now: datetime, without: Collection[ParcelId]
) -> ParcelRow | None:
    """`Store.unfinished_parcel`."""
    asked = {"partner": partner, "without": _json(sorted(without)), **_times(now)}
    found = db.execute(_UNFINISHED, asked).fetchone()
    return parcel_row(found) if found else None


def next_seqs(db: apsw.Connection, partner: PartyId, count: int) -> int:
    """The first of so many parcel numbers that nobody else gets."""
    db.execute("INSERT OR IGNORE INTO partners (party) VALUES (?)", (partner,))
    sql = "UPDATE partners SET next_seq = next_seq + ? WHERE party = ? RETURNING next_seq - ?"
    return int(db.execute(sql, (count, partner, count)).get)


def set_announced(db: apsw.Connection, partner: PartyId, sequence: int) -> None:
    """`Store.set_announced`."""
    sql = """INSERT INTO partners (party, announced) VALUES (?, max(?, 0))
        ON CONFLICT DO UPDATE SET announced = max(announced, excluded.announced)"""
    db.execute(sql, (partner, sequence))


def add_parcel(db: apsw.Connection, parcel: ParcelRow, messages: Sequence[MessageId], now: datetime) -> None:
    """`Store.add_parcel`."""
    seqs: dict[MessageId, int] = {}
    found: dict[MessageId, tuple[State, PartyId]] = {}
    for message, _, seq, state, recipient in db.execute(_BY_IDS, (_json(messages),)):
        seqs[message], found[message] = seq, (STATES[state], recipient)
    sending.check_sealing(parcel, messages, found)
    chunk = keep_chunk(db, parcel.blob) if parcel.blob is not None else None
    values = (
        parcel.id,
        parcel.partner,
        parcel.digest,
        chunk,
        parcel.manifest,
        parcel.leaves,
        micros(parcel.at),
        write_transport(parcel.transport),
    )
    db.execute(_INSERT_PARCEL, (*values, ParcelState.WAITING.value))
    number = db.last_insert_rowid()
    db.execute(_SEAL, (State.SENDING.value, number, _json([seqs[message] for message in messages])))
    tally(db, True, State.QUEUED, -len(messages))
    tally(db, True, State.SENDING, len(messages))
    append(db, [sending.sealed_entry(parcel, now)])


def defer(db: apsw.Connection, messages: Sequence[MessageId], next_attempt: datetime, detail: str) -> None:
    """`Store.defer`."""
    db.execute(_DEFER, (micros(next_attempt), detail, _json(messages)))


def retry(db: apsw.Connection, parcel: ParcelId, next_attempt: datetime, detail: str) -> None:
    """`Store.retry_parcel`."""
    number, state, _ = _find_parcel(db, parcel)
    if state is not ParcelState.WAITING:
        return  # the table: silence changes nothing for a parcel that is closed
    values = (micros(next_attempt), detail, number)
    changes = "attempts = attempts + 1, next_attempt = ?, detail = ?"
    db.execute(f"UPDATE parcels SET {changes} WHERE number = ?", values)  # noqa: S608
    db.execute(f"UPDATE messages SET {changes} WHERE parcel = ?", values)  # noqa: S608


def close(
    db: apsw.Connection,
    parcel: ParcelId,
    receipt: bytes | None,
    outcomes: Sequence[tuple[MessageId, State, str]],
    entries: Sequence[Entry],
    now: datetime,
    transport: Transport | None,
    head: Head | None,
    shared: Shared | None,
) -> None:
    """`Store.close_parcel`."""
    number, before, partner = _find_parcel(db, parcel)
    after = step_parcel(before, sending.close_event(receipt))
    if after is before:
        return  # closed before, with as much proof or more
    found = list(db.execute("SELECT id, seq, state FROM messages WHERE parcel = ?", (number,)))
    states = {message: STATES[state] for message, _, state in found}
    sending.check_closing(parcel, outcomes, states)
    seqs = {message: seq for message, seq, _ in found}
    done = micros(now)
    if all(state is State.ACCEPTED and not detail for _, state, detail in outcomes):
        db.execute(_ALL_ACCEPTED, (done, number))  # nearly always
    else:
        db.executemany(
            _REQUEUE, [(detail, seqs[m]) for m, state, detail in outcomes if state is State.QUEUED]
        )
        db.executemany(
            _MOVE,
            [
                (state.value, detail, done, seqs[m])
                for m, state, detail in outcomes
                if state is not State.QUEUED
            ],
        )
    drop_blob(db, number)
    db.execute(
        "UPDATE parcels SET state = ?, receipt = ?, transport = ?, next_attempt = NULL WHERE number = ?",
        (after.value, receipt, write_transport(transport), number),
    )
    moved = Counter(state for _, state, _ in outcomes)
    moved.subtract(states.values())
    for state, change in sorted(moved.items()):
        tally(db, True, state, change)
    append(db, entries)
    if head is not None:
        keep_head(db, partner, head, now)
    if shared is not None:
        keep_delivered(db, partner, shared, outcomes, seqs)


def drop_blob(db: apsw.Connection, number: int) -> None:
    """Free the sealed bytes of a parcel that is not sent again: what it says is in its messages, its digest stays. The
    chunk is emptied and not deleted: to delete it SQLite would look for it in every message."""
    db.execute(
        "UPDATE chunks SET data = x'' WHERE chunk = (SELECT chunk FROM parcels WHERE number = ?)", (number,)
    )
    db.execute("UPDATE parcels SET chunk = NULL WHERE number = ?", (number,))


def move(
    db: apsw.Connection,
    message: MessageId,
    after: State,
    detail: str,
    entries: Sequence[Entry],
    now: datetime,
) -> None:
    """`Store.set_state`."""
    found = db.execute(_BY_ID, (message,)).fetchone()
    if found is None:
        raise StoreError(f"no outgoing message {message}", do="look for it with `intertie message list`")
    seq, before = found[0], State(found[1])
    sending.check_move(message, before, after)
    db.execute(_MOVE, (after.value, detail, micros(now), seq))
    tally(db, True, before, -1)
    tally(db, True, after, 1)
    append(db, entries)


def has_expired(db: apsw.Connection, now: datetime) -> bool:
    """Whether `expire` has anything to do."""
    return bool(db.execute(f"{_EXPIRED} LIMIT 1", (micros(now),)).get)


def expire(db: apsw.Connection, now: datetime) -> list[MessageId]:
    """`Store.expire`."""
    found = sorted(db.execute(_EXPIRED, (micros(now),)))
    done = micros(now)
    detail = "expired before it could be sent"
    db.executemany(_MOVE, [(State.EXPIRED.value, detail, done, seq) for seq, _, _, _ in found])
    tally(db, True, State.QUEUED, -len(found))
    tally(db, True, State.EXPIRED, len(found))
    append(db, [sending.expired_entry(message, partner, leaf, now) for _, message, partner, leaf in found])
    return [message for _, message, _, _ in found]


def _find_parcel(db: apsw.Connection, parcel: ParcelId) -> tuple[int, ParcelState, PartyId]:
    found = db.execute(
        "SELECT number, state, partner FROM parcels WHERE id = ? AND outgoing = 1", (parcel,)
    ).fetchone()
    if found is None:
        raise StoreError(f"no outgoing parcel {parcel}", do="report this")
    return found[0], ParcelState(found[1]), found[2]
