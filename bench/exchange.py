"""Two gateways in processes of their own: mutual TLS on loopback, full protection, both stores durable."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.bar import Bar
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.machine import machine
from bench.messages import AGREEMENT

SENDER, RECIPIENT = "aggregator.bench", "utility.bench"
Row = dict[str, object]
# What is measured is the gateways, not how politely they wait.
QUOTA = """parcels_per_second = 100000.0
parcels_burst = 100000.0
bytes_per_second = 1e10
bytes_burst = 1e10
messages_per_second = 1e7
messages_burst = 1e7
"""
# Callers at once (0: a backlog), messages, bytes of a message.
RUNS = ((1, 100, 2_000), (16, 2_000, 2_000), (64, 4_000, 2_000), (0, 50_000, 2_000), (0, 1_000, 100_000))
QUICK_RUNS = ((2, 6, 2_000), (0, 20, 2_000))
RESULTS = Path(__file__).with_name("results.json")
COLUMNS = (
    "callers",
    "backlog",
    "size",
    "msgs_per_s",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "cpu_us_per_msg",
    "rss_mb",
)


def run(console: Console, *, quick: bool) -> None:
    """Each way of calling in turn, then a table, bars, and bench/results.json."""
    found = []
    runs = QUICK_RUNS if quick else RUNS
    for callers, count, size in track(runs, "exchange", console=console, transient=True):
        found.append(one(callers, count, size))
    table = Table(title="exchange", title_justify="left", header_style="bold", pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, justify="right")
    table.add_column("")
    most = max(float(str(row["msgs_per_s"])) for row in found)
    for row in found:
        bar = Bar(most, 0, float(str(row["msgs_per_s"])), width=30)
        table.add_row(*(str(row.get(name, "")) for name in COLUMNS), bar)
    console.print(table)
    result = {"machine": str(machine()), "rows": found}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    console.print(f"Written to {RESULTS}", highlight=False)


def one(callers: int, count: int, size: int) -> Row:
    """Two fresh gateways and one run between them."""
    with tempfile.TemporaryDirectory(prefix="intertie-bench-") as folder, pair(Path(folder)) as receiver:
        before = cpu_seconds(receiver.pid)
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "bench.exchange_sender",
                folder + "/a",
                RECIPIENT,
                str(count),
                str(size),
                str(callers),
            ],
            stdout=subprocess.PIPE,
            check=True,
        )
        took = json.loads(done.stdout)
        cpu = took["cpu_s"] + cpu_seconds(receiver.pid) - before
        return {
            "system": "intertie",
            "protection": "hybrid",
            "store": "sqlite",
            "size": size,
            "callers": callers,
            "backlog": count if not callers else 0,
            **{name: round(took[name], 2) for name in took if name not in ("cpu_s", "seconds")},
            "cpu_us_per_msg": round(cpu / count * 1e6, 1),
            "rss_mb": round(peak_mb(receiver.pid), 1),
            "sender_cpu_us": round(took["cpu_s"] / count * 1e6, 1),
        }


@contextmanager
def pair(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Two gateways that know each other; the utility serves, its process is given."""
    ports = [free_port(), free_port()]
    u, a = folder / "u", folder / "a"
    intertie(
        "init",
        RECIPIENT,
        "--role",
        "distribution_utility",
        "--dir",
        u,
        "--url",
        f"https://127.0.0.1:{ports[0]}",
    )
    intertie(
        "init",
        SENDER,
        "--role",
        "der_aggregator",
        "--dir",
        a,
        "--url",
        f"https://127.0.0.1:{ports[1]}",
        "--ca",
        u / "ca",
    )
    for here, there in ((u, a), (a, u)):
        intertie("partner", "add", there / "descriptor.json", "--agreement", AGREEMENT, "--dir", here)
    settings = u / "intertie.toml"
    settings.write_text(settings.read_text().replace("[quota]", "[quota]\n" + QUOTA))
    with (folder / "u.log").open("wb") as log:
        serving = subprocess.Popen(command("serve", "--dir", u), stderr=log)
    try:
        wait_for(ports[0])
        yield serving
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.wait(30)


def command(*words: object) -> list[str]:
    """The command line of this checkout's program."""
    return [sys.executable, "-c", "from intertie.cli import main; main()", *map(str, words)]


def intertie(*words: object) -> None:
    """Run a command that must succeed."""
    subprocess.run(command(*words), check=True, stdout=subprocess.DEVNULL)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Until somebody listens."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"nobody listens on {port}")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> float:
    """Peak resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
