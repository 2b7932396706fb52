"""Time stamps by a third party (RFC 3161): asking for one, and checking what came back.

The authority sees a hash and nothing else. Its reply is checked against roots of its own (`tsa/` of a gateway), at the
time it names: who vouches for time need not be who vouches for parties. Everything that parses or verifies is
`rfc3161_client`, which reads strict DER: a reply whose certificates are not in the order of DER's SET is refused.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)
from rfc3161_client import _rust as _reader

from intertie.model.errors import IntertieError, SettingsError
from intertie.seal.certificates import read_roots

# A reply with a chain of three RSA certificates is 6 KB; one with ML-DSA certificates would be 30 KB.
REPLY_BYTES_MAX = 64 * 1024
TSA_DO = "Ask the authority again, or another one; its root certificate belongs into the tsa folder."


class StampError(IntertieError):
    """A time stamp that proves nothing here: not a reply, a refusal, for other bytes, or by nobody we trust."""


class Stamped(NamedTuple):
    """What a time stamp says: these bytes were there at this time, says this authority."""

    at: datetime
    authority: str
    serial: str
    policy: str
    algorithm: str  # of the authority's key, as "EC P-256" or "RSA 2048"


class TsaTrust(NamedTuple):
    """The roots that time-stamping authorities are believed under."""

    roots: tuple[x509.Certificate, ...]


def read_tsa_roots(*pems: bytes) -> TsaTrust:
    """Roots from PEM texts; SettingsError if one holds none."""
    return TsaTrust(tuple(root for pem in pems for root in read_roots(pem).roots))


def load_tsa_roots(folder: Path) -> TsaTrust:
    """All *.pem of a folder; none if there is no such folder. SettingsError names the file that cannot be used."""
    roots: list[x509.Certificate] = []
    for path in sorted(folder.glob("*.pem")):
        try:
            roots += read_roots(path.read_bytes()).roots
        except (OSError, SettingsError) as error:
            raise SettingsError(f"{path}: {error}", do="It must hold root certificates in PEM.") from error
    return TsaTrust(tuple(roots))


def request_stamp(data: bytes) -> bytes:
    """A DER TimeStampReq (s.2.4.1) over the SHA-512 of `data`, with a nonce, asking for the certificates."""
    builder = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA512)
    return builder.cert_request(cert_request=True).nonce(nonce=True).build().as_bytes()


def nonce_of(request: bytes) -> int | None:
    """The nonce of a request; StampError if it is none."""
    try:
        nonce: int | None = _reader.parse_timestamp_request(request).nonce
    except (ValueError, TypeError) as error:
        raise StampError(f"not a time-stamp request: {error}") from error
    return nonce


def verify_stamp(reply: bytes, data: bytes, trust: TsaTrust, request: bytes | None = None) -> Stamped:
    """What the reply says of `data`; with `request`, that it answers this very request.

    Raises StampError for anything that is not a granted time stamp over these bytes, signed under a certificate for
    time stamping alone that leads to one of the roots and was valid at the time it names.
    """
    if not trust.roots:
        raise StampError("no root of a time-stamping authority is trusted here", do=TSA_DO)
    response = _read_reply(reply)
    nonce = nonce_of(request) if request is not None else None
    verifier = VerifierBuilder(roots=list(trust.roots), nonce=nonce).build()
    try:
        verifier.verify_message(response, data)
        return _said(response)
    except (VerificationError, ValueError, x509.DuplicateExtension) as error:
        raise StampError(f"the time stamp does not verify: {error}", do=TSA_DO) from error


def stamp_time(reply: bytes) -> datetime:
    """The time a reply names, unverified; StampError if it is none."""
    return _time(_read_reply(reply))


def _read_reply(reply: bytes) -> TimeStampResponse:
    if len(reply) > REPLY_BYTES_MAX:
        raise StampError(f"a reply of more than {REPLY_BYTES_MAX} bytes", do=TSA_DO)
    try:
        response = decode_timestamp_response(reply)
        if response.status != 0:
            said = "; ".join(response.status_string or [])
            raise StampError(
                f"the authority refuses: status {response.status} {said}"[:300].strip(), do=TSA_DO
            )
        _ = response.tst_info
    except ValueError as error:
        hint = " (its certificates are not in DER order)" if "InvalidSetOrdering" in str(error) else ""
        raise StampError(f"not a time-stamp reply{hint}: {error}"[:300], do=TSA_DO) from error
    return response


def _time(response: TimeStampResponse) -> datetime:
    return response.tst_info.gen_time.astimezone(UTC)


def _said(response: TimeStampResponse) -> Stamped:
    info = response.tst_info
    signer = response.signed_data.signer_infos.pop()
    certificates = [x509.load_der_x509_certificate(der) for der in response.signed_data.certificates]
    leaf = next(
        c for c in certificates if (c.issuer, c.serial_number) == (signer.issuer, signer.serial_number)
    )
    return Stamped(
        at=_time(response),
        authority=leaf.subject.rfc4514_string(),
        serial=f"{info.serial_number:x}",
        policy=info.policy.dotted_string,
        algorithm=_key_name(leaf),
    )


def _key_name(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    kind = type(key).__name__.strip("_").removesuffix("PublicKey")
    return f"{kind} {getattr(key, 'key_size', '')}".strip()
