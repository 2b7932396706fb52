"""Interval readings taken in, end to end: `make bench ONLY=readings`.

Sealed parcels (hybrid) with large `meter_readings` messages are opened, verified, checked, committed to
the journal in SQLite with its bodies encrypted, receipted; then its rows are made, sorted, and written as Parquet that is
on disk and read back as a block. All in one process; sealing and the network are not in it: docs/performance.md says so.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from bench.exchange import RESULTS
from bench.gateways import RECIPIENT, SENDER, make_pair, peak_mb
from bench.machine import machine
from bench.messages import AGREEMENT
from intertie.gateway.gateway import LinkAnswer, Peer
from intertie.gateway.metering.readings import take_in
from intertie.gateway.metering.readings_block import load_block
from intertie.gateway.ports import Query
from intertie.gateway.receiving.accept_parcel import accept
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.ids import InterfaceCode, MeterId, PartyId
from intertie.model.interval import IntervalSeries
from intertie.model.message import Mode
from intertie.model.metering import Channel, MeterReadings, MeterReadingSet, Quality
from intertie.model.quantity import Unit
from intertie.run import Opened
from intertie.run.readings import ReadingsOpened

DAY = datetime(2026, 1, 14, tzinfo=UTC)
SLOTS = 96


class Scale(NamedTuple):
    """Messages, meters in each, and how often all of it is done."""

    messages: int = 12
    meters: int = 10_000
    runs: int = 3


QUICK = Scale(messages=2, meters=50, runs=1)
# What is shown of a run.
COLUMNS = (
    "meters",
    "messages",
    "mb",
    "accept_s",
    "rows_s",
    "readings_per_s",
    "block_s",
    "parquet_mb",
    "rss_mb",
)
SYSTEM = "intertie readings"


def run(console: Console, scale: Scale, results: Path | None = RESULTS) -> None:
    """Runs, each in a process of its own; medians, as a table, and beside the other rows of bench/results.json."""
    begun = machine()
    found = [_one(scale) for _ in range(scale.runs)]
    row = {name: round(statistics.median(each[name] for each in found), 3) for name in found[0]}
    said = f"{begun}; load {begun.load:g} at the start; medians of {scale.runs} runs"
    table = Table(title=f"readings: {said}", title_justify="left", header_style="bold", pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, justify="right", overflow="fold")
    table.add_row(*[f"{row[name]:,}" for name in COLUMNS])
    console.print(table)
    if results is not None:
        keep(row, results, said)
        console.print(f"Written to {results}", highlight=False)


def keep(row: dict[str, Any], path: Path, said: str) -> None:
    """The row in the shape of those of `exchange`, in its file, beside them."""
    kept: dict[str, Any] = {"machine": said, "rows": []}
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
    seconds = row["accept_s"] + row["rows_s"]
    shaped = {
        "system": SYSTEM,
        "protection": "hybrid",
        "store": "sqlite + parquet",
        "size": int(row["mb"] * 1e6 / row["messages"]),
        "callers": 0,
        "backlog": row["messages"],
        "msgs_per_s": round(row["messages"] / seconds, 2),
        "p50_ms": None,
        "p95_ms": None,
        "p99_ms": None,
        "cpu_us_per_msg": row["cpu_us_per_msg"],
        "rss_mb": row["rss_mb"],
        "readings_per_s": row["readings_per_s"],
    }
    others = [each for each in kept["rows"] if each["system"] != SYSTEM]
    text = json.dumps({**kept, "rows": [*others, shaped]}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def _one(scale: Scale) -> dict[str, Any]:
    words = [str(scale.messages), str(scale.meters)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.readings", *words], stdout=subprocess.PIPE, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(messages: int, meters: int) -> dict[str, Any]:
    """One run: two fresh gateways in this process, and parcels between them."""
    with tempfile.TemporaryDirectory(prefix="intertie-bench-") as folder:
        make_pair(Path(folder))
        a, u = Opened(Path(folder) / "a"), ReadingsOpened(Path(folder) / "u")
        for it in (a, u):
            it.store.unlock()
        size = 0
        for number in range(messages):
            body = readings(number, meters)
            size += len(msgspec.json.encode(body))
            send(a.gateway, [_out(body)], now())
        door = Door(u)
        while asyncio.run(deliver_once(a.gateway, door, PartyId(RECIPIENT), now, lambda: 0.5)):
            pass
        if len(u.store.messages(Query(outgoing=False, bodies=False))) != messages:
            raise SystemExit("not all messages were accepted")
        found = _receive(u, door, messages, meters)
        for it in (a, u):
            it.close()
        return {"meters": meters, "messages": messages, "mb": round(size / 1e6, 1), **found}


def _receive(u: ReadingsOpened, door: Door, messages: int, meters: int) -> dict[str, float]:
    """Rows of what was accepted, and a block of them."""
    accepted, cpu = time.perf_counter(), time.process_time()
    taken = take_in(u.gateway, u.readings)
    done = time.perf_counter()
    cpu = door.cpu_seconds + time.process_time() - cpu
    rss = peak_mb(os.getpid())
    if taken.rows != messages * meters:
        raise SystemExit(f"{taken.rows} rows of {messages * meters}")
    names = [f"M-{number:06}" for number in range(meters)]
    block = load_block(u.readings, names, date(2026, 1, 14), messages)
    if not block.present.all():
        raise SystemExit("readings are missing")
    loaded = time.perf_counter()
    return {
        "accept_s": door.seconds,
        "cpu_us_per_msg": cpu / messages * 1e6,
        "rows_s": done - accepted,
        "readings_per_s": messages * meters * SLOTS / (door.seconds + done - accepted),
        "block_s": loaded - done,
        "parquet_mb": u.readings.store.summary().size / 1e6,
        "rss_mb": rss,
    }


def readings(day: int, meters: int) -> MeterReadingSet:
    """A day of every meter: quarter hours of a household, no two the same."""
    dice = random.Random(day)
    start = DAY + timedelta(days=day)
    return MeterReadingSet(
        meters=tuple(
            MeterReadings(
                meter=MeterId(f"M-{number:06}"),
                channel=Channel.IMPORT,
                quality=Quality.VALIDATED,
                series=IntervalSeries(
                    start=start,
                    step_seconds=900,
                    unit=Unit.KWH,
                    values=tuple(dice.choices(range(40, 1800), k=SLOTS)),
                ),
            )
            for number in range(meters)
        )
    )


def _out(body: MeterReadingSet) -> Outgoing:
    return Outgoing(
        body=body,
        recipient=PartyId(RECIPIENT),
        interface=InterfaceCode("DA"),
        mode=Mode.SCHEDULED,
        agreement=AGREEMENT,
    )


class Door:
    """The other gateway, called; how long it took to answer is noted, and nothing else."""

    def __init__(self, u: Opened) -> None:
        self._u = u
        self.seconds = self.cpu_seconds = 0.0

    async def granted(self, partner: Any) -> None:
        """This way knows no scopes."""

    async def post(self, partner: Any, blob: bytes, **named: Any) -> LinkAnswer:
        """The receipt."""
        start, cpu = time.perf_counter(), time.process_time()
        receipt = accept(self._u.gateway, blob, peer=Peer(PartyId(SENDER)), now=now())
        self.seconds += time.perf_counter() - start
        self.cpu_seconds += time.process_time() - cpu
        return LinkAnswer(200, receipt, None)


def now() -> datetime:
    """By this machine."""
    return datetime.now(UTC)


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:]))), flush=True)
