"""Turns at the threads: nobody waits for a heap of somebody else."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from intertie.bindings.parcel_https.turns import Turns
from intertie.model.ids import PartyId

A, B, C = (PartyId(f"{name}.example") for name in "abc")


def order_of(parties: list[PartyId], places: int) -> list[PartyId]:
    """In which order they are served, if all came at once."""
    served: list[PartyId] = []

    async def one(turns: Turns, party: PartyId) -> None:
        async with turns.turn(party):
            served.append(party)
            await asyncio.sleep(0)

    async def all_of_them() -> None:
        turns = Turns(places)
        await asyncio.gather(*(one(turns, party) for party in parties))
        assert turns.busy == {} and turns._free == places

    asyncio.run(all_of_them())
    return served


def test_a_heap_waits_for_itself() -> None:
    served = order_of([A] * 8 + [B] + [C] * 2, 1)
    assert served.index(B) <= 2 and served[:6].count(C) == 2


@given(st.lists(st.sampled_from([A, B, C]), max_size=40), st.integers(1, 5))
def test_everybody_is_served_once_and_fairly(parties: list[PartyId], places: int) -> None:
    served = order_of(parties, places)
    assert sorted(served) == sorted(parties)
    for party in set(parties):  # behind at most one of each other partner, and what was under way
        first = served.index(party)
        assert first <= places + len(set(parties))


def test_no_partner_has_more_than_half_of_the_places() -> None:
    async def play() -> None:
        turns = Turns(4)
        most: list[int] = []

        async def one(party: PartyId) -> None:
            async with turns.turn(party):
                most.append(turns.busy[A])
                await asyncio.sleep(0)
                await asyncio.sleep(0)

        heap = [asyncio.create_task(one(A)) for _ in range(9)]
        await asyncio.sleep(0)
        await asyncio.wait_for(one(B), 1)
        assert turns.busy[A] == 2, "there was a place beside the heap"
        await asyncio.gather(*heap)
        assert max(most) == 2 and turns._free == 4

    asyncio.run(play())


def test_who_is_cancelled_leaves_its_place() -> None:
    async def play() -> None:
        turns = Turns(1)
        entered = asyncio.Event()

        async def hold() -> None:
            async with turns.turn(A):
                entered.set()
                await asyncio.sleep(10)

        async def take() -> None:
            async with turns.turn(B):
                pass

        holding = asyncio.create_task(hold())
        await entered.wait()
        waiting = asyncio.create_task(take())
        await asyncio.sleep(0)
        waiting.cancel()
        holding.cancel()
        await asyncio.gather(waiting, holding, return_exceptions=True)
        await asyncio.wait_for(take(), 1)
        assert turns._free == 1

    asyncio.run(play())
