"""What proving needs of a store: the tree in rows, signed parcels in order, partners' heads, time stamps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from intertie.journal.checkpoint import Head
from intertie.journal.rows import Rows
from intertie.model.ids import ParcelId, PartyId


class SignedParcel(NamedTuple):
    """What was signed about a parcel, without its bytes. `number` is its place in this store."""

    number: int
    id: ParcelId
    outgoing: bool
    partner: PartyId
    manifest: bytes
    receipt: bytes | None
    at: datetime


class Stamp(NamedTuple):
    """A time stamp asked for over a head of our journal; `reply` None while the authority has not answered."""

    number: int
    head: Head
    request: bytes  # DER TimeStampReq (RFC 3161 s.2.4.1)
    reply: bytes | None  # DER TimeStampResp (s.2.4.2), verified before it was kept
    at: datetime  # asked


class ProofStore(Rows, Protocol):
    """Each method is one consistent look, or one durable write."""

    def signed_parcels(
        self,
        *,
        after: int = 0,
        limit: int = 100,
        outgoing: bool | None = None,
        partner: PartyId | None = None,
    ) -> list[SignedParcel]:
        """Parcels in and out in the order in which they were kept, from those numbered above `after`."""

    def parcel_entries(self, parcel: ParcelId, *, limit: int = 10_000) -> list[tuple[int, bytes]]:
        """The journal entries that name a parcel: (index, entry bytes), in order."""

    def witnessed_heads(self, partner: PartyId, *, after: Head, limit: int) -> list[Head]:
        """Heads of the partner's journal that we keep, by size then root, those beyond `after`."""

    def unproven_heads(self, partner: PartyId, *, after: Head, limit: int) -> list[Head]:
        """Those among `witnessed_heads` that no audit has placed on one growing journal yet."""

    def proven_head(self, partner: PartyId) -> Head | None:
        """The largest head of the partner's journal that an audit has placed."""

    def mark_proven(self, partner: PartyId, heads: Sequence[Head], now: datetime) -> None:
        """These lie on one growing journal: remember it, and keep those that we did not have."""

    def keep_checkpoint(self, partner: PartyId, head: Head, signed: bytes, now: datetime) -> None:
        """A head that an audit has placed, and the partner's signed word for it."""

    def kept_checkpoint(self, partner: PartyId, head: Head) -> bytes | None:
        """The partner's signed word for a head, if an audit kept one."""

    def add_stamp(self, head: Head, request: bytes, now: datetime) -> int:
        """Keep a request for a time stamp before it leaves; its number."""

    def answer_stamp(self, number: int, reply: bytes) -> None:
        """Keep the authority's reply; StoreError if there is no such request."""

    def stamps(
        self, *, answered: bool | None = None, least: int = 0, limit: int | None = None
    ) -> list[Stamp]:
        """Requests by number: all, with or without a reply; only over heads of at least `least` entries."""

    def last_stamp(self) -> Stamp | None:
        """The newest request with a reply."""
