"""Gateways at work beside other people's software and a hand-written floor: two processes each, every message answered, all on
this machine and by turns. What is compared, and with what: docs/performance.md, "Side by side"."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.gateways import RECIPIENT, cpu_seconds, make_pair, pair, peak_mb
from bench.machine import machine
from bench.peers.environment import PEERS, Peer, Unavailable, python_of, rows_of
from bench.postgres import NoPostgres, Server, server
from bench.side_by_side import COLUMNS, Row, show

SMALL, LARGE = 2_000, 100_000
# Callers and how many messages they send together: a second or two of work.
CALLS = {1: 150, 16: 2_000, 64: 4_000}
LARGE_CALLS = {16: 200}
LARGE_BACKLOG = 500
# Of small messages: the quick one fits into five minutes with all others, the full one is what a national hub has at midnight.
BACKLOG, FULL_BACKLOG = 20_000, 100_000
# A peer, and the floor, has so long for each load.
PEER_SECONDS = 1.5
# Another round of turns begins if, at the pace of the last one, it ends within this; never more than so many.
BUDGET_SECONDS, ROUNDS_MAX = 270.0, 5
RESULTS = Path(__file__).with_name("results.json")


class Load(NamedTuple):
    """How messages come: so many callers that each wait for their receipt, or a backlog that waits already."""

    size: int
    callers: int
    count: int  # of messages; a peer's callers send for a time, not a number

    @property
    def backlog(self) -> int:
        """How many wait; 0 with callers."""
        return 0 if self.callers else self.count


class Subject(NamedTuple):
    """A system with its protection and its store, and what it is measured with. `run` gives a row for each load, in order."""

    system: str
    protection: str
    store: str
    loads: Sequence[Load]
    run: Callable[[Subject], Iterator[dict[str, Any]]]


class Scale(NamedTuple):
    """How much is measured."""

    backlog: int = BACKLOG
    large: bool = True
    rounds: int = ROUNDS_MAX
    seconds: float = PEER_SECONDS
    calls: dict[int, int] = CALLS
    stores: tuple[str, ...] = ("sqlite", "postgresql")
    peers: tuple[Peer, ...] = PEERS


FULL = Scale(backlog=FULL_BACKLOG)
# To see that it runs.
QUICK = Scale(backlog=20, large=False, rounds=1, seconds=0.1, calls={2: 6}, stores=("sqlite",), peers=())


def run(console: Console, scale: Scale, results: Path | None = RESULTS) -> None:
    """All subjects by turns, round after round; then a table, a plot, and, unless `results` is None, bench/results.json."""
    begun = machine()
    with ExitStack() as stack:
        made = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="intertie-bench-")))
        subjects = [*_ours(made, scale, stack, console), *_floor(scale), *_peers(scale, console)]
        make_pair(made)
        rounds = _rounds(subjects, scale, console)
    rows = [_median(found) for found in rounds.values()]
    most = max(len(found) for found in rounds.values())
    show(console, rows, f"exchange: medians of {most} runs in turns; load {begun.load:g} at the start")
    if results is None:
        return
    said = f"{begun}; load {begun.load:g} at the start; medians of {most} runs"
    results.write_text(json.dumps({"machine": said, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    console.print(f"Written to {results}", highlight=False)


def _rounds(
    subjects: Sequence[Subject], scale: Scale, console: Console
) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """Everything that was found, by what it is of. A subject that fails is left out from then on, and says so."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    left = list(subjects)
    begun = time.monotonic()
    texts = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*texts, console=console, transient=True) as bar:
        for number in range(1, scale.rounds + 1):
            start = time.monotonic()
            task = bar.add_task("", total=sum(len(subject.loads) for subject in left))
            for subject in list(left):
                bar.update(
                    task, description=f"run {number}: {subject.system}, {subject.store}"[:44].ljust(44)
                )
                try:
                    for load, row in zip(subject.loads, subject.run(subject), strict=True):
                        found.setdefault((subject[:3], load), []).append(row)
                        bar.advance(task)
                except (Unavailable, ValueError) as error:
                    console.print(f"Skipped: {error}", highlight=False)
                    left.remove(subject)
            bar.remove_task(task)
            now = time.monotonic()
            if now - begun + (now - start) > BUDGET_SECONDS:
                break
    return {key: [_named(*key, row) for row in rows] for key, rows in found.items()}


def _named(subject: tuple[str, str, str], load: Load, row: dict[str, Any]) -> Row:
    names = dict(zip(("system", "protection", "store"), subject, strict=True))
    return {**names, "size": load.size, "callers": load.callers, "backlog": load.backlog, **row}


def _median(rows: Sequence[Row]) -> Row:
    """Of each figure; None of what a backlog does not have."""
    row = dict(rows[0])
    for name in COLUMNS[6:]:
        values = [row[name] for row in rows if row.get(name) is not None]
        row[name] = round(statistics.median(values), 2) if values else None
    return {name: row[name] for name in COLUMNS}


