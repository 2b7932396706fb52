"""ID tokens of OpenID Connect: signed by a key of the provider, for us, in answer to our question, and not over."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from intertie.model.errors import IntertieError

# Public keys only: an HMAC by the client's secret would make a provider's token of whoever holds that secret.
ALGORITHMS = ["ES256", "ES384", "EdDSA", "PS256", "PS384", "RS256", "RS384", "RS512"]
# Clocks of two organisations.
SKEW_SECONDS = 60
TOKEN_BYTES = 32


class NotSignedOn(IntertieError):
    """The provider did not say, in a way that can be verified, who somebody is."""


class Pkce(NamedTuple):
    """RFC 7636: the secret of this attempt, and what of it is shown beforehand."""

    verifier: str
    challenge: str


def new_pkce() -> Pkce:
    """A new one."""
    verifier = secrets.token_urlsafe(TOKEN_BYTES)
    digest = hashlib.sha256(verifier.encode()).digest()
    return Pkce(verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())


def read_id_token(
    token: str, keys: Mapping[str, Any], issuer: str, client: str, nonce: str, now: datetime
) -> dict[str, Any]:
    """Its claims, checked as OpenID Connect Core 3.1.3.7 has it; NotSignedOn."""
    try:
        read = jwt.decode(token, KeySet.import_key_set(dict(keys)), algorithms=ALGORITHMS)  # type: ignore[arg-type]
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise _refused(f"its ID token does not verify ({type(error).__name__})") from error
    claims: dict[str, Any] = dict(read.claims)
    audience = claims.get("aud")
    heard = audience if isinstance(audience, list) else [audience]
    seconds = now.timestamp()
    if claims.get("iss") != issuer:
        raise _refused("its ID token is of another issuer")
    if client not in heard or (len(heard) > 1 and claims.get("azp") != client):
        raise _refused("its ID token is for somebody else")
    if not _number(claims.get("exp")) or seconds >= claims["exp"] + SKEW_SECONDS:
        raise _refused("its ID token is over")
    if _number(claims.get("iat")) and claims["iat"] > seconds + SKEW_SECONDS:
        raise _refused("its ID token is of later")
    if claims.get("nonce") != nonce:
        raise _refused("its ID token answers another question")
    return claims


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refused(why: str) -> NotSignedOn:
    return NotSignedOn(
        f"the sign-on is not taken: {why}",
        do="Try again; if it stays so, ask who keeps [oidc] of the settings.",
    )
