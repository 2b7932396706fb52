"""A parcel goes by a relay, or two: sealed end to end, receipted at each hop, and its receipt comes back the same way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.exchange.relay_world import AGGREGATOR, HOME, HUB, HUB_2, World, make_world

from intertie.exchange.outbound import State
from intertie.exchange.relaying import Back, Passage
from intertie.gateway.relaying.deliver_relayed import end_relayed
from intertie.journal.entry import read_entry
from intertie.seal.hop import read_hop
from intertie.seal.waybill import CONSIGNMENT, read_consignment
from intertie.stores.memory import MemoryStore


def notes(world: World, party: str) -> list[str]:
    entries = world.gateways[party].store.entries()  # type: ignore[index]
    return [note for _, raw, _ in entries if (note := read_entry(raw).note)]


def test_a_message_arrives_by_a_relay_and_its_receipt_comes_back() -> None:
    world = make_world()
    message = world.say()
    sent = world.send(AGGREGATOR)
    assert sent is not None and sent.receipted and "taken for forwarding by hub.example" in sent.detail
    assert world.state(message)[0] is State.SENDING and not world.received()
    assert world.hand_on(HUB, HOME) is not None
    assert world.received() == [message]
    assert world.state(message)[0] is State.SENDING
    assert world.hand_on(HUB, AGGREGATOR) is not None
    assert world.state(message) == (State.ACCEPTED, "")
    row = world.relayed(HUB, world.parcel(message))
    assert (row.passage, row.back, row.blob, row.answer) == (Passage.RECEIPTED, Back.GIVEN, None, None)
    assert world.hand_on(HUB, AGGREGATOR) is None and world.hand_on(HUB, HOME) is None


def test_the_parcel_that_arrives_is_the_one_that_was_sealed() -> None:
    world = make_world()
    message = world.say()
    world.send(AGGREGATOR)
    world.hand_on(HUB, HOME)
    limit = world.gateways[HOME].limits.parcel_bytes
    first, last = (read_consignment(blob, limit=limit) for _, _, blob in world.posted)
    assert first.parcel == last.parcel and first.waybill == last.waybill
    assert (len(first.trail), len(last.trail)) == (0, 1)
    parcel = world.gateways[AGGREGATOR].store.parcel(world.parcel(message), outgoing=True)
    assert parcel is not None and parcel.blob == last.parcel


def test_what_the_relay_keeps_cannot_be_read_and_each_step_is_in_its_journal() -> None:
    world = make_world()
    message = world.say()
    body = world.gateways[AGGREGATOR].store.message(message)
    world.send(AGGREGATOR)
    row = world.relayed(HUB, world.parcel(message))
    assert body is not None and row.blob is not None and body.body not in row.blob
    assert not world.gateways[HUB].store.counts()
    world.hand_on(HUB, HOME)
    world.hand_on(HUB, AGGREGATOR)
    assert notes(world, HUB) == ["relay: taken", "relay: hop receipt", "relay: receipt", "relay: given back"]
    assert "hop receipt kept" in notes(world, AGGREGATOR)
    assert "hop receipt kept" in notes(world, HOME)


def test_both_ends_keep_the_hop_receipt() -> None:
    world = make_world()
    parcel_of = world.say()
    world.run(1)
    parcel = world.parcel(parcel_of)
    ours = world.gateways[AGGREGATOR].store.hops(parcel, outgoing=True, partner=HOME)
    theirs = world.gateways[HOME].store.hops(parcel, outgoing=False, partner=AGGREGATOR)
    assert ours == theirs == [world.relayed(HUB, parcel).receipt]
    hop = read_hop(ours[0]).hop
    assert (hop.by, hop.hop, hop.next, hop.status) == (HUB, 1, HOME, "taken")


@pytest.mark.parametrize("sender", [AGGREGATOR, HOME])
def test_two_relays_one_after_the_other(sender: str) -> None:
    world = make_world((HUB, HUB_2))
    message = world.say(sender)  # type: ignore[arg-type]
    other = HOME if sender == AGGREGATOR else AGGREGATOR
    world.run(3)
    assert world.state(message, sender) == (State.ACCEPTED, "")  # type: ignore[arg-type]
    assert world.received(other) == [message]
    parcel = world.parcel(message, sender)  # type: ignore[arg-type]
    kept = world.gateways[sender].store.hops(parcel, outgoing=True, partner=other)  # type: ignore[index]
    near, far = (HUB, HUB_2) if sender == AGGREGATOR else (HUB_2, HUB)
    assert [(read_hop(one).hop.by, read_hop(one).hop.hop) for one in kept] == [(near, 1), (far, 2)]
    assert world.relayed(near, parcel).onward == world.relayed(far, parcel).receipt


def test_a_conversation_goes_both_ways_by_the_relay() -> None:
    world = make_world()
    command, status = world.say(), world.say(HOME)
    world.run(2)
    assert world.state(command)[0] is State.ACCEPTED and world.state(status, HOME)[0] is State.ACCEPTED
    assert world.received(AGGREGATOR) == [status]


def test_a_repeat_has_one_effect_and_the_same_answer() -> None:
    world = make_world()
    world.say()
    world.send(AGGREGATOR)
    (_, _, blob) = world.posted[0]
    size = world.gateways[HUB].store.head().size
    assert world.at(HUB, blob, AGGREGATOR) == world.answers[0]
    assert world.gateways[HUB].store.head().size == size
    world.hand_on(HUB, HOME)
    assert world.at(HUB, blob, AGGREGATOR) == world.answers[0]
    assert world.hand_on(HUB, HOME) is None and len(world.received()) == 1


@pytest.mark.parametrize("lost", [HUB, HOME, AGGREGATOR])
def test_an_answer_that_is_lost_is_asked_for_by_the_same_bytes(lost: str) -> None:
    world = make_world()
    message = world.say()
    world.lose = {lost}  # type: ignore[arg-type]
    world.run(3)
    assert world.state(message) == (State.ACCEPTED, "") and world.received() == [message]
    assert world.relayed(HUB, world.parcel(message)).back is Back.GIVEN
    (entry,) = [note for note in notes(world, HUB) if note == "relay: taken"]
    assert entry


def test_what_cannot_be_forwarded_ends_by_name_at_its_sender() -> None:
    world = make_world()
    message = world.say(life=timedelta(hours=1))
    world.down = {HOME}
    world.send(AGGREGATOR)
    world.hand_on(HUB, HOME)
    world.now += timedelta(hours=1)
    from_relay(world)
    state, detail = world.state(message)
    assert state is State.EXPIRED and detail.startswith("expired at hub.example, which could not hand it to")
    assert world.relayed(HUB, world.parcel(message)).blob is None
    world.down = set()
    assert world.hand_on(HUB, HOME) is None


def from_relay(world: World) -> None:
    """The relay ends what is over, and tells it."""
    assert [row.next for row in end_relayed(world.gateways[HUB], world.now)]
    assert world.hand_on(HUB, AGGREGATOR) is not None


def test_a_receipt_that_came_after_the_end_still_counts() -> None:
    world = make_world((HUB, HUB_2))
    message = world.say(life=timedelta(hours=1))
    world.send(AGGREGATOR)
    world.hand_on(HUB, HUB_2)
    world.hand_on(HUB_2, HOME)
    world.down = {HUB}
    world.now += timedelta(hours=2)
    from_relay(world)
    assert world.state(message)[0] is State.EXPIRED
    world.down = set()
    world.hand_on(HUB_2, HUB)
    world.hand_on(HUB, AGGREGATOR)
    assert world.state(message)[0] is State.ACCEPTED


def test_a_refusal_at_the_end_comes_back_with_its_code() -> None:
    world = make_world()
    message = world.say()
    world.partner(HOME, AGGREGATOR, via=None)  # it knows of no relay
    world.run(1)
    state, detail = world.state(message)
    assert state is State.REFUSED and detail.startswith("transport_not_sender: hub.example:")
    assert "relay: refused transport_not_sender" in notes(world, HUB)


def test_a_refusal_that_other_keys_mend_goes_back_to_the_queue_of_its_sender() -> None:
    world = make_world()
    message = world.say()
    stranger = world.gateways[HUB].keys.public()
    known = world.gateways[HOME].keys.public()
    world.partner(
        AGGREGATOR, HOME, keys=type(known)(known.party, known.roles, known.signing, stranger.sealing)
    )
    world.send(AGGREGATOR)
    world.partner(AGGREGATOR, HOME, keys=known)
    world.hand_on(HUB, HOME)
    world.hand_on(HUB, AGGREGATOR)
    assert world.state(message)[0] is State.QUEUED
    world.run(1)
    assert world.state(message)[0] is State.ACCEPTED and world.received() == [message]


def test_it_is_posted_again_rarely_and_a_relay_that_lost_all_gets_it_so() -> None:
    world = make_world()
    message = world.say()
    world.send(AGGREGATOR)
    assert world.send(AGGREGATOR) is None
    world.gateways[HUB] = replace(world.gateways[HUB], store=MemoryStore())
    world.now += timedelta(minutes=11)
    world.run(1)
    assert world.state(message)[0] is State.ACCEPTED
    assert all(blob.startswith((CONSIGNMENT, b"ITR1")) for _, _, blob in world.posted)
