"""The doors of many partners in one process, each a gateway of its own: `python -m bench.outage_doors DIRECTORY ...`. Prints
"ready" when all listen; ends with its standard input."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import uvloop

from bench.gateways import listening_at
from intertie.bindings.operations.metrics import Meter
from intertie.bindings.operations.telemetry import Tracer
from intertie.bindings.parcel_https.serving import bound
from intertie.run import Opened, opened
from intertie.run.serving import SWITCH_SECONDS, street_of


def serve(directories: list[Path]) -> None:
    """All of them, until standard input ends."""
    sys.setswitchinterval(SWITCH_SECONDS)
    with ExitStack() as stack:
        gateways = [stack.enter_context(opened(directory)) for directory in directories]
        uvloop.run(_serve(gateways))


async def _serve(gateways: list[Opened]) -> None:
    servers, tasks = [], []
    for it in gateways:
        it.store.unlock()
        meter = Meter(it.gateway.catalogue, Tracer())
        door = bound(listening_at(it.directory), "[street]")  # who connects now waits until it is served
        servers.append(street_of(it, lambda party: None, meter, door))
        tasks.append(asyncio.create_task(servers[-1].serve()))
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    threading.Thread(
        target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(end.set)), daemon=True
    ).start()
    print("ready", flush=True)
    await end.wait()
    for server in servers:
        server.stop()
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    serve([Path(name) for name in sys.argv[1:]])
