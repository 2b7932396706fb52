"""The guard of every door that partners use: connection, header, token, scope; and the challenge it answers with."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from starlette.requests import Request
from tests.exchange import house

from intertie.bindings.oauth.guard import PEER, Guard, TokenMissing, challenge
from intertie.gateway.gateway import Peer
from intertie.gateway.receiving.authorize import Authority
from intertie.gateway.receiving.scopes import ScopeRefused
from intertie.model.errors import Code, Refused
from intertie.model.ids import PartyId
from intertie.seal.token_keys import FixedTokenKeys, new_token_keys
from intertie.seal.tokens import invalid
from intertie.seal.transport import Transport

NOW = house.NOW
CERTIFICATE = "ab" * 32
TRANSPORT = Transport(
    binding="parcel_https",
    engine="stdlib",
    version="TLSv1.3",
    group="",
    cipher="TLS_AES_256_GCM_SHA384",
    certificate=CERTIFICATE,
)
THEM = Peer(house.AGGREGATOR, TRANSPORT)


@pytest.fixture(scope="module")
def authority() -> Authority:
    pair = house.make_pair()
    return Authority(
        pair.utility, FixedTokenKeys(new_token_keys()), "https://utility.example", timedelta(seconds=300)
    )


def request(*authorization: str, peer: Peer = THEM) -> Request:
    headers = [(b"authorization", value.encode()) for value in authorization]
    connection = {"party": peer.party, "transport": peer.transport}  # as `PeerGate` writes it
    return Request({"type": "http", "headers": headers, "extensions": {PEER: connection}})


def token(authority: Authority, *wanted: str, now: datetime = NOW) -> str:
    partner = authority.partner(house.AGGREGATOR)
    return authority.grant(partner, wanted or None, CERTIFICATE, now)[0]


def ask(authority: Authority, asked: Request, scope: str | None = None) -> Peer:
    return asyncio.run(Guard(authority, lambda: NOW).peer_of(asked, scope))


def test_a_good_request_is_its_partys_with_connection_and_scopes(authority: Authority) -> None:
    peer = ask(authority, request(f"Bearer {token(authority, 'DA/offer')}"))
    assert peer == Peer(house.AGGREGATOR, TRANSPORT, frozenset({"DA/offer"}))


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", "Bearer {} "])
def test_the_spellings_of_the_scheme(authority: Authority, form: str) -> None:
    assert ask(authority, request(form.format(token(authority)))).party == house.AGGREGATOR


@pytest.mark.parametrize(
    "form", ["Bearer{}", "Bearer\t{}", "Bearer {},x", "Bearer x {}", 'Bearer "{}"', "Bearer ={}"]
)
def test_what_is_no_spelling(authority: Authority, form: str) -> None:
    with pytest.raises(Refused) as caught:
        ask(authority, request(form.format(token(authority))))
    assert caught.value.code is Code.INVALID_TOKEN
    assert not isinstance(caught.value, TokenMissing)


@pytest.mark.parametrize("values", [(), ("",), ("Basic YTpi",), ("DPoP x",), ("Token x",)])
def test_no_token_is_something_else_than_a_bad_one(authority: Authority, values: tuple[str, ...]) -> None:
    with pytest.raises(TokenMissing):
        ask(authority, request(*values))


def test_a_connection_without_a_certificate_or_of_a_stranger(authority: Authority) -> None:
    good = f"Bearer {token(authority)}"
    with pytest.raises(Refused, match="another certificate"):
        ask(authority, request(good, peer=Peer(house.AGGREGATOR)))
    with pytest.raises(Refused) as caught:
        ask(authority, request(good, peer=Peer(PartyId("nobody.example"), TRANSPORT)))
    assert caught.value.code is Code.UNKNOWN_SENDER


@pytest.mark.parametrize(
    ("wanted", "scope", "good"),
    [
        (("DA/offer",), "DA/offer", True),
        (("DA/*",), "DA/offer", True),
        (("DA/offer",), "DA/asset_outage", False),
        (("DA/offer",), None, True),
    ],
)
def test_a_door_may_ask_for_a_scope(
    authority: Authority, wanted: tuple[str, ...], scope: str | None, good: bool
) -> None:
    asked = request(f"Bearer {token(authority, *wanted)}")
    if good:
        assert ask(authority, asked, scope).party == house.AGGREGATOR
        return
    with pytest.raises(ScopeRefused) as caught:
        ask(authority, asked, scope)
    assert caught.value.missing == (scope,)


def test_the_gateways_clock_is_the_one_that_counts(authority: Authority) -> None:
    """A rehearsal in January 2026: the machine's date has no say."""
    assert datetime.now(UTC) > NOW + timedelta(days=100)
    ask(authority, request(f"Bearer {token(authority)}"))
    with pytest.raises(Refused, match="expired"):
        ask(authority, request(f"Bearer {token(authority, now=NOW - timedelta(seconds=331))}"))


def test_it_counts_by_code(authority: Authority) -> None:
    guard = Guard(authority, lambda: NOW)
    for values in ((), ("Bearer x",), ("Bearer y",)):
        with pytest.raises(Refused):
            asyncio.run(guard.peer_of(request(*values)))
    assert dict(guard.refused) == {Code.INVALID_TOKEN: 3}


def test_the_challenges() -> None:
    assert challenge(TokenMissing(house.AGGREGATOR), "a.example") == {
        "www-authenticate": 'Bearer realm="a.example"'
    }
    assert challenge(invalid("it was revoked"), "a.example") == {
        "www-authenticate": 'Bearer realm="a.example", error="invalid_token",'
        ' error_description="the access token is not valid: it was revoked"'
    }
    said = challenge(ScopeRefused(["DA/b", "DA/a"]), "a.example")["www-authenticate"]
    assert said.endswith(', scope="DA/a DA/b"')
    assert 'error="insufficient_scope"' in said
    assert challenge(Refused(Code.SCHEMA), "a.example") == {}


def test_a_challenge_cannot_be_broken_out_of() -> None:
    said = challenge(invalid('x", scope="all\\ \r\nset-cookie: a=b é'), "a.example")["www-authenticate"]
    description = said.split('error_description="')[1]
    assert description.count('"') == 1
    assert said.isascii()
    assert "\n" not in said
    assert "\r" not in said
    assert "\\" not in said
