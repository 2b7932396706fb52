"""TLS 1.3 and nothing below, with certificates on both sides, on the standard library's engine.

It negotiates the hybrid group X25519MLKEM768 where the host's OpenSSL has it (3.5 and later), X25519 elsewhere; what is
inside the connection is sealed by the parcel's own profile either way. The engine judges dates by the machine's clock
and knows no revocation lists: whose certificate it is, is the binding's step 4, and what is signed is checked in full.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from intertie.model.errors import SettingsError
from intertie.seal.certificates import TrustStore, load_trust
from intertie.seal.keys import TLS_CHAIN_FILE, TLS_KEY_FILE


def server_context(keys: Path, trust: Path) -> ssl.SSLContext:
    """For the street door, from the folders keys/ and trust/: a client without a certificate from a trusted root does
    not get in. SettingsError if a file is missing or wrong."""
    return _prepare(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), keys, load_trust(trust))


def client_context(keys: Path, trust: Path) -> ssl.SSLContext:
    """For calling a partner: checks the host name, shows our certificate. SettingsError as `server_context`."""
    return _prepare(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), keys, load_trust(trust))


def _prepare(context: ssl.SSLContext, keys: Path, trust: TrustStore) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    # The host's OpenSSL may not know ML-DSA; TLS uses the roots with classical keys.
    roots = trust.family(post_quantum=False)
    if not roots:
        raise SettingsError(
            "TLS: no trusted root with an elliptic-curve key", do="Put one into the trust folder."
        )
    try:
        context.load_verify_locations(
            cadata="".join(root.public_bytes(Encoding.PEM).decode() for root in roots)
        )
        context.load_cert_chain(keys / TLS_CHAIN_FILE, keys / TLS_KEY_FILE)
    except (ssl.SSLError, OSError, ValueError) as error:
        do = "`intertie doctor` says what is wrong with keys/ and trust/."
        raise SettingsError(f"TLS: {keys}: {error}", do=do) from error
    return context
