"""A signed object inside a file that proves something: the JWS as it was, and the certificates that it names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from intertie.model.errors import EvidenceError, Refused
from intertie.model.ids import PartyId
from intertie.seal.algorithm_table import proof_until
from intertie.seal.certificates import CHAIN_MAX, Chain, TrustStore, thumbprint
from intertie.seal.encoding import from_base64url, to_base64url
from intertie.seal.jws import Chains, Jws, check_certificate, check_signature
from intertie.seal.profile import Profile

# One chain for each algorithm of the signatures.
FileChains = Mapping[str, Chain]
# The same in a file: certificates in base64url, leaf first, without the root.
TextChains = dict[str, Annotated[tuple[str, ...], Meta(min_length=1, max_length=CHAIN_MAX)]]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The JWS and its chains, as a member of a file."""

    jws: msgspec.Raw
    chains: TextChains


@contextlib.contextmanager
def step(number: int) -> Iterator[None]:
    """A refusal within becomes the failure of this step."""
    try:
        yield
    except Refused as refused:
        raise EvidenceError(number, f"{refused.code}: {refused.detail}") from refused


def read_chains(chains: Mapping[str, Sequence[str]]) -> FileChains:
    """The certificates; ValueError if one is not base64url."""
    return {alg: tuple(from_base64url(der) for der in chain) for alg, chain in chains.items()}


def write_chains(jws: Jws, chains: Chains, number: int) -> TextChains:
    """Of all chains that are known, those that the signatures name; EvidenceError of this step if one is missing."""
    missing = [alg for alg in jws.algorithms if not chains.get(alg)]
    if missing:
        raise EvidenceError(number, f"no certificate for {', '.join(missing)}")
    written = {}
    for signature in jws.signatures:
        named = [chain for chain in chains[signature.alg] if thumbprint(chain[0]) == signature.thumbprint]
        if not named:
            do = "Take the certificates that were in use when it was signed."
            raise EvidenceError(
                number, f"the {signature.alg} certificate is not the one that it was signed under", do=do
            )
        written[signature.alg] = tuple(to_base64url(der) for der in named[0])
    return written


def check_signed(
    jws: Jws, chains: FileChains, party: PartyId, roots: TrustStore, at: datetime, steps: tuple[int, int]
) -> None:
    """Certificates as of `at` (the first step), then signatures (the second); each chain is one that a signature needs."""
    certificates, signatures = steps
    if sorted(chains) != sorted(jws.algorithms):
        raise EvidenceError(
            certificates,
            f"chains for {', '.join(chains) or 'nothing'}, signed with {', '.join(jws.algorithms)}",
        )
    known = {alg: (chain,) for alg, chain in chains.items()}
    with step(certificates):
        for signature in jws.signatures:
            check_certificate(signature, known, party, roots, at)
    with step(signatures):
        for signature in jws.signatures:
            check_signature(signature, known, party)


def check_algorithms(profiles: Sequence[Profile], now: datetime, number: int) -> date | None:
    """The day until which all of these prove something, None if no end is known; EvidenceError once it is over."""
    ends = [(day, profile) for profile in profiles if (day := proof_until(profile)) is not None]
    if not ends:
        return None
    day, profile = min(ends, key=lambda end: end[0])
    if day < now.date():
        why = f"signed with {profile.name} only, which has proved nothing since {day}"
        raise EvidenceError(number, why, do="Look for evidence that was renewed before that day.")
    return day
