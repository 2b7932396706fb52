"""What a partner may ask about journals: ours (a signed head, proofs that it only grew, its own lines in it), and its own
(the heads that we hold from its receipts). Nothing here writes anything but the tree's rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from intertie.gateway.gateway import Gateway
from intertie.gateway.sending.own_keys import good_receipt, keys_towards
from intertie.journal.checkpoint import Head
from intertie.journal.entry import read_entry
from intertie.journal.rows import TreeRows
from intertie.model.errors import Fault, IntertieError
from intertie.model.ids import MessageId, ParcelId, PartyId
from intertie.seal.checkpoint import (
    HEADS_MAX,
    STAMP_BYTES_MAX,
    Checkpoint,
    Size,
    StampWord,
    Witness,
    sign_checkpoint,
    sign_witness,
)
from intertie.seal.encoding import from_base64url, to_base64url, write_canonical
from intertie.seal.receipt import JournalHead
from intertie.seal.tree import HASH_BYTES

# Proofs in one answer: 64 of 24 hashes for a journal of ten million entries are 70 KB.
PROOFS_MAX = 64
# A proof in a tree of 2^53 entries: RFC 9162 s.2.1.4.1 gives at most one hash a level, and one more.
HASHES_MAX = 54
# Lines of one answer: what happened to one parcel as a whole, and to one message of it, is a handful.
ENTRIES_MAX = 32

Hash = Annotated[str, Meta(min_length=43, max_length=43)]


class NoSuchHead(IntertieError):
    """The journal never had this size."""

    fault = Fault.THEIRS


class NoSuchReceipt(IntertieError):
    """No parcel of this id was taken from the asker."""

    fault = Fault.THEIRS


class Growth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That a journal of size `earlier` became the one of the answer."""

    earlier: Size
    hashes: Annotated[tuple[Hash, ...], Meta(max_length=HASHES_MAX)]


class Proofs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Consistency proofs up to the head of `size` (RFC 9162 s.2.1.4)."""

    size: Size
    proofs: Annotated[tuple[Growth, ...], Meta(max_length=PROOFS_MAX)]


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry and its inclusion proof (RFC 9162 s.2.1.3)."""

    index: Size
    entry: str  # base64url of the entry's bytes
    hashes: Annotated[tuple[Hash, ...], Meta(max_length=HASHES_MAX)]


class Lines(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entries of the journal with the head of `size`."""

    size: Size
    entries: Annotated[tuple[Line, ...], Meta(max_length=ENTRIES_MAX)]


class WitnessDesk:
    """Answers for one gateway. Safe to use from any thread; holds a bounded part of the tree."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._tree = TreeRows(gateway.store)

    def checkpoint(self, asker: PartyId, size: int | None, now: datetime) -> bytes:
        """A signed checkpoint: of the present head, or of the root at an earlier size. Raises NoSuchHead; EvidenceError
        if our own tree does not hold together: then nothing is signed."""
        stamp = self._stamp() if size is None else None
        present = self._gateway.store.head()  # after the stamp: it is over no more than this
        said = present if size is None else self._tree.head(self._size(size, present), present)
        checkpoint = Checkpoint(
            v=1,
            sender=self._gateway.party.id,
            recipient=asker,
            at=now,
            size=said.size,
            root=said.root.hex(),
            present=present.size,
            stamp=stamp,
        )
        return sign_checkpoint(checkpoint, keys_towards(self._gateway, asker, now))

    def _stamp(self) -> StampWord | None:
        """The newest time stamp over our journal, if it is not too large to hand on."""
        stamp = self._gateway.store.last_stamp()
        if stamp is None or stamp.reply is None or len(stamp.reply) > STAMP_BYTES_MAX:
            return None
        size, root = stamp.head
        return StampWord(size=size, root=root.hex(), reply=to_base64url(stamp.reply))

    def growth(self, size: int, earlier: Sequence[int]) -> bytes:
        """Canonical JSON of `Proofs`: that the journals of these sizes became the one of `size`. Raises NoSuchHead."""
        self._size(size, self._gateway.store.head())
        proofs = tuple(Growth(earlier=e, hashes=self._growth_of(e, size)) for e in earlier)
        return write_canonical(Proofs(size=size, proofs=proofs))

    def witnessed(self, asker: PartyId, after: Head, now: datetime) -> bytes:
        """A signed page of the heads of the asker's journal that we hold, those beyond `after`."""
        heads = self._gateway.store.witnessed_heads(asker, after=after, limit=HEADS_MAX + 1)
        witness = Witness(
            v=1,
            sender=self._gateway.party.id,
            recipient=asker,
            at=now,
            heads=tuple(JournalHead(size=h.size, root=h.root.hex()) for h in heads[:HEADS_MAX]),
            more=len(heads) > HEADS_MAX,
        )
        return sign_witness(witness, keys_towards(self._gateway, asker, now))

    def lines(self, asker: PartyId, parcel: ParcelId, message: MessageId | None, size: int) -> bytes:
        """Canonical JSON of `Lines`: our entries about a parcel of the asker's, or for it, and about one message in it.
        Of what concerns other parties nothing is shown. Raises NoSuchHead."""
        self._size(size, self._gateway.store.head())
        found = []
        for index, raw in self._gateway.store.parcel_entries(parcel):
            entry = read_entry(raw)
            if entry.partner != asker or index >= size or entry.message not in (None, message):
                continue
            hashes = tuple(to_base64url(node) for node in self._tree.inclusion(index, size))
            found.append(Line(index=index, entry=to_base64url(raw), hashes=hashes))
        return write_canonical(Lines(size=size, entries=tuple(found[:ENTRIES_MAX])))

    def receipt(self, asker: PartyId, parcel: ParcelId, now: datetime) -> bytes:
        """The receipt that we wrote for a parcel of the asker's, as a repeat of the parcel is answered. Raises NoSuchReceipt."""
        known = self._gateway.store.find_incoming_parcel(asker, parcel)
        if known is None or known.receipt is None or not known.receipt.startswith(b"{"):
            raise NoSuchReceipt("no parcel of this id was taken from you")
        return good_receipt(self._gateway, asker, parcel, known.receipt, now)

    def _growth_of(self, earlier: int, size: int) -> tuple[str, ...]:
        if earlier > size:
            raise NoSuchHead(f"{earlier} is more than {size}")
        return tuple(to_base64url(node) for node in self._tree.consistency(earlier, size))

    @staticmethod
    def _size(size: int, present: Head) -> int:
        if size > present.size:
            raise NoSuchHead(f"this journal has {present.size} entries, it never had {size}")
        return size


def hashes_of(texts: Sequence[str]) -> list[bytes]:
    """The hashes of a proof; ValueError if one is none."""
    hashes = [from_base64url(text) for text in texts]
    if any(len(value) != HASH_BYTES for value in hashes):
        raise ValueError("a hash of a proof is not a SHA-256")
    return hashes
