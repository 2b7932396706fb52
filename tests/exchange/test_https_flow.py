"""Flow control at the street door over real mutual TLS: quotas of one partner, urgency, load, stop flags."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from tests.exchange.https_world import (
    AGGREGATOR,
    THIRD,
    UTILITY,
    Book,
    Caller,
    House,
    a_message,
    a_parcel,
    caller,
    link_of,
    make_ca,
    make_house,
    now,
    open_door,
    post,
    queue_one,
    wait_until,
)
from tests.exchange.test_https_door import World, head, problem_of, raw_connection, read_all

from intertie.bindings.oauth import TOKEN
from intertie.exchange.outbound import State
from intertie.gateway.configuration.quota import OwnQuota
from intertie.gateway.configuration.settings import Quota
from intertie.gateway.operating.operations_ports import Stop
from intertie.gateway.ports import Query
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.flow_control import raise_flag, stop_up, take_notice, unstopped
from intertie.model.errors import Refused
from intertie.stores.memory import MemoryStore

URGENT, BULK = {"intertie-priority": "0"}, {"intertie-priority": "7"}
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> World:
    ca, base = make_ca(), tmp_path_factory.mktemp("houses")
    return World(*(make_house(base / name, ca, name) for name in (UTILITY, AGGREGATOR, THIRD)))


@pytest.fixture
def world(houses: World) -> World:
    def fresh(house: House) -> House:
        book = Book()
        return House(house.directory, replace(house.gateway, store=MemoryStore(), partners=book), book)

    world = World(fresh(houses.utility), fresh(houses.aggregator), fresh(houses.third))
    world.utility.knows(world.aggregator)
    world.aggregator.knows(world.utility)
    return world


@pytest.fixture
def receiver(world: World) -> House:
    return world.aggregator


@pytest.fixture
def client(world: World, receiver: House) -> Iterator[Caller]:
    with caller(world.utility, receiver) as client:
        yield client


def accepted(house: House) -> int:
    return len(house.gateway.store.messages(Query(outgoing=False)))


# Quotas


def test_a_partners_own_quota_stands_before_the_common_one(
    world: World, receiver: House, client: Caller
) -> None:
    partner = receiver.book.partners[UTILITY]
    receiver.book.partners[UTILITY] = partner._replace(
        quota=OwnQuota(parcels_burst=1.0, parcels_per_second=0.01)
    )
    with open_door(receiver) as door:
        answers = [
            post(client, door.url, a_parcel(world.utility, receiver, seq=n).blob).status_code for n in (1, 2)
        ]
        assert answers == [200, 429]
        receiver.book.partners[UTILITY] = partner  # and a change is in force at once
        assert post(client, door.url, a_parcel(world.utility, receiver, seq=3).blob).status_code == 200


def test_a_quota_of_messages(world: World, receiver: House, client: Caller) -> None:
    quota = Quota(messages_burst=3.0, messages_per_second=0.1)
    with open_door(receiver, quota=quota) as door:
        parcel = a_parcel(world.utility, receiver, *(a_message() for _ in range(5)))
        assert post(client, door.url, parcel.blob).status_code == 200
        answer = post(client, door.url, a_parcel(world.utility, receiver, seq=2).blob)
    assert (answer.status_code, problem_of(answer)["code"]) == (429, "rate_limited")
    assert int(answer.headers["retry-after"]) >= 10


def test_a_quota_is_answered_before_the_body_is_read(world: World, receiver: House) -> None:
    with (
        open_door(receiver, quota=Quota(parcels_burst=1.0, parcels_per_second=0.01)) as door,
        caller(world.utility, receiver) as client,
    ):
        assert post(client, door.url, b"x").status_code == 400
        begin = head(world.utility, door)
        with raw_connection(world.utility, door) as tls:
            tls.sendall(begin + b"content-length: 50000000\r\n\r\n")  # and not one byte of it
            answer = read_all(tls)
    assert answer.startswith(b"HTTP/1.1 429 ") and b"connection: close" in answer


def test_parcels_in_flight_of_one_partner(world: World, receiver: House, client: Caller) -> None:
    receiver.knows(world.third)
    with open_door(receiver, quota=Quota(parcels_in_flight=2)) as door:
        begin = head(world.utility, door) + b"content-length: 1000\r\n\r\nITP1"
        held = [raw_connection(world.utility, door) for _ in range(2)]
        for tls in held:
            tls.sendall(begin)
        wait_until(lambda: door.app._quotas.under_way == 2)
        blob = a_parcel(world.utility, receiver).blob
        answer = post(client, door.url, blob)
        assert (answer.status_code, problem_of(answer)["code"]) == (429, "rate_limited")
        with caller(world.third, receiver) as other:
            assert post(other, door.url, b"x").status_code == 400  # its own places are free
        for tls in held:
            tls.close()
        wait_until(lambda: door.app._quotas.under_way == 0)
        assert post(client, door.url, blob).status_code == 200


def test_connections_of_one_partner(world: World, receiver: House) -> None:
    receiver.knows(world.third)
    with open_door(receiver, connections_per_partner=2) as door:
        held = [raw_connection(world.utility, door) for _ in range(2)]
        wait_until(lambda: len(door.server.server_state.connections) == 2)
        with raw_connection(world.utility, door) as tls:
            assert read_all(tls) == b""  # cut without a word
        with caller(world.third, receiver) as other:
            assert other.get(f"{door.url}/healthz").status_code == 200
        for tls in held:
            tls.close()
        wait_until(lambda: len(door.server.server_state.connections) <= 1)
        with caller(world.utility, receiver) as client:
            assert client.get(f"{door.url}/healthz").status_code == 200


# Load


def test_under_load_what_can_wait_waits_and_what_is_urgent_goes(
    world: World, receiver: House, client: Caller
) -> None:
    with open_door(receiver, held_bytes=1_000_000) as door:
        token = {"authorization": f"Bearer {client.token(door.url)}"}
        answers = {}
        for load, held in (("half", 500_000), ("three quarters", 750_000), ("full", 1_000_000)):
            door.app._held.count = held
            for name, said in (("bulk", BULK), ("day", {"intertie-priority": "4"}), ("urgent", URGENT)):
                blob = a_parcel(world.utility, receiver).blob
                answers[load, name] = post(client, door.url, blob, **said, **token)
        door.app._held.count = 0
    taken = {name for name, answer in answers.items() if answer.status_code == 200}
    assert taken == {("half", "day"), ("half", "urgent"), ("three quarters", "urgent")}
    for name, answer in answers.items():
        if name not in taken:
            problem = problem_of(answer)
            assert (answer.status_code, problem["code"], problem["retry"]) == (503, "shed", True)
            assert int(answer.headers["retry-after"]) >= 1


def test_whoever_says_urgent_of_everything_is_not_believed(
    world: World, receiver: House, client: Caller
) -> None:
    quota = Quota(urgent_burst=2.0, urgent_per_second=0.01)
    with open_door(receiver, quota=quota, held_bytes=1_000_000) as door:
        door.app._held.count = 800_000
        answers = [
            post(client, door.url, a_parcel(world.utility, receiver, seq=n).blob, **URGENT).status_code
            for n in range(1, 5)
        ]
        door.app._held.count = 0
    assert answers == [200, 200, 503, 503]


def test_a_body_below_the_least_rate_is_cut(world: World, receiver: House) -> None:
    with (
        open_door(receiver, idle_seconds=0.4, bytes_per_second_least=10_000.0) as door,
        raw_connection(world.utility, door) as tls,
    ):
        tls.sendall(head(world.utility, door) + b"content-length: 100000\r\n\r\n")
        begun = time.monotonic()
        try:
            while time.monotonic() - begun < 10:
                tls.sendall(b"x" * 50)  # never idle, and far too slow
                time.sleep(0.05)
        except (ssl.SSLError, OSError):
            pass
        assert time.monotonic() - begun < 8
        wait_until(lambda: door.app._held.count == 0)


def test_one_partners_heap_does_not_keep_anothers_parcel(
    world: World, receiver: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread, and a slow check: the third party's parcel goes before the rest of the heap."""
    receiver.knows(world.third)
    order: list[str] = []
    real = receiver.gateway.store.refuse

    def slow(refusal):  # type: ignore[no-untyped-def]
        order.append(str(refusal.partner))
        time.sleep(0.15)
        return real(refusal)

    monkeypatch.setattr(receiver.gateway.store, "refuse", slow)
    with open_door(receiver, workers=1) as door:

        def heap() -> None:
            with caller(world.utility, receiver) as client:
                post(client, door.url, b"rubbish")

        threads = [threading.Thread(target=heap) for _ in range(6)]
        for thread in threads:
            thread.start()
        wait_until(lambda: door.app._quotas.under_way >= 4)
        with caller(world.third, receiver) as client:
            post(client, door.url, b"rubbish")
        for thread in threads:
            thread.join()
    assert order.count(UTILITY) == 6 and order.index(THIRD) < 6, order


