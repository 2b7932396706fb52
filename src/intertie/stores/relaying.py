"""What every store does with parcels of others: the same SQL for both engines, rows, journal lines, and which step is one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from intertie.exchange.outbound import WAIT_MAX
from intertie.exchange.relaying import (
    GIVE_UP_AFTER,
    LINGER,
    Back,
    Event,
    Passage,
    Telling,
    step,
    step_back,
    tells,
)
from intertie.gateway.relaying.relay_ports import ENDING_AT_ONCE, Relayed
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import Code, Refused
from intertie.model.ids import ParcelId, PartyId
from intertie.stores.rows import micros, moment, moment_or_none

_COLUMNS = """parcel, sender, recipient, previous, next, hop, digest, suite, size, blob, waybill, trail, receipt, at, expires,
    priority, passage, back, onward, answer, attempts, next_attempt, detail"""
_LISTED = _COLUMNS.replace(" blob,", " NULL,").replace(" answer,", " NULL,")
_NAMES = [name.strip() for name in _COLUMNS.split(",")]
# Parameters are written as :name, as SQLite has them.
INSERT = f"INSERT INTO relayed ({_COLUMNS}) VALUES ({', '.join(f':{name}' for name in _NAMES)})"  # noqa: S608
FIND = f"SELECT {_COLUMNS} FROM relayed WHERE parcel = :parcel"  # noqa: S608
_DUE = """((next = :party AND passage = 'taken' AND expires > :now) OR (previous = :party AND back = 'owed'))
    AND (next_attempt IS NULL OR next_attempt <= :now OR next_attempt > :far)"""
# The ids of what is due, few of which are on their way: their bytes are read for the first one only.
DUE = f"SELECT parcel FROM relayed WHERE {_DUE} ORDER BY priority, at, parcel LIMIT :limit"  # noqa: S608
PARTIES = """SELECT next FROM relayed WHERE passage = 'taken' AND expires > :now
        AND (next_attempt IS NULL OR next_attempt <= :now OR next_attempt > :far)
    UNION SELECT previous FROM relayed WHERE back = 'owed'
        AND (next_attempt IS NULL OR next_attempt <= :now OR next_attempt > :far)"""
DEFER = """UPDATE relayed SET attempts = attempts + 1, next_attempt = :next_attempt, detail = :detail
    WHERE parcel = :parcel"""
UPDATE = """UPDATE relayed SET blob = :blob, passage = :passage, back = :back, onward = :onward, answer = :answer,
    attempts = 0, next_attempt = NULL, detail = :detail WHERE parcel = :parcel"""
LOAD = "SELECT count(*), coalesce(sum(size), 0) FROM relayed WHERE sender = :sender AND passage = 'taken'"
ENDING = f"""SELECT {_COLUMNS} FROM relayed WHERE (passage = 'taken' AND expires <= :now)
    OR (passage = 'passed' AND expires <= :lingered) OR (back = 'owed' AND expires <= :given_up)
    ORDER BY expires, parcel LIMIT {ENDING_AT_ONCE}"""  # noqa: S608
LIST = f"""SELECT {_LISTED} FROM relayed WHERE :all = 1 OR passage IN ('taken', 'passed') OR back = 'owed'
    ORDER BY at DESC, parcel DESC LIMIT :limit"""  # noqa: S608
KEEP_HOP = """INSERT INTO hops (parcel, outgoing, partner, digest, number, statement)
    SELECT :parcel, :outgoing, :partner, :digest, coalesce(max(number), 0) + 1, :statement FROM hops
    WHERE parcel = :parcel AND outgoing = :outgoing AND partner = :partner"""
HAS_HOP = """SELECT 1 FROM hops
    WHERE parcel = :parcel AND outgoing = :outgoing AND partner = :partner AND digest = :digest"""
HOPS = """SELECT statement FROM hops
    WHERE parcel = :parcel AND outgoing = :outgoing AND partner = :partner ORDER BY number"""
_PARAMETER = re.compile(r":([a-z_]+)")
# Of what is due to one party, so much may be on its way at once and is looked past.
DUE_LOOK = 64


def psycopg_spelling(sql: str) -> str:
    """The same statement with its parameters as %(name)s."""
    return _PARAMETER.sub(r"%(\1)s", sql)


def times(now: datetime) -> dict[str, int]:
    """What questions about what is due ask with."""
    return {"now": micros(now), "far": micros(now + WAIT_MAX)}


def endings(now: datetime) -> dict[str, int]:
    """The same for what ends."""
    return {
        "now": micros(now),
        "lingered": micros(now - LINGER),
        "given_up": micros(now - GIVE_UP_AFTER),
    }


def values_of(row: Relayed) -> dict[str, Any]:
    """The row as its table has it."""
    return {
        **row._asdict(),
        "at": micros(row.at),
        "expires": micros(row.expires),
        "passage": row.passage.value,
        "back": row.back.value,
        "next_attempt": None if row.next_attempt is None else micros(row.next_attempt),
    }


def relayed_of(found: tuple[Any, ...]) -> Relayed:
    """A row of the table."""
    said = dict(zip(_NAMES, found, strict=True))
    said |= {
        "at": moment(said["at"]),
        "expires": moment(said["expires"]),
        "passage": Passage(said["passage"]),
        "back": Back(said["back"]),
        "next_attempt": moment_or_none(said["next_attempt"]),
    }
    return Relayed(**said)


def first_of(found: Collection[tuple[Any, ...]], without: Collection[ParcelId]) -> ParcelId | None:
    """Of the ids that are due, the first one that is not on its way."""
    return next((parcel for (parcel,) in found if parcel not in without), None)


def check_again(row: Relayed, known: Relayed) -> bytes:
    """The hop receipt of a parcel that was taken before; Refused(PARCEL_ID_REUSED) if it was another one."""
    if (known.digest, known.sender) != (row.digest, row.sender):
        raise Refused(Code.PARCEL_ID_REUSED, partner=row.previous)
    return known.receipt


def taken_entry(row: Relayed, now: datetime) -> Entry:
    """The journal's line about a parcel that was taken, before the head that the hop receipt names."""
    return relay_entry(row.previous, row.parcel, row.digest, "relay: taken", now)


