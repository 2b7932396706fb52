"""The lanes to one partner: which of its delivery loops looks when something was queued.

A parcel costs far more than a message in it, so a second one begins only when as much waits as the first one carries, or when a
second has passed: callers share parcels. A single caller waits for nobody, and what is urgent neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import IntEnum

from intertie.exchange.shedding import is_urgent
from intertie.model.ids import ParcelId, PartyId

# From this many messages on, a parcel is taken to be a part of a backlog: the next one is sealed while it is on its way.
PLENTY = 64
# Those whose receipts came together are about to send again together. Not waited for where the last parcel carried one message;
# at most half the time that a parcel takes.
GATHER_SECONDS, GATHER_TIMES = 0.001, 6


class Lane(IntEnum):
    """Parcels that are on their way to one partner at once: while the partner checks one, the next is sealed; and what is
    urgent waits for neither."""

    FIRST = 0  # also sends again what had no answer, and finds out whether a silent door answers again
    SECOND = 1
    URGENT = 2
    RELAY = 3  # what of others goes on, and what became of it


class UnderWay(Collection[ParcelId]):
    """The parcels that are on their way to a partner, with how many messages each: none is sent by two at once."""

    def __init__(self) -> None:
        self._counts: dict[ParcelId, int] = {}

    def __contains__(self, parcel: object) -> bool:
        return parcel in self._counts

    def __iter__(self) -> Iterator[ParcelId]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    def begin(self, parcel: ParcelId, count: int) -> None:
        """It is sent now."""
        self._counts[parcel] = count

    def ended(self, parcel: ParcelId) -> None:
        """What came of it is known, as far as it will be now."""
        self._counts.pop(parcel, None)


class Lanes(UnderWay):
    """The same, and what its loops wait for. For one thread. Whatever is not woken here is found by the first lane when it is
    done, and by one of the two each second."""

    def __init__(self) -> None:
        super().__init__()
        self._wakes = [asyncio.Event() for _ in Lane]
        self._waiting = 0  # queued since a parcel was begun last, as far as this process knows

    def look(self, lane: Lane) -> None:
        """A loop is about to look: what comes from now on wakes it again."""
        self._wakes[lane].clear()

    async def rest(self, lane: Lane) -> None:
        """Until there is something to look for."""
        await self._wakes[lane].wait()

    async def gather(self, messages: int) -> None:
        """A parcel of so many messages was receipted: give its senders the time to send again."""
        for _ in range(GATHER_TIMES if 1 < messages < PLENTY else 0):
            if self._waiting >= messages:
                return
            await asyncio.sleep(GATHER_SECONDS)

    def begin(self, parcel: ParcelId, count: int) -> None:
        super().begin(parcel, count)
        self._waiting = max(0, self._waiting - count)
        if count >= PLENTY:
            self._wakes[Lane.SECOND].set()

    def queued(self, count: int, *, urgent: bool) -> None:
        """So many messages were queued by this process."""
        self._waiting += count
        self._wakes[Lane.FIRST].set()
        if not self._counts:
            return
        if self._waiting >= max(self._counts.values()):
            self._wakes[Lane.SECOND].set()
        if urgent:
            self._wakes[Lane.URGENT].set()

    def due(self) -> None:
        """Something is to be sent, by the store; who queued it, and how much it is, is not known."""
        self._wakes[Lane.FIRST].set()
        self._wakes[Lane.RELAY].set()
        if self._counts:
            self._wakes[Lane.URGENT].set()
            if not self._waiting:
                self._wakes[Lane.SECOND].set()

    def found_nothing(self, lane: Lane) -> None:
        """A loop looked and there was nothing to send: what was counted has gone another way, expired or cancelled, say."""
        if lane in (Lane.FIRST, Lane.SECOND):
            self._waiting = 0

    def tick(self) -> None:
        """Time has passed: what waits for company behind a slow parcel has waited long enough."""
        self._wakes[Lane.FIRST].set()
        self._wakes[Lane.RELAY].set()
        if self._counts and self._waiting:
            self._wakes[Lane.SECOND].set()

    def end(self) -> None:
        """Nothing new is begun: every loop ends."""
        for wake in self._wakes:
            wake.set()


class AllLanes:
    """The lanes to all partners. For one thread."""

    def __init__(self) -> None:
        self._of: dict[PartyId, Lanes] = {}

    def __contains__(self, party: PartyId) -> bool:
        return party in self._of

    def of(self, party: PartyId) -> Lanes:
        """Those to a partner, made when they are first asked for."""
        return self._of.setdefault(party, Lanes())

    def queued(self, priorities: Mapping[PartyId, Sequence[int]]) -> None:
        """Messages of these priorities were queued by this process."""
        for party, those in priorities.items():
            if party in self._of:
                self._of[party].queued(len(those), urgent=any(map(is_urgent, those)))

    def due(self, parties: Collection[PartyId]) -> None:
        """Something is to be sent to these, by the store."""
        for party in parties:
            if party in self._of:
                self._of[party].due()

    def tick(self) -> None:
        """Time has passed."""
        for lanes in self._of.values():
            lanes.tick()

    def end(self) -> None:
        """Every loop ends."""
        for lanes in self._of.values():
            lanes.end()
