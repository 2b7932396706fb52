"""A certificate authority for trials and demonstrations: two roots, one per family of algorithms, and their leaves.

Not for operation: its keys lie in a folder of this machine. In operation an accredited authority issues the certificates.
"""

from __future__ import annotations

import ipaddress
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
from intertie.seal.private_files import write_private
from intertie.seal.protection import Kind, Opener, plain_opener
from intertie.seal.vault import Vault

# A root is at least as strong as the strongest key that it vouches for: hybrid-high's.
_ROOTS = {"ec": "ES384", "mldsa": "ML-DSA-87"}
# Whose keys they are, to the vault that holds them.
AUTHORITY = PartyId("trial-ca.invalid")
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

    @property
    def until(self) -> datetime:
        """The end of the first root that ends: no leaf is worth more."""
        return min(root.certificate.not_valid_after_utc for root in (self.classical, self.post_quantum))

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

    def save(self, directory: Path, *, kind: Kind = "none", opener: Opener | None = None) -> None:
        """Write certificates, and keys encrypted as `kind` says; SettingsError if there are any, or the folder cannot be
        written; KeyPortError."""
        vault = Vault.create(directory, AUTHORITY, kind, opener or plain_opener(directory))
        try:
            for name, root in (("ec", self.classical), ("mldsa", self.post_quantum)):
                write_private(directory / f"{name}.pem", root.certificate.public_bytes(Encoding.PEM))
        except OSError as error:
            raise SettingsError(f"{directory} cannot be written: {error}") from error
        keys = {"ec": self.classical.key, "mldsa": self.post_quantum.key}
        pems = {
            f"{n}.key": k.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            for n, k in keys.items()
        }
        with vault.lock():
            vault.add(pems)

    @classmethod
    def load(cls, directory: Path, *, opener: Opener | None = None) -> TrialCa:
        """What `save` wrote; SettingsError if it is not there or damaged, KeyPortError if it does not open."""
        vault = Vault(directory, opener or plain_opener(directory))
        roots = []
        for name in _ROOTS:
            try:
                certificate = x509.load_pem_x509_certificate((directory / f"{name}.pem").read_bytes())
                key = load_pem_private_key(vault.read(f"{name}.key"), None)
            except (OSError, ValueError, TypeError, SettingsError) as error:
                raise SettingsError(f"no trial authority in {directory}: {error}") from error
            if not isinstance(key, ec.EllipticCurvePrivateKey | mldsa.MLDSA87PrivateKey):
                raise SettingsError(f"{directory / name}.key is not a key of the trial authority")
            roots.append(_Root(key, certificate))
        return cls(*roots)

    def _root_of(self, key: SigningPrivateKey) -> _Root:
        return self.post_quantum if is_post_quantum(key.public_key()) else self.classical


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
        .add_extension(party_names(party, hosts), critical=False)
    )


def party_names(party: PartyId, hosts: Sequence[str]) -> x509.SubjectAlternativeName:
    """Whose certificate it is, and for which DNS names and IP addresses."""
    uri = x509.UniformResourceIdentifier(PARTY_URI + party)
    return x509.SubjectAlternativeName([uri, *(_host_name(host) for host in hosts)])


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