def _ours(made: Path, scale: Scale, stack: ExitStack, console: Console) -> Iterator[Subject]:
    small = [Load(SMALL, callers, count) for callers, count in scale.calls.items()]
    backlog = Load(SMALL, 0, scale.backlog)
    large = [*(Load(LARGE, *pair) for pair in LARGE_CALLS.items()), Load(LARGE, 0, LARGE_BACKLOG)]
    loads = [*small, backlog, *(large if scale.large else [])]
    some = [load for load in loads if load.size == SMALL and load.callers in (0, 2, 16)]
    for store in scale.stores:
        postgres = None
        if store == "postgresql":
            try:
                postgres = stack.enter_context(server())
            except NoPostgres as why:
                console.print(f"Skipped: rows with PostgreSQL: {why}", highlight=False)
                continue
        turn = _Turn(made, postgres)
        yield Subject("intertie", "hybrid", store, loads, turn)
        if store == "sqlite":
            yield Subject("intertie", "classical", store, some, turn)


class _Turn:
    """Two fresh gateways for each load."""

    def __init__(self, made: Path, postgres: Server | None) -> None:
        self._made, self._postgres = made, postgres

    def __call__(self, subject: Subject) -> Iterator[dict[str, Any]]:
        for load in subject.loads:
            yield one(self._made, subject.protection, load, self._postgres)


def one(made: Path, protection: str, load: Load, postgres: Server | None = None) -> dict[str, Any]:
    """One load between two gateways; beside the figures of a row, the bytes that a message took."""
    stores = postgres.stores() if postgres else {}
    others = [postgres.pid] if postgres and postgres.pid else []
    with (
        tempfile.TemporaryDirectory(prefix="intertie-bench-") as name,
        pair(made, Path(name), protection, stores) as receiver,
    ):
        pids = [receiver.pid, *others]
        disk = {side: stored_bytes(Path(name) / side) for side in ("a", "u")}
        before = sum(map(cpu_seconds, pids))
        words = [f"{name}/a", RECIPIENT, load.count, load.size, load.callers]
        done = subprocess.run(
            [sys.executable, "-m", "bench.exchange_sender", *map(str, words)],
            stdout=subprocess.PIPE,
            check=True,
        )
        took = json.loads(done.stdout)
        cpu = took.pop("cpu_s") + sum(map(cpu_seconds, pids)) - before
        took["cpu_us_per_msg"] = cpu / load.count * 1e6
        took["rss_mb"] += sum(map(peak_mb, pids))
        for side, bytes_before in disk.items():
            took[f"{side}_disk_bytes"] = (stored_bytes(Path(name) / side) - bytes_before) / load.count
    return took


def stored_bytes(directory: Path) -> int:
    """What a gateway's store takes on disk."""
    return sum(file.stat().st_size for file in directory.glob("store.db*"))


def _floor(scale: Scale) -> Iterator[Subject]:
    small = [Load(SMALL, callers, 0) for callers in scale.calls] + [Load(SMALL, 0, scale.backlog)]
    large = [Load(LARGE, callers, 0) for callers in LARGE_CALLS] + [Load(LARGE, 0, LARGE_BACKLOG)]
    some = [load for load in small if load.callers in (0, 2, 16)]
    for protection, loads in (("hybrid", small + (large if scale.large else [])), ("classical", some)):
        flags = ["--classical"] if protection == "classical" else []
        drive = _Driver([sys.executable, "-m", "bench.peers.floor_driver"], flags, scale.seconds)
        yield Subject("floor", protection, "sqlite", loads, drive)


def _peers(scale: Scale, console: Console) -> Iterator[Subject]:
    small = [Load(SMALL, callers, 0) for callers in scale.calls]
    large = [Load(LARGE, callers, 0) for callers in LARGE_CALLS] if scale.large else []
    for peer in scale.peers:
        try:
            python = python_of(peer.name)
        except Unavailable as why:
            console.print(f"Skipped: {why}", highlight=False)
            continue
        words = [str(python), f"bench/peers/{peer.driver}"]
        loads = small if peer.flags else small + large
        yield Subject(
            peer.name, peer.protection, "none", loads, _Driver(words, list(peer.flags), scale.seconds)
        )


class _Driver:
    """A driver, called once for all loads."""

    def __init__(self, words: list[str], flags: list[str], seconds: float) -> None:
        self._words, self._flags, self._seconds = words, flags, seconds

    def __call__(self, subject: Subject) -> Iterator[dict[str, Any]]:
        loads = [
            f"{load.size}:{load.callers}" + (f":{load.backlog}" if load.backlog else "")
            for load in subject.loads
        ]
        command = [*self._words, "run", str(self._seconds), *loads, *self._flags]
        yield from rows_of(command, subject.system)
