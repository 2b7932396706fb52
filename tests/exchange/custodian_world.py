"""A custodian that is served over HTTP on this machine, and an aggregator that fetches from it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace as with_
from datetime import date
from pathlib import Path
from typing import Any

import uvicorn
from tests.exchange.espi_world import SCOPE, START, World
from tests.exchange.file_world import foreign_of
from tests.exchange.house import AGGREGATOR, AGGREGATOR_ROLES, UTILITY, Book, gateway_of, keys_of
from tests.exchange.uftp_world import partner_of
from tests.interop.sftp_house import until
from tests.ports import free_port
from tests.store.readings_cases import ZONE, store_in

from intertie.bindings.espi.door import EspiDoorway
from intertie.bindings.espi.fetching import Fetcher
from intertie.bindings.espi.resources import Custodian
from intertie.formats.custodian_terms import CustodianTerms
from intertie.gateway.metering.readings import Readings, take_in
from intertie.gateway.metering.readings_ports import Wanted
from intertie.gateway.ports import MessageRow, Query
from intertie.gateway.trading.trade_books import Books
from intertie.gateway.translating.deliver_file import OneWay
from intertie.gateway.translating.foreign import paper_events
from intertie.stores.espi_wanted import WantedFiles


class Served(World):
    """A custodian whose links lead to its own port."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.custodian = Custodian(self.grants, self.readings, self.url, UTILITY)
        said = with_settings(self.settings, self.url)
        self.door = EspiDoorway(self.grants, self.custodian, said, lambda: self.now, lambda: self.ticks)

    @contextmanager
    def serving(self) -> Iterator[None]:
        config = uvicorn.Config(self.door.app(), "127.0.0.1", self.port, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        until(lambda: server.started)
        try:
            yield
        finally:
            server.should_exit = True
            thread.join()


def with_settings(settings: Any, url: str) -> Any:
    """The settings of a door whose links are plain HTTP, as no settings of ours may say."""

    class Plain:
        def __getattr__(self, name: str) -> Any:
            return url if name == "url" else getattr(settings, name)

    return Plain()


class ThirdParty:
    """An aggregator that is the third party of a custodian."""

    def __init__(self, folder: Path, at: str, app: tuple[str, str], **terms: Any) -> None:
        self.now = START
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.secret = folder / "secret.txt"
        self.secret.write_text(app[1])
        self.secret.chmod(0o600)
        said = {
            "resources": f"{at}/espi/1_1/resource",
            "token": f"{at}/espi/1_1/oauth/token",
            "client_id": app[0],
            "secret_file": "secret.txt",
            "batches": ("Batch/Bulk/b1",),
        }
        self.terms = CustodianTerms(**(said | terms))
        foreign = foreign_of(UTILITY, "espi", date(2099, 1, 1), sftp_terms=None, custodian_terms=self.terms)
        self.gateway = with_(
            gateway_of(keys_of(AGGREGATOR, AGGREGATOR_ROLES), []),
            partners=Book([partner_of(UTILITY, foreign)]),
            books=Books(lambda _: paper_events(foreign)),
            translators={"green_button": OneWay("green_button")},
        )
        self.readings = Readings(store_in(folder), ZONE, lambda _: True)
        self.wanted = WantedFiles(folder / "fetch")

    def fetcher(self) -> Fetcher:
        trust = ssl.create_default_context()
        return Fetcher(
            self.gateway, self.wanted, lambda name: self.folder / name, lambda: self.now, lambda: 1.0, trust
        )

    def inbox(self) -> list[MessageRow]:
        return list(self.gateway.store.messages(Query(outgoing=False)))

    def values(self) -> dict[tuple[str, date, int], tuple[int, ...]]:
        """What it holds by meter, day and revision."""
        take_in(self.gateway, self.readings)
        return {
            (row["meter"], row["day"], row["revision"]): tuple(row["values"])
            for table in self.readings.store.tables(Wanted())
            for row in table.to_pylist()
        }


def pair(folder: Path, **terms: Any) -> tuple[Served, ThirdParty]:
    """A custodian and its third party."""
    custodian = Served(folder / "custodian")
    application, secret = custodian.add(SCOPE)
    return custodian, ThirdParty(folder / "third", custodian.url, (application.id, secret), **terms)
