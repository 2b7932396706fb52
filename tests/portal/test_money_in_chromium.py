"""Settlement, evidence, policy and upload in a real browser: a dispute walked through by both sides, files dropped and resumed;
each page free of errors, axe finds nothing, and it fits a telephone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_settle import EVENT_DAY, invoiced, settled
from tests.exchange.test_uploaded import CSV, notices
from tests.portal.chromium import (
    NARROW,
    PATIENCE_MS,
    WIDE,
    accessible,
    apart,
    chromium,
    enter,
    fits,
    needs_chromium,
    undoubled,
    watched,
)
from tests.portal.money_world import NAME, Office, Offices, offices
from tests.portal.visitors import person
from tests.portal.world import calling

from intertie.gateway.billing.billing_desk import find_item
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.ports import Query
from intertie.gateway.proving.export_evidence import export

pytestmark = needs_chromium
# Pictures of all pages go there, for people to look at: INTERTIE_PICTURES names a folder.
PICTURES = os.environ.get("INTERTIE_PICTURES", "")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Offices]:
    """Made in a thread of its own: this one belongs to the browser."""
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        yield pool.submit(lambda: stack.enter_context(offices(tmp_path))).result()


def void(made: object) -> None:
    """What was made is not wanted, only that it was."""


class Seat:
    """Somebody in front of one office."""

    def __init__(self, office: Office, page: Page, url: str, *roles: OfficeRole) -> None:
        self.office, self.page, self.url = office, page, url
        office.now = office.stage.now
        name = "-".join(("seat", *roles))
        enter(page, url, person(office, name, roles))
        page.on("dialog", lambda dialog: dialog.accept())

    def go(self, path: str) -> Page:
        self.page.goto(f"{self.url}{path}")
        return self.page

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()
        self.page.wait_for_load_state()


def looked_at(page: Page, what: str) -> None:
    """The page fits, is accessible in light and dark, wide and narrow; and its picture, if somebody wants one."""
    page.locator("html[data-ready=yes]").wait_for()
    for shape, size in (("wide", WIDE), ("narrow", NARROW)):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        for theme in ("light", "dark"):
            page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            fits(page, f"{what} {shape}")
            if PICTURES:
                page.screenshot(path=f"{PICTURES}/{what}-{shape}-{theme}.png", full_page=True)
            if shape == "wide":
                accessible(page, f"{what} {theme}")
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    page.evaluate("document.documentElement.dataset.theme = 'light'")


def test_a_dispute_is_walked_through_by_both_sides(browser: Browser, both: Offices) -> None:
    apart(lambda: void(invoiced(both.stage)))
    with calling(both.utility) as here, calling(both.aggregator) as there, watched(browser) as seen:
        ours = Seat(both.utility, seen.page(), here.replace("127.0.0.1", "localhost"), OfficeRole.SETTLEMENT)
        ours.page.get_by_role("link", name="Settlement", exact=True).click()
        ours.page.get_by_role("link", name="Invoices and ageing").click()
        ours.page.get_by_role("link", name="I-2026-01").click()
        looked_at(ours.page, "invoice")
        ours.page.get_by_role("link", name="Check it against our own readings").click()
        expect(ours.page.get_by_text(f"M-2/{EVENT_DAY}").first).to_be_visible()
        looked_at(ours.page, "check")
        ours.page.get_by_label("The dispute's name").fill("X-1")
        ours.press("Dispute these lines")
        expect(ours.page.get_by_text("X-1 is queued.")).to_be_visible()
        undoubled(ours.page, both.utility.gateway)
        apart(both.arrive)
    with calling(both.aggregator) as there, watched(browser) as seen:
        theirs = Seat(
            both.aggregator, seen.page(), there.replace("127.0.0.1", "localhost"), OfficeRole.SETTLEMENT
        )
        theirs.go("/settlement/ageing")
        looked_at(theirs.page, "ageing")
        theirs.page.get_by_role("link", name="X-1").click()
        looked_at(theirs.page, "dispute")
        theirs.page.get_by_label("Concede: each line stands at what was expected").check()
        theirs.page.get_by_label("A sentence for the partner").fill("You are right.")
        theirs.press("Answer")
        expect(theirs.page.get_by_text("The answer to X-1 is queued: conceded.")).to_be_visible()
        undoubled(theirs.page, both.aggregator.gateway)
        apart(both.arrive)
    [dispute] = both.stage.utility.book.disputes.values()
    assert dispute.state == "resolved"
    item = find_item(both.stage.utility, "I-2026-01")
    assert item.held == 0 and {str(line.line) for line in dispute.body.lines} == set(dispute.answers)


def test_a_call_is_drawn_and_its_line_explained(browser: Browser, both: Offices) -> None:
    apart(lambda: both.stage.done(*both.stage.utility.say(settled(both.stage, UTILITY).statement)))
    with calling(both.aggregator) as url, watched(browser) as seen:
        seat = Seat(both.aggregator, seen.page(), url.replace("127.0.0.1", "localhost"), OfficeRole.AUDITOR)
        seat.go("/settlement?month=2026-01")
        looked_at(seat.page, "calendar")
        seat.page.locator("a.call").click()
        figure = seat.page.locator("[data-plot][data-drawn='3']")
        figure.wait_for()
        expect(figure.get_by_text("Delivered (kWh)")).to_be_visible()
        looked_at(seat.page, "event")
        seat.page.get_by_role("link", name="Line 2 UTL").click()
        expect(seat.page.get_by_text("to the cent")).to_be_visible()
        looked_at(seat.page, "line")
        seat.page.get_by_role("link", name=f"All of {NAME}").click()
        looked_at(seat.page, "statement")
        seat.page.get_by_role("link", name="Compare with our own readings").click()
        expect(seat.page.get_by_text("Equal to the cent")).to_be_visible()
        looked_at(seat.page, "shadow")
        seat.go(f"/settlement/{UTILITY}")
        looked_at(seat.page, "statements")
        seat.go(f"/settlement/{UTILITY}/draft?deal=NWS-1&month=2026-01")
        looked_at(seat.page, "draft")


def test_the_keyboard_is_enough_to_reach_a_call(browser: Browser, both: Offices) -> None:
    with calling(both.utility) as url, watched(browser) as seen:
        seat = Seat(both.utility, seen.page(), url.replace("127.0.0.1", "localhost"), OfficeRole.AUDITOR)
        seat.go("/settlement?month=2026-01")
        for _ in range(60):
            seat.page.keyboard.press("Tab")
            if seat.page.evaluate("document.activeElement.classList.contains('call')"):
                break
        seat.page.keyboard.press("Enter")
        expect(seat.page.get_by_role("heading", name="Call D-")).to_be_visible()


def test_evidence_is_dropped_and_policy_derived(browser: Browser, both: Offices, tmp_path: Path) -> None:
    gateway = both.utility.gateway
    [row, *_] = [row for row in gateway.store.messages(Query(outgoing=True, limit=5)) if row.parcel]
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_bytes(export(gateway, row.id, both.stage.now))
    bad.write_bytes(good.read_bytes().replace(b'"receipt"', b'"reciept"'))
    with calling(both.utility) as url, watched(browser) as seen:
        seat = Seat(both.utility, seen.page(), url.replace("127.0.0.1", "localhost"), OfficeRole.AUDITOR)
        seat.page.get_by_role("link", name="Evidence", exact=True).click()
        looked_at(seat.page, "evidence")
        seat.page.get_by_label("Evidence file").set_input_files(good)
        seat.press("Check it")
        expect(seat.page.get_by_role("status")).to_contain_text("It verifies")
        looked_at(seat.page, "verified")
        seat.page.get_by_role("link", name="Check another").click()
        seat.page.get_by_label("Evidence file").set_input_files(bad)
        seat.press("Check it")
        expect(seat.page.get_by_role("status")).to_contain_text("does not verify")
        seat.go("/evidence")
        seat.page.get_by_label("Prove that a message is in it").fill(row.id)
        seat.press("Prove")
        expect(seat.page.get_by_text("each proof was checked")).to_be_visible()
        looked_at(seat.page, "included")
        seat.go("/evidence/journal")
        looked_at(seat.page, "journal")
        seat.page.get_by_role("link", name="Policy", exact=True).click()
        looked_at(seat.page, "policy")
        seat.page.get_by_role("link", name="invoice", exact=True).first.click()
        expect(seat.page.get_by_text("Protection must reach").first).to_be_visible()
        looked_at(seat.page, "derivation")


class Broken:
    """A line that breaks under the second piece, twice."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, route: Route) -> None:
        self.seen += 1
        if self.seen in (2, 3):
            route.abort("connectionreset")
        else:
            route.continue_()


