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
from functools import lru_cache, reduce
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.ids import PartyId, party_id
from intertie.seal.algorithms import is_post_quantum
from intertie.seal.ocsp import OcspAnswer, read_answer
from intertie.seal.revocation import DEFAULT_RULES, RevocationList, TrustRules, read_lists, revoked_since
from intertie.seal.x509_path import CHAIN_MAX as CHAIN_MAX
from intertie.seal.x509_path import PARSE_ERRORS, find_path, named

Chain = tuple[bytes, ...]  # DER certificates: leaf first, then intermediates; without the root

PARTY_URI = "urn:intertie:party:"
# An ML-DSA-87 leaf is 7.5 KB.
CERTIFICATE_BYTES_MAX = 32 * 1024
# Certificates in use at once: reading a key, or a name, out of one costs as much as an ECDSA signature.
KEYS_MAX = 256

# Where answers of OCSP responders lie in the trust folder, each in a file named by the certificate's thumbprint.
OCSP_FOLDER = "ocsp"
# RFC 9336: certificates for signing documents. emailProtection and anyExtendedKeyUsage is what authorities gave before.
DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
_SIGNING_PURPOSES = {
    DOCUMENT_SIGNING,
    ExtendedKeyUsageOID.EMAIL_PROTECTION,
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}
Revoked = Mapping[tuple[bytes, int], datetime]  # (issuer's DER name, serial) -> since


_Asked = tuple[x509.Certificate, x509.Certificate, PartyId | None]  # with its issuer, in chains of this party


class _Known(NamedTuple):
    """What a trust store has on a certificate: lists and answers that count, and since when it is revoked by any word."""

    lists: Sequence[RevocationList]
    answers: Sequence[OcspAnswer]
    revoked: datetime | None


