"""One line of the journal and its canonical bytes: what is hashed into the tree.

An entry names what happened and the SHA-256 of the bytes it is about, never the bytes: what is erased for privacy or
by retention leaves its hash, and the tree still verifies.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from intertie.model.errors import EvidenceError
from intertie.model.explain import why_unreadable
from intertie.model.ids import MessageRef, ParcelRef, PartyName, ShortText
from intertie.model.message import utc
from intertie.model.record import Record
from intertie.seal.tree import leaf_hash

# The number of the step "the journal's entries" for EvidenceError; see docs/evidence.md.
JOURNAL_STEP = 0


class Kind(StrEnum):
    """What an entry is about."""

    MESSAGE_OUT = "message_out"  # queued; digest: leaf hash of the message
    MESSAGE_IN = "message_in"  # accepted; digest: leaf hash of the message
    PARCEL_OUT = "parcel_out"  # sealed; digest: of the blob
    RECEIPT_OUT = "receipt_out"  # written by us; digest: of the receipt
    RECEIPT_IN = "receipt_in"  # written by the partner; digest: of the receipt
    REFUSAL = "refusal"  # by us, or of our whole parcel; digest: of what was refused; note: the code
    ACT = "act"  # of this gateway or its operators; note: which


class Entry(Record, frozen=True, kw_only=True):
    """What happened, when, with whom, about which bytes."""

    kind: Kind
    at: datetime
    partner: PartyName | None = None
    message: MessageRef | None = None
    parcel: ParcelRef | None = None
    digest: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]
    note: ShortText = ""


# Sorted keys, no blanks, members that are not set left out: one entry has exactly one encoding.
_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Entry)


def entry_bytes(entry: Entry) -> bytes:
    """The canonical JSON of an entry, times in UTC."""
    if entry.at.utcoffset():
        entry = msgspec.structs.replace(entry, at=utc(entry.at))
    return _ENCODER.encode(entry)


def checked_bytes(entry: Entry) -> bytes:
    """The canonical JSON of an entry; EvidenceError if what it names could not be read back. Building an entry does not
    look at the form of ids, and a journal must never hold a line that its own verification refuses."""
    raw = entry_bytes(entry)
    try:
        _DECODER.decode(raw)
    except msgspec.MsgspecError as error:
        raise EvidenceError(JOURNAL_STEP, f"not a journal entry: {why_unreadable(error)}") from error
    return raw


def entry_leaf(raw: bytes) -> bytes:
    """The RFC 9162 leaf hash of an entry's bytes."""
    return leaf_hash(raw)


def read_entry(raw: bytes) -> Entry:
    """The entry these bytes are; EvidenceError if they are none, or not its canonical form."""
    try:
        entry = _DECODER.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EvidenceError(JOURNAL_STEP, f"not a journal entry: {why_unreadable(error)}") from error
    if entry_bytes(entry) != raw:
        raise EvidenceError(JOURNAL_STEP, "a journal entry is not in its canonical form")
    return entry
