"""A door that is told to stop lets go of its connections before its loop ends: nothing is left that keeps the process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.ports import free_port

from intertie.bindings.parcel_https.serving import QuietServer, bound

ASK = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


async def slow(request: Request) -> Response:
    """As doors answer: in a thread."""
    await run_in_threadpool(time.sleep, 0.05)
    return Response("done")


def config() -> uvicorn.Config:
    app = Starlette(routes=[Route("/", slow)])
    return uvicorn.Config(app, ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1)


def test_connections_are_closed_and_no_thread_is_left() -> None:
    left: list[int] = []

    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:  # one question after the other, on one connection
                writer.write(ASK)
                await reader.readuntil(b"done")
        writer.close()

    async def main() -> None:
        server = QuietServer(config())
        port = free_port()
        with bound(f"127.0.0.1:{port}", "[test]") as listening:
            serving = asyncio.ensure_future(server.serve(sockets=[listening]))
            while not server.started:
                await asyncio.sleep(0.01)
            talking = [asyncio.ensure_future(talk(port)) for _ in range(3)]
            await asyncio.sleep(0.3)
            assert len(server.server_state.connections) == 3
            serving.cancel()
            await asyncio.wait([serving])
            assert serving.cancelled()
            left.append(len(server.server_state.connections) + len(server.server_state.tasks))
            await asyncio.wait(talking, timeout=5)
            assert all(one.done() for one in talking), "nobody is listened to any more"

    asyncio.run(main())
    assert left == [0]
    end = time.monotonic() + 5
    while any("AnyIO" in one.name for one in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not [one.name for one in threading.enumerate() if "AnyIO" in one.name]
