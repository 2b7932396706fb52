"""The office of one gateway in memory: with a key of each role, a partner at the end of a wire, and a socket to call it at."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import uvicorn
from litestar import Litestar
from tests.exchange.house import AGREEMENT, NOW, Pair, Wire, make_pair

from intertie.bindings.parcel_https.serving import QuietServer
from intertie.gateway.gateway import Gateway
from intertie.gateway.office.api_keys import OfficeRole, add_key
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.send_message import send_raw
from intertie.model.documents import example
from intertie.model.ids import DocumentName, MessageId, new_message_id
from intertie.model.message import write_message
from intertie.portal.app import office_app
from intertie.portal.cutting import cutting
from intertie.portal.door import Buckets, Office, strangers
from intertie.portal.events import Streams
from intertie.portal.pages import pages
from intertie.stores.api_key_files import ApiKeyFiles
from intertie.stores.kept_answers import KeptAnswers
from intertie.stores.people_file import PeopleFile

PARTNER = "aggregator.example"
NOBODY = "itk_000000000000_" + "A" * 43
# Applications that nobody stands before. To make one takes as long as ten tests; all that one knows of an office is in its state.
IDLE: list[Litestar] = []
PAGES = pages.ROUTES


class World:
    """The utility's office, and both gateways."""

    def __init__(
        self, folder: Path, pair: Pair | None = None, gateway: Gateway | None = None, *, made: bool = True
    ) -> None:
        self.pair = pair or make_pair()
        self.gateway: Gateway = gateway or self.pair.utility
        self.now = NOW
        self.tick = 0.0
        self.keys = ApiKeyFiles(folder)
        self.people = PeopleFile(folder)
        self.folder = folder
        self.made = {
            role: add_key(self.gateway, self.keys, role.value, role, timedelta(days=90), NOW)
            for role in OfficeRole
            if made
        }
        self.office = self.opened()
        self.streams = Streams(self.gateway, heartbeat=0.2)
        self._apps: list[Litestar] = []

    def opened(self) -> Office:
        """As a process that begins opens it."""
        return Office(
            self.gateway,
            self.keys,
            KeptAnswers(self.folder),
            self.clock,
            self.ticks,
            Buckets(self.ticks),
            self.people,
            strangers(self.ticks),
            self.clock,
        )

    def clock(self) -> datetime:
        return self.now

    def ticks(self) -> float:
        self.tick += 1.0  # nobody asks too often, unless a test says so
        return self.tick

    def app(self) -> Litestar:
        """The application of the office as it is now: no other office has it before this world is closed."""
        if pages.ROUTES is not PAGES:  # with a page of a test's own
            return office_app(self.office, self.streams)
        for app in self._apps:
            if app.state.office is self.office and app.state.streams is self.streams:
                return app
        app = IDLE.pop() if IDLE else office_app(self.office, self.streams)
        app.state.update({"office": self.office, "streams": self.streams})
        self._apps.append(app)
        return app

    def headers(self, role: OfficeRole, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.made[role].text}", **more}

    def deliver(self) -> None:
        """What waits goes to the partner, and what the partner has for us comes."""
        for here, there in (
            (self.pair.utility, self.pair.aggregator),
            (self.pair.aggregator, self.pair.utility),
        ):
            wire = Wire(there, here.party.id, self.now)
            asyncio.run(deliver_once(here, wire, there.party.id, lambda: self.now, lambda: 0.5))

    def from_partner(self, document: str = "invoice") -> MessageId:
        """The aggregator sends an example, which is not delivered yet."""
        header, body = example(DocumentName(document))
        header = msgspec.structs.replace(
            header,
            id=new_message_id(self.now),
            sender=self.pair.aggregator.party.id,
            recipient=self.gateway.party.id,
            agreement=AGREEMENT,
            created=self.now,
            expires=self.now + timedelta(days=2),
        )
        return send_raw(self.pair.aggregator, write_message(header, body), self.now)

    def close(self) -> None:
        self.office.answers.close()  # type: ignore[attr-defined]
        self.people.close()
        self.leave(self._apps)

    def leave(self, apps: list[Litestar]) -> None:
        """Nobody stands before these any more."""
        for app in apps[:]:
            self._apps.remove(app)
            app.state.clear()
            IDLE.append(app)


@contextlib.contextmanager
def calling(world: World, app: Any = None) -> Iterator[str]:
    """The office served on a socket of this machine; its address."""
    config = uvicorn.Config(
        cutting(app or world.app()), lifespan="off", log_config=None, timeout_graceful_shutdown=1
    )
    server = QuietServer(config)
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as `bound` does it: else 40 ms an answer
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[door])), daemon=True)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            world.streams.over = True
            server.should_exit = True
            thread.join(10)


def new_key() -> str:
    return str(uuid.uuid4())


def outage(name: str = "OUT-1", **more: Any) -> dict[str, Any]:
    """A request to send an outage notice."""
    body = {
        "outage": name,
        "kind": "planned",
        "points": ["F12-T9"],
        "starts": "2026-01-20T14:00:00Z",
        "estimated_restoration": "2026-01-20T18:00:00Z",
        "cause": "maintenance",
    }
    return {"to": PARTNER, "document": "outage_notice", "mode": "scheduled", "body": body, **more}


def problem(answer: httpx.Response, status: int) -> Any:
    """The problem that an answer must be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    said = answer.json()
    assert said["status"] == status and said["type"].endswith(said["code"]) and said["detail"]
    return said
