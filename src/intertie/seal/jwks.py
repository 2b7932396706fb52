"""A party's public keys as a JWK Set (RFC 7517), as its descriptor carries them.

A key for signatures has its certificate chain (`x5c`, RFC 7517 s.4.7) and its members must be those of the certificate's
key: what binds an ML-DSA key to the party is X.509, not the set. A key to seal for has none; the signature over the whole
descriptor binds it. ML-DSA keys, and the hybrid KEM keys, are of type AKP (RFC 9964); `alg` of a KEM key is the HPKE suite.
`exp` (seconds since 1970) is the first moment at which a key is not accepted any more, while a newer one takes its place.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from msgspec import Meta

from intertie.model.errors import Code, Refused
from intertie.model.ids import KeyId, PartyId
from intertie.model.record import Record
from intertie.seal.algorithms import public_key_fits
from intertie.seal.certificates import CHAIN_MAX, Chain, public_key_of, thumbprint
from intertie.seal.encoding import from_base64url, to_base64url
from intertie.seal.hpke import SealingKey, sealing_key
from intertie.seal.keys import PublicKeys
from intertie.seal.profile import PROFILES

# Four algorithms and three suites, each in two generations while keys rotate, and room for a third.
KEYS_MAX = 24
# 31 December 9999, so that every value is a time.
_EXP_MAX = 253_402_300_799
_X25519 = PROFILES["classical"].suite

Base64url = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+(?!\n)$", max_length=64 * 1024)]
Base64 = Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]+={0,2}(?!\n)$", max_length=64 * 1024)]


class Jwk(Record, frozen=True, kw_only=True, rename={"x5t_s256": "x5t#S256"}):
    """One public key. Which members it has follows from `kty` and `use`."""

    kty: Literal["EC", "AKP", "OKP"]
    use: Literal["sig", "enc"]
    alg: Annotated[str, Meta(max_length=64)]
    kid: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}(?!\n)$")]
    crv: Annotated[str, Meta(max_length=16)] | None = None
    x: Base64url | None = None
    y: Base64url | None = None
    pub: Base64url | None = None
    x5c: Annotated[tuple[Base64, ...], Meta(max_length=CHAIN_MAX)] = ()
    x5t_s256: Base64url | None = None
    exp: Annotated[int, Meta(ge=0, le=_EXP_MAX)] | None = None


class Jwks(Record, frozen=True, kw_only=True):
    """The set: newest key first within each algorithm."""

    keys: Annotated[tuple[Jwk, ...], Meta(min_length=1, max_length=KEYS_MAX)]


class KeySet(NamedTuple):
    """What a set holds, read but not believed."""

    signing: Mapping[str, tuple[Chain, ...]]
    sealing: Mapping[KeyId, SealingKey]
    ends: Mapping[bytes, datetime]


def write_jwks(keys: PublicKeys) -> Jwks:
    """The set of a party's keys."""
    signing = [
        _signing_jwk(alg, chain, keys.ends) for alg in sorted(keys.signing) for chain in keys.signing[alg]
    ]
    return Jwks(keys=(*signing, *(_sealing_jwk(key) for key in keys.sealing.values())))


def read_jwks(jwks: Jwks, party: PartyId) -> KeySet:
    """The keys of a set; Refused(BAD_MANIFEST) unless it is the one that `write_jwks` would have written for them."""
    signing: dict[str, list[Chain]] = {}
    sealing: dict[KeyId, SealingKey] = {}
    ends: dict[bytes, datetime] = {}
    try:
        for jwk in jwks.keys:
            if jwk.use == "enc":
                key = sealing_key(jwk.alg, from_base64url((jwk.x if jwk.kty == "OKP" else jwk.pub) or ""))
                sealing[key.kid] = key
                continue
            chain = tuple(_from_base64(text) for text in jwk.x5c)
            if not chain:
                raise ValueError(f"the {jwk.alg} key {jwk.kid} has no certificate")
            if chain in signing.get(jwk.alg, ()):
                raise ValueError(f"the {jwk.alg} key {jwk.kid} twice")
            signing.setdefault(jwk.alg, []).append(chain)
            if jwk.exp is not None:
                ends[thumbprint(chain[0])] = datetime.fromtimestamp(jwk.exp, UTC)
        found = KeySet({alg: tuple(chains) for alg, chains in signing.items()}, sealing, ends)
        _check_same(jwks, PublicKeys(party, frozenset(), found.signing, found.sealing, found.ends))
    except ValueError as error:
        raise Refused(Code.BAD_MANIFEST, f"not a key set: {error}"[:300], partner=party) from error
    return found


def _check_same(jwks: Jwks, keys: PublicKeys) -> None:
    """Every member follows from certificates and key bytes: written again, the set is the same, key for key."""
    again = write_jwks(keys)
    if again != jwks:
        odd = next((a.kid for a, b in zip(jwks.keys, again.keys, strict=False) if a != b), "their number")
        raise ValueError(f"a key's members are not those of its certificate or bytes, or out of order: {odd}")


def _signing_jwk(alg: str, chain: Chain, ends: Mapping[bytes, datetime]) -> Jwk:
    key, mark = public_key_of(chain[0]), thumbprint(chain[0])
    if not public_key_fits(alg, key):
        raise ValueError(f"the certificate for {alg} has another key")
    end = ends.get(mark)
    common = {
        "use": "sig",
        "alg": alg,
        "kid": mark.hex()[:16],
        "x5c": tuple(base64.b64encode(der).decode("ascii") for der in chain),
        "x5t_s256": to_base64url(mark),
        "exp": None if end is None else int(end.timestamp()),
    }
    if isinstance(key, ec.EllipticCurvePublicKey):
        numbers, size = key.public_numbers(), (key.key_size + 7) // 8
        x, y = numbers.x.to_bytes(size, "big"), numbers.y.to_bytes(size, "big")
        crv = f"P-{key.key_size}"
        return Jwk(kty="EC", crv=crv, x=to_base64url(x), y=to_base64url(y), **common)  # type: ignore[arg-type]
    if not isinstance(key, mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey):  # public_key_fits has looked
        raise ValueError(f"no key type for {alg}")
    return Jwk(kty="AKP", pub=to_base64url(key.public_bytes_raw()), **common)  # type: ignore[arg-type]


def _sealing_jwk(key: SealingKey) -> Jwk:
    public = to_base64url(key.public)
    if key.suite == _X25519:
        return Jwk(kty="OKP", use="enc", alg=key.suite, kid=key.kid, crv="X25519", x=public)
    return Jwk(kty="AKP", use="enc", alg=key.suite, kid=key.kid, pub=public)


def _from_base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error
    if base64.b64encode(data).decode("ascii") != text:
        raise ValueError("not canonical base64")
    return data
