"""People in front of the portal of a world: signed in, each in a role, with a client that behaves as a browser does."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import httpx
from litestar.testing import TestClient
from tests.portal.world import World

from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.people import CODE_LIFE, Visitor, add_person, make_code
from intertie.gateway.office.sign_in import by_code

HOST = "portal.test"
AGENT = "a browser"


class Browser:
    """One browser: its cookies, and the headers that a browser sends with a form. Redirects are not followed by themselves."""

    def __init__(self, world: World, agent: str = AGENT) -> None:
        self.world = world
        self.http = TestClient(
            world.app(),
            base_url=f"http://{HOST}",
            raise_server_exceptions=False,
        )
        self.http.headers["user-agent"] = agent

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.http.get(path, follow_redirects=False, **more)

    def post(self, path: str, fields: Mapping[str, Any], **headers: str) -> httpx.Response:
        """A form as it stands in a page of ours, but for what it must carry."""
        said = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin", **headers}
        return self.http.post(path, data=dict(fields), headers=said, follow_redirects=False)

    def token(self, path: str = "/settings/sign-in") -> str:
        """What the forms of a page of this session carry."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get(path).text)
        assert found is not None, path
        return found.group(1)

    def send(self, path: str, **fields: Any) -> httpx.Response:
        """A form filled in and sent; a new one each time."""
        once = f"{id(self)}-{self.world.tick}-form"
        return self.post(path, {"csrf": self.token(), "once": once, **fields})

    def done(self, answer: httpx.Response) -> str:
        """What the next page says first, of a form that went well."""
        assert answer.status_code == 303, (answer.status_code, answer.text)
        page = self.get(answer.headers["location"])
        assert page.status_code == 200, page.text
        found = re.search(r'<p class="said good" role="status">(.*?)</p>', page.text, re.DOTALL)
        assert found is not None, page.text
        return found.group(1)


def person(world: World, name: str, roles: Collection[OfficeRole]) -> str:
    """A person, and a sign-in code."""
    add_person(world.gateway, world.people, name, roles, world.now, "a test")
    return make_code(world.gateway, world.people, name, CODE_LIFE, world.now, "a test")


def signed_in(world: World, *roles: OfficeRole, name: str = "") -> Browser:
    """A browser in which somebody of these roles is signed in."""
    who = name or "-".join(roles)
    code = person(world, who, roles)
    browser = Browser(world)
    key, _ = by_code(world.gateway, world.people, code, Visitor("unknown", AGENT), world.now)
    browser.http.cookies.set("intertie", key, domain=HOST)
    return browser