def test_a_file_is_brought_in_pieces_over_a_line_that_breaks(
    browser: Browser, both: Offices, tmp_path: Path
) -> None:
    lines = [
        b"M1,2026-01-%02dT%02d:00:00-05:00,1.5\n" % (day, hour) for day in range(1, 13) for hour in range(24)
    ]
    file = tmp_path / "readings.csv"
    file.write_bytes(
        CSV.splitlines(keepends=True)[0].replace(b"value", b"value,minutes")
        + b"".join(line.replace(b"\n", b",60\n") for line in lines)
    )
    with calling(both.utility) as url, watched(browser) as seen:
        seen.expected.append("ERR_CONNECTION_RESET")
        seat = Seat(both.utility, seen.page(), url.replace("127.0.0.1", "localhost"), OfficeRole.SETTLEMENT)
        page = seat.go("/upload")
        looked_at(page, "upload")
        page.evaluate("document.querySelector('[data-upload]').dataset.piece = '2000'")
        line = Broken()
        page.route("**/piece", line)
        page.get_by_label("File", exact=True).set_input_files(file)
        page.get_by_role("button", name="Bring it").click()
        expect(page.get_by_text("12 meter days")).to_be_visible(timeout=PATIENCE_MS)
        assert line.seen >= file.stat().st_size // 2000
        looked_at(page, "upload-file")
        seat.press("Keep them")
        expect(page.get_by_text("12 meter days kept.")).to_be_visible()
        looked_at(page, "upload-done")
    assert len([row for row in both.stage.sides[UTILITY].rows() if row[1] == "M1"]) == 12


