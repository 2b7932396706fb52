"""The operations door: /healthz, /readyz, /metrics, for those who run this gateway. Plain HTTP on loopback; it asks nobody
who they are, takes nothing, and says nothing of what messages say."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec
import uvicorn
from anyio import CapacityLimiter, to_thread
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import intertie
from intertie.bindings.operations.metrics import Meter
from intertie.bindings.operations.sampling import Samples
from intertie.bindings.parcel_https.serving import QuietServer, url_of
from intertie.gateway.gateway import Gateway
from intertie.gateway.operating.readiness import Reason, reasons
from intertie.model.errors import IntertieError

LOG = logging.getLogger("intertie.operations")
# Readiness writes to the disk: however often it is asked, not more often than this.
READY_SECONDS = 1.0
# Scrapers and probes are few; a busy disk must not gather them.
CONNECTIONS = 32
HEADER_SECONDS = 5
# One question at a time of each kind reads the store.
THREADS = 2
JSON = "application/json"


class OperationsDoor:
    """The app behind the operations door of one process."""

    def __init__(
        self,
        gateway: Gateway,
        meter: Meter,
        keys: Path,
        clock: Callable[[], datetime],
        unlock: Callable[[], None],
    ) -> None:
        self._gateway = gateway
        self._meter = meter
        self._clock = clock
        self._unlock = unlock
        self._samples = Samples(gateway, keys, meter.needs, clock)
        self._threads = CapacityLimiter(THREADS)
        self._looking = asyncio.Lock()
        self._looked = float("-inf")
        self._reasons: list[Reason] = []
        self._started = clock()
        self.draining = False

    def app(self) -> Starlette:
        """The ASGI application."""
        pages = {"/healthz": self.health, "/readyz": self.ready, "/metrics": self.metrics}
        return Starlette(routes=[Route(path, page, methods=["GET"]) for path, page in pages.items()])

    async def health(self, request: Request) -> Response:
        """GET /healthz: the process is alive, and its loop turns. Restart it if this does not answer."""
        state = {
            "status": "ok",
            "party": self._gateway.party.id,
            "version": intertie.__version__,
            "since": self._started,
        }
        return Response(msgspec.json.encode(state), media_type=JSON)

    async def ready(self, request: Request) -> Response:
        """GET /readyz: whether to send work here; 503 with the reasons if not."""
        found = [*await self._look()]
        if self.draining:
            found.append(Reason("draining", "this gateway was told to stop"))
        body = msgspec.json.encode({"ready": not found, "reasons": found})
        return Response(body, 503 if found else 200, media_type=JSON)

    async def metrics(self, request: Request) -> Response:
        """GET /metrics: Prometheus's text format."""
        text = await to_thread.run_sync(self._meter.text, [self._samples], limiter=self._threads)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    async def _look(self) -> list[Reason]:
        async with self._looking:
            if time.monotonic() - self._looked >= READY_SECONDS:
                look = partial(reasons, self._gateway, self._unlock, self._clock())
                try:
                    self._reasons = await to_thread.run_sync(look, limiter=self._threads)
                except IntertieError as error:
                    self._reasons = [Reason("internal", error.why)]
                self._looked = time.monotonic()
            return self._reasons


async def serve_operations(door: OperationsDoor, listening: socket.socket | None) -> None:
    """Serve until cancelled; without a socket there is no such door."""
    if listening is None:
        return
    server = QuietServer(_config(door.app()))
    LOG.info("operations", extra={"url": url_of(listening)})
    try:
        await server.serve(sockets=[listening])
    finally:
        server.should_exit = True


def _config(app: Starlette) -> uvicorn.Config:
    """Small, and nothing of uvicorn's own."""
    return uvicorn.Config(
        app,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=HEADER_SECONDS,
        timeout_graceful_shutdown=1,
    )
