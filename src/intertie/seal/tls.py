"""TLS 1.3 and nothing below, with certificates on both sides, on one of two engines.

Keys and trust are asked for at each new connection: after a rotation, or a change of the trust folder, the next
handshake uses the new ones, and open connections live on. Who the peer is, `tls_peer` judges.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.ids import PartyId
from intertie.seal.certificates import TrustStore, thumbprint
from intertie.seal.keys import TlsKey
from intertie.seal.tls_groups import TlsOptions, hybrid_only, is_hybrid
from intertie.seal.tls_openssl import OpensslContext, OpensslObject, knows_hybrid_groups, library
from intertie.seal.tls_peer import TlsConnection
from intertie.seal.tls_stdlib import StdlibContext
from intertie.seal.transport import EngineName, Transport

LOG = logging.getLogger("intertie.tls")

# Our TLS key and whom we trust, as they are now. The same objects as long as nothing changed.
Present = Callable[[], tuple[TlsKey, TrustStore]]
_Engine = type[OpensslContext] | type[StdlibContext]


class PeerRefused(ssl.SSLCertVerificationError):
    """The handshake went through, but the partner is not who we called, or not protected as asked."""


@dataclass(frozen=True)
class Tls:
    """TLS of one gateway. The contexts it gives can be used for as long as the gateway runs."""

    present: Present
    clock: Callable[[], datetime]
    options: TlsOptions = field(default_factory=TlsOptions)

    def server_context(self) -> ssl.SSLContext:
        """For the street door: a client without a certificate from a trusted root does not get in.

        Which party it is, `describe(...).party(trust, now)` says, for each request.
        SettingsError if keys, trust and options do not make a door.
        """
        return LiveContext(self, self.options.groups, None, server=True)

    def client_context(self, party: PartyId, *, hybrid: bool = False) -> ssl.SSLContext:
        """For calling a partner: the handshake ends well only with this party's certificate for the host called.

        With `hybrid` only hybrid groups are offered. PeerRefused from the handshake; SettingsError as
        `server_context`, and if the engine cannot promise a hybrid group.
        """
        groups = hybrid_only(self.options.groups) if hybrid else self.options.groups
        if not groups:
            raise SettingsError(
                "TLS: no hybrid group is allowed here", do="Add X25519MLKEM768 to [tls] groups."
            )

        def check(tls: ssl.SSLObject, host: str) -> None:
            connection = describe(tls, host)
            called = connection.party(self.present()[1], self.clock())
            if called != party:
                raise PeerRefused(ssl.SSL_ERROR_SSL, f"the door belongs to {called}, not to {party}")
            if hybrid and not is_hybrid(connection.transport.group):
                raise PeerRefused(ssl.SSL_ERROR_SSL, "the connection is not protected by a hybrid group")

        return LiveContext(self, groups, check, server=False)

    def engine(self) -> EngineName:
        """The engine in use."""
        if self.options.engine != "auto":
            return self.options.engine
        return "openssl" if knows_hybrid_groups() else "stdlib"

    def library(self) -> str:
        """Name and version of the engine's OpenSSL."""
        return library() if self.engine() == "openssl" else ssl.OPENSSL_VERSION


class LiveContext(ssl.SSLContext):
    """Stands where a library wants a context; each connection is made from the engine's present one.

    What a library sets on it (ALPN, versions) has no effect: what is negotiated is decided here.
    """

    def __new__(
        cls, tls: Tls, groups: Sequence[str], check: _HostCheck | None, *, server: bool
    ) -> LiveContext:
        """The base class wants to know its side when it is made."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, tls: Tls, groups: Sequence[str], check: _HostCheck | None, *, server: bool) -> None:
        self._tls = tls
        self._groups = groups
        self._check = check
        self._server = server
        self._kind: _Engine = OpensslContext if tls.engine() == "openssl" else StdlibContext
        self._lock = threading.Lock()
        self._made_from = tls.present()
        self._made = self._kind(*self._made_from, groups, server=server)

    def set_alpn_protocols(self, alpn_protocols: object) -> None:
        """Nothing: the engines speak HTTP/1.1 and say so."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """A new connection, with the keys and roots of this moment."""
        host = server_hostname.decode("ascii") if isinstance(server_hostname, bytes) else server_hostname
        if self._server:
            return self._present().wrap_bio(incoming, outgoing, None, None)
        if not host:
            raise PeerRefused(ssl.SSL_ERROR_SSL, "no host name to hold the partner's certificate to")
        return self._present().wrap_bio(incoming, outgoing, host, lambda tls: self._hold(tls, host))

    def wrap_socket(self, *args: Any, **more: Any) -> ssl.SSLSocket:
        """Refused: connections are made on event loops."""
        raise ssl.SSLError(ssl.SSL_ERROR_SSL, "this context is for asynchronous connections only")

    def _present(self) -> OpensslContext | StdlibContext:
        """The engine's context, made anew when our key or our trust is another object than before.

        If that fails, the old one serves on, and says so once: revoked peers are found by `tls_peer` all the same.
        """
        key, trust = self._tls.present()
        with self._lock:
            if key is not self._made_from[0] or trust is not self._made_from[1]:
                self._made_from = (key, trust)
                try:
                    self._made = self._kind(key, trust, self._groups, server=self._server)
                except SettingsError as error:
                    LOG.error("new TLS key or trust not taken", extra={"why": error.why})
            return self._made

    def _hold(self, tls: ssl.SSLObject, host: str) -> None:
        if self._check is not None:
            try:
                self._check(tls, host)
            except Refused as refused:
                raise PeerRefused(ssl.SSL_ERROR_SSL, refused.detail) from refused


_HostCheck = Callable[[ssl.SSLObject, str], None]


def describe(tls: ssl.SSLObject, host: str | None = None) -> TlsConnection:
    """What a connection of one of our contexts is, once its handshake is done; the same object for the same connection.

    `host` is what was called, None on the server's side. Refused(TRANSPORT_CERTIFICATE) if the peer showed no
    certificate, which neither engine lets happen.
    """
    known: TlsConnection | None = getattr(tls, "described", None)
    if known is not None:
        return known
    chain = _chain(tls)
    if not chain:
        raise Refused(Code.TRANSPORT_CERTIFICATE, "the peer showed no certificate")
    cipher = tls.cipher()
    group: Any = getattr(tls, "group", None)  # the standard library's objects have it from Python 3.15 on
    transport = Transport(
        binding="parcel_https",
        engine="openssl" if isinstance(tls, OpensslObject) else "stdlib",
        version=tls.version() or "",
        group=(group() if group is not None else None) or "",
        cipher=cipher[0] if cipher else "",
        certificate=thumbprint(chain[0]).hex(),
    )
    connection = TlsConnection(transport, chain, host)
    tls.described = connection  # type: ignore[attr-defined]
    return connection


def _chain(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    sent: Any = getattr(tls, "get_unverified_chain", None)
    if sent is not None:
        return tuple(sent() or ())
    # Python 3.11 and 3.12 have it, but not yet under a public name. Without the authorities that the peer sent, no
    # chain with an intermediate could be checked.
    inner: Any = tls._sslobj  # type: ignore[attr-defined]
    return tuple(
        ssl.PEM_cert_to_DER_cert(certificate.public_bytes())
        for certificate in inner.get_unverified_chain() or ()
    )
