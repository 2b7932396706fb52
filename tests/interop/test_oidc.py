"""Signing in by an OpenID Connect provider that somebody else wrote (PyPI `oidc-provider-mock`, a process of its own)."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from bench.peers.environment import installed
from tests.portal.test_pages import notes
from tests.portal.visitors import HOST, Browser, person
from tests.portal.world import World
from tests.ports import free_port

from intertie.bindings.oidc.client import Provider
from intertie.gateway.configuration.single_sign_on import OidcSettings
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.people import disable
from intertie.model.errors import SettingsError
from intertie.seal.id_tokens import NotSignedOn

PYTHON = installed("oidc")
pytestmark = pytest.mark.skipif(
    PYTHON is None, reason="oidc-provider-mock is not here: `make peers` installs it"
)
ANN = {"sub": "1001", "email": "ann@example.org", "email_verified": True}
EVE = {"sub": "1002", "email": "eve@example.org", "email_verified": False}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    port = free_port()
    claims = [part for one in (ANN, EVE) for part in ("--user-claims", json.dumps(one))]
    command = [str(PYTHON), "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), *claims]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def world(tmp_path: Path, issuer: str) -> Iterator[World]:
    world = World(tmp_path / "office", made=False)
    (tmp_path / "secret.txt").write_text("not used by this provider\n")
    settings = OidcSettings(issuer=issuer, client="portal", secret_file="secret.txt", label="City Light")
    provider = Provider(settings, tmp_path, time.monotonic)
    world.office = world.office._replace(sign_on=provider, wall=lambda: datetime.now(UTC))
    yield world
    provider.close()
    world.close()


def at_provider(where: str, user: str | None) -> str:
    """What a person does there; where the provider sends the browser then."""
    with httpx.Client() as http:
        assert "sub" in http.get(where).text
        form = {"action": "deny"} if user is None else {"sub": user}
        answer = http.post(where, data=form)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def gone(browser: Browser, onward: str = "/messages") -> str:
    """To the provider."""
    page = browser.get(f"/sign-in?next={onward}").text
    assert "Sign in with City Light" in page
    answer = browser.get(f"/sign-in/oidc?next={onward}")
    assert answer.status_code == 303 and "HttpOnly" in answer.headers["set-cookie"]
    return answer.headers["location"]


def back(browser: Browser, where: str) -> httpx.Response:
    parts = urlsplit(where)
    assert parts.netloc == HOST and parts.path == "/sign-in/oidc/back"
    return browser.get(f"{parts.path}?{parts.query}")


def test_somebody_signs_on_and_is_who_our_list_says(world: World) -> None:
    person(world, "ann@example.org", [OfficeRole.AUDITOR])
    browser = Browser(world)
    where = gone(browser)
    asked = parse_qs(urlsplit(where).query)
    assert asked["code_challenge_method"] == ["S256"] and asked["response_type"] == ["code"]
    entered = back(browser, at_provider(where, "1001"))
    assert entered.status_code == 303, entered.text
    assert entered.headers["location"] == "/messages"
    assert browser.get("/messages").status_code == 200
    assert browser.get("/settings/people").status_code == 403
    assert any(note.startswith("signed in by oidc; by ann@example.org") for note in notes(world))


def test_who_is_not_in_our_list_or_no_more_stays_out(world: World) -> None:
    browser = Browser(world)
    answer = back(browser, at_provider(gone(browser), "1001"))
    assert answer.status_code == 401 and "do not fit together" in answer.text
    person(world, "ann@example.org", [OfficeRole.AUDITOR])
    disable(world.gateway, world.people, "ann@example.org", world.now, "a test")
    assert back(browser, at_provider(gone(browser), "1001")).status_code == 401
    assert browser.get("/messages").status_code == 303


def test_an_address_that_was_never_verified_is_nobodys(world: World) -> None:
    person(world, "eve@example.org", [OfficeRole.ADMIN])
    browser = Browser(world)
    answer = back(browser, at_provider(gone(browser), "1002"))
    assert answer.status_code == 401 and "never verified" in answer.text


def test_who_denies_is_told_so(world: World) -> None:
    browser = Browser(world)
    answer = back(browser, at_provider(gone(browser), None))
    assert answer.status_code == 401 and "access_denied" in answer.text


def test_another_browser_does_not_come_back_with_it(world: World) -> None:
    """A link that signs somebody in as somebody else (login CSRF)."""
    person(world, "ann@example.org", [OfficeRole.AUDITOR])
    mine, theirs = Browser(world), Browser(world)
    where = at_provider(gone(mine), "1001")
    gone(theirs)
    answer = back(theirs, where)
    assert answer.status_code == 401 and "did not ask for it" in answer.text
    assert theirs.get("/messages").status_code == 303
    assert back(Browser(world), where).status_code == 401


def test_coming_back_twice_counts_once(world: World) -> None:
    person(world, "ann@example.org", [OfficeRole.AUDITOR])
    browser = Browser(world)
    where = at_provider(gone(browser), "1001")
    cookies = dict(browser.http.cookies)
    assert back(browser, where).status_code == 303
    again = Browser(world)
    for name, value in cookies.items():
        again.http.cookies.set(name, value, domain=HOST)
    assert back(again, where).status_code == 401


def test_a_code_that_is_none(world: World) -> None:
    browser = Browser(world)
    where = at_provider(gone(browser), "1001")
    answer = back(browser, re.sub(r"code=[^&]+", "code=made-up", where))
    assert answer.status_code == 401 and "no ID token" in answer.text


def test_a_provider_that_is_away_or_another(world: World, issuer: str, tmp_path: Path) -> None:
    for name, said in (
        (f"http://127.0.0.1:{free_port()}", "cannot be reached"),
        (issuer + "/", "another issuer"),
    ):
        provider = Provider(OidcSettings(issuer=name, client="portal"), tmp_path, time.monotonic)
        world.office = world.office._replace(sign_on=provider)
        answer = Browser(world).get("/sign-in/oidc")
        assert answer.status_code == 401 and said in answer.text
        with pytest.raises(NotSignedOn):
            provider.begin("http://x/back", "/")
        provider.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://login.example.org", "client": "x"},
        {"issuer": "login.example.org", "client": "x"},
        {"issuer": "https://login.example.org"},
    ],
)
def test_what_is_no_provider(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"issuer|client"):
        OidcSettings(**wrong)


def test_a_secret_that_is_not_there(tmp_path: Path) -> None:
    settings = OidcSettings(issuer="https://login.example.org", client="x", secret_file="nothing")
    with pytest.raises(SettingsError, match="cannot be read"):
        Provider(settings, tmp_path, time.monotonic)
