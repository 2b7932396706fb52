"""The token endpoint and its neighbours as others see them: our own client, curl, and Authlib's."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from joserfc import jwk, jwt
from tests.exchange.https_world import (
    AGGREGATOR,
    THIRD,
    UTILITY,
    Book,
    Caller,
    Door,
    House,
    a_parcel,
    caller,
    make_ca,
    make_house,
    now,
    open_door,
)

from intertie.bindings.oauth.server import FORM_BYTES_MAX, parse_form
from intertie.gateway.receiving.scopes import scopes_between
from intertie.model.party import Role
from intertie.seal.encoding import to_base64url
from intertie.stores.memory import MemoryStore

METADATA = "/.well-known/oauth-authorization-server"


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, House]:
    ca, base = make_ca(), tmp_path_factory.mktemp("houses")
    return {name: make_house(base / name, ca, name) for name in (UTILITY, AGGREGATOR, THIRD)}


@pytest.fixture
def sender(houses: dict[str, House]) -> House:
    return houses[UTILITY]


@pytest.fixture
def receiver(houses: dict[str, House], sender: House) -> House:
    house, book = houses[AGGREGATOR], Book()
    fresh = House(house.directory, replace(house.gateway, store=MemoryStore(), partners=book), book)
    fresh.knows(sender)
    return fresh


@pytest.fixture
def door(receiver: House) -> Iterator[Door]:
    with open_door(receiver) as opened:
        yield opened


@pytest.fixture
def client(sender: House, receiver: House) -> Iterator[Caller]:
    with caller(sender, receiver) as made:
        yield made


def ask(client: httpx.Client, door: Door, path: str = "/oauth/token", **form: str) -> httpx.Response:
    return client.post(f"{door.url}{path}", data={"client_id": UTILITY} | form)


def granted(client: httpx.Client, door: Door, **form: str) -> httpx.Response:
    return ask(client, door, grant_type="client_credentials", **form)


def error_of(answer: httpx.Response) -> tuple[int, str]:
    """RFC 6749 s.5.2: status 400, JSON that nobody keeps, and no description outside the allowed characters."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert set(body) <= {"error", "error_description"}
    assert all(0x20 <= ord(c) <= 0x7E and c not in '"\\' for c in body.get("error_description", ""))
    return answer.status_code, body["error"]


# Discovery


def test_the_metadata_field_by_field(door: Door, client: Caller) -> None:
    answer = client.get(door.url + METADATA)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    said = answer.json()
    endpoints = {
        "token_endpoint": f"{door.url}/oauth/token",
        "introspection_endpoint": f"{door.url}/oauth/introspect",
        "revocation_endpoint": f"{door.url}/oauth/revoke",
    }
    scopes = said.pop("scopes_supported")
    assert said == endpoints | {
        "issuer": door.url,
        "jwks_uri": f"{door.url}/oauth/jwks",
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["tls_client_auth"],
        "introspection_endpoint_auth_methods_supported": ["tls_client_auth"],
        "revocation_endpoint_auth_methods_supported": ["tls_client_auth"],
        "tls_client_certificate_bound_access_tokens": True,
        "mtls_endpoint_aliases": endpoints,
    }
    assert scopes == sorted(
        scopes_between(door.authority.gateway.catalogue, frozenset(Role), frozenset({Role.DER_AGGREGATOR}))
    )
    assert "DA/dispatch_instruction" in scopes
    assert "DA/availability_declaration" not in scopes


def test_a_validator_that_we_did_not_write_finds_nothing_wrong(door: Door, client: Caller) -> None:
    """But one thing: it wants at least one response type, where a server without an authorization endpoint has none."""
    metadata = AuthorizationServerMetadata(client.get(door.url + METADATA).json())
    metadata["response_types_supported"] = ["none"]
    metadata.validate()


