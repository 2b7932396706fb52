"""Deliveries in a partner's own protocol at their edges: doors that say never or not now, answers that nobody takes."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.exchange.house import AGGREGATOR, STRANGER, UTILITY
from tests.exchange.uftp_world import NEED, Two, offer_to

from intertie.exchange.outbound import State
from intertie.gateway.sending.answers import Delivery
from intertie.gateway.translating.accept_translated import find_foreign, known_of
from intertie.gateway.translating.deliver_translated import (
    ANSWER_WAIT,
    OWED_MAX,
    PostAnswer,
    Reply,
    deliver_translated,
    take_reply,
)
from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import Code, PartnerError, Refused
from intertie.model.ids import MessageId, PartyId, new_message_id

SECOND = timedelta(seconds=1)


def post_to(two: Two, party: PartyId, said: PostAnswer | None) -> tuple[Delivery | None, list[bytes]]:
    """One delivery by a party whose partner's door says this; None: there is no answer."""
    seen: list[bytes] = []

    async def post(foreign: Foreign, signed: bytes) -> PostAnswer:
        seen.append(signed)
        if said is None:
            raise PartnerError("no answer")
        return said

    there = AGGREGATOR if party == UTILITY else UTILITY
    delivery = deliver_translated(two.gateways[party], post, there, lambda: two.now, lambda: 0.0)
    return asyncio.run(delivery), seen


def owing() -> Two:
    """The aggregator has the need, and owes the answer."""
    two = Two()
    two.say(UTILITY, NEED)
    two.carry(UTILITY)
    assert len(owed(two)) == 1
    return two


def owed(two: Two, after: timedelta = timedelta(days=30)) -> list[object]:
    return list(two.gateways[AGGREGATOR].store.owed_answers(UTILITY, two.now + after))


@pytest.mark.parametrize("status", [400, 403, 410])
def test_a_door_that_never_takes_it_refuses_the_message(status: int) -> None:
    two = Two()
    message = two.say(UTILITY, NEED)
    delivery, seen = post_to(two, UTILITY, PostAnswer(status))
    assert delivery is not None and delivery.detail == f"HTTP {status}" and len(seen) == 1
    assert two.state(UTILITY, message) == (State.REFUSED, f"HTTP {status}")
    two.now += timedelta(hours=2)
    assert post_to(two, UTILITY, PostAnswer(200)) == (None, [])


@pytest.mark.parametrize("said", [None, PostAnswer(404), PostAnswer(429), PostAnswer(500), PostAnswer(302)])
def test_not_now_is_tried_again_with_the_same_bytes(said: PostAnswer | None) -> None:
    two = Two()
    message = two.say(UTILITY, NEED)
    _, first = post_to(two, UTILITY, said)
    assert two.state(UTILITY, message)[0] is State.SENDING
    two.now += timedelta(hours=1)
    _, second = post_to(two, UTILITY, PostAnswer(200))
    assert first == second and len(second) == 1
    assert two.state(UTILITY, message)[0] is State.SENDING  # a post that was taken is no receipt


def test_a_taken_message_waits_for_its_answer_and_longer_each_time() -> None:
    two = Two()
    two.say(UTILITY, NEED)
    assert post_to(two, UTILITY, PostAnswer(200))[0] is not None
    two.now += ANSWER_WAIT - SECOND
    assert post_to(two, UTILITY, PostAnswer(200)) == (None, [])
    waited = []
    for _ in range(2):
        start = two.now
        while post_to(two, UTILITY, PostAnswer(200))[0] is None:
            two.now += timedelta(minutes=1)
        waited.append(two.now - start)
    assert waited[1] > waited[0]


def test_the_door_s_own_wait_is_kept() -> None:
    two = Two()
    two.say(UTILITY, NEED)
    ceiling = two.gateways[UTILITY].limits.retry_ceiling_seconds
    post_to(two, UTILITY, PostAnswer(503, retry_after=float(ceiling) * 10))
    two.now += timedelta(seconds=ceiling) - SECOND
    assert post_to(two, UTILITY, PostAnswer(200)) == (None, [])
    two.now += SECOND  # and no longer than our longest
    assert post_to(two, UTILITY, PostAnswer(200))[0] is not None


