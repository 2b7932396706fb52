"""TLS 1.3 of the joining door: the server shows its certificate, and neither side believes it yet.

The two gateways have no trusted root in common when they meet. The certificate's hash goes into what both sides prove
with the code (seal/joining.py): whoever stands between them has another certificate, and proves nothing.
"""

from __future__ import annotations

import secrets
import ssl
import tempfile
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from intertie.model.errors import SettingsError
from intertie.seal.certificates import thumbprint
from intertie.seal.keys import TlsKey

ALPN = "intertie-join/1"


def door_context(key: TlsKey) -> ssl.SSLContext:
    """For the door: our TLS certificate, no certificate asked for. SettingsError if the key cannot be used."""
    context = _context(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    password = secrets.token_bytes(32)
    try:
        plain = load_pem_private_key(key.key, None)
        private = plain.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
        # The standard library reads keys from files only: this one lives for a moment and is encrypted.
        with tempfile.TemporaryDirectory(prefix="intertie-") as folder:
            chain_file, key_file = Path(folder) / "chain.pem", Path(folder) / "key.pem"
            chain_file.write_bytes(key.chain)
            key_file.write_bytes(private)
            context.load_cert_chain(chain_file, key_file, password)
    except (ssl.SSLError, OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(
            f"the TLS key cannot be used: {error}", do="`intertie doctor` says more."
        ) from error
    return context


def caller_context() -> ssl.SSLContext:
    """For who has a code. It believes any certificate: the code decides, not an authority."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def certificate_digest(tls: ssl.SSLObject) -> bytes:
    """SHA-256 of the certificate that the door showed."""
    der = tls.getpeercert(True)
    if der is None:
        raise SettingsError("the door showed no certificate")
    return thumbprint(der)


def _context(side: int) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols([ALPN])
    return context
