"""Settlement of many meters from Parquet to lines, beside DuckDB and Polars with the bare baseline; each in its own process.

Runs take turns, so that noise of the machine hits all. The sums must agree, or the run fails.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.machine import machine
from bench.peers.environment import HERE, ROOT, Unavailable, python_of
from bench.settlement_run import DAYS, EVENTS, SLOTS

RESULTS = ROOT / "bench" / "results.json"
PEERS = ("duckdb", "polars")
LABELS = {"duckdb": "DuckDB", "polars": "Polars"}
RUNS, METERS = 3, (10_000, 100_000)
# With more meters the peers' file, a row for each reading, takes longer to write than all the rest.
PEER_METERS = 10_000
QUICK = (200,)


def run(console: Console, *, quick: bool) -> None:
    """Measure, show, and keep the rows in bench/results.json unless they mean nothing."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for meters in QUICK if quick else METERS:
            rows += _measured(meters, Path(folder), 1 if quick or meters > PEER_METERS else RUNS, console)
    console.print(_table(rows))
    if not quick:
        _keep(rows)


def _measured(meters: int, folder: Path, runs: int, console: Console) -> list[dict[str, Any]]:
    ours = [sys.executable, "-m", "bench.settlement_run"]
    subprocess.run([*ours, "write", str(meters), str(folder)], cwd=ROOT, check=True)
    commands = {
        f"intertie, {act}": [*ours, act, str(meters), str(folder)] for act in ("full", "bare", "pool")
    }
    if meters <= PEER_METERS:
        try:
            python, driver = str(python_of("settlement")), str(HERE / "settlement_driver.py")
            for name in PEERS:
                days = ",".join(map(str, EVENTS))
                commands[f"{LABELS[name]}, bare"] = [
                    python,
                    driver,
                    name,
                    str(folder / f"readings-{meters}.parquet"),
                    days,
                ]
        except Unavailable as error:
            console.print(f"without peers: {error}", highlight=False)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
            found[name].append(json.loads(done.stdout))
    _agree(found)
    return [row for name, values in found.items() for row in _rows(name, meters, values)]


def _agree(found: dict[str, list[dict[str, Any]]]) -> None:
    """All engines delivered the same, and every run of ours gave the same bytes."""
    sums = [one["delivered"] for values in found.values() for one in values if "delivered" in one]
    if max(sums) - min(sums) > 1e-6 * abs(max(sums)):
        raise RuntimeError(f"engines differ: {sums}")
    for name, values in found.items():
        if len({one["sha256"] for one in values if "sha256" in one}) > 1:
            raise RuntimeError(f"{name}: two runs gave different bytes")


def _rows(name: str, meters: int, values: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The bare rule twice, each engine on its own form in memory, and from Parquet; a pool's second run by itself."""
    if "memory" in values[0]:
        alone = [{**one, "seconds": one["memory"]} for one in values]
        return [_row(f"{name}, in memory", meters, alone), _row(f"{name}, from Parquet", meters, values)]
    if "again" in values[0]:
        again = [{**one, "seconds": one["again"]} for one in values]
        return [_row(f"{name}, lines on disk", meters, values), _row(f"{name}, nothing new", meters, again)]
    return [_row(f"{name}, from Parquet", meters, values)]


def _row(name: str, meters: int, values: Sequence[dict[str, Any]]) -> dict[str, Any]:
    seconds = statistics.median(one["seconds"] for one in values)
    return {
        "part": "settlement",
        "system": name,
        "meters": meters,
        "readings": meters * DAYS * SLOTS,
        "events": len(EVENTS),
        "runs": len(values),
        "seconds": round(seconds, 3),
        "least": round(min(one["seconds"] for one in values), 3),
        "most": round(max(one["seconds"] for one in values), 3),
        "readings_per_s": round(meters * DAYS * SLOTS / seconds),
        "rss_mb": round(max(one["peak_mb"] for one in values)),
        "load": round(os.getloadavg()[0], 2),
    }


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    made = Table(title="Settlement: 60 days of 15 minutes, 6 events", title_justify="left", pad_edge=False)
    for name in ("system", "meters", "seconds", "least", "most", "readings_per_s", "rss_mb"):
        made.add_column(name, justify="left" if name == "system" else "right")
    for row in rows:
        made.add_row(row["system"], *(f"{row[c.header]:,}" for c in made.columns[1:]))  # type: ignore[index]
    return made


def _keep(rows: Sequence[dict[str, Any]]) -> None:
    """In the place of the rows of an earlier run; the others stay."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    kept["settlement"] = {"machine": machine()._asdict(), "rows": list(rows)}
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
