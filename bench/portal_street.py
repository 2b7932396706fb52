"""What a partner's parcels take at the street door while the portal is idle, is busy, stands still, or dies again and again."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx
from rich.table import Table

from bench.gateways import (
    RECIPIENT,
    SENDER,
    add_settings,
    children,
    free_port,
    make_pair,
    serving,
    wait_until_calm,
)
from bench.portal_fill import Filler
from bench.portal_people import AGENT, START_SECONDS, sessions, wait_until_open
from intertie.model.ids import PartyId
from intertie.run import opened

MESSAGE_BYTES = 1_000
# What an office process has in its command line.
OFFICE = b"intertie.run.office"
# Who asks at the same time while the portal is busy, and the longest that one of them waits.
CLICKERS, PATIENCE_SECONDS = 4, 30.0
KILL_SECONDS = 1.0
# The dearest page: words that nothing says.
DEAR = "/messages?text=nothing+is+like+this"


class Scale(NamedTuple):
    """Messages kept by the gateway, and messages that a partner sends in each state of the portal, one after the other."""

    messages: int = 200_000
    sent: int = 300


QUICK = Scale(messages=4_000, sent=10)


class Row(NamedTuple):
    """A state of the portal: milliseconds from queueing a message to its receipt."""

    portal: str
    p50_ms: float
    p95_ms: float
    p99_ms: float
    pages: int  # that the portal answered meanwhile


def measured(folder: Path, scale: Scale) -> list[Row]:
    """A gateway that serves, with the portal in each state in turn."""
    make_pair(folder)
    u, port = folder / "u", free_port()
    add_settings(u, "office", f'listen = "127.0.0.1:{port}"\n')
    with opened(u) as it:
        it.store.unlock()
        Filler(it.gateway, [PartyId(SENDER), PartyId("rare.bench")], datetime.now(UTC)).fill(scale.messages)
        cookies = sessions(it, CLICKERS)
    url = f"http://127.0.0.1:{port}"
    with serving(u) as process:
        wait_until_open(url)
        wait_until_calm(process.pid)
        states: dict[str, Callable[[], AbstractContextManager[list[int]]]] = {
            "idle": partial(contextlib.nullcontext, [0]),
            "busy": partial(clicked, url, cookies),
            "stopped": partial(stopped, process.pid),
            "killed": partial(killed, process.pid),
            "idle again": partial(contextlib.nullcontext, [0]),
        }
        return [_row(folder / "a", name, state, scale.sent) for name, state in states.items()]


def _row(sender: Path, name: str, state: Callable[[], AbstractContextManager[list[int]]], count: int) -> Row:
    with state() as pages:
        words = [str(sender), RECIPIENT, count, MESSAGE_BYTES, 1]
        command = [sys.executable, "-m", "bench.exchange_sender", *map(str, words)]
        took = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return Row(name, *(round(took[f"p{cut}_ms"], 2) for cut in (50, 95, 99)), pages=sum(pages))


@contextlib.contextmanager
def clicked(url: str, cookies: Sequence[str]) -> Iterator[list[int]]:
    """People who ask for the dearest page again as soon as it is there; how many pages each got."""
    end, counts = threading.Event(), [0] * len(cookies)

    def click(place: int) -> None:
        given = {"intertie": cookies[place]}
        with httpx.Client(
            base_url=url, cookies=given, headers={"User-Agent": AGENT}, timeout=PATIENCE_SECONDS
        ) as http:
            while not end.is_set():
                counts[place] += http.get(DEAR).status_code == httpx.codes.OK

    threads = [threading.Thread(target=click, args=(place,)) for place in range(len(cookies))]
    for thread in threads:
        thread.start()
    try:
        yield counts
    finally:
        end.set()
        for thread in threads:
            thread.join()


@contextlib.contextmanager
def stopped(gateway: int) -> Iterator[list[int]]:
    """The portal's processes stand still."""
    pids = offices(gateway)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield [0]
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def killed(gateway: int) -> Iterator[list[int]]:
    """They are killed as soon as they are there."""
    end = threading.Event()

    def kill() -> None:
        for wait in itertools.chain([0.0], itertools.repeat(KILL_SECONDS)):
            if end.wait(wait):
                return
            for pid in offices(gateway):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield [0]
    finally:
        end.set()
        thread.join()


def offices(gateway: int) -> list[int]:
    """The processes of the portal of a gateway that serves, once there are some."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        found = [pid for pid in children(gateway) if OFFICE in _command_line(pid)]
        if found:
            return found
        time.sleep(0.05)
    raise SystemExit("the gateway has no portal")


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def table(rows: Sequence[Row], scale: Scale) -> Table:
    """A line for each state."""
    made = Table(
        title=f"street door: ms from queueing to receipt, {scale.sent} messages one after the other",
        title_justify="left",
        header_style="bold",
        pad_edge=False,
    )
    for heading in ("the portal is", "p50", "p95", "p99", "pages meanwhile"):
        made.add_column(heading, justify="left" if heading == "the portal is" else "right")
    for row in rows:
        made.add_row(row.portal, f"{row.p50_ms}", f"{row.p95_ms}", f"{row.p99_ms}", f"{row.pages:,}")
    return made