@dataclass(frozen=True)
class TrustStore:
    """The roots we believe, and what their authorities revoked: by lists, by answers to OCSP requests, or said here.

    A root may be confined: it then vouches only for the parties that `confined` names for its thumbprint. A partner's own
    authority can so be trusted for that partner and for nobody else.
    """

    roots: tuple[x509.Certificate, ...]
    revoked: Revoked = field(default_factory=dict)
    confined: Mapping[bytes, frozenset[PartyId]] = field(default_factory=dict)
    lists: tuple[RevocationList, ...] = ()
    answers: tuple[OcspAnswer, ...] = ()
    rules: TrustRules = DEFAULT_RULES
    # What is known of certificates that were asked about. It follows from the rest, which does not change.
    _known: dict[_Asked, _Known] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of_pem(cls, *pems: bytes) -> TrustStore:
        """Roots and CRLs from PEM texts; SettingsError if one cannot be read or a CRL in a root's name is not signed by it."""
        trust = cls._of_parts(*pems)
        trust.check()
        return trust

    @classmethod
    def _of_parts(cls, *pems: bytes) -> TrustStore:
        roots = tuple(root for pem in pems for root in read_roots_of(pem))
        return cls(roots, lists=tuple(one for pem in pems for one in read_lists(pem)))

    def check(self) -> None:
        """SettingsError unless there is a root, and each list in a root's name is signed by it. Other lists are of
        authorities below, whose certificates come with chains."""
        if not self.roots:
            raise SettingsError(
                "no trusted root certificate", do="Put the roots' PEM files into the trust folder."
            )
        for one in self.lists:
            named_so = [root for root in self.roots if root.subject.public_bytes() == one.issuer]
            if named_so and not any(one.signed_by(root) for root in named_so):
                name = named_so[0].subject.rfc4514_string()
                raise SettingsError(f"the revocation list of {name} is signed by no trusted root")

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
        """The same, each of its roots and lists for this party only."""
        only = frozenset({party})
        return replace(
            self,
            confined={thumbprint(root.public_bytes(Encoding.DER)): only for root in self.roots},
            lists=tuple(replace(one, only=only) for one in self.lists),
        )

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
        return replace(
            self,
            roots=tuple(roots.values()),
            revoked={**self.revoked, **other.revoked},
            confined=confined,
            lists=tuple(dict.fromkeys((*self.lists, *other.lists))),
            answers=tuple(dict.fromkeys((*self.answers, *other.answers))),
        )

    def _reach(self) -> dict[bytes, x509.Certificate]:
        return {thumbprint(root.public_bytes(Encoding.DER)): root for root in self.roots}

    def with_revoked(self, der: bytes, since: datetime) -> TrustStore:
        """The same roots with one more certificate revoked."""
        return replace(self, revoked={**self.revoked, _identity(read_certificate(der)): since})

    def unrevoked(self) -> TrustStore:
        """The roots alone: for what was verified, revocations and all, when it was kept."""
        rules = TrustRules(require="never", skew_seconds=self.rules.skew_seconds)
        return replace(self, revoked={}, lists=(), answers=(), rules=rules)

    def with_lists(self, *pems: bytes) -> TrustStore:
        """The same with more revocation lists; SettingsError as `of_pem`."""
        lists = [one for pem in pems for one in read_lists(pem)]
        more = replace(self, lists=tuple(dict.fromkeys((*self.lists, *lists))))
        more.check()
        return more

    def with_answers(self, *ders: bytes) -> TrustStore:
        """The same with more answers to OCSP requests; SettingsError if one cannot be read."""
        return replace(self, answers=(*self.answers, *(read_answer(der) for der in ders)))

    def under(self, rules: TrustRules) -> TrustStore:
        """The same, judged by these rules."""
        return replace(self, rules=rules)

    def is_revoked(self, der: bytes, at: datetime, party: PartyId | None = None) -> bool:
        """Whether a certificate right below one of the roots was revoked at this time; Refused(CERTIFICATE_UNTRUSTED) if
        it is none. For whole paths there is `check_status`."""
        certificate = read_certificate(der)
        issuers = [root for root in self.roots if root.subject == certificate.issuer]
        found = [self._about(certificate, issuer, party).revoked for issuer in issuers]
        found += [self.revoked.get(_identity(certificate))] if not issuers else []
        return any(since is not None and since <= at for since in found)

    def path(self, chain: Sequence[bytes], party: PartyId, now: datetime) -> tuple[x509.Certificate, ...]:
        """A chain's path to a root that may vouch for this party, leaf first, root last; nothing is said of revocation.

        Raises Refused(CERTIFICATE_EXPIRED | CERTIFICATE_UNTRUSTED).
        """
        if not 1 <= len(chain) <= CHAIN_MAX:
            raise Refused(Code.CERTIFICATE_UNTRUSTED, f"a chain of {len(chain)} certificates", partner=party)
        certificates = [read_certificate(der) for der in chain]
        roots = [root for root in self.roots if self._may_vouch(root, party)]
        return find_path(certificates, roots, party, now, self.rules.skew)

    def check_status(self, path: Sequence[x509.Certificate], party: PartyId, at: datetime) -> None:
        """Hold a path, leaf to root, to: nothing on it was revoked at this time, and that is certain enough for the rules.

        Raises Refused(CERTIFICATE_REVOKED | REVOCATION_UNKNOWN).
        """
        for certificate, issuer in pairwise(path):
            since = self._about(certificate, issuer, party).revoked
            if since is not None and since <= at:
                detail = f"{named(certificate)} is revoked since {since.isoformat()}"
                raise Refused(Code.CERTIFICATE_REVOKED, detail, partner=party)
        if self.rules.require != "never":
            for certificate, issuer in pairwise(path):
                self._check_certain(certificate, issuer, party, at)

    def lists_for(
        self, certificate: x509.Certificate, issuer: x509.Certificate, party: PartyId | None
    ) -> list[RevocationList]:
        """The lists of a certificate's issuer that cover it, for chains of this party."""
        return [
            one
            for one in self.lists
            if one.concerns(certificate, party) and one.covers(certificate) and one.signed_by(issuer)
        ]

    def answers_for(self, certificate: x509.Certificate, issuer: x509.Certificate) -> list[OcspAnswer]:
        """The answers about a certificate that its issuer stands behind."""
        return [one for one in self.answers if one.about(certificate) and one.believed(certificate, issuer)]

    def _about(
        self, certificate: x509.Certificate, issuer: x509.Certificate, party: PartyId | None
    ) -> _Known:
        asked = certificate, issuer, party
        known = self._known.get(asked)
        if known is None:
            lists, answers = self.lists_for(certificate, issuer, party), self.answers_for(certificate, issuer)
            since = [self.revoked.get(_identity(certificate)), revoked_since(lists, certificate)]
            since += [one.revoked for one in answers if one.state == "revoked"]
            known = _Known(lists, answers, min((one for one in since if one is not None), default=None))
            if len(self._known) >= KEYS_MAX:
                self._known.clear()
            self._known[asked] = known
        return known

    def _check_certain(
        self, certificate: x509.Certificate, issuer: x509.Certificate, party: PartyId, at: datetime
    ) -> None:
        """Refused(REVOCATION_UNKNOWN) unless a list or an answer that was not out of date at this time stands for it."""
        lists, answers, _ = self._about(certificate, issuer, party)
        if any(at <= one.until + self.rules.skew for one in lists):
            return
        if any(one.certain(at, self.rules.skew) for one in answers):
            return
        listed = bool(answers) or any(one.concerns(certificate, party) for one in self.lists)
        if listed or self.rules.require == "always":
            detail = (
                f"of {named(certificate)} there is no revocation list and no OCSP answer that holds on "
                f"{at.isoformat()}"
            )
            raise Refused(Code.REVOCATION_UNKNOWN, detail, partner=party)


