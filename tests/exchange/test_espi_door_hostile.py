"""Who comes to a custodian's door to do harm: what is sent, how it is sent, and what is asked for that nobody was given."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.exchange.espi_world import HOST, Browser, World, hours

from intertie.bindings.espi.door import EspiDoorway
from intertie.formats.espi.names import BASE
from intertie.formats.espi.service import LIST_BYTES_MAX, NOTIFICATION, write_list
from intertie.model.errors import SettingsError

FORM = ["grant_type", "code", "refresh_token", "scope", "client_id", "token"]
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path, requests_per_minute=10.0**6)
    world.keep(hours())
    return world


@pytest.fixture
def token(world: World) -> str:
    application, secret = world.add()
    return str(world.consented(application, secret, "M1")["access_token"])


@pytest.mark.parametrize(
    "path",
    [BASE, BASE[:-1], "/espi", "/", f"{BASE}/", f"{BASE}//", "/espi/1_1/oauth", "/espi/1_1/oauth/token/"],
)
def test_addresses_beside_the_right_ones_lead_nowhere(world: World, token: str, path: str) -> None:
    answer = world.client.get(path, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 404 and "location" not in answer.headers


@quick
@given(st.lists(st.text(string.printable, max_size=12), max_size=9), st.text(string.printable, max_size=30))
def test_any_path_is_answered_and_gives_nothing(
    world: World, token: str, parts: list[str], query: str
) -> None:
    world.ticks += 100
    path = "/".join("".join(f"%{ord(one):02x}" for one in part) for part in parts)
    asked = "".join(f"%{ord(one):02x}" for one in query)
    answer = world.client.get(f"{BASE}/{path}?{asked}", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code in (200, 400, 403, 404)
    assert "M1" not in answer.text or answer.status_code == 200


@quick
@given(st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=200))
def test_any_token_opens_nothing(world: World, said: str) -> None:
    world.ticks += 100
    for scheme in ("Bearer ", "bearer", "Basic ", ""):
        answer = world.client.get(f"{BASE}/ServiceStatus", headers={"authorization": f"{scheme}{said}"})
        assert answer.status_code == 401 and "bearer" in answer.headers["www-authenticate"].lower()


@quick
@given(
    st.dictionaries(
        st.sampled_from(["grant_type", "code", "refresh_token", "scope", "client_id", "token"]),
        st.text(max_size=40),
    )
)
def test_any_form_is_answered(world: World, form: dict[str, str]) -> None:
    world.ticks += 100
    for path in ("token", "revoke"):
        answer = world.client.post(f"/espi/1_1/oauth/{path}", data=form, auth=("a" * 12, "b"))
        assert answer.status_code in (400, 401) and answer.json()["error"]


@quick
@given(
    st.dictionaries(
        st.sampled_from(["response_type", "client_id", "redirect_uri", "scope", "state"]),
        st.text(max_size=40),
    )
)
def test_any_sending_of_a_customer_is_answered(world: World, said: dict[str, str]) -> None:
    world.ticks += 100
    answer = world.client.get("/espi/1_1/oauth/authorize", params=said)
    assert answer.status_code == 400 and "location" not in answer.headers and not world.book.askings()


@pytest.mark.parametrize("text", ['a"b', "a\\b", "x" * 3000, "FB=4;" * 100, "\x7f", "\u00e9", "a b"])
def test_texts_that_no_error_may_quote(world: World, text: str) -> None:
    application, secret = world.add()
    for name in ("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge"):
        answer = world.ask(application, **{name: text})
        assert answer.status_code in (302, 303, 400), (name, answer.status_code)
    for name in ("grant_type", "code", "refresh_token", "scope", "redirect_uri", "code_verifier"):
        for kind in ("authorization_code", "refresh_token", "client_credentials"):
            answer = world.token(application, secret, **({"grant_type": kind} | {name: text}))
            assert answer.status_code in (200, 400), (name, answer.status_code)
            assert answer.status_code == 400 or name not in ("grant_type", "scope")


def test_what_a_third_party_is_called_is_shown_as_text(world: World) -> None:
    application, _ = world.add(name="<script>alert(1)</script>")
    page = world.client.get(world.ask(application).headers["location"])
    assert "<script>" not in page.text and "&lt;script&gt;" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_state_comes_back_as_it_went_and_nothing_with_it(world: World) -> None:
    application, _ = world.add()
    state = "a&code=stolen#x=%41"
    page = world.ask(application, state=state).headers["location"]
    [waiting] = world.book.askings()
    world.grants.deny(waiting.id, world.now)
    location = world.client.get(page).headers["location"]
    said = parse_qs(urlsplit(location).query, strict_parsing=True)
    assert said == {"error": ["access_denied"], "state": [state], "iss": [HOST]}
    for wrong in ("s" * 5000, "x\r\nset-cookie: a=b", "\0"):
        answer = world.ask(application, state=wrong)
        assert answer.status_code == 400 and "set-cookie" not in answer.headers
    assert len(world.book.askings()) == 1


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE", "OPTIONS"])
def test_nothing_is_changed_by_other_methods(world: World, token: str, method: str) -> None:
    before = sorted(path.read_bytes() for path in (world.folder / "espi").rglob("*.json"))
    answer = world.client.request(
        method, f"{BASE}/ServiceStatus", headers={"authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 405
    assert sorted(path.read_bytes() for path in (world.folder / "espi").rglob("*.json")) == before


# Notifications


def told(world: World, said: Any) -> Browser:
    door = EspiDoorway(
        world.grants, world.custodian, world.settings, lambda: world.now, lambda: world.ticks, said
    )
    return Browser(door.app())


def test_notifications_are_looked_at_and_no_more(world: World) -> None:
    heard: list[list[str]] = []

    def hear(addresses: list[str]) -> int:
        heard.append(addresses)
        return len(addresses)

    browser = told(world, hear)
    assert browser.post(NOTIFICATION, content=write_list([f"{HOST}/a", "b"])).status_code == 200
    assert browser.post(NOTIFICATION, content=write_list([])).status_code == 200
    assert heard == [[f"{HOST}/a", "b"], []]
    for wrong in (b"", b"<x/>", b"<!DOCTYPE x><x/>", b"\xff", b"{}", b" " * (LIST_BYTES_MAX + 1)):
        answer = browser.post(NOTIFICATION, content=wrong)
        assert answer.status_code == 400 and answer.json()["do"], wrong[:20]
    assert len(heard) == 2 and browser.get(NOTIFICATION).status_code == 405


def test_a_notification_where_nothing_is_fetched(world: World) -> None:
    assert world.client.post(NOTIFICATION, content=write_list(["a"])).status_code == 404


def test_a_notification_that_cannot_be_kept_is_to_come_again(world: World) -> None:
    def broken(addresses: list[str]) -> int:
        raise SettingsError("fetch/u.example.json cannot be read")

    answer = told(world, broken).post(NOTIFICATION, content=write_list(["a"]))
    assert answer.status_code == 503 and answer.headers["retry-after"] and "fetch/" not in answer.text


def test_whoever_comes_too_often_waits(tmp_path: Path) -> None:
    world = World(tmp_path, requests_per_minute=1.0)
    application, _ = world.add()
    for path, method in (
        (f"{BASE}/ServiceStatus", "GET"),
        ("/espi/1_1/oauth/token", "POST"),
        ("/espi/1_1/oauth/authorize", "GET"),
        ("/espi/1_1/oauth/asked/x", "GET"),
        (NOTIFICATION, "POST"),
    ):
        world.ticks += 10_000
        answers = [world.client.request(method, path).status_code for _ in range(70)]
        assert answers[-1] == 429 and answers[0] != 429, path
    assert application.id
