"""Consent for customers who wait, at the portal: given for what was asked or less, denied, ended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.exchange.espi_world import SCOPE
from tests.portal.test_pages import notes
from tests.portal.visitors import signed_in
from tests.portal.world import World

from intertie.gateway.espi.espi_customers import Customers
from intertie.gateway.espi.espi_grants import ASKING_LIFE, Grants, Lives
from intertie.gateway.espi.espi_ports import Application
from intertie.gateway.office.api_keys import OfficeRole
from intertie.stores.espi_customers import CustomerFiles
from intertie.stores.espi_files import EspiFiles

SETTLEMENT, TRADER = OfficeRole.SETTLEMENT, OfficeRole.TRADER
BACK = "https://app.example/back"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "office", made=False)
    grants = Grants(
        world.gateway, EspiFiles(tmp_path / "espi"), Lives(timedelta(hours=1), timedelta(days=365))
    )
    customers = Customers(world.gateway, grants, CustomerFiles(tmp_path / "espi"))
    world.office = world.office._replace(grants=grants, customers=customers)
    yield world
    world.close()


def grants_of(world: World) -> Grants:
    assert world.office.grants is not None
    return world.office.grants


def asking(world: World, scope: str = SCOPE) -> tuple[Application, str]:
    """An application sent a customer here, who waits under a number."""
    grants = grants_of(world)
    known = list(grants.book.applications())
    application = known[0] if known else grants.add_application("Kilowatt", [BACK], None, SCOPE, world.now)[0]
    secret = grants.ask(application, BACK, scope, "s", ("", ""), world.now)
    return application, grants.asked(secret, world.now).id


def test_a_customer_waits_and_an_operator_consents(world: World) -> None:
    browser = signed_in(world, SETTLEMENT)
    assert "Nobody waits" in browser.get("/green-button").text
    assert "Green Button" in browser.get("/settings").text
    application, number = asking(world)
    page = browser.get("/green-button").text
    assert number in page and "Kilowatt" in page
    done = browser.send(f"/green-button/{number}/consent", customer="C-17", meters="M-1 M-2", days="30")
    assert "Consented, for 2 meters." in browser.done(done)
    (one,) = grants_of(world).book.consents(application.id)
    assert one.customer == "C-17" and set(one.meters) == {"M-1", "M-2"}
    assert one.until == world.now + timedelta(days=30)
    page = browser.get("/green-button").text
    assert "Nobody waits" in page and "C-17" in page
    assert any("consent for customer" in note and "by settlement" in note for note in notes(world))
    again = browser.send(f"/green-button/{number}/consent", customer="C-17", meters="M-1")
    assert again.status_code == 422


def test_a_consent_ends(world: World) -> None:
    browser = signed_in(world, SETTLEMENT)
    application, number = asking(world)
    browser.done(browser.send(f"/green-button/{number}/consent", customer="C-17", meters="M-1"))
    (one,) = grants_of(world).book.consents(application.id)
    said = browser.done(browser.send(f"/green-button/{application.id}/{one.id}/revoke"))
    assert "open nothing from now on" in said
    assert "revoked" in browser.get("/green-button").text
    (one,) = grants_of(world).book.consents(application.id)
    assert one.revoked == world.now


def test_denied_or_too_late_or_too_much(world: World) -> None:
    browser = signed_in(world, SETTLEMENT)
    _, denied = asking(world)
    assert "Denied" in browser.done(browser.send(f"/green-button/{denied}/deny"))
    _, number = asking(world)
    for wrong in (
        {"customer": "C-17"},
        {"meters": "M-1"},
        {"customer": "C-17", "meters": "M-1", "days": "0"},
        {"customer": "C-17", "meters": "M-1", "scope": "FB=99"},
        {"customer": "C-17", "meters": "M-1 M-1"},
    ):
        assert browser.send(f"/green-button/{number}/consent", **wrong).status_code == 422, wrong
    assert number in browser.get("/green-button").text
    world.now += ASKING_LIFE + timedelta(seconds=1)
    later = signed_in(world, SETTLEMENT, name="later")
    assert number not in later.get("/green-button").text


def test_it_is_settlements_alone(world: World) -> None:
    _, number = asking(world)
    trader = signed_in(world, TRADER)
    assert trader.get("/green-button").status_code == 403
    assert trader.send(f"/green-button/{number}/consent", customer="C", meters="M-1").status_code == 403
    assert "Green Button" not in trader.get("/settings").text


def test_where_readings_are_given_to_nobody(world: World) -> None:
    world.office = world.office._replace(grants=None)
    browser = signed_in(world, SETTLEMENT)
    assert browser.get("/green-button").status_code == 404
    assert "Green Button" not in browser.get("/settings").text


def test_a_code_for_a_customer_is_made_once_and_lets_in(world: World) -> None:
    browser = signed_in(world, SETTLEMENT)
    assert "Let a customer decide by itself" in browser.get("/green-button").text
    form = {
        "csrf": browser.token(), "once": "invite-once", "customer": "C-17", "meters": "M-1 M-2", "days": "7",
    }  # fmt: skip
    first, second = (browser.post("/green-button/invite", form) for _ in range(2))
    assert first.status_code == 303 == second.status_code
    said = browser.get(first.headers["location"]).text
    found = re.search(r"The code of C-17, for 7 days and one use: ([2-9A-Z-]{23})", said)
    assert found is not None
    customers = world.office.customers
    assert customers is not None
    _, session = customers.enter(found[1], "::1", world.now + timedelta(days=6))
    assert (session.customer, session.meters) == ("C-17", ("M-1", "M-2"))
    noted = " ".join(notes(world))
    assert "espi customer invited, by settlement" in noted and found[1] not in noted
    for wrong in ({"customer": "C 17"}, {"meters": ""}, {"days": "61"}, {"meters": "M-1 M-1"}):
        assert browser.send("/green-button/invite", **{**form, **wrong}).status_code == 422, wrong
    assert signed_in(world, TRADER).send("/green-button/invite", **form).status_code == 403


def test_without_their_door_no_customer_is_invited(world: World) -> None:
    world.office = world.office._replace(customers=None)
    browser = signed_in(world, SETTLEMENT)
    assert "Make a code" not in browser.get("/green-button").text
    assert browser.send("/green-button/invite", customer="C", meters="M").status_code == 404
