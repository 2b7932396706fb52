"""The TLS engine of the standard library. Its groups are those of the host's OpenSSL: hybrid from 3.5 on.

Before Python 3.15 it can neither choose groups nor name the one it got, so it never promises a hybrid group.
"""

from __future__ import annotations

import secrets
import ssl
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from intertie.model.errors import SettingsError
from intertie.seal.certificates import TrustStore
from intertie.seal.keys import TlsKey
from intertie.seal.tls_groups import DEFAULT_GROUPS, hybrid_only

# X509_V_FLAG_NO_CHECK_TIME of OpenSSL: dates are judged by the gateway's clock, in `tls_peer`.
NO_CHECK_TIME = 0x200000
# ML-DSA came with OpenSSL 3.5: older ones cannot read such a root.
KNOWS_ML_DSA = ssl.OPENSSL_VERSION_INFO[:2] >= (3, 5)
ALPN = "http/1.1"

Check = Callable[[ssl.SSLObject], None]


class StdlibObject(ssl.SSLObject):
    """One connection. `check` is called when its handshake is done; raises ssl.SSLError to end it."""

    check: Check | None = None

    def do_handshake(self) -> None:
        """Go on with the handshake; ssl.SSLWantReadError when the peer's next flight is needed."""
        super().do_handshake()
        if self.check is not None:
            check, self.check = self.check, None
            check(self)


class StdlibContext:
    """One key, one set of roots, one side: what connections are made from."""

    def __init__(self, key: TlsKey, trust: TrustStore, groups: Sequence[str], *, server: bool) -> None:
        """SettingsError if the key, a certificate or a group cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False  # `tls_peer` judges the name together with the path
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VerifyFlags(NO_CHECK_TIME)
        # No resumption: every connection shows its certificate, so that every connection is checked.
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        if server:
            context.num_tickets = 0
        context.set_alpn_protocols([ALPN])
        context.sslobject_class = StdlibObject
        _set_groups(context, groups)
        _set_roots(context, trust)
        set_key(context, key)
        self._context = context
        self._server = server

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, host: str | None, check: Check | None
    ) -> ssl.SSLObject:
        """A connection between two buffers. `host` is what a client asks for (SNI); who answers, `check` judges."""
        tls: Any = self._context.wrap_bio(incoming, outgoing, self._server, None if self._server else host)
        tls.check = check
        return tls  # type: ignore[no-any-return]


def _set_groups(context: ssl.SSLContext, groups: Sequence[str]) -> None:
    """Python 3.15 can choose them; before, the host's OpenSSL does, and asking for others is refused."""
    choose: Any = getattr(context, "set_groups", None)
    if choose is not None:
        try:
            choose(":".join(groups))
        except (ssl.SSLError, ValueError) as error:
            raise SettingsError(
                f"TLS: this OpenSSL does not know all of {', '.join(groups)}", do="Mend [tls] groups."
            ) from error
    elif tuple(groups) != DEFAULT_GROUPS:
        only = "only hybrid groups" if tuple(groups) == hybrid_only(groups) else "groups"
        raise SettingsError(
            f"TLS: the standard library of this Python cannot choose {only}",
            do='Set [tls] engine = "openssl".',
        )


def _set_roots(context: ssl.SSLContext, trust: TrustStore) -> None:
    roots = trust.roots if KNOWS_ML_DSA else trust.family(post_quantum=False)
    if not roots:
        raise SettingsError(
            "TLS: no trusted root with an elliptic-curve key",
            do='Put one into the trust folder, or set [tls] engine = "openssl".',
        )
    context.load_verify_locations(cadata="".join(root.public_bytes(Encoding.PEM).decode() for root in roots))


def set_key(context: ssl.SSLContext, key: TlsKey) -> None:
    """`ssl` reads keys from files only: for that moment there is one, encrypted under a password nobody keeps."""
    password = secrets.token_bytes(32).hex().encode()
    try:
        private = load_pem_private_key(key.key, None)
        sealed = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
        with tempfile.TemporaryDirectory(prefix="intertie-") as folder:
            chain_file, key_file = Path(folder) / "chain", Path(folder) / "key"
            chain_file.write_bytes(key.chain)
            key_file.write_bytes(sealed)
            context.load_cert_chain(chain_file, key_file, password)
    except (ssl.SSLError, OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        do = '`intertie doctor` says what is wrong with the keys; ML-DSA needs [tls] engine = "openssl".'
        raise SettingsError(f"TLS: our key and certificate cannot be used: {error}", do=do) from error
