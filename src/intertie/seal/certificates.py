"""Identities: certificate chains to trusted roots, the party a certificate names, revocation.

A party is the URI name `urn:intertie:party:<id>` in subjectAltName, exactly one. A signing certificate carries the
key usage nonRepudiation (RFC 5280 s.4.2.1.3), so that a TLS certificate cannot sign. A chain is of one family, ML-DSA
or elliptic curve, from leaf to root: else the weaker family could vouch for the stronger one's key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.ids import PartyId, party_id
from intertie.seal.algorithms import is_post_quantum

Chain = tuple[bytes, ...]  # DER certificates: leaf first, then intermediates; without the root

PARTY_URI = "urn:intertie:party:"
# A root, at most two authorities below it, a leaf: what accredited authorities use.
CHAIN_MAX = 3
# An ML-DSA-87 leaf is 7.5 KB.
CERTIFICATE_BYTES_MAX = 32 * 1024

_PARSE_ERRORS = (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, UnsupportedAlgorithm)
Revoked = Mapping[tuple[bytes, int], datetime]  # (issuer's DER name, serial) -> since


@dataclass(frozen=True)
class TrustStore:
    """The roots we believe, and what their authorities revoked, since when.

    A root may be confined: it then vouches only for the parties that `confined` names for its thumbprint. A partner's own
    authority can so be trusted for that partner and for nobody else.
    """

    roots: tuple[x509.Certificate, ...]
    revoked: Revoked = field(default_factory=dict)
    confined: Mapping[bytes, frozenset[PartyId]] = field(default_factory=dict)

    @classmethod
    def of_pem(cls, *pems: bytes) -> TrustStore:
        """Roots and CRLs from PEM texts; SettingsError if one cannot be read or a CRL is not signed by a root."""
        roots = tuple(root for pem in pems for root in _read_roots(pem))
        if not roots:
            raise SettingsError(
                "no trusted root certificate", do="Put the roots' PEM files into the trust folder."
            )
        revoked: dict[tuple[bytes, int], datetime] = {}
        for pem in pems:
            revoked.update(_read_crls(pem, roots))
        return cls(roots, revoked)

    def pem(self) -> bytes:
        """All roots as PEM: what `trust-root.pem` holds."""
        return b"".join(root.public_bytes(Encoding.PEM) for root in self.roots)

    def family(self, *, post_quantum: bool, party: PartyId | None = None) -> tuple[x509.Certificate, ...]:
        """The roots with ML-DSA keys, or the others; with `party` only those that may vouch for it."""
        return tuple(
            root
            for root in self.roots
            if is_post_quantum(root.public_key()) == post_quantum
            and (party is None or self._may_vouch(root, party))
        )

    def _may_vouch(self, root: x509.Certificate, party: PartyId) -> bool:
        only = self.confined.get(thumbprint(root.public_bytes(Encoding.DER))) if self.confined else None
        return only is None or party in only

    def confined_to(self, party: PartyId) -> TrustStore:
        """The same, each of its roots for this party only."""
        only = {thumbprint(root.public_bytes(Encoding.DER)): frozenset({party}) for root in self.roots}
        return replace(self, confined=only)

    def joined(self, other: TrustStore) -> TrustStore:
        """Both. A root that one of the two does not confine is not confined; else it vouches for the parties of both."""
        mine, theirs = self._reach(), other._reach()
        roots = {**mine, **theirs}
        confined = {}
        for mark in roots:
            parts = [
                store.confined.get(mark) for store, has in ((self, mine), (other, theirs)) if mark in has
            ]
            if None not in parts:
                confined[mark] = frozenset[PartyId]().union(*(part for part in parts if part is not None))
        return TrustStore(tuple(roots.values()), {**self.revoked, **other.revoked}, confined)

    def _reach(self) -> dict[bytes, x509.Certificate]:
        return {thumbprint(root.public_bytes(Encoding.DER)): root for root in self.roots}

    def with_revoked(self, der: bytes, since: datetime) -> TrustStore:
        """The same roots with one more certificate revoked."""
        return replace(self, revoked={**self.revoked, _identity(read_certificate(der)): since})

    def is_revoked(self, der: bytes, at: datetime) -> bool:
        """Whether a certificate was revoked at this time; Refused(CERTIFICATE_UNTRUSTED) if it is none."""
        since = self.revoked.get(_identity(read_certificate(der)))
        return since is not None and since <= at


def read_roots(pem: bytes) -> TrustStore:
    """Roots, and revocation lists if there are any, from one PEM text; SettingsError if it holds no root."""
    return TrustStore.of_pem(pem)


def load_trust(directory: Path) -> TrustStore:
    """All *.pem files of a folder, roots and revocation lists; those in a subfolder that is named after a party are
    confined to it. SettingsError names the folder."""
    folders = sorted(path for path in directory.glob("*/") if any(path.glob("*.pem")))
    stores = [
        *([_load_folder(directory)] if any(directory.glob("*.pem")) or not folders else []),
        *(_load_folder(folder).confined_to(_folder_party(folder)) for folder in folders),
    ]
    return reduce(TrustStore.joined, stores)


def _load_folder(directory: Path) -> TrustStore:
    try:
        return TrustStore.of_pem(*(file.read_bytes() for file in sorted(directory.glob("*.pem"))))
    except OSError as error:
        raise SettingsError(f"{directory} cannot be read: {error}") from error
    except SettingsError as error:
        raise SettingsError(f"{directory}: {error.why}", do=error.do) from error


def _folder_party(folder: Path) -> PartyId:
    try:
        return party_id(folder.name)
    except ValueError as error:
        raise SettingsError(
            f"{folder} is not named after a party: {error}",
            do="Roots for one party lie in a folder of its name; roots for everybody in the trust folder itself.",
        ) from error


def thumbprint(der: bytes) -> bytes:
    """SHA-256 of a certificate: x5t#S256 of RFC 7515 s.4.1.8."""
    return hashlib.sha256(der).digest()


