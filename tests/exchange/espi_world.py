"""A utility with readings, a custodian's door over them, and somebody who comes with tokens; all in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from lxml import etree
from tests.exchange.house import UTILITY, UTILITY_ROLES, gateway_of, keys_of
from tests.store.readings_cases import ZONE, keep, row, store_in, table

from intertie.bindings.espi.door import EspiDoorway
from intertie.bindings.espi.resources import Custodian
from intertie.formats.espi.names import BASE
from intertie.gateway.configuration.espi_settings import EspiDoor
from intertie.gateway.espi.espi_grants import Grants, Lives
from intertie.gateway.espi.espi_ports import Application, Consent
from intertie.gateway.metering.readings import Readings
from intertie.market.reading_days import DayRow
from intertie.stores.espi_files import EspiFiles

HOST = "https://readings.utility.example"
REDIRECT = "https://app.example/back"
NOTIFY = "https://app.example/espi/1_1/Notification"
SCOPE = "FB=1_3_4_5_13_15_31_34_35_37_39;IntervalDuration=900;BlockDuration=daily;HistoryLength=400;BR=b1"
OWN = "FB=4_5_15_39;IntervalDuration=900;BlockDuration=daily;HistoryLength=400"
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIRST = date(2026, 11, 10)
# Rows came an hour of days ago.
CAME = START - timedelta(days=1)


class World:
    """One custodian. `now` is its clock."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.now = START
        self.ticks = 0.0
        self.folder = folder
        self.gateway = gateway_of(keys_of(UTILITY, UTILITY_ROLES), [])
        self.readings = Readings(store_in(folder), ZONE, lambda _: True)
        self.settings = EspiDoor(listen="127.0.0.1:1", url=HOST, **settings)
        self.book = EspiFiles(folder / "espi")
        lives = Lives(
            timedelta(seconds=self.settings.access_seconds), timedelta(days=self.settings.refresh_days)
        )
        self.grants = Grants(self.gateway, self.book, lives)
        self.custodian = Custodian(self.grants, self.readings, HOST, UTILITY)
        door = EspiDoorway(self.grants, self.custodian, self.settings, lambda: self.now, lambda: self.ticks)
        self.client = Browser(door.app())

    def keep(self, *rows: DayRow, came: datetime = CAME, source: str = "import:1") -> None:
        keep(self.readings.store, table(rows, source, came))

    def add(
        self, scope: str = SCOPE, name: str = "Sun App", notify: str | None = NOTIFY
    ) -> tuple[Application, str]:
        return self.grants.add_application(name, [REDIRECT], notify, scope, self.now)

    def give(
        self, application: Application, *meters: str, scope: str | None = None, days: int = 365
    ) -> Consent:
        until = self.now + timedelta(days=days)
        return self.grants.give(application.id, "C-1", meters, until, scope, self.now)

    def ask(self, application: Application, **changed: str) -> httpx.Response:
        said = {
            "response_type": "code",
            "client_id": application.id,
            "redirect_uri": REDIRECT,
            "scope": OWN,
            "state": "s/1",
        }
        wanted = {name: value for name, value in (said | changed).items() if value}
        return self.client.get("/espi/1_1/oauth/authorize", params=wanted)

    def token(self, application: Application, secret: str, **form: str) -> httpx.Response:
        return self.client.post("/espi/1_1/oauth/token", data=form, auth=(application.id, secret))

    def own_token(self, application: Application, secret: str, scope: str = "") -> str:
        answer = self.token(application, secret, grant_type="client_credentials", scope=scope)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def consented(self, application: Application, secret: str, *meters: str, **asked: str) -> dict[str, Any]:
        """All of the flow with a customer; the token answer."""
        page = self.ask(application, **asked).headers["location"]
        [waiting] = [one for one in self.book.askings() if one.consent is None and not one.denied]
        self.grants.decide(waiting.id, "C-1", meters, self.now + timedelta(days=365), None, self.now)
        back = parse_qs(urlsplit(self.client.get(page).headers["location"]).query)
        form = {"grant_type": "authorization_code", "code": back["code"][0], "redirect_uri": REDIRECT}
        answer = self.token(application, secret, **form)
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said

    def get(self, path: str, token: str, **query: str) -> httpx.Response:
        where = path.removeprefix(HOST) if path.startswith(HOST) else f"{BASE}/{path}"
        params: Mapping[str, str] = {name.replace("_", "-"): value for name, value in query.items()}
        return self.client.get(where, params=params, headers={"authorization": f"Bearer {token}"})

    def feed(self, path: str, token: str, **query: str) -> etree._Element:
        answer = self.get(path, token, **query)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/atom+xml"
        return etree.fromstring(answer.content)


class Browser:
    """Who comes to an application in this process: requests one after the other, redirects not followed."""

    def __init__(self, app: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOST)

    def request(self, method: str, url: str, **more: Any) -> httpx.Response:
        return self._loop.run_until_complete(self._client.request(method, url, **more))

    def get(self, url: str, **more: Any) -> httpx.Response:
        return self.request("GET", url, **more)

    def post(self, url: str, **more: Any) -> httpx.Response:
        return self.request("POST", url, **more)


def hours(meter: str = "M1", day: date = FIRST, **changed: Any) -> DayRow:
    """A day of hours."""
    return row(meter, day, **changed)


def names(feed: etree._Element) -> list[str]:
    """What its entries are."""
    return [etree.QName(one[0]).localname for one in feed.iter("{http://www.w3.org/2005/Atom}content")]


def hrefs(feed: etree._Element, rel: str = "self") -> list[str]:
    """Where its entries are."""
    entries = feed.iter("{http://www.w3.org/2005/Atom}entry")
    return [
        link.get("href").removeprefix(f"{HOST}{BASE}/")
        for entry in entries
        for link in entry.findall("{http://www.w3.org/2005/Atom}link")
        if link.get("rel") == rel
    ]


def values(feed: etree._Element) -> list[int]:
    """All values of readings."""
    return [
        int(one.text)
        for one in feed.iter("{http://naesb.org/espi}value")
        if one.getparent().tag.endswith("Reading")
    ]
