"""A certificate authority for trials and demonstrations: two roots, one per family of algorithms, and their leaves.

Not for operation: its keys lie in a folder of this machine. In operation an accredited authority issues the certificates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.seal.algorithms import SigningPrivateKey, is_post_quantum
from intertie.seal.certificates import Chain, TrustStore
from intertie.seal.issuing import (
    Issuer,
    PublicKeyTypes,
    Publishing,
    Purpose,
    Revocation,
    authority_certificate,
    der,
    leaf_certificate,
    sign_list,
)
from intertie.seal.private_files import write_private
from intertie.seal.protection import Kind, Opener, plain_opener
from intertie.seal.vault import Vault

# Whose keys they are, to the vault that holds them.
AUTHORITY = PartyId("trial-ca.invalid")
FAMILIES = ("ec", "mldsa")
# One authority below a root is what a trial of intermediates needs.
ROOT_PATH_LENGTH = 1


@dataclass(frozen=True)
class TrialCa:
    """Issues certificates for parties it is told of; believes everything."""

    # An authority is at least as strong as the strongest key that it vouches for, hybrid-high's: P-384 and ML-DSA-87.
    classical: Issuer
    post_quantum: Issuer

    @classmethod
    def create(cls, name: str, not_before: datetime, not_after: datetime) -> TrialCa:
        """Two new roots, valid in the given time."""
        return cls._make(name, "root", None, not_before, not_after)

    def intermediate(self, name: str, not_before: datetime, not_after: datetime) -> TrialCa:
        """A new authority below this one, in both families; SettingsError if this one is no root."""
        if self.classical.above:
            raise SettingsError(
                "this authority is below another already", do="Make the new one under the root."
            )
        return self._make(name, "authority", self, not_before, not_after)

    @classmethod
    def _make(cls, name: str, kind: str, above: TrialCa | None, start: datetime, end: datetime) -> TrialCa:
        made = []
        for family, label in zip(FAMILIES, ("EC", "ML-DSA"), strict=True):
            key: SigningPrivateKey = (
                ec.generate_private_key(ec.SECP384R1())
                if family == "ec"
                else mldsa.MLDSA87PrivateKey.generate()
            )
            parent = above.issuer(family) if above else None
            length = ROOT_PATH_LENGTH - (parent is not None)
            title = f"{name} {label} {kind}"
            certificate = authority_certificate(title, key, parent, start, end, path_length=length)
            made.append(Issuer(key, certificate, (parent.certificate, *parent.above) if parent else ()))
        return cls(*made)

    @property
    def until(self) -> datetime:
        """The end of the first of its certificates that ends: no leaf is worth more."""
        return min(self.issuer(family).certificate.not_valid_after_utc for family in FAMILIES)

    def issuer(self, family: str) -> Issuer:
        """The authority of a family: "ec" or "mldsa"."""
        return self.classical if family == "ec" else self.post_quantum

    def trust(self) -> TrustStore:
        """What a gateway has to believe in order to accept this authority's certificates."""
        return TrustStore((self.classical.root, self.post_quantum.root))

    def roots_pem(self) -> bytes:
        """Both roots' certificates: what partners are given."""
        return self.trust().pem()

    def issue(
        self,
        party: PartyId,
        public: PublicKeyTypes,
        purpose: Purpose,
        not_before: datetime,
        not_after: datetime,
        *,
        hosts: Sequence[str] = (),
        publishing: Publishing = Publishing(),  # noqa: B008 - a constant
    ) -> Chain:
        """A certificate for a key, by the authority of the key's family, and the authorities between it and the root."""
        issuer = self.issuer("mldsa" if is_post_quantum(public) else "ec")
        leaf = leaf_certificate(
            party,
            public,
            issuer,
            not_before,
            not_after,
            purpose=purpose,
            hosts=hosts,
            publishing=publishing,
        )
        return (der(leaf), *issuer.chain())

    def issue_signing(
        self, party: PartyId, key: SigningPrivateKey, not_before: datetime, not_after: datetime
    ) -> Chain:
        """A certificate for signing parcels and receipts, by the root of the key's family."""
        return self.issue(party, key.public_key(), "signing", not_before, not_after)

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
        return self.issue(party, key.public_key(), "tls", not_before, not_after, hosts=hosts)

    def revocation_list(
        self, revoked: Sequence[tuple[bytes, datetime]], now: datetime, until: datetime
    ) -> bytes:
        """PEM of both authorities' lists: each of the certificates (DER), and since when."""
        entries: dict[str, list[Revocation]] = {family: [] for family in FAMILIES}
        for certificate_der, since in revoked:
            certificate = x509.load_der_x509_certificate(certificate_der)
            for family, lines in entries.items():
                if certificate.issuer == self.issuer(family).certificate.subject:
                    lines.append(Revocation(certificate.serial_number, since))
        # Numbers grow with time (RFC 5280 s.5.2.3).
        return b"".join(self.lists(entries, int(now.timestamp()), now, until).values())

    def lists(
        self, revocations: Mapping[str, Sequence[Revocation]], number: int, now: datetime, until: datetime
    ) -> dict[str, bytes]:
        """Each family's revocation list as PEM."""
        return {
            family: sign_list(self.issuer(family), revocations.get(family, ()), number, now, until)
            for family in FAMILIES
        }

    def save(self, directory: Path, *, kind: Kind = "none", opener: Opener | None = None) -> None:
        """Write certificates, each with those above it, and keys encrypted as `kind` says; SettingsError if there are any,
        or the folder cannot be written; KeyPortError."""
        vault = Vault.create(directory, AUTHORITY, kind, opener or plain_opener(directory))
        secrets = {}
        try:
            for family in FAMILIES:
                issuer = self.issuer(family)
                pems = [one.public_bytes(Encoding.PEM) for one in (issuer.certificate, *issuer.above)]
                write_private(directory / f"{family}.pem", b"".join(pems))
                secrets[f"{family}.key"] = issuer.key.private_bytes(
                    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
                )
        except OSError as error:
            raise SettingsError(f"{directory} cannot be written: {error}") from error
        with vault.lock():
            vault.add(secrets)

    @classmethod
    def load(cls, directory: Path, *, opener: Opener | None = None) -> TrialCa:
        """What `save` wrote; SettingsError if it is not there or damaged, KeyPortError if it does not open."""
        vault = Vault(directory, opener or plain_opener(directory))
        issuers = []
        for family in FAMILIES:
            try:
                own, *above = x509.load_pem_x509_certificates((directory / f"{family}.pem").read_bytes())
                key = load_pem_private_key(vault.read(f"{family}.key"), None)
            except (OSError, ValueError, TypeError, SettingsError) as error:
                raise SettingsError(f"no trial authority in {directory}: {error}") from error
            if not isinstance(key, ec.EllipticCurvePrivateKey | mldsa.MLDSA87PrivateKey):
                raise SettingsError(f"{directory / family}.key is not a key of the trial authority")
            issuers.append(Issuer(key, own, tuple(above)))
        return cls(*issuers)