def read_certificate(der: bytes) -> x509.Certificate:
    """The certificate; Refused(CERTIFICATE_UNTRUSTED) if it is not one."""
    try:
        if len(der) > CERTIFICATE_BYTES_MAX:
            raise ValueError(f"larger than {CERTIFICATE_BYTES_MAX} bytes")
        return x509.load_der_x509_certificate(der)
    except _PARSE_ERRORS as error:
        raise Refused(Code.CERTIFICATE_UNTRUSTED, f"not a certificate: {error}") from error


def public_key_of(der: bytes) -> object:
    """The certificate's public key, of whatever kind; Refused(CERTIFICATE_UNTRUSTED) if it cannot be read."""
    try:
        return read_certificate(der).public_key()
    except _PARSE_ERRORS as error:
        raise Refused(Code.CERTIFICATE_UNTRUSTED, f"its key cannot be read: {error}") from error


def party_of_certificate(der: bytes) -> PartyId:
    """The party a certificate names; Refused(CERTIFICATE_NOT_SENDER) if it names none or several.

    Says nothing about trust: the TLS handshake, or `check_chain`, has to.
    """
    certificate = read_certificate(der)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *_PARSE_ERRORS) as error:
        raise Refused(Code.CERTIFICATE_NOT_SENDER, f"the certificate names no party: {error}") from error
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    parties = [uri.removeprefix(PARTY_URI) for uri in uris if uri.startswith(PARTY_URI)]
    if len(parties) != 1:
        raise Refused(Code.CERTIFICATE_NOT_SENDER, f"the certificate names {len(parties)} parties, not one")
    try:
        return party_id(parties[0])
    except ValueError as error:
        raise Refused(Code.CERTIFICATE_NOT_SENDER, str(error)) from error


def check_chain(chain: Sequence[bytes], trust: TrustStore, party: PartyId, now: datetime) -> None:
    """Hold a signing chain to: valid at `now`, this party's, allowed to sign, not revoked, one family up to a root.

    Raises Refused(CERTIFICATE_EXPIRED | CERTIFICATE_NOT_SENDER | CERTIFICATE_REVOKED | CERTIFICATE_UNTRUSTED).
    """
    if not 1 <= len(chain) <= CHAIN_MAX:
        raise Refused(Code.CERTIFICATE_UNTRUSTED, f"a chain of {len(chain)} certificates", partner=party)
    certificates = [read_certificate(der) for der in chain]
    for certificate in certificates:
        _check_dates(certificate, party, now)
    _check_path(certificates, trust, party, now)
    if party_of_certificate(chain[0]) != party:
        raise Refused(Code.CERTIFICATE_NOT_SENDER, f"it is {party_of_certificate(chain[0])}'s", partner=party)
    _check_usage(certificates[0], party)
    for der in chain:
        if trust.is_revoked(der, now):
            raise Refused(Code.CERTIFICATE_REVOKED, _named(read_certificate(der)), partner=party)


