"""What an auditor looks at: whether a file proves what it says, the head of our journal and its newest lines, and which heads
partners and we hold of each other's. Nothing here writes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from intertie.gateway.gateway import Gateway
from intertie.gateway.office.office_acts import NotHere
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Kind, read_entry
from intertie.journal.proof import check_entry
from intertie.journal.rows import TreeRows
from intertie.model.errors import EvidenceError
from intertie.model.ids import MessageId, ParcelId, PartyId
from intertie.seal.checkpoint import stamped_bytes
from intertie.seal.evidence_file import NONE, verify_file
from intertie.seal.renewal import RENEWED_BYTES_MAX
from intertie.seal.timestamp import StampError, TsaTrust, verify_stamp
from intertie.seal.translated_evidence import ForeignVerifier

# The largest file that can be evidence.
EVIDENCE_BYTES_MAX = RENEWED_BYTES_MAX
# Heads of one partner that are counted: beyond that the page says "or more".
HEADS_MAX = 1000
# Partners on one page; each costs two short looks at an index.
PARTNERS_MAX = 200
# Lines of the journal on one page.
ENTRIES_MAX = 200
_NOTHING = Head(0, b"")


class Verified(NamedTuple):
    """What came of checking a file. `step` and `do` are set where it does not verify; `text` says what it proves, or why not."""

    name: str
    sha256: str
    size: int
    proves: bool
    text: str
    step: int | None = None
    do: str = ""
    at: datetime | None = None


class StampLine(NamedTuple):
    """The newest time stamp over our journal; `at` None where it does not verify under the roots that are trusted here."""

    size: int
    root: str
    at: datetime | None
    authority: str
    why: str = ""


class PartnerHeads(NamedTuple):
    """What we hold of a partner's journal: the largest head that an audit placed, and how many receipts brought since.

    `many` says that there are more than were counted; `newest` is the largest of those that were.
    """

    partner: PartyId
    proven: Head | None
    since: int
    many: bool
    newest: Head | None


class Heads(NamedTuple):
    """Our own journal, and what is held of others'."""

    party: PartyId
    own: Head
    stamp: StampLine | None
    partners: tuple[PartnerHeads, ...]
    partners_left_out: int


class EntryLine(NamedTuple):
    """A line of our journal; `number` is its index in the tree, from 0."""

    number: int
    kind: Kind
    at: datetime
    partner: PartyId | None
    message: MessageId | None
    parcel: ParcelId | None
    digest: str
    note: str


class EntryPage(NamedTuple):
    """Lines, the newest first; `older` is the index to go on below, None at the first line."""

    lines: tuple[EntryLine, ...]
    size: int
    older: int | None


class Included(NamedTuple):
    """Lines about a message, each proven to lie under our present head by so many hashes."""

    message: MessageId
    head: Head
    lines: tuple[tuple[EntryLine, int], ...]


def verify_dropped(
    gateway: Gateway,
    name: str,
    raw: bytes,
    now: datetime,
    tsa: TsaTrust | None = None,
    verifiers: Mapping[str, ForeignVerifier] = NONE,
) -> Verified:
    """Whether a file proves something, by the roots that this gateway trusts. Never raises for what is in the file."""
    digest = hashlib.sha256(raw).hexdigest()
    try:
        report = verify_file(raw, gateway.trust, now, tsa, verifiers=verifiers)
    except EvidenceError as error:
        return Verified(name, digest, len(raw), False, error.why, error.step, error.do)
    return Verified(name, digest, len(raw), True, report.text(), at=now)


def heads(gateway: Gateway, tsa: TsaTrust | None = None) -> Heads:
    """The heads of journals, ours and those that we witness. Raises StoreError."""
    known = sorted(one.party for one in gateway.partners.all())
    return Heads(
        party=gateway.party.id,
        own=gateway.store.head(),
        stamp=_stamp(gateway, tsa),
        partners=tuple(_partner(gateway, party) for party in known[:PARTNERS_MAX]),
        partners_left_out=max(0, len(known) - PARTNERS_MAX),
    )


def _partner(gateway: Gateway, party: PartyId) -> PartnerHeads:
    store = gateway.store
    proven = store.proven_head(party)
    found = store.unproven_heads(party, after=_NOTHING, limit=HEADS_MAX + 1)
    newest = max([*found, *([proven] if proven is not None else [])], default=None)
    return PartnerHeads(party, proven, min(len(found), HEADS_MAX), len(found) > HEADS_MAX, newest)


def _stamp(gateway: Gateway, tsa: TsaTrust | None) -> StampLine | None:
    stamp = gateway.store.last_stamp()
    if stamp is None:
        return None
    size, root = stamp.head
    try:
        data = stamped_bytes(gateway.party.id, size, root)
        said = verify_stamp(stamp.reply or b"", data, tsa or TsaTrust(()), stamp.request)
    except StampError as error:
        return StampLine(size, root.hex(), None, "", error.why)
    return StampLine(size, root.hex(), said.at, said.authority)


def entries(gateway: Gateway, below: int | None = None, limit: int = 50) -> EntryPage:
    """Lines of our journal below an index, the newest first. Raises StoreError, EvidenceError for one that is damaged."""
    size = gateway.store.head().size
    end = size if below is None else max(0, min(below, size))
    count = min(limit, ENTRIES_MAX, end)
    found = gateway.store.entries(after=end - count, limit=count) if count else []
    lines = tuple(_line(index, raw) for index, raw, _ in reversed(found))
    return EntryPage(lines, size, end - count if end - count > 0 else None)


def _line(index: int, raw: bytes) -> EntryLine:
    one = read_entry(raw)
    partner = None if one.partner is None else PartyId(one.partner)
    message = None if one.message is None else MessageId(one.message)
    parcel = None if one.parcel is None else ParcelId(one.parcel)
    return EntryLine(index, one.kind, one.at, partner, message, parcel, one.digest, one.note)


def included(gateway: Gateway, message: MessageId) -> Included:
    """Our lines about a message that went or came in a parcel, each with its proof checked against our head.

    NotHere if there is no such message, or it is in no parcel yet; EvidenceError if a proof does not hold.
    """
    row = gateway.store.message(message, body=False)
    if row is None:
        raise NotHere(f"there is no message {message}", do="Search under Messages.")
    if row.parcel is None:
        raise NotHere(
            f"message {message} is {row.state.value}: it is in no parcel", do="Wait until it is sent."
        )
    head, tree = gateway.store.head(), TreeRows(gateway.store)
    found = []
    for index, raw in gateway.store.parcel_entries(row.parcel, limit=ENTRIES_MAX):
        line = _line(index, raw)
        if index >= head.size or line.message not in (None, message):
            continue
        hashes = tree.inclusion(index, head.size)
        check_entry(raw, index, hashes, head)
        found.append((line, len(hashes)))
    return Included(message, head, tuple(found))
