"""Debian's Chromium before the portal: every console error, every request that leaves this machine, fails the test."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

PROGRAM = shutil.which("chromium")
NARROW = {"width": 380, "height": 800}
WIDE = {"width": 1280, "height": 900}
# Pages give way to whatever else a laden machine does (`[office] nice`); no test waits for this unless it fails.
PATIENCE_MS = 120_000
needs_chromium = pytest.mark.skipif(PROGRAM is None, reason="no chromium here: `apt-get install chromium`")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The browser."""
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=PROGRAM)
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A context of a browser, and what went wrong in it. `expected` holds parts of console errors that a test provokes."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.expected: list[str] = []
        self.wrong: list[str] = []

    def page(self) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda said: self._heard(said.type, said.text))
        page.on("pageerror", lambda error: self.wrong.append(f"error {error}"))
        page.on("request", lambda request: self._asked(request.url))
        return page

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not any(part in text for part in self.expected):
            self.wrong.append(f"{kind} {text}")

    def _asked(self, url: str) -> None:
        if urlsplit(url).hostname not in ("localhost", "127.0.0.1", None) and not url.startswith("data:"):
            self.wrong.append(f"asked for {url}")


@contextlib.contextmanager
def watched(browser: Browser, **how: Any) -> Iterator[Watched]:
    """A context of its own, and nothing went wrong in it."""
    context = browser.new_context(**{"viewport": WIDE, "timezone_id": "America/New_York", **how})
    seen = Watched(context)
    try:
        yield seen
        assert not seen.wrong, seen.wrong
    finally:
        context.close()


def apart(act: Callable[[], None]) -> None:
    """Do it in a thread of its own: this one belongs to the browser's event loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(act).result()


def accessible(page: Page, what: str) -> None:
    """axe-core finds nothing. It is put into the page from outside, which the page's own policy would forbid to anybody else."""
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    wrong = [
        (one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found.response["violations"]
    ]
    assert not wrong, (what, wrong)


def fits(page: Page, what: str) -> None:
    """Nothing is wider than the window."""
    wide, room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= room, (what, wide, room)


def authenticator(page: Page) -> Any:
    """A passkey device inside the browser, whose owner is there and verified."""
    client = page.context.new_cdp_session(page)
    client.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    client.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return client


def enter(page: Page, url: str, code: str) -> None:
    """Sign in by a code."""
    page.goto(f"{url}/sign-in")
    page.get_by_label("Code", exact=True).fill(code)
    page.get_by_role("button", name="Use the code").click()
    page.get_by_role("heading", name="How you sign in").wait_for()


def undoubled(page: Page, gateway: Any) -> None:
    """Loading again, going back and forward after an act does nothing: the journal, where every act stands, has no line more."""
    lines = gateway.store.head().size
    for go in (page.reload, page.go_back, page.go_forward, page.reload):
        go()
        page.wait_for_selector("html[data-ready]")
    assert gateway.store.head().size == lines, page.url
