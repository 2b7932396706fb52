"""Worker processes of one gateway: started, started again when they die, told to stop together."""

from __future__ import annotations

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

LOG = logging.getLogger("intertie.workers")
# How soon a worker that died is missed.
LOOK_SECONDS = 0.1
# One that dies before this did not get far: it is started again later each time, so that a mistake in the settings does
# not keep the machine busy.
YOUNG_SECONDS = 5.0
WAIT_FIRST = 0.5
WAIT_CEILING = 30.0

Start = Callable[[int], "subprocess.Popen[bytes]"]


@dataclass
class Worker:
    """One place for a process, and what is in it."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    begun: float = 0.0
    starts: int = 0
    quick_deaths: int = 0
    due: float = 0.0

    @property
    def pid(self) -> int | None:
        """Of the process that is there."""
        return self.process.pid if self.process is not None else None


class Supervisor:
    """Keeps `count` workers alive until SIGTERM or SIGINT, then ends them in order."""

    def __init__(
        self,
        start: Start,
        count: int,
        *,
        drain_seconds: float,
        changed: Callable[[list[Worker]], None],
        died: Callable[[int], None],
        stopping: Callable[[], None],
    ) -> None:
        """`changed` is told of the workers whenever one began; `died` of the pid of one that ended; `stopping` once."""
        self.workers = [Worker(number) for number in range(count)]
        self._start = start
        self._drain_seconds = drain_seconds
        self._changed = changed
        self._died = died
        self._stopping = stopping
        self._told = threading.Event()

    def run(self) -> bool:
        """Until told to stop, in the main thread; whether every worker then ended in order and in time."""
        with self._signals():
            return self.keep()

    def keep(self) -> bool:
        """The same in any thread, until `stop`."""
        while not self._told.is_set():
            self._look()
            self._told.wait(LOOK_SECONDS)
        return self._stop()

    def stop(self) -> None:
        """Let `keep` end."""
        self._told.set()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def told(number: int, frame: FrameType | None) -> None:
            self._told.set()

        before = {number: signal.signal(number, told) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _look(self) -> None:
        """Miss who died, start who is due."""
        begun = False
        for worker in self.workers:
            if worker.process is not None and worker.process.poll() is not None:
                self._bury(worker)
            if worker.process is None and time.monotonic() >= worker.due:
                worker.process = self._start(worker.number)
                worker.begun = time.monotonic()
                worker.starts += 1
                begun = True
                LOG.info("worker started", extra={"count": worker.number, "pid": worker.pid})
        if begun:
            self._changed(self.workers)

    def _bury(self, worker: Worker) -> None:
        assert worker.process is not None
        tick = time.monotonic()
        young = tick - worker.begun < YOUNG_SECONDS
        worker.quick_deaths = worker.quick_deaths + 1 if young else 0
        # The first time at once: whoever was killed by a mistake is needed.
        again = worker.quick_deaths > 1
        wait = min(WAIT_FIRST * 2.0 ** min(worker.quick_deaths - 2, 10), WAIT_CEILING) if again else 0.0
        worker.due = tick + wait
        pid, code = worker.process.pid, worker.process.returncode
        worker.process = None
        LOG.error("worker died", extra={"count": worker.number, "pid": pid, "code": code, "seconds": wait})
        self._died(pid)

    def _stop(self) -> bool:
        self._stopping()
        alive = [worker.process for worker in self.workers if worker.process is not None]
        for process in alive:
            process.send_signal(signal.SIGTERM)
        end = time.monotonic() + self._drain_seconds
        good = True
        for process in alive:
            try:
                good &= process.wait(max(end - time.monotonic(), 0.0)) == 0
            except subprocess.TimeoutExpired:
                LOG.error("worker did not end in time", extra={"pid": process.pid})
                process.kill()
                process.wait()
                good = False
        return good
