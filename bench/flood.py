"""One partner at ten times its quota, and what another one notices of it: `make bench ONLY=flood`.

One door (real mutual TLS, SQLite on disk, full protection) and two partners, each in a process of its own. The quiet partner
hands in a parcel every 30 ms and notes how long each took to its receipt: while nobody else sends, while the other one
keeps to its quota, and while it sends ten times as much. The change that counts is between the last two: what the quota
allows is allowed. They take turns, in pairs whose order alternates; the change of p99 is had within each pair, and the median
of the pairs is what is said, so that what the machine does meanwhile does not decide. Less than 20 % is the aim.
"""

from __future__ import annotations

import math
import os
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
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
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

from intertie.bindings.parcel_https import PARCEL
from intertie.gateway.configuration.quota import OwnQuota
from intertie.gateway.configuration.settings import Quota
from intertie.run.serving import SWITCH_SECONDS
from intertie.seal.key_port import KeyFile
from intertie.stores.sqlite import SqliteStore

# A turn of the quiet partner, and how often it sends: three parcels of a turn are slower than its p99.
SECONDS = 9.0
EVERY = 0.03
# The loud partner's quota, in parcels a second, and how many times of it the flood is.
QUOTA, TIMES = 10.0, 10
# Who is over its quota is answered late. With fewer connections than these, waiting for answers would make a flood into none.
CONNECTIONS = 60
# Parcels that it has ready, and hands in again and again.
MADE = 500
# The loud partner's own work would be done on another machine: here it gives way.
NICE = 19
# A sender that was kept waiting does not make up for more than this.
LAG = 0.5
ALONE, AT_QUOTA, FLOODED = "alone", "at quota", "flooded"
LOADS = {ALONE: 0.0, AT_QUOTA: QUOTA, FLOODED: QUOTA * TIMES}
WARM = 20
PAIRS = 6
SETTLE = 2.0
# What the acceptance allows.
MOST_PERCENT = 20.0


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


def flood(senders: list[Sender], made: list[bytes], rate: float, until: threading.Event) -> Counter[int]:
    """So many parcels a second over all connections; what was answered. Ready-made parcels: making them is not measured."""
    found: Counter[int] = Counter()

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
        os.nice(NICE)
        senders = [Sender(loud, receiver, url) for _ in range(CONNECTIONS)]
        made = [senders[0].parcel() for _ in range(MADE)]
        pipe.send("ready")
        while rate := pipe.recv():
            until, found = threading.Event(), Counter[int]()
            flooding = threading.Thread(
                target=lambda r=rate, u=until, f=found: f.update(flood(senders, made, r, u))
            )
            flooding.start()
            pipe.recv()
            until.set()
            flooding.join()
            pipe.send(found)

    return play


class Found(NamedTuple):
    """Milliseconds of each parcel, turn by turn, under each load; and what the flood was answered."""

    turns: dict[str, list[list[float]]]
    answered: Counter[int]

    @property
    def changes(self) -> list[float]:
        """Of p99 from the quota to the flood, in percent, pair by pair."""
        pairs = zip(self.turns[AT_QUOTA], self.turns[FLOODED], strict=True)
        return [(quantile(flooded, 0.99) / quantile(quota, 0.99) - 1) * 100 for quota, flooded in pairs]

    @property
    def change(self) -> float:
        """The median pair."""
        return statistics.median(self.changes)


def measured(seconds: float, pairs: int) -> Found:
    """A door and two partners, through all turns."""
    with tempfile.TemporaryDirectory() as folder:
        ca, base = make_ca(), Path(folder)
        receiver, quiet, loud = (make_house(base / n, ca, n) for n in (AGGREGATOR, UTILITY, THIRD))
        receiver.knows(quiet)
        partner = receiver.knows(loud)
        its = OwnQuota(parcels_per_second=QUOTA, parcels_burst=QUOTA)
        receiver.book.partners[partner.party] = partner._replace(quota=its)
        quiet_pipe, quiet_process = child(quiet_one(quiet, receiver, seconds))
        loud_pipe, loud_process = child(loud_one(loud, receiver))
        store = SqliteStore(base / "store.db", KeyFile(base / "store.kek"))
        object.__setattr__(receiver.gateway, "store", store)
        quota = Quota(urgent_per_second=1e6, urgent_burst=1e6)
        with open_door(receiver, quota=quota) as door:
            sys.setswitchinterval(SWITCH_SECONDS)  # as `serve` does
            for pipe in (quiet_pipe, loud_pipe):
                pipe.send(door.url)
                pipe.recv()
            found = turns(quiet_pipe, loud_pipe, pairs)
        store.close()
        quiet_pipe.send("enough")
        loud_pipe.send(0.0)
        for process in (quiet_process, loud_process):
            process.join(10)
    return found


def turns(quiet: Connection, loud: Connection, pairs: int) -> Found:
    """Alone once, then pair after pair."""
    found = Found({name: [] for name in LOADS}, Counter())

    def turn(name: str) -> None:
        if LOADS[name]:
            loud.send(LOADS[name])
            time.sleep(SETTLE)  # its burst is spent
        quiet.send("go")
        found.turns[name].append(quiet.recv())
        if LOADS[name]:
            loud.send("enough")
            answered = loud.recv()
            found.answered.update(answered if name == FLOODED else {})

    turn(ALONE)
    for number in range(pairs):
        for name in (AT_QUOTA, FLOODED) if number % 2 == 0 else (FLOODED, AT_QUOTA):
            turn(name)
    return found


def run(console: Console, *, quick: bool) -> None:
    """Measure, and show: the medians of the turns, and the change that counts."""
    seconds, pairs = (3 * EVERY, 1) if quick else (SECONDS, PAIRS)
    with console.status(f"flood: {pairs} pairs of turns"):
        found = measured(seconds, pairs)
    table = Table(
        title="flood: a quiet partner's way to its receipt, ms", title_justify="left", pad_edge=False
    )
    for name in ("while another partner", "turns", "parcels", "p50", "p95", "p99"):
        table.add_column(name, justify="left" if name.startswith("while") else "right")
    for name, all_turns in found.turns.items():
        cells = [
            statistics.median(quantile(turn, share) for turn in all_turns) for share in (0.5, 0.95, 0.99)
        ]
        counts = str(len(all_turns)), str(sum(map(len, all_turns)))
        table.add_row(f"{name}, {LOADS[name]:g}/s", *counts, *(f"{cell:.1f}" for cell in cells))
    console.print(table)
    said = ", ".join(f"{change:+.0f}" for change in found.changes)
    verdict = "less than" if found.change < MOST_PERCENT else "NOT less than"
    console.print(
        f"p99 changes by {found.change:+.1f} % from quota to flood (median of the pairs {said}): "
        f"{verdict} {MOST_PERCENT:g} %.",
        highlight=False,
    )
    answers = ", ".join(f"{count} × {status}" for status, count in sorted(found.answered.items()))
    console.print(f"The flood was answered: {answers}.\n", highlight=False)
