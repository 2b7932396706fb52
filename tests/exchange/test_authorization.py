"""The street door needs certificate and token: without both nothing is let in and nothing is kept (RFC 6750, RFC 8705)."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.exchange.https_world import (
    AGGREGATOR,
    THIRD,
    TOKEN_KEYS,
    UTILITY,
    Book,
    Caller,
    Door,
    House,
    a_message,
    a_parcel,
    caller,
    make_ca,
    make_house,
    now,
    open_door,
    post,
)
from tests.store.store_builders import sqlite_store

from intertie.gateway.ports import Query
from intertie.model.errors import Code
from intertie.seal.certificates import thumbprint
from intertie.seal.token_keys import new_token_keys
from intertie.seal.tokens import make_token
from intertie.seal.trial_ca import TrialCa
from intertie.stores.memory import MemoryStore


@pytest.fixture(scope="module")
def ca() -> TrialCa:
    return make_ca()


@pytest.fixture(scope="module")
def houses(ca: TrialCa, tmp_path_factory: pytest.TempPathFactory) -> dict[str, House]:
    base = tmp_path_factory.mktemp("houses")
    return {name: make_house(base / name, ca, name) for name in (UTILITY, AGGREGATOR, THIRD)}


@pytest.fixture
def sender(houses: dict[str, House]) -> House:
    return houses[UTILITY]


@pytest.fixture
def receiver(houses: dict[str, House], sender: House, tmp_path: Path) -> Iterator[House]:
    """A gateway with a real store, so that other processes could open it."""
    house, book = houses[AGGREGATOR], Book()
    store = sqlite_store(tmp_path / "store.db")
    fresh = House(house.directory, replace(house.gateway, store=store, partners=book), book)
    fresh.knows(sender)
    fresh.knows(houses[THIRD])
    yield fresh
    store.close()


@pytest.fixture
def door(receiver: House) -> Iterator[Door]:
    with open_door(receiver) as opened:
        yield opened


@pytest.fixture
def client(sender: House, receiver: House) -> Iterator[Caller]:
    with caller(sender, receiver) as made:
        yield made


def kept(house: House) -> object:
    """All that a parcel could leave behind."""
    store = house.gateway.store
    return (
        store.head(),
        store.counts(),
        store.refusals(),
        store.messages(Query(outgoing=False)),
        store.revoked_tokens(now()),
    )


def challenge(answer: httpx.Response) -> dict[str, str]:
    """The parts of the WWW-Authenticate header, which is one Bearer challenge of well-formed parts (RFC 6750 s.3)."""
    (header,) = answer.headers.get_list("www-authenticate")
    scheme, _, rest = header.partition(" ")
    assert scheme == "Bearer"
    parts = re.findall(r'([a-z_]+)="([^"\\]*)"', rest)
    assert ", ".join(f'{name}="{value}"' for name, value in parts) == rest
    assert len(dict(parts)) == len(parts)
    return dict(parts)


def own_token(house: House, door: Door, **changes: object) -> str:
    """A token as the door's own authority would write it, but for the changes."""
    authority = door.authority
    facts: dict[str, object] = {
        "issuer": authority.issuer,
        "audience": authority.audience,
        "party": house.gateway.party.id,
        "scopes": frozenset({"DA/outage_notice"}),
        "certificate": certificate_of(house),
        "now": now(),
        "lifetime": timedelta(seconds=300),
    }
    keys = changes.pop("keys", TOKEN_KEYS)
    return make_token(keys, **(facts | changes))  # type: ignore[arg-type]


def certificate_of(house: House) -> str:
    return thumbprint(tls_leaf(house)).hex()


def tls_leaf(house: House) -> bytes:
    pem = (house.directory / "keys" / "tls.crt.pem").read_text(encoding="ascii")
    end = "-----END CERTIFICATE-----\n"
    return ssl.PEM_cert_to_DER_cert(pem.split(end)[0] + end)


def test_with_a_token_a_parcel_gets_in(sender: House, receiver: House, door: Door, client: Caller) -> None:
    """The control: everything below fails by its token alone."""
    blob = a_parcel(sender, receiver).blob
    good = own_token(sender, door)
    answer = post(client, door.url, blob, authorization=f"Bearer {good}")
    assert answer.status_code == 200
    assert "www-authenticate" not in answer.headers
    assert len(receiver.gateway.store.messages(Query(outgoing=False))) == 1


# 401: no token, or none that is good


NO_TOKEN = {
    "no header": None,
    "another scheme": "Basic YTpi",
    "an empty header": "",
    "a proof of possession by DPoP": "DPoP abc",
}


