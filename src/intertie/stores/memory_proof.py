"""Proving from memory: the twin of stores/sqlite_proof.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import islice

from intertie.gateway.ports import ParcelRow
from intertie.gateway.proving.proof_ports import SignedParcel, Stamp
from intertie.journal.checkpoint import Head
from intertie.journal.entry import read_entry
from intertie.model.errors import StoreError
from intertie.model.ids import ParcelId, PartyId
from intertie.seal.tree import HASH_BYTES


class MemoryProof:
    """`gateway.proving.proof_ports.ProofStore` in lists; part of MemoryStore."""

    _open: Callable[[], AbstractContextManager[None]]
    _lines: list[tuple[int, bytes, bytes]]
    _parcels: dict[tuple[ParcelId, bool, PartyId], ParcelRow]
    _heads: dict[PartyId, list[Head]]
    _changes: int

    def __init__(self) -> None:
        super().__init__()
        self._tree_rows: dict[int, list[bytes]] = {}
        self._proven: dict[PartyId, set[Head]] = {}
        self._words: dict[tuple[PartyId, Head], bytes] = {}
        self._stamps: list[Stamp] = []

    def tree_row(self, level: int, start: int, end: int) -> bytes:
        """Hashes of a row of the tree; row 0 is the journal's leaves."""
        with self._open():
            if level:
                return b"".join(self._tree_rows.get(level, [])[start:end])
            return b"".join(leaf for _, _, leaf in self._lines[start:end])

    def tree_row_size(self, level: int) -> int:
        """How many hashes of a row above the leaves are kept."""
        with self._open():
            return len(self._tree_rows.get(level, ()))

    def add_tree_row(self, level: int, start: int, hashes: bytes) -> None:
        """Keep more of a row; what is there stays."""
        with self._open():
            row = self._tree_rows.setdefault(level, [])
            new = [hashes[i : i + HASH_BYTES] for i in range(0, len(hashes), HASH_BYTES)]
            row.extend(new[len(row) - start :])
            self._changes += 1

    def signed_parcels(
        self,
        *,
        after: int = 0,
        limit: int = 100,
        outgoing: bool | None = None,
        partner: PartyId | None = None,
    ) -> list[SignedParcel]:
        """Parcels by number, without their bytes."""
        with self._open():
            found = [
                SignedParcel(number, row.id, row.outgoing, row.partner, row.manifest, row.receipt, row.at)
                for number, row in enumerate(self._parcels.values(), 1)
                if number > after and outgoing in (None, row.outgoing) and partner in (None, row.partner)
            ]
            return found[:limit]

    def parcel_entries(self, parcel: ParcelId, *, limit: int = 10_000) -> list[tuple[int, bytes]]:
        """Lines of the journal that name a parcel, by index."""
        with self._open():
            return [(i, raw) for i, raw, _ in self._lines if read_entry(raw).parcel == parcel][:limit]

    def witnessed_heads(self, partner: PartyId, *, after: Head, limit: int) -> list[Head]:
        """Heads of a partner's journal by size and root."""
        with self._open():
            return sorted(head for head in self._heads.get(partner, ()) if head > after)[:limit]

    def unproven_heads(self, partner: PartyId, *, after: Head, limit: int) -> list[Head]:
        """Those that no audit has placed."""
        with self._open():
            proven = self._proven.get(partner, ())
            return sorted(h for h in self._heads.get(partner, ()) if h > after and h not in proven)[:limit]

    def proven_head(self, partner: PartyId) -> Head | None:
        """The largest head that an audit has placed."""
        with self._open():
            return max(self._proven.get(partner, ()), default=None)

    def mark_proven(self, partner: PartyId, heads: Sequence[Head], now: datetime) -> None:
        """Remember that these were placed."""
        with self._open():
            kept = self._heads.setdefault(partner, [])
            kept.extend(head for head in dict.fromkeys(heads) if head not in kept)
            self._proven.setdefault(partner, set()).update(heads)
            self._changes += 1

    def keep_checkpoint(self, partner: PartyId, head: Head, signed: bytes, now: datetime) -> None:
        """Keep a placed head with the partner's word for it; the first word stays."""
        with self._open():
            self.mark_proven(partner, [head], now)
            self._words.setdefault((partner, head), signed)

    def kept_checkpoint(self, partner: PartyId, head: Head) -> bytes | None:
        """The partner's word for a head."""
        with self._open():
            return self._words.get((partner, head))

    def add_stamp(self, head: Head, request: bytes, now: datetime) -> int:
        """Keep a request for a time stamp."""
        with self._open():
            self._stamps.append(Stamp(len(self._stamps) + 1, head, request, None, now))
            self._changes += 1
            return len(self._stamps)

    def answer_stamp(self, number: int, reply: bytes) -> None:
        """Keep the reply to a request."""
        with self._open():
            if not 1 <= number <= len(self._stamps):
                raise StoreError(f"no request number {number} for a time stamp", do="report this")
            self._stamps[number - 1] = self._stamps[number - 1]._replace(reply=reply)
            self._changes += 1

    def stamps(
        self, *, answered: bool | None = None, least: int = 0, limit: int | None = None
    ) -> list[Stamp]:
        """Requests with their replies."""
        with self._open():
            found = (
                s for s in self._stamps if s.head.size >= least and answered in (None, s.reply is not None)
            )
            return list(islice(found, limit))

    def last_stamp(self) -> Stamp | None:
        """The newest request with a reply."""
        with self._open():
            return next((stamp for stamp in reversed(self._stamps) if stamp.reply is not None), None)
