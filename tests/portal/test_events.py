"""Server-sent events over a socket: in order, resumed after a cut, bounded, ended with the key."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.exchange.house import NOW
from tests.portal.world import World, calling, new_key, outage, problem

from intertie.client import AsyncClient, Client, NotLetIn
from intertie.gateway.office.api_keys import OfficeRole, revoke_key
from intertie.model.office import Happened
from intertie.portal.events import STREAMS_PER_KEY, written


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[World, str]]:
    world = World(tmp_path)
    with calling(world) as url:
        yield world, url
    world.close()


def client(world: World, url: str, role: OfficeRole = OfficeRole.OPERATOR) -> Client:
    return Client(url, world.made[role].text)


def send(world: World, url: str, name: str) -> str:
    headers = world.headers(OfficeRole.OPERATOR) | {"Idempotency-Key": new_key()}
    answer = httpx.post(f"{url}/api/v1/messages", json=outage(name), headers=headers)
    return str(answer.json()["messages"][0])


def lines(world: World, url: str, count: int, **more: Any) -> list[str]:
    """The first lines of a stream."""
    headers = world.headers(OfficeRole.OPERATOR) | more.pop("headers", {})
    found: list[str] = []
    with httpx.stream("GET", f"{url}/api/v1/events", headers=headers, timeout=10, **more) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream"), answer.read()
        for line in answer.iter_lines():
            found.append(line)
            if len(found) == count:
                return found
    return found


def test_a_stream_from_the_beginning_is_the_journal(served: tuple[World, str]) -> None:
    world, url = served
    id = send(world, url, "OUT-1")
    world.deliver()
    with client(world, url) as office:
        size = world.gateway.store.head().size
        events = list(islice(office.events(-1), size))
    assert [event.index for event in events] == list(range(size))
    (sent,) = [event for event in events if event.kind == "message_out"]
    assert sent.message == id and sent.document == "outage_notice" and sent.state == "accepted"
    assert "receipt_in" in {event.kind for event in events}


def test_what_happens_while_one_listens(served: tuple[World, str]) -> None:
    world, url = served
    found: list[Happened] = []
    with client(world, url) as office:
        listening = threading.Event()

        def listen() -> None:
            for event in office.events(world.gateway.store.head().size - 1, documents={"invoice"}):
                found.append(event)
                return

        thread = threading.Thread(target=listen)
        thread.start()
        listening.wait(0.2)
        send(world, url, "OUT-1")  # not asked for
        world.from_partner()
        world.deliver()
        thread.join(15)
    assert [(event.kind, event.document) for event in found] == [("message_in", "invoice")]


def test_a_stream_that_was_cut_misses_nothing_and_repeats_nothing(served: tuple[World, str]) -> None:
    """Read a few, cut the line, more happens, resume by Last-Event-ID."""
    world, url = served
    for name in ("OUT-1", "OUT-2"):
        send(world, url, name)
    first = [line for line in lines(world, url, 8, params={"after": -1}) if line.startswith("id: ")]
    last = int(first[-1].removeprefix("id: "))
    send(world, url, "OUT-3")
    size = world.gateway.store.head().size
    rest = lines(world, url, 3 + 4 * (size - 1 - last), headers={"Last-Event-ID": str(last)})
    ids = [int(line.removeprefix("id: ")) for line in rest if line.startswith("id: ")]
    assert ids == list(range(last, size))  # the first says where the stream begins, and is no event


def test_the_client_resumes_by_itself_over_another_process(tmp_path: Path) -> None:
    """The server goes away between two events; another one on the same store and port goes on."""
    world = World(tmp_path)
    found: list[int] = []
    with calling(world) as url:
        send(world, url, "OUT-1")
        dead = url

    class Elsewhere(httpx.HTTPTransport):
        """Sends what goes to the dead server to the one that lives."""

        to = ""

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            request.url = request.url.copy_with(port=httpx.URL(self.to).port)
            return super().handle_request(request)

    transport = Elsewhere()
    world.streams.over = False
    size = world.gateway.store.head().size
    office = Client(dead, world.made[OfficeRole.OPERATOR].text, transport=transport)
    with calling(world) as first:
        transport.to = first
        events = office.events(-1)
        found += [next(events).index for _ in range(size)]
    world.streams.over = False
    with calling(world) as second:
        transport.to = second
        send(world, second, "OUT-2")
        found += [next(events).index]
    assert found == list(range(size + 1))
    office.close()
    world.close()


def test_a_heartbeat_when_nothing_happens(served: tuple[World, str]) -> None:
    world, url = served
    assert ": still here" in lines(world, url, 6)


def test_a_place_that_is_not_there_is_refused(served: tuple[World, str]) -> None:
    world, url = served
    headers = world.headers(OfficeRole.OPERATOR)
    said = httpx.get(f"{url}/api/v1/events", headers=headers | {"Last-Event-ID": "999999"})
    assert "another journal" in problem(said, 422)["do"]
    problem(httpx.get(f"{url}/api/v1/events", headers=headers | {"Last-Event-ID": "abc"}), 400)
    problem(httpx.get(f"{url}/api/v1/events", headers=headers, params={"after": -2}), 400)
    problem(httpx.get(f"{url}/api/v1/events", headers=world.headers(OfficeRole.ADMIN)), 403)


def test_streams_of_one_key_are_bounded(served: tuple[World, str]) -> None:
    world, url = served
    with httpx.Client(base_url=url, headers=world.headers(OfficeRole.OPERATOR), timeout=10) as http:
        open_ones = []
        for _ in range(STREAMS_PER_KEY):
            request = http.build_request("GET", "/api/v1/events")
            answer = http.send(request, stream=True)
            lines_of = answer.iter_lines()
            next(lines_of)
            open_ones.append((answer, lines_of))  # what nobody holds is closed
        assert problem(http.get("/api/v1/events"), 429)["code"] == "rate_limited"
        for answer, _ in open_ones:
            answer.close()
    with client(world, url) as office:  # their places are free again
        assert next(office.events(-1)).index == 0


def test_a_stream_ends_when_its_key_counts_no_more(served: tuple[World, str]) -> None:
    world, url = served
    with client(world, url) as office:
        events = office.events(-1)
        next(events)
        revoke_key(world.gateway, world.keys, "operator", NOW)
        with pytest.raises(NotLetIn):
            for _ in events:
                pass


def test_the_asynchronous_client(served: tuple[World, str]) -> None:
    world, url = served

    async def follow() -> list[int]:
        async with AsyncClient(url, world.made[OfficeRole.AUDITOR].text) as office:
            assert (await office.whoami()).role == "auditor"
            found = []
            async for event in office.events(-1):
                found.append(event.index)
                if len(found) == 3:
                    return found
        return []

    assert asyncio.run(follow()) == [0, 1, 2]


def test_an_event_is_one_block_of_lines() -> None:
    raw = written([Happened(index=7, kind="act", at=NOW, note="a\nb")])
    assert raw.startswith(b"id: 7\nevent: act\ndata: {") and raw.count(b"\n") == 4
