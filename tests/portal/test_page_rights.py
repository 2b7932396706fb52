"""A role sees and does only what it may: every page and act, asked for directly by every role, and by nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.portal.visitors import Browser, signed_in
from tests.portal.world import PARTNER, World

from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.office_rights import MATRIX, Right
from intertie.portal.app import BASE
from intertie.portal.pages.navigation import PLACES

ABSENT = "01990000-0000-7000-8000-00000000ffff"
# The values of the parts of paths that have names.
PARTS = {"partner": PARTNER, "message": ABSENT, "number": "1", "upload": ABSENT}
# What needs nobody: signing in, and the files of all pages.
OPEN = {
    ("GET", "/sign-in"),
    ("GET", "/sign-in/ask"),
    ("GET", "/sign-in/oidc"),
    ("GET", "/sign-in/oidc/back"),
    ("POST", "/sign-in/password"),
    ("POST", "/sign-in/passkey"),
    ("POST", "/sign-in/code"),
    ("GET", "/static/{digest}/{name}"),
    ("GET", "/favicon.ico"),
}
ENDLESS = {"/live"}


class Route(NamedTuple):
    method: str
    path: str
    right: Right | None

    @property
    def address(self) -> str:
        found = self.path
        for part in [piece[1:-1] for piece in self.path.split("/") if piece.startswith("{")]:
            found = found.replace("{" + part + "}", PARTS.get(part, "nobody"))
        return found


def routes(world: World) -> list[Route]:
    """All pages and acts."""
    return [
        Route(method, str(route.path_format), handler.opt.get("right"))
        for route in world.app().routes
        if not str(route.path).startswith(BASE)
        for handler in getattr(route, "route_handlers", [])
        for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"})
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("office")
    world = World(folder)
    yield world
    world.close()


def test_every_page_asks_for_a_right_but_those_that_are_open(world: World) -> None:
    found = routes(world)
    assert {(one.method, one.path) for one in found if one.right is None} == OPEN
    assert {place.path for place in PLACES} <= {one.path for one in found if one.method == "GET"}


def ask(browser: Browser, route: Route, token: str) -> int:
    if route.method == "GET":
        return browser.get(route.address).status_code
    return browser.post(route.address, {"csrf": token, "once": "matrix"}).status_code


@pytest.mark.parametrize("role", list(OfficeRole))
def test_the_role_matrix_over_every_page(world: World, role: OfficeRole) -> None:
    """A role that may not is told so; one that may gets as far as what was asked for."""
    browser = signed_in(world, role)
    token = browser.token()
    for route in sorted(routes(world), key=lambda one: "/sign-out" in one.path):
        if route.right is None or route.path in ENDLESS:
            continue
        status = ask(browser, route, token)
        allowed = role in MATRIX[route.right]
        assert (status != 403) == allowed, (role, route, status)
        assert status < 500, (role, route)


def test_nobody_gets_nothing(world: World) -> None:
    browser = Browser(world)
    for route in routes(world):
        if route.right is None:
            continue
        if route.method == "GET":
            answer = browser.get(route.address)
            assert answer.status_code == 303, route
            assert answer.headers["location"].startswith("/sign-in?next="), route
        else:
            assert browser.post(route.address, {"csrf": "x" * 43}).status_code == 401, route


def test_a_page_shows_only_places_that_the_role_may_open(world: World) -> None:
    for role in OfficeRole:
        browser = signed_in(world, role, name=f"{role}-looks")
        page = browser.get("/").text
        for place in PLACES:
            assert (f'href="{place.path}"' in page) == (role in MATRIX[place.right]), (role, place)


def test_several_roles_may_what_each_may(world: World) -> None:
    browser = signed_in(world, OfficeRole.AUDITOR, OfficeRole.ADMIN)
    assert browser.get("/settings/people").status_code == 200
    assert browser.get("/messages").status_code == 200
