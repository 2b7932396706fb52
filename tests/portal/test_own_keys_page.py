"""Our own keys turned at the portal of a real directory: at once, by an external authority, ended; once, and by two people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.command.gateways import AGGREGATOR, here, make_pair
from tests.portal.two_portals import refused, shown
from tests.portal.visitors import Browser, signed_in
from tests.portal.world import World

from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.approvals import TwoPeople
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.views.view_keys import keys_view
from intertie.journal.entry import read_entry
from intertie.model.ids import new_message_id
from intertie.portal.pages.reading import Fields
from intertie.portal.pages.web import ACTS
from intertie.run.office_work import OfficeOpened, beside_of
from intertie.seal.generations import read_generations

SELF = "/settings/keys"
ROTATE, INSTALL, RETIRE = SELF + "/rotate", SELF + "/install", SELF + "/retire"
ADMIN = OfficeRole.ADMIN
NUMBERS = count()
EXTERNAL = {"how": "external", "only": "signing"}


class House:
    """The utility's directory, and its office in front of it."""

    def __init__(self, directory: Path, folder: Path) -> None:
        self.directory = directory
        self.it = OfficeOpened(directory)
        self.it.store.unlock()
        self.later = timedelta(0)
        self.world = World(folder, gateway=self.it.gateway, made=False)

        def now() -> datetime:
            return self.it.clock() + self.later

        self.world.clock = now  # type: ignore[method-assign]
        self.world.now = now()
        self.world.office = self.world.office._replace(clock=now, beside=beside_of(self.it))

    def needs_two(self) -> None:
        self.world.office = self.world.office._replace(two_people=frozenset({TwoPeople.KEY}))

    def browser(self, name: str = "", role: OfficeRole = ADMIN) -> Browser:
        return signed_in(self.world, role, name=name)

    def numbers(self) -> list[int]:
        return [one.number for one in read_generations(self.it.places.keys)]

    def close(self) -> None:
        self.world.close()
        self.it.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    directory, _ = make_pair(tmp_path)
    with closing(House(directory, tmp_path / "office")) as found:
        yield found


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The same for what changes nothing."""
    base = tmp_path_factory.mktemp("keys")
    directory, _ = make_pair(base)
    with closing(House(directory, base / "office")) as found:
        yield found


def test_every_key_stands_with_its_end(calm: House) -> None:
    browser = calm.browser("looks")
    assert f'href="{SELF}"' in browser.get("/settings").text
    page = browser.get(SELF)
    said = shown(page)
    assert "Generation 1" in said and "ML-DSA-65" in said and "in use" in said and "0 of 730 days" in said
    assert "Destroy the keys" not in page.text and "Certificates for those that wait" not in said
    assert AGGREGATOR in said  # has not acknowledged our descriptor yet
    assert "PRIVATE" not in page.text


def test_the_next_generation_at_once(house: House) -> None:
    browser = house.browser()
    form = {"csrf": browser.token(), "once": "rotate-once", "how": "own", "overlap": "7"}
    answers = [browser.post(ROTATE, form) for _ in range(2)]
    assert {one.status_code for one in answers} == {303}
    assert house.numbers() == [1, 2]
    page = browser.get(SELF)
    said = shown(page)
    assert said.startswith('id="main"') and "Generation 2 is in use; older keys are accepted until" in said
    assert "accepted still" in said and "Destroy the keys of generation 1 now" in page.text
    assert "Destroy the keys of generation 2" not in page.text
    ends = read_generations(house.it.places.keys)[1].ends
    assert ends is not None and timedelta(days=6) < ends - house.it.clock() <= timedelta(days=7)
    notes = " ".join(read_entry(raw).note for _, raw, _ in house.it.store.entries())
    assert "rotate own keys 2" in notes
    assert browser.done(browser.send(RETIRE, generation="1")).startswith("Generation 1: destroyed")
    assert "destroyed 20" in shown(browser.get(SELF))


def test_only_the_key_of_tls(house: House) -> None:
    browser = house.browser()
    browser.done(browser.send(ROTATE, how="own", only="tls"))
    assert read_generations(house.it.places.keys)[1].parts == ("tls",)


def test_certificates_of_an_external_authority(house: House, tmp_path: Path, capsys: Any) -> None:
    browser = house.browser()
    said = browser.done(browser.send(ROTATE, **EXTERNAL))
    assert said.startswith("Generation 2 waits")
    page = browser.get(SELF)
    parts = re.findall(rf'href="{SELF}/requests/([^"]+)"', page.text)
    assert set(parts) == {"ES256", "ES384", "ML-DSA-65", "ML-DSA-87"}
    named: list[str] = []
    for part in parts:
        answer = browser.get(f"{SELF}/requests/{part}")
        assert answer.content.startswith(b"-----BEGIN CERTIFICATE REQUEST-----")
        assert answer.headers["content-disposition"] == f'attachment; filename="{part}.csr.pem"'
        (tmp_path / f"{part}.csr.pem").write_bytes(answer.content)
        named += ["--csr", str(tmp_path / f"{part}.csr.pem")]
    assert browser.get(f"{SELF}/requests/tls").status_code == 404
    ca = house.directory / "ca"
    made = here(
        capsys,
        "ca",
        "issue",
        "--ca",
        ca,
        "--party",
        house.it.own.party.id,
        *named,
        "--out",
        tmp_path / "c",
        "--json",
    )
    files = {
        Path(line["file"]).name.partition(".")[0]: Path(line["file"])
        for line in json.loads(made.out)["chains"]
    }
    chains = {f"chain-{part}": files[part].read_text() for part in parts}
    swapped = {**chains, "chain-ES256": "no certificate"}
    assert "ES256" in refused(browser.send(INSTALL, **swapped))
    assert "is missing" in refused(browser.send(INSTALL, **{**chains, "chain-ES384": ""}))
    assert read_generations(house.it.places.keys)[1].pending
    assert browser.done(browser.send(INSTALL, **chains, overlap="0")).startswith("Generation 2 is in use")
    assert not read_generations(house.it.places.keys)[1].pending
    assert "no keys wait" in refused(browser.send(INSTALL, **chains))


def test_a_generation_that_waits_is_given_up(house: House) -> None:
    browser = house.browser()
    browser.done(browser.send(ROTATE, **EXTERNAL))
    assert "Destroy the keys of generation 2 now" in browser.get(SELF).text
    assert browser.done(browser.send(RETIRE, generation="2")).startswith("Generation 2: destroyed")
    assert "Certificates for those that wait" not in shown(browser.get(SELF))


def test_two_people_turn_them(house: House) -> None:
    house.needs_two()
    ann, ben = house.browser("ann"), house.browser("ben")
    assert "waits for a second person" in shown(ann.get(SELF))
    assert ann.done(ann.send(ROTATE, how="own")).startswith("It waits for a second person")
    assert house.numbers() == [1]
    (waiting,) = house.world.people.approvals()
    refused(ann.send(f"/approvals/{waiting.id}/approve"))
    assert house.numbers() == [1]
    assert "Generation 2 is in use" in ben.done(ben.send(f"/approvals/{waiting.id}/approve"))
    assert house.numbers() == [1, 2]
    for path, fields in ((RETIRE, {"generation": "1"}), (INSTALL, {})):
        assert ann.done(ann.send(path, **fields)).startswith("It waits")


def test_an_act_that_is_done_again_after_a_crash_finds_what_it_did(house: House) -> None:
    """The process ended between the act and its answer: the same form is sent again, with the same time."""
    at, rotate = house.it.clock(), ACTS["rotate_own_keys"].does
    visit: Any = SimpleNamespace(office=house.world.office)
    first = rotate(visit, Fields([("how", "own")]), Stamp(at, new_message_id(at), False))
    again = rotate(visit, Fields([("how", "own")]), Stamp(at, new_message_id(at), True))
    assert first == again and house.numbers() == [1, 2]


@pytest.mark.parametrize(
    ("path", "fields", "why"),
    [
        (ROTATE, {}, "who issues is missing"),
        (ROTATE, {"how": "magic"}, "who issues the certificates?"),
        (ROTATE, {"how": "own", "only": "all"}, "is none of"),
        (ROTATE, {"how": "own", "overlap": "91"}, "a whole number from 0 to 90"),
        (ROTATE, {"how": "external", "only": "sealing"}, "need no certificate"),
        (ROTATE, {"how": "own", "token": "yes"}, "token|pkcs11"),
        (INSTALL, {}, "no keys wait"),
        (RETIRE, {}, "generation is missing"),
        (RETIRE, {"generation": "9"}, "there is no generation 9"),
        (RETIRE, {"generation": "1"}, "is the newest"),
    ],
)
def test_what_cannot_be_turned(calm: House, path: str, fields: dict[str, str], why: str) -> None:
    said = refused(calm.browser(f"nr-{next(NUMBERS)}").send(path, **fields))
    assert any(part in said for part in why.split("|")), said
    assert calm.numbers() == [1]


def test_only_an_administrator_turns_them(calm: House) -> None:
    for role in set(OfficeRole) - {ADMIN}:
        browser = calm.browser(role=role)
        assert browser.get(SELF).status_code == 403 == browser.get(f"{SELF}/requests/tls").status_code
        for path in (ROTATE, INSTALL, RETIRE):
            assert browser.send(path, how="own", generation="1").status_code == 403
        assert f'href="{SELF}"' not in browser.get("/settings").text
    assert calm.numbers() == [1]


def test_without_an_authority_of_ours(calm: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intertie.run.turning.FolderKeys.can_issue", lambda self: False)
    page = calm.browser("elsewhere").get(SELF).text
    assert 'value="own"' not in page and 'value="external" checked' in page


def test_partners_that_are_late_are_few_on_a_page(calm: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intertie.gateway.views.view_keys.LATE_SHOWN", 0)
    found = keys_view(calm.it.gateway, beside_of(calm.it).own_keys(), calm.it.clock())
    assert (found.late, found.late_left_out) == ((), 1)
    calm.it.store.set_announced(AGGREGATOR, 99)
    assert "Every partner knows the newest keys" in shown(calm.browser("later").get(SELF))


def test_nothing_to_turn_with(tmp_path: Path) -> None:
    world = World(tmp_path, made=False)
    browser = signed_in(world, ADMIN)
    assert "our keys are not turned here" in refused(browser.get(SELF))
    assert "our keys are not turned here" in refused(browser.send(ROTATE, how="own"))
    world.close()