def test_a_file_that_was_left_half_way_goes_on_later(browser: Browser, both: Offices, tmp_path: Path) -> None:
    file = tmp_path / "notices.json"
    file.write_bytes(notices(*(f"O-{number}" for number in range(20))))
    with calling(both.utility) as url, watched(browser) as seen:
        seat = Seat(both.utility, seen.page(), url.replace("127.0.0.1", "localhost"), OfficeRole.OPERATOR)
        store = both.utility.office.beside.files()
        begun: Any = store.begin("seat-operator", "notices.json", file.stat().st_size, both.stage.now)
        store.add("seat-operator", begun.id, 0, file.read_bytes()[:700])
        page = seat.go("/upload")
        page.get_by_role("link", name="notices.json").click()
        looked_at(page, "upload-part")
        other = tmp_path / "other.json"
        other.write_bytes(b"{}")
        page.get_by_label("The same file").set_input_files(other)
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_text("This is another file")).to_be_visible()
        page.get_by_label("The same file").set_input_files(file)
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_text("20 of it can be read")).to_be_visible()
        page.locator("select[name=partner]").first.select_option(AGGREGATOR)
        seat.press("Send")
        expect(page.get_by_role("status")).to_contain_text("queued")


def test_without_the_script_a_file_is_brought_all_the_same(
    browser: Browser, both: Offices, tmp_path: Path
) -> None:
    file = tmp_path / "sheet.xlsx"
    file.write_bytes(b"PK\x03\x04 a sheet")
    with calling(both.utility) as url, watched(browser, java_script_enabled=False) as seen:
        seat = Seat(both.utility, seen.page(), url.replace("127.0.0.1", "localhost"), OfficeRole.OPERATOR)
        page = seat.go("/upload")
        page.get_by_label("File", exact=True).set_input_files(file)
        page.get_by_role("button", name="Bring it").click()
        expect(page.get_by_text("Save the sheet as CSV; unpack an archive.")).to_be_visible()
        page.get_by_role("button", name="Forget it").click()
        expect(page.get_by_text("The file is forgotten.")).to_be_visible()