def _check_dates(certificate: x509.Certificate, party: PartyId, now: datetime) -> None:
    since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not since <= now <= until:
        detail = f"{_named(certificate)} is valid from {since.isoformat()} to {until.isoformat()}, not {now.isoformat()}"
        raise Refused(Code.CERTIFICATE_EXPIRED, detail, partner=party)


def _check_path(
    certificates: Sequence[x509.Certificate], trust: TrustStore, party: PartyId, now: datetime
) -> None:
    """RFC 5280 path validation by `cryptography`, over roots of the leaf's family; each certificate given is used."""
    leaf = certificates[0]
    try:
        post_quantum = is_post_quantum(leaf.public_key())
        if any(is_post_quantum(certificate.public_key()) != post_quantum for certificate in certificates):
            raise Refused(Code.CERTIFICATE_UNTRUSTED, "the chain mixes families of algorithms", partner=party)
        roots = trust.family(post_quantum=post_quantum, party=party)
        if not roots:
            raise Refused(
                Code.CERTIFICATE_UNTRUSTED,
                "no root of its family of algorithms is trusted for it",
                partner=party,
            )
        verifier = (
            PolicyBuilder()
            .store(Store(list(roots)))
            .time(now)
            .max_chain_depth(CHAIN_MAX)
            .extension_policies(
                ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.webpki_defaults_ee()
            )
            .build_client_verifier()
        )
        path = verifier.verify(leaf, list(certificates[1:])).chain
    except (VerificationError, *_PARSE_ERRORS) as error:
        raise Refused(Code.CERTIFICATE_UNTRUSTED, f"{_named(leaf)}: {error}", partner=party) from error
    if path[:-1] != list(certificates):
        raise Refused(
            Code.CERTIFICATE_UNTRUSTED, "the chain holds a certificate that nothing needs", partner=party
        )


def _check_usage(leaf: x509.Certificate, party: PartyId) -> None:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        allowed = usage.content_commitment
    except (x509.ExtensionNotFound, *_PARSE_ERRORS):
        allowed = False
    if not allowed:
        raise Refused(
            Code.CERTIFICATE_UNTRUSTED, f"{_named(leaf)} may not sign (no nonRepudiation)", partner=party
        )


def _named(certificate: x509.Certificate) -> str:
    return f"certificate {certificate.serial_number:x}"


def _identity(certificate: x509.Certificate) -> tuple[bytes, int]:
    return certificate.issuer.public_bytes(), certificate.serial_number


def _read_roots(pem: bytes) -> list[x509.Certificate]:
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        return []
    try:
        return x509.load_pem_x509_certificates(pem)
    except _PARSE_ERRORS as error:
        raise SettingsError(f"a trusted root cannot be read: {error}") from error


def _read_crls(pem: bytes, roots: Sequence[x509.Certificate]) -> dict[tuple[bytes, int], datetime]:
    begin, end = b"-----BEGIN X509 CRL-----", b"-----END X509 CRL-----"
    revoked: dict[tuple[bytes, int], datetime] = {}
    for part in pem.split(begin)[1:]:
        try:
            crl = x509.load_pem_x509_crl(begin + part.split(end)[0] + end + b"\n")
            _check_crl(crl, roots)
            issuer = crl.issuer.public_bytes()
            revoked.update({(issuer, entry.serial_number): entry.revocation_date_utc for entry in crl})
        except _PARSE_ERRORS as error:
            raise SettingsError(f"a revocation list cannot be read: {error}") from error
    return revoked


def _check_crl(crl: x509.CertificateRevocationList, roots: Sequence[x509.Certificate]) -> None:
    """A list is believed when the root it names signed it."""
    for root in roots:
        if root.subject != crl.issuer:
            continue
        try:
            if crl.is_signature_valid(root.public_key()):  # type: ignore[arg-type]
                return
        except (InvalidSignature, TypeError):
            continue
    raise SettingsError(f"the revocation list of {crl.issuer.rfc4514_string()} is signed by no trusted root")
