"""Tokens of our partners: when they are fetched, held, renewed, given up, and what is said when there is none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest

from intertie.bindings.oauth.client import NOTHING_SECONDS, PartnerTokens
from intertie.gateway.gateway import LinkAnswer, Partner
from intertie.model.errors import PartnerError
from intertie.model.ids import PartyId

URL = "https://aggregator.example:8443"
START = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
US = PartyId("utility.example")
HEAD_METADATA = "/.well-known/oauth-authorization-server"


def partner(name: str = "aggregator.example", url: str = URL) -> Partner:
    return SimpleNamespace(party=PartyId(name), url=url)  # type: ignore[return-value]


def answer(status: int, body: object = b"") -> LinkAnswer:
    return LinkAnswer(status, body if isinstance(body, bytes) else json.dumps(body).encode(), None)


class There:
    """A partner's door: `metadata` and `token` are its answers; every request is noted."""

    def __init__(self) -> None:
        self.now = START
        self.asked: list[tuple[str, str]] = []
        self.forms: list[dict[str, list[str]]] = []
        self.hybrid: list[bool] = []
        self.metadata: LinkAnswer = answer(200, {"issuer": URL, "token_endpoint": f"{URL}/oauth/token"})
        self.token: Callable[[int], LinkAnswer] = self.good
        self.slow = 0.0
        self.tokens = PartnerTokens(US, lambda: self.now, self.ask)

    def good(self, number: int) -> LinkAnswer:
        body = {
            "access_token": f"token-{number}",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "DA/a DA/b",
        }
        return answer(200, body)

    async def ask(
        self,
        partner: Partner,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        hybrid: bool = False,
    ) -> LinkAnswer:
        self.asked.append((method, path))
        self.hybrid.append(hybrid)
        if self.slow:
            await asyncio.sleep(self.slow)
        if method == "GET":
            return self.metadata
        self.forms.append(parse_qs((body or b"").decode()))
        assert headers["content-type"] == "application/x-www-form-urlencoded"
        return self.token(self.fetched)

    @property
    def fetched(self) -> int:
        return sum(method == "POST" for method, _ in self.asked)


class Parcels:
    """What the partner answers to a parcel, by the token that came with it."""

    def __init__(self, judge: Callable[[str], LinkAnswer]) -> None:
        self.judge = judge
        self.seen: list[str] = []

    def __call__(self, headers: Mapping[str, str]) -> Awaitable[LinkAnswer]:
        self.seen.append(headers["authorization"].removeprefix("Bearer "))

        async def say() -> LinkAnswer:
            return self.judge(self.seen[-1])

        return say()


TAKEN = Parcels(lambda token: answer(200, b"receipt"))


def refuse(code: str, status: int) -> LinkAnswer:
    return answer(status, {"code": code, "detail": "", "retry": False})


def run(*steps: Callable[[], Awaitable[Any]]) -> list[Any]:
    async def all_of_them() -> list[Any]:
        return [await step() for step in steps]

    return asyncio.run(all_of_them())


def test_the_endpoint_is_found_and_asked_as_the_rfcs_say() -> None:
    there, parcels = There(), Parcels(lambda token: answer(200))
    run(lambda: there.tokens.send(partner(), parcels))
    assert there.asked == [("GET", HEAD_METADATA), ("POST", "/oauth/token")]
    assert there.forms == [{"grant_type": ["client_credentials"], "client_id": [US]}]
    assert parcels.seen == ["token-1"]


def test_a_parcel_that_wants_a_hybrid_connection_wants_it_for_its_token_too() -> None:
    there, parcels = There(), Parcels(lambda token: answer(200))
    run(lambda: there.tokens.send(partner(), parcels, hybrid=True))
    assert there.hybrid == [True, True]
    there = There()
    run(lambda: there.tokens.send(partner(), parcels))
    assert there.hybrid == [False, False]


def test_the_mutual_tls_alias_comes_first() -> None:
    there = There()
    aliases = {"token_endpoint": f"{URL}/mtls/token"}
    there.metadata = answer(
        200, {"issuer": URL, "token_endpoint": f"{URL}/oauth/token", "mtls_endpoint_aliases": aliases}
    )
    run(lambda: there.tokens.scopes(partner()))
    assert there.asked[1] == ("POST", "/mtls/token")


