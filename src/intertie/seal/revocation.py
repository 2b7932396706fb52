"""Certificate revocation lists (RFC 5280 s.5): reading them, whose they are, what they revoke since when.

A list counts once the authority that issued the certificate in question has signed it: its signature is checked
against that authority's certificate when a path is judged, so that lists of intermediate authorities need nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.model.record import Record
from intertie.seal.x509_path import PARSE_ERRORS, is_authority, weakness

Require = Literal["never", "if_listed", "always"]

# A list of a hundred thousand certificates is 4 MB.
LIST_BYTES_MAX = 16 * 1024 * 1024
# Lists and authorities in use at once: a verdict costs a signature, and is asked for with every parcel.
_VERDICTS = 256
# A list of fifty thousand takes a second to read, and the trust folder is read again whenever a file in it changes.
_LISTS = 64
_COMPROMISED = {
    x509.ReasonFlags.key_compromise,
    x509.ReasonFlags.ca_compromise,
    x509.ReasonFlags.aa_compromise,
}
# RFC 5280 s.5.2 and 5.3: what a complete list of its own authority may say beside its entries.
_KNOWN = (x509.AuthorityKeyIdentifier, x509.CRLNumber, x509.IssuingDistributionPoint)
_KNOWN_ENTRY = (x509.CRLReason, x509.InvalidityDate)
_SEQUENCE = b"\x30"  # every DER list begins with it, no text does that a program writes before its PEM
_BEGIN, _END = b"-----BEGIN X509 CRL-----", b"-----END X509 CRL-----"


class TrustRules(Record, frozen=True, kw_only=True):
    """How strictly certificates are judged.

    `require`: of whom a revocation status that is not out of date is demanded. "if_listed": of every authority of which
    a list or an answer is here, so that a list that grew old lets nobody in; "always": of every authority below which a
    certificate is; "never": of nobody, what lists say is still believed.
    """

    require: Require = "if_listed"
    # By how much a certificate may be too young or too old, and a list too old, because clocks differ.
    skew_seconds: int = 0

    @property
    def skew(self) -> timedelta:
        """As a duration."""
        return timedelta(seconds=self.skew_seconds)


DEFAULT_RULES = TrustRules()


class Entry(NamedTuple):
    """One revoked certificate. A hold can be taken back by a later list, everything else is for ever."""

    since: datetime
    hold: bool


@dataclass(frozen=True)
class RevocationList:
    """A complete list of one authority, read but not yet believed: `signed_by` says whose it is."""

    der: bytes = field(repr=False)
    issuer: bytes
    number: int
    since: datetime
    until: datetime
    entries: Mapping[int, Entry] = field(repr=False, compare=False)
    # What the list is about (RFC 5280 s.5.2.5): certificates of these distribution points (all, if empty), of whom.
    points: frozenset[str] = frozenset()
    about: Literal["all", "leaves", "authorities"] = "all"
    # Only for chains of these parties: a partner's own authority says nothing about another's.
    only: frozenset[PartyId] | None = None

    def signed_by(self, authority: x509.Certificate) -> bool:
        """Whether this authority signed it and may sign lists."""
        return self.issuer == authority.subject.public_bytes() and _signed_by(self.der, authority)

    def covers(self, certificate: x509.Certificate) -> bool:
        """Whether the list, by its scope, would name this certificate if it were revoked."""
        if self.about != "all" and is_authority(certificate) != (self.about == "authorities"):
            return False
        return not self.points or not self.points.isdisjoint(crl_urls(certificate))

    def concerns(self, certificate: x509.Certificate, party: PartyId | None) -> bool:
        """Whether it claims to be by the certificate's issuer, for chains of this party."""
        if self.only is not None and party is not None and party not in self.only:
            return False
        return self.issuer == certificate.issuer.public_bytes()

    def pem(self) -> bytes:
        """The list as PEM."""
        return x509.load_der_x509_crl(self.der).public_bytes(Encoding.PEM)


def revoked_since(lists: Sequence[RevocationList], certificate: x509.Certificate) -> datetime | None:
    """Since when the certificate is revoked, by lists of its issuer that cover it, or None.

    What an older list said stays true when a newer one leaves it out (RFC 5280 s.3.3: an authority may drop certificates
    that have ended), except for a hold: there the newest list alone decides.
    """
    if not lists:
        return None
    newest = max(lists, key=lambda one: (one.since, one.number))
    found = [one.entries.get(certificate.serial_number) for one in lists]
    since = [entry.since for entry in found if entry is not None and not entry.hold]
    held = newest.entries.get(certificate.serial_number)
    if held is not None:
        since.append(held.since)
    return min(since, default=None)


