"""Two organisations become partners in two browsers: nothing but the code and the words goes between them by other ways."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect
from tests.command.gateways import AGGREGATOR, UTILITY, here, served
from tests.command.test_office import with_office
from tests.command.test_onboarding import Capsys, inside, make_two, wait_open
from tests.portal.chromium import PATIENCE_MS, chromium, enter, needs_chromium, watched

pytestmark = needs_chromium


def code_of(directory: Path, person: str) -> str:
    return inside("person", "add", person, "--role", "admin", "--dir", directory).out.split()[0]


def said(page: Page, text: str) -> None:
    expect(page.get_by_role("status").filter(has_text=text)).to_be_visible(timeout=PATIENCE_MS)


def prove_until_done(page: Page) -> None:
    """A partner's gateway reads its partners again within a second: what was refused as a stranger's is sent again."""
    for _ in range(20):
        page.get_by_role("button", name="Send what is not proven").click()
        said(page, "Proving")
        page.wait_for_timeout(1500)
        page.reload()
        if (
            page.locator("#proof-part tbody tr").count()
            == page.locator("#proof-part .state.good").count()
            > 0
        ):
            return
    raise AssertionError(page.locator("#proof-part").inner_text())


def test_two_portals_become_partners(tmp_path: Path, capsys: Capsys) -> None:
    two = make_two(tmp_path, inside)
    u, a = two.utility, two.aggregator
    ports = {directory: with_office(directory) for directory in (u, a)}
    codes = {u: code_of(u, "ann"), a: code_of(a, "ben")}
    with served(u), served(a), chromium() as browser, watched(browser) as theirs, watched(browser) as ours:
        for port in ports.values():
            wait_open(port)
        utility, aggregator = ours.page(), theirs.page()
        enter(utility, f"http://localhost:{ports[u]}", codes[u])
        enter(aggregator, f"http://localhost:{ports[a]}", codes[a])
        utility.get_by_role("link", name="Partners", exact=True).click()
        expect(utility.get_by_text("There is no partner yet.")).to_be_visible()
        utility.get_by_role("link", name="New partners").click()
        utility.get_by_label("Their party id").fill(AGGREGATOR)
        utility.get_by_label("Base agreement").fill("DGS-1")
        utility.get_by_role("checkbox", name="DA", exact=True).check()
        utility.get_by_role("button", name="Make an invitation").click()
        said(utility, "Give them this code")
        (code,) = re.findall(r"shown again: (.+)$", utility.get_by_role("status").first.inner_text().strip())
        wait_open(two.door)
        aggregator.goto(f"http://localhost:{ports[a]}/partners/joining")
        aggregator.get_by_label("The code, as you got it").fill(code)
        aggregator.get_by_label("Who must it be from?").fill("somebody.example")
        theirs.expected.append("422")
        aggregator.get_by_role("button", name="Join").click()
        expect(aggregator.get_by_role("alert").filter(has_text="nothing was sent")).to_be_visible(
            timeout=PATIENCE_MS
        )
        aggregator.get_by_label("Who must it be from?").fill(UTILITY)
        aggregator.get_by_role("button", name="Join").click()
        said(aggregator, "Now compare the words")
        words = aggregator.locator(".words").inner_text()
        utility.reload()
        assert utility.locator(".words").inner_text() == words
        ours.expected.append("422")
        utility.get_by_label("What they read out").fill("quite other words")
        utility.get_by_role("button", name="They are the same").click()
        expect(utility.get_by_role("alert").filter(has_text="nobody may be trusted")).to_be_visible()
        for page in (utility, aggregator):
            page.get_by_label("What they read out").fill(words)
            page.get_by_role("button", name="They are the same").click()
            said(page, "Confirmed here")
        utility.get_by_role("button", name="Go live").click()
        expect(utility.get_by_role("alert").filter(has_text="not proven with")).to_be_visible()
        prove_until_done(utility)
        aggregator.reload()
        for page, partner in ((utility, AGGREGATOR), (aggregator, UTILITY)):
            page.get_by_role("button", name="Go live").click()
            said(page, "Live: business may begin.")
            expect(page.locator("code").filter(has_text=partner).first).to_be_visible()
        utility.on("dialog", lambda dialog: dialog.accept())
        utility.get_by_role("button", name="Suspend").click()
        said(utility, "Suspended: its parcels are refused")
        suspended = inside("partner", "show", AGGREGATOR, "--dir", u, "--json").json["suspended"]
        utility.wait_for_timeout(1500)  # a gateway reads its partners again within a second
        utility.reload()
        utility.get_by_role("button", name="End the suspension").click()
        said(utility, "No longer suspended.")
        assert suspended is True
    for directory, partner in ((u, AGGREGATOR), (a, UTILITY)):
        shown = here(capsys, "partner", "show", partner, "--dir", directory, "--json").json
        assert shown["state"] == "live"
        journal = here(capsys, "journal", "verify", "--dir", directory)
        assert journal.code == 0, journal.err
