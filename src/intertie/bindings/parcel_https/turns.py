"""Turns at the threads that check parcels: partners take turns, within a partner the first come is served first, and no
partner has more than half of the places. A partner that sends a hundred at once waits for itself; another one's parcel
finds a place."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from intertie.model.ids import PartyId


class Turns:
    """So many at once, shared fairly. For one event loop."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._most = max((places + 1) // 2, 1)
        self._waiting: dict[PartyId, deque[asyncio.Future[None]]] = {}
        self.busy: Counter[PartyId] = Counter()

    @asynccontextmanager
    async def turn(self, party: PartyId) -> AsyncIterator[None]:
        """A place, once it is this partner's turn."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(party, deque()).append(future)
        self._serve()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._leave(party)  # the place came with the cancelling
            raise
        try:
            yield
        finally:
            self._leave(party)

    def _leave(self, party: PartyId) -> None:
        self._free += 1
        self.busy[party] -= 1
        if not self.busy[party]:
            del self.busy[party]
        self._serve()

    def _serve(self) -> None:
        """Give free places to the partners with the fewest, of those to the one that was not served for longest."""
        while self._free:
            party = min(
                (waiting for waiting in self._waiting if self.busy[waiting] < self._most),
                key=lambda waiting: self.busy[waiting],
                default=None,
            )
            if party is None:
                return
            queue = self._waiting.pop(party)
            future = queue.popleft()
            if queue:
                self._waiting[party] = queue  # at the end: others are served before it is again
            if not future.cancelled():
                future.set_result(None)
                self._free -= 1
                self.busy[party] += 1
