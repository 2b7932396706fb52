"""TLS 1.3 and nothing below, with certificates on both sides, on the standard library's engine.

It negotiates the hybrid group X25519MLKEM768 where the host's OpenSSL has it (3.5 and later), X25519 elsewhere; what is
inside the connection is sealed by the parcel's own profile either way.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from intertie.model.errors import SettingsError
from intertie.seal.certificates import TrustStore, load_trust


def server_context(keys: Path, trust: Path) -> ssl.SSLContext:
    """For the street door, from keys/ and trust/: a client without a certificate from a trusted root does not get in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    return _prepare(context, keys, load_trust(trust))


def client_context(keys: Path, trust: Path) -> ssl.SSLContext:
    """For calling a partner: checks the host name, shows our certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return _prepare(context, keys, load_trust(trust))


def _prepare(context: ssl.SSLContext, keys: Path, trust: TrustStore) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    # The host's OpenSSL may not know ML-DSA; TLS uses the roots with classical keys.
    roots = [
        c for c in trust.roots if isinstance(c.public_key(), ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
    ]
    try:
        context.load_verify_locations(
            cadata="".join(root.public_bytes(serialization.Encoding.PEM).decode() for root in roots)
        )
        context.load_cert_chain(keys / "tls.crt.pem", keys / "tls.key.pem")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise SettingsError(
            f"TLS: {error}", do="`intertie doctor` says what is wrong with keys/ and trust/"
        ) from error
    return context
