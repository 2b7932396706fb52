"""TLS 1.3 of the joining door: a certificate that names nobody, and that neither side believes.

The two gateways have no trusted root in common when they meet. The certificate's hash goes into what both sides prove
with the code (seal/joining.py): whoever stands between them has another certificate, and proves nothing. It is the door's
own: strangers at an open door do not learn whose it is, and it works whatever kind of key the street door has.
"""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from intertie.model.errors import SettingsError
from intertie.seal.certificates import thumbprint

ALPN = "intertie-join/1"
# Nobody looks at its dates; a certificate has to have some.
_LIFE = timedelta(days=3650)


def new_door_key(now: datetime) -> bytes:
    """A key and its certificate as PEM, for one gateway's joining door."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "joining door")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + _LIFE)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)


def door_context(file: Path) -> ssl.SSLContext:
    """For the door, from the file of `new_door_key`; no certificate is asked for. SettingsError if it cannot be used."""
    context = _context(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    try:
        context.load_cert_chain(file)
    except (ssl.SSLError, OSError) as error:
        raise SettingsError(f"{file} cannot be used: {error}", do="Remove it: a new one is made.") from error
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