@pytest.mark.parametrize("name", NO_TOKEN)
def test_without_a_token_the_challenge_has_no_error(
    sender: House, receiver: House, door: Door, client: Caller, name: str
) -> None:
    blob, before = a_parcel(sender, receiver).blob, kept(receiver)
    given = NO_TOKEN[name]
    headers = {"content-type": "application/vnd.intertie.parcel"}
    if given is not None:
        headers["authorization"] = given
    answer = client.post(f"{door.url}/parcels", content=blob, headers=headers)
    assert answer.status_code == 401
    assert challenge(answer) == {"realm": AGGREGATOR}
    assert (answer.json()["code"], answer.json()["step"]) == ("invalid_token", 4)
    assert kept(receiver) == before


BAD: dict[str, Callable[[House, Door, House], str]] = {
    "expired": lambda house, door, _: own_token(house, door, now=now() - timedelta(seconds=331)),
    "long expired": lambda house, door, _: own_token(house, door, now=now() - timedelta(days=30)),
    "not yet valid": lambda house, door, _: own_token(house, door, now=now() + timedelta(seconds=60)),
    "bound to another certificate": lambda house, door, other: own_token(
        house, door, certificate=certificate_of(other)
    ),
    "of another party, with its certificate": lambda _, door, other: own_token(other, door),
    "of another party, bound to ours": lambda house, door, other: own_token(
        other, door, certificate=certificate_of(house)
    ),
    "signed by somebody else": lambda house, door, _: own_token(house, door, keys=new_token_keys()),
    "for another gateway": lambda house, door, _: own_token(house, door, audience="urn:intertie:party:x"),
    "of another issuer": lambda house, door, _: own_token(house, door, issuer="https://127.0.0.1:1"),
    "of a party that is no partner": lambda house, door, _: own_token(house, door, party="nobody.example"),
    "cut": lambda house, door, _: own_token(house, door)[:-1],
    "rubbish": lambda *_: "mF_9.B5f-4.1JqM",
    "too long": lambda *_: "a" * 9000,
    "two words": lambda *_: "one two",
}


@pytest.mark.parametrize("name", BAD)
def test_a_token_that_is_not_good_is_invalid_and_nothing_is_kept(
    sender: House, receiver: House, houses: dict[str, House], door: Door, client: Caller, name: str
) -> None:
    blob, before = a_parcel(sender, receiver).blob, kept(receiver)
    text = BAD[name](sender, door, houses[THIRD])
    answer = post(client, door.url, blob, authorization=f"Bearer {text}")
    said = challenge(answer)
    assert (answer.status_code, said["realm"], said["error"]) == (401, AGGREGATOR, "invalid_token")
    assert said["error_description"]
    assert "scope" not in said
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["step"], problem["status"]) == ("invalid_token", 4, 401)
    assert problem["retry"] is True  # the same parcel goes through with a new token
    assert text not in answer.text
    assert kept(receiver) == before


def test_two_authorization_headers_are_none(
    sender: House, receiver: House, door: Door, client: Caller
) -> None:
    before = kept(receiver)
    good = f"Bearer {own_token(sender, door)}"
    headers = [
        ("content-type", "application/vnd.intertie.parcel"),
        ("authorization", good),
        ("authorization", good),
    ]
    answer = client.post(f"{door.url}/parcels", content=b"x", headers=headers)
    assert (answer.status_code, challenge(answer)["error"]) == (401, "invalid_token")
    assert kept(receiver) == before


def test_a_token_in_the_address_is_not_looked_at(
    sender: House, receiver: House, door: Door, client: Caller
) -> None:
    """RFC 6750 s.2.3: addresses are logged."""
    good = own_token(sender, door)
    answer = client.post(
        f"{door.url}/parcels?access_token={good}",
        content=b"x",
        headers={"content-type": "application/vnd.intertie.parcel"},
    )
    assert (answer.status_code, challenge(answer)) == (401, {"realm": AGGREGATOR})


def test_a_stolen_token_is_worth_nothing_over_another_partys_connection(
    sender: House, receiver: House, houses: dict[str, House], door: Door, client: Caller
) -> None:
    stolen = client.token(door.url)
    assert stolen
    before = kept(receiver)
    with caller(houses[THIRD], receiver) as thief:
        answer = post(
            thief, door.url, a_parcel(houses[THIRD], receiver).blob, authorization=f"Bearer {stolen}"
        )
    assert (answer.status_code, challenge(answer)["error"]) == (401, "invalid_token")
    assert kept(receiver) == before


