"""The relays that a parcel went over, in its evidence: each one's signed hop receipt, with the certificates to verify it alone.

A hop receipt names the parcel, its sender and its recipient, and the SHA-256 of the sealed bytes, which the file does not have:
it proves that a relay had a parcel of this id on this way, not what was in it. That prove the other parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from intertie.model.errors import EvidenceError
from intertie.model.ids import PartyId
from intertie.seal.certificates import TrustStore
from intertie.seal.evidence_report import HopLine, signatories
from intertie.seal.hop import Stated, part_of, read_hop
from intertie.seal.jws import Chains
from intertie.seal.parcel import Manifest
from intertie.seal.profile import Profile, profile_of_algorithms
from intertie.seal.signed_part import Part, check_signed, read_chains, step

STEP_HOP = 14
STEP_HOP_CERTIFICATES = 15
STEP_HOP_SIGNATURES = 16


def write_hops(statements: Sequence[bytes], chains: Mapping[PartyId, Chains]) -> tuple[Part, ...]:
    """The statements as members of a file, in the order of the relays; EvidenceError if a certificate is missing."""
    read = sorted(
        (stated.hop.hop, stated.hop.at, raw, stated.hop.by) for raw in statements if (stated := read_hop(raw))
    )
    return tuple(part_of(raw, chains.get(by, {})) for _, _, raw, by in read)


def check_hops(
    parts: Sequence[Part], manifest: Manifest, profile: Profile, roots: TrustStore
) -> tuple[HopLine, ...]:
    """Steps 14 to 16: each statement is about this parcel's way, with a profile not weaker than the parcel's, and its signatures
    verify by certificates that held when it was made. EvidenceError."""
    lines: list[HopLine] = []
    digests = set()
    for part in parts:
        with step(STEP_HOP):
            stated = read_hop(bytes(part.jws))
            signed = profile_of_algorithms(stated.jws.algorithms, stated.hop.by)
        hop = stated.hop
        if (hop.parcel, hop.sender, hop.recipient) != (manifest.parcel, manifest.sender, manifest.recipient):
            raise EvidenceError(STEP_HOP, f"the statement of {hop.by} is about another parcel")
        if hop.status == "returned" or signed.rank < profile.rank:
            raise EvidenceError(STEP_HOP, f"the statement of {hop.by} is no hop receipt of {profile.name}")
        digests.add(hop.digest)
        lines.append(_check(part, stated, roots))
    if len(digests) > 1:
        raise EvidenceError(STEP_HOP, "the relays had different bytes under one parcel's id")
    if [line.hop for line in lines] != sorted(line.hop for line in lines):
        raise EvidenceError(STEP_HOP, "the relays are not in their order")
    return tuple(lines)


def _check(part: Part, stated: Stated, roots: TrustStore) -> HopLine:
    hop = stated.hop
    try:
        chains = read_chains(part.chains)
    except ValueError as error:
        raise EvidenceError(STEP_HOP_CERTIFICATES, f"the certificates of {hop.by}: {error}") from error
    steps = (STEP_HOP_CERTIFICATES, STEP_HOP_SIGNATURES)
    check_signed(stated.jws, chains, hop.by, roots, hop.at, steps)
    return HopLine(
        by=hop.by,
        hop=hop.hop,
        status=hop.status,
        at=hop.at,
        next=hop.next,
        code=hop.code,
        signers=signatories(chains, hop.by),
    )
