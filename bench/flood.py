"""Acceptance 6 of the exchange: one partner at ten times its quota changes another partner's p99 by less than 20 %.

One door (real mutual TLS, SQLite on disk, full protection) and two partners, each in a process of its own. The quiet partner
hands in a parcel every 50 ms and notes how long each took to its receipt: while nobody else sends, while the other one
keeps to its quota, and while it sends ten times as much. The change that counts is between the last two: what the quota
allows is allowed. Run it with `python -m bench.flood [seconds]`; it prints the distributions and exits 1 at 20 % or more.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.exchange.https_world import (
    AGGREGATOR,
    THIRD,
    UTILITY,
    House,
    a_parcel,
    caller,
    make_ca,
    make_house,
    open_door,
)

from bench.machine import machine
from intertie.bindings.parcel_https import PARCEL
from intertie.gateway.settings import Quota
from intertie.run import SWITCH_SECONDS
from intertie.seal.key_port import KeyFile
from intertie.stores.sqlite import SqliteStore

SECONDS = 10.0
EVERY = 0.05
# The quota of both, in parcels a second, and how many times of it the flood is.
QUOTA, TIMES = 40.0, 10
CONNECTIONS = 4
# A sender that was kept waiting does not make up for more than this.
LAG = 0.5
LOADS = {"alone": 0.0, "at_quota": QUOTA, "flooded": QUOTA * TIMES}
WARM = 20
ROUNDS = 2
SETTLE = 2.0


def quantile(values: list[float], share: float) -> float:
    """By the nearest rank."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


class Sender:
    """One partner that hands parcels in over a connection it keeps."""

    def __init__(self, house: House, receiver: House, url: str) -> None:
        self.house, self.receiver, self.url = house, receiver, url
        self.client = caller(house, receiver)
        self.headers = {
            "content-type": PARCEL,
            "intertie-priority": "0",
            "authorization": f"Bearer {self.client.token(url)}",
        }
        self.seq = 0

    def send(self, blob: bytes) -> tuple[int, float]:
        """Status and milliseconds."""
        begun = time.perf_counter()
        status = self.client.post(f"{self.url}/parcels", content=blob, headers=self.headers).status_code
        return status, (time.perf_counter() - begun) * 1000

    def parcel(self) -> bytes:
        """A new one."""
        self.seq += 1
        return a_parcel(self.house, self.receiver, seq=self.seq).blob


def measure(sender: Sender, seconds: float) -> list[float]:
    """How long each parcel took, one every EVERY."""
    parcels = [sender.parcel() for _ in range(int(seconds / EVERY))]
    took, due = [], time.perf_counter()
    for blob in parcels:
        due += EVERY
        time.sleep(max(due - time.perf_counter(), 0.0))
        status, milliseconds = sender.send(blob)
        assert status == 200, status
        took.append(milliseconds)
    return took


