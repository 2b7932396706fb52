"""One line of the journal and its canonical bytes: what is hashed into the tree.

An entry names what happened and the SHA-256 of the bytes it is about, never the bytes: what is erased for privacy or
by retention leaves its hash, and the tree still verifies.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from intertie.model.errors import EvidenceError
from intertie.model.explain import why_unreadable
from intertie.model.ids import UUID7, MessageRef, ParcelRef, PartyName, ShortText
from intertie.model.message import utc
from intertie.model.record import Record
from intertie.seal.tree import leaf_hash

# The number of the step "the journal's entries" for EvidenceError; see docs/evidence.md.
JOURNAL_STEP = 0


SHA256 = r"^[0-9a-f]{64}(?!\n)$"


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
    digest: Annotated[str, Meta(pattern=SHA256)]
    note: ShortText = ""


# Sorted keys, no blanks, members that are not set left out: one entry has exactly one encoding.
_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Entry)
# As the types of these members ask, by the same patterns.
_MESSAGE, _DIGEST = re.compile(UUID7).search, re.compile(SHA256).search


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


class Lines:
    """`checked_bytes` for entries that are written together. Of a parcel's they differ in message and digest alone: what they
    share is held to its form once, with the first of them."""

    def __init__(self) -> None:
        self._shared: tuple[object, ...] | None = None

    def line(self, entry: Entry) -> bytes:
        """The canonical JSON of an entry; EvidenceError if what it names could not be read back."""
        shared = (entry.kind, entry.at, entry.partner, entry.parcel, entry.note, entry.message is None)
        if shared == self._shared and _is_named(entry):
            return entry_bytes(entry)
        raw = checked_bytes(entry)
        self._shared = shared
        return raw


def _is_named(entry: Entry) -> bool:
    """Whether message and digest have their form."""
    message = entry.message
    return (message is None or _MESSAGE(message) is not None) and _DIGEST(entry.digest) is not None


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
