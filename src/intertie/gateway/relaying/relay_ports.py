"""What relaying needs of a store: parcels of others on their way, and what relays said about parcels of ours."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from intertie.exchange.relaying import Back, Event, Passage, Telling
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry
from intertie.model.ids import ParcelId, PartyId

# Parcels whose end has come, looked at in one go.
ENDING_AT_ONCE = 100


class Relayed(NamedTuple):
    """A parcel of others. Its bytes are sealed for its recipient: nobody here can read them."""

    parcel: ParcelId
    sender: PartyId
    recipient: PartyId
    previous: PartyId  # who handed it over: the sender, or the relay before
    next: PartyId  # whom it goes to: the recipient, or the relay behind
    hop: int  # our place among its relays, from 1
    digest: bytes  # SHA-256 of the parcel
    suite: str  # of its header
    size: int
    blob: bytes | None  # until the next hop has it, or its end
    waybill: bytes
    trail: bytes  # JSON array of the hop receipts before ours
    receipt: bytes  # our hop receipt; empty until it is kept
    at: datetime
    expires: datetime
    priority: int
    passage: Passage = Passage.TAKEN
    back: Back = Back.NOTHING
    onward: bytes | None = None  # the next relay's hop receipt
    answer: bytes | None = None  # what goes back to `previous`
    attempts: int = 0
    next_attempt: datetime | None = None
    detail: str = ""


class Load(NamedTuple):
    """How much of one sender's waits here for its next hop."""

    parcels: int
    size: int


class RelayStore(Protocol):
    """Each is atomic and durable once it returns, as all of a store. A parcel's id is the name of its row: no two senders
    have the same one here."""

    def take_relayed(self, row: Relayed, write: Callable[[Head], bytes], now: datetime) -> bytes:
        """Keep a parcel, journal it, and keep the hop receipt that `write` makes for the journal's head, in one transaction;
        the hop receipt. If it was taken before (same digest), the one of then; Refused(PARCEL_ID_REUSED) if it was another."""

    def relayed(self, parcel: ParcelId) -> Relayed | None:
        """One parcel of others."""

    def relay_due(
        self, party: PartyId, now: datetime, *, without: Collection[ParcelId] = ()
    ) -> Relayed | None:
        """What goes to this party now, the most urgent first, then the oldest: a parcel on its way on, or what became of one
        on its way back."""

    def defer_relayed(self, parcel: ParcelId, next_attempt: datetime, detail: str) -> None:
        """It did not arrive: count the attempt; it is due again at `next_attempt`."""

    def move_relayed(
        self,
        parcel: ParcelId,
        event: Event,
        entry: Entry,
        *,
        onward: bytes | None = None,
        answer: bytes | None = None,
        detail: str = "",
    ) -> bool:
        """A step of the way on (exchange/relaying.py), journaled; whether it was one. A new end is owed to who handed the
        parcel over, as `answer`. A parcel that goes nowhere any more has no bytes here."""

    def tell_relayed(self, parcel: ParcelId, telling: Telling, entry: Entry) -> bool:
        """A step of the way back, journaled; whether it was one."""

    def relay_load(self, sender: PartyId) -> Load:
        """How much of a sender's has not been handed on."""

    def relay_ending(self, now: datetime) -> list[Relayed]:
        """Parcels on their way whose end has come, and answers that nobody took for GIVE_UP_AFTER; at most ENDING_AT_ONCE."""

    def relayed_rows(self, *, waiting: bool, limit: int) -> list[Relayed]:
        """The newest first, without their bytes; with `waiting` only those that are on their way on or back."""

    def keep_hops(
        self,
        parcel: ParcelId,
        *,
        outgoing: bool,
        partner: PartyId,
        statements: Sequence[bytes],
        now: datetime,
    ) -> None:
        """Keep what relays said about a parcel from us or for us, verified, and journal each; one that is kept changes
        nothing."""

    def hops(self, parcel: ParcelId, *, outgoing: bool, partner: PartyId) -> list[bytes]:
        """The same, in the order they came."""
