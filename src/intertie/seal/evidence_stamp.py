"""A third party's time in an evidence file: the receipt is named by a journal entry, the journal's head was stamped.

Whose journal it is does not matter for what it proves: an entry with the receipt's hash was under a root that the
authority saw at that time, so the receipt was there.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from intertie.model.errors import EvidenceError
from intertie.model.ids import PartyId, PartyName
from intertie.seal.checkpoint import Size, stamped_bytes
from intertie.seal.encoding import from_base64url, to_base64url
from intertie.seal.receipt import Sha256
from intertie.seal.timestamp import Stamped, StampError, TsaTrust, verify_stamp
from intertie.seal.tree import HASH_BYTES, leaf_hash, verify_inclusion

STEP_STAMPED_ENTRY = 12
STEP_STAMP = 13

# The clocks of two parties may differ a little.
STAMP_EARLY = timedelta(minutes=5)
# A tree of 2^53 entries.
PROOF_MAX = 53


class StampPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The member `stamp` of an evidence file."""

    party: PartyName  # whose journal
    size: Size
    root: Sha256
    index: Size
    entry: str  # base64url of the entry's bytes
    proof: Annotated[tuple[str, ...], Meta(max_length=PROOF_MAX)]
    reply: str  # base64url of the TimeStampResp


class StampedEntry(NamedTuple):
    """An entry of a journal under a head that was stamped: what an exporter hands over."""

    party: PartyId
    size: int
    root: bytes
    place: int  # of the entry in the journal
    entry: bytes
    proof: list[bytes]
    reply: bytes


class _Entry(msgspec.Struct, frozen=True):
    """The members of a journal entry that count here; the entry's form is its journal's business."""

    kind: Literal["receipt_in", "receipt_out"]
    digest: Sha256


_ENTRY = msgspec.json.Decoder(_Entry)


def write_stamp(stamped: StampedEntry) -> StampPart:
    """As a member of a file."""
    return StampPart(
        party=stamped.party,
        size=stamped.size,
        root=stamped.root.hex(),
        index=stamped.place,
        entry=to_base64url(stamped.entry),
        proof=tuple(to_base64url(node) for node in stamped.proof),
        reply=to_base64url(stamped.reply),
    )


def read_stamp(part: StampPart) -> StampedEntry:
    """From a member of a file; ValueError if it is damaged."""
    proof = [from_base64url(node) for node in part.proof]
    if any(len(node) != HASH_BYTES for node in proof):
        raise ValueError("a hash of the stamp's proof is not a SHA-256")
    return StampedEntry(
        part.party,
        part.size,
        bytes.fromhex(part.root),
        part.index,
        from_base64url(part.entry),
        proof,
        from_base64url(part.reply),
    )


def check_stamp(stamped: StampedEntry, receipt: bytes | None, trust: TsaTrust | None) -> Stamped | None:
    """What the stamp says of the receipt, None if nobody is trusted for time here; EvidenceError(12 | 13)."""
    if receipt is None:
        raise EvidenceError(STEP_STAMPED_ENTRY, "a time stamp for a receipt, but no receipt")
    try:
        entry = _ENTRY.decode(stamped.entry)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EvidenceError(STEP_STAMPED_ENTRY, f"not an entry about a receipt: {error}") from error
    if entry.digest != hashlib.sha256(receipt).hexdigest():
        raise EvidenceError(STEP_STAMPED_ENTRY, "the journal entry is about another receipt")
    leaf = leaf_hash(stamped.entry)
    if not verify_inclusion(leaf, stamped.place, stamped.size, stamped.proof, stamped.root):
        raise EvidenceError(
            STEP_STAMPED_ENTRY, f"the entry is not number {stamped.place} under the stamped root"
        )
    if trust is None or not trust.roots:
        return None
    data = stamped_bytes(stamped.party, stamped.size, stamped.root)
    try:
        return verify_stamp(stamped.reply, data, trust)
    except StampError as error:
        raise EvidenceError(STEP_STAMP, error.why, do=error.do) from error
