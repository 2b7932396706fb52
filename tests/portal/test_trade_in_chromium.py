"""The pages of the trade in a real browser: a dispatcher's walk from the feeder to an outage and a dispatch, a need from its gate
to its award, the same by a partner's eyes; live, once, without script, accessible."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.exchange.test_acts_dispatch import QUARTER
from tests.exchange.test_simulate import Keys
from tests.exchange.trade_stage import MINUTE, NWS, P7, Stage, kw
from tests.portal.busy_stage import SEALED, busy
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
from tests.portal.two_portals import Desk, Portals, portals
from tests.portal.visitors import person
from tests.portal.world import calling

from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.trading import trade_dispatch
from intertie.gateway.trading.open_offers import open_sealed
from intertie.market.dispatch_state import State
from intertie.market.offer_state import OfferPhase

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def at(tmp_path: Path, keys: Keys) -> Iterator[Portals]:
    """A trade in which a lot is going on."""
    made: list[Stage] = []
    apart(lambda: made.append(busy(keys)))
    with portals(tmp_path, made[0], keys) as both:
        yield both


@pytest.fixture
def utility(at: Portals) -> Iterator[str]:
    with calling(at.utility.world) as url:
        yield url.replace("127.0.0.1", "localhost")


@pytest.fixture
def aggregator(at: Portals) -> Iterator[str]:
    with calling(at.aggregator.world) as url:
        yield url.replace("127.0.0.1", "localhost")


def come_in(page: Page, url: str, desk: Desk, *roles: OfficeRole) -> None:
    """Somebody new signs in."""
    desk.world.now = desk.stage.now
    page.on("dialog", lambda dialog: dialog.accept())
    name = f"person-{len(desk.world.people.people())}"
    enter(page, url, person(desk.world, name, roles))


def picture(page: Page) -> str:
    return page.locator("#now").inner_text()


def test_from_the_slider_to_an_outage_that_is_acknowledged(
    browser: Browser, at: Portals, utility: str
) -> None:
    with watched(browser) as seen:
        page = seen.page()
        come_in(page, utility, at.utility, OfficeRole.OPERATOR)
        page.goto(f"{utility}/feeder")
        expect(page.locator("svg.feeder circle")).to_have_count(2)
        assert "OUT-1" in picture(page)
        late = page.locator("#quarter")
        late.fill("80")  # eight in the evening: supply is back by then
        expect(page.locator("#now")).to_contain_text("0 without supply")
        expect(page.locator("#at")).to_contain_text("20:00")
        assert page.url.endswith("/feeder")
        page.get_by_label(f"{P7} is out").check()
        page.get_by_role("button", name="Tell of an outage there").click()
        expect(page.get_by_role("heading", name="What it would reach")).to_be_visible()
        expect(page.get_by_text(f"deal {NWS}")).to_be_visible()
        page.get_by_label("Its name").fill("OUT-2")
        page.get_by_label("Cause").select_option("vehicle")
        page.get_by_role("button", name="Tell", exact=True).click()
        expect(page.get_by_role("status").filter(has_text="OUT-2: Queued for")).to_be_visible()
        row = page.locator("tr").filter(has_text="OUT-2")
        expect(row).to_contain_text("not yet")
        apart(at.stage.settle_soon)
        expect(row).to_contain_text("acknowledged since", timeout=PATIENCE_MS)
        undoubled(page, at.utility.world.gateway)
    assert set(at.stage.books().grid.outages) == {"OUT-1", "OUT-2"}


def test_a_call_and_its_plot_as_it_runs(browser: Browser, at: Portals, utility: str) -> None:
    stage = at.stage
    with watched(browser) as seen:
        page = seen.page()
        come_in(page, utility, at.utility, OfficeRole.OPERATOR)
        page.goto(f"{utility}/dispatch")
        page.get_by_role("button", name="Compose a call").click()
        expect(page.locator("#limits-part")).to_contain_text("20 kW at any time")
        seen.expected.append("422")
        page.get_by_label("kW (one value").fill("21")
        page.get_by_role("button", name="Send the call").click()
        expect(page.get_by_role("alert").filter(has_text="dispatch.above_contracted")).to_be_visible()
        expect(page.get_by_label("kW (one value")).to_have_value("21")
        page.get_by_label("kW (one value").fill("5")
        page.get_by_role("button", name="Send the call").click()
        expect(page.get_by_role("status").filter(has_text="Called: D-")).to_be_visible()
        undoubled(page, at.utility.world.gateway)
        apart(stage.settle_soon)
        expect(page.locator("#went")).to_contain_text("waiting")
        running = next(name for name, one in stage.books().dispatches.items() if one.started is not None)
        page.goto(f"{utility}/dispatch/one?dispatch={running}")
        figure = page.locator("figure.plot")
        expect(figure).to_have_attribute("data-drawn", re.compile("[0-9]+"))
        values = "document.querySelector('figure.plot').plot.data[3].filter((v) => v !== null)"
        before = page.evaluate(values)

        def measured() -> None:
            begun = stage.books().dispatches[running].instruction.window.start
            stage.done(
                trade_dispatch.measure(stage.aggregator, running, kw(begun + QUARTER, 3.9, step=MINUTE))
            )

        apart(measured)
        for _ in range(PATIENCE_MS // 100):  # the page's policy lets nobody wait by a script of his own
            if len(page.evaluate(values)) > len(before):
                break
            page.wait_for_timeout(100)
        assert page.evaluate(values)[-1] == 3.9
        page.get_by_label("Why").select_option("forecast_changed")
        page.get_by_role("button", name="Stop it").click()
        expect(page.get_by_role("status").filter(has_text="Stopped")).to_be_visible()
        undoubled(page, at.utility.world.gateway)
        apart(stage.settle_soon)
        expect(page.locator("#went")).to_contain_text("cancelled", timeout=PATIENCE_MS)
    assert stage.books().dispatches[running].state is State.CANCELLED and len(stage.books().dispatches) == 3


def test_an_aggregator_answers_reports_and_decides(browser: Browser, at: Portals, aggregator: str) -> None:
    stage = at.stage
    waits = next(name for name, one in stage.books().dispatches.items() if one.state is State.ISSUED)
    with watched(browser) as seen:
        page = seen.page()
        come_in(page, aggregator, at.aggregator, OfficeRole.OPERATOR, OfficeRole.TRADER)
        page.goto(f"{aggregator}/")
        page.get_by_role("link", name=f"Dispatch {waits} waits for our answer").click()
        page.get_by_label("partial", exact=True).check()
        page.get_by_label("Of a part").fill("2")
        page.get_by_label("Why not all of it").select_option("asset_outage")
        page.get_by_role("button", name="Answer", exact=True).click()
        expect(page.get_by_role("status").filter(has_text="Answered: partial.")).to_be_visible()
        undoubled(page, at.aggregator.world.gateway)
        page.goto(f"{aggregator}/market")
        page.get_by_role("button", name="Decline C-U-1-1").click()
        expect(page.get_by_role("status").filter(has_text="C-U-1-1 is declined.")).to_be_visible()
        undoubled(page, at.aggregator.world.gateway)
        page.goto(f"{aggregator}/outages")
        page.get_by_text("A-1 is back").click()
        page.get_by_role("button", name="They are back").click()
        expect(page.get_by_role("status").filter(has_text="the DERs are back")).to_be_visible()
        undoubled(page, at.aggregator.world.gateway)
    apart(stage.settle_soon)
    book = stage.books()
    assert book.dispatches[waits].state is State.PARTIAL and book.grid.assets["A-1"].state == "back"


def test_a_sealed_need_counts_down_opens_and_is_awarded(
    browser: Browser, at: Portals, utility: str, keys: Keys
) -> None:
    stage = at.stage
    with watched(browser) as seen:
        page = seen.page()
        come_in(page, utility, at.utility, OfficeRole.TRADER)
        page.goto(f"{utility}/market?need={SEALED}")
        left = page.locator("strong.left").first
        expect(left).to_have_text(re.compile(r"^\d+:\d\d:\d\d$"))
        first = left.inner_text()
        expect(left).not_to_have_text(first, timeout=PATIENCE_MS)
        expect(page.locator("#offers-list")).to_contain_text("sealed as")
        assert "0.43" not in page.content()

        def opened() -> None:
            need = stage.books().offers.needs[SEALED].need
            stage.now = need.gate_closes + timedelta(minutes=20)
            open_sealed(stage.aggregator.gateway, keys, stage.now)
            stage.settle_soon()
            stage.now = max(stage.now, need.keys_by or stage.now) + MINUTE

        apart(opened)
        assert stage.books().offers.offers["O-1"].phase is OfferPhase.OPEN
    with watched(browser) as seen:
        page = seen.page()
        come_in(page, utility, at.utility, OfficeRole.TRADER)
        page.goto(f"{utility}/")
        page.get_by_role("link", name=f"Need {SEALED} waits for its award").click()
        expect(page.locator("#offers-list")).to_contain_text("0.43 USD/kWh")
        page.get_by_role("link", name="Award it").click()
        page.get_by_role("button", name="Award it like this").click()
        expect(page.get_by_role("status").filter(has_text="Awarded: 1 told")).to_be_visible()
        undoubled(page, at.utility.world.gateway)
        apart(stage.settle_soon)
    assert stage.books().offers.offers["O-1"].phase is OfferPhase.ORDERED


def test_ders_are_decided_by_keyboard_and_without_script(browser: Browser, at: Portals, utility: str) -> None:
    with watched(browser, java_script_enabled=False) as seen:
        page = seen.page()
        come_in(page, utility, at.utility, OfficeRole.TRADER)
        page.goto(f"{utility}/feeder?quarter=80")
        expect(page.locator("#now")).to_contain_text("0 without supply")
        page.goto(f"{utility}/registration?standing=offered")
        for name in ("DER-4", "DER-5"):
            box = page.get_by_role("checkbox", name=name)
            box.focus()
            page.keyboard.press("Space")
            expect(box).to_be_checked()
        page.get_by_role("button", name="Decide").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_text("2 DERs are accepted, as soon as")).to_be_visible()
    apart(at.stage.settle_soon)
    (line,) = at.stage.books().registry.values()
    assert line.ders["DER-4"][-1].standing == "accepted" == line.ders["DER-5"][-1].standing  # type: ignore[index]


def test_axe_finds_nothing_and_every_page_fits(
    browser: Browser, at: Portals, utility: str, aggregator: str
) -> None:
    """In the dark those pages that have colours of their own; the words are the same."""
    ran, waits = at.stage.books().dispatches
    drawn = ["/feeder", "/market", "/dispatch", f"/dispatch/one?dispatch={ran}"]
    ours = [*drawn, "/registration", "/registration/der?aggregation=AGG&der=DER-6", "/outages"]
    ours += [f"/market/need?need={SEALED}", f"/market/award?need={SEALED}", f"/dispatch/call?deal={NWS}"]
    ours += [f"/outages/new?point={P7}&section=F12-S2"]
    theirs = [f"/market?need={SEALED}", f"/market/offer?need={SEALED}", "/market/offer", "/outages/ders"]
    theirs += [f"/dispatch/one?dispatch={waits}"]
    for url, desk, scheme, paths in (
        (utility, at.utility, "light", ours),
        (aggregator, at.aggregator, "light", theirs),
        (aggregator, at.aggregator, "dark", drawn),
    ):
        with watched(browser, color_scheme=scheme, bypass_csp=True) as seen:
            page = seen.page()
            come_in(page, url, desk, *OfficeRole)
            for path in paths:
                page.set_viewport_size(WIDE)
                page.goto(url + path)
                page.wait_for_selector("html[data-ready]")
                accessible(page, path)
                page.set_viewport_size(NARROW)
                fits(page, path)
