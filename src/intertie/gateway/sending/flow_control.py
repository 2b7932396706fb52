"""Stop flags between partners: who cannot take more says so, and what can wait waits. Outages and dispatches go on: they are
few, and late they are worthless. A flag falls by itself at its end, so that one that was forgotten holds nothing for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from intertie.exchange.shedding import is_urgent
from intertie.gateway.gateway import Gateway
from intertie.gateway.operating.operations_ports import Stop
from intertie.gateway.ports import MessageRow
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import Code, Refused
from intertie.model.explain import why_unreadable
from intertie.model.ids import PartyId
from intertie.model.record import Record

# A flag without an end stands for an hour; one that is meant for longer than a day is a suspension, and people's business.
STOP_USUAL = timedelta(hours=1)
STOP_MAX = timedelta(days=1)
# What is looked at while a flag is up: urgent messages come first, and never in thousands.
URGENT_COUNT = 64


class Notice(Record, frozen=True, kw_only=True):
    """What a partner says with POST /flow. `until` without an offset, or beyond a day, is refused."""

    stop: bool
    until: datetime | None = None


_DECODER = msgspec.json.Decoder(Notice)


def read_notice(raw: bytes) -> Notice:
    """The notice in these bytes; Refused(BAD_MESSAGE) if there is none."""
    try:
        return _DECODER.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(Code.BAD_MESSAGE, why_unreadable(error)) from error


def write_notice(stop: Stop | None) -> bytes:
    """What to say to the partner: the flag, or (None) that it is down."""
    return msgspec.json.encode(Notice(stop=stop is not None, until=stop.until if stop else None))


def stop_until(until: datetime | None, now: datetime) -> datetime:
    """The end of a flag that is raised now; Refused(BAD_MESSAGE) if it is over already or too far away."""
    end = now + STOP_USUAL if until is None else until
    if not now < end <= now + STOP_MAX:
        raise Refused(Code.BAD_MESSAGE, f"until: must lie within {STOP_MAX} from now")
    return end


def take_notice(gateway: Gateway, partner: PartyId, raw: bytes, now: datetime) -> Stop | None:
    """A partner raised or lowered its flag towards us: kept and journaled. The flag that is up now, or None."""
    notice = read_notice(raw)
    if not notice.stop:
        lower(gateway, partner, raw, now, ours=False)
        return None
    stop = Stop(partner, False, now, stop_until(notice.until, now))
    raise_flag(gateway, stop, raw, now)
    return stop


def raise_flag(gateway: Gateway, stop: Stop, raw: bytes, now: datetime) -> None:
    """Keep a flag; `raw` is what was said."""
    by = "asked for by us" if stop.ours else "asked for by the partner"
    note = f"stop {by} until {stop.until.isoformat(timespec='seconds')}"
    gateway.store.raise_stop(stop, [_entry(stop.partner, raw, note, now)])


def lower(gateway: Gateway, partner: PartyId, raw: bytes, now: datetime, *, ours: bool) -> bool:
    """Take a flag down; False if none was up."""
    note = f"stop ended by {'us' if ours else 'the partner'}"
    return gateway.store.lower_stop(partner, ours=ours, entries=[_entry(partner, raw, note, now)])


def stop_up(gateway: Gateway, partner: PartyId, *, ours: bool, now: datetime) -> Stop | None:
    """The flag that is up between us and a partner in this direction, or None."""
    for stop in gateway.store.stops():
        if stop.partner == partner and stop.ours == ours and stop.until > now:
            return stop
    return None


def unstopped(rows: Sequence[MessageRow]) -> list[MessageRow]:
    """Those of due messages that go while the partner's flag is up. One that waits holds back what comes after it in its
    conversation."""
    held = set()
    kept = []
    for row in rows:
        if is_urgent(row.priority) and row.conversation not in held:
            kept.append(row)
        elif row.conversation is not None:
            held.add(row.conversation)
    return kept


def _entry(partner: PartyId, raw: bytes, note: str, now: datetime) -> Entry:
    digest = hashlib.sha256(raw).hexdigest()
    return Entry(kind=Kind.ACT, at=now, partner=partner, digest=digest, note=note)
