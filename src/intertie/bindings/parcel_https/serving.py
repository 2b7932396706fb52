"""How the street door is served: its socket, and uvicorn with our protocol, our limits, and nothing of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import uvicorn
from starlette.applications import Starlette

from intertie.bindings.parcel_https.protocol import protocol_with
from intertie.gateway.configuration.listening import address_of
from intertie.gateway.configuration.settings import Street
from intertie.model.errors import SettingsError

LOG = logging.getLogger("intertie.run")
# What is under way when a gateway is told to stop may end within this; the rest is sent again after the next start.
DRAIN_SECONDS = 10.0


class StreetServer(uvicorn.Server):
    """uvicorn without its signal handlers: it would end the process before deliveries are drained."""

    url: str | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are caught by `serve`."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Whoever starts a gateway waits for this line.

        Handshakes get as long as headers: uvicorn has no setting for it, and the loops' own minute is an invitation to
        whoever opens connections and says nothing.
        """
        loop: Any = asyncio.get_running_loop()
        create = loop.create_server
        protocol: Any = self.config.http_protocol_class
        loop.create_server = partial(create, ssl_handshake_timeout=protocol.header_seconds)
        try:
            await super().startup(sockets)
        finally:
            loop.create_server = create
        LOG.info("listening", extra={"url": self.url})


class DoorServing:
    """The street door as a process serves it; without a socket it only waits for its end."""

    def __init__(
        self, config: uvicorn.Config, url: str, socket: socket.socket | None, drain: Callable[[], None]
    ) -> None:
        """`drain` is called when nothing new is to begin."""
        self._socket = socket
        self._drain = drain
        self._over = asyncio.Event()
        self._server = StreetServer(config)
        self._server.url = url

    async def serve(self) -> None:
        """Until `stop`; what is under way then ends in order."""
        if self._socket is not None:
            await self._server.serve(sockets=[self._socket])
            return
        LOG.info("serving without a door")
        await self._over.wait()

    def stop(self) -> None:
        """Begin nothing new."""
        self._over.set()
        self._drain()
        self._server.should_exit = True


class QuietServer(uvicorn.Server):
    """A second server in a process whose signals are caught elsewhere."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Until cancelled, and then to an end in order: connections are closed, and what they asked for is answered or given
        up. One that is left open goes on asking while its loop ends, and the thread that such a request begins waits for ever,
        and the process for it."""
        serving = asyncio.ensure_future(super().serve(sockets))
        try:
            await asyncio.shield(serving)
        finally:
            self.should_exit = True
            await asyncio.wait([serving])

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are caught by `serve`."""
        yield


def uvicorn_config(
    app: Starlette | Callable[..., Any],
    street: Street,
    context: ssl.SSLContext,
    connections: Callable[[int], None] = lambda count: None,
) -> uvicorn.Config:
    """uvicorn with our protocol, our limits, and nothing of its own that talks to the outside. `connections` hears how many
    are open."""
    return uvicorn.Config(
        app,
        http=protocol_with(street.header_seconds, street.connections_per_partner, connections),
        ws="none",
        lifespan="off",
        ssl_context_factory=lambda config, default: context,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=street.connections,
        timeout_keep_alive=int(street.keep_alive_seconds),
        timeout_graceful_shutdown=int(DRAIN_SECONDS),
    )


def bound(listen: str, setting: str) -> socket.socket:
    """The bound socket of a door; SettingsError, that names the setting, if its address cannot be had."""
    host, port = address_of(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    door = socket.socket(family, socket.SOCK_STREAM)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections have it from here. Answers are two small writes, of which the second would wait for an acknowledgement
        # of the first, 40 ms; uvloop sees to it by itself, asyncio not for every socket.
        door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        door.bind((host, port))
    except OSError as error:
        door.close()
        raise SettingsError(
            f"cannot listen on {listen}: {error.strerror or error}",
            do=f"Stop what uses it, or change {setting} listen.",
        ) from error
    return door


def url_of(door: socket.socket) -> str:
    """Where a bound socket of plain HTTP is reached."""
    host, port = door.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def doors(street: str, operations: str) -> Iterator[tuple[socket.socket | None, socket.socket | None]]:
    """The sockets of the street door and of the operations door, closed in the end; None where there is no door."""
    with contextlib.ExitStack() as stack:
        first, second = (
            stack.enter_context(bound(listen, name)) if listen else None
            for listen, name in ((street, "[street]"), (operations, "[operations]"))
        )
        if second is not None:
            # Where it is, others read before a server is at it: who asks then waits, and is not turned away.
            second.listen(socket.SOMAXCONN)
        yield first, second
