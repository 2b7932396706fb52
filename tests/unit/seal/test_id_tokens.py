"""ID tokens: what is taken, and everything that is not."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from intertie.seal.id_tokens import NotSignedOn, new_pkce, read_id_token

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
ISSUER, CLIENT, NONCE = "https://login.example.org", "portal", "n-1"
KEY = ECKey.generate_key("P-256", {"kid": "k1"})
KEYS = KeySet([KEY]).as_dict(private=False)


def claims(**changes: Any) -> dict[str, Any]:
    good = {
        "iss": ISSUER,
        "aud": CLIENT,
        "sub": "248289761001",
        "email": "ann@example.org",
        "nonce": NONCE,
        "iat": int(NOW.timestamp()),
        "exp": int((NOW + timedelta(minutes=5)).timestamp()),
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(alg: str = "ES256", key: Any = KEY, **changes: Any) -> str:
    return jwt.encode({"alg": alg, "kid": "k1"}, claims(**changes), key, algorithms=[alg])


def read(text: str, now: datetime = NOW, keys: Any = KEYS) -> dict[str, Any]:
    return read_id_token(text, keys, ISSUER, CLIENT, NONCE, now)


def test_a_good_one() -> None:
    assert read(token())["email"] == "ann@example.org"
    assert read(token(aud=[CLIENT]))["sub"] == "248289761001"
    assert read(token(aud=[CLIENT, "other"], azp=CLIENT))
    rsa = RSAKey.generate_key(2048, {"kid": "k1"})
    for alg in ("RS256", "PS256"):
        assert read(token(alg, rsa), keys=KeySet([rsa]).as_dict(private=False))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "https://evil.example.org"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"aud": "somebody"}, "somebody else"),
        ({"aud": None}, "somebody else"),
        ({"aud": [CLIENT, "other"]}, "somebody else"),
        ({"aud": [CLIENT, "other"], "azp": "other"}, "somebody else"),
        ({"exp": int((NOW - timedelta(minutes=2)).timestamp())}, "is over"),
        ({"exp": None}, "is over"),
        ({"exp": "tomorrow"}, "is over"),
        ({"exp": True}, "is over"),
        ({"iat": int((NOW + timedelta(minutes=5)).timestamp())}, "of later"),
        ({"nonce": "n-2"}, "another question"),
        ({"nonce": None}, "another question"),
    ],
)
def test_one_that_says_something_else(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(NotSignedOn, match=why) as caught:
        read(token(**changes))
    assert "ann@example.org" not in str(caught.value)


def test_one_of_another_key_or_none() -> None:
    other = ECKey.generate_key("P-256", {"kid": "k1"})
    with pytest.raises(NotSignedOn, match="does not verify"):
        read(token(key=other))
    body = base64.urlsafe_b64encode(json.dumps(claims()).encode()).rstrip(b"=").decode()
    for header in ({"alg": "none"}, {"alg": "none", "kid": "k1"}, {}):
        head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
        for signature in ("", "AAAA"):
            with pytest.raises(NotSignedOn):
                read(f"{head}.{body}.{signature}")


def test_a_public_key_is_no_secret() -> None:
    """The old trick: HMAC by what everybody knows."""
    public = json.dumps(KEY.as_dict(private=False)).encode()
    forged = token("HS256", OctKey.import_key(public))
    with pytest.raises(NotSignedOn):
        read(forged)
    with pytest.raises(NotSignedOn):
        read(forged, keys={"keys": [{**OctKey.import_key(public).as_dict(), "kid": "k1"}]})


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_whatever_is_no_token(text: str) -> None:
    with pytest.raises(NotSignedOn):
        read(text)


@pytest.mark.parametrize("keys", [{}, {"keys": []}, {"keys": "none"}, {"keys": [{"kty": "EC"}]}])
def test_what_are_no_keys(keys: Any) -> None:
    with pytest.raises(NotSignedOn):
        read(token(), keys=keys)


def test_each_attempt_has_its_own_secret() -> None:
    one, other = new_pkce(), new_pkce()
    assert one.verifier != other.verifier and len(one.verifier) >= 43
    digest = base64.urlsafe_b64encode(hashlib.sha256(one.verifier.encode()).digest()).rstrip(b"=").decode()
    assert one.challenge == digest
