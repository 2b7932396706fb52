"""TLS of the office door: our certificate and key as they are now, and no certificate asked of who comes; that is let in by
an API key."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable

from intertie.model.errors import SettingsError
from intertie.seal.keys import TlsKey
from intertie.seal.tls_stdlib import ALPN, set_key

LOG = logging.getLogger("intertie.tls")


class OfficeContext(ssl.SSLContext):
    """A server's context; each new connection is made with the key of that moment, so that a rotation needs no restart."""

    def __new__(cls, present: Callable[[], TlsKey]) -> OfficeContext:
        """The base class wants to know its side when it is made."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, present: Callable[[], TlsKey]) -> None:
        """SettingsError if the key cannot be used."""
        self._present = present
        self._lock = threading.Lock()
        self._key = present()
        self._made = _context(self._key)

    def set_alpn_protocols(self, alpn_protocols: object) -> None:
        """Nothing: HTTP/1.1 is what is spoken."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """A new connection."""
        key = self._present()
        with self._lock:
            if key is not self._key:
                self._key = key
                try:
                    self._made = _context(key)
                except SettingsError as error:
                    LOG.error("new TLS key not taken", extra={"why": error.why})
            made = self._made
        return made.wrap_bio(incoming, outgoing, server_side=True)


def _context(key: TlsKey) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([ALPN])
    set_key(context, key)
    return context
