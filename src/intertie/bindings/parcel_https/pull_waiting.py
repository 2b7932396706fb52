"""Open requests that wait for a parcel: woken when something is due for their partner. One look at the store serves all of
them, however many wait."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from anyio import CapacityLimiter, to_thread

from intertie.gateway.ports import Store
from intertie.model.errors import IntertieError
from intertie.model.ids import PartyId

LOG = logging.getLogger("intertie.pull")
# How soon a parcel for a waiting request begins its way, as for parcels that are pushed.
WATCH_SECONDS = 0.02
# What is due again by the clock alone is looked for this often.
TICK_SECONDS = 1.0
# Of a core, what looking may take at most, with thousands of partners and a store that changes all the time: a sixth.
REST = 5.0


class Waiting:
    """The waiting requests of one door. For one event loop."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._wakes: dict[PartyId, set[asyncio.Event]] = {}
        self._thread = CapacityLimiter(1)
        self._watching: asyncio.Task[None] | None = None
        self.open: Counter[PartyId] = Counter()
        self.stopping = False

    @contextmanager
    def wake(self, party: PartyId) -> Iterator[asyncio.Event]:
        """An event that is set whenever something may be due for this partner, and when the door closes."""
        event = asyncio.Event()
        self._wakes.setdefault(party, set()).add(event)
        self.open[party] += 1
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        try:
            yield event
        finally:
            self._wakes[party].discard(event)
            if not self._wakes[party]:
                del self._wakes[party]
            self.open[party] -= 1
            if not self.open[party]:
                del self.open[party]

    def stop(self) -> None:
        """The door closes: nobody waits any more."""
        self.stopping = True
        for party in list(self._wakes):
            self._set(party)

    async def _watch(self) -> None:
        """Look as long as somebody waits; the last one's end ends it."""
        seen, ticked = -1, float("-inf")
        while self._wakes:
            begun = time.monotonic()
            try:
                changed = await to_thread.run_sync(self._store.changed, limiter=self._thread)
                if changed != seen or begun - ticked >= TICK_SECONDS:
                    seen, ticked = changed, begun
                    for party in await to_thread.run_sync(
                        self._store.next_partners, self._clock(), limiter=self._thread
                    ):
                        self._set(party)
            except IntertieError as error:
                LOG.error("store", extra={"why": error.why})
                await asyncio.sleep(TICK_SECONDS)
            await asyncio.sleep(max(WATCH_SECONDS, REST * (time.monotonic() - begun)))

    def _set(self, party: PartyId) -> None:
        for event in self._wakes.get(party, ()):
            event.set()
