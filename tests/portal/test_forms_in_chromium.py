"""The forms that change what runs, in a real browser: filled in, sent once, without an error of the console; axe finds nothing,
and each page fits a telephone."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect
from tests.command.gateways import make_pair
from tests.exchange.espi_world import SCOPE
from tests.exchange.test_espi_customers import OAUTH
from tests.exchange.test_espi_customers import House as CustomersHouse
from tests.exchange.trade_stage import AGG, dealt
from tests.portal.chromium import (
    NARROW,
    WIDE,
    accessible,
    apart,
    chromium,
    enter,
    fits,
    needs_chromium,
    watched,
)
from tests.portal.test_auditing_pages import opened
from tests.portal.test_dispatch_page import one
from tests.portal.test_dispatch_say import agreed, known
from tests.portal.test_money_by_hand import charged
from tests.portal.test_money_in_chromium import looked_at
from tests.portal.test_own_keys_page import House
from tests.portal.two_portals import Desk, Portals, portals
from tests.portal.visitors import person
from tests.portal.world import calling

from intertie.bindings.parcel_https.serving import QuietServer
from intertie.gateway.office.api_keys import OfficeRole

pytestmark = needs_chromium
T = TypeVar("T")
OPERATOR, TRADER, SETTLEMENT = OfficeRole.OPERATOR, OfficeRole.TRADER, OfficeRole.SETTLEMENT


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def aside(make: Callable[[], T]) -> T:
    """Made in a thread of its own: this one belongs to the browser."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(make).result()


@contextlib.contextmanager
def at_desk(browser: Browser, desk: Desk, *roles: OfficeRole) -> Iterator[tuple[Page, str]]:
    """Somebody of these roles in front of a portal, who says yes to every question."""
    desk.world.now = desk.stage.now
    code = aside(lambda: person(desk.world, "-".join(("walks", *roles)), roles))
    with calling(desk.world) as url, watched(browser) as seen:
        page, here = seen.page(), url.replace("127.0.0.1", "localhost")
        page.on("dialog", lambda dialog: dialog.accept())
        enter(page, here, code)
        yield page, here


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    expect(page.get_by_role("status")).to_be_visible()


