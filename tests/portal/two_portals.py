"""Both sides of a trade in front of their portals, without sockets: what one does arrives when the test says so."""

from __future__ import annotations

import contextlib
import html
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_simulate import Keys
from tests.exchange.trade_stage import Stage
from tests.portal.two_offices import follow
from tests.portal.visitors import Browser, signed_in
from tests.portal.world import World

from intertie.gateway.gateway import Gateway
from intertie.gateway.office.api_keys import OfficeRole
from intertie.model.ids import PartyId

# Sessions end at an idle desk, and the clock of a test leaps.
NEW_SESSION = timedelta(minutes=5)
# What a hostile partner writes where text is free.
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


def opened(folder: Path, stage: Any, gateway: Gateway, keys: Any = None) -> World:
    """The portal of a gateway by the clock of a stage: one application for all browsers, as it takes a while to make."""
    world = World(folder, gateway=gateway, made=False)
    follow(world, stage)
    world.office = world.office._replace(sealed=keys)
    app = world.app()
    world.app = lambda: app  # type: ignore[method-assign]
    return world


class Desk:
    """The people of one organisation, each in front of a browser."""

    def __init__(self, party: PartyId, world: World, stage: Stage) -> None:
        self.party = party
        self.them = AGGREGATOR if party == UTILITY else UTILITY
        self.world = world
        self.stage = stage
        self._browsers: dict[OfficeRole, tuple[datetime, Browser]] = {}

    def by(self, role: OfficeRole) -> Browser:
        """Somebody of this role, who signs in again when the test's clock has gone on."""
        known = self._browsers.get(role)
        if known is None or self.stage.now - known[0] > NEW_SESSION:
            name = f"{role}-{self.stage.now:%d-%H-%M-%S}"
            self.world.now = self.stage.now
            known = self._browsers[role] = self.stage.now, signed_in(self.world, role, name=name)
        return known[1]

    @property
    def trader(self) -> Browser:
        return self.by(OfficeRole.TRADER)

    @property
    def operator(self) -> Browser:
        return self.by(OfficeRole.OPERATOR)

    @property
    def auditor(self) -> Browser:
        return self.by(OfficeRole.AUDITOR)

    def sent(self, browser: Browser, path: str, **fields: Any) -> str:
        """A form that went well; what was queued arrives. What the next page says first."""
        said = browser.done(browser.send(path, partner=self.them, **fields))
        self.stage.settle_soon()
        return html.unescape(said)


class Portals:
    """The utility's and the aggregator's."""

    def __init__(self, stage: Stage, utility: Desk, aggregator: Desk) -> None:
        self.stage = stage
        self.utility = utility
        self.aggregator = aggregator

    @property
    def both(self) -> tuple[Desk, Desk]:
        return self.utility, self.aggregator


@contextlib.contextmanager
def portals(folder: Path, stage: Stage, keys: Keys | None = None) -> Iterator[Portals]:
    """Both; `keys` are those of sealed offers."""
    with contextlib.ExitStack() as stack:
        desks = []
        for party in (UTILITY, AGGREGATOR):
            world = opened(folder / party, stage, stage.gateways[party], keys or Keys())
            stack.callback(world.close)
            desks.append(Desk(party, world, stage))
        yield Portals(stage, *desks)


def shown(answer: httpx.Response) -> str:
    """A page as a person reads it: no tags, single blanks."""
    assert answer.status_code == 200, (answer.status_code, text_of(answer.text))
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    return text_of(answer.text)


def refused(answer: httpx.Response, status: int = 422) -> str:
    """The same of a page that says why not."""
    assert answer.status_code == status, (answer.status_code, text_of(answer.text))
    return text_of(answer.text)


def text_of(page: str) -> str:
    body = re.sub(r"(?s)<(title|text|script)[^>]*>.*?</\1>", " ", page.partition("<main")[2])
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def harmless(page: str) -> None:
    """Nothing that a partner wrote is markup."""
    assert "<script>alert" not in page and "<img src=x" not in page, page
    assert "&lt;script&gt;alert" in page
