"""Signed JSON: the General JSON serialization of JWS (RFC 7515 s.7.2.1), in exactly one spelling.

Why not a JOSE library: the ones there are know no ML-DSA without reaching into their private parts, and none refuses
a second spelling of the same signature. What they would do for us is this file; tests check it against one of them,
both ways.

A protected header has alg, typ and x5t#S256, nothing else; there are no unprotected headers; signatures stand in the
order of their algorithms' names. Reading is in two parts, so that a caller can say which one failed: `read_jws` looks
at the form, `verify_jws` at certificates and signatures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import datetime
from typing import NamedTuple, final

import msgspec

from intertie.model.errors import Code, Refused
from intertie.model.ids import PartyId
from intertie.seal.algorithms import sign, verify
from intertie.seal.certificates import Chain, TrustStore, check_chain, public_key_of, thumbprint
from intertie.seal.encoding import from_base64url, read_canonical, to_base64url, write_canonical
from intertie.seal.keys import SigningKey
from intertie.seal.profile import Profile, check_algorithms, profile_of_algorithms

# No profile has more than two signatures; anything longer is not ours.
SIGNATURES_MAX = 4


class _Protected(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"x5t_s256": "x5t#S256"}
):
    alg: str
    typ: str
    x5t_s256: str


class _Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    protected: str
    signature: str


class _General(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    payload: str
    signatures: tuple[_Line, ...]


# By algorithm, newest first: while keys rotate a party has several certificates for one algorithm.
Chains = Mapping[str, Sequence[Chain]]

_GENERAL = msgspec.json.Decoder(_General)
_PROTECTED = msgspec.json.Decoder(_Protected)


class Signature(NamedTuple):
    """One signature, read but not verified."""

    alg: str
    thumbprint: bytes  # SHA-256 of the signer's certificate
    value: bytes
    signing_input: bytes


class Jws(NamedTuple):
    """A signed payload, read but not verified."""

    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def algorithms(self) -> tuple[str, ...]:
        """JOSE names, in order."""
        return tuple(signature.alg for signature in self.signatures)


class _Key:
    """Held by this file alone."""


_KEY = _Key()


@final
@dataclass(frozen=True, slots=True)
class Signed:
    """A verified payload and the profile whose signatures it has. Made by `verify_jws` and nowhere else."""

    payload: bytes = field(repr=False)
    profile: Profile
    made_by: InitVar[_Key]

    def __post_init__(self, made_by: _Key) -> None:
        if made_by is not _KEY:
            raise TypeError("only verify_jws() makes these: what is signed was verified")


def sign_json(payload: bytes, typ: str, signers: Sequence[SigningKey]) -> bytes:
    """The JWS of a payload with one signature per signer."""
    body = to_base64url(payload)
    lines = []
    for signer in sorted(signers, key=lambda signer: signer.alg):
        header = _Protected(alg=signer.alg, typ=typ, x5t_s256=to_base64url(thumbprint(signer.chain[0])))
        protected = to_base64url(write_canonical(header))
        value = sign(signer.alg, signer.key, f"{protected}.{body}".encode("ascii"))
        lines.append(_Line(protected=protected, signature=to_base64url(value)))
    return write_canonical(_General(payload=body, signatures=tuple(lines)))


def read_jws(raw: bytes, typ: str, *, limit: int, partner: PartyId | None = None) -> Jws:
    """The payload and its signatures, unverified; Refused(BAD_MANIFEST) unless it is the one spelling of this type."""
    if len(raw) > limit:
        raise Refused(Code.BAD_MANIFEST, f"{typ} larger than {limit} bytes", partner=partner)
    try:
        general = read_canonical(raw, _GENERAL)
        payload = from_base64url(general.payload)
        signatures = tuple(_read_signature(line, general.payload, typ) for line in general.signatures)
        if not 1 <= len(signatures) <= SIGNATURES_MAX:
            raise ValueError(f"{len(signatures)} signatures")
        names = [signature.alg for signature in signatures]
        if names != sorted(set(names)):
            raise ValueError("signatures repeated or out of order")
    except ValueError as error:
        raise Refused(Code.BAD_MANIFEST, f"{typ}: {error}", partner=partner) from error
    return Jws(payload, signatures)


def _read_signature(line: _Line, payload: str, typ: str) -> Signature:
    header = read_canonical(from_base64url(line.protected), _PROTECTED)
    if header.typ != typ:
        raise ValueError(f"typ is {header.typ!r}")
    digest = from_base64url(header.x5t_s256)
    if len(digest) != 32:
        raise ValueError("x5t#S256 is not a SHA-256")
    signing_input = f"{line.protected}.{payload}".encode("ascii")
    return Signature(header.alg, digest, from_base64url(line.signature), signing_input)


def verify_jws(
    jws: Jws,
    *,
    chains: Chains,
    party: PartyId,
    trust: TrustStore,
    now: datetime,
    profile: Profile | None = None,
) -> Signed:
    """Every signature of a profile, by this party, under chains valid at `now`.

    `profile` None: whichever profile the algorithms make up. Raises Refused(SIGNATURE_MISSING | SIGNATURE_INVALID |
    UNKNOWN_CERTIFICATE | CERTIFICATE_*) with the party as partner.
    """
    if profile is None:
        profile = profile_of_algorithms(jws.algorithms, party)
    else:
        check_algorithms(profile, jws.algorithms, party)
    for signature in jws.signatures:
        check_certificate(signature, chains, party, trust, now)
    for signature in jws.signatures:
        check_signature(signature, chains, party)
    return Signed(jws.payload, profile, _KEY)


def find_chain(signature: Signature, chains: Chains, party: PartyId) -> Chain:
    """The party's chain that a signature names; Refused(UNKNOWN_CERTIFICATE) if it is none that we know of it."""
    for chain in chains.get(signature.alg, ()):
        if thumbprint(chain[0]) == signature.thumbprint:
            return chain
    detail = f"the {signature.alg} signature names a certificate that {party}'s descriptor does not have"
    raise Refused(Code.UNKNOWN_CERTIFICATE, detail, partner=party)


def check_certificate(
    signature: Signature, chains: Chains, party: PartyId, trust: TrustStore, now: datetime
) -> None:
    """The certificate a signature names is the party's for this algorithm, and its chain holds."""
    check_chain(find_chain(signature, chains, party), trust, party, now)


def check_signature(signature: Signature, chains: Chains, party: PartyId) -> None:
    """The signature verifies under the leaf's key; Refused(SIGNATURE_INVALID)."""
    key = public_key_of(find_chain(signature, chains, party)[0])
    if not verify(signature.alg, key, signature.value, signature.signing_input):
        raise Refused(Code.SIGNATURE_INVALID, f"the {signature.alg} signature does not verify", partner=party)


def verify_json(
    raw: bytes,
    typ: str,
    *,
    chains: Chains,
    party: PartyId,
    trust: TrustStore,
    now: datetime,
    limit: int,
    profile: Profile | None = None,
) -> Signed:
    """`read_jws`, then `verify_jws`."""
    jws = read_jws(raw, typ, limit=limit, partner=party)
    return verify_jws(jws, chains=chains, party=party, trust=trust, now=now, profile=profile)
