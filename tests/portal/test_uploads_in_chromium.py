"""A good and a broken file of each format, brought in a real browser: looked at, done with once, or told what to mend."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, expect
from tests.exchange.file_world import Two
from tests.exchange.house import AGGREGATOR, UTILITY, Wire, make_pair
from tests.exchange.test_deliver import declare
from tests.exchange.test_readings import said
from tests.exchange.test_uploaded import put_down, run
from tests.portal.chromium import (
    Watched,
    accessible,
    apart,
    chromium,
    enter,
    fits,
    needs_chromium,
    undoubled,
    watched,
)
from tests.portal.money_world import offices
from tests.portal.visitors import person
from tests.portal.world import World, calling
from tests.unit.formats.espi_world import series, written

from intertie.gateway.gateway import Gateway
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.office_beside import Beside
from intertie.gateway.ports import Query
from intertie.model.errors import PartnerError
from intertie.model.metering import MeterReadingSet
from intertie.seal.key_port import KekOf
from intertie.stores.uploaded_files import UploadedFiles

pytestmark = needs_chromium
# In the zone of the contract.
MIDNIGHT = datetime(2026, 1, 10, 5, tzinfo=UTC)
READINGS_CSV = b"meter,start,value,minutes\n" + b"".join(
    b"M7,2026-01-10T%02d:00:00-05:00,1.5,60\n" % hour for hour in range(24)
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


class Visit:
    """Somebody who brings files to an office."""

    def __init__(self, world: World, seen: Watched, url: str, folder: Path, role: OfficeRole) -> None:
        self.world, self.seen, self.url, self.folder = world, seen, url, folder
        self.page = page = seen.page()
        page.on("dialog", lambda dialog: dialog.accept())
        enter(page, url, person(world, "ann", [role]))

    def bring(self, name: str, content: bytes) -> None:
        """A file is chosen, comes, and is looked at."""
        file = self.folder / name
        file.write_bytes(content)
        self.page.goto(f"{self.url}/upload")
        self.page.get_by_label("File", exact=True).set_input_files(file)
        self.page.get_by_role("button", name="Bring it").click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text(name)
        accessible(self.page, name)
        fits(self.page, name)

    def do(self, button: str, says: str) -> None:
        """What is right with it is done, once."""
        self.page.get_by_role("button", name=button, exact=True).click()
        expect(self.page.get_by_role("status").filter(has_text=says)).to_be_visible()
        accessible(self.page, button)
        undoubled(self.page, self.world.gateway)

    def wrong(self, says: str) -> None:
        """The page says where, what and why, and what to do."""
        row = self.page.locator("tbody tr").filter(has_text=says).first
        expect(row.locator(".state")).to_have_text("bad")
        for told in ("where", "why", "to do"):
            expect(row.locator(f"td[data-label='{told}']")).not_to_be_empty()

    def forget(self) -> None:
        """It is gone."""
        self.page.get_by_role("button", name="Forget it").click()
        expect(self.page.get_by_text("The file is forgotten.")).to_be_visible()


@contextlib.contextmanager
def visiting(browser: Browser, world: World, folder: Path, role: OfficeRole) -> Iterator[Visit]:
    with calling(world) as url, watched(browser, bypass_csp=True) as seen:
        yield Visit(world, seen, url.replace("127.0.0.1", "localhost"), folder, role)


def office_of(gateway: Gateway, folder: Path) -> World:
    """An office that takes files."""
    world = World(folder / "office", gateway=gateway, made=False)
    world.office = world.office._replace(
        beside=Beside(uploads=UploadedFiles(folder / "uploads", KekOf(bytes(32))))
    )
    return world


def received(gateway: Gateway) -> int:
    return len(gateway.store.messages(Query(outgoing=False)))


def aside(make: Any) -> Any:
    """Made in a thread of its own: this one belongs to the browser."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(make).result()


def given_by_hand(format: str) -> tuple[Two, bytes]:
    two = Two(format)
    two.say(UTILITY)
    (file,) = put_down(two)
    return two, file


