"""Offices of several processes over one store, a file and a PostgreSQL schema: each has its own connection, as processes have.
What is done at one is seen, repeated and streamed at the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tests.exchange.house import Pair, make_pair
from tests.portal.world import World, calling, new_key, outage
from tests.store.store_builders import postgres_store, sqlite_store

from intertie.client import Client, NotLetIn
from intertie.gateway.office.api_keys import OfficeRole, revoke_key
from intertie.gateway.ports import Store
from intertie.stores.postgres_schema import Server


class Twins:
    """Two offices of one gateway."""

    def __init__(self, folder: Path, stores: tuple[Store, Store], stack: ExitStack) -> None:
        pair = make_pair()
        pairs = [Pair(replace(pair.utility, store=store), pair.aggregator) for store in stores]
        self.first, self.second = World(folder, pairs[0]), World(folder, pairs[1], made=False)
        self.second.made = self.first.made
        self.urls = [stack.enter_context(calling(world)) for world in (self.first, self.second)]
        for world in (self.first, self.second):
            stack.callback(world.close)

    def client(self, number: int, role: OfficeRole = OfficeRole.OPERATOR) -> Client:
        return Client(self.urls[number], self.first.made[role].text, attempts=2)

    def post(self, number: int, key: str, name: str = "OUT-1") -> httpx.Response:
        headers = self.first.headers(OfficeRole.OPERATOR) | {"Idempotency-Key": key}
        return httpx.post(f"{self.urls[number]}/api/v1/messages", json=outage(name), headers=headers)


@pytest.fixture(params=["sqlite", "postgres"])
def twins(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Twins]:
    with ExitStack() as stack:
        stores: list[Store] = []
        for _ in range(2):
            if request.param == "sqlite":
                store: Store = sqlite_store(tmp_path / "store.db")
            else:
                server: Server = request.getfixturevalue("postgres")
                store = postgres_store(server, tmp_path)
            stack.callback(store.close)
            stores.append(store)
        yield Twins(tmp_path / "office", (stores[0], stores[1]), stack)


def test_a_request_is_repeated_at_the_other_process(twins: Twins) -> None:
    key = new_key()
    first = twins.post(0, key)
    again = twins.post(1, key)
    assert first.status_code == 202 and again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert twins.post(1, key, "OUT-2").json()["code"] == "idempotency_key_reused"
    with twins.client(1) as office:
        assert [line.id for line in office.messages().items] == first.json()["messages"]


def test_a_stream_at_one_tells_what_is_done_at_the_other(twins: Twins) -> None:
    with twins.client(1) as office:
        events = office.events(-1)
        seen = [next(events).index]
        ids = [twins.post(0, new_key(), f"OUT-{n}").json()["messages"][0] for n in range(3)]
        told = []
        for event in events:
            seen.append(event.index)
            if event.kind == "message_out":
                told.append(event.message)
            if len(told) == 3:
                break
    assert told == ids and seen == list(range(len(seen)))


def test_a_stream_goes_on_at_the_other_process(twins: Twins) -> None:
    for n in range(2):
        twins.post(0, new_key(), f"OUT-{n}")
    with twins.client(0) as office:
        events = office.events(-1)
        first = [next(events).index for _ in range(3)]
    with twins.client(1) as office:
        events = office.events(first[-1])
        end = twins.first.gateway.store.head().size
        rest = [next(events).index for _ in range(end - 3)]
    assert first + rest == list(range(end))


def test_a_key_that_is_revoked_at_one_ends_at_the_other(twins: Twins) -> None:
    with twins.client(1) as office:
        assert office.whoami().key == "operator"
        revoke_key(twins.first.gateway, twins.first.keys, "operator", twins.first.now)
        with pytest.raises(NotLetIn):
            office.whoami()
    with twins.client(0, OfficeRole.AUDITOR) as office:  # no other key
        assert office.whoami().role == "auditor"
