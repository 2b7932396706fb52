"""A certificate authority for trials and demonstrations: two roots, one per family of algorithms, and their leaves.

Not for operation: its keys lie in a folder. In operation an accredited authority issues the certificates.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.seal.algorithms import SigningPrivateKey, is_post_quantum
from intertie.seal.certificates import PARTY_URI, Chain, TrustStore

# A root is at least as strong as the strongest key that it vouches for: hybrid-high's.
_ROOTS = {"ec": "ES384", "mldsa": "ML-DSA-87"}
PublicKeyTypes = ec.EllipticCurvePublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey


@dataclass(frozen=True)
class _Root:
    key: SigningPrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True)
class TrialCa:
    """Issues certificates for parties it is told of; believes everything."""

    classical: _Root
    post_quantum: _Root

    @classmethod
    def create(cls, name: str, not_before: datetime, not_after: datetime) -> TrialCa:
        """Two new roots, valid in the given time."""
        classical = ec.generate_private_key(ec.SECP384R1())
        post_quantum = mldsa.MLDSA87PrivateKey.generate()
        return cls(
            _Root(classical, _root_certificate(f"{name} EC root", classical, not_before, not_after)),
            _Root(
                post_quantum, _root_certificate(f"{name} ML-DSA root", post_quantum, not_before, not_after)
            ),
        )

    def trust(self) -> TrustStore:
        """What a gateway has to believe in order to accept this authority's certificates."""
        return TrustStore((self.classical.certificate, self.post_quantum.certificate))

    def roots_pem(self) -> bytes:
        """Both roots' certificates: what partners are given."""
        return self.trust().pem()

    def issue_signing(
        self, party: PartyId, key: SigningPrivateKey, not_before: datetime, not_after: datetime
    ) -> Chain:
        """A certificate for signing parcels and receipts, by the root of the key's family."""
        root = self._root_of(key)
        builder = _leaf(party, key.public_key(), root, not_before, not_after, commitment=True, hosts=())
        return (_sign(builder, root.key).public_bytes(Encoding.DER),)

    def issue_tls(
        self,
        party: PartyId,
        key: SigningPrivateKey,
        hosts: Sequence[str],
        not_before: datetime,
        not_after: datetime,
    ) -> Chain:
        """A certificate for TLS, as server and as client, by the root of the key's family.

        `hosts` are DNS names and IP addresses.
        """
        root = self._root_of(key)
        builder = _leaf(party, key.public_key(), root, not_before, not_after, commitment=False, hosts=hosts)
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        return (_sign(builder.add_extension(usages, critical=False), root.key).public_bytes(Encoding.DER),)

    def revocation_list(
        self, revoked: Sequence[tuple[bytes, datetime]], now: datetime, until: datetime
    ) -> bytes:
        """PEM of both roots' lists: each of the certificates (DER), and since when."""
        pems = []
        for root in (self.classical, self.post_quantum):
            builder = x509.CertificateRevocationListBuilder().issuer_name(root.certificate.subject)
            builder = builder.last_update(now).next_update(until)
            for der, since in revoked:
                certificate = x509.load_der_x509_certificate(der)
                if certificate.issuer == root.certificate.subject:
                    entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
                    builder = builder.add_revoked_certificate(entry.revocation_date(since).build())
            pems.append(builder.sign(root.key, _hash_for(root.key)).public_bytes(Encoding.PEM))
        return b"".join(pems)

    def save(self, directory: Path) -> None:
        """Write keys (0600) and certificates; SettingsError if there are any, or the folder cannot be written."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, root in (("ec", self.classical), ("mldsa", self.post_quantum)):
                pem = root.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
                write_private(directory / f"{name}.key", pem)
                write_private(directory / f"{name}.pem", root.certificate.public_bytes(Encoding.PEM))
        except OSError as error:
            raise SettingsError(f"{directory} cannot be written: {error}") from error

    @classmethod
    def load(cls, directory: Path) -> TrialCa:
        """What `save` wrote; SettingsError if it is not there or damaged."""
        roots = []
        for name in _ROOTS:
            try:
                key = load_pem_private_key((directory / f"{name}.key").read_bytes(), None)
                certificate = x509.load_pem_x509_certificate((directory / f"{name}.pem").read_bytes())
            except (OSError, ValueError, TypeError) as error:
                raise SettingsError(f"no trial authority in {directory}: {error}") from error
            if not isinstance(key, ec.EllipticCurvePrivateKey | mldsa.MLDSA87PrivateKey):
                raise SettingsError(f"{directory / name}.key is not a key of the trial authority")
            roots.append(_Root(key, certificate))
        return cls(*roots)

    def _root_of(self, key: SigningPrivateKey) -> _Root:
        return self.post_quantum if is_post_quantum(key.public_key()) else self.classical


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read; SettingsError if there is one already (a key is never lost)."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise SettingsError(
            f"{path} exists", do="Keys are never overwritten: move the old ones away first."
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _hash_for(key: SigningPrivateKey) -> hashes.SHA384 | None:
    return hashes.SHA384() if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _sign(builder: x509.CertificateBuilder, key: SigningPrivateKey) -> x509.Certificate:
    return builder.sign(key, _hash_for(key))


def _usage(*, commitment: bool, authority: bool) -> x509.KeyUsage:
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


def _root_certificate(
    name: str, key: SigningPrivateKey, not_before: datetime, not_after: datetime
) -> x509.Certificate:
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(name))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_usage(commitment=False, authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    return _sign(builder, key)


def _leaf(
    party: PartyId,
    public: PublicKeyTypes,
    root: _Root,
    not_before: datetime,
    not_after: datetime,
    *,
    commitment: bool,
    hosts: Sequence[str],
) -> x509.CertificateBuilder:
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(PARTY_URI + party)]
    names += [_host_name(host) for host in hosts]
    return (
        x509.CertificateBuilder()
        .subject_name(_name(party[:64]))  # X.520 ub-common-name; the party's full name is the SAN
        .issuer_name(root.certificate.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(commitment=commitment, authority=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key()), critical=False
        )
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