# Stop flags


def say(client: Caller, url: str, body: object, **headers: str) -> httpx.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    if "authorization" not in headers:
        headers["authorization"] = f"Bearer {client.token(url)}"
    return client.post(f"{url}/flow", content=raw, headers={"content-type": "application/json"} | headers)


def test_a_partner_raises_and_lowers_its_flag(world: World, receiver: House, client: Caller) -> None:
    store = receiver.gateway.store
    with open_door(receiver) as door:
        until = now() + timedelta(minutes=10)
        raised = say(client, door.url, {"stop": True, "until": until.isoformat()})
        assert raised.status_code == 200 and raised.json()["stop"] is True
        (stop,) = store.stops()
        assert (stop.partner, stop.ours, stop.until) == (UTILITY, False, until)
        assert say(client, door.url, {"stop": True}).status_code == 200  # an hour, then
        assert say(client, door.url, {"stop": False}).json() == {"stop": False, "until": None}
        assert store.stops() == []
        size = store.head().size
        assert say(client, door.url, {"stop": False}).status_code == 200
        assert store.head().size == size == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"stop":1}',
        b'{"stop":true,"more":1}',
        b'{"stop":true,"until":"2020-01-01T00:00:00Z"}',
        b'{"stop":true,"until":"2999-01-01T00:00:00Z"}',
        b'{"stop":true,"until":"2026-11-26T00:00:00"}',
        b'{"stop":true' + b" " * 2000 + b"}",
    ],
)
def test_what_is_no_notice_is_refused(receiver: House, client: Caller, body: bytes) -> None:
    with open_door(receiver) as door:
        answer = say(client, door.url, body)
    assert answer.status_code in (413, 422), answer.text
    assert receiver.gateway.store.stops() == [] and receiver.gateway.store.head().size == 0


