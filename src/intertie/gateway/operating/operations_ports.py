"""What running a gateway needs of a store: queues at a glance, timeliness, stop flags, and whether it can be written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from intertie.exchange.timeliness import Span
from intertie.journal.entry import Entry
from intertie.model.ids import PartyId


class QueueLine(NamedTuple):
    """Messages to one partner of one priority that have no receipt yet."""

    partner: PartyId
    priority: int
    queued: int
    sending: int  # sealed in a parcel that waits for its receipt
    oldest: datetime  # when the one that waits longest was queued


class Stop(NamedTuple):
    """A stop flag that is up: nothing that can wait is sent in this direction."""

    partner: PartyId
    ours: bool  # True: we asked the partner to stop; False: it asked us
    since: datetime
    until: datetime  # it falls by itself then: a flag that was forgotten must not hold mail for ever


class OperationsStore(Protocol):
    """Each method is one consistent look, or one durable write."""

    def queues(self) -> list[QueueLine]:
        """All queues that are not empty, by partner then priority. Costs as much as there waits, whatever is kept."""

    def waiting_parcels(self) -> dict[PartyId, int]:
        """Sealed parcels without a receipt, by partner; those with none are left out."""

    def refused_since(self, since: datetime, *, limit: int) -> dict[str, int]:
        """Refusals by us since this time by code, counted over the newest `limit`."""

    def add_timeliness(self, spans: Sequence[Span], keep_since: datetime) -> None:
        """Add counts to what is kept; spans that began before `keep_since` are summed up into one per flow."""

    def timeliness(self, since: datetime | None = None) -> list[Span]:
        """Counts of spans that began at this time or later; all, with the sum of what is older, without it."""

    def stops(self) -> list[Stop]:
        """The stop flags that are kept, also those whose end has come."""

    def raise_stop(self, stop: Stop, entries: Sequence[Entry]) -> None:
        """Keep a flag and journal it; one for the same partner and direction is replaced."""

    def lower_stop(self, partner: PartyId, *, ours: bool, entries: Sequence[Entry]) -> bool:
        """Take a flag down and journal it; False, and nothing journaled, if none was up."""

    def probe(self) -> None:
        """Write to disk, changing nothing; StoreError if that is not possible."""

    def size_bytes(self) -> int:
        """How much room the store takes."""