def test_a_running_call_is_changed_measured_and_its_ders_suspended(browser: Browser, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        both: Portals = aside(lambda: stack.enter_context(portals(tmp_path, dealt())))
        name = aside(lambda: agreed(both))
        both.stage.now = known(both, name).instruction.window.start
        with at_desk(browser, both.utility, OPERATOR, TRADER) as (page, url):
            page.goto(url + one(name))
            looked_at(page, "dispatch-change")
            page.locator("#change-kw").fill("5, 4")
            press(page, "Change the call")
            page.reload()
            apart(both.stage.settle_soon)
            assert known(both, name).instruction.target_kw.values == (5000, 4000)
            page.goto(f"{url}/registration/der?aggregation={AGG}&der=DER-2")
            page.get_by_label("Why").select_option("telemetry_lost")
            press(page, "Suspend")
            apart(both.stage.settle_soon)
            page.goto(f"{url}/registration/der?aggregation={AGG}&der=DER-2")
            looked_at(page, "der-suspended")
            page.goto(f"{url}/registration")
            looked_at(page, "registration-suspensions")
            suspension = next(iter(both.stage.books().registry[AGG].suspensions))
            press(page, f"Resume {suspension}")
            apart(both.stage.settle_soon)
        with at_desk(browser, both.aggregator, OPERATOR, TRADER) as (page, url):
            page.goto(url + one(name))
            looked_at(page, "dispatch-measure")
            page.locator("#measure-kw").fill("4.9, -")
            press(page, "Send what was measured")
            apart(both.stage.settle_soon)
            assert known(both, name).telemetry[-1].power_kw.values == (4900, None)
            page.goto(f"{url}/feeder")
            page.get_by_role("link", name="Availability", exact=True).click()
            looked_at(page, "availability")
            page.locator("#d-kw").fill("7.5")
            press(page, "Declare")
            apart(both.stage.settle_soon)
            page.reload()
            looked_at(page, "availability-declared")
            page.get_by_role("button", name="Take back").first.click()
            expect(page.get_by_role("status")).to_contain_text("Taken back")


def test_money_by_hand(browser: Browser, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        both: Portals = aside(lambda: stack.enter_context(portals(tmp_path, charged("100.00", "20.00"))))
        with at_desk(browser, both.aggregator, SETTLEMENT) as (page, url):
            at = f"{url}/settlement/{both.aggregator.them}"
            page.goto(f"{at}/charge")
            for part, value in (
                ("text", "Meter data"),
                ("quantity", "12"),
                ("unit", "month"),
                ("rate", "0.355"),
            ):
                page.get_by_label(f"line 1, {part}").fill(value)
            page.get_by_role("button", name="Work it out").click()
            expect(page.get_by_text("4.26").first).to_be_visible()
            looked_at(page, "charge")
            press(page, "Send the invoice")
            page.go_back()
            page.goto(f"{at}/interest")
            looked_at(page, "interest")
            page.goto(f"{at}/invoices/I-S-1")
            looked_at(page, "invoice-credit")
            page.locator("#f-line-2").fill("5")
            press(page, "Lower it")
            apart(both.stage.settle_soon)
            assert str(both.stage.books().accounts.items["I-S-1"].open) == "115.00"
            page.goto(f"{at}/account")
            looked_at(page, "account")


def test_audit_renewal_and_keys(browser: Browser, tmp_path: Path) -> None:
    world, _ = aside(lambda: opened(tmp_path / "office"))
    code = aside(lambda: person(world, "audits", [OfficeRole.AUDITOR]))
    with calling(world) as url, watched(browser) as seen:
        page, here = seen.page(), url.replace("127.0.0.1", "localhost")
        enter(page, here, code)
        page.goto(f"{here}/evidence")
        page.get_by_role("link", name="Audit journals").click()
        page.get_by_role("button", name="Audit", exact=True).click()
        expect(page.get_by_role("status")).to_contain_text("Nothing was rewritten")
        looked_at(page, "audit")
        page.goto(f"{here}/evidence/renewal")
        looked_at(page, "renewal")
    aside(world.close)
    directory, _ = aside(lambda: make_pair(tmp_path))
    with closing(aside(lambda: House(directory, tmp_path / "keys-office"))) as house:
        code = aside(lambda: person(house.world, "turns", [OfficeRole.ADMIN]))
        with calling(house.world) as url, watched(browser) as seen:
            page, here = seen.page(), url.replace("127.0.0.1", "localhost")
            page.on("dialog", lambda dialog: dialog.accept())
            enter(page, here, code)
            page.goto(f"{here}/settings")
            page.get_by_role("link", name="Our keys").click()
            page.get_by_label("from an external authority").check()
            page.get_by_role("button", name="Make the next generation").click()
            expect(page.get_by_role("status")).to_contain_text("Generation 2 waits")
            looked_at(page, "own-keys")
            assert house.numbers() == [1, 2]


def test_a_customer_answers_a_third_party_and_ends_it_later(browser: Browser, tmp_path: Path) -> None:
    """At the custodian's own door; a page of another origin stands in for the third party's."""
    with door(tmp_path) as (house, url), watched(browser) as seen:
        page = seen.page()
        seen.expected.append("422")  # a wrong code, and an answer without a meter
        app = url.replace("localhost", "127.0.0.1") + f"{OAUTH}/customer"  # another origin
        application, _ = house.grants.add_application("Sun App", [app], None, SCOPE, house.now)
        code, again = house.code("C-1", "M1", "M2"), house.code("C-1", "M1", "M2")
        asks = {
            "response_type": "code",
            "client_id": application.id,
            "redirect_uri": app,
            "state": "s/1",
        }
        page.goto(f"{url}{OAUTH}/authorize?{urlencode(asks)}")
        expect(page.get_by_role("heading", name="Sun App asks for your meter readings")).to_be_visible()
        plain(page, "asked, by nobody known")
        page.get_by_label("Your code").fill("WRONG")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("does not let you in")
        page.get_by_label("Your code").fill(code)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Your answer")).to_be_visible()
        plain(page, "asked")
        page.get_by_role("button", name="I agree").click()
        expect(page.get_by_role("alert")).to_contain_text("Choose one at least")
        page.get_by_label("M1").check()
        page.get_by_label("For how long").select_option("90 days")
        page.get_by_role("button", name="I agree").click()
        page.wait_for_url(f"{app}?**")
        back = parse_qs(urlsplit(page.url).query)
        assert back["state"] == ["s/1"] and back["code"]
        page.reload()
        (one,) = house.book.consents(application.id)
        assert one.meters == ("M1",)
    with door(tmp_path) as (house, url), watched(browser, color_scheme="dark") as seen:
        page = seen.page()
        page.goto(f"{url}{OAUTH}/customer")
        plain(page, "customer, by nobody known")
        page.get_by_label("Your code").fill(again)
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("button", name="Leave")).to_be_visible()
        plain(page, "consents")
        page.get_by_role("button", name="End it").click()
        expect(page.get_by_role("status")).to_contain_text("nothing more is given")
        plain(page, "ended")
        assert next(iter(house.book.consents(application.id))).revoked is not None


@contextlib.contextmanager
def door(folder: Path) -> Iterator[tuple[CustomersHouse, str]]:
    """A custodian's door on a socket of this machine."""
    house: CustomersHouse = aside(lambda: CustomersHouse(folder))
    config = uvicorn.Config(house.door, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    server = QuietServer(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield house, f"http://localhost:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


def plain(page: Page, what: str) -> None:
    """axe finds nothing, and the page fits a telephone."""
    accessible(page, what)
    page.set_viewport_size(NARROW)
    fits(page, what)
    page.set_viewport_size(WIDE)
