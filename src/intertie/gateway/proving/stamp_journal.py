"""A time stamp over our journal's head: from then on a third party, too, says that everything in it was there."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import NamedTuple

from intertie.gateway.gateway import Gateway
from intertie.gateway.proving.proof_ports import Stamp
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry, Kind
from intertie.seal.checkpoint import stamped_bytes
from intertie.seal.timestamp import Stamped, StampError, TsaTrust, request_stamp, verify_stamp

# Requests without a reply that a reply is compared with, newest first: older ones were carried away and forgotten.
WAITING_MAX = 100


class Kept(NamedTuple):
    """A head of our journal and what the authority says of it."""

    head: Head
    stamped: Stamped


def begin_stamp(gateway: Gateway, now: datetime) -> Stamp:
    """A request over the present head, kept before it leaves. Raises StampError while the journal is empty."""
    head = gateway.store.head()
    if not head.size:
        raise StampError("the journal is empty: there is nothing to stamp")
    request = request_stamp(stamped_bytes(gateway.party.id, *head))
    number = gateway.store.add_stamp(head, request, now)
    return Stamp(number, head, request, None, now)


def finish_stamp(gateway: Gateway, reply: bytes, trust: TsaTrust, now: datetime) -> Kept:
    """Keep the reply to one of our requests once it verifies. Raises StampError if it answers none, or proves nothing."""
    waiting = gateway.store.stamps(answered=False)[-WAITING_MAX:]
    problem = StampError(
        "no request for a time stamp waits for a reply", do="`intertie journal stamp --request FILE`"
    )
    for stamp in waiting:  # the newest last: its error is the one that is told
        try:
            data = stamped_bytes(gateway.party.id, *stamp.head)
            stamped = verify_stamp(reply, data, trust, stamp.request)
        except StampError as error:
            problem = error
            continue
        gateway.store.answer_stamp(stamp.number, reply)
        digest = hashlib.sha256(reply).hexdigest()
        note = f"time stamp over size {stamp.head.size}"
        gateway.store.note([Entry(kind=Kind.ACT, at=now, digest=digest, note=note)])
        return Kept(stamp.head, stamped)
    raise problem


def kept_stamps(gateway: Gateway, trust: TsaTrust) -> list[tuple[Head, Stamped | None]]:
    """Every head that was stamped, and what the stamp says; None where it does not verify under these roots (any more)."""
    return [(stamp.head, _said(gateway, stamp, trust)) for stamp in gateway.store.stamps(answered=True)]


def _said(gateway: Gateway, stamp: Stamp, trust: TsaTrust) -> Stamped | None:
    try:
        return verify_stamp(
            stamp.reply or b"", stamped_bytes(gateway.party.id, *stamp.head), trust, stamp.request
        )
    except StampError:
        return None
