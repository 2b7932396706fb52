"""What the policy asks of a certificate: whose, from when to when, with a key of which algorithm. Says nothing of trust."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from intertie.model.errors import Code, Refused
from intertie.seal.certificates import Chain, public_key_of, read_certificate, thumbprint

_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384"}
# Between these the table has no row of its own: a key counts as the next smaller one.
_RSA_SIZES = (3072, 2048)


class CertificateFacts(NamedTuple):
    """One certificate. `algorithm`: its key's, as algorithms.toml names it, or what it is if the table has none."""

    subject: str
    issuer: str
    serial: str
    start: datetime
    end: datetime
    algorithm: str
    thumbprint: str


def facts_of(der: bytes) -> CertificateFacts:
    """The facts; Refused(CERTIFICATE_UNTRUSTED) if it cannot be read."""
    certificate = read_certificate(der)
    try:
        subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused(Code.CERTIFICATE_UNTRUSTED, f"its names cannot be read: {error}") from error
    return CertificateFacts(
        subject=subject,
        issuer=issuer,
        serial=f"{certificate.serial_number:x}",
        start=certificate.not_valid_before_utc,
        end=certificate.not_valid_after_utc,
        algorithm=algorithm_of_key(public_key_of(der)),
        thumbprint=thumbprint(der).hex(),
    )


def algorithm_of_key(key: object) -> str:
    """The name of a public key's algorithm in algorithms.toml, or a name that is not in it."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name, key.curve.name)
    if isinstance(key, rsa.RSAPublicKey):
        size = next((size for size in _RSA_SIZES if key.key_size >= size), key.key_size)
        return f"RSA-{size}"
    if isinstance(key, mldsa.MLDSA65PublicKey):
        return "ML-DSA-65"
    if isinstance(key, mldsa.MLDSA87PublicKey):
        return "ML-DSA-87"
    return "Ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else type(key).__name__


def chain_of_pem(pem: bytes) -> Chain:
    """The certificates of a PEM text as DER, in its order; Refused(CERTIFICATE_UNTRUSTED) if it holds none."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused(Code.CERTIFICATE_UNTRUSTED, f"not certificates: {error}") from error
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in found)
