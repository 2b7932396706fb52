"""Two gateways in directories of their own, as `intertie init` makes them, and the processes that serve them."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.messages import AGREEMENT
from intertie.gateway.configuration.settings import read_settings

SENDER, RECIPIENT = "aggregator.bench", "utility.bench"
# What is measured is the gateways, not how politely they wait.
QUOTA = """parcels_per_second = 100000.0
parcels_burst = 100000.0
bytes_per_second = 1e10
bytes_burst = 1e10
messages_per_second = 1e7
messages_burst = 1e7
"""
# A gateway starts in one; with other work beside it in a few.
START_SECONDS = 30.0
SETTINGS = "intertie.toml"
# Of a second: what loops and looks at the store take of it. And as long as a hundred thousand messages with readings need.
CALM_SHARE, CALM_SECONDS = 0.1, 900.0
# Below those that the kernel gives away: a port stays free until its gateway starts.
PORTS = range(15_000, 30_000)


def make_pair(folder: Path) -> None:
    """Two directories, `a` and `u`, that know each other; to be copied for each run."""
    ports = [free_port(), free_port()]
    u, a = folder / "u", folder / "a"
    init = ("--url", f"https://127.0.0.1:{ports[0]}", "--dir", u)
    intertie("init", RECIPIENT, "--role", "distribution_utility", *init)
    init = ("--url", f"https://127.0.0.1:{ports[1]}", "--dir", a, "--ca", u / "ca")
    intertie("init", SENDER, "--role", "der_aggregator", *init)
    for here, there in ((u, a), (a, u)):
        intertie("partner", "add", there / "descriptor.json", "--agreement", AGREEMENT, "--dir", here)
    add_settings(u, "quota", QUOTA)


def add_settings(directory: Path, section: str, lines: str) -> None:
    """Lines below the heading of a section."""
    file = directory / SETTINGS
    before, heading, after = file.read_text(encoding="utf-8").partition(f"\n[{section}]\n")
    if not heading:
        after, heading = "", f"\n[{section}]\n"
    file.write_text(f"{before}{heading}{lines}{after}", encoding="utf-8")


@contextmanager
def pair(
    made: Path, folder: Path, protection: str, stores: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Copies of both directories in `folder`; the utility serves, its process is given. `stores` has lines for `[store]`, by
    directory."""
    for name in ("a", "u"):
        shutil.copytree(made / name, folder / name)
        add_settings(folder / name, "policy", f'default_profile = "{protection}"\n')
        add_settings(folder / name, "store", stores.get(name, ""))
    with serving(folder / "u") as process:
        yield process


@contextmanager
def serving(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A gateway that serves, in a process of its own."""
    port = int(listening_at(directory).rpartition(":")[2])
    log = directory / "serve.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command("serve", "--dir", directory), stderr=file)
    try:
        wait_for(port, process, log)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def listening_at(directory: Path) -> str:
    """host:port of a gateway's door."""
    return read_settings(directory).street.listen


def command(*words: object) -> list[str]:
    """The command line of this checkout's program."""
    return [sys.executable, "-c", "from intertie.cli import main; main()", *map(str, words)]


def intertie(*words: object) -> None:
    """Run a command that must succeed."""
    subprocess.run(command(*words), check=True, stdout=subprocess.DEVNULL)


GIVEN: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on now, that the kernel gives to nobody who asks for any, and that was not given out before: of
    some hundred that are taken later, two would often be the same."""
    for port in random.sample(PORTS, len(PORTS)):
        if port in GIVEN:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            GIVEN.add(port)
            return port
    raise SystemExit("no port is free")


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until it listens."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"the gateway did not start:\n{log.read_text(errors='replace')[-1000:]}")


def cpu_seconds(pid: int) -> float:
    """User and system time so far, of a process and of those that it began."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(child) for child in children(pid))


def wait_until_calm(pid: int, seconds: float = CALM_SECONDS) -> None:
    """Until what a process began has done what it found to do: of a store that was filled, its readings are taken in."""
    end, before = time.monotonic() + seconds, -1.0
    while time.monotonic() < end:
        now = cpu_seconds(pid)
        if before >= 0 and now - before < CALM_SHARE:
            return
        before = now
        time.sleep(1.0)
    raise SystemExit("the gateway had still something to do")


def peak_mb(pid: int) -> float:
    """Peak resident memory, of a process and of those that it began."""
    status = Path(f"/proc/{pid}/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024 if "VmHWM:" in status else 0.0
    return peak + sum(peak_mb(child) for child in children(pid))


def children(pid: int) -> list[int]:
    """The processes that a process began, in whichever of its threads, and that still run."""
    found = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            found += [int(child) for child in (thread / "children").read_text().split()]
    return found