def test_the_body_is_not_read_before_the_token_is_good(receiver: House, door: Door, client: Caller) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(65536)

    try:
        answer = post(client, door.url, endless(), authorization="Bearer x")
    except httpx.TransportError:  # the door answered and closed while the client was still sending
        answer = None
    assert answer is None or answer.status_code == 401
    assert door.app._held.count == 0
    assert receiver.gateway.store.refusals() == []


def test_a_token_from_before_a_new_certificate_of_the_same_party_is_dead(
    sender: House, receiver: House, door: Door, ca: TrialCa, tmp_path: Path
) -> None:
    text = own_token(sender, door)
    renewed = make_house(tmp_path / "renewed", ca, UTILITY)
    with caller(renewed, receiver) as client:
        answer = post(client, door.url, b"x", authorization=f"Bearer {text}")
        assert (answer.status_code, challenge(answer)["error"]) == (401, "invalid_token")
        assert (
            post(client, door.url, b"x").json()["code"] == "bad_frame"
        )  # with a token of its own it is let in


# Revoked, suspended, rotated: at once


def test_a_revoked_token_is_dead_at_once(sender: House, receiver: House, door: Door, client: Caller) -> None:
    text = client.token(door.url)
    assert post(client, door.url, a_parcel(sender, receiver).blob, authorization=f"Bearer {text}").is_success
    client.post(f"{door.url}/oauth/revoke", data={"client_id": UTILITY, "token": text})
    before = kept(receiver)
    answer = post(client, door.url, a_parcel(sender, receiver).blob, authorization=f"Bearer {text}")
    assert (answer.status_code, challenge(answer)["error"]) == (401, "invalid_token")
    assert kept(receiver) == before
    assert post(client, door.url, a_parcel(sender, receiver).blob).is_success  # with a new token


def test_all_tokens_of_a_partner_are_revoked_by_another_process(
    sender: House, receiver: House, houses: dict[str, House], door: Door, client: Caller, tmp_path: Path
) -> None:
    """An operator's command opens the same file; the running door has no part in it."""
    text = own_token(sender, door, now=now() - timedelta(seconds=2))
    operator = sqlite_store(tmp_path / "store.db")
    replace(door.authority, gateway=replace(receiver.gateway, store=operator)).revoke_all(UTILITY, now())
    operator.close()
    before = kept(receiver)
    answer = post(client, door.url, a_parcel(sender, receiver).blob, authorization=f"Bearer {text}")
    assert (answer.status_code, challenge(answer)["error"]) == (401, "invalid_token")
    assert kept(receiver) == before
    later = own_token(sender, door, now=now() + timedelta(seconds=2))
    assert post(client, door.url, a_parcel(sender, receiver).blob, authorization=f"Bearer {later}").is_success
    with caller(houses[THIRD], receiver) as third:  # nobody else is touched
        other = own_token(houses[THIRD], door, now=now() - timedelta(seconds=2))
        blob = a_parcel(houses[THIRD], receiver).blob
        assert post(third, door.url, blob, authorization=f"Bearer {other}").is_success


def test_a_revocation_of_all_is_journaled(receiver: House, door: Door) -> None:
    door.authority.revoke_all(UTILITY, now())
    ((_, entry, _),) = receiver.gateway.store.entries()
    assert b'"kind":"act"' in entry
    assert b"access tokens revoked" in entry
    assert UTILITY.encode() in entry


def test_a_suspended_partners_token_is_dead_at_once(
    sender: House, receiver: House, door: Door, client: Caller
) -> None:
    text = client.token(door.url)
    receiver.knows(sender, suspended=True)
    before = kept(receiver)
    answer = post(client, door.url, a_parcel(sender, receiver).blob, authorization=f"Bearer {text}")
    assert (answer.status_code, answer.json()["code"]) == (403, "sender_suspended")
    assert kept(receiver) == before
    assert client.token(door.url) == ""


def test_a_partner_that_was_removed_is_out_at_once(
    sender: House, receiver: House, door: Door, client: Caller
) -> None:
    text = client.token(door.url)
    del receiver.book.partners[UTILITY]
    before = kept(receiver)
    answer = post(client, door.url, a_parcel(sender, receiver).blob, authorization=f"Bearer {text}")
    assert (answer.status_code, answer.json()["code"]) == (403, "unknown_sender")
    assert kept(receiver) == before


# 403: a good token that is not good for this


