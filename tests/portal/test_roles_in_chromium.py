"""Each role comes in by a passkey and by a password with a one-time code, sees its own places, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.portal.chromium import accessible, authenticator, chromium, enter, needs_chromium, watched
from tests.portal.test_pages import notes
from tests.portal.visitors import person
from tests.portal.world import World, calling

from intertie.gateway.office.api_keys import OfficeRole
from intertie.portal.pages.navigation import places

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


def shown_places(page: Page) -> list[str]:
    """The places of the navigation, in their order."""
    return page.locator("nav[aria-label=Pages] a").all_inner_texts()


def leave(page: Page) -> None:
    """Sign out; the way back shows nothing of before, and asks who is there."""
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/sign-in")
    page.go_back()
    page.wait_for_url("**/sign-in**")
    expect(page.get_by_role("heading", name="Sign in to utility.example")).to_be_visible()
    page.goto(page.url.partition("?")[0])


@pytest.mark.parametrize("role", OfficeRole)
def test_a_role_signs_in_by_passkey_and_by_one_time_code(
    browser: Browser, world: World, url: str, role: OfficeRole
) -> None:
    code = person(world, "ann", [role])
    mine = [one.label for one in places(frozenset({role}))]
    with watched(browser, bypass_csp=True) as seen:
        page = seen.page()
        authenticator(page)
        enter(page, url, code)
        page.get_by_label("Its name").fill("notebook")
        page.get_by_role("button", name="Add a passkey").click()
        expect(page.get_by_role("status").filter(has_text="Added: notebook.")).to_be_visible()
        totp = pyotp.TOTP(page.locator("input[name=secret]").input_value())
        page.get_by_label("Password", exact=True).fill(SENTENCE)
        page.get_by_label("The same again").fill(SENTENCE)
        page.get_by_label("One-time code, as the app").fill(totp.at(world.now))
        page.get_by_role("button", name="Set password").click()
        expect(page.get_by_text("From now on you sign in")).to_be_visible()
        accessible(page, "/settings/sign-in")
        leave(page)
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Today")
        assert shown_places(page) == mine
        accessible(page, "/")
        leave(page)
        world.now += timedelta(minutes=1)  # a code is used once
        page.get_by_label("Name").fill("ann")
        page.locator("#password").fill(SENTENCE)
        page.locator("#code").fill(totp.at(world.now))
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Today")
        assert shown_places(page) == mine
        page.reload()
        page.go_back()
        page.go_forward()
        leave(page)
    how = [note.partition(";")[0] for note in notes(world) if note.startswith("signed in")]
    assert how == ["signed in by code", "signed in by passkey", "signed in by password"]


def test_roles_differ_in_their_places() -> None:
    """So that what the test above compares can be wrong."""
    assert len({tuple(one.label for one in places(frozenset({role}))) for role in OfficeRole}) > 2
