"""One sending gateway of the exchange benchmark, in a process of its own: queues messages, delivers them, and prints what it
took as one JSON line. `python -m bench.exchange_sender DIRECTORY RECIPIENT COUNT SIZE CALLERS`; CALLERS 0 is a backlog."""

from __future__ import annotations

import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.gateways import peak_mb
from bench.messages import availability
from intertie.bindings.operations.metrics import Meter
from intertie.bindings.operations.telemetry import Tracer
from intertie.bindings.parcel_https.client import HttpsLink
from intertie.exchange.outbound import State
from intertie.gateway.sending.send_message import queue
from intertie.model.ids import MessageId, PartyId
from intertie.run import Opened
from intertie.run.deliveries import Deliveries
from intertie.run.serving import SWITCH_SECONDS

# Messages queued in one call while a backlog is made.
CHUNK = 1000
# The longest a run may take: a benchmark that hangs is a finding.
PATIENCE_SECONDS = 240.0


class Receipts:
    """Watches a store: which messages have their receipt, and when. The store does its work as ever."""

    def __init__(self, store: Any) -> None:
        self._close = store.close_parcel
        self._waiting: dict[MessageId, threading.Event] = {}
        self.count = 0
        self.done = threading.Event()
        self.until = 0
        store.close_parcel = self._closed

    def _closed(self, parcel: Any, receipt: Any, outcomes: Sequence[Any], *rest: Any, **named: Any) -> Any:
        result = self._close(parcel, receipt, outcomes, *rest, **named)
        for message, state, _ in outcomes:
            if state is not State.ACCEPTED:
                raise SystemExit(f"{message} ended as {state}")
            event = self._waiting.pop(message, None)
            if event is not None:
                event.set()
        self.count += len(outcomes)
        if self.count >= self.until:
            self.done.set()
        return result

    def wait_for(self, message: MessageId) -> threading.Event:
        """Set once the message has its receipt; ask before it is queued."""
        return self._waiting.setdefault(message, threading.Event())


class Wire:
    """Counts what goes to doors and comes back, without what TLS and HTTP add to it."""

    def __init__(self) -> None:
        self.bytes = 0
        post = HttpsLink.post

        async def counted(link: HttpsLink, partner: Any, blob: bytes, **named: Any) -> Any:
            answer = await post(link, partner, blob, **named)
            self.bytes += len(blob) + len(answer.body)
            return answer

        HttpsLink.post = counted  # type: ignore[method-assign]


def run(directory: Path, recipient: PartyId, count: int, size: int, callers: int) -> dict[str, float]:
    """Send `count` messages of about `size` bytes and wait for every receipt."""
    sys.setswitchinterval(SWITCH_SECONDS)  # as `serve` does
    it = Opened(directory)
    it.store.unlock()
    sender = it.settings.party.id
    receipts, wire = Receipts(it.store), Wire()
    deliveries = Deliveries(it, Meter(it.gateway.catalogue, Tracer()))
    thread = threading.Thread(target=deliveries.run)
    made = list(messages(sender, recipient, count + callers, size))
    try:
        if callers:
            thread.start()
            took = _calls(it, receipts, made, callers)
        else:
            took = _backlog(it, receipts, made[:count], thread)
        return {**took, "rss_mb": peak_mb(os.getpid()), "wire_bytes": wire.bytes / receipts.count}
    finally:
        deliveries.stop()
        thread.join()
        it.close()


def messages(sender: PartyId, recipient: PartyId, count: int, size: int) -> Iterator[tuple[MessageId, bytes]]:
    """Availability declarations, each with an id of its own."""
    now = datetime.now(UTC)
    for number in range(count):
        yield availability(sender, recipient, number, size, now, now + timedelta(hours=12))


def _backlog(
    it: Opened, receipts: Receipts, made: list[tuple[MessageId, bytes]], thread: threading.Thread
) -> dict[str, float]:
    begun = time.perf_counter()
    for start in range(0, len(made), CHUNK):
        queue(it.gateway, [raw for _, raw in made[start : start + CHUNK]], datetime.now(UTC))
    queued = time.perf_counter()
    receipts.until = len(made)
    cpu = time.process_time()
    thread.start()
    if not receipts.done.wait(PATIENCE_SECONDS):
        raise SystemExit(f"{receipts.count} of {len(made)} receipted after {PATIENCE_SECONDS:.0f} s")
    seconds = time.perf_counter() - queued
    return {
        "msgs_per_s": len(made) / seconds,
        "queue_per_s": len(made) / (queued - begun),
        "seconds": seconds,
        "cpu_s": time.process_time() - cpu,
    }


def _calls(
    it: Opened,
    receipts: Receipts,
    made: list[tuple[MessageId, bytes]],
    callers: int,
) -> dict[str, float]:
    """`callers` threads; each queues a message, waits for its receipt, then the next."""
    work, lock, took = iter(made), threading.Lock(), []

    def one(item: tuple[MessageId, bytes]) -> float:
        event = receipts.wait_for(item[0])
        start = time.perf_counter()
        queue(it.gateway, [item[1]], datetime.now(UTC))
        if not event.wait(PATIENCE_SECONDS):
            raise SystemExit(f"{item[0]} has no receipt after {PATIENCE_SECONDS:.0f} s")
        return time.perf_counter() - start

    def call() -> None:
        while True:
            with lock:
                item = next(work, None)
            if item is None:
                return
            seconds = one(item)
            with lock:
                took.append(seconds)

    for _ in range(min(callers, 3)):  # connection, token, caches: not what is measured
        one(next(work))
    cpu, start = time.process_time(), time.perf_counter()
    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    cuts = statistics.quantiles([t * 1000 for t in took], n=100)
    return {
        "msgs_per_s": len(took) / seconds,
        "p50_ms": cuts[49],
        "p95_ms": cuts[94],
        "p99_ms": cuts[98],
        "seconds": seconds,
        "cpu_s": time.process_time() - cpu,
    }


if __name__ == "__main__":
    folder, to, *numbers = sys.argv[1:]
    print(json.dumps(run(Path(folder), PartyId(to), *map(int, numbers))), flush=True)
