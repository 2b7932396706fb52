"""The TLS engine on the OpenSSL 4 inside the `cryptography` wheel, through pyOpenSSL and memory buffers.

It negotiates hybrid groups and ML-DSA certificates on every host, whatever OpenSSL Python itself was built with. The
object that `wrap_bio` gives behaves as `ssl.SSLObject` does, so asyncio, uvloop and anyio drive it unchanged.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from OpenSSL import SSL, crypto

from intertie.model.errors import SettingsError
from intertie.seal.certificates import TrustStore
from intertie.seal.keys import TlsKey
from intertie.seal.tls_groups import is_hybrid

# The largest plaintext of a TLS record (RFC 8446 s.5.1): OpenSSL never gives more at once.
RECORD_BYTES = 16 * 1024
# Type, version and length (RFC 8446 s.5.1).
HEADER_BYTES = 5
# What we write goes through OpenSSL's own buffer in pieces of this size: it keeps the size of the largest, per connection.
PIECE_BYTES = 64 * 1024
# What a piece can grow to: 22 bytes a record (RFC 8446 s.5.2), and room for an alert or a key update.
SEALED_PIECE_BYTES = PIECE_BYTES + 1024
# X509_V_FLAG_NO_CHECK_TIME of OpenSSL: dates are judged by the gateway's clock, in `tls_peer`.
NO_CHECK_TIME = 0x200000
# SSL_MODE_ENABLE_PARTIAL_WRITE of OpenSSL, which pyOpenSSL sets: one call a record instead of one a piece.
PARTIAL_WRITE = 0x1
# SSL_MODE_NO_AUTO_CHAIN of OpenSSL: our chain goes out as it is kept, without a root that the peer must have anyway.
NO_AUTO_CHAIN = 0x8
ALPN = b"http/1.1"
NO_FAREWELL = "the peer closed the connection without a farewell"

# pyOpenSSL has no call for these two; `cryptography` carries them for it.
_LIB: Any = SSL._lib  # type: ignore[attr-defined]
_VERDICTS = {
    number: name.removeprefix("ERR_").lower().replace("_", " ")
    for name, number in vars(SSL.X509VerificationCodes).items()
    if name.startswith("ERR_")
}

T = TypeVar("T")
# Called with the object when its handshake is done, before the last of it leaves; raises ssl.SSLError to end it.
Check = Callable[[ssl.SSLObject], None]


class OpensslContext:
    """One key, one set of roots, one side: what connections are made from."""

    def __init__(self, key: TlsKey, trust: TrustStore, groups: Sequence[str], *, server: bool) -> None:
        """SettingsError if the key, a certificate or a group cannot be used."""
        self._server = server
        context = SSL.Context(SSL.TLS_SERVER_METHOD if server else SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        # No resumption: every connection shows its certificate, so that every connection is checked.
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
        context.clear_mode(PARTIAL_WRITE)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS | NO_AUTO_CHAIN)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _note_verdict)
        if server:
            context.set_alpn_select_callback(_choose_protocol)
        else:
            context.set_alpn_protos([ALPN])
        _set_groups(context, groups)
        _set_roots(context, trust)
        _set_key(context, key)
        self._context = context

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, host: str | None, check: Check | None
    ) -> OpensslObject:
        """A connection between two buffers. `host` is what a client asks for (SNI); who answers, `check` judges."""
        connection = SSL.Connection(self._context, None)
        if self._server:
            connection.set_accept_state()
        else:
            connection.set_connect_state()
            if host is not None and not _is_address(host):
                connection.set_tlsext_host_name(host.encode("idna"))
        return OpensslObject(connection, incoming, outgoing, self._server, host, check)


class OpensslObject(ssl.SSLObject):
    """One TLS connection, as `ssl.SSLObject`, with `get_unverified_chain` and `group` as later Pythons have them."""

    def __init__(
        self,
        connection: SSL.Connection,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server: bool,
        host: str | None,
        check: Check | None,
    ) -> None:
        self._connection = connection
        self._incoming = incoming
        self._outgoing = outgoing
        self._server = server
        self._host = host
        self._check = check
        self._said_goodbye = False
        self._header = b""  # what has come of a record's header
        self._rest = 0  # what has not yet come of the record after its header

    @property
    def server_side(self) -> bool:
        """Whether this end is the server."""
        return self._server

    @property
    def server_hostname(self) -> str | None:
        """The name that the client asked for."""
        return self._host

    @property
    def session(self) -> ssl.SSLSession | None:  # type: ignore[override]
        """None: sessions are not resumed."""
        return None

    @property
    def session_reused(self) -> bool:
        """False: sessions are not resumed."""
        return False

    def do_handshake(self) -> None:
        """Go on with the handshake; ssl.SSLWantReadError when the peer's next flight is needed."""
        self._drive(self._shake)

    def _shake(self) -> None:
        self._connection.do_handshake()
        if self._check is not None:
            check, self._check = self._check, None
            try:
                check(self)
            except BaseException:
                # What waits to go out is our certificate: whoever fails the check does not see it.
                self._take_out(lambda piece: None)
                raise

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """Plaintext, or its number of bytes if a buffer takes it; nothing at the peer's farewell, as in `ssl`."""
        if not len and buffer is None:
            return b""
        try:
            if buffer is None:
                return self._drive(lambda: self._connection.recv(min(len, RECORD_BYTES)))
            return self._drive(lambda: self._connection.recv_into(buffer, min(len, RECORD_BYTES) or None))
        except ssl.SSLZeroReturnError:
            if self._said_goodbye:
                raise
            return b"" if buffer is None else 0

    def write(self, data: Any) -> int:
        """Encrypt all of it; its number of bytes."""
        with memoryview(data) as view, view.cast("B") as octets:
            for start in range(0, octets.nbytes, PIECE_BYTES):
                with octets[start : start + PIECE_BYTES] as piece:
                    self._drive(lambda piece=piece: _send(self._connection, piece))  # type: ignore[misc]
            return octets.nbytes

    def unwrap(self) -> None:
        """Say goodbye and wait for the peer's; ssl.SSLWantReadError until it is there."""
        self._said_goodbye = True
        if not self._drive(self._connection.shutdown):
            self._drive(self._await_goodbye)

    def _await_goodbye(self) -> None:
        if not self._connection.shutdown():
            raise SSL.WantReadError

    def pending(self) -> int:
        """Plaintext bytes that can be read without more from the network."""
        return self._connection.pending()

    def getpeercert(self, binary_form: bool = False) -> Any:
        """The peer's certificate as DER; in the other form only whether there is one ({} or None)."""
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            return None
        return certificate.public_bytes(Encoding.DER) if binary_form else {}

    def get_unverified_chain(self) -> list[bytes]:
        """The certificates the peer sent as DER, leaf first; as `ssl` has it from Python 3.13."""
        rest = self._connection.get_peer_cert_chain(as_cryptography=True) or []
        chain = [certificate.public_bytes(Encoding.DER) for certificate in rest]
        if self._server:  # OpenSSL leaves the leaf out on this side
            leaf = self.getpeercert(True)
            return [leaf, *chain] if leaf else chain
        return chain

    def group(self) -> str:
        """The group of the key agreement; as `ssl` has it from Python 3.15."""
        return self._connection.get_group_name() or ""

    def version(self) -> str | None:
        """`TLSv1.3`."""
        return self._connection.get_protocol_version_name()

    def cipher(self) -> tuple[str, str, int] | None:
        """Name, version and bits of the cipher suite."""
        name, version = self._connection.get_cipher_name(), self._connection.get_cipher_version()
        bits = self._connection.get_cipher_bits()
        return (name, version, bits) if name and version and bits else None

    def selected_alpn_protocol(self) -> str | None:
        """`http/1.1`, or None if the peer did not say what it speaks."""
        return self._connection.get_alpn_proto_negotiated().decode("ascii", "replace") or None

    def selected_npn_protocol(self) -> str | None:
        """None: gone with TLS 1.2."""
        return None

    def shared_ciphers(self) -> None:
        """None: not known here."""

    def compression(self) -> str | None:
        """None: TLS 1.3 has none."""
        return None

    def get_channel_binding(self, cb_type: str = "tls-exporter") -> bytes | None:
        """The channel binding of RFC 9266; ValueError for another type."""
        if cb_type != "tls-exporter":
            raise ValueError(f"{cb_type}: not a channel binding of TLS 1.3")
        return self._connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")

    def verify_client_post_handshake(self) -> None:
        """Refused: clients show their certificates within the handshake."""
        raise ssl.SSLError(ssl.SSL_ERROR_SSL, "post-handshake authentication is not used")

    def _drive(self, act: Callable[[], T]) -> T:
        """Do something, with what has come in as it is needed; what is to go out is out whatever happens."""
        try:
            while True:
                try:
                    _LIB.ERR_clear_error()  # what others left in this thread's queue is not our error
                    return act()
                except SSL.WantReadError:
                    self._feed()
        except SSL.Error as error:
            raise _as_ssl_error(error, self._connection) from error
        finally:
            self._take_out(self._outgoing.write)

    def _feed(self) -> None:
        """More of what came in, of one record at most.

        So OpenSSL never holds a whole record that nobody asked for, and what can be read is seen either in `pending`
        or in the buffer: uvloop reads only as long as one of the two says that there is something.
        ssl.SSLWantReadError if there is nothing yet, SSLEOFError if there never will be.
        """
        if not self._incoming.pending:
            if self._incoming.eof:
                raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, NO_FAREWELL)
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "more is needed from the peer")
        if not self._rest:
            part = self._incoming.read(HEADER_BYTES - len(self._header))
            self._connection.bio_write(part)
            self._header += part
            if len(self._header) < HEADER_BYTES:
                return
            self._rest, self._header = int.from_bytes(self._header[3:], "big"), b""
        part = self._incoming.read(self._rest)
        if part:
            self._connection.bio_write(part)
            self._rest -= len(part)

    def _take_out(self, give: Callable[[bytes], object]) -> None:
        try:
            while True:
                piece = self._connection.bio_read(SEALED_PIECE_BYTES)
                give(piece)
                if len(piece) < SEALED_PIECE_BYTES:
                    return
        except SSL.WantReadError:
            return


