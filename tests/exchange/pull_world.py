"""Two houses, of which one has no door and comes for its parcels at the other's."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from threading import Thread
from typing import Any

import httpx
from tests.exchange.https_world import (
    AGGREGATOR,
    UTILITY,
    Book,
    Caller,
    Door,
    House,
    caller,
    link_of,
    now,
    open_door,
)

from intertie.bindings.parcel_https.pull_client import PullLink
from intertie.exchange.outbound import State
from intertie.gateway.configuration.settings import Delivery, Pull, Settings, Street
from intertie.gateway.gateway import Partner, Peer
from intertie.gateway.ports import MessageRow, Query, Store
from intertie.gateway.receiving.accept_parcel import accept
from intertie.gateway.receiving.fetch import Fetches, FetchLink
from intertie.model.ids import MessageId, ParcelId, PartyId
from intertie.stores.memory import MemoryStore

# Soon enough for a test that waits for the same bytes, late enough that they do not come by themselves in the others.
PULL = Pull(again_seconds=30.0, wait_seconds=10.0)
QUICK = Pull(again_seconds=0.3, wait_seconds=5.0)


@dataclass
class Pair:
    """The utility has a door; the aggregator has none."""

    utility: House
    aggregator: House

    def row(self, message: MessageId) -> MessageRow:
        row = self.utility.gateway.store.message(message, outgoing=True)
        assert row is not None
        return row

    def state(self, message: MessageId) -> State:
        return self.row(message).state

    def received(self) -> list[MessageId]:
        rows = self.aggregator.gateway.store.messages(Query(outgoing=False))
        return [row.id for row in rows]

    def change(self, **what: Any) -> None:
        """Of the aggregator, as the utility knows it."""
        known = self.utility.book.partners[AGGREGATOR]
        self.utility.book.partners[AGGREGATOR] = known._replace(**what)

    def door(self, pull: Pull = PULL, **more: Any) -> Any:
        return _opened(self, pull, more)


@contextmanager
def _opened(pair: Pair, pull: Pull, more: dict[str, Any]) -> Any:
    with open_door(pair.utility, pull=pull, **more) as door:
        pair.aggregator.knows(pair.utility, door.url)
        yield door


def make_pair(utility: House, aggregator: House, store: Callable[[], Store] = MemoryStore) -> Pair:
    """Both with empty books and stores, and then as partners."""
    pair = Pair(_fresh(utility, store()), _fresh(aggregator, store()))
    pair.utility.knows(pair.aggregator, "")
    return pair


def _fresh(house: House, store: Store) -> House:
    book = Book()
    return House(house.directory, replace(house.gateway, store=store, partners=book), book)


class Puller:
    """A partner's own program, that knows HTTP and nothing of ours: long poll and receipt by httpx."""

    def __init__(self, pair: Pair, door: Door, house: House | None = None) -> None:
        self.pair, self.url = pair, door.url
        self.house = house or pair.aggregator
        self.client: Caller = caller(self.house, pair.utility)
        self.token = self.client.token(self.url)

    def next(self, wait: float = 0, **headers: str) -> httpx.Response:
        return self.ask(f"wait={wait}", **headers)

    def ask(self, query: str, **headers: str) -> httpx.Response:
        return self.client.get(f"{self.url}/parcels/next?{query}", headers=self.authorized(headers))

    def authorized(self, headers: dict[str, str]) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"} | headers

    def take(self, answer: httpx.Response) -> bytes:
        """What the aggregator's gateway says to the parcel: its receipt."""
        assert answer.status_code == 200, answer.text
        return accept(self.house.gateway, answer.content, peer=Peer(UTILITY), now=now())

    def confirm(self, parcel: str, raw: bytes, kind: str = "application/jose+json") -> httpx.Response:
        headers = self.authorized({"content-type": kind})
        return self.client.post(f"{self.url}/parcels/{parcel}/receipt", content=raw, headers=headers)


def parcel_of(answer: httpx.Response) -> ParcelId:
    place = answer.headers["content-location"]
    assert place.startswith("/parcels/")
    return ParcelId(place.removeprefix("/parcels/"))


class InBackground(Thread):
    """A call that waits, in a thread; `result` once it has ended."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self.value: Any = None
        self.start()

    def run(self) -> None:
        self.value = self._call()

    def result(self) -> Any:
        self.join(20)
        assert not self.is_alive(), "it still waits"
        return self.value


class AllOpen:
    """Doors without a circuit breaker, that remember what they were told."""

    def __init__(self) -> None:
        self.open = True
        self.failures: list[float | None] = []
        self.answers = 0
        self.sizes: list[int] = []

    def may_send(self, party: PartyId) -> bool:
        return self.open

    def answered(self, party: PartyId) -> None:
        self.answers += 1

    def failed(self, party: PartyId, retry_after: float | None) -> None:
        self.failures.append(retry_after)

    def came(self, party: PartyId, size: int) -> None:
        self.sizes.append(size)


class Fetching:
    """The aggregator's loops, in a thread, until the end of the block."""

    def __init__(self, pair: Pair, wrap: Callable[[FetchLink], FetchLink] = lambda link: link) -> None:
        self.pair, self.wrap = pair, wrap
        self.doors = AllOpen()
        self.stale: list[PartyId] = []
        self._stop = asyncio.Event()
        self._thread = Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.drained_whole = False

    def __enter__(self) -> Fetching:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with way_of(self.pair.aggregator) as way:
            link = self.wrap(PullLink(way, without_door(self.pair.aggregator, 5.0)))
            fetches = Fetches(
                self.pair.aggregator.gateway, link, self.doors, now, random.random, self.stale.append
            )
            while not self._stop.is_set():
                fetches.start()
                await asyncio.sleep(0.05)
            await asyncio.wait(fetches.end(), timeout=10.0)
            self.drained_whole = all(task.done() for task in fetches._tasks.values())
            await fetches.aclose()


def without_door(house: House, wait_seconds: float) -> Settings:
    """The settings of a gateway that nobody can reach."""
    street = Street(url="", listen="")
    return Settings(party=house.gateway.party, street=street, pull=Pull(wait_seconds=wait_seconds))


@asynccontextmanager
async def way_of(house: House) -> AsyncIterator[Any]:
    link = link_of(house, Delivery(connect_seconds=2.0, answer_seconds=15.0))
    try:
        yield link
    finally:
        await link.aclose()


def partner_of(house: House, party: PartyId) -> Partner:
    partner = house.gateway.partners.find(party)
    assert partner is not None
    return partner
