"""Sending from PostgreSQL: operations for the writer, questions for readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

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
from intertie.stores import postgres_follow, sending
from intertie.stores.postgres_bodies import BODY_COLUMNS, BODY_FROM, keep_bodies, message_rows
from intertie.stores.postgres_journal import (
    append,
    insert,
    keep_chunk,
    keep_head,
    many,
    next_message_seq,
    next_number,
    plain,
    tally,
)
from intertie.stores.postgres_schema import Db, get
from intertie.stores.postgres_trade import keep_delivered
from intertie.stores.relaying import PARTIES, psycopg_spelling
from intertie.stores.rows import (
    NEW_COLUMNS,
    PARCEL_COLUMNS,
    PARCEL_FROM,
    STATES,
    micros,
    new_rows,
    parcel_row,
    write_transport,
)

# Candidates of a parcel read at once, beyond those that fit into it: what is blocked in its conversation is passed over.
SPARE = 64

_BY_IDS = """SELECT id, leaf, seq, state, recipient FROM messages WHERE id = ANY(%s) AND outgoing = 1"""
_BY_ID = "SELECT seq, state FROM messages WHERE id = %s AND outgoing = 1"
# What may go now: not waiting for a later attempt (exchange/outbound.py: is_due), not expired. Blocked: its conversation
# has an earlier one on its way.
_DUE = """m.outgoing = 1 AND m.state = 'queued' AND m.expires > %(now)s
    AND (m.next_attempt IS NULL OR m.next_attempt <= %(now)s OR m.next_attempt > %(far)s)"""
# Here and below a subquery with a limit, and not EXISTS: that may become a join, and over a backlog of which the planner has no
# statistics yet it does, with all rows against all (measured: 33 s for 10,000).
_BLOCKED = """(SELECT e.seq FROM messages AS e WHERE e.outgoing = 1 AND e.done_at IS NULL AND e.conversation = m.conversation
    AND e.recipient = m.recipient AND e.seq < m.seq AND e.state = 'sending' LIMIT 1) IS NOT NULL"""
_PARCEL_DUE = """p.outgoing = 1 AND p.state = 'waiting'
    AND (p.next_attempt IS NULL OR p.next_attempt <= %(now)s OR p.next_attempt > %(far)s)"""
_PARTNERS = f"""SELECT s.party FROM partners AS s
    WHERE (SELECT m.seq FROM messages AS m WHERE m.recipient = s.party AND {_DUE} AND NOT {_BLOCKED}
           ORDER BY m.priority, m.seq LIMIT 1) IS NOT NULL
       OR (SELECT p.number FROM parcels AS p WHERE p.partner = s.party AND {_PARCEL_DUE} LIMIT 1) IS NOT NULL
    UNION {psycopg_spelling(PARTIES)} ORDER BY 1"""  # noqa: S608
# The conversation only where it matters: where an earlier message of it is not done.
_CANDIDATES = f"""SELECT m.seq, m.priority, CASE WHEN (SELECT e.seq FROM messages AS e
        WHERE e.outgoing = 1 AND e.done_at IS NULL AND e.conversation = m.conversation
        AND e.recipient = m.recipient AND e.seq < m.seq LIMIT 1) IS NOT NULL THEN m.conversation END, m.length
    FROM messages AS m WHERE m.recipient = %(partner)s AND {_DUE}"""  # noqa: S608
# The planner expects few rows in any queue, and would read and sort it whole (measured: 7 ms and not 0.6 for 10,000).
_BY_INDEX = "SET LOCAL enable_sort = off"
_IN_ORDER = "ORDER BY m.priority, m.seq LIMIT %(limit)s"
FIRST_PAGE = f"{_CANDIDATES} {_IN_ORDER}"
# Apart from the first: a condition that all rows meet makes the planner believe that few do, and sort them.
_NEXT_PAGE = f"{_CANDIDATES} AND (m.priority, m.seq) > (%(priority)s, %(seq)s) {_IN_ORDER}"
_AHEAD = """SELECT seq, priority, length, state, next_attempt, expires FROM messages
    WHERE outgoing = 1 AND done_at IS NULL AND conversation = %s AND recipient = %s AND seq < %s ORDER BY seq"""
_BY_SEQS = f"""SELECT {BODY_COLUMNS} FROM {BODY_FROM}
    JOIN unnest(%s::bigint[]) WITH ORDINALITY AS wanted (seq, place) ON wanted.seq = m.seq
    ORDER BY wanted.place"""  # noqa: S608
_UNFINISHED = f"""SELECT {PARCEL_COLUMNS} FROM {PARCEL_FROM} WHERE p.partner = %(partner)s AND {_PARCEL_DUE}
    AND p.id <> ALL(%(without)s::text[]) ORDER BY p.number LIMIT 1"""  # noqa: S608
_INSERT_PARCEL = """INSERT INTO parcels
    (number, id, outgoing, partner, digest, chunk, manifest, leaves, at, transport, state)
    VALUES (%s, %s, 1, %s, %s, %s, %s, %s, %s, %s, %s)"""
_SEAL = """UPDATE messages SET state = 'sending', parcel = %s, position = wanted.place - 1
    FROM unnest(%s::bigint[]) WITH ORDINALITY AS wanted (seq, place) WHERE messages.seq = wanted.seq"""
_DEFER = """UPDATE messages SET attempts = attempts + 1, next_attempt = %s, detail = %s
    WHERE id = ANY(%s) AND outgoing = 1 AND state = 'queued'"""
HAS_EXPIRED = "SELECT 1 FROM messages WHERE outgoing = 1 AND state = 'queued' AND expires <= %s LIMIT 1"
_EXPIRED = """SELECT seq, id, recipient, leaf FROM messages
    WHERE outgoing = 1 AND state = 'queued' AND expires <= %s ORDER BY seq"""
_MOVE = "UPDATE messages SET state = %s, detail = %s, done_at = %s, next_attempt = NULL WHERE seq = %s"
_ALL_ACCEPTED = (
    "UPDATE messages SET state = 'accepted', detail = '', done_at = %s, next_attempt = NULL WHERE parcel = %s"
)
_REQUEUE = """UPDATE messages SET state = 'queued', detail = %s, parcel = NULL, position = NULL, next_attempt = NULL
    WHERE seq = %s"""


def _times(now: datetime) -> dict[str, int]:
    return {"now": micros(now), "far": micros(now + WAIT_MAX)}


def add(
    db: Db, keys: BodyKeys, messages: Sequence[NewMessage], entries: Sequence[Entry], now: datetime
) -> list[int]:
    """`Store.add_outgoing`."""
    ids = [message.id for message in messages]
    seqs: dict[MessageId, int] = {}
    held: dict[MessageId, bytes] = {}
    for message, leaf, seq, _, _ in db.execute(_BY_IDS, (ids,), binary=True):
        held[message], seqs[message] = leaf, seq
    new = sending.pick_new(messages, held)
    if new:
        dead = postgres_follow.check(db, new)
        first = next_message_seq(db)
        chunk = keep_bodies(db, keys, new, first, now, outgoing=True)
        rows = list(new_rows(new, first, chunk, micros(now), parcel=None, done=False))
        insert(db, "messages", NEW_COLUMNS, rows)
        partners = sorted({message.recipient for message in new})
        many(
            db,
            "INSERT INTO partners (party) VALUES (%s) ON CONFLICT DO NOTHING",
            [(party,) for party in partners],
        )
        postgres_follow.follow(db, new, first, dead)
        tally(db, True, State.QUEUED, len(new))
        seqs.update({message.id: seq for seq, message in enumerate(new, first)})
    append(db, sending.entries_of(new, entries))
    return [seqs[message] for message in ids]


def next_partners(db: Db, now: datetime) -> list[PartyId]:
    """`Store.next_partners`."""
    return [party for (party,) in db.execute(_PARTNERS, _times(now))]


def take(db: Db, keys: BodyKeys, partner: PartyId, now: datetime, count: int, size: int) -> list[MessageRow]:
    """`Store.take_outgoing`, from one snapshot."""
    db.execute(_BY_INDEX)
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

    due = _candidates(db, partner, times, count + SPARE)
    chosen = choose(due, ahead, count=count, size=size)
    return message_rows(keys, db.execute(_BY_SEQS, (chosen,), binary=True)) if chosen else []


def _candidates(db: Db, partner: PartyId, times: dict[str, int], limit: int) -> Iterator[Waiting]:
    """What is due, by priority then seq, a page at a time: of a long queue only the beginning is read."""
    sql, values = FIRST_PAGE, {"partner": partner, "limit": limit, **times}
    while True:
        page = [Waiting(*row) for row in db.execute(sql, values, binary=True)]
        yield from page
        if len(page) < limit:
            return
        sql, values = _NEXT_PAGE, {**values, "priority": page[-1].priority, "seq": page[-1].seq}


def unfinished(db: Db, partner: PartyId, now: datetime, without: Collection[ParcelId]) -> ParcelRow | None:
    """`Store.unfinished_parcel`."""
    asked = {"partner": partner, "without": sorted(without), **_times(now)}
    found = db.execute(_UNFINISHED, asked, binary=True).fetchone()
    return parcel_row(found) if found else None


def next_seqs(db: Db, partner: PartyId, count: int) -> int:
    """The first of so many parcel numbers that nobody else gets."""
    sql = """INSERT INTO partners AS p (party, next_seq) VALUES (%(party)s, 1 + %(count)s)
        ON CONFLICT (party) DO UPDATE SET next_seq = p.next_seq + %(count)s RETURNING next_seq - %(count)s"""
    return int(get(db, sql, {"party": partner, "count": count}))


def set_announced(db: Db, partner: PartyId, sequence: int) -> None:
    """`Store.set_announced`."""
    sql = """INSERT INTO partners (party, announced) VALUES (%s, greatest(%s, 0))
        ON CONFLICT (party) DO UPDATE SET announced = greatest(partners.announced, excluded.announced)"""
    db.execute(sql, (partner, sequence))


def add_parcel(db: Db, parcel: ParcelRow, messages: Sequence[MessageId], now: datetime) -> None:
    """`Store.add_parcel`."""
    seqs: dict[MessageId, int] = {}
    found: dict[MessageId, tuple[State, PartyId]] = {}
    for message, _, seq, state, recipient in db.execute(_BY_IDS, (list(messages),), binary=True):
        seqs[message], found[message] = seq, (STATES[state], recipient)
    sending.check_sealing(parcel, messages, found)
    chunk = keep_chunk(db, parcel.blob) if parcel.blob is not None else None
    number = next_number(db, "parcels", "number")
    values = (
        number,
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
    db.execute(_SEAL, (number, [seqs[message] for message in messages]))
    tally(db, True, State.QUEUED, -len(messages))
    tally(db, True, State.SENDING, len(messages))
    append(db, [sending.sealed_entry(parcel, now)])


def defer(db: Db, messages: Sequence[MessageId], next_attempt: datetime, detail: str) -> None:
    """`Store.defer`."""
    db.execute(_DEFER, (micros(next_attempt), plain(detail), list(messages)))


def retry(db: Db, parcel: ParcelId, next_attempt: datetime, detail: str) -> None:
    """`Store.retry_parcel`."""
    number, state, _ = _find_parcel(db, parcel)
    if state is not ParcelState.WAITING:
        return  # the table: silence changes nothing for a parcel that is closed
    values = (micros(next_attempt), plain(detail), number)
    changes = "attempts = attempts + 1, next_attempt = %s, detail = %s"
    db.execute(f"UPDATE parcels SET {changes} WHERE number = %s", values)  # noqa: S608
    db.execute(f"UPDATE messages SET {changes} WHERE parcel = %s", values)  # noqa: S608


def close(
    db: Db,
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
    found = db.execute("SELECT id, seq, state FROM messages WHERE parcel = %s", (number,)).fetchall()
    states = {message: STATES[state] for message, _, state in found}
    sending.check_closing(parcel, outcomes, states)
    seqs = {message: seq for message, seq, _ in found}
    done = micros(now)
    if all(state is State.ACCEPTED and not detail for _, state, detail in outcomes):
        db.execute(_ALL_ACCEPTED, (done, number))  # nearly always
    else:
        again = [(plain(why), seqs[m]) for m, state, why in outcomes if state is State.QUEUED]
        over = [
            (state.value, plain(why), done, seqs[m])
            for m, state, why in outcomes
            if state is not State.QUEUED
        ]
        many(db, _REQUEUE, again)
        many(db, _MOVE, over)
    drop_blob(db, number)
    db.execute(
        "UPDATE parcels SET state = %s, receipt = %s, transport = %s, next_attempt = NULL WHERE number = %s",
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


def drop_blob(db: Db, number: int) -> None:
    """Free the sealed bytes of a parcel that is not sent again: what it says is in its messages, its digest stays."""
    db.execute(
        "UPDATE chunks SET data = ''::bytea WHERE chunk = (SELECT chunk FROM parcels WHERE number = %s)",
        (number,),
    )
    db.execute("UPDATE parcels SET chunk = NULL WHERE number = %s", (number,))


def move(
    db: Db, message: MessageId, after: State, detail: str, entries: Sequence[Entry], now: datetime
) -> None:
    """`Store.set_state`."""
    found = db.execute(_BY_ID, (message,)).fetchone()
    if found is None:
        raise StoreError(f"no outgoing message {message}", do="look for it with `intertie message list`")
    seq, before = found[0], State(found[1])
    sending.check_move(message, before, after)
    db.execute(_MOVE, (after.value, plain(detail), micros(now), seq))
    tally(db, True, before, -1)
    tally(db, True, after, 1)
    append(db, entries)


def has_expired(db: Db, now: datetime) -> bool:
    """Whether `expire` has anything to do."""
    return get(db, HAS_EXPIRED, (micros(now),)) is not None


def expire(db: Db, now: datetime) -> list[MessageId]:
    """`Store.expire`."""
    found = db.execute(_EXPIRED, (micros(now),), binary=True).fetchall()
    done = micros(now)
    detail = "expired before it could be sent"
    many(db, _MOVE, [(State.EXPIRED.value, detail, done, seq) for seq, _, _, _ in found])
    tally(db, True, State.QUEUED, -len(found))
    tally(db, True, State.EXPIRED, len(found))
    append(db, [sending.expired_entry(message, partner, leaf, now) for _, message, partner, leaf in found])
    return [message for _, message, _, _ in found]


def _find_parcel(db: Db, parcel: ParcelId) -> tuple[int, ParcelState, PartyId]:
    found = db.execute(
        "SELECT number, state, partner FROM parcels WHERE id = %s AND outgoing = 1", (parcel,)
    ).fetchone()
    if found is None:
        raise StoreError(f"no outgoing parcel {parcel}", do="report this")
    return found[0], ParcelState(found[1]), found[2]