def test_every_address_of_the_metadata_answers(door: Door, client: Caller) -> None:
    said = client.get(door.url + METADATA).json()
    assert client.get(said["jwks_uri"]).status_code == 200
    for name in ("token_endpoint", "introspection_endpoint", "revocation_endpoint"):
        assert client.post(said[name]).status_code == 400
        assert client.get(said[name]).status_code == 405


def test_the_keys_verify_a_token(door: Door, client: Caller) -> None:
    answer = client.get(f"{door.url}/oauth/jwks")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert "d" not in answer.json()["keys"][0]
    keys = jwk.KeySet.import_key_set(answer.json())
    token = jwt.decode(client.token(door.url), keys, algorithms=["ES256"])
    assert token.header["typ"] == "at+jwt"
    assert token.claims["client_id"] == UTILITY


# Grants


def test_a_grant_says_what_it_is(door: Door, client: Caller, sender: House) -> None:
    answer = granted(client, door)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    said = answer.json()
    assert set(said) == {"access_token", "token_type", "expires_in", "scope"}
    assert (said["token_type"], said["expires_in"]) == ("Bearer", 300)
    gateway = door.authority.gateway
    expected = scopes_between(gateway.catalogue, sender.gateway.party.roles, gateway.party.roles)
    assert said["scope"].split() == sorted(expected)


def test_less_is_granted_when_less_is_asked_for(door: Door, client: Caller) -> None:
    assert granted(client, door, scope="DA/outage_notice").json()["scope"] == "DA/outage_notice"
    some = granted(client, door, scope="DA/outage_notice DA/dispatch_cancel DA/outage_notice").json()["scope"]
    assert some == "DA/dispatch_cancel DA/outage_notice"
    whole = granted(client, door, scope="DA/*").json()["scope"].split()
    assert all(scope.startswith("DA/") for scope in whole)
    assert "DA/*" not in whole


def test_more_than_the_roles_allow_is_left_out_and_said(door: Door, client: Caller) -> None:
    """RFC 6749 s.3.3: the answer says which scope was granted."""
    answer = granted(client, door, scope="DA/outage_notice DA/availability_declaration ZZ/nothing")
    assert answer.json()["scope"] == "DA/outage_notice"


@pytest.mark.parametrize("scope", ["DA/availability_declaration", "ZZ/*", "*", "openid", "DA/OUTAGE_NOTICE"])
def test_nothing_that_may_be_granted_is_invalid_scope(door: Door, client: Caller, scope: str) -> None:
    assert error_of(granted(client, door, scope=scope)) == (400, "invalid_scope")


def test_an_operators_scopes_bound_the_grant(receiver: House, door: Door, client: Caller) -> None:
    partner = receiver.book.partners[UTILITY]
    receiver.book.partners[UTILITY] = partner._replace(
        scopes=("DA/outage_notice", "DA/availability_declaration")
    )
    assert granted(client, door).json()["scope"] == "DA/outage_notice"
    receiver.book.partners[UTILITY] = partner._replace(scopes=())
    assert error_of(granted(client, door)) == (400, "invalid_scope")


# Who is refused


def test_the_client_is_the_party_of_the_certificate(
    door: Door, client: Caller, houses: dict[str, House], receiver: House
) -> None:
    receiver.knows(houses[THIRD])
    with caller(houses[THIRD], receiver) as third:
        assert error_of(granted(third, door)) == (400, "invalid_client")  # names the utility
        assert granted(third, door, client_id=THIRD).status_code == 200
    assert error_of(granted(client, door, client_id=THIRD)) == (400, "invalid_client")
    assert error_of(granted(client, door, client_id="")) == (400, "invalid_client")


def test_a_secret_is_no_way_in(door: Door, houses: dict[str, House], receiver: House) -> None:
    with caller(houses[THIRD], receiver) as third:
        assert error_of(granted(third, door, client_secret="x")) == (400, "invalid_client")
        form = {"grant_type": "client_credentials"}
        answer = third.post(f"{door.url}/oauth/token", data=form, auth=(UTILITY, "x"))
        assert error_of(answer) == (400, "invalid_client")


