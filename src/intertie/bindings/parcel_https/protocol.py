"""HTTP/1.1 over mutual TLS for uvicorn: the app finds the connection's certificates, and idlers are cut off."""

from __future__ import annotations

from asyncio import TimerHandle, Transport
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from intertie.model.errors import Refused
from intertie.seal.tls import describe
from intertie.seal.tls_peer import TlsConnection

# The key in scope["extensions"] under which `gate` finds the connection, a TlsConnection or None.
CONNECTION = "intertie.connection"
# Where pages then find whom it let in: {"party": PartyId, "transport": Transport}.
PEER = "intertie.peer"
# Request line and headers together: ours are under 500 bytes; proxies add a few hundred.
HEADER_BYTES_MAX = 16 * 1024


class StreetProtocol(HttpToolsProtocol):
    """One connection. What it is, is read once, when its handshake is done."""

    header_seconds = 10.0  # replaced by the setting, see `protocol_with`
    told: Callable[[int], None] = staticmethod(lambda count: None)  # how many connections are open
    _connection: TlsConnection | None = None
    _header_bytes = 0
    _deadline: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """The handshake is done."""
        super().connection_made(transport)
        self.told(len(self.connections))
        self._connection = _connection_of(transport)
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, and its timer with it."""
        self._stop_deadline()
        super().connection_lost(exc)
        self.told(len(self.connections))

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        extensions: dict[str, Any] = {CONNECTION: self._connection}
        self.scope["extensions"] = extensions
        self._header_bytes = 0
        if self._deadline is None:
            self._start_deadline()

    def on_headers_complete(self) -> None:
        """All headers are there; the body has its own timeout, in the app."""
        self._stop_deadline()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Bytes from the network. Reads that lie wholly within a header count against its limit: the parser keeps an
        unfinished header for as long as it grows."""
        if self.transport.is_closing():
            return
        within_header = self._deadline is not None
        super().data_received(data)
        if within_header and self._deadline is not None:
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES_MAX:
                self._stop_deadline()
                self.transport.abort()

    def shutdown(self) -> None:
        """The server stops. An idle connection is cut: TLS's farewell would wait for a partner that keeps the
        connection for its next parcel and reads nothing meanwhile."""
        idle = self.cycle is None or self.cycle.response_complete
        if idle and not self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().shutdown()

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.header_seconds, self._cut)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut(self) -> None:
        self.logger.info("no request within %.0f s, connection closed", self.header_seconds)
        self.transport.abort()


def protocol_with(header_seconds: float, told: Callable[[int], None]) -> type[StreetProtocol]:
    """The protocol class with the gateway's setting in it (uvicorn builds one per connection, without arguments). `told` hears
    how many connections are open."""
    own = {"header_seconds": header_seconds, "told": staticmethod(told)}
    return type("StreetProtocol", (StreetProtocol,), own)


def _connection_of(transport: Transport) -> TlsConnection | None:
    """What TLS negotiated and the peer showed, or None: then `gate` refuses every request."""
    tls: Any = transport.get_extra_info("ssl_object")
    try:
        return describe(tls) if tls is not None else None
    except Refused:
        return None