def library() -> str:
    """Name and version of the OpenSSL inside."""
    return SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode("ascii", "replace")


def knows_hybrid_groups() -> bool:
    """Whether the OpenSSL of this `cryptography` is new enough (3.5) for this engine to be worth it."""
    try:
        _set_groups(SSL.Context(SSL.TLS_CLIENT_METHOD), ["X25519MLKEM768"])
    except SettingsError:
        return False
    return True


def _send(connection: SSL.Connection, piece: memoryview) -> None:
    """All of a piece. Without partial writes OpenSSL takes it whole; if a later one did not, nothing may be lost."""
    sent = connection.send(piece)
    while sent < piece.nbytes:
        sent += connection.send(piece[sent:])


def _is_address(host: str) -> bool:
    """RFC 6066 s.3: an address is not sent as a server name."""
    return ":" in host or host.replace(".", "").isdigit()


def _choose_protocol(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """Whoever names the protocols it speaks must speak ours (RFC 7301 s.3.2): no cross-protocol tricks."""
    return ALPN if ALPN in offered else b""


def _note_verdict(
    connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, good: int
) -> bool:
    """Leave OpenSSL's judgement as it is; keep its reason for whoever reads the log."""
    if good != 1:
        connection.set_app_data(_VERDICTS.get(error, f"reason {error}"))
    return good == 1


def _as_ssl_error(error: SSL.Error, connection: SSL.Connection) -> ssl.SSLError:
    """What the standard library's engine would have raised."""
    if isinstance(error, SSL.ZeroReturnError):
        return ssl.SSLZeroReturnError(ssl.SSL_ERROR_ZERO_RETURN, "the peer said goodbye")
    if isinstance(error, SSL.SysCallError):
        return ssl.SSLEOFError(ssl.SSL_ERROR_EOF, NO_FAREWELL)
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    reason = "; ".join(str(entry[-1]) for entry in queue) or type(error).__name__
    if "certificate verify failed" in reason:
        return ssl.SSLCertVerificationError(ssl.SSL_ERROR_SSL, f"{reason}: {connection.get_app_data()}")
    return ssl.SSLError(ssl.SSL_ERROR_SSL, reason)


def _set_groups(context: SSL.Context, groups: Sequence[str]) -> None:
    """Hybrid groups first, with a key share of the best; a classical share beside it spares older peers a round trip.

    The parts between slashes are tried in order (SSL_CTX_set1_groups_list(3) of OpenSSL 3.5): a peer that can do a
    hybrid group gets one, even if it sent only a classical share.
    """
    parts = ([g for g in groups if is_hybrid(g)], [g for g in groups if not is_hybrid(g)])
    text = "/".join("*" + ":".join(part) for part in parts if part)
    choose: Any = getattr(_LIB, "SSL_CTX_set1_curves_list", None)
    if choose is None or choose(context._context, text.encode("ascii")) != 1:
        _LIB.ERR_clear_error()
        raise SettingsError(
            f"TLS: this OpenSSL does not know all of {', '.join(groups)}", do="Mend [tls] groups."
        )


def _set_roots(context: SSL.Context, trust: TrustStore) -> None:
    store = context.get_cert_store()
    if store is None or not trust.roots:
        raise SettingsError("TLS: no trusted root certificate", do="Put one into the trust folder.")
    store.set_flags(crypto.X509StoreFlags.X509_STRICT | NO_CHECK_TIME)
    for root in trust.roots:
        store.add_cert(crypto.X509.from_cryptography(root))


def _set_key(context: SSL.Context, key: TlsKey) -> None:
    try:
        leaf, *rest = x509.load_pem_x509_certificates(key.chain)
        private = load_pem_private_key(key.key, None)
        context.use_certificate(leaf)
        for certificate in rest:
            context.add_extra_chain_cert(certificate)
        try:
            context.use_privatekey(private)  # type: ignore[arg-type]  # the next line is for what it does not take
        except TypeError:
            context.use_privatekey(crypto.load_privatekey(crypto.FILETYPE_PEM, key.key))
        context.check_privatekey()
    except (SSL.Error, crypto.Error, ValueError, TypeError, UnsupportedAlgorithm) as error:
        do = "`intertie doctor` says what is wrong with the keys."
        raise SettingsError(f"TLS: our key and certificate cannot be used: {error}", do=do) from error