def test_a_held_token_is_used_until_shortly_before_its_end() -> None:
    there, parcels = There(), Parcels(lambda token: answer(200))

    async def many() -> None:
        for seconds in (0, 100, 269, 270, 271):
            there.now = START + timedelta(seconds=seconds)
            await there.tokens.send(partner(), parcels)

    run(many)
    assert parcels.seen == ["token-1", "token-1", "token-1", "token-2", "token-2"]


@pytest.mark.parametrize(
    ("life", "held"),
    [(300, 269), (300.0, 269), (60, 47), (5, 3), (10**9, 86_400 - 31)],
)
def test_how_long_a_token_is_held(life: float, held: int) -> None:
    there = There()
    there.token = lambda n: answer(200, {"access_token": f"t{n}", "token_type": "bearer", "expires_in": life})

    async def twice() -> int:
        await there.tokens.scopes(partner())
        there.now = START + timedelta(seconds=held)
        await there.tokens.scopes(partner())
        assert there.fetched == 1
        there.now += timedelta(seconds=1)
        await there.tokens.scopes(partner())
        return there.fetched

    assert run(twice) == [2]


def test_one_request_at_a_time_to_one_partner() -> None:
    there, parcels = There(), Parcels(lambda token: answer(200))
    there.slow = 0.01

    async def together() -> None:
        await asyncio.gather(*(there.tokens.send(partner(), parcels) for _ in range(10)))

    run(together)
    assert there.fetched == 1
    assert set(parcels.seen) == {"token-1"}


def test_two_partners_have_two_tokens_and_do_not_wait_for_each_other() -> None:
    there = There()
    there.slow = 0.01

    async def together() -> None:
        await asyncio.gather(*(there.tokens.scopes(partner(name)) for name in ("a.example", "b.example")))

    run(together)
    assert there.asked[:2] == [("GET", HEAD_METADATA)] * 2
    assert there.fetched == 2


def test_a_partner_that_moved_is_asked_anew() -> None:
    there = There()
    run(lambda: there.tokens.scopes(partner()))
    there.metadata = answer(200, {"issuer": f"{URL}1", "token_endpoint": f"{URL}1/oauth/token"})
    run(lambda: there.tokens.scopes(partner(url=f"{URL}1")))
    assert there.fetched == 2


# What the partner does not take


def test_a_token_that_is_not_taken_is_dropped_and_a_new_one_tried_once() -> None:
    there = There()
    parcels = Parcels(
        lambda token: refuse("invalid_token", 401) if token == "token-1" else answer(200, b"receipt")
    )
    (first, second) = run(
        lambda: there.tokens.send(partner(), parcels), lambda: there.tokens.send(partner(), parcels)
    )
    assert (first.status, second.status) == (200, 200)
    assert parcels.seen == ["token-1", "token-2", "token-2"]


def test_only_once() -> None:
    there, parcels = There(), Parcels(lambda token: refuse("invalid_token", 401))
    (last,) = run(lambda: there.tokens.send(partner(), parcels))
    assert last.status == 401
    assert parcels.seen == ["token-1", "token-2"]


def test_too_little_scope_is_handed_on_and_the_grant_asked_for_again() -> None:
    there, parcels = There(), Parcels(lambda token: refuse("insufficient_scope", 403))
    (said,) = run(lambda: there.tokens.send(partner(), parcels))
    assert (said.status, parcels.seen) == (403, ["token-1"])
    run(lambda: there.tokens.scopes(partner()))
    assert there.fetched == 2


@pytest.mark.parametrize(
    "said", [answer(401, b"login"), refuse("sender_suspended", 403), refuse("schema", 422)]
)
def test_other_refusals_are_none_of_the_tokens_business(said: LinkAnswer) -> None:
    there, parcels = There(), Parcels(lambda token: said)
    assert run(lambda: there.tokens.send(partner(), parcels)) == [said]
    assert (parcels.seen, there.fetched) == (["token-1"], 1)


# What is granted


def test_what_is_granted() -> None:
    there = There()
    assert run(lambda: there.tokens.scopes(partner())) == [{"DA/a", "DA/b"}]