def test_strangers_and_suspended_partners_get_nothing_and_are_told_why(
    door: Door, client: Caller, houses: dict[str, House], receiver: House, sender: House
) -> None:
    with caller(houses[THIRD], receiver) as third:
        answer = granted(third, door, client_id=THIRD)
    assert error_of(answer) == (400, "invalid_client")
    assert "is not a partner here" in answer.json()["error_description"]
    receiver.knows(sender, suspended=True)
    answer = granted(client, door)
    assert error_of(answer) == (400, "invalid_client")
    assert "is suspended here" in answer.json()["error_description"]


def test_without_a_certificate_there_is_no_connection(door: Door, receiver: House) -> None:
    with caller(None, receiver) as nobody, pytest.raises(httpx.TransportError):
        granted(nobody, door)


@pytest.mark.parametrize("grant", ["authorization_code", "password", "refresh_token", "implicit", "x", "é"])
def test_no_other_grant(door: Door, client: Caller, grant: str) -> None:
    status, code = error_of(ask(client, door, grant_type=grant))
    assert status == 400
    assert code in ("unsupported_grant_type", "invalid_request")


def test_our_own_party_gets_no_token_at_its_own_door(door: Door, receiver: House) -> None:
    with caller(receiver, receiver) as own:
        assert error_of(granted(own, door, client_id=AGGREGATOR)) == (400, "unauthorized_client")


# Forms

BAD_FORMS = {
    "twice": b"grant_type=client_credentials&client_id=a&client_id=a",
    "no pairs": b"hello",
    "not ASCII": "grant_type=é".encode(),
    "control characters": b"grant_type=client%00credentials",
    "UTF-8 inside": b"scope=%C3%A9",
    "too many": b"&".join(b"a%d=1" % n for n in range(30)),
    "too long": b"a=" + b"x" * FORM_BYTES_MAX,
}


@pytest.mark.parametrize("name", BAD_FORMS)
def test_a_bad_form_is_an_invalid_request(door: Door, client: Caller, name: str) -> None:
    answer = client.post(
        f"{door.url}/oauth/token",
        content=BAD_FORMS[name],
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert error_of(answer) == (400, "invalid_request")


def test_a_form_that_is_json_is_none(door: Door, client: Caller) -> None:
    answer = client.post(
        f"{door.url}/oauth/token", json={"grant_type": "client_credentials", "client_id": UTILITY}
    )
    assert error_of(answer) == (400, "invalid_request")


def test_what_a_form_may_be() -> None:
    assert parse_form(b"") == {}
    assert parse_form(b"a=1&b=x+y&c=%2F") == {"a": "1", "b": "x y", "c": "/"}
    with pytest.raises(ValueError, match="malformed") as caught:
        parse_form(b"secret-token")
    assert "secret" not in str(caught.value)


def test_too_many_requests_are_told_to_wait(
    door: Door, client: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door.app._oauth._quotas, "take_parcel", lambda party, tick: 3.2)
    answer = granted(client, door)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "4")


# Introspection


def test_a_party_learns_of_its_own_token(door: Door, client: Caller) -> None:
    text = client.token(door.url, scope="DA/outage_notice")
    said = ask(client, door, "/oauth/introspect", token=text).json()
    authority = door.authority
    token = authority.read(text, now())
    assert said == {
        "active": True,
        "scope": "DA/outage_notice",
        "client_id": UTILITY,
        "sub": UTILITY,
        "token_type": "Bearer",
        "iss": door.url,
        "aud": f"urn:intertie:party:{AGGREGATOR}",
        "iat": int(token.issued.timestamp()),
        "exp": int(token.issued.timestamp()) + 300,
        "jti": token.id,
        "cnf": {"x5t#S256": to_base64url(bytes.fromhex(token.certificate))},
    }


