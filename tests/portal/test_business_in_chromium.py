"""Business in two browsers, each act once: availability, a need, an offer and its award; a month stated, invoiced and paid."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.trade_stage import HOUR, P7, dealt
from tests.portal.chromium import accessible, apart, chromium, enter, needs_chromium, undoubled, watched
from tests.portal.money_world import NAME, Offices, offices
from tests.portal.two_portals import Desk, Portals, portals
from tests.portal.visitors import person
from tests.portal.world import World, calling

from intertie.gateway.billing.billing_desk import find_item
from intertie.gateway.office.api_keys import OfficeRole
from intertie.market.offer_state import NeedPhase, OfferPhase

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Portals]:
    """A deal, and nothing more."""
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        made = pool.submit(dealt).result()
        yield stack.enter_context(portals(tmp_path, made))


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Offices]:
    """Made in a thread of its own: this one belongs to the browser."""
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        yield pool.submit(lambda: stack.enter_context(offices(tmp_path))).result()


class Seat:
    """Somebody at a portal."""

    def __init__(self, world: World, now: datetime, page: Page, url: str, role: OfficeRole) -> None:
        self.gateway, self.page, self.url = world.gateway, page, url.replace("127.0.0.1", "localhost")
        world.now = now
        page.on("dialog", lambda dialog: dialog.accept())
        enter(page, self.url, person(world, f"{role}-{now:%d%H%M%S}", [role]))

    def go(self, path: str) -> Page:
        self.page.goto(f"{self.url}{path}")
        return self.page

    def press(self, button: str, says: str) -> None:
        """An act: it is said, the page that says it is accessible, and neither reload nor the way back does it again."""
        self.page.get_by_role("button", name=button, exact=True).click()
        expect(self.page.get_by_role("status").filter(has_text=says)).to_be_visible()
        accessible(self.page, button)
        undoubled(self.page, self.gateway)


@contextlib.contextmanager
def seat(
    browser: Browser, world: World, now: datetime, role: OfficeRole = OfficeRole.SETTLEMENT
) -> Iterator[Seat]:
    with calling(world) as url, watched(browser, bypass_csp=True) as seen:
        yield Seat(world, now, seen.page(), url, role)


def at_desk(browser: Browser, desk: Desk, role: OfficeRole) -> contextlib.AbstractContextManager[Seat]:
    return seat(browser, desk.world, desk.stage.now, role)


def typed(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M")


def test_availability_is_declared_seen_and_taken_back(browser: Browser, at: Portals) -> None:
    stage = at.stage
    start = stage.now.replace(minute=0, second=0, microsecond=0) + HOUR
    with at_desk(browser, at.aggregator, OfficeRole.OPERATOR) as mine:
        page = mine.go("/feeder/availability")
        page.locator("#d-point").select_option(P7)
        page.locator("#d-kw").fill("12")
        page.locator("#d-starts").fill(typed(start))
        page.locator("#d-ends").fill(typed(start + HOUR))
        mine.press("Declare", f"Declared for {P7}")
    apart(stage.settle_soon)
    with at_desk(browser, at.utility, OfficeRole.OPERATOR) as theirs:
        row = theirs.go("/feeder/availability").locator("#declared-part tbody tr")
        expect(row).to_have_count(1)
        expect(row).to_contain_text("12 kW")
        accessible(theirs.page, "/feeder/availability")
    stage.now += timedelta(minutes=1)
    with at_desk(browser, at.aggregator, OfficeRole.OPERATOR) as mine:
        page = mine.go("/feeder/availability")
        page.get_by_role("button", name=f"Take back {P7}").click()
        expect(page.get_by_role("status").filter(has_text=f"Taken back for {P7}")).to_be_visible()
        undoubled(page, mine.gateway)
    apart(stage.settle_soon)
    with at_desk(browser, at.utility, OfficeRole.AUDITOR) as theirs:
        expect(theirs.go("/feeder/availability").locator("#declared-part")).to_contain_text("taken back")


def test_a_need_is_asked_for_offered_and_awarded(browser: Browser, at: Portals) -> None:
    stage = at.stage
    start = stage.now.replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
    gate = start - timedelta(days=1)
    with at_desk(browser, at.utility, OfficeRole.TRADER) as ours:
        ours.go("/market").get_by_role("link", name="Ask for power").first.click()
        page = ours.page
        page.get_by_label("Its name").fill("N-7")
        page.get_by_label("Points, divided by commas").fill(P7)
        page.get_by_label("kW (one value").fill("5")
        page.get_by_label("From (UTC)").fill(typed(start))
        page.get_by_label("Until (UTC)").fill(typed(start + HOUR))
        page.get_by_label("The gate closes (UTC)").fill(typed(gate))
        ours.press("Publish", "N-7: Queued for")
    apart(stage.settle_soon)
    with at_desk(browser, at.aggregator, OfficeRole.TRADER) as theirs:
        theirs.go("/market?need=N-7").get_by_role("link", name="Offer to").first.click()
        page = theirs.page
        page.get_by_label("Its name").fill("O-7")
        page.get_by_label("kW (one value").first.fill("5")
        page.get_by_label("Price per kWh").first.fill("0.40")
        theirs.press("Offer", "O-7")
    apart(stage.settle_soon)
    assert stage.books().offers.offers["O-7"].phase is OfferPhase.OPEN
    stage.now = gate + timedelta(minutes=20)
    with at_desk(browser, at.utility, OfficeRole.TRADER) as ours:
        ours.go("/market/award?need=N-7")
        ours.press("Award it like this", "Awarded: 1 told")
    apart(stage.settle_soon)
    book = stage.books().offers
    assert book.offers["O-7"].phase is OfferPhase.ORDERED and book.needs["N-7"].phase is NeedPhase.DECIDED


def test_a_month_is_stated_invoiced_and_paid(browser: Browser, both: Offices) -> None:
    now, invoice = both.stage.now, f"I-{NAME}"
    with seat(browser, both.utility, now) as ours:
        ours.go(f"/settlement/{AGGREGATOR}/draft?deal=NWS-1&month=2026-01")
        ours.press("Send the statement", "queued")
    apart(both.arrive)
    with seat(browser, both.aggregator, now + timedelta(seconds=1)) as theirs:
        theirs.go(f"/settlement/{UTILITY}").get_by_role("link", name=NAME).first.click()
        theirs.press("Send the invoice for it", f"The invoice for {NAME} is queued.")
    apart(both.arrive)
    with seat(browser, both.utility, now + timedelta(seconds=2)) as ours:
        page = ours.go(f"/settlement/{AGGREGATOR}/invoices/{invoice}")
        page.get_by_label("The bank's trace number").fill("T-1")
        ours.press("It was paid", "queued")
    apart(both.arrive)
    with seat(browser, both.aggregator, now + timedelta(seconds=3), OfficeRole.AUDITOR) as theirs:
        theirs.go("/settlement/ageing")
        expect(theirs.page.get_by_text("settled").first).to_be_visible()
    item = find_item(both.stage.aggregator, invoice)
    assert item.state == "settled" and [one.amount for one in item.payments] == [item.amount]
