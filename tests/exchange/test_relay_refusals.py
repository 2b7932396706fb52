"""What a relay, and the recipient behind it, refuse of a parcel that comes with a waybill: each by its rule, and nothing kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec.structs import replace as changed
from tests.exchange.house import keys_of
from tests.exchange.relay_world import AGGREGATOR, HOME, HUB, HUB_2, ROLES, World, make_world

from intertie.exchange.outbound import State
from intertie.exchange.relaying import Back
from intertie.gateway.configuration.relay_settings import Route
from intertie.gateway.gateway import Peer
from intertie.gateway.receiving.receive import receive
from intertie.gateway.relaying.deliver_relayed import end_relayed
from intertie.model.errors import Code, Refused
from intertie.model.ids import PartyId
from intertie.model.message import utc
from intertie.seal.hop import Hop, read_hop, read_return, sign_hop, verify_hop, write_return
from intertie.seal.profile import PROFILES
from intertie.seal.receipt import JournalHead
from intertie.seal.waybill import (
    Waybill,
    read_consignment,
    sign_waybill,
    write_consignment,
)

HYBRID = PROFILES["hybrid"]
LIMIT = 64 * 1024 * 1024


@pytest.fixture
def world() -> World:
    """One message sealed, and the consignment on its way to the relay, which did not answer."""
    world = make_world()
    world.say()
    world.down = {HUB}
    world.send(AGGREGATOR)
    world.down = set()
    return world


def consignment(world: World) -> bytes:
    return world.posted[0][2]


def forged(
    world: World, *, trail: tuple[bytes, ...] = (), signer: PartyId = AGGREGATOR, **fields: object
) -> bytes:
    """The same parcel with another waybill, signed as this party signs."""
    one = read_consignment(consignment(world), limit=LIMIT)
    waybill = changed(one.waybill, **fields)
    return write_consignment(sign_waybill(waybill, keys_of(signer, ROLES[signer]), HYBRID), trail, one.parcel)


def hop_of(world: World, by: PartyId, place: int, **fields: object) -> bytes:
    """A hop receipt that this relay would have written."""
    waybill = read_consignment(consignment(world), limit=LIMIT).waybill
    hop = Hop(
        v=1,
        status="taken",
        parcel=waybill.parcel,
        digest=waybill.digest,
        sender=waybill.sender,
        recipient=waybill.recipient,
        by=by,
        hop=place,
        at=utc(world.now),
        expires=waybill.expires,
        next=HUB,
        journal=JournalHead(size=1, root="00" * 32),
    )
    return sign_hop(changed(hop, **fields), keys_of(by, ROLES.get(by, frozenset())), HYBRID)


def refused(world: World, blob: bytes, *, at: PartyId = HUB, peer: PartyId = AGGREGATOR) -> Code:
    """The code; the refusal is in the store if the peer is a partner, and nothing else is."""
    store = world.gateways[at].store
    before = len(store.refusals())
    with pytest.raises(Refused) as caught:
        world.at(at, blob, peer)
    known = world.gateways[at].partners.find(peer) is not None
    kept = known and caught.value.code is not Code.INSUFFICIENT_SCOPE
    assert len(store.refusals()) == before + (1 if kept else 0)
    assert not store.relayed_rows(waiting=False, limit=10) and not store.counts()
    return caught.value.code


def test_the_relay_takes_it_if_nothing_is_wrong(world: World) -> None:
    assert read_hop(world.at(HUB, consignment(world), AGGREGATOR)).hop.status == "taken"


Change = Callable[[World], None]


def _unknown(world: World) -> None:
    del world.gateways[HUB].partners.partners[AGGREGATOR]  # type: ignore[attr-defined]


CHANGES: list[tuple[Code, Change]] = [
    (Code.SENDER_SUSPENDED, lambda world: world.partner(HUB, AGGREGATOR, suspended=True)),
    (Code.WRONG_RECIPIENT, lambda world: world.rules(HUB, routes=())),
    (
        Code.WRONG_RECIPIENT,
        lambda world: world.rules(
            HUB, routes=(Route(senders=(AGGREGATOR,), recipients=(HOME,), next="nobody.example"),)
        ),
    ),
    (
        Code.TRANSPORT_NOT_SENDER,
        lambda world: world.rules(
            HUB, routes=(Route(senders=(AGGREGATOR,), recipients=(HOME,), by="hub-two.example"),)
        ),
    ),
    (
        Code.HOP_LIMIT,
        lambda world: world.rules(
            HUB, routes=(Route(senders=(AGGREGATOR,), recipients=(HOME,), next=AGGREGATOR),)
        ),
    ),
    (Code.RELAY_FULL, lambda world: world.rules(HUB, waiting_bytes=100)),
    (Code.WRONG_ROLE, lambda world: world.partner(HUB, AGGREGATOR, roles=frozenset())),
    (Code.WRONG_ROLE, lambda world: world.partner(HUB, HOME, roles=frozenset())),
    (Code.EXPIRED, lambda world: setattr(world, "now", world.now + timedelta(hours=7))),
    (Code.FROM_THE_FUTURE, lambda world: setattr(world, "now", world.now - timedelta(hours=1))),
]


@pytest.mark.parametrize(
    ("code", "change"), CHANGES, ids=[f"{n}-{code}" for n, (code, _) in enumerate(CHANGES)]
)
def test_the_relay_refuses(world: World, code: Code, change: Change) -> None:
    change(world)
    assert refused(world, consignment(world)) is code


def test_a_sender_that_is_no_partner(world: World) -> None:
    _unknown(world)
    assert refused(world, consignment(world), peer=AGGREGATOR) is Code.UNKNOWN_SENDER


def test_over_the_connection_of_somebody_else(world: World) -> None:
    assert refused(world, consignment(world), peer=HOME) is Code.TRANSPORT_NOT_SENDER


def test_over_a_connection_that_belongs_to_nobody(world: World) -> None:
    with pytest.raises(Refused) as caught:
        receive(world.gateways[HUB], consignment(world), peer=None, now=world.now)
    assert caught.value.code is Code.TRANSPORT_NOT_SENDER


def test_with_a_token_that_lets_nobody_relay(world: World) -> None:
    peer = Peer(AGGREGATOR, None, frozenset({"ET8/charging_command"}))
    with pytest.raises(Refused) as caught:
        receive(world.gateways[HUB], consignment(world), peer=peer, now=world.now)
    assert caught.value.code is Code.INSUFFICIENT_SCOPE
    assert not world.gateways[HUB].store.refusals()


def test_a_waybill_that_somebody_else_signed(world: World) -> None:
    assert refused(world, forged(world, signer=HOME)) is Code.UNKNOWN_CERTIFICATE


def test_a_waybill_of_other_bytes(world: World) -> None:
    assert refused(world, forged(world, digest="ab" * 32)) is Code.ROOT_MISMATCH


def test_a_parcel_that_was_changed_on_the_way(world: World) -> None:
    blob = consignment(world)
    assert refused(world, blob[:-1] + bytes([blob[-1] ^ 1])) is Code.ROOT_MISMATCH


@pytest.mark.parametrize("field", ["recipient", "sender", "parcel"])
def test_a_waybill_of_another_parcel(world: World, field: str) -> None:
    other = {"recipient": HUB_2, "sender": HOME, "parcel": "019aab5c-1c00-7000-8000-000000000001"}[field]
    assert refused(world, forged(world, **{field: other})) is Code.BAD_WAYBILL


@pytest.mark.parametrize(
    ("flow", "code"),
    [
        ("DA.invoice.der_aggregator>distribution_utility.scheduled", Code.RELAY_NOT_ALLOWED),
        ("ET8.no_such_thing.der_aggregator>gateway_esi.scheduled", Code.UNKNOWN_FLOW),
        ("ET8.charging_status.gateway_esi>der_aggregator.real_time", Code.WRONG_ROLE),
    ],
)
def test_a_flow_that_must_not_go_by_a_relay(world: World, flow: str, code: Code) -> None:
    assert refused(world, forged(world, flows=(flow,))) is code


def test_a_parcel_that_is_sealed_weaker_than_its_flows_need(world: World) -> None:
    one = read_consignment(consignment(world), limit=LIMIT)
    weak = one.parcel.replace(
        b"MLKEM768-X25519/HKDF-SHA256/AES-256-GCM", b"X25519/HKDF-SHA256/AES-256-GCM         "
    )
    with pytest.raises(Refused) as caught:
        world.at(HUB, write_consignment(one.waybill_bytes, (), weak), AGGREGATOR)
    assert caught.value.code is Code.BAD_HEADER  # the header has one spelling


def test_what_is_no_consignment(world: World) -> None:
    blob = consignment(world)
    assert refused(world, b"ITC1") is Code.BAD_FRAME
    assert refused(world, blob[:100]) is Code.BAD_FRAME
    assert refused(world, b"ITC1\xff\xff\xff\xff") is Code.BAD_FRAME
    one = read_consignment(blob, limit=LIMIT)
    assert refused(world, write_consignment(b"{}", (), one.parcel)) is Code.BAD_WAYBILL
    assert refused(world, write_consignment(one.waybill_bytes, (), b"ITP1")) is Code.BAD_FRAME
    bad_trail = write_consignment(one.waybill_bytes, (b'"no"',), one.parcel)
    assert refused(world, bad_trail) is Code.BAD_WAYBILL


def test_a_parcel_that_came_back_to_its_relay_is_a_loop(world: World) -> None:
    world.at(HUB, consignment(world), AGGREGATOR)
    blob = forged(world, trail=(hop_of(world, HUB, 1),))
    with pytest.raises(Refused) as caught:
        world.at(HUB, blob, AGGREGATOR)
    assert caught.value.code is Code.HOP_LIMIT and "it came back" in caught.value.detail


def test_more_relays_than_the_sender_allows() -> None:
    world = make_world((HUB, HUB_2))
    world.rules(AGGREGATOR, hops=1)
    message = world.say()
    world.run(1)
    state, detail = world.state(message)
    assert state is State.REFUSED and detail.startswith("hop_limit")
    assert not world.gateways[HUB_2].store.relayed_rows(waiting=False, limit=1)


@pytest.mark.parametrize(
    ("place", "fields"),
    [(2, {}), (1, {"digest": "cd" * 32}), (1, {"recipient": HUB}), (1, {"status": "returned"})],
)
def test_a_trail_that_is_not_of_this_parcel(world: World, place: int, fields: dict[str, object]) -> None:
    blob = forged(world, trail=(hop_of(world, HUB_2, place, **fields),))
    assert refused(world, blob) is Code.BAD_WAYBILL


def test_a_trail_that_ends_with_another_relay_than_hands_it_in(world: World) -> None:
    blob = forged(world, trail=(hop_of(world, HUB_2, 1),))
    assert refused(world, blob) is Code.TRANSPORT_NOT_SENDER


def test_a_hop_receipt_that_the_last_relay_did_not_sign() -> None:
    world = make_world((HUB, HUB_2))
    world.say()
    world.send(AGGREGATOR)
    false = sign_hop(changed(read_hop(hop_of(world, HUB, 1)).hop), keys_of(HUB_2, ROLES[HUB_2]), HYBRID)
    blob = forged(world, trail=(false,))
    assert refused(world, blob, at=HUB_2, peer=HUB) is Code.UNKNOWN_CERTIFICATE


def test_another_parcel_under_the_same_id(world: World) -> None:
    world.at(HUB, consignment(world), AGGREGATOR)
    one = read_consignment(consignment(world), limit=LIMIT)
    changed_bytes = one.parcel[:-1] + bytes([one.parcel[-1] ^ 1])
    for blob in (
        write_consignment(one.waybill_bytes, (), changed_bytes),
        _signed_anew(one.waybill, changed_bytes),
    ):
        with pytest.raises(Refused) as caught:
            world.at(HUB, blob, AGGREGATOR)
        assert caught.value.code is Code.PARCEL_ID_REUSED
    assert len(world.gateways[HUB].store.relayed_rows(waiting=False, limit=10)) == 1


def _signed_anew(waybill: Waybill, parcel: bytes) -> bytes:
    other = changed(waybill, digest=hashlib.sha256(parcel).hexdigest())
    return write_consignment(sign_waybill(other, keys_of(AGGREGATOR, ROLES[AGGREGATOR]), HYBRID), (), parcel)


def test_a_relay_that_is_full_answers_a_repeat_and_takes_no_more() -> None:
    world = make_world()
    world.rules(HUB, waiting_parcels=1)
    world.say()
    world.send(AGGREGATOR)
    (first,) = world.answers
    assert world.at(HUB, world.posted[0][2], AGGREGATOR) == first
    message = world.say()
    world.send(AGGREGATOR)
    assert world.state(message)[1].startswith("HTTP 429 relay_full")
    world.hand_on(HUB, HOME)
    world.now += timedelta(seconds=10)
    world.send(AGGREGATOR)
    assert world.state(message)[1].startswith("taken for forwarding")


def test_a_message_that_must_not_go_by_a_relay_is_not_even_queued() -> None:
    world = make_world()
    catalogue = world.gateways[AGGREGATOR].catalogue
    closed = replace(
        catalogue,
        _places={
            place: tuple(changed(flow, relay=False) for flow in flows)
            for place, flows in catalogue._places.items()
        },
    )
    world.gateways[AGGREGATOR] = replace(world.gateways[AGGREGATOR], catalogue=closed)
    with pytest.raises(Refused) as caught:
        world.say()
    assert caught.value.code is Code.RELAY_NOT_ALLOWED


def test_one_that_was_queued_before_the_way_changed_fails_before_it_leaves() -> None:
    world = make_world()
    world.partner(AGGREGATOR, HOME, via=None)
    message = world.say()
    world.partner(AGGREGATOR, HOME, via=HUB)
    catalogue = world.gateways[AGGREGATOR].catalogue
    closed = replace(
        catalogue,
        _places={
            place: tuple(changed(flow, relay=False) for flow in flows)
            for place, flows in catalogue._places.items()
        },
    )
    world.gateways[AGGREGATOR] = replace(world.gateways[AGGREGATOR], catalogue=closed)
    assert world.send(AGGREGATOR) is None
    state, detail = world.state(message)
    assert state is State.FAILED and detail.startswith("relay_not_allowed") and not world.posted


# The recipient behind a relay


def handed_on(world: World, **fields: object) -> bytes:
    """What the relay hands to the recipient, with another waybill."""
    return forged(world, trail=(hop_of(world, HUB, 1),), **fields)


def test_the_recipient_takes_it_if_nothing_is_wrong(world: World) -> None:
    world.at(HOME, handed_on(world), HUB)
    assert len(world.received()) == 1


def test_it_refuses_a_relay_that_it_did_not_agree_on(world: World) -> None:
    world.partner(HOME, AGGREGATOR, via=HUB_2)
    assert refused(world, handed_on(world), at=HOME, peer=HUB) is Code.TRANSPORT_NOT_SENDER


def test_it_refuses_the_naked_parcel_from_a_relay(world: World) -> None:
    one = read_consignment(consignment(world), limit=LIMIT)
    assert refused(world, one.parcel, at=HOME, peer=HUB) is Code.TRANSPORT_NOT_SENDER


def test_it_refuses_a_suspended_relay_and_a_suspended_sender(world: World) -> None:
    world.partner(HOME, HUB, suspended=True)
    assert refused(world, handed_on(world), at=HOME, peer=HUB) is Code.SENDER_SUSPENDED
    world.partner(HOME, HUB, suspended=False)
    world.partner(HOME, AGGREGATOR, suspended=True)
    assert refused(world, handed_on(world), at=HOME, peer=HUB) is Code.SENDER_SUSPENDED


def test_it_refuses_a_message_whose_flow_is_not_on_the_waybill(world: World) -> None:
    other = "ET8.market_result.der_aggregator>gateway_esi.real_time"
    world.at(HOME, handed_on(world, flows=(other,)), HUB)
    (refusal,) = world.gateways[HOME].store.refusals()
    assert refusal[1].code == "relay_not_allowed" and not world.received()


def test_it_refuses_a_parcel_whose_waybill_was_signed_by_the_relay(world: World) -> None:
    blob = forged(world, trail=(hop_of(world, HUB, 1),), signer=HUB)
    assert refused(world, blob, at=HOME, peer=HUB) is Code.UNKNOWN_CERTIFICATE


# What comes back


def test_a_stranger_cannot_bring_back_what_became_of_a_parcel() -> None:
    world = make_world()
    message = world.say()
    world.send(AGGREGATOR)
    world.hand_on(HUB, HOME)
    answer = world.relayed(HUB, world.parcel(message)).answer
    assert answer is not None
    for peer in (HOME, HUB_2):
        with pytest.raises(Refused) as caught:
            world.at(AGGREGATOR, answer, peer)
        assert caught.value.code in (Code.INSUFFICIENT_SCOPE, Code.UNKNOWN_SENDER)
    assert world.state(message)[0] is State.SENDING


def test_a_receipt_for_something_else_closes_nothing() -> None:
    world = make_world()
    one = world.say()
    world.send(AGGREGATOR)
    world.now += timedelta(seconds=1)
    two = world.say()
    world.send(AGGREGATOR)
    world.hand_on(HUB, HOME)
    world.hand_on(HUB, HOME)
    answer = world.relayed(HUB, world.parcel(one)).answer
    assert answer is not None
    with pytest.raises(Refused):
        world.at(AGGREGATOR, write_return(world.parcel(two), (), receipt=_receipt_of(answer)), HUB)
    assert world.state(two)[0] is State.SENDING


def _receipt_of(blob: bytes) -> bytes:
    receipt = read_return(blob).receipt
    assert receipt is not None
    return receipt


def test_a_relay_cannot_say_that_a_recipient_accepted() -> None:
    """It has a receipt of the recipient only if the recipient signed one."""
    world = make_world()
    message = world.say()
    world.send(AGGREGATOR)
    false = hop_of(world, HUB, 1)
    with pytest.raises(Refused):
        world.at(AGGREGATOR, write_return(world.parcel(message), (), receipt=false), HUB)
    assert world.state(message)[0] is State.SENDING


def test_what_comes_back_twice_changes_nothing_the_second_time() -> None:
    world = make_world()
    message = world.say()
    world.send(AGGREGATOR)
    world.hand_on(HUB, HOME)
    answer = world.relayed(HUB, world.parcel(message)).answer
    assert answer is not None
    first = world.at(AGGREGATOR, answer, HUB)
    size = world.gateways[AGGREGATOR].store.head().size
    again = world.at(AGGREGATOR, answer, HUB)
    assert world.gateways[AGGREGATOR].store.head().size == size
    keys = world.gateways[AGGREGATOR].keys.public()
    for raw in (first, again):
        stated = verify_hop(read_hop(raw), keys, world.gateways[HUB].trust, world.now, HYBRID)
        assert (stated.status, stated.by) == ("returned", AGGREGATOR)


def test_who_knows_nothing_of_a_parcel_is_not_told_again() -> None:
    world = make_world()
    message = world.say()
    world.send(AGGREGATOR)
    world.hand_on(HUB, HOME)
    world.partner(AGGREGATOR, HOME, via=HUB_2)
    world.rules(
        AGGREGATOR, routes=(Route(senders=(HUB,), recipients=(HOME,)),)
    )  # the two still relay for each other
    world.hand_on(HUB, AGGREGATOR)
    assert world.relayed(HUB, world.parcel(message)).back is Back.LOST


def test_a_way_that_changes_meanwhile_loses_and_doubles_nothing() -> None:
    """The same bytes go the new way, and the recipient answers with the receipt that it wrote the first time."""
    world = make_world()
    message = world.say()
    world.send(AGGREGATOR)
    world.hand_on(HUB, HOME)
    world.partner(AGGREGATOR, HOME, via=None)
    world.hand_on(HUB, AGGREGATOR)
    assert world.state(message)[0] is State.SENDING
    world.now += timedelta(minutes=11)
    world.send(AGGREGATOR)
    assert world.state(message)[0] is State.ACCEPTED and world.received() == [message]


def test_an_answer_that_nobody_takes_is_let_go_after_a_week() -> None:
    world = make_world()
    message = world.say()
    world.send(AGGREGATOR)
    world.hand_on(HUB, HOME)
    world.down = {AGGREGATOR}
    world.hand_on(HUB, AGGREGATOR)
    world.now += timedelta(days=7)
    assert not end_relayed(world.gateways[HUB], world.now)
    assert world.relayed(HUB, world.parcel(message)).back is Back.OWED
    world.now += timedelta(hours=7)
    end_relayed(world.gateways[HUB], world.now)
    row = world.relayed(HUB, world.parcel(message))
    assert row.back is Back.LOST and row.answer is None
