"""Who searches takes turns: one at a time, so many wait, and nobody for ever; other pages do not wait behind them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.portal.visitors import Browser, signed_in
from tests.portal.world import World

from intertie.gateway.office.api_keys import OfficeRole
from intertie.portal.turns import Crowded, Turns

SOON = 10.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def test_one_after_the_other_and_nobody_is_forgotten() -> None:
    turns, inside, most = Turns(at_once=2, waiting=8), [0], [0]
    lock = threading.Lock()

    def work() -> None:
        with turns.taken():
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            gate.wait(SOON)
            with lock:
                inside[0] -= 1

    gate = threading.Event()
    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    while inside[0] < 2:
        pass
    gate.set()
    for thread in threads:
        thread.join(SOON)
    assert (inside, most) == ([0], [2]) and not any(thread.is_alive() for thread in threads)


def test_more_than_may_wait_are_told_to_come_again() -> None:
    turns = Turns(waiting=0)
    with turns.taken(), pytest.raises(Crowded, match="too many") as caught, turns.taken():
        raise AssertionError("two at once")
    assert caught.value.retry and caught.value.do
    with turns.taken():
        pass


def test_a_turn_that_does_not_come_in_time_is_given_up_and_its_place_is_free() -> None:
    turns = Turns(waiting=1, seconds=0.01)
    with turns.taken():
        for _ in range(3):
            with pytest.raises(Crowded), turns.taken():
                raise AssertionError("two at once")
    with turns.taken():
        pass


def test_an_error_gives_the_turn_back() -> None:
    turns = Turns(waiting=0)
    for _ in range(2):
        with pytest.raises(KeyError), turns.taken():
            raise KeyError("so")


def test_a_crowded_search_says_so_and_other_pages_come(world: World) -> None:
    world.office = world.office._replace(turns=Turns(waiting=0))
    browser = signed_in(world, *OfficeRole)
    with world.office.turns.taken():
        answer = browser.get("/messages?text=nothing")
        assert answer.status_code == 503 and "too many are searching now" in answer.text
        assert answer.headers["retry-after"] == "1"
        part = browser.get("/messages", headers={"hx-request": "true"})
        assert part.status_code == 503 and part.headers["retry-after"] == "1"
        said = api(world)
        assert said.status_code == 503 and said.json()["code"] == "crowded" and said.json()["retry"]
        assert said.headers["retry-after"] == "1"
        assert browser.get("/partners").status_code == 200 == browser.get("/").status_code
    assert browser.get("/messages?text=nothing").status_code == 200 == api(world).status_code


def api(world: World) -> httpx.Response:
    return Browser(world).http.get("/api/v1/search?text=nothing", headers=world.headers(OfficeRole.OPERATOR))
