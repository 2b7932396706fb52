"""From a leaf to a trusted root: RFC 5280 path validation by `cryptography`, and what it leaves to us.

The library checks signatures, names, basic constraints, path length, name constraints (DNS names and addresses; a
constraint of another kind is refused, not overlooked) and critical extensions that nobody understood. Added here: dates
with the clock's tolerance, one family of algorithms from leaf to root, and keys strong enough for what they vouch for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from intertie.model.errors import Code, Refused
from intertie.model.ids import PartyId
from intertie.seal.algorithms import is_post_quantum

Path = tuple[x509.Certificate, ...]  # leaf first, root last

# A root, at most two authorities below it, a leaf: what accredited authorities use.
CHAIN_MAX = 3
# SP 800-57 Part 1 Rev. 5, table 2: 128 bits of security.
RSA_BITS_LEAST = 3072
# SP 800-186 s.3.2.1: the curves of 128 bits and more that every certificate authority has.
CURVES = ("secp256r1", "secp384r1", "secp521r1")

# Chains in use at once. Verifying one costs more than everything else in a small parcel, and they rarely change.
PATHS_MAX = 256

PARSE_ERRORS = (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, UnsupportedAlgorithm)

# Paths that were found, by the chain and the roots they were found with. Only successes: what fails is looked at anew.
_FOUND: dict[tuple[Path, Path], Path] = {}


def find_path(
    certificates: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    party: PartyId,
    now: datetime,
    skew: timedelta,
) -> Path:
    """The path from the first certificate to one of the roots, through all the others in their order.

    Raises Refused(CERTIFICATE_EXPIRED) if one of them is not valid at `now`, give or take `skew`;
    Refused(CERTIFICATE_UNTRUSTED) if there is no such path, or a key in it is weak.
    """
    for certificate in certificates:
        _check_dates(certificate, party, now, skew)
    key = tuple(certificates), tuple(roots)
    found = _FOUND.get(key)
    if found is None or not _root_holds(found, now):
        found = _find(certificates, roots, party, now, skew)
        if len(_FOUND) >= PATHS_MAX:
            _FOUND.clear()
        _FOUND[key] = found
    return found


def _root_holds(path: Path, now: datetime) -> bool:
    """Whether a path found at another time is one at `now`, too, if the dates of its chain are right. The dates of its
    root are all that is left to ask: nothing else in a path has to do with time."""
    root = path[-1]
    return root.not_valid_before_utc <= _within(path[:-1], now) <= root.not_valid_after_utc


def _find(
    certificates: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    party: PartyId,
    now: datetime,
    skew: timedelta,
) -> Path:
    try:
        _check_family(certificates, party)
        usable = _present_roots(certificates, roots, party, now, skew)
        path = _build(certificates, usable, _within(certificates, now))
        check_strength(path, party)
    except (VerificationError, *PARSE_ERRORS) as error:
        raise _untrusted(f"{named(certificates[0])}: {error}", party) from error
    if path[:-1] != tuple(certificates):
        raise _untrusted("the chain holds a certificate that nothing needs", party)
    return path


def named(certificate: x509.Certificate) -> str:
    """How errors name a certificate."""
    return f"certificate {certificate.serial_number:x}"


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may issue certificates (RFC 5280 s.4.2.1.9)."""
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (x509.ExtensionNotFound, *PARSE_ERRORS):
        return False


def weakness(key: object) -> str | None:
    """Why a public key is too weak for any certificate of a path, or None."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA with {key.key_size} bits" if key.key_size < RSA_BITS_LEAST else None
    if isinstance(key, ec.EllipticCurvePublicKey):
        return None if key.curve.name in CURVES else f"curve {key.curve.name}"
    if isinstance(key, mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey):
        return None
    return f"a key of kind {type(key).__name__}"


def _check_dates(certificate: x509.Certificate, party: PartyId, now: datetime, skew: timedelta) -> None:
    since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not since - skew <= now <= until + skew:
        detail = f"{named(certificate)} is valid from {since.isoformat()} to {until.isoformat()}, not {now.isoformat()}"
        raise Refused(Code.CERTIFICATE_EXPIRED, detail, partner=party)


def _check_family(certificates: Sequence[x509.Certificate], party: PartyId) -> None:
    if len({is_post_quantum(certificate.public_key()) for certificate in certificates}) > 1:
        raise _untrusted("the chain mixes families of algorithms", party)


def _present_roots(
    certificates: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    party: PartyId,
    now: datetime,
    skew: timedelta,
) -> Sequence[x509.Certificate]:
    """The roots of the chain's family. If the one that it names is among them but not valid now, that is the error."""
    post_quantum = is_post_quantum(certificates[0].public_key())
    family = [root for root in roots if is_post_quantum(root.public_key()) == post_quantum]
    if not family:
        raise _untrusted("no root of its family of algorithms is trusted for it", party)
    issuers = [root for root in family if root.subject == certificates[-1].issuer]
    valid = [
        root for root in issuers if root.not_valid_before_utc - skew <= now <= root.not_valid_after_utc + skew
    ]
    if issuers and not valid:
        _check_dates(issuers[0], party, now, skew)
    return valid or family


def _within(certificates: Sequence[x509.Certificate], now: datetime) -> datetime:
    """`now`, moved by no more than the tolerance that was granted, to where all of the chain is valid."""
    since = max(certificate.not_valid_before_utc for certificate in certificates)
    until = min(certificate.not_valid_after_utc for certificate in certificates)
    return max(since, min(now, until))


def _build(certificates: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], at: datetime) -> Path:
    # Which extended key usages are right depends on what is signed; whoever asks for the path looks at them.
    leaf_policy = ExtensionPolicy.webpki_defaults_ee().may_be_present(
        x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None
    )
    verifier = (
        PolicyBuilder()
        .store(Store(list(roots)))
        .time(at)
        .max_chain_depth(CHAIN_MAX)
        .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=leaf_policy)
        .build_client_verifier()
    )
    return tuple(verifier.verify(certificates[0], list(certificates[1:])).chain)


def check_strength(path: Sequence[x509.Certificate], party: PartyId) -> None:
    """Refused(CERTIFICATE_UNTRUSTED) if a key on the path, the root's too, is weak."""
    for certificate in path:
        why = weakness(certificate.public_key())
        if why:
            raise _untrusted(f"{named(certificate)} is too weak: {why}", party)


def _untrusted(detail: str, party: PartyId) -> Refused:
    return Refused(Code.CERTIFICATE_UNTRUSTED, detail, partner=party)
