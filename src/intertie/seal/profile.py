"""The three profiles: which algorithms protect a parcel. A profile is all of its algorithms, never some of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from intertie.model.errors import Code, Refused
from intertie.model.ids import PartyId
from intertie.model.record import Record


class Profile(Record, frozen=True, kw_only=True):
    """What a parcel of this profile is signed and sealed with. A higher `rank` is stronger in every part."""

    name: str
    rank: int
    signatures: tuple[str, ...]  # JOSE names, sorted; every one must be there and verify
    suite: str  # as in the parcel header: KEM/KDF/AEAD of HPKE (RFC 9180)
    kem: str
    cipher: str
    hash: str


_ALL = (
    Profile(
        name="classical",
        rank=1,
        signatures=("ES256",),
        suite="X25519/HKDF-SHA256/AES-256-GCM",
        kem="X25519",
        cipher="AES-256-GCM",
        hash="SHA-256",
    ),
    Profile(
        name="hybrid",
        rank=2,
        signatures=("ES256", "ML-DSA-65"),
        suite="MLKEM768-X25519/HKDF-SHA256/AES-256-GCM",
        kem="MLKEM768-X25519",
        cipher="AES-256-GCM",
        hash="SHA-256",
    ),
    Profile(
        name="hybrid-high",
        rank=3,
        signatures=("ES384", "ML-DSA-87"),
        suite="MLKEM1024-P384/HKDF-SHA384/AES-256-GCM",
        kem="MLKEM1024-P384",
        cipher="AES-256-GCM",
        hash="SHA-256",
    ),
)

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in _ALL})
_BY_SUITE = {profile.suite: profile for profile in _ALL}


def profile_of_suite(suite: str, partner: PartyId | None = None) -> Profile:
    """The profile that a parcel header's suite declares; Refused(BAD_HEADER) if there is none."""
    profile = _BY_SUITE.get(suite)
    if profile is None:
        raise Refused(
            Code.BAD_HEADER, f"no suite {suite!r}; known are {', '.join(_BY_SUITE)}", partner=partner
        )
    return profile


def check_algorithms(profile: Profile, algorithms: Iterable[str], partner: PartyId | None = None) -> None:
    """Each algorithm of the profile exactly once and no other; Refused(SIGNATURE_MISSING | SIGNATURE_INVALID)."""
    found = sorted(algorithms)
    missing = [name for name in profile.signatures if name not in found]
    if missing:
        raise Refused(Code.SIGNATURE_MISSING, f"{profile.name} needs {', '.join(missing)}", partner=partner)
    if found != sorted(profile.signatures):
        detail = f"{profile.name} has {', '.join(profile.signatures)}, signed with {', '.join(found)}"
        raise Refused(Code.SIGNATURE_INVALID, detail, partner=partner)


def profile_of_algorithms(algorithms: Iterable[str], partner: PartyId | None = None) -> Profile:
    """The profile whose signatures these are, for what is signed but not sealed; Refused as `check_algorithms`."""
    found = sorted(algorithms)
    for profile in _ALL:
        if found == sorted(profile.signatures):
            return profile
    wanted = [p for p in _ALL if set(found) < set(p.signatures)]
    if wanted:
        check_algorithms(wanted[0], found, partner)
    raise Refused(Code.SIGNATURE_INVALID, f"no profile signs with {', '.join(found)}", partner=partner)