def crl_urls(certificate: x509.Certificate) -> tuple[str, ...]:
    """Where the certificate's own authority publishes its list (RFC 5280 s.4.2.1.13)."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, *PARSE_ERRORS):
        return ()
    own = [point for point in points if point.full_name and not point.crl_issuer and not point.reasons]
    names = [name for point in own for name in point.full_name or ()]
    return tuple(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))


def read_lists(pem: bytes, only: frozenset[PartyId] | None = None) -> Iterator[RevocationList]:
    """Every list in a PEM text; SettingsError if one cannot be read, or is of a kind that is not taken."""
    for part in pem.split(_BEGIN)[1:]:
        text = _BEGIN + part.split(_END)[0] + _END + b"\n"
        try:
            der = x509.load_pem_x509_crl(text).public_bytes(Encoding.DER)
        except PARSE_ERRORS as error:
            raise SettingsError(f"a revocation list cannot be read: {error}") from error
        yield read_list(der, only)


def read_list(data: bytes, only: frozenset[PartyId] | None = None) -> RevocationList:
    """A list in DER or PEM. SettingsError if it cannot be read, is a delta, of several authorities, or of some reasons."""
    if len(data) > LIST_BYTES_MAX:
        raise SettingsError(f"a revocation list of more than {LIST_BYTES_MAX} bytes")
    if data[:1] != _SEQUENCE and _BEGIN in data:
        return next(read_lists(data, only))
    return replace(_read_der(data), only=only)


@lru_cache(_LISTS)
def _read_der(der: bytes) -> RevocationList:
    try:
        crl = x509.load_der_x509_crl(der)
        points, about = _scope(crl)
        if crl.next_update_utc is None:
            raise ValueError("it does not say when the next one comes")
        return RevocationList(
            der=der,
            issuer=crl.issuer.public_bytes(),
            number=_number(crl),
            since=crl.last_update_utc,
            until=crl.next_update_utc,
            entries={entry.serial_number: _entry(entry) for entry in crl if not _removed(entry)},
            points=points,
            about=about,
        )
    except PARSE_ERRORS as error:
        raise SettingsError(f"a revocation list cannot be read: {error}") from error


def _number(crl: x509.CertificateRevocationList) -> int:
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return 0


def _scope(
    crl: x509.CertificateRevocationList,
) -> tuple[frozenset[str], Literal["all", "leaves", "authorities"]]:
    """ValueError for a list that we cannot judge by: deltas, indirect lists, and extensions that we do not know."""
    for extension in crl.extensions:
        if isinstance(extension.value, x509.DeltaCRLIndicator):
            raise ValueError("it is a delta: complete lists are asked for")
        if extension.critical and not isinstance(extension.value, _KNOWN):
            raise ValueError(f"its critical extension {extension.oid.dotted_string} is not known")
    try:
        scope = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return frozenset(), "all"
    if scope.indirect_crl or scope.only_contains_attribute_certs or scope.only_some_reasons:
        raise ValueError(
            "it is indirect or not about all reasons: an authority's own complete list is asked for"
        )
    if scope.relative_name:
        raise ValueError("it names its distribution point in part only")
    names = scope.full_name or ()
    points = frozenset(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))
    if names and not points:
        raise ValueError("it names its distribution point, but not by a URL")
    if scope.only_contains_user_certs:
        return points, "leaves"
    return points, "authorities" if scope.only_contains_ca_certs else "all"


def _entry(entry: x509.RevokedCertificate) -> Entry:
    """An entry, from its date on; a key that was known to others earlier counts from then (RFC 5280 s.5.3.2)."""
    since, reason = entry.revocation_date_utc, _reason(entry)
    for extension in entry.extensions:
        if extension.critical and not isinstance(extension.value, _KNOWN_ENTRY):
            raise ValueError(f"the critical extension {extension.oid.dotted_string} of an entry is not known")
        if isinstance(extension.value, x509.CertificateIssuer):
            raise ValueError("an entry is about another authority's certificate")
        if isinstance(extension.value, x509.InvalidityDate) and reason in _COMPROMISED:
            since = min(since, extension.value.invalidity_date_utc)
    return Entry(since, reason is x509.ReasonFlags.certificate_hold)


def _removed(entry: x509.RevokedCertificate) -> bool:
    return _reason(entry) is x509.ReasonFlags.remove_from_crl


def _reason(entry: x509.RevokedCertificate) -> x509.ReasonFlags | None:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return None


@lru_cache(_VERDICTS)
def _signed_by(der: bytes, authority: x509.Certificate) -> bool:
    crl = x509.load_der_x509_crl(der)
    try:
        key = authority.public_key()
        may = authority.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
        if not may or weakness(key) or isinstance(crl.signature_hash_algorithm, hashes.SHA1 | hashes.MD5):
            return False
        return crl.is_signature_valid(key)  # type: ignore[arg-type]
    except (InvalidSignature, TypeError, x509.ExtensionNotFound, *PARSE_ERRORS):
        return False
