"""Time stamps: a granted RFC 3161 reply over some bytes, by an authority under one of the roots."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from reading.base import extension

SIGNED_DATA = "1.2.840.113549.1.7.2"
TST_INFO = "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
TIME_STAMPING = "1.3.6.1.5.5.7.3.8"
DIGESTS: dict[str, Any] = {
    "2.16.840.1.101.3.4.2.1": (hashlib.sha256, hashes.SHA256()),
    "2.16.840.1.101.3.4.2.2": (hashlib.sha384, hashes.SHA384()),
    "2.16.840.1.101.3.4.2.3": (hashlib.sha512, hashes.SHA512()),
}
REPLY_BYTES_MAX = 64 * 1024


class NoStamp(Exception):
    """The reply proves nothing here."""


@asn1.sequence
class Response:
    status: asn1.TLV
    token: asn1.TLV


@asn1.sequence
class Granted:
    status: int


@asn1.sequence
class ContentInfo:
    kind: x509.ObjectIdentifier
    content: Annotated[asn1.TLV, asn1.Explicit(0)]


@asn1.sequence
class Encapsulated:
    kind: x509.ObjectIdentifier
    content: Annotated[bytes, asn1.Explicit(0)]


@asn1.sequence
class PlainAlgorithm:
    oid: x509.ObjectIdentifier


@asn1.sequence
class AlgorithmWithNull:
    oid: x509.ObjectIdentifier
    parameters: asn1.Null


@asn1.sequence
class SignerInfo:
    version: int
    signer: asn1.TLV
    digest: asn1.TLV
    attributes: Annotated[asn1.SetOf[asn1.TLV], asn1.Implicit(0)]
    algorithm: asn1.TLV
    signature: bytes


@asn1.sequence
class SignedData:
    version: int
    digests: asn1.SetOf[asn1.TLV]
    encapsulated: Encapsulated
    certificates: Annotated[asn1.SetOf[asn1.TLV], asn1.Implicit(0)]
    signers: asn1.SetOf[SignerInfo]


@asn1.sequence
class IssuerAndSerial:
    issuer: asn1.TLV
    serial: int


@asn1.sequence
class Attribute:
    kind: x509.ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class Imprint:
    algorithm: asn1.TLV
    digest: bytes


def stamp_time(reply: bytes, data: bytes, roots: list[x509.Certificate]) -> datetime:
    """When the authority saw these bytes; NoStamp if the reply does not say so."""
    try:
        return _stamp_time(reply, data, roots)
    except (ValueError, KeyError, StopIteration, InvalidSignature, VerificationError) as error:
        raise NoStamp(str(error)) from error


def _stamp_time(reply: bytes, data: bytes, roots: list[x509.Certificate]) -> datetime:
    _need(len(reply) <= REPLY_BYTES_MAX)
    response = asn1.decode_der(Response, reply)
    _need(response.status.parse(Granted).status == 0)
    outer = response.token.parse(ContentInfo)
    _need(outer.kind.dotted_string == SIGNED_DATA)
    signed = outer.content.parse(SignedData)
    _need(signed.encapsulated.kind.dotted_string == TST_INFO)
    (signer,) = signed.signers.as_list()
    certificates = [x509.load_der_x509_certificate(whole(one)) for one in signed.certificates.as_list()]
    named = signer.signer.parse(IssuerAndSerial)
    leaf = next(
        one
        for one in certificates
        if one.serial_number == named.serial and one.issuer.public_bytes() == whole(named.issuer)
    )
    info = signed.encapsulated.content
    _check_attributes(signer, info)
    _check_signature(leaf.public_key(), signer)
    at = _check_info(info, data)
    _check_leaf(leaf, certificates, roots, at)
    return at


def _check_attributes(signer: SignerInfo, info: bytes) -> None:
    """RFC 5652 s.11.1, 11.2: the signed attributes name the type and the hash of the content."""
    found = {}
    for one in signer.attributes.as_list():
        attribute = one.parse(Attribute)
        _need(attribute.kind.dotted_string not in found)
        found[attribute.kind.dotted_string] = attribute.values.as_list()
    (kind,), (digest,) = found[CONTENT_TYPE], found[MESSAGE_DIGEST]
    _need(kind.parse(x509.ObjectIdentifier).dotted_string == TST_INFO)
    _need(digest.parse(bytes) == _hash(signer.digest)[0](info).digest())


def _check_signature(key: Any, signer: SignerInfo) -> None:
    """RFC 5652 s.5.4: over the attributes with the tag of a SET."""
    data = asn1.encode_der(signer.attributes)
    algorithm = _hash(signer.digest)[1]
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signer.signature, data, ec.ECDSA(algorithm))
    else:
        _need(isinstance(key, rsa.RSAPublicKey))
        key.verify(signer.signature, data, padding.PKCS1v15(), algorithm)


def _check_info(info: bytes, data: bytes) -> datetime:
    """TSTInfo (RFC 3161 s.2.4.2): version, policy, imprint, serial number, time, and more that does not matter here."""
    parts = children(info)
    imprint = asn1.decode_der(Imprint, parts[2])
    _need(imprint.digest == _hash(imprint.algorithm)[0](data).digest())
    return asn1.decode_der(asn1.GeneralizedTime, parts[4]).as_datetime()


def _check_leaf(
    leaf: x509.Certificate, certificates: list[x509.Certificate], roots: list[x509.Certificate], at: datetime
) -> None:
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    _need(purposes.critical and [one.dotted_string for one in purposes.value] == [TIME_STAMPING])
    ee = ExtensionPolicy.permit_all().require_present(x509.ExtendedKeyUsage, Criticality.CRITICAL, None)
    builder = PolicyBuilder().store(Store(roots)).time(at)
    ca = ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    builder = builder.extension_policies(ca_policy=ca, ee_policy=ee)
    builder.build_client_verifier().verify(leaf, [one for one in certificates if one != leaf])
    _need(extension(leaf, x509.BasicConstraints) is None or not extension(leaf, x509.BasicConstraints).ca)


def whole(tlv: asn1.TLV) -> bytes:
    """A value with its tag and length."""
    return asn1.encode_der(tlv)


def children(sequence: bytes) -> list[bytes]:
    """The parts of a DER SEQUENCE, each whole. Its optional members have no type in `cryptography`, so lengths are read here."""
    rest, found = bytes(asn1.decode_der(asn1.TLV, sequence).data), []
    while rest:
        more = rest[1] & 0x7F if rest[1] & 0x80 else 0
        size = 2 + more + (int.from_bytes(rest[2 : 2 + more], "big") if more else rest[1])
        found.append(rest[:size])
        rest = rest[size:]
    return found


def _hash(algorithm: asn1.TLV) -> Any:
    try:
        oid = algorithm.parse(AlgorithmWithNull).oid
    except ValueError:
        oid = algorithm.parse(PlainAlgorithm).oid
    return DIGESTS[oid.dotted_string]


def _need(condition: object) -> None:
    if not condition:
        raise ValueError("refused")