@pytest.mark.parametrize(
    ("format", "wrong"), [("x12", "ends before"), ("csv", "the table"), ("json", "the file")]
)
def test_documents_that_a_partner_gave_by_hand(
    browser: Browser, tmp_path: Path, format: str, wrong: str
) -> None:
    two, good = aside(lambda: given_by_hand(format))
    gateway = two.gateways[AGGREGATOR]
    world = office_of(gateway, tmp_path)
    world.now = two.now
    with visiting(browser, world, tmp_path, OfficeRole.OPERATOR) as visit:
        visit.bring(f"good.{format}", good)
        visit.do("Take it in", "1 taken in.")
        assert received(gateway) == 1
        visit.bring(f"broken.{format}", good[: len(good) * 2 // 3])
        visit.wrong(wrong)
        visit.forget()
    assert received(gateway) == 1
    world.close()


def test_documents_of_ours_go_to_a_partner(browser: Browser, tmp_path: Path) -> None:
    two, good = aside(lambda: given_by_hand("json"))
    gateway = two.gateways[UTILITY]
    before = len(gateway.store.messages(Query(outgoing=True)))
    world = office_of(gateway, tmp_path)
    world.now = two.now
    document = msgspec.json.decode(good)
    [one] = document if isinstance(document, list) else [document]
    body = {**one["body"], "outage": "OUT-BY-FILE"}
    wrong = {**body, "outage": "OUT-WRONG", "cause": "the weather"}
    pair = [{"document": "outage_notice", "mode": "real_time", "body": which} for which in (body, wrong)]
    with visiting(browser, world, tmp_path, OfficeRole.OPERATOR) as visit:
        visit.bring("mixed.json", msgspec.json.encode(pair))
        visit.wrong("cause")
        visit.do("Send", "1 queued, 1 not.")
        visit.wrong("cause")
    assert len(gateway.store.messages(Query(outgoing=True))) == before + 1
    world.close()


@pytest.mark.parametrize(
    ("name", "good", "broken", "wrong"),
    [
        ("readings.csv", READINGS_CSV, READINGS_CSV.replace(b"1.5,60\n", b"much,60\n", 1), "line 2"),
        (
            "readings.json",
            msgspec.json.encode(MeterReadingSet(meters=(said("M7"),))),
            b'{"meters":[{"meter":"M7"}]}',
            "the file",
        ),
        ("green-button.xml", written(series(list(range(96)), "M7", MIDNIGHT)), b"", "the file"),
    ],
)
def test_readings(
    browser: Browser, tmp_path: Path, name: str, good: bytes, broken: bytes, wrong: str
) -> None:
    with contextlib.ExitStack() as stack:
        both = aside(lambda: stack.enter_context(offices(tmp_path)))
        world, side = both.utility, both.stage.sides[UTILITY]
        world.now = both.stage.now
        with visiting(browser, world, tmp_path, OfficeRole.SETTLEMENT) as visit:
            visit.bring(name, good)
            visit.do("Keep them", "1 meter days kept.")
            assert [row[1] for row in side.rows()].count("M7") == 1
            visit.bring(f"broken-{name}", broken or good[: len(good) // 2])
            visit.wrong(wrong)
            visit.forget()
        assert [row[1] for row in side.rows()].count("M7") == 1


def test_a_parcel_that_was_carried(browser: Browser, tmp_path: Path) -> None:
    pair = aside(make_pair)
    kept = Wire(pair.utility, AGGREGATOR, answers=[PartnerError("no way there")])
    apart(lambda: (declare(pair), run(pair, kept))[1])
    world = office_of(pair.utility, tmp_path)
    parcel = kept.sent[0]
    with visiting(browser, world, tmp_path, OfficeRole.OPERATOR) as visit:
        visit.bring("cut.itp", parcel[:20])
        visit.wrong("the parcel")
        visit.forget()
        visit.bring("changed.itp", parcel[:-1] + bytes([parcel[-1] ^ 1]))
        visit.seen.expected.append("422")
        visit.page.get_by_role("button", name="Accept", exact=True).click()
        expect(visit.page.get_by_role("alert").filter(has_text="Not possible")).to_be_visible()
        assert received(pair.utility) == 0
        visit.bring("good.itp", parcel)
        visit.do("Accept", "1 accepted.")
        expect(visit.page.get_by_role("link", name=".jws")).to_be_visible()
    assert received(pair.utility) == 1
    world.close()
