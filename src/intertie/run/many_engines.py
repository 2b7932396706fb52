"""Who computes the parts of `intertie settle many` on this machine: this process, or a pool of processes."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import pyarrow as pa

from intertie.gateway.settlement.settle_many import Work
from intertie.model.errors import IntertieError
from intertie.stores.many_files import ReadingsFolder
from intertie.stores.many_work import settle_work, settled_bytes

# Parts that are handed out ahead: none of the processes waits, and no more results than these are in memory.
AHEAD = 2


class OneProcess:
    """Part after part."""

    def __init__(self, readings: ReadingsFolder) -> None:
        self._readings = readings

    def lines(self, works: Iterable[Work]) -> Iterator[tuple[Work, Any]]:
        """The lines of each work."""
        for work in works:
            yield work, settle_work(self._readings.folder, work)


class Pool:
    """So many processes, each with a part in memory."""

    def __init__(self, readings: ReadingsFolder, processes: int) -> None:
        self._readings, self._processes = readings, processes

    def lines(self, works: Iterable[Work]) -> Iterator[tuple[Work, Any]]:
        """The lines of each work, in their order. Raises IntertieError if a process died."""
        # not a copy of this one: it may have threads and an open store
        fresh = multiprocessing.get_context("spawn")
        waiting: deque[tuple[Work, Future[bytes]]] = deque()
        with ProcessPoolExecutor(self._processes, mp_context=fresh) as pool:
            try:
                for work in works:
                    waiting.append((work, pool.submit(settled_bytes, self._readings.folder, work)))
                    if len(waiting) >= self._processes + AHEAD:
                        yield _first(waiting)
                while waiting:
                    yield _first(waiting)
            except BrokenProcessPool as error:
                raise IntertieError(
                    "a process of the pool died: is there enough memory?",
                    do="Run it again with fewer processes: it goes on where it was.",
                ) from error
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


def _first(waiting: deque[tuple[Work, Future[bytes]]]) -> tuple[Work, Any]:
    work, made = waiting.popleft()
    return work, pa.ipc.open_stream(made.result()).read_all()