def read_roots(pem: bytes) -> TrustStore:
    """Roots, and revocation lists if there are any, from one PEM text; SettingsError if it holds no root."""
    return TrustStore.of_pem(pem)


def load_trust(directory: Path, rules: TrustRules | None = None) -> TrustStore:
    """All *.pem files of a folder, roots and revocation lists; those in a subfolder that is named after a party are
    confined to it. And the answers of OCSP responders in ocsp/. SettingsError names the folder."""
    folders = sorted(path for path in directory.glob("*/") if any(path.glob("*.pem")))
    stores = [
        _load_folder(directory),
        *(_load_folder(folder).confined_to(_folder_party(folder)) for folder in folders),
    ]
    trust = reduce(TrustStore.joined, stores)
    try:
        trust.check()
    except SettingsError as error:
        raise SettingsError(f"{directory}: {error.why}", do=error.do) from error
    return trust.with_answers(*_read_answers(directory / OCSP_FOLDER)).under(rules or DEFAULT_RULES)


def _read_answers(folder: Path) -> list[bytes]:
    try:
        return [file.read_bytes() for file in sorted(folder.glob("*.der"))]
    except OSError as error:
        raise SettingsError(f"{folder} cannot be read: {error}") from error


def _load_folder(directory: Path) -> TrustStore:
    try:
        return TrustStore._of_parts(*(file.read_bytes() for file in sorted(directory.glob("*.pem"))))
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


@lru_cache(KEYS_MAX)
def read_certificate(der: bytes) -> x509.Certificate:
    """The certificate; Refused(CERTIFICATE_UNTRUSTED) if it is not one."""
    try:
        if len(der) > CERTIFICATE_BYTES_MAX:
            raise ValueError(f"larger than {CERTIFICATE_BYTES_MAX} bytes")
        return x509.load_der_x509_certificate(der)
    except PARSE_ERRORS as error:
        raise Refused(Code.CERTIFICATE_UNTRUSTED, f"not a certificate: {error}") from error


@lru_cache(KEYS_MAX)
def public_key_of(der: bytes) -> object:
    """The certificate's public key, of whatever kind; Refused(CERTIFICATE_UNTRUSTED) if it cannot be read."""
    try:
        return read_certificate(der).public_key()
    except PARSE_ERRORS as error:
        raise Refused(Code.CERTIFICATE_UNTRUSTED, f"its key cannot be read: {error}") from error


@lru_cache(KEYS_MAX)
def party_of_certificate(der: bytes) -> PartyId:
    """The party a certificate names; Refused(CERTIFICATE_NOT_SENDER) if it names none or several.

    Says nothing about trust: the TLS handshake, or `check_chain`, has to.
    """
    certificate = read_certificate(der)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *PARSE_ERRORS) as error:
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
    """Hold a signing chain to: valid at `now`, one family up to a root, this party's, allowed to sign, not revoked.

    In this order. Evidence is judged at the time of its signature: give that as `now`. Raises Refused(CERTIFICATE_EXPIRED |
    CERTIFICATE_UNTRUSTED | CERTIFICATE_NOT_SENDER | CERTIFICATE_REVOKED | REVOCATION_UNKNOWN).
    """
    path = trust.path(chain, party, now)
    if party_of_certificate(chain[0]) != party:
        raise Refused(Code.CERTIFICATE_NOT_SENDER, f"it is {party_of_certificate(chain[0])}'s", partner=party)
    _check_usage(path[0], party)
    trust.check_status(path, party, now)


def _check_usage(leaf: x509.Certificate, party: PartyId) -> None:
    """RFC 5280 s.4.2.1.3 and 4.2.1.12: key usage is asked for, extended key usage only binds those who have it."""
    fault = _fault_in_usage(leaf)
    if fault is not None:
        raise Refused(Code.CERTIFICATE_UNTRUSTED, f"{named(leaf)} {fault}", partner=party)


@lru_cache(KEYS_MAX)
def _fault_in_usage(leaf: x509.Certificate) -> str | None:
    if not may_sign(leaf):
        return "may not sign (no nonRepudiation)"
    try:
        purposes = set(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return None
    return None if purposes & _SIGNING_PURPOSES else "is for other purposes than signing"


def may_sign(leaf: x509.Certificate) -> bool:
    """Whether the key usage nonRepudiation is there."""
    try:
        return leaf.extensions.get_extension_for_class(x509.KeyUsage).value.content_commitment
    except (x509.ExtensionNotFound, *PARSE_ERRORS):
        return False


def _identity(certificate: x509.Certificate) -> tuple[bytes, int]:
    return certificate.issuer.public_bytes(), certificate.serial_number


def read_roots_of(pem: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM text, maybe none; SettingsError if one cannot be read."""
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        return []
    try:
        return x509.load_pem_x509_certificates(pem)
    except PARSE_ERRORS as error:
        raise SettingsError(f"a trusted root cannot be read: {error}") from error
