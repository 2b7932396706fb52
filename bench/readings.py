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
from intertie.gateway.accept_parcel import accept
from intertie.gateway.deliver import deliver_once
from intertie.gateway.gateway import LinkAnswer, Peer
from intertie.gateway.ports import Query
from intertie.gateway.readings import take_in
from intertie.gateway.readings_block import load_block
from intertie.gateway.send_message import Outgoing, send
from intertie.model.ids import InterfaceCode, MeterId, PartyId
from intertie.model.interval import IntervalSeries
from intertie.model.message import Mode
from intertie.model.metering import Channel, MeterReadings, MeterReadingSet, Quality
from intertie.model.quantity import Unit
from intertie.run import Opened

DAY = datetime(2026, 1, 14, tzinfo=UTC)
SLOTS = 96


class Scale(NamedTuple):
    """Messages, meters in each, and how often all of it is done."""

    messages: int = 12
    meters: int = 10_000
    runs: int = 3


QUICK = Scale(messages=2, meters=50, runs=1)
COLUMNS = ("system", "protection", "store", "meters", "messages", "readings", "mb", "accept_s", "rows_s")
FIGURES = ("readings_per_s", "block_s", "parquet_mb", "rss_mb")


def run(console: Console, scale: Scale, results: Path | None = RESULTS) -> None:
    """Runs, each in a process of its own; medians, as a table, and beside the other rows of bench/results.json."""
    begun = machine()
    found = [_one(scale) for _ in range(scale.runs)]
    row = dict(found[0])
    for name in ("accept_s", "rows_s", *FIGURES):
        row[name] = round(statistics.median(each[name] for each in found), 3)
    said = f"{begun}; load {begun.load:g} at the start; medians of {scale.runs} runs"
    table = Table(title=f"readings: {said}", title_justify="left", header_style="bold", pad_edge=False)
    for name in (*COLUMNS, *FIGURES):
        table.add_column(name, justify="right", overflow="fold")
    table.add_row(*[f"{row[name]:,}" if not isinstance(row[name], str) else row[name] for name in row])
    console.print(table)
    if results is None:
        return
    kept = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {"rows": []}
    kept["readings"] = {"machine": said, "rows": [row]}
    results.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    console.print(f"Written to {results}", highlight=False)


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
        a, u = Opened(Path(folder) / "a"), Opened(Path(folder) / "u")
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
        found = _receive(u, door.seconds, messages, meters)
        for it in (a, u):
            it.close()
        return {**_names(meters, messages, size), **found}


def _names(meters: int, messages: int, size: int) -> dict[str, Any]:
    return {
        "system": "intertie",
        "protection": "hybrid",
        "store": "sqlite + parquet",
        "meters": meters,
        "messages": messages,
        "readings": meters * messages * SLOTS,
        "mb": round(size / 1e6, 1),
    }


def _receive(u: Opened, accept_s: float, messages: int, meters: int) -> dict[str, float]:
    """Rows of what was accepted, and a block of them."""
    accepted = time.perf_counter()
    taken = take_in(u.gateway, u.readings)
    done = time.perf_counter()
    rss = peak_mb(os.getpid())
    if taken.rows != messages * meters:
        raise SystemExit(f"{taken.rows} rows of {messages * meters}")
    names = [f"M-{number:06}" for number in range(meters)]
    block = load_block(u.readings, names, date(2026, 1, 14), messages)
    if not block.present.all():
        raise SystemExit("readings are missing")
    loaded = time.perf_counter()
    return {
        "accept_s": accept_s,
        "rows_s": done - accepted,
        "readings_per_s": messages * meters * SLOTS / (accept_s + done - accepted),
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
        self.seconds = 0.0

    async def granted(self, partner: Any) -> None:
        """This way knows no scopes."""

    async def post(self, partner: Any, blob: bytes, **named: Any) -> LinkAnswer:
        """The receipt."""
        start = time.perf_counter()
        receipt = accept(self._u.gateway, blob, peer=Peer(PartyId(SENDER)), now=now())
        self.seconds += time.perf_counter() - start
        return LinkAnswer(200, receipt, None)


def now() -> datetime:
    """By this machine."""
    return datetime.now(UTC)


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:]))), flush=True)