def test_of_anothers_token_it_learns_nothing_but_our_own_systems_do(
    door: Door, client: Caller, houses: dict[str, House], receiver: House
) -> None:
    receiver.knows(houses[THIRD])
    text = client.token(door.url)
    with caller(houses[THIRD], receiver) as third:
        answer = ask(third, door, "/oauth/introspect", client_id=THIRD, token=text)
        assert answer.json() == {"active": False}
    with caller(receiver, receiver) as own:
        answer = ask(own, door, "/oauth/introspect", client_id=AGGREGATOR, token=text)
        assert answer.json()["client_id"] == UTILITY


def test_a_stranger_may_not_even_ask(
    door: Door, client: Caller, houses: dict[str, House], receiver: House
) -> None:
    text = client.token(door.url)
    with caller(houses[THIRD], receiver) as third:
        answer = ask(third, door, "/oauth/introspect", client_id=THIRD, token=text)
        assert error_of(answer) == (400, "invalid_client")
        assert error_of(ask(third, door, "/oauth/revoke", client_id=THIRD, token=text)) == (
            400,
            "invalid_client",
        )
    assert ask(client, door, "/oauth/introspect", token=text).json()["active"] is True


def test_what_is_not_good_is_inactive_and_no_more_is_said(
    door: Door, client: Caller, receiver: House, sender: House
) -> None:
    authority = door.authority
    partner = receiver.book.partners[UTILITY]
    old, _ = authority.grant(partner, None, "0" * 64, now() - timedelta(hours=1))
    text = client.token(door.url)
    ask(client, door, "/oauth/revoke", token=text)
    for dead in (old, text, "rubbish", "a.b.c", "x" * 9000):
        assert ask(client, door, "/oauth/introspect", token=dead).json() == {"active": False}
    assert error_of(ask(client, door, "/oauth/introspect")) == (400, "invalid_request")


# Revocation


def test_a_revoked_token_is_inactive_and_others_stay(door: Door, client: Caller) -> None:
    one, other = client.token(door.url), client.token(door.url)
    answer = ask(client, door, "/oauth/revoke", token=one, token_type_hint="access_token")
    assert (answer.status_code, answer.json()) == (200, {})
    assert ask(client, door, "/oauth/introspect", token=one).json() == {"active": False}
    assert ask(client, door, "/oauth/introspect", token=other).json()["active"] is True


def test_what_is_no_token_is_revoked_already(door: Door, client: Caller, receiver: House) -> None:
    """RFC 7009 s.2.2; and nothing of it is kept."""
    for text in ("rubbish", client.token(door.url)[:-2]):
        assert ask(client, door, "/oauth/revoke", token=text).status_code == 200
    assert receiver.gateway.store.revoked_tokens(now()) == []
    assert error_of(ask(client, door, "/oauth/revoke")) == (400, "invalid_request")


def test_a_party_cannot_revoke_anothers_token_but_our_own_systems_can(
    door: Door, client: Caller, houses: dict[str, House], receiver: House
) -> None:
    receiver.knows(houses[THIRD])
    text = client.token(door.url)
    with caller(houses[THIRD], receiver) as third:
        assert error_of(ask(third, door, "/oauth/revoke", client_id=THIRD, token=text)) == (
            400,
            "invalid_grant",
        )
    assert ask(client, door, "/oauth/introspect", token=text).json()["active"] is True
    with caller(receiver, receiver) as own:
        assert ask(own, door, "/oauth/revoke", client_id=AGGREGATOR, token=text).status_code == 200
    assert ask(client, door, "/oauth/introspect", token=text).json() == {"active": False}


def test_it_is_kept_until_the_token_would_have_ended(door: Door, client: Caller, receiver: House) -> None:
    text = client.token(door.url)
    token = door.authority.read(text, now())
    ask(client, door, "/oauth/revoke", token=text)
    (kept,) = receiver.gateway.store.revoked_tokens(now())
    assert (kept.id, kept.partner, kept.until) == (token.id, UTILITY, token.expires + timedelta(seconds=30))


