"""Feeds are written as they are read, a few meters in memory, and what fails in the middle is not a feed."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.exchange.custodian_world import Served
from tests.exchange.espi_world import FIRST, HOST, World, hours
from tests.interop.sftp_house import until

from intertie.bindings.espi import resources
from intertie.bindings.espi.door import EspiDoorway, parts_of
from intertie.bindings.espi.resources import NotThere
from intertie.formats.espi.names import BASE
from intertie.formats.espi.nodes import Said
from intertie.formats.espi.stream import read_feed
from intertie.formats.espi.write import CHUNK_BYTES
from intertie.gateway.espi import espi_readings
from intertie.gateway.espi.espi_readings import METERS_AT_ONCE, Asked, said_by_meter
from intertie.gateway.metering.readings import Readings
from intertie.model.errors import SettingsError, StoreError

METERS = [f"M{number:03}" for number in range(60)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    for day in range(3):
        world.keep(*[hours(meter, FIRST + timedelta(days=day), step=900) for meter in METERS])
    return world


@pytest.fixture
def token(world: World) -> str:
    application, secret = world.add()
    for first in range(0, len(METERS), 20):
        world.give(application, *METERS[first : first + 20])
    return world.own_token(application, secret)


def counting(monkeypatch: pytest.MonkeyPatch, fail_at: int = 10**9) -> list[str]:
    """Meters as their readings are loaded."""
    loaded: list[str] = []

    def watched(readings: Readings, asked: Asked) -> Iterator[tuple[str, list[Said]]]:
        for meter, said in said_by_meter(readings, asked):
            if len(loaded) >= fail_at:
                raise StoreError("the disk is gone")
            loaded.append(meter)
            yield meter, said

    monkeypatch.setattr(resources, "said_by_meter", watched)
    return loaded


def test_the_first_bytes_go_before_the_last_meter_is_read(
    world: World, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = counting(monkeypatch)
    bearer = world.grants.let_in(token, world.now)
    from_query = resources.Query()
    found = world.custodian.find(bearer, ["Batch", "Bulk", "b1"], from_query, world.now)
    door = EspiDoorway(world.grants, world.custodian, world.settings, lambda: world.now, lambda: 0.0)
    chunks = door._chunks(found)
    first = next(chunks)
    assert CHUNK_BYTES <= len(first) < 2 * CHUNK_BYTES and len(loaded) <= 3
    rest = b"".join(chunks)
    assert sorted(loaded) == METERS, "each once"
    entries = list(read_feed(_File(first + rest)))
    assert len(entries) > 60 * 4


class _File:
    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def read(self, count: int) -> bytes:
        self.at += count
        return self.content[self.at - count : self.at]


def test_memory_does_not_grow_with_the_feed(world: World, token: str) -> None:
    def peak(most: int) -> int:
        bearer = world.grants.let_in(token, world.now)
        query = resources.Query(most=most)
        door = EspiDoorway(world.grants, world.custodian, world.settings, lambda: world.now, lambda: 0.0)
        found = world.custodian.find(bearer, ["Batch", "Bulk", "b1"], query, world.now)
        tracemalloc.start()
        size = sum(map(len, door._chunks(found)))
        most_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert size > 100_000
        return most_bytes

    peak(30)
    small, large = peak(30), peak(10**6)
    assert large < 3 * small + 2_000_000, (small, large)


def test_a_disk_that_fails_at_once_is_said(world: World, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counting(monkeypatch, fail_at=0)
    answer = world.get("Batch/Bulk/b1", token)
    assert answer.status_code == 503 and answer.headers["retry-after"] and "disk" not in answer.text


def test_a_disk_that_fails_in_the_middle_cuts_the_connection(
    world: World, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting(monkeypatch, fail_at=30)
    with pytest.raises(StoreError):
        world.get("Batch/Bulk/b1", token)


def test_consents_that_cannot_be_read_are_said(
    world: World, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise SettingsError("espi/x cannot be read")

    monkeypatch.setattr(world.book, "application", broken)
    answers = [
        world.get("ServiceStatus", token),
        world.client.post(
            "/espi/1_1/oauth/token", data={"grant_type": "client_credentials"}, auth=("a", "b")
        ),
        world.client.get("/espi/1_1/oauth/authorize", params={"client_id": "x", "response_type": "code"}),
    ]
    assert [one.status_code for one in answers] == [503] * 3
    assert not any("cannot be read" in one.text for one in answers)


def test_so_many_feeds_at_once_and_the_next_is_asked_to_wait(tmp_path: Path) -> None:
    world = World(tmp_path, feeds=1)
    for day in range(10):
        world.keep(*[hours(meter, FIRST - timedelta(days=day), step=900) for meter in METERS[:10]])
    application, secret = world.add()
    world.give(application, *METERS[:10])
    token = world.own_token(application, secret)
    door = EspiDoorway(world.grants, world.custodian, world.settings, lambda: world.now, lambda: 0.0)

    async def both() -> tuple[int, int, int]:
        transport, headers = httpx.ASGITransport(door.app()), {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(transport=transport, base_url=HOST, headers=headers) as client:
            first = asyncio.ensure_future(client.get(f"{BASE}/Batch/Bulk/b1"))
            while not door._writing and not first.done():
                await asyncio.sleep(0.001)
            second = await client.get(f"{BASE}/ServiceStatus")
            done = await first
            third = await client.get(f"{BASE}/ServiceStatus")
        return done.status_code, second.status_code, third.status_code

    assert asyncio.run(both()) == (200, 503, 200)


def test_readers_that_go_away_leave_their_place_to_others(tmp_path: Path) -> None:
    custodian = Served(tmp_path, feeds=1)
    for day in range(20):
        custodian.keep(*[hours(meter, FIRST - timedelta(days=day), step=900) for meter in METERS[:12]])
    application, secret = custodian.add()
    custodian.give(application, *METERS[:12])
    token = custodian.own_token(application, secret)
    url, headers = f"{custodian.url}{BASE}/Batch/Bulk/b1", {"authorization": f"Bearer {token}"}
    with custodian.serving():
        whole = len(httpx.get(url, headers=headers).content)
        for _ in range(3):
            with httpx.stream("GET", url, headers=headers) as answer:
                assert answer.status_code == 200
                next(answer.iter_raw())  # and it is gone
            until(lambda: not custodian.door._writing)
        assert len(httpx.get(url, headers=headers).content) == whole > 20 * CHUNK_BYTES
        assert httpx.get(url, headers=headers | {"authorization": "Bearer x"}).status_code == 401
        assert custodian.door._writing == 0


def test_a_few_meters_are_read_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    rows = espi_readings._rows

    def watched(readings: Readings, meters: Any, one: Asked) -> Any:
        asked.append(len(meters))
        return rows(readings, meters, one)

    monkeypatch.setattr(espi_readings, "_rows", watched)
    wanted = Asked([*METERS, "M999"], world.now - timedelta(days=99), world.now)
    found = dict(said_by_meter(world.readings, wanted))
    assert list(found) == [*METERS, "M999"] and found["M999"] == [] and len(found["M000"]) == 3
    assert max(asked) == METERS_AT_ONCE


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        (b"/espi/1_1/resource/ServiceStatus", ["ServiceStatus"]),
        (
            b"/espi/1_1/resource/Subscription/a/UsagePoint/M%2F2%23x/",
            ["Subscription", "a", "UsagePoint", "M/2#x"],
        ),
        (b"/espi/1_1/resource/A?x=/b", ["A"]),
        (b"/espi/1_1/resource/", None),
        (b"/espi/1_1/resource//x", None),
        (b"/espi/1_1/resource/" + b"a/" * 20, None),
        (b"/espi/1_1/resource/\xff", None),
    ],
)
def test_parts_of_a_path(raw: bytes, parts: list[str] | None) -> None:
    if parts is None:
        with pytest.raises(NotThere):
            parts_of(raw)
    else:
        assert parts_of(raw) == parts
