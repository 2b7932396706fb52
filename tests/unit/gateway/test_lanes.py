"""Which loop looks when something was queued: one for a caller alone, a second when it is worth a parcel of its own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from intertie.gateway.sending.lanes import PLENTY, AllLanes, Lane, Lanes
from intertie.model.ids import PartyId, new_parcel_id

# One for all questions: an event belongs to the loop that asked for it first.
LOOP = asyncio.new_event_loop()
THEM, OTHER = PartyId("aggregator.example"), PartyId("other.example")
ONE, TWO = new_parcel_id(datetime(2026, 1, 1, tzinfo=UTC)), new_parcel_id(datetime(2026, 1, 2, tzinfo=UTC))


OURS = (Lane.FIRST, Lane.SECOND, Lane.URGENT)


def awake(lanes: Lanes) -> set[Lane]:
    """The loops for messages of ours that would look now."""

    async def look() -> set[Lane]:
        found = set()
        for lane in OURS:
            try:
                await asyncio.wait_for(lanes.rest(lane), 0.01)
            except TimeoutError:
                continue
            found.add(lane)
            lanes.look(lane)
        return found

    return LOOP.run_until_complete(look())


def test_the_first_looks_when_nothing_is_under_way() -> None:
    lanes = Lanes()
    assert awake(lanes) == set()
    lanes.queued(1, urgent=True)
    assert awake(lanes) == {Lane.FIRST}


def test_the_second_begins_when_as_much_waits_as_is_under_way() -> None:
    lanes = Lanes()
    lanes.queued(3, urgent=False)
    lanes.begin(ONE, 3)
    awake(lanes)
    lanes.queued(2, urgent=False)
    assert awake(lanes) == {Lane.FIRST}, "it looks again when it is done"
    lanes.queued(1, urgent=False)
    assert awake(lanes) == {Lane.FIRST, Lane.SECOND}


def test_what_is_urgent_waits_for_nobody() -> None:
    lanes = Lanes()
    lanes.begin(ONE, 50)
    lanes.queued(1, urgent=True)
    assert awake(lanes) == {Lane.FIRST, Lane.URGENT}


def test_in_a_backlog_the_next_is_sealed_at_once() -> None:
    lanes = Lanes()
    lanes.begin(ONE, PLENTY)
    assert awake(lanes) == {Lane.SECOND}


def test_what_others_queued_is_looked_for_by_all_that_could_take_it() -> None:
    lanes = Lanes()
    lanes.due()
    assert awake(lanes) == {Lane.FIRST}
    lanes.begin(ONE, 1)
    lanes.due()
    assert awake(lanes) == set(OURS)


def test_time_wakes_the_first_and_the_end_wakes_all() -> None:
    lanes = Lanes()
    lanes.tick()
    assert awake(lanes) == {Lane.FIRST}
    lanes.end()
    assert awake(lanes) == set(OURS)


def test_what_waits_behind_a_slow_parcel_goes_after_a_second() -> None:
    lanes = Lanes()
    lanes.begin(ONE, 50)
    lanes.queued(1, urgent=False)
    assert awake(lanes) == {Lane.FIRST}
    lanes.tick()
    assert awake(lanes) == {Lane.FIRST, Lane.SECOND}


def test_what_was_counted_and_is_not_there_is_forgotten() -> None:
    lanes = Lanes()
    lanes.begin(ONE, 50)
    lanes.queued(1, urgent=False)
    lanes.found_nothing(Lane.URGENT)
    awake(lanes)
    lanes.tick()
    assert awake(lanes) == {Lane.FIRST, Lane.SECOND}, "nothing urgent says nothing of the rest"
    lanes.found_nothing(Lane.SECOND)
    lanes.tick()
    assert awake(lanes) == {Lane.FIRST}


def test_parcels_are_under_way_from_beginning_to_end() -> None:
    lanes = Lanes()
    lanes.begin(ONE, 1)
    lanes.begin(TWO, 2)
    assert ONE in lanes and len(lanes) == 2 and set(lanes) == {ONE, TWO}
    lanes.ended(ONE)
    lanes.ended(ONE)
    assert ONE not in lanes and len(lanes) == 1


@pytest.mark.parametrize(
    ("messages", "queued", "sleeps"),
    [(1, 0, False), (16, 0, True), (16, 16, False), (PLENTY, 0, False)],
    ids=["a caller alone", "several callers", "all are back", "a backlog"],
)
def test_callers_that_were_answered_together_send_again_together(
    messages: int, queued: int, sleeps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)

    async def gather() -> None:
        lanes = Lanes()
        lanes.queued(queued, urgent=False)
        await lanes.gather(messages)

    LOOP.run_until_complete(gather())
    assert bool(slept) is sleeps


def test_each_partner_has_its_own() -> None:
    lanes = AllLanes()
    assert THEM not in lanes
    mine, other = lanes.of(THEM), lanes.of(OTHER)
    assert lanes.of(THEM) is mine and THEM in lanes
    lanes.queued({THEM: [5, 1], PartyId("stranger.example"): [5]})
    assert (awake(mine), awake(other)) == ({Lane.FIRST}, set())
    lanes.due([OTHER, PartyId("stranger.example")])
    assert (awake(mine), awake(other)) == (set(), {Lane.FIRST})
    mine.begin(ONE, 9)
    lanes.queued({THEM: [5, 0]})
    assert awake(mine) == {Lane.FIRST, Lane.URGENT}
    mine.found_nothing(Lane.FIRST)
    lanes.tick()
    assert (awake(mine), awake(other)) == ({Lane.FIRST}, {Lane.FIRST})
    lanes.end()
    assert awake(mine) == awake(other) == set(OURS)


def test_parcels_of_others_are_looked_for_when_something_is_due_and_each_second() -> None:
    def wakes() -> bool:
        async def look() -> bool:
            try:
                await asyncio.wait_for(lanes.rest(Lane.RELAY), 0.01)
            except TimeoutError:
                return False
            return True

        return LOOP.run_until_complete(look())

    lanes = Lanes()
    lanes.queued(3, urgent=True)
    assert not wakes()
    for wake in (lanes.due, lanes.tick, lanes.end):
        wake()
        assert wakes()
        lanes.look(Lane.RELAY)
        assert not wakes()
