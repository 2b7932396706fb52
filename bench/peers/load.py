"""What every driver shares: two parties in processes of their own, callers that each wait for their answer, and what it took.

Only the standard library: it runs in the environment of each peer. A driver hands its `Peer` to `main`, and is called as
`python DRIVER run SECONDS SIZE:CALLERS ... [--FLAG]`; it prints one JSON line for each load.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

# One exchange, whole: built, protected, sent, answered, and the answer verified. Raises if anything of it is wrong.
Exchange = Callable[[], None]
TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 30.0
# Connections, caches and lazy imports: not what is measured.
WARM = 3
# Fewer say nothing of a percentile.
LEAST = 20


class Peer(NamedTuple):
    """What a driver brings. `prepare` makes keys in a folder, `serve` is the recipient until it is ended, and `connect`
    gives one caller its exchange of messages of a size."""

    prepare: Callable[[Path], None]
    serve: Callable[[Path, int], None]
    connect: Callable[[Path, int, int], Exchange]


def main(peer: Peer) -> None:
    """What the command line asks for."""
    flags = [word for word in sys.argv[1:] if word.startswith("--")]
    word, *rest = (word for word in sys.argv[1:] if word not in flags)
    if word == "serve":
        peer.serve(Path(rest[0]), int(rest[1]))
        return
    with tempfile.TemporaryDirectory(prefix="bench-peer-") as name:
        folder, port = Path(name), free_port()
        peer.prepare(folder)
        with (folder / "serve.log").open("wb") as log:
            recipient = subprocess.Popen(
                [sys.executable, sys.argv[0], "serve", name, str(port), *flags], stdout=log, stderr=log
            )
        try:
            wait_for(port, recipient)
            for load in rest[1:]:
                size, callers = map(int, load.split(":"))
                row = measure(peer, folder, port, recipient.pid, float(rest[0]), size, callers)
                print(json.dumps(row), flush=True)
        except BaseException:
            sys.stderr.write((folder / "serve.log").read_text(errors="replace")[-2000:])
            raise
        finally:
            recipient.send_signal(signal.SIGTERM)
            try:
                recipient.wait(10)
            except subprocess.TimeoutExpired:
                recipient.kill()
    os._exit(0)  # a peer may have threads that never end


def flag(name: str) -> bool:
    """Whether the driver was called with it; both of its processes are."""
    return f"--{name}" in sys.argv


def measure(
    peer: Peer, folder: Path, port: int, recipient: int, seconds: float, size: int, callers: int
) -> dict[str, Any]:
    """So many callers at once for so long."""
    exchanges = [peer.connect(folder, port, size) for _ in range(callers)]
    for exchange in exchanges[:WARM]:
        exchange()
    reset_peak(recipient)
    reset_peak(os.getpid())
    cpu, start = cpu_seconds(recipient) + cpu_seconds(os.getpid()), time.perf_counter()
    took = in_turns(exchanges, start + seconds)
    seconds = time.perf_counter() - start
    cpu = cpu_seconds(recipient) + cpu_seconds(os.getpid()) - cpu
    return {
        "size": size,
        "callers": callers,
        "count": len(took),
        "msgs_per_s": len(took) / seconds,
        **percentiles(took),
        "cpu_us_per_msg": cpu / len(took) * 1e6,
        "rss_mb": peak_mb(recipient) + peak_mb(os.getpid()),
    }


def in_turns(exchanges: Sequence[Exchange], end: float) -> list[float]:
    """Seconds of each exchange; each caller begins its next one when it has its answer, until the time is up."""
    took: list[float] = []
    wrong: list[BaseException] = []

    def call(exchange: Exchange) -> None:
        try:
            while not wrong and (time.perf_counter() < end or len(took) < LEAST):
                start = time.perf_counter()
                exchange()
                took.append(time.perf_counter() - start)
        except BaseException as error:  # noqa: BLE001
            wrong.append(error)

    threads = [threading.Thread(target=call, args=(exchange,)) for exchange in exchanges]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise wrong[0]
    return took


def percentiles(took: Sequence[float]) -> dict[str, float]:
    """Milliseconds."""
    cuts = statistics.quantiles([seconds * 1000 for seconds in took], n=100)
    return {"p50_ms": cuts[49], "p95_ms": cuts[94], "p99_ms": cuts[98]}


def payload(size: int, number: int = 0) -> bytes:
    """Readings as text, so many bytes: compresses, but not to nothing."""
    made = random.Random(number)
    rows = (f"{place},{made.randrange(100_000)}\n" for place in range(size))
    text = ""
    while len(text) < size:
        text += next(rows)
    return text[:size].encode()


class Poster:
    """A connection of one caller that is kept."""

    def __init__(self, port: int, path: str) -> None:
        self._path = path
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._connection.connect()
        assert self._connection.sock is not None
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, body: bytes, headers: dict[str, str]) -> tuple[list[tuple[str, str]], bytes]:
        """Headers and body of the answer, which must be a 200."""
        self._connection.request("POST", self._path, body, headers)
        answer = self._connection.getresponse()
        raw = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"HTTP {answer.status}: {raw[:300]!r}")
        return answer.getheaders(), raw


Answer = Callable[[list[tuple[bytes, bytes]], bytes], tuple[dict[str, str], bytes]]


def serve_asgi(port: int, answer: Answer) -> None:
    """The leanest server that the environments have: `answer` gets the headers and the body of each POST."""
    import uvicorn  # noqa: PLC0415 (not in every environment)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        headers, raw = answer(scope["headers"], body)
        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        lines.append((b"content-length", str(len(raw)).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        await send({"type": "http.response.body", "body": raw})

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False, lifespan="off")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until it listens."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("the recipient did not start")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mb(pid: int) -> float:
    """Peak resident memory of a process since the last reset."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def reset_peak(pid: int) -> None:
    """The peak begins anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