def test_a_store_that_cannot_keep_it_means_that_it_is_not_revoked(
    door: Door, client: Caller, receiver: House
) -> None:
    text = client.token(door.url)
    receiver.gateway.store.close()
    answer = ask(client, door, "/oauth/revoke", token=text)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert answer.headers["retry-after"]


# Clients that we did not write


def pem(house: House) -> tuple[str, str, str]:
    """Certificate, key, and the roots that a TLS library knows."""
    keys = house.directory / "keys"
    return str(keys / "tls.crt.pem"), str(keys / "tls.key.pem"), str(house.directory / "trust" / "root.pem")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_gets_a_token_and_hands_in_a_parcel(
    door: Door, sender: House, receiver: House, tmp_path: Path
) -> None:
    certificate, key, _ = pem(sender)
    roots = tmp_path / "roots.pem"
    end = "-----END CERTIFICATE-----\n"
    roots.write_text((sender.directory / "trust" / "root.pem").read_text().split(end)[0] + end)
    tls = ["curl", "-sS", "--tlsv1.3", "--cert", certificate, "--key", key, "--cacert", str(roots)]

    def curl(*arguments: str) -> bytes:
        return subprocess.run([*tls, *arguments], check=True, capture_output=True, timeout=60).stdout

    asked = [
        "-d",
        "grant_type=client_credentials",
        "-d",
        f"client_id={UTILITY}",
        "-d",
        "scope=DA/outage_notice",
    ]
    token = json.loads(curl(f"{door.url}/oauth/token", *asked))["access_token"]
    parcel = tmp_path / "parcel"
    parcel.write_bytes(a_parcel(sender, receiver).blob)
    post = ["-w", "\n%{http_code}", "-H", "content-type: application/vnd.intertie.parcel"]
    refused = curl(f"{door.url}/parcels", *post, "--data-binary", f"@{parcel}")
    assert refused.endswith(b"\n401")
    taken = curl(
        f"{door.url}/parcels", *post, "-H", f"authorization: Bearer {token}", "--data-binary", f"@{parcel}"
    )
    assert taken.endswith(b"\n200")
    assert b'"signatures"' in taken


def test_authlibs_client_gets_a_token_over_mutual_tls(door: Door, sender: House) -> None:
    with OAuth2Client(
        client_id=UTILITY,
        token_endpoint_auth_method="none",  # no secret: the id in the form, the certificate below
        verify=sender.plain_context(),
        trust_env=False,
    ) as client:
        token = client.fetch_token(f"{door.url}/oauth/token", grant_type="client_credentials")
        assert token["token_type"] == "Bearer"
        answer = client.post(
            f"{door.url}/parcels", content=b"x", headers={"content-type": "application/vnd.intertie.parcel"}
        )
        assert answer.json()["code"] == "bad_frame"  # its token is good, its parcel is none
        said = client.introspect_token(f"{door.url}/oauth/introspect", token["access_token"])
        assert said.json()["active"] is True
        client.revoke_token(f"{door.url}/oauth/revoke", token["access_token"])
        said = client.introspect_token(f"{door.url}/oauth/introspect", token["access_token"])
        assert said.json() == {"active": False}


def test_authlibs_async_client_hands_in_a_parcel(door: Door, sender: House, receiver: House) -> None:
    async def go() -> httpx.Response:
        async with AsyncOAuth2Client(
            client_id=UTILITY,
            token_endpoint_auth_method="none",  # no secret: the id in the form, the certificate below
            verify=sender.plain_context(),
            trust_env=False,
        ) as client:
            await client.fetch_token(f"{door.url}/oauth/token", grant_type="client_credentials")
            return await client.post(
                f"{door.url}/parcels",
                content=a_parcel(sender, receiver).blob,
                headers={"content-type": "application/vnd.intertie.parcel"},
            )

    assert asyncio.run(go()).status_code == 200
