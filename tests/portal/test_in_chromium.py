"""The portal in a real browser: signing in by passkey and by password, acts that are done once, pages that follow the gateway."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, expect
from tests.portal.chromium import (
    NARROW,
    PATIENCE_MS,
    WIDE,
    accessible,
    apart,
    authenticator,
    chromium,
    enter,
    fits,
    needs_chromium,
    watched,
)
from tests.portal.test_pages import notes, send, state
from tests.portal.visitors import person
from tests.portal.world import PARTNER, World, calling

from intertie.exchange.outbound import State
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.people import CODE_LIFE, make_code

pytestmark = needs_chromium
SENTENCE = "the quick brown transformer hums"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "office", made=False)
    yield world
    world.close()


@pytest.fixture
def url(world: World) -> Iterator[str]:
    with calling(world) as url:
        yield url.replace("127.0.0.1", "localhost")  # a passkey is of a name, not of an address


def test_a_passkey_is_made_and_lets_in(browser: Browser, world: World, url: str) -> None:
    code = person(world, "ann", [OfficeRole.OPERATOR])
    with watched(browser) as seen:
        page = seen.page()
        authenticator(page)
        enter(page, url, code)
        page.get_by_label("Its name").fill("notebook")
        page.get_by_role("button", name="Add a passkey").click()
        expect(page.get_by_role("status").filter(has_text="Added: notebook.")).to_be_visible()
        page.get_by_role("button", name="Sign out", exact=True).click()
        page.wait_for_url("**/sign-in")
        page.goto(f"{url}/messages")
        page.get_by_role("button", name="Use a passkey").click()
        page.wait_for_url("**/messages")
        expect(page.get_by_role("heading", name="Messages")).to_be_visible()
    assert any(note.startswith("signed in by passkey; by ann") for note in notes(world))


def test_without_a_passkey_the_page_says_so(browser: Browser, world: World, url: str) -> None:
    with watched(browser) as seen:
        page = seen.page()
        client = authenticator(page)
        client.send("WebAuthn.disable")
        client.send("WebAuthn.enable")
        page.goto(f"{url}/sign-in")
        page.evaluate(
            "() => { navigator.credentials.get = () => Promise.reject(new DOMException('no', 'NotAllowedError')); }"
        )
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.get_by_text("No passkey was used.")).to_be_visible()


def test_password_and_authenticator(browser: Browser, world: World, url: str) -> None:
    code = person(world, "ann", [OfficeRole.OPERATOR])
    with watched(browser) as seen:
        page = seen.page()
        enter(page, url, code)
        secret = page.locator("input[name=secret]").input_value()
        totp = pyotp.TOTP(secret)
        page.get_by_label("Password", exact=True).fill(SENTENCE)
        page.get_by_label("The same again").fill(SENTENCE)
        seen.expected.append("422")
        page.get_by_label("One-time code, as the app").fill("000000")
        page.get_by_role("button", name="Set password").click()
        expect(page.get_by_role("alert").filter(has_text="one-time code does not fit")).to_be_visible()
        # What was typed is still there, and the form may be sent again.
        page.get_by_label("One-time code, as the app").fill(totp.at(world.now))
        page.get_by_role("button", name="Set password").click()
        expect(page.get_by_text("From now on you sign in")).to_be_visible()
        page.get_by_role("button", name="Sign out", exact=True).click()
        world.now = world.now.replace(minute=world.now.minute + 1)
        page.get_by_label("Name").fill("ann")
        page.locator("#password").fill(SENTENCE)
        page.locator("#code").fill(totp.at(world.now))
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("heading", name="Today")).to_be_visible()


def test_back_and_reload_double_nothing(browser: Browser, world: World, url: str) -> None:
    code = person(world, "ann", [OfficeRole.OPERATOR])
    id = send(world)
    with watched(browser) as seen:
        page = seen.page()
        page.on("dialog", lambda dialog: dialog.accept())
        enter(page, url, code)
        page.goto(f"{url}/messages/{id}")
        page.get_by_role("button", name="Take back").click()
        expect(page.get_by_text("Taken back: it is not sent.")).to_be_visible()
        page.reload()
        expect(page.get_by_text("Taken back: it is not sent.")).to_have_count(0)
        page.go_back()
        page.go_forward()
    assert state(world, id) is State.CANCELLED
    assert len([note for note in notes(world) if "take message back" in note]) == 1


def test_a_question_that_is_answered_no_does_nothing(browser: Browser, world: World, url: str) -> None:
    code = person(world, "ann", [OfficeRole.OPERATOR])
    id = send(world)
    with watched(browser) as seen:
        page = seen.page()
        page.on("dialog", lambda dialog: dialog.dismiss())
        enter(page, url, code)
        page.goto(f"{url}/messages/{id}")
        page.get_by_role("button", name="Take back").click()
    assert state(world, id) is State.QUEUED


def test_a_page_follows_the_gateway_and_shows_times_of_here(browser: Browser, world: World, url: str) -> None:
    code = person(world, "ann", [OfficeRole.OPERATOR])
    with watched(browser) as seen:
        page = seen.page()
        enter(page, url, code)
        page.goto(f"{url}/messages")
        expect(page.get_by_text("No message is like that.")).to_be_visible()
        send(world)
        expect(page.get_by_role("link", name="outage notice")).to_be_visible(timeout=PATIENCE_MS)
        time = page.locator("table time").first
        expect(time).to_have_text(re.compile(r"^2026-01-15 07:00 (EST|GMT−5|UTC−5)$"))
        expect(time).to_have_attribute("title", "2026-01-15 12:00:00 UTC")
        apart(world.deliver)
        expect(page.locator("table .state")).to_have_text("accepted", timeout=PATIENCE_MS)


def test_without_script_everything_but_passkeys_works(browser: Browser, world: World, url: str) -> None:
    code = person(world, "ann", [OfficeRole.OPERATOR])
    id = send(world)
    with watched(browser, java_script_enabled=False) as seen:
        page = seen.page()
        enter(page, url, code)
        page.goto(f"{url}/messages/{id}")
        page.get_by_role("button", name="Take back").click()
        expect(page.get_by_text("Taken back: it is not sent.")).to_be_visible()
        page.get_by_role("button", name="Sign out", exact=True).click()
        expect(page.get_by_role("heading", name="Sign in to utility.example")).to_be_visible()


def test_by_keyboard_alone(browser: Browser, world: World, url: str) -> None:
    code = person(world, "ann", [OfficeRole.OPERATOR])
    with watched(browser) as seen:
        page = seen.page()
        page.goto(f"{url}/sign-in")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="To the content")).to_be_focused()
        page.get_by_label("Code", exact=True).focus()
        page.keyboard.type(code)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="How you sign in").wait_for()
        page.goto(f"{url}/messages")
        page.keyboard.press("/")
        expect(page.get_by_label("Search")).to_be_focused()
        page.keyboard.type("nothing-like-this")
        page.keyboard.press("Enter")
        page.wait_for_url("**text=nothing-like-this**")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_every_page_fits(browser: Browser, world: World, url: str, scheme: str) -> None:
    code = person(world, "ann", list(OfficeRole))
    make_code(world.gateway, world.people, "ann", CODE_LIFE, world.now, "a test")
    code = make_code(world.gateway, world.people, "ann", CODE_LIFE, world.now, "a test")
    id = send(world, mode="real_time")
    world.from_partner()
    apart(world.deliver)
    waits = send(world, "OUT-2")
    pages = ["/", "/messages", f"/messages/{id}", f"/messages/{waits}", "/partners", f"/partners/{PARTNER}"]
    pages += ["/settings", "/settings/people", "/settings/sign-in", "/messages?text=nothing", "/nowhere"]
    with watched(browser, color_scheme=scheme, bypass_csp=True) as seen:
        seen.expected.append("404")
        page = seen.page()
        page.goto(f"{url}/sign-in")
        accessible(page, "/sign-in")
        enter(page, url, code)
        for path in pages:
            page.set_viewport_size(WIDE)
            page.goto(url + path)
            page.wait_for_selector("html[data-ready]")
            accessible(page, path)
            page.set_viewport_size(NARROW)
            fits(page, path)


def test_a_person_chooses_light_or_dark(browser: Browser, world: World, url: str) -> None:
    code = person(world, "ann", [OfficeRole.OPERATOR])
    with watched(browser, color_scheme="light") as seen:
        page = seen.page()
        enter(page, url, code)
        page.get_by_role("button", name="Light or dark").click()
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        page.goto(f"{url}/messages")
        assert (
            page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(17, 25, 29)"
        )