def test_too_little_scope_is_403_and_takes_the_whole_parcel(
    sender: House, receiver: House, door: Door, client: Caller
) -> None:
    blob, before = a_parcel(sender, receiver).blob, kept(receiver)
    text = own_token(sender, door, scopes=frozenset({"DA/dispatch_instruction"}))
    answer = post(client, door.url, blob, authorization=f"Bearer {text}")
    said = challenge(answer)
    assert (answer.status_code, said["error"], said["scope"]) == (
        403,
        "insufficient_scope",
        "DA/outage_notice",
    )
    problem = answer.json()
    assert (problem["code"], problem["step"], problem["retry"]) == ("insufficient_scope", 4, False)
    assert kept(receiver) == before


def test_one_message_too_many_among_covered_ones(
    sender: House, receiver: House, door: Door, client: Caller
) -> None:
    """A sender knows its scopes: what it should not have put in takes the rest down."""
    covered = a_message(UTILITY, AGGREGATOR)
    other = covered.replace(b'"outage_notice"', b'"outage_report"', 1)
    assert other != covered
    blob, before = a_parcel(sender, receiver, covered, other).blob, kept(receiver)
    answer = post(client, door.url, blob, authorization=f"Bearer {own_token(sender, door)}")
    assert (answer.status_code, challenge(answer)["scope"]) == (403, "DA/outage_report")
    assert kept(receiver) == before


def test_a_token_for_the_whole_interface_covers_its_documents(
    sender: House, receiver: House, door: Door, client: Caller
) -> None:
    """Asked for with `DA/*`; granted is what the partner's roles may send on it."""
    text = client.token(door.url, scope="DA/*")
    assert post(client, door.url, a_parcel(sender, receiver).blob, authorization=f"Bearer {text}").is_success


def test_scopes_that_an_operator_takes_away_are_gone_at_once(
    sender: House, receiver: House, door: Door, client: Caller
) -> None:
    text, blob = client.token(door.url), a_parcel(sender, receiver).blob
    partner = receiver.book.partners[UTILITY]
    receiver.book.partners[UTILITY] = partner._replace(scopes=("DA/dispatch_instruction",))
    before = kept(receiver)
    answer = post(client, door.url, blob, authorization=f"Bearer {text}")
    assert (answer.status_code, challenge(answer)["scope"]) == (403, "DA/outage_notice")
    assert kept(receiver) == before


def test_a_repeat_is_answered_with_its_receipt_even_with_less_scope(
    sender: House, receiver: House, door: Door, client: Caller
) -> None:
    """Step 5 comes first: a lost receipt must not become a refusal."""
    blob = a_parcel(sender, receiver).blob
    first = post(client, door.url, blob)
    text = own_token(sender, door, scopes=frozenset({"DA/dispatch_instruction"}))
    again = post(client, door.url, blob, authorization=f"Bearer {text}")
    assert (again.status_code, again.content) == (200, first.content)


# What is left of it


def test_refusals_are_counted_and_logged_without_the_token(
    sender: House, receiver: House, door: Door, client: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    text = own_token(sender, door, now=now() - timedelta(days=1))
    little = own_token(sender, door, scopes=frozenset())
    post(client, door.url, b"x", authorization=f"Bearer {text}")
    post(client, door.url, b"x", authorization=f"Bearer {text}")
    post(client, door.url, a_parcel(sender, receiver).blob, authorization=f"Bearer {little}")
    refused = door.app.guard.refused
    assert (refused[Code.INVALID_TOKEN], refused[Code.INSUFFICIENT_SCOPE]) == (2, 1)
    lines = [record for record in caplog.records if record.name == "intertie.guard"]
    assert [(line.partner, line.code, line.count) for line in lines] == [  # type: ignore[attr-defined]
        (UTILITY, "invalid_token", 1),
        (UTILITY, "invalid_token", 2),
        (UTILITY, "insufficient_scope", 1),
    ]
    assert all(text not in str(vars(record)) for record in caplog.records)


class Unreadable(MemoryStore):
    """A store that cannot say what was revoked."""

    def token_revoked(self, token: str, partner: str, issued: datetime) -> bool:
        self.close()
        return super().token_revoked(token, partner, issued)  # type: ignore[arg-type]


def test_a_token_that_cannot_be_judged_is_not_believed(sender: House, receiver: House) -> None:
    blind = House(receiver.directory, replace(receiver.gateway, store=Unreadable()), receiver.book)
    with open_door(blind) as door, caller(sender, receiver) as client:
        answer = post(client, door.url, b"x", authorization=f"Bearer {own_token(sender, door)}")
    assert (answer.status_code, answer.json()["code"], answer.json()["retry"]) == (503, "store", True)
