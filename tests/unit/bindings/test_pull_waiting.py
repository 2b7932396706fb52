"""Requests that wait for a parcel: woken by what is due for them, and cheap however many they are."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from intertie.bindings.parcel_https import pull_waiting
from intertie.bindings.parcel_https.pull_waiting import Waiting
from intertie.model.errors import StoreError
from intertie.model.ids import PartyId

NOW = datetime(2026, 11, 26, tzinfo=UTC)
A, B = PartyId("a.example"), PartyId("b.example")


class Queue:
    """A store that says who is due, and counts how often it is asked."""

    def __init__(self) -> None:
        self.due: list[PartyId] = []
        self.number, self.looks, self.fails = 0, 0, 0

    def changed(self) -> int:
        if self.fails:
            self.fails -= 1
            raise StoreError("gone")
        return self.number

    def next_partners(self, now: datetime) -> list[PartyId]:
        self.looks += 1
        return self.due

    def put(self, *parties: PartyId) -> None:
        self.due, self.number = list(parties), self.number + 1


def waiting_on(queue: Queue) -> Waiting:
    return Waiting(queue, lambda: NOW)  # type: ignore[arg-type]


async def within(event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(5):
            return await event.wait()
    except TimeoutError:
        return False


def test_only_who_has_something_due_is_woken() -> None:
    async def run() -> None:
        queue = Queue()
        waiting = waiting_on(queue)
        with waiting.wake(A) as a, waiting.wake(B) as b:
            assert waiting.open == {A: 1, B: 1}
            queue.put(A)
            assert await within(a)
            assert not b.is_set()
        assert not waiting.open

    asyncio.run(run())


def test_thousands_that_wait_cost_one_look_at_a_time() -> None:
    """However many wait, the store is asked once for all of them, and only when it has changed, or each second."""

    async def run() -> tuple[int, bool]:
        queue = Queue()
        waiting = waiting_on(queue)
        with ExitStack() as stack:
            events = [stack.enter_context(waiting.wake(PartyId(f"p{n}.example"))) for n in range(5000)]
            await asyncio.sleep(0.5)
            looks = queue.looks
            queue.put(PartyId("p4999.example"))
            woken = await within(events[-1])
            assert sum(event.is_set() for event in events) == 1
            assert len(asyncio.all_tasks()) == 2, "this one, and one that watches"
        return looks, woken

    looks, woken = asyncio.run(run())
    assert looks == 1
    assert woken


def test_nobody_watches_when_nobody_waits() -> None:
    async def run() -> None:
        queue = Queue()
        waiting = waiting_on(queue)
        with waiting.wake(A):
            pass
        await asyncio.sleep(0.2)
        assert len(asyncio.all_tasks()) == 1
        with waiting.wake(A) as event:
            queue.put(A)
            assert await within(event), "and again when somebody does"

    asyncio.run(run())


def test_what_is_due_by_the_clock_alone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull_waiting, "TICK_SECONDS", 0.05)

    async def run() -> None:
        queue = Queue()
        waiting = waiting_on(queue)
        with waiting.wake(A) as event:
            await asyncio.sleep(0.1)
            queue.due = [A]  # without a change: its time has come
            assert await within(event)

    asyncio.run(run())


def test_a_store_that_fails_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull_waiting, "TICK_SECONDS", 0.05)

    async def run() -> None:
        queue = Queue()
        queue.fails = 2
        queue.put(A)
        with waiting_on(queue).wake(A) as event:
            assert await within(event)

    asyncio.run(run())


def test_a_door_that_closes_wakes_all() -> None:
    async def run() -> None:
        waiting = waiting_on(Queue())
        with waiting.wake(A) as one, waiting.wake(A) as other, waiting.wake(B) as third:
            waiting.stop()
            assert one.is_set() and other.is_set() and third.is_set()
            assert waiting.stopping

    asyncio.run(run())
