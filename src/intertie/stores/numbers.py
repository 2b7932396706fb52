"""Numbers of parcels, taken from the store some at a time: a write and its flush for each would be a fifth of what a single
message costs. What a process had taken and not used when it ended is left out."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from intertie.model.ids import PartyId

# A second's parcels to a busy partner.
TAKEN_AT_ONCE = 64


class Numbers:
    """The numbers that this process has in hand, by partner. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._left: dict[PartyId, range] = {}

    def next(self, partner: PartyId, reserve: Callable[[int], int]) -> int:
        """The next number; `reserve` takes so many from the store and gives the first."""
        with self._lock:
            left = self._left.get(partner, range(0))
            if not left:
                first = reserve(TAKEN_AT_ONCE)
                left = range(first, first + TAKEN_AT_ONCE)
            self._left[partner] = left[1:]
            return left[0]
