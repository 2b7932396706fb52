"""What an authority signs: certificates for parties and for authorities below it, revocation lists, OCSP answers."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.seal.algorithms import SigningPrivateKey
from intertie.seal.certificates import PARTY_URI, Chain
from intertie.seal.ocsp import ANSWER_BYTES_MAX
from intertie.seal.x509_path import PARSE_ERRORS

PublicKeyTypes = ec.EllipticCurvePublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
Purpose = Literal["signing", "tls"]
TLS_PURPOSES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


class Publishing(NamedTuple):
    """Where issued certificates say that their status can be had; empty: nowhere."""

    crl_url: str = ""
    ocsp_url: str = ""


@dataclass(frozen=True)
class Issuer:
    """An authority's key and certificate, and the certificates above it, root last; a root has none above."""

    key: SigningPrivateKey = field(repr=False)
    certificate: x509.Certificate
    above: tuple[x509.Certificate, ...] = ()

    @property
    def root(self) -> x509.Certificate:
        """The certificate that a partner has to trust."""
        return self.above[-1] if self.above else self.certificate

    def chain(self) -> Chain:
        """What goes after a leaf: this authority and those above it, without the root."""
        return tuple(der(certificate) for certificate in (self.certificate, *self.above)[:-1])


class Revocation(NamedTuple):
    """One entry of a revocation list."""

    serial: int
    since: datetime
    reason: x509.ReasonFlags | None = None
    # Of a compromised key: since when others had it (RFC 5280 s.5.3.2).
    invalid_since: datetime | None = None


def der(certificate: x509.Certificate) -> bytes:
    """The certificate's bytes."""
    return certificate.public_bytes(Encoding.DER)


def hash_for(key: SigningPrivateKey) -> hashes.SHA384 | None:
    """ML-DSA hashes by itself."""
    return hashes.SHA384() if isinstance(key, ec.EllipticCurvePrivateKey) else None


def common_name(text: str) -> x509.Name:
    """A name of one part, cut to what X.520 allows (ub-common-name)."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def key_usage(*, commitment: bool, authority: bool) -> x509.KeyUsage:
    """RFC 5280 s.4.2.1.3: authorities sign certificates and lists, parties sign, or sign so that they cannot deny it."""
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=commitment,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def authority_certificate(
    name: str,
    key: SigningPrivateKey,
    issuer: Issuer | None,
    not_before: datetime,
    not_after: datetime,
    *,
    path_length: int,
) -> x509.Certificate:
    """A root's own certificate (no issuer), or one for an authority below `issuer`."""
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(common_name(name))
        .issuer_name(issuer.certificate.subject if issuer else common_name(name))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(key_usage(commitment=False, authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    if issuer is None:
        return builder.sign(key, hash_for(key))
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    return builder.add_extension(identifier, critical=False).sign(issuer.key, hash_for(issuer.key))


def leaf_certificate(
    party: PartyId,
    public: PublicKeyTypes,
    issuer: Issuer,
    not_before: datetime,
    not_after: datetime,
    *,
    purpose: Purpose,
    hosts: Sequence[str] = (),
    publishing: Publishing = Publishing(),  # noqa: B008 - a constant
) -> x509.Certificate:
    """A party's certificate, for signing or for TLS."""
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(PARTY_URI + party)]
    names += [host_name(host) for host in hosts]
    builder = (
        x509.CertificateBuilder()
        .subject_name(common_name(party))  # the party's full name is the SAN
        .issuer_name(issuer.certificate.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(commitment=purpose == "signing", authority=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
        )
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    if purpose == "tls":
        builder = builder.add_extension(x509.ExtendedKeyUsage(TLS_PURPOSES), critical=False)
    return _published(builder, publishing).sign(issuer.key, hash_for(issuer.key))


def _published(builder: x509.CertificateBuilder, publishing: Publishing) -> x509.CertificateBuilder:
    if publishing.crl_url:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(publishing.crl_url)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    if publishing.ocsp_url:
        place = x509.UniformResourceIdentifier(publishing.ocsp_url)
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place)
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return builder


def host_name(host: str) -> x509.GeneralName:
    """A DNS name or an IP address, as subjectAltName holds it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def sign_list(
    issuer: Issuer, revocations: Sequence[Revocation], number: int, now: datetime, until: datetime
) -> bytes:
    """PEM of an authority's complete revocation list; the next one comes by `until`."""
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now)
        .next_update(until)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(identifier, critical=False)
    )
    for one in revocations:
        entry = x509.RevokedCertificateBuilder().serial_number(one.serial).revocation_date(one.since)
        if one.reason not in (None, x509.ReasonFlags.unspecified):  # s.5.3.1: unspecified is left out
            entry = entry.add_extension(x509.CRLReason(one.reason), critical=False)
        if one.invalid_since is not None:
            entry = entry.add_extension(x509.InvalidityDate(one.invalid_since), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hash_for(issuer.key)).public_bytes(Encoding.PEM)


class Question(NamedTuple):
    """An OCSP request, read: the certificate that it asks about, by its authority and serial number."""

    request: ocsp.OCSPRequest
    serial: int

    def asks(self, issuer: Issuer) -> bool:
        """Whether it asks this authority."""
        digest = hashes.Hash(self.request.hash_algorithm)
        digest.update(issuer.certificate.subject.public_bytes())
        same = ocsp.OCSPRequestBuilder().add_certificate(
            issuer.certificate, issuer.certificate, self.request.hash_algorithm
        )
        key_hash = same.build().issuer_key_hash
        return (self.request.issuer_name_hash, self.request.issuer_key_hash) == (digest.finalize(), key_hash)


def sign_answer(
    question: Question, issuer: Issuer, state: Revocation | bool, now: datetime, until: datetime
) -> bytes:
    """The answer (DER), signed by the authority itself. `state`: revoked so, issued and good (True), not known (False)."""
    request = question.request
    revocation = state if isinstance(state, Revocation) else None
    status = (
        ocsp.OCSPCertStatus.REVOKED
        if revocation
        else ocsp.OCSPCertStatus.GOOD
        if state
        else ocsp.OCSPCertStatus.UNKNOWN
    )
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response_by_hash(
            request.issuer_name_hash,
            request.issuer_key_hash,
            request.serial_number,
            request.hash_algorithm,
            status,
            now,
            until,
            revocation.since if revocation else None,
            revocation.reason if revocation else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
    )
    try:
        nonce = request.extensions.get_extension_for_class(x509.OCSPNonce).value
        builder = builder.add_extension(nonce, critical=False)
    except x509.ExtensionNotFound:
        pass
    return builder.sign(issuer.key, hash_for(issuer.key)).public_bytes(Encoding.DER)


def no_answer(*, unreadable: bool) -> bytes:
    """An OCSP error (RFC 6960 s.2.3): the request is malformed, or asks about another authority's certificate."""
    status = ocsp.OCSPResponseStatus.MALFORMED_REQUEST if unreadable else ocsp.OCSPResponseStatus.UNAUTHORIZED
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)


def read_question(request: bytes) -> Question:
    """An OCSP request (DER) about one certificate; SettingsError if it cannot be read."""
    try:
        if len(request) > ANSWER_BYTES_MAX:
            raise ValueError("too large")
        read = ocsp.load_der_ocsp_request(request)
        return Question(read, read.serial_number)
    except (NotImplementedError, *PARSE_ERRORS) as error:
        raise SettingsError(f"the OCSP request cannot be read: {error}") from error
