"""Looks at the whole store, one after the other: what asks for several at once waits for its turn, and not for ever.

A search runs in the store, beside the interpreter: several at once would take every core of a machine whose first business is a
partner's parcels, and of a server of PostgreSQL that other gateways share.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from intertie.model.errors import IntertieError

# Of one process: a search takes a fifth of a second at worst, and a core of its own.
AT_ONCE = 1
# Threads wait, and other pages need some, too. Whoever comes beyond would wait for longer than a person does.
WAITING_MAX = 8
WAIT_SECONDS = 10.0


class Crowded(IntertieError):
    """More are waiting than may; again after a moment."""

    retry = True


class Turns:
    """So many at once, and so many that wait. Safe to use from any thread."""

    def __init__(
        self, at_once: int = AT_ONCE, waiting: int = WAITING_MAX, seconds: float = WAIT_SECONDS
    ) -> None:
        self._places = threading.Semaphore(at_once)
        self._most, self._seconds = waiting, seconds
        self._lock = threading.Lock()
        self._waiting = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """A turn. Crowded if too many wait, or it does not come in time."""
        if not self._places.acquire(blocking=False):
            self._wait()
        try:
            yield
        finally:
            self._places.release()

    def _wait(self) -> None:
        with self._lock:
            if self._waiting >= self._most:
                raise _crowded()
            self._waiting += 1
        try:
            if not self._places.acquire(timeout=self._seconds):
                raise _crowded()
        finally:
            with self._lock:
                self._waiting -= 1


def _crowded() -> Crowded:
    return Crowded("too many are searching now", do="Try again in a moment, or search for less.")
