"""Access tokens: what is believed, and everything else that somebody might hand in instead."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwk, jws, jwt

from intertie.model.errors import Code, Refused
from intertie.model.ids import PartyId
from intertie.seal.token_keys import TokenKeys, new_token_keys
from intertie.seal.tokens import TOKEN_BYTES_MAX, AccessToken, make_token, read_token

NOW = datetime(2026, 1, 15, 12, 0, 0, 250_000, tzinfo=UTC)
LIFE, SKEW = timedelta(seconds=300), timedelta(seconds=30)
ISSUER, AUDIENCE = "https://utility.example:8443", "urn:intertie:party:utility.example"
PARTY = PartyId("aggregator.example")
CERTIFICATE = hashlib.sha256(b"certificate").hexdigest()
SCOPES = frozenset({"DA/invoice", "DA/availability"})
KEYS = new_token_keys()


def made(keys: TokenKeys = KEYS, now: datetime = NOW) -> str:
    return make_token(
        keys,
        issuer=ISSUER,
        audience=AUDIENCE,
        party=PARTY,
        scopes=SCOPES,
        certificate=CERTIFICATE,
        now=now,
        lifetime=LIFE,
    )


def read(text: str, now: datetime = NOW, keys: TokenKeys = KEYS, **other: str) -> AccessToken:
    ours = {"issuer": ISSUER, "audience": AUDIENCE} | other
    return read_token(text, keys, now=now, skew=SKEW, **ours)


def why_not(text: str, now: datetime = NOW, keys: TokenKeys = KEYS) -> str:
    with pytest.raises(Refused) as caught:
        read(text, now, keys)
    assert caught.value.code is Code.INVALID_TOKEN
    assert (caught.value.step, caught.value.rule.http) == (4, 401)
    return caught.value.detail


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def compact(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def signed(header: bytes, claims: bytes, keys: TokenKeys = KEYS) -> str:
    """Any header and claims, truly signed with our key: what a faulty or broken signer could have written."""
    signing_input = f"{b64(header)}.{b64(claims)}".encode()
    alg = jws.JWSRegistry.algorithms["ES256"]
    return f"{signing_input.decode()}.{b64(alg.sign(signing_input, keys.signing))}"


def parts() -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = made().split(".")
    return decoded(header), decoded(claims)


def with_header(change: Callable[[dict[str, Any]], object]) -> str:
    header, claims = parts()
    change(header)
    return signed(compact(header), compact(claims))


def with_claims(change: Callable[[dict[str, Any]], object]) -> str:
    header, claims = parts()
    change(claims)
    return signed(compact(header), compact(claims))


def test_a_token_says_what_was_granted() -> None:
    token = read(made())
    assert (token.party, token.scopes, token.certificate) == (PARTY, SCOPES, CERTIFICATE)
    assert token.issued == NOW.replace(microsecond=0)
    assert token.expires == token.issued + LIFE


def test_the_helper_that_signs_anything_makes_good_tokens() -> None:
    """Else every test below could pass for the wrong reason."""
    header, claims = parts()
    assert read(signed(compact(header), compact(claims))).party == PARTY


def test_it_is_the_access_token_of_rfc_9068_and_rfc_8705() -> None:
    header, claims = parts()
    assert header == {"typ": "at+jwt", "alg": "ES256", "kid": KEYS.kid}
    assert set(claims) == {"iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope", "cnf"}
    assert claims["sub"] == claims["client_id"] == PARTY
    assert claims["scope"] == "DA/availability DA/invoice"
    assert claims["cnf"] == {"x5t#S256": b64(bytes.fromhex(CERTIFICATE))}


def test_a_library_that_we_did_not_write_reads_it_with_the_published_keys() -> None:
    keys = jwk.KeySet.import_key_set(json.loads(KEYS.jwks(NOW)))
    token = jwt.decode(made(), keys, algorithms=["ES256"])
    assert token.claims["aud"] == AUDIENCE
    jwt.JWTClaimsRegistry(now=int(NOW.timestamp()), iss={"essential": True, "value": ISSUER}).validate(
        token.claims
    )


def test_two_tokens_of_one_moment_differ() -> None:
    assert read(made()).id != read(made()).id


# Time


@pytest.mark.parametrize(
    ("after", "good"),
    [
        (timedelta(0), True),
        (LIFE - timedelta(seconds=1), True),
        (LIFE + SKEW - timedelta(seconds=1), True),
        (LIFE + SKEW, False),
        (timedelta(days=400), False),
        (-SKEW, True),
        (-SKEW - timedelta(seconds=1), False),
        (-timedelta(days=400), False),
    ],
)
def test_it_lives_from_its_issue_to_its_end_and_the_skew_around(after: timedelta, good: bool) -> None:
    now = NOW.replace(microsecond=0) + after
    if good:
        assert read(made(), now).party == PARTY
    else:
        assert ("expired" if after > timedelta(0) else "yet to come") in why_not(made(), now)


@pytest.mark.parametrize("name", ["exp", "iat"])
@pytest.mark.parametrize("value", [-1, 2**60, 1.5, "300", None, True, 10**30])
def test_times_are_whole_seconds_that_a_calendar_has(name: str, value: object) -> None:
    why_not(with_claims(lambda claims: claims.update({name: value})))


# Forged headers


def test_alg_none_is_refused() -> None:
    header, claims = parts()
    for alg in ("none", "None", ""):
        unsigned = f"{b64(compact(header | {'alg': alg}))}.{b64(compact(claims))}."
        assert "alg is" in why_not(unsigned)


def test_hs256_with_our_public_key_as_the_secret_is_refused() -> None:
    header, claims = parts()
    public = KEYS.public_keys(NOW)[KEYS.kid]
    pem = public.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, pem.strip(), KEYS.jwks(NOW)):
        head = f"{b64(compact(header | {'alg': 'HS256'}))}.{b64(compact(claims))}"
        mac = hmac.new(secret, head.encode(), hashlib.sha256).digest()
        assert "alg is 'HS256'" in why_not(f"{head}.{b64(mac)}")


@pytest.mark.parametrize("alg", ["ES384", "RS256", "EdDSA", "Ed25519", "PS256", "es256", "ES256K", 256, None])
def test_no_other_algorithm(alg: object) -> None:
    why_not(with_header(lambda header: header.update(alg=alg)))


@pytest.mark.parametrize("typ", ["JWT", "at+JWT", "application/at+jwt", "", "intertie-receipt+jws", None])
def test_no_other_type(typ: object) -> None:
    why_not(with_header(lambda header: header.update(typ=typ)))


@pytest.mark.parametrize("name", ["alg", "typ", "kid"])
def test_each_header_member_is_needed(name: str) -> None:
    why_not(with_header(lambda header: header.pop(name)))


EXTRA = {
    "crit": ["exp"],
    "crit of nothing": [],
    "jku": "https://evil.example/keys",
    "x5u": "https://evil.example/chain.pem",
    "x5c": ["MIIB"],
    "x5t": "AAAA",
    "x5t#S256": "AAAA",
    "b64": False,
    "zip": "DEF",
    "cty": "JWT",
    "enc": "A256GCM",
    "anything": 1,
}


@pytest.mark.parametrize("name", EXTRA)
def test_no_other_header_member_even_if_we_signed_it(name: str) -> None:
    member = name.split(" of ")[0]
    assert "unknown field" in why_not(with_header(lambda header: header.update({member: EXTRA[name]})))


def test_a_key_in_the_header_is_not_a_key_of_ours() -> None:
    """CVE-2018-0114: the attacker signs with the key that the token itself brings."""
    theirs = new_token_keys()
    header, claims = parts()
    brought = header | {"jwk": json.loads(theirs.jwks(NOW))["keys"][0]}
    why_not(signed(compact(brought), compact(claims), theirs))


def test_a_kid_that_we_do_not_have() -> None:
    theirs = new_token_keys()
    assert "not ours" in why_not(made(theirs))
    for kid in ("", "../../keys/token", "' OR 1=1", KEYS.kid.lower()):
        why_not(with_header(lambda header, kid=kid: header.update(kid=kid)))


def test_our_kid_over_a_signature_of_somebody_else() -> None:
    header, claims = parts()
    assert "does not verify" in why_not(signed(compact(header), compact(claims), new_token_keys()))


# Forged claims


def test_a_token_of_another_gateway_is_not_ours() -> None:
    with pytest.raises(Refused, match="for urn:intertie:party:utility"):
        read(made(), audience="urn:intertie:party:other.example")
    with pytest.raises(Refused, match="issued by"):
        read(made(), issuer="https://other.example")


@pytest.mark.parametrize("audience", [["urn:intertie:party:utility.example"], "", None, AUDIENCE + "\n"])
def test_the_audience_is_this_party_and_nothing_else(audience: object) -> None:
    why_not(with_claims(lambda claims: claims.update(aud=audience)))


@pytest.mark.parametrize("name", ["iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope", "cnf"])
def test_each_claim_is_needed(name: str) -> None:
    assert "missing required field" in why_not(with_claims(lambda claims: claims.pop(name)))


@pytest.mark.parametrize(
    "cnf",
    [
        {},
        {"jkt": "AAAA"},
        {"x5t#S256": ""},
        {"x5t#S256": b64(bytes(31))},
        {"x5t#S256": b64(bytes(33))},
        {"x5t#S256": CERTIFICATE},
        {"x5t#S256": b64(bytes(32)) + "="},
        {"x5t#S256": b64(bytes(32)), "jkt": "AAAA"},
        {"x5t#S256": None},
        None,
        "x",
    ],
)
def test_a_token_that_is_bound_to_nothing_is_nothing(cnf: object) -> None:
    why_not(with_claims(lambda claims: claims.update(cnf=cnf)))


@pytest.mark.parametrize(
    "changed",
    [
        {"sub": "other.example"},
        {"client_id": "other.example"},
        {"sub": "Not A Party", "client_id": "Not A Party"},
        {"jti": "1"},
        {"jti": "../../x"},
        {"scope": ["DA/invoice"]},
        {"scope": None},
        {"nbf": 0},
        {"admin": True},
    ],
)
def test_claims_are_of_their_form(changed: dict[str, object]) -> None:
    why_not(with_claims(lambda claims: claims.update(changed)))


# Forged form


def test_a_member_twice_is_refused_in_header_and_claims() -> None:
    header, claims = parts()
    twice = compact(header)[:-1] + b',"alg":"ES256"}'
    assert "canonical" in why_not(signed(twice, compact(claims)))
    twice = compact(claims)[:-1] + b',"scope":"DA/*"}'
    assert "canonical" in why_not(signed(compact(header), twice))
    first = b'{"aud":"x",' + compact(claims)[1:]
    assert "canonical" in why_not(signed(compact(header), first))


@pytest.mark.parametrize(
    "spelling", [b'{ "', b'{"\\u0061ud":', b"[", b"", b"null", b"{}", b"\xff\xfe", b"[" * 5000]
)
def test_claims_have_one_spelling(spelling: bytes) -> None:
    header, claims = parts()
    why_not(signed(compact(header), spelling + compact(claims)[1:]))


def test_more_than_a_token_can_be_is_not_looked_at() -> None:
    assert "larger than" in why_not("a" * (TOKEN_BYTES_MAX + 1))
    big = with_claims(lambda claims: claims.update(scope="DA/x " * TOKEN_BYTES_MAX))
    assert "larger than" in why_not(big)


def test_all_scopes_that_there_could_be_fit_in_a_token() -> None:
    every = frozenset(f"ET{n}/a_rather_long_document_{m}" for n in range(17) for m in range(10))
    text = make_token(
        KEYS,
        issuer=ISSUER,
        audience=AUDIENCE,
        party=PARTY,
        scopes=every,
        certificate=CERTIFICATE,
        now=NOW,
        lifetime=LIFE,
    )
    assert read(text).scopes == every


@pytest.mark.parametrize("text", ["", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d", "é.é.é", "a b.c.d", "\n"])
def test_what_is_no_token_at_all(text: str) -> None:
    why_not(text)


@given(st.integers(0, 600), st.sampled_from("ABCxyz019-_.=+/ \n"))
@settings(max_examples=150, deadline=None)
def test_no_character_of_a_token_is_free(place: int, character: str) -> None:
    text = TOKEN
    place %= len(text)
    changed = text[:place] + character + text[place + 1 :]
    if changed != text:
        why_not(changed)


TOKEN = made()


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_nothing_but_a_refusal_comes_out_of_rubbish(text: str) -> None:
    why_not(text)
    why_not(f"{text}.{text}.{text}")


def test_a_refusal_holds_nothing_of_the_signature() -> None:
    text = with_claims(lambda claims: claims.update(aud="urn:other"))
    assert text.split(".")[2] not in why_not(text)
