"""Turns at the threads that check parcels: partners take turns, and within a partner the first come is served first. A
partner that sends a hundred at once waits for itself; another one's parcel waits for one that is under way, at most."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from intertie.model.ids import PartyId


class Turns:
    """So many at once, shared fairly. For one event loop."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: dict[PartyId, deque[asyncio.Future[None]]] = {}
        self.busy: dict[PartyId, int] = {}

    @asynccontextmanager
    async def turn(self, party: PartyId) -> AsyncIterator[None]:
        """A place, once it is this partner's turn."""
        await self._take(party)
        try:
            yield
        finally:
            self._leave(party)

    async def _take(self, party: PartyId) -> None:
        if self._free:
            self._free -= 1
        else:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(party, deque()).append(future)
            try:
                await future
            except asyncio.CancelledError:
                if future.done() and not future.cancelled():
                    self._pass_on()  # the place came with the cancelling
                raise
        self.busy[party] = self.busy.get(party, 0) + 1

    def _leave(self, party: PartyId) -> None:
        self.busy[party] -= 1
        if not self.busy[party]:
            del self.busy[party]
        self._pass_on()

    def _pass_on(self) -> None:
        """Give a free place to the partner with the fewest places, of those the one that was not served for longest."""
        while self._waiting:
            party = min(self._waiting, key=lambda waiting: self.busy.get(waiting, 0))
            queue = self._waiting.pop(party)
            future = queue.popleft()
            if queue:
                self._waiting[party] = queue  # at the end: others are served before it is again
            if not future.cancelled():
                future.set_result(None)
                return
        self._free += 1