def test_a_server_that_does_not_say_grants_we_do_not_know_what() -> None:
    there = There()
    there.token = lambda n: answer(200, {"access_token": "t", "token_type": "Bearer", "expires_in": 300})
    assert run(lambda: there.tokens.scopes(partner())) == [None]


def test_nothing_granted_is_an_answer_that_is_held_for_a_while() -> None:
    there = There()
    there.token = lambda n: answer(400, {"error": "invalid_scope", "error_description": "none"})
    assert run(lambda: there.tokens.scopes(partner()), lambda: there.tokens.scopes(partner())) == [
        set(),
        set(),
    ]
    assert there.fetched == 1
    with pytest.raises(PartnerError, match="grants us no scope"):
        run(lambda: there.tokens.send(partner(), TAKEN))
    there.now = START + timedelta(seconds=NOTHING_SECONDS)
    there.token = there.good
    assert run(lambda: there.tokens.scopes(partner())) == [{"DA/a", "DA/b"}]


# What goes wrong

WRONG_METADATA = {
    "missing": (answer(404), "gives no authorization metadata"),
    "no JSON": (answer(200, b"<html>"), "gives no authorization metadata"),
    "no endpoint": (answer(200, {"issuer": URL}), "gives no authorization metadata"),
    "about another": (
        answer(200, {"issuer": "https://evil.example", "token_endpoint": "https://evil.example/t"}),
        "is about https://evil.example",
    ),
    "endpoint elsewhere": (
        answer(200, {"issuer": URL, "token_endpoint": "https://evil.example/oauth/token"}),
        "at another door",
    ),
    "endpoint of a longer name": (
        answer(200, {"issuer": URL, "token_endpoint": f"{URL}.evil.example/oauth/token"}),
        "at another door",
    ),
    "without TLS": (
        answer(200, {"issuer": URL, "token_endpoint": "http://aggregator.example:8443/oauth/token"}),
        "at another door",
    ),
}


@pytest.mark.parametrize("name", WRONG_METADATA)
def test_metadata_that_is_not_believed(name: str) -> None:
    there = There()
    there.metadata, why = WRONG_METADATA[name]
    with pytest.raises(PartnerError, match=why) as caught:
        run(lambda: there.tokens.scopes(partner()))
    assert caught.value.do
    assert there.fetched == 0


WRONG_TOKENS = {
    "no JSON": answer(200, b"ok"),
    "another type": answer(200, {"access_token": "t", "token_type": "mac", "expires_in": 300}),
    "no token": answer(200, {"token_type": "Bearer", "expires_in": 300}),
    "an empty token": answer(200, {"access_token": "", "token_type": "Bearer", "expires_in": 300}),
    "a token with a line end": answer(
        200, {"access_token": "a\r\nx-evil: 1", "token_type": "Bearer", "expires_in": 300}
    ),
    "a huge token": answer(200, {"access_token": "a" * 9000, "token_type": "Bearer", "expires_in": 300}),
    "ended already": answer(200, {"access_token": "t", "token_type": "Bearer", "expires_in": 0}),
    "busy": answer(503, {"error": "temporarily_unavailable"}),
    "other error": answer(400, {"error": "invalid_request"}),
    "no error at all": answer(500, b""),
    "deep": answer(200, b"[" * 100_000),
}


@pytest.mark.parametrize("name", WRONG_TOKENS)
def test_an_answer_that_is_no_token_is_a_partners_error_and_not_held(name: str) -> None:
    there = There()
    there.token = lambda n: WRONG_TOKENS[name]
    with pytest.raises(PartnerError, match=r"no access token from aggregator\.example") as caught:
        run(lambda: there.tokens.scopes(partner()))
    assert caught.value.retry
    there.token = there.good
    assert run(lambda: there.tokens.scopes(partner())) == [{"DA/a", "DA/b"}]


def test_a_client_that_is_not_known_there_learns_what_to_do() -> None:
    there = There()
    said = {"error": "invalid_client", "error_description": "utility.example is suspended here"}
    there.token = lambda n: answer(400, said)
    with pytest.raises(PartnerError, match="is suspended here") as caught:
        run(lambda: there.tokens.scopes(partner()))
    assert "Ask its operators" in caught.value.do