def test_nobody_else_can_raise_a_flag(world: World, receiver: House, client: Caller) -> None:
    with open_door(receiver) as door:
        assert say(client, door.url, {"stop": True}, authorization="Bearer x").status_code == 401
        with caller(world.third, receiver) as stranger:
            assert say(stranger, door.url, {"stop": True}, authorization="Bearer x").status_code == 403
        kind = {"content-type": "text/plain"}
        assert say(client, door.url, {"stop": True}, **kind).status_code == 415
        assert client.post(f"{door.url}{TOKEN}", data={}).status_code in (400, 401)
    assert receiver.gateway.store.stops() == []


def test_while_our_flag_is_up_only_what_is_urgent_is_taken(
    world: World, receiver: House, client: Caller
) -> None:
    stop = Stop(UTILITY, True, now(), now() + HOUR)
    with open_door(receiver) as door:
        raise_flag(receiver.gateway, stop, b"stop", now())
        bulk = post(client, door.url, a_parcel(world.utility, receiver, seq=1).blob, **BULK)
        assert (bulk.status_code, problem_of(bulk)["code"]) == (429, "rate_limited")
        assert 1 <= int(bulk.headers["retry-after"]) <= 60
        assert (
            post(client, door.url, a_parcel(world.utility, receiver, seq=2).blob, **URGENT).status_code == 200
        )
    assert accepted(receiver) == 1


def test_a_sender_holds_back_what_can_wait(world: World, receiver: House) -> None:
    """Outages and dispatches go; the rest goes when the flag falls."""
    sender = world.utility
    queue_one(sender, receiver)
    rows = sender.gateway.store.messages(Query(outgoing=True))
    with open_door(receiver) as door:
        sender.knows(receiver, door.url)
        raise_flag(sender.gateway, Stop(AGGREGATOR, False, now(), now() + HOUR), b"stop", now())
        assert stop_up(sender.gateway, AGGREGATOR, ours=False, now=now())
        assert not stop_up(sender.gateway, AGGREGATOR, ours=False, now=now() + 2 * HOUR)
        assert not stop_up(sender.gateway, AGGREGATOR, ours=True, now=now())
        bulk = [row._replace(priority=7) for row in rows]
        assert unstopped(bulk) == [] and unstopped(rows) == rows

        async def deliver() -> None:
            link = link_of(sender)
            try:
                await deliver_once(sender.gateway, link, AGGREGATOR, now, lambda: 0.5)
            finally:
                await link.aclose()

        asyncio.run(deliver())
    (row,) = sender.gateway.store.messages(Query(outgoing=True))
    assert row.priority <= 1 and row.state is State.ACCEPTED and accepted(receiver) == 1


def test_order_in_a_conversation_outlives_a_stop(world: World, receiver: House) -> None:
    queue_one(world.utility, receiver)
    (row,) = world.utility.gateway.store.messages(Query(outgoing=True))
    first = row._replace(conversation="c", priority=7)  # type: ignore[arg-type]
    then, alone = row._replace(conversation="c", priority=0), row._replace(conversation="d", priority=0)  # type: ignore[arg-type]
    assert unstopped([first, then, alone]) == [alone]


def test_a_notice_is_kept_by_the_act(world: World, receiver: House) -> None:
    at = now()
    stop = take_notice(receiver.gateway, UTILITY, b'{"stop":true}', at)
    assert stop is not None and stop.until == at + HOUR
    with pytest.raises(Refused):
        take_notice(receiver.gateway, UTILITY, b"{}", at)


def test_it_is_told_over_the_link(world: World, receiver: House, tmp_path: Path) -> None:
    async def tell(url: str) -> int:
        link = link_of(world.utility)
        try:
            return (await link.post_flow(world.utility.knows(receiver, url), b'{"stop":true}')).status
        finally:
            await link.aclose()

    with open_door(receiver) as door:
        assert asyncio.run(tell(door.url)) == 200
    assert [stop.partner for stop in receiver.gateway.store.stops()] == [UTILITY]