def flood(senders: list[Sender], rate: float, until: threading.Event) -> Counter[int]:
    """So many parcels a second over a few connections; what was answered. Ready-made parcels: making them is not measured."""
    found: Counter[int] = Counter()
    made = [sender.parcel() for sender in senders for _ in range(20)]

    def one(sender: Sender, place: int) -> None:
        due, number = time.perf_counter(), place
        while not until.is_set():
            due = max(due + len(senders) / rate, time.perf_counter() - LAG)
            time.sleep(max(due - time.perf_counter(), 0.0))
            found[sender.send(made[number % len(made)])[0]] += 1
            number += len(senders)

    threads = [
        threading.Thread(target=one, args=pair) for pair in zip(senders, range(len(senders)), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


Play = Callable[[Connection], None]


def child(play: Play) -> tuple[Connection, BaseProcess]:
    """A process of its own, begun before this one has threads."""
    context = get_context("fork")
    ours, its = context.Pipe()
    process = context.Process(target=play, args=(its,), daemon=True)
    process.start()
    return ours, process


def quiet_one(quiet: House, receiver: House, seconds: float) -> Play:
    """Told "go", it measures and says how long each took; the first thing it is told is where the door is."""

    def play(pipe: Connection) -> None:
        sender = Sender(quiet, receiver, pipe.recv())
        for _ in range(WARM):
            sender.send(sender.parcel())
        pipe.send("ready")
        while pipe.recv() == "go":
            pipe.send(measure(sender, seconds))

    return play


def loud_one(loud: House, receiver: House) -> Play:
    """Told a rate, it sends until it is told something else, and says what was answered."""

    def play(pipe: Connection) -> None:
        url = pipe.recv()
        senders = [Sender(loud, receiver, url) for _ in range(CONNECTIONS)]
        pipe.send("ready")
        while rate := pipe.recv():
            until, found = threading.Event(), Counter[int]()
            flooding = threading.Thread(
                target=lambda r=rate, u=until, f=found: f.update(flood(senders, r, u))
            )
            flooding.start()
            pipe.recv()
            until.set()
            flooding.join()
            pipe.send(found)

    return play


def run(seconds: float) -> dict[str, Any]:
    """Measure alone, flooded, alone, flooded: what the machine does meanwhile falls on both."""
    with tempfile.TemporaryDirectory() as folder:
        ca, base = make_ca(), Path(folder)
        receiver, quiet, loud = (make_house(base / n, ca, n) for n in (AGGREGATOR, UTILITY, THIRD))
        receiver.knows(quiet)
        receiver.knows(loud)
        quiet_pipe, _ = child(quiet_one(quiet, receiver, seconds / ROUNDS))
        loud_pipe, _ = child(loud_one(loud, receiver))
        store = SqliteStore(base / "store.db", KeyFile(base / "store.kek"))
        object.__setattr__(receiver.gateway, "store", store)
        quota = Quota(parcels_per_second=QUOTA, parcels_burst=QUOTA, urgent_per_second=1e6, urgent_burst=1e6)
        with open_door(receiver, quota=quota) as door:
            sys.setswitchinterval(SWITCH_SECONDS)  # as `serve` does
            for pipe in (quiet_pipe, loud_pipe):
                pipe.send(door.url)
                pipe.recv()
            found = rounds(quiet_pipe, loud_pipe)
        store.close()
    return report(*found)


def rounds(quiet: Connection, loud: Connection) -> tuple[dict[str, list[float]], Counter[int]]:
    """Each load by turns: what the machine does meanwhile falls on all."""
    took: dict[str, list[float]] = {name: [] for name in LOADS}
    answered: Counter[int] = Counter()
    for _ in range(ROUNDS):
        for name, rate in LOADS.items():
            if rate:
                loud.send(rate)
                time.sleep(SETTLE)  # its burst is spent
            quiet.send("go")
            took[name] += quiet.recv()
            if rate:
                loud.send("enough")
                found = loud.recv()
                answered += found if rate > QUOTA else Counter()
    return took, answered


def report(took: dict[str, list[float]], answered: Counter[int]) -> dict[str, Any]:
    """The figures."""
    shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
    figures: dict[str, Any] = {
        name: {key: round(quantile(values, share), 2) for key, share in shares.items()}
        | {"mean_ms": round(statistics.fmean(values), 2), "parcels": len(values)}
        for name, values in took.items()
    }
    p99 = {name: quantile(values, 0.99) for name, values in took.items()}
    return {
        "machine": machine(),
        **figures,
        "flood": {str(status): count for status, count in sorted(answered.items())},
        "p99_change_percent": round((p99["flooded"] / p99["at_quota"] - 1) * 100, 1),
        "p99_change_to_idle_percent": round((p99["flooded"] / p99["alone"] - 1) * 100, 1),
    }


def main(arguments: list[str]) -> int:
    """Print the figures; exit 1 if the change is 20 % or more."""
    found = run(float(arguments[0]) if arguments else SECONDS)
    print(json.dumps(found, indent=1))
    return int(found["p99_change_percent"] >= 20)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
