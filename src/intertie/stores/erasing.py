"""What every store journals when something is erased, held, or its keys change."""

from __future__ import annotations

import hashlib
from datetime import datetime

from intertie.gateway.ports import Hold
from intertie.journal.entry import Entry, Kind
from intertie.model.ids import MessageId, PartyId


def erased_entry(message: MessageId, partner: PartyId, leaf: bytes, why: str, now: datetime) -> Entry:
    """A body is gone; its hash stays, here too."""
    return Entry(
        kind=Kind.ACT, at=now, partner=partner, message=message, digest=leaf.hex(), note=f"erased:{why}"
    )


def hold_entry(hold: Hold, now: datetime, *, released: bool) -> Entry:
    """A hold begins or ends; the digest is of what it holds."""
    held = hold.message or f"agreement {hold.agreement}"
    return Entry(
        kind=Kind.ACT,
        at=now,
        message=hold.message,
        digest=hashlib.sha256(held.encode()).hexdigest(),
        note="hold_released" if released else "hold",
    )


def key_entry(note: str, wrapped: bytes, now: datetime) -> Entry:
    """Something happened to data keys; the digest is of their wrapped bytes."""
    return Entry(kind=Kind.ACT, at=now, digest=hashlib.sha256(wrapped).hexdigest(), note=note)
