"""OCSP (RFC 6960): asking an authority about one certificate, and what its answer is worth.

An answer counts if it is about this certificate, and is signed by the authority that issued it or by a responder that
this authority, and no other, has certified for that (s.4.2.2.2).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from intertie.model.errors import SettingsError
from intertie.seal.x509_path import PARSE_ERRORS, weakness

State = Literal["good", "revoked", "unknown"]

# An answer with the certificate of an ML-DSA-87 responder is 15 KB.
ANSWER_BYTES_MAX = 64 * 1024
# RFC 9654 s.2.1: a client should send 32 bytes.
NONCE_BYTES = 32
# An answer without nextUpdate says that newer ones can always be had (RFC 6960 s.2.4): it is believed for a day.
LIFE_WITHOUT_END = timedelta(days=1)
# Answers in use at once: a verdict costs two signatures, and is asked for with every parcel.
_VERDICTS = 1024
_STATES: dict[ocsp.OCSPCertStatus, State] = {
    ocsp.OCSPCertStatus.GOOD: "good",
    ocsp.OCSPCertStatus.REVOKED: "revoked",
    ocsp.OCSPCertStatus.UNKNOWN: "unknown",
}
_HASHES: dict[str, hashes.HashAlgorithm] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}  # noqa: S303
HashName = Literal["sha1", "sha256"]


@dataclass(frozen=True)
class OcspAnswer:
    """One answer about one certificate, read but not yet believed: `believed` says whether it counts."""

    der: bytes = field(repr=False)
    serial: int
    state: State
    since: datetime
    until: datetime
    produced: datetime
    revoked: datetime | None
    nonce: bytes | None

    def about(self, certificate: x509.Certificate) -> bool:
        """Whether it may be about this certificate; `believed` is sure."""
        return self.serial == certificate.serial_number

    def believed(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        """Whether it is about this certificate, and its issuer or a responder of its issuer signed it."""
        return _believed(self.der, certificate, issuer)

    def fresh(self, at: datetime, skew: timedelta) -> bool:
        """Whether it is not out of date at this time."""
        return at <= self.until + skew

    def certain(self, at: datetime, skew: timedelta) -> bool:
        """Whether it says that the certificate was good at this time. One that was revoked later was."""
        if self.state == "revoked":
            return self.revoked is not None and at < self.revoked
        return self.state == "good" and self.fresh(at, skew)


def ocsp_url(certificate: x509.Certificate) -> str | None:
    """Where the certificate says that its status can be asked for (RFC 5280 s.4.2.2.1)."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, *PARSE_ERRORS):
        return None
    for one in access:
        name = one.access_location
        if one.access_method == AuthorityInformationAccessOID.OCSP and isinstance(
            name, x509.UniformResourceIdentifier
        ):
            return name.value
    return None


def write_question(
    certificate: x509.Certificate, issuer: x509.Certificate, *, hash_name: HashName = "sha256"
) -> tuple[bytes, bytes]:
    """A request for one certificate's status in DER, and the nonce that is in it. `hash_name` only names the issuer
    (RFC 6960 s.4.1.1): some responders know sha1 alone (RFC 5019)."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, _HASHES[hash_name])
    request = builder.add_extension(x509.OCSPNonce(nonce), critical=False).build()
    return request.public_bytes(Encoding.DER), nonce


def read_answer(der: bytes) -> OcspAnswer:
    """An answer about one certificate; SettingsError if it is an error, cannot be read, or is about several."""
    try:
        if len(der) > ANSWER_BYTES_MAX:
            raise ValueError(f"more than {ANSWER_BYTES_MAX} bytes")
        response = ocsp.load_der_ocsp_response(der)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise ValueError(f"the responder says {response.response_status.name.lower()}")
        since, produced = response.this_update_utc, response.produced_at_utc
        return OcspAnswer(
            der=der,
            serial=response.serial_number,
            state=_STATES[response.certificate_status],
            since=since,
            until=response.next_update_utc or since + LIFE_WITHOUT_END,
            produced=produced,
            revoked=response.revocation_time_utc,
            nonce=_nonce(response),
        )
    except PARSE_ERRORS as error:
        raise SettingsError(f"an OCSP answer cannot be used: {error}") from error


def check_answer(
    answer: OcspAnswer,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    *,
    now: datetime,
    skew: timedelta,
    nonce: bytes | None = None,
) -> None:
    """Hold an answer that has just arrived to what was asked; SettingsError says what is wrong with it.

    A responder that prepares its answers repeats no nonce (RFC 6960 s.4.4.1); one that repeats another is wrong.
    """
    if not answer.believed(certificate, issuer):
        raise SettingsError("an OCSP answer is about another certificate, or not signed for its authority")
    if nonce is not None and answer.nonce is not None and answer.nonce != nonce:
        raise SettingsError("an OCSP answer repeats another nonce than was asked with")
    if max(answer.since, answer.produced) > now + skew:
        raise SettingsError("an OCSP answer is from the future", do="Compare the clocks.")
    if not answer.fresh(now, skew):
        raise SettingsError(f"an OCSP answer was out of date on {answer.until.isoformat()}")


def _nonce(response: ocsp.OCSPResponse) -> bytes | None:
    try:
        return response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return None


@lru_cache(_VERDICTS)
def _believed(der: bytes, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        response = ocsp.load_der_ocsp_response(der)
        wanted = (
            ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, response.hash_algorithm).build()
        )
        if (response.serial_number, response.issuer_name_hash, response.issuer_key_hash) != (
            wanted.serial_number,
            wanted.issuer_name_hash,
            wanted.issuer_key_hash,
        ):
            return False
        signer = _signer(response, issuer)
        return signer is not None and _verifies(response, signer.public_key())
    except (InvalidSignature, TypeError, x509.ExtensionNotFound, *PARSE_ERRORS):
        return False


def _signer(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> x509.Certificate | None:
    """The issuer itself, or the responder that it certified, valid when the answer was produced."""
    if _names(response, issuer):
        return issuer
    for certificate in response.certificates:
        if not _names(response, certificate):
            continue
        certificate.verify_directly_issued_by(issuer)
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        valid = (
            certificate.not_valid_before_utc <= response.produced_at_utc <= certificate.not_valid_after_utc
        )
        weak = weakness(certificate.public_key()) or isinstance(
            certificate.signature_hash_algorithm, hashes.SHA1 | hashes.MD5
        )
        return certificate if valid and not weak and ExtendedKeyUsageOID.OCSP_SIGNING in purposes else None
    return None


def _names(response: ocsp.OCSPResponse, certificate: x509.Certificate) -> bool:
    if response.responder_name is not None:
        return response.responder_name == certificate.subject
    digest = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
    return response.responder_key_hash == digest  # SHA-1 of the key, as RFC 6960 s.4.2.1 has it


def _verifies(response: ocsp.OCSPResponse, key: object) -> bool:
    """Whether the key signed the answer; InvalidSignature or ValueError otherwise."""
    algorithm = response.signature_hash_algorithm
    signature, signed = response.signature, response.tbs_response_bytes
    if isinstance(algorithm, hashes.SHA1 | hashes.MD5):
        return False
    if isinstance(key, mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey):
        key.verify(signature, signed)
        return True
    if isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
        key.verify(signature, signed, ec.ECDSA(algorithm))
        return True
    if isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
        key.verify(signature, signed, padding.PKCS1v15(), algorithm)
        return True
    return False
