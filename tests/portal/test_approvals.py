"""Acts that two people do: nothing happens before the second, nobody is their own second, and each is done once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.portal.test_pages import notes
from tests.portal.visitors import Browser, person, signed_in
from tests.portal.world import World

from intertie.gateway.configuration.office_settings import OfficeDoor
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.approvals import OPEN_MAX, WAIT, TwoPeople, ask
from intertie.model.errors import SettingsError
from intertie.portal.pages.web import ACTS

ADMIN, TRADER, AUDITOR = OfficeRole.ADMIN, OfficeRole.TRADER, OfficeRole.AUDITOR


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "office")
    world.office = world.office._replace(two_people=frozenset({TwoPeople.PERSON, TwoPeople.KEY}))
    yield world
    world.close()


def one_id(browser: Browser) -> str:
    (id,) = set(re.findall(r"/approvals/([0-9a-f]{16})/", browser.get("/approvals").text))
    return str(id)


def test_nothing_happens_before_the_second_person(world: World) -> None:
    ann, bob = signed_in(world, ADMIN, name="ann"), signed_in(world, ADMIN, name="bob")
    person(world, "eve", [TRADER])
    assert "waits for a second person" in ann.done(ann.send("/settings/people/eve/roles", role="auditor"))
    eve = world.people.person("eve")
    assert eve is not None and eve.roles == (TRADER,)
    assert "1 act waits" in bob.get("/").text and "act waits" not in ann.get("/").text
    page = bob.get("/approvals").text
    assert "asked by ann" in page and "auditor" in page and "csrf" not in re.findall(r"<dt>(.*?)</dt>", page)
    id = one_id(bob)
    own = ann.send(f"/approvals/{id}/approve")
    assert own.status_code == 422 and "asked for this yourself" in own.text
    assert "eve is auditor now" in bob.done(bob.send(f"/approvals/{id}/approve"))
    eve = world.people.person("eve")
    assert eve is not None and eve.roles == (AUDITOR,)
    again = bob.send(f"/approvals/{id}/approve")
    assert again.status_code == 422 and "waits no more" in again.text
    said = [note for note in notes(world) if "change roles" in note]
    assert any("asked for; by ann" in note for note in said)
    assert any("asked by ann; by bob from unknown" in note for note in said)


def test_who_may_not_do_it_may_not_approve_it(world: World) -> None:
    ann, tom = signed_in(world, ADMIN, name="ann"), signed_in(world, TRADER, name="tom")
    ann.done(ann.send("/settings/keys/trader/revoke"))
    id = one_id(ann)
    assert id not in tom.get("/approvals").text
    assert tom.send(f"/approvals/{id}/approve").status_code == 403
    assert tom.send(f"/approvals/{id}/drop").status_code == 403
    assert all(key.revoked is None for key in world.keys.all())


def test_dropped_it_is_not_done(world: World) -> None:
    ann = signed_in(world, ADMIN, name="ann")
    ann.done(ann.send("/settings/keys/trader/revoke"))
    assert "nothing was done" in ann.done(ann.send(f"/approvals/{one_id(ann)}/drop"))
    assert "Nothing waits" in ann.get("/approvals").text
    assert all(key.revoked is None for key in world.keys.all())


def test_what_is_refused_still_waits(world: World) -> None:
    ann, bob = signed_in(world, ADMIN, name="ann"), signed_in(world, ADMIN, name="bob")
    ann.done(ann.send("/settings/people/nobody/code"))
    id = one_id(bob)
    refused = bob.send(f"/approvals/{id}/approve")
    assert refused.status_code == 422 and "no person named nobody" in refused.text
    assert one_id(bob) == id


def test_what_waits_too_long_counts_no_more(world: World) -> None:
    ann = signed_in(world, ADMIN, name="ann")
    ann.done(ann.send("/settings/keys/trader/revoke"))
    id = one_id(ann)
    world.now += WAIT + timedelta(seconds=1)
    bob = signed_in(world, ADMIN, name="bob")
    assert "Nothing waits" in bob.get("/approvals").text
    assert bob.send(f"/approvals/{id}/approve").status_code == 422


def test_not_more_wait_than_anybody_looks_through(world: World) -> None:
    for number in range(OPEN_MAX):
        ask(world.people, TwoPeople.KEY, "revoke_api_key", f"/x/{number}", {}, [], "ann", world.now)
    with pytest.raises(SettingsError, match="wait for a second person already"):
        ask(world.people, TwoPeople.KEY, "revoke_api_key", "/x", {}, [], "ann", world.now)
    later = world.now + WAIT + timedelta(days=1)
    with pytest.raises(SettingsError):
        ask(world.people, TwoPeople.KEY, "revoke_api_key", "/x", {}, [], "ann", later)
    assert ask(world.people, TwoPeople.KEY, "revoke_api_key", "/x", {}, [], "ann", later)


def test_one_of_two_who_are_equally_fast(world: World) -> None:
    made = ask(world.people, TwoPeople.KEY, "revoke_api_key", "/x", {"name": "trader"}, [], "ann", world.now)
    assert world.people.take_approval(made.id) == made
    assert world.people.take_approval(made.id) is None


def test_without_the_setting_one_person_is_enough(world: World) -> None:
    world.office = world.office._replace(two_people=frozenset())
    ann = signed_in(world, ADMIN, name="ann")
    assert "counts no more" in ann.done(ann.send("/settings/keys/trader/revoke"))


def test_the_setting_names_kinds() -> None:
    door = OfficeDoor(two_people=(TwoPeople.PAYMENT, TwoPeople.OVERRIDE))
    assert door.two_people == (TwoPeople.PAYMENT, TwoPeople.OVERRIDE)
    assert len(ACTS) > 10
