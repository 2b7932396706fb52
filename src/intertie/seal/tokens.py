"""Access tokens: JWTs of RFC 9068, bound to the client's certificate (RFC 8705 s.3), written and read by one gateway.

Nobody else writes them, so nothing of one is free: header and claims have one spelling, in the canonical form of
`encoding`. An unknown header member (crit, jku, jwk, x5u, ...), a repeated one, or a blank is already the end.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from msgspec import Meta

from intertie.model.errors import Code, Refused
from intertie.model.ids import UUID7, PartyId, PartyName, new_uuid7
from intertie.seal.encoding import from_base64url, read_canonical, to_base64url, write_canonical
from intertie.seal.token_keys import ALGORITHM, TokenKeys

TYPE = "at+jwt"  # RFC 9068 s.2.1
# All scopes of the catalogue at once make a token of 4 KiB; a request's whole header may have 16.
TOKEN_BYTES_MAX = 8 * 1024

Seconds = Annotated[int, Meta(ge=0, lt=2**40)]  # NumericDate (RFC 7519 s.2): until the year 36812


class AccessToken(NamedTuple):
    """What a token says, once it is believed."""

    id: str
    party: PartyId
    scopes: frozenset[str]
    issued: datetime
    expires: datetime
    certificate: str  # SHA-256 of the certificate it is bound to, 64 hex


class _Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    alg: str
    kid: str
    typ: str


class _Bound(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"x5t": "x5t#S256"}
):
    x5t: str


class _Claims(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    aud: str
    client_id: PartyName
    cnf: _Bound
    exp: Seconds
    iat: Seconds
    iss: str
    jti: Annotated[str, Meta(pattern=UUID7)]
    scope: str
    sub: PartyName


_HEADER = msgspec.json.Decoder(_Header)
_CLAIMS = msgspec.json.Decoder(_Claims)


def make_token(
    keys: TokenKeys,
    *,
    issuer: str,
    audience: str,
    party: PartyId,
    scopes: frozenset[str],
    certificate: str,
    now: datetime,
    lifetime: timedelta,
) -> str:
    """A token for a party, usable only over connections with the certificate of this SHA-256 (64 hex)."""
    issued = int(now.timestamp())
    claims = _Claims(
        aud=audience,
        client_id=party,
        cnf=_Bound(x5t=to_base64url(bytes.fromhex(certificate))),
        exp=issued + int(lifetime.total_seconds()),
        iat=issued,
        iss=issuer,
        jti=new_uuid7(now),
        scope=" ".join(sorted(scopes)),
        sub=party,
    )
    header = {"alg": ALGORITHM, "kid": keys.kid, "typ": TYPE}
    return jws.serialize_compact(header, write_canonical(claims), keys.signing, algorithms=[ALGORITHM])


def read_token(
    text: str, keys: TokenKeys, *, issuer: str, audience: str, now: datetime, skew: timedelta
) -> AccessToken:
    """What a token says, if this gateway signed it, for itself, and it is valid now. Raises Refused(INVALID_TOKEN).

    `skew`: how far the clocks of several processes may be apart; it is given to both ends of a token's life.
    """
    _verify(text, keys, now)
    claims = _read_claims(text)
    if claims.iss != issuer:
        raise invalid(f"issued by {claims.iss[:100]}")
    if claims.aud != audience:
        raise invalid(f"for {claims.aud[:100]}, this is {audience}")
    if claims.sub != claims.client_id:
        raise invalid("sub is not client_id")
    issued, expires = _moment(claims.iat), _moment(claims.exp)
    if now >= expires + skew:
        raise invalid(f"expired {expires.isoformat()}")
    if now < issued - skew:
        raise invalid(f"issued {issued.isoformat()}, which is yet to come")
    return AccessToken(
        id=claims.jti,
        party=claims.sub,
        scopes=frozenset(claims.scope.split()),
        issued=issued,
        expires=expires,
        certificate=_thumbprint(claims.cnf).hex(),
    )


def invalid(why: str) -> Refused:
    """The refusal of a token."""
    return Refused(Code.INVALID_TOKEN, f"the access token is not valid: {why}")


def _verify(text: str, keys: TokenKeys, now: datetime) -> None:
    """The signature, under a key of ours that the header names."""
    if len(text) > TOKEN_BYTES_MAX:
        raise invalid(f"larger than {TOKEN_BYTES_MAX} bytes")
    parts = text.split(".")
    if len(parts) != 3:
        raise invalid("not three parts")
    try:
        header = read_canonical(from_base64url(parts[0]), _HEADER)
        from_base64url(parts[2])
    except ValueError as error:
        raise invalid(str(error)) from error
    if header.typ != TYPE:
        raise invalid(f"typ is {header.typ[:20]!r}")
    if header.alg != ALGORITHM:
        raise invalid(f"alg is {header.alg[:20]!r}")
    key = keys.public_keys(now).get(header.kid)
    if key is None:
        raise invalid("signed with a key that is not ours, or not any more")
    try:
        jws.deserialize_compact(text, key, algorithms=[ALGORITHM])
    except (JoseError, ValueError) as error:
        raise invalid("the signature does not verify") from error


def _read_claims(text: str) -> _Claims:
    try:
        return read_canonical(from_base64url(text.split(".")[1]), _CLAIMS)
    except ValueError as error:
        raise invalid(str(error)) from error


def _thumbprint(bound: _Bound) -> bytes:
    try:
        digest = from_base64url(bound.x5t)
    except ValueError as error:
        raise invalid(f"cnf: {error}") from error
    if len(digest) != 32:
        raise invalid("cnf: not a SHA-256")
    return digest


def _moment(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise invalid("a time that no calendar has") from error
