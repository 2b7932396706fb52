"""A party's descriptor: who it is, where its door is, its certificates and the keys to seal for, signed by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from intertie.catalogue.flow import Level
from intertie.model.errors import Code, Refused
from intertie.model.ids import PartyId, PartyName, ShortText
from intertie.model.party import Party, Role
from intertie.model.record import Record
from intertie.seal.certificates import Chain, TrustStore, check_chain
from intertie.seal.encoding import read_canonical, require_utc, write_canonical
from intertie.seal.jwks import Jwks, read_jwks, write_jwks
from intertie.seal.jws import Chains, read_jws, sign_json, verify_jws
from intertie.seal.keys import PrivateKeys, PublicKeys
from intertie.seal.policy import Needs, required_profile
from intertie.seal.policy_settings import DEFAULT, PolicySettings
from intertie.seal.profile import PROFILES

DESCRIPTOR_TYP = "intertie-descriptor+jws"
# All four algorithms' chains with two intermediate authorities each, in two generations and twice encoded in base64, make
# 300 KB.
DESCRIPTOR_BYTES_MAX = 512 * 1024
_LAPSED = {Code.CERTIFICATE_EXPIRED, Code.CERTIFICATE_REVOKED}
# The first of these that the party's keys can do signs its descriptor.
_SIGNED_WITH = ("hybrid", "hybrid-high", "classical")


class _Body(Record, frozen=True, kw_only=True):
    v: Literal[1]
    party: PartyName
    name: ShortText
    roles: Annotated[tuple[Role, ...], Meta(min_length=1, max_length=len(Role))]
    sequence: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    since: datetime
    until: datetime
    # Left out: the party has no door, and comes for its parcels itself.
    url: Annotated[str, Meta(pattern=r"^(https://[^\s]+)?(?!\n)$", max_length=300)] = ""
    jwks: Jwks

    def check(self) -> None:
        require_utc("since", self.since)
        require_utc("until", self.until)
        if tuple(sorted(set(self.roles))) != self.roles:
            raise ValueError("roles: repeated or out of order")


_BODY = msgspec.json.Decoder(_Body)


@dataclass(frozen=True)
class Descriptor:
    """A verified descriptor. Of two, the one with the higher `sequence` is the newer."""

    party: PartyId
    name: str
    roles: frozenset[Role]
    sequence: int
    since: datetime
    until: datetime
    url: str  # empty: it has no door
    keys: PublicKeys


def write_descriptor(
    party: Party, keys: PrivateKeys, *, url: str, sequence: int, now: datetime, end: datetime
) -> bytes:
    """Our own descriptor, valid from `now` to `end`, signed by the keys of one profile (hybrid if there are).

    Raises Refused(PROTECTION_TOO_WEAK) if the keys make up no profile.
    """
    body = _Body(
        v=1,
        party=party.id,
        name=party.name,
        roles=tuple(sorted(party.roles)),
        sequence=sequence,
        since=now.astimezone(UTC),
        until=end.astimezone(UTC),
        url=url,
        jwks=write_jwks(keys.public()),
    )
    for name in _SIGNED_WITH:
        algorithms = PROFILES[name].signatures
        if all(alg in keys.signing for alg in algorithms):
            return sign_json(write_canonical(body), DESCRIPTOR_TYP, [keys.signing[alg] for alg in algorithms])
    raise Refused(Code.PROTECTION_TOO_WEAK, f"the keys of {party.id} make up no profile")


def peek_sequence(raw: bytes) -> int:
    """The sequence number of a descriptor that nobody verified: for our own. ValueError if it is none."""
    try:
        jws = read_jws(raw, DESCRIPTOR_TYP, limit=DESCRIPTOR_BYTES_MAX)
    except Refused as refused:
        raise ValueError(refused.detail) from refused
    return read_canonical(jws.payload, _BODY).sequence


def _needs(body: _Body, now: datetime) -> Needs:
    """Everybody may read a descriptor; what it says must hold as long as it is valid."""
    days = max(0, (body.until.date() - now.date()).days)
    return Needs(confidentiality=Level.LOW, integrity=Level.HIGH, non_repudiation=True, protect_for_days=days)


def check_not_weaker(known: PublicKeys, new: PublicKeys) -> None:
    """A newer descriptor keeps every profile that the known one has: else whoever broke the weakest of a party's keys
    could take its stronger ones away. Raises Refused(PROTECTION_TOO_WEAK)."""
    lost = [name for name, profile in PROFILES.items() if known.can_do(profile) and not new.can_do(profile)]
    if lost:
        detail = f"the newer descriptor has no keys for {', '.join(lost)} any more, the known one has"
        raise Refused(Code.PROTECTION_TOO_WEAK, detail, partner=new.party)


def descriptor_end(raw: bytes) -> datetime:
    """Until when a descriptor says it is valid, unverified: for our own, also when it has ended. Refused(BAD_MANIFEST)."""
    try:
        jws = read_jws(raw, DESCRIPTOR_TYP, limit=DESCRIPTOR_BYTES_MAX)
        return read_canonical(jws.payload, _BODY).until
    except ValueError as error:
        raise Refused(Code.BAD_MANIFEST, f"not a descriptor: {error}"[:300]) from error


def read_descriptor(
    raw: bytes, trust: TrustStore, now: datetime, *, policy: PolicySettings = DEFAULT
) -> Descriptor:
    """A partner's descriptor, if it is valid now, signed by the party it names, under roots that we trust.

    What must have signed it follows from how long it is valid: a descriptor that ends before the harvest horizon may be
    classical, from a partner that has no more. Raises Refused(BAD_MANIFEST | SIGNATURE_* | CERTIFICATE_* |
    PROTECTION_TOO_WEAK).
    """
    jws = read_jws(raw, DESCRIPTOR_TYP, limit=DESCRIPTOR_BYTES_MAX)
    try:
        body = read_canonical(jws.payload, _BODY)
    except ValueError as error:
        raise Refused(Code.BAD_MANIFEST, f"not a descriptor: {error}"[:300]) from error
    found = read_jwks(body.jwks, body.party)
    signed = verify_jws(jws, chains=found.signing, party=body.party, trust=trust, now=now)
    least = required_profile(_needs(body, now), now.date(), policy)
    if signed.profile.rank < least.rank:
        detail = (
            f"the descriptor is valid until {body.until.date()}, so it has to be signed with {least.name}, "
            f"not {signed.profile.name}"
        )
        raise Refused(Code.PROTECTION_TOO_WEAK, detail, partner=body.party)
    if not body.since <= now <= body.until:
        detail = f"the descriptor is valid from {body.since.isoformat()} to {body.until.isoformat()}"
        raise Refused(Code.CERTIFICATE_EXPIRED, detail, partner=body.party)
    return Descriptor(
        party=body.party,
        name=body.name,
        roles=frozenset(body.roles),
        sequence=body.sequence,
        since=body.since,
        until=body.until,
        url=body.url,
        keys=PublicKeys(
            party=body.party,
            roles=frozenset(body.roles),
            signing=_usable(found.signing, body.party, trust, now),
            sealing=found.sealing,
            ends=found.ends,
        ),
    )


def _usable(chains: Chains, party: PartyId, trust: TrustStore, now: datetime) -> dict[str, tuple[Chain, ...]]:
    """The chains that will be believed under a parcel. One that has ended, or was revoked, is left out: its descriptor may
    have been written before. Any other fault refuses the descriptor."""
    usable: dict[str, tuple[Chain, ...]] = {}
    for alg, several in chains.items():
        for chain in several:
            try:
                check_chain(chain, trust, party, now)
            except Refused as refused:
                if refused.code not in _LAPSED:
                    raise
                continue
            usable[alg] = (*usable.get(alg, ()), chain)
    return usable