def hop_receipt_entry(row: Relayed, receipt: bytes, now: datetime) -> Entry:
    """The line about our hop receipt; it comes after that head."""
    return relay_entry(row.previous, row.parcel, hashlib.sha256(receipt).digest(), "relay: hop receipt", now)


def hop_entry(parcel: ParcelId, partner: PartyId, statement: bytes, now: datetime) -> Entry:
    """The line about what a relay said of a parcel of ours."""
    return relay_entry(partner, parcel, hashlib.sha256(statement).digest(), "hop receipt kept", now)


def relay_entry(partner: PartyId, parcel: ParcelId, digest: bytes, note: str, now: datetime) -> Entry:
    """A line about a parcel on its way over relays."""
    return Entry(kind=Kind.ACT, at=now, partner=partner, parcel=parcel, digest=digest.hex(), note=note)


class Moved(NamedTuple):
    """What a step changes of a row."""

    row: Relayed
    changed: bool


def moved(row: Relayed, event: Event, onward: bytes | None, answer: bytes | None, detail: str) -> Moved:
    """The row after a step of the way on; a new end begins the way back."""
    after = step(row.passage, event)
    if after is row.passage:
        return Moved(row, False)
    new = row._replace(
        passage=after,
        blob=None,
        onward=onward or row.onward,
        detail=detail,
        attempts=0,
        next_attempt=None,
    )
    if tells(row.passage, after):
        new = new._replace(back=step_back(row.back, Telling.LEARN), answer=answer)
    return Moved(new, True)


def told(row: Relayed, telling: Telling) -> Moved:
    """The row after a step of the way back; what was given or given up is not kept."""
    after = step_back(row.back, telling)
    if after is row.back:
        return Moved(row, False)
    return Moved(row._replace(back=after, answer=None, attempts=0, next_attempt=None), True)