def test_an_answer_that_is_never_taken_is_given_up_at_once() -> None:
    two = owing()
    delivery, seen = post_to(two, AGGREGATOR, PostAnswer(403))
    assert delivery is not None and delivery.detail == "answer given up: HTTP 403" and len(seen) == 1
    assert owed(two) == [] and post_to(two, AGGREGATOR, PostAnswer(200)) == (None, [])


def test_an_answer_that_is_not_taken_now_is_given_up_after_some_days() -> None:
    two = owing()
    delivery, _ = post_to(two, AGGREGATOR, None)
    assert delivery is not None and delivery.detail == "answer not taken: no answer"
    assert len(owed(two)) == 1 and owed(two, timedelta(0)) == []
    two.now += OWED_MAX - timedelta(minutes=1)
    delivery, _ = post_to(two, AGGREGATOR, PostAnswer(500))
    assert delivery is not None and delivery.detail == "answer not taken: HTTP 500"
    two.now += timedelta(hours=2)
    delivery, _ = post_to(two, AGGREGATOR, PostAnswer(500))
    assert delivery is not None and delivery.detail == "answer given up: HTTP 500" and owed(two) == []


def test_the_answer_goes_before_a_message_and_a_message_not_before_it() -> None:
    two = owing()
    two.say(AGGREGATOR, offer_to(two))
    _, seen = post_to(two, AGGREGATOR, PostAnswer(500))
    assert len(seen) == 1  # the answer alone
    two.now += timedelta(hours=1)
    _, both = post_to(two, AGGREGATOR, PostAnswer(200))
    assert both[0] == seen[0] and len(both) == 2 and owed(two) == []


def test_nobody_is_posted_to_who_is_no_such_partner() -> None:
    two = Two()
    two.say(UTILITY, NEED)
    two.change(UTILITY, suspended=True)
    assert post_to(two, UTILITY, PostAnswer(200)) == (None, [])
    with pytest.raises(Refused) as caught:
        find_foreign(two.gateways[UTILITY], STRANGER)
    assert caught.value.code is Code.UNKNOWN_SENDER
    two.change(UTILITY, suspended=False, foreign=None)
    with pytest.raises(Refused) as caught:
        find_foreign(two.gateways[UTILITY], AGGREGATOR)
    assert caught.value.code is Code.UNKNOWN_SENDER and post_to(two, UTILITY, None) == (None, [])


def test_what_both_hold_is_known_by_its_id() -> None:
    two = Two()
    message = two.say(UTILITY, NEED)
    known = known_of(two.gateways[UTILITY], AGGREGATOR)
    assert known.known(message) and known.original(message) is not None
    missing = new_message_id(two.now)
    assert not known.known(missing) and known.original(missing) is None
    assert known.book.offers.needs == {}  # queued is not held by both


def test_an_answer_to_nothing_is_refused_and_one_to_something_counts_between_two_clocks() -> None:
    two = Two()
    message = two.say(UTILITY, NEED)
    gateway = two.gateways[UTILITY]

    def reply(to: MessageId, days: float) -> Reply:
        return Reply(AGGREGATOR, to, True, "", b"signed", two.now + timedelta(days=days))

    for nothing in (new_message_id(two.now), message):  # never sent, and not sent yet
        with pytest.raises(Refused) as caught:
            take_reply(gateway, reply(nothing, 0), two.now)
        assert caught.value.code is Code.BAD_MESSAGE
    post_to(two, UTILITY, PostAnswer(200))
    two.now += SECOND
    take_reply(gateway, reply(message, 1), two.now)  # its clock is a day ahead
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    assert two.book(UTILITY).offers.needs["N1"].received == two.now
