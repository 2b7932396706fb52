"""Keys that change between two gateways: what is told, taken and fetched, and what becomes of parcels under old keys."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache

import pytest
from tests.exchange.house import (
    AGGREGATOR,
    AGGREGATOR_ROLES,
    AGREEMENT,
    END,
    NOW,
    START,
    STRANGER,
    UTILITY,
    UTILITY_ROLES,
    Pair,
    Wire,
    gateway_of,
    trial_ca,
)

from intertie.exchange.outbound import State
from intertie.gateway.gateway import FixedTrust, Gateway, LinkAnswer, Peer
from intertie.gateway.partners.descriptors import Announcer, Told, fetch_descriptor, take_descriptor
from intertie.gateway.ports import Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.receiving.accept_parcel import accept
from intertie.gateway.sending.answers import Delivery
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.journal.entry import Kind, read_entry
from intertie.model.documents import example
from intertie.model.errors import Code, PartnerError, Refused
from intertie.model.ids import DocumentName, InterfaceCode, MessageId, PartyId
from intertie.model.message import Mode
from intertie.model.party import Party, Role
from intertie.seal.certificates import TrustStore, thumbprint
from intertie.seal.descriptor import write_descriptor
from intertie.seal.jws import read_jws
from intertie.seal.keys import OlderChain, PrivateKeys, generate_keys
from intertie.seal.receipt import RECEIPT_BYTES_MAX, RECEIPT_TYP

LATER = NOW + timedelta(hours=1)


@lru_cache
def generation(party: PartyId, roles: frozenset[Role], number: int) -> PrivateKeys:
    return generate_keys(party, roles, trial_ca(), NOW, not_before=START, not_after=END)


@dataclass
class Ring:
    """A key ring by hand: the older keys, the newer ones, and whether they are there yet."""

    old: PrivateKeys
    new: PrivateKeys
    turned: bool = False
    overlap: bool = True
    asked: list[int] = field(default_factory=list)

    def present(self) -> PrivateKeys:
        if not self.turned:
            return self.old
        if not self.overlap:
            return self.new
        older = tuple(OlderChain(alg, key.chain, LATER) for alg, key in self.old.signing.items())
        return replace(self.new, opening={**self.new.opening, **self.old.opening}, older=older)

    def known_at(self, sequence: int) -> PrivateKeys:
        self.asked.append(sequence)
        present = self.present()
        return present if sequence >= 2 or not self.overlap else replace(present, signing=self.old.signing)

    def descriptor(self, sequence: int = 2, **more: object) -> bytes:
        keys = self.present()
        who = Party(id=keys.party, name="Renamed", roles=more.get("roles", keys.roles))  # type: ignore[arg-type]
        return write_descriptor(
            who, keys, url="https://new.example", sequence=sequence, now=NOW, end=NOW + timedelta(days=90)
        )


def ring_of(party: PartyId, roles: frozenset[Role], **more: bool) -> Ring:
    return Ring(generation(party, roles, 1), generation(party, roles, 2), **more)


@dataclass
class World:
    """Both houses with rings that a test turns. The aggregator sends."""

    pair: Pair
    sender: Ring
    recipient: Ring
    wire: Wire

    def declare(self) -> MessageId:
        _, body = example(DocumentName("availability_declaration"))
        outgoing = Outgoing(
            body=body,
            recipient=UTILITY,
            interface=InterfaceCode("DA"),
            mode=Mode.SCHEDULED,
            agreement=AGREEMENT,
        )
        return send(self.pair.aggregator, [outgoing], NOW)[0]

    def deliver(self, now: datetime = NOW) -> Delivery | None:
        act = deliver_once(self.pair.aggregator, self.wire, UTILITY, lambda: now, lambda: 0.5)
        return asyncio.run(act)

    def state(self, message: MessageId) -> State:
        row = self.pair.aggregator.store.message(message, outgoing=True)
        assert row is not None
        return row.state

    def received(self) -> list[MessageId]:
        return [row.id for row in self.pair.utility.store.messages(Query(outgoing=False))]


@pytest.fixture
def world() -> World:
    sender, recipient = ring_of(AGGREGATOR, AGGREGATOR_ROLES), ring_of(UTILITY, UTILITY_ROLES)
    utility = replace(gateway_of(recipient.old, [sender.old]), ring=recipient)
    aggregator = replace(gateway_of(sender.old, [recipient.old]), ring=sender)
    return World(Pair(utility, aggregator), sender, recipient, Wire(utility, AGGREGATOR))


def revoke(*chains: PrivateKeys) -> TrustStore:
    trust = trial_ca().trust()
    for keys in chains:
        for key in keys.signing.values():
            trust = trust.with_revoked(key.chain[0], NOW)
    return trust


# Told, taken, fetched


def test_a_newer_descriptor_is_taken_and_journaled(world: World) -> None:
    utility = world.pair.utility
    world.sender.turned = True
    raw = world.sender.descriptor()
    assert take_descriptor(utility, raw, AGGREGATOR, NOW)
    partner = utility.partners.find(AGGREGATOR)
    assert partner is not None and partner.name == "Renamed" and partner.url == "https://new.example"
    assert partner.keys == world.sender.present().public()
    last = read_entry(utility.store.entries()[-1][1])
    assert (last.kind, last.note, last.partner) == (Kind.ACT, "descriptor 2", AGGREGATOR)
    assert utility.store.chain(thumbprint(world.sender.new.signing["ES256"].chain[0])) is not None
    size = utility.store.head().size
    assert not take_descriptor(utility, raw, AGGREGATOR, NOW), "again: nothing happens"
    assert not take_descriptor(utility, world.sender.descriptor(1), AGGREGATOR, NOW), "older: nothing happens"
    assert utility.store.head().size == size


def test_descriptors_that_are_not_taken(world: World) -> None:
    utility = world.pair.utility
    raw = world.sender.descriptor()
    foreign = gateway_of(world.recipient.old, [world.sender.old])
    gained = world.sender.descriptor(roles=AGGREGATOR_ROLES | {Role.ISO_RTO})
    ended = NOW + timedelta(days=91)
    cases = [
        (utility, raw, STRANGER, NOW, Code.UNKNOWN_SENDER),
        (utility, world.recipient.descriptor(), AGGREGATOR, NOW, Code.TRANSPORT_NOT_SENDER),
        (utility, gained, AGGREGATOR, NOW, Code.WRONG_ROLE),
        (utility, raw, AGGREGATOR, ended, Code.CERTIFICATE_EXPIRED),
        (utility, raw[:-9] + b"A" + raw[-8:], AGGREGATOR, NOW, None),
        (
            replace(foreign, trust_book=FixedTrust(revoke(world.sender.old))),
            raw,
            AGGREGATOR,
            NOW,
            Code.CERTIFICATE_REVOKED,
        ),
    ]
    for gateway, blob, party, now, code in cases:
        before = gateway.partners.find(AGGREGATOR)
        with pytest.raises(Refused) as caught:
            take_descriptor(gateway, blob, party, now)
        assert code is None or caught.value.code is code
        assert gateway.partners.find(AGGREGATOR) == before


def test_a_descriptor_with_a_profile_less_is_not_taken(world: World) -> None:
    weak = generate_keys(
        AGGREGATOR, AGGREGATOR_ROLES, trial_ca(), NOW, ["classical", "hybrid"], not_before=START
    )
    raw = write_descriptor(
        world.pair.aggregator.party, weak, url="https://x", sequence=9, now=NOW, end=NOW + timedelta(days=30)
    )
    with pytest.raises(Refused) as caught:
        take_descriptor(world.pair.utility, raw, AGGREGATOR, NOW)
    assert caught.value.code is Code.PROTECTION_TOO_WEAK


def announcer(world: World, sequence: int = 2) -> Announcer:
    told = Told(world.sender.descriptor(sequence), sequence)
    return Announcer(world.pair.aggregator, world.wire, lambda: told)


def test_our_descriptor_is_told_until_it_is_acknowledged(world: World) -> None:
    world.sender.turned = True
    it, store = announcer(world), world.pair.aggregator.store
    world.wire.answers = [PartnerError("no answer"), LinkAnswer(404, b"", None), LinkAnswer(200, b"{}", None)]
    world.wire.answers.append(LinkAnswer(200, b'{"sequence":1}', None))
    said, now = [], NOW
    for _ in range(5):
        said.append(asyncio.run(it.announce(UTILITY, now, lambda: 0.5)))
        assert store.announced(UTILITY) == (0 if said[-1] else 2)
        assert asyncio.run(it.announce(UTILITY, now, lambda: 0.5)) == "", "not again at once"
        now += timedelta(minutes=10)
    assert said == ["no answer", "HTTP 404", "the answer is no acknowledgement", "it knows 1, not 2", ""]
    assert take_descriptor(world.pair.utility, world.sender.descriptor(), AGGREGATOR, NOW) is False
    asyncio.run(it.announce(STRANGER, now, lambda: 0.5))


def test_old_keys_sign_until_the_partner_knows_the_new_ones(world: World) -> None:
    world.sender.turned = True
    first = world.declare()
    delivery = world.deliver()
    assert delivery is not None and delivery.receipted, delivery
    asyncio.run(announcer(world).announce(UTILITY, NOW, lambda: 0.5))
    second = world.declare()
    assert (world.deliver() or delivery).receipted
    assert world.received() == [first, second]
    assert world.sender.asked[0] == 0 and world.sender.asked[-1] == 2


def test_fetching(world: World) -> None:
    utility = world.pair.utility
    back = Wire(world.pair.aggregator, UTILITY)
    with pytest.raises(PartnerError):
        asyncio.run(fetch_descriptor(utility, back, AGGREGATOR, NOW))
    world.sender.turned = True
    back.descriptor = world.sender.descriptor()
    assert asyncio.run(fetch_descriptor(utility, back, AGGREGATOR, NOW))
    assert not asyncio.run(fetch_descriptor(utility, back, AGGREGATOR, NOW))
    assert not asyncio.run(fetch_descriptor(utility, back, STRANGER, NOW))


# Parcels under old keys


def test_sealed_for_a_key_that_is_gone_goes_again_for_the_new_one(world: World) -> None:
    message = world.declare()
    world.recipient.turned, world.recipient.overlap = True, False
    world.wire.descriptor = world.recipient.descriptor()
    refused = world.deliver()
    assert refused is not None and not refused.receipted and "unknown_key" in refused.detail
    assert world.state(message) is State.QUEUED
    delivery = world.deliver()
    assert delivery is not None and delivery.receipted and delivery.parcel != refused.parcel
    assert world.received() == [message] and world.state(message) is State.ACCEPTED
    for gateway in (world.pair.utility, world.pair.aggregator):
        verify_journal(gateway.store)


def test_a_partner_that_does_not_open_what_its_descriptor_asks_for_is_tried_again(world: World) -> None:
    """As right after a turn, before every process of the partner has taken the new key up."""
    message = world.declare()
    world.wire.descriptor = world.recipient.descriptor(1)  # it says what we know already
    world.recipient.turned, world.recipient.overlap = True, False
    delivery = world.deliver()
    assert delivery is not None and "unknown_key" in delivery.detail
    assert world.state(message) is State.SENDING
    world.recipient.turned = False
    world.deliver(LATER)
    assert world.received() == [message]


def test_an_unknown_key_and_nobody_to_ask_waits(world: World) -> None:
    message = world.declare()
    world.recipient.turned, world.recipient.overlap = True, False
    world.deliver()
    assert world.state(message) is State.SENDING
    world.wire.descriptor = world.recipient.descriptor()
    world.deliver(LATER)
    assert world.state(message) is State.QUEUED
    world.deliver(LATER)
    assert world.received() == [message]


def test_a_revoked_certificate_waits_for_new_keys_and_goes_under_them(world: World) -> None:
    message = world.declare()
    trust = FixedTrust(revoke(world.sender.old))
    world.wire.there = replace(world.pair.utility, trust_book=trust)
    world.pair.aggregator = replace(world.pair.aggregator, trust_book=trust)
    refused = world.deliver()
    assert refused is not None and "certificate_revoked" in refused.detail
    assert world.state(message) is State.SENDING, "it waits: our keys have to change"
    world.sender.turned = True
    assert take_descriptor(world.wire.there, world.sender.descriptor(), AGGREGATOR, NOW)
    now = NOW + timedelta(minutes=10)
    world.deliver(now)
    assert world.state(message) is State.QUEUED, "its parcel will never be taken, it will"
    delivery = world.deliver(now)
    assert delivery is not None and delivery.receipted
    assert world.received() == [message]


def test_a_certificate_the_partner_does_not_know_yet_is_tried_again(world: World) -> None:
    message = world.declare()
    world.sender.turned, world.sender.overlap = True, False
    refused = world.deliver()
    assert refused is not None and "unknown_certificate" in refused.detail
    assert world.state(message) is State.SENDING
    assert take_descriptor(world.pair.utility, world.sender.descriptor(), AGGREGATOR, NOW)
    delivery = world.deliver(LATER)
    assert delivery is not None and delivery.receipted and delivery.parcel == refused.parcel, "the same bytes"


def test_a_receipt_under_a_new_certificate_makes_us_ask(world: World) -> None:
    message = world.declare()
    world.recipient.turned = True
    world.pair.utility.store.set_announced(AGGREGATOR, 2)  # as if we had said so, and forgotten
    world.wire.descriptor = world.recipient.descriptor()
    delivery = world.deliver()
    assert delivery is not None and delivery.receipted
    assert world.state(message) is State.ACCEPTED
    known = world.pair.aggregator.partners.find(UTILITY)
    assert known is not None and known.url == "https://new.example"


def test_a_receipt_under_a_new_certificate_and_nobody_to_ask_waits(world: World) -> None:
    message = world.declare()
    world.recipient.turned = True
    world.pair.utility.store.set_announced(AGGREGATOR, 2)
    delivery = world.deliver()
    assert delivery is not None and not delivery.receipted
    assert world.state(message) is State.SENDING


def test_a_revoked_connection_waits(world: World) -> None:
    message = world.declare()
    body = b'{"code":"transport_certificate","detail":"","retry":false}'
    world.wire.answers = [LinkAnswer(403, body, None)]
    delivery = world.deliver()
    assert delivery is not None and not delivery.receipted
    assert world.state(message) is State.SENDING


# A repeat after the receipt's certificate is gone


def receipt_marks(raw: bytes) -> set[bytes]:
    return {one.thumbprint for one in read_jws(raw, RECEIPT_TYP, limit=RECEIPT_BYTES_MAX).signatures}


def repeat(gateway: Gateway, blob: bytes, now: datetime = NOW) -> bytes:
    return accept(gateway, blob, peer=Peer(AGGREGATOR), now=now)


@pytest.mark.parametrize("why", ["revoked", "over"])
def test_a_receipt_whose_certificate_does_not_count_is_signed_again(world: World, why: str) -> None:
    message = world.declare()
    world.wire.lose_next = True
    world.deliver()
    [blob] = world.wire.sent
    utility = world.pair.utility
    first = repeat(utility, blob)
    assert repeat(utility, blob) == first, "the very same bytes"
    world.recipient.turned = True
    assert repeat(utility, blob) == first, "an older certificate still counts"
    now = NOW
    if why == "revoked":
        utility = replace(utility, trust_book=FixedTrust(revoke(world.recipient.old)))
    else:
        world.recipient.overlap, now = False, LATER
    again = repeat(utility, blob, now)
    old, new = receipt_marks(first), receipt_marks(again)
    assert not old & new
    payload = read_jws(again, RECEIPT_TYP, limit=RECEIPT_BYTES_MAX).payload
    assert payload == read_jws(first, RECEIPT_TYP, limit=RECEIPT_BYTES_MAX).payload, "the same statement"
    note = read_entry(utility.store.entries()[-1][1])
    assert (note.kind, note.note) == (Kind.RECEIPT_OUT, "signed again")
    assert all(utility.store.chain(mark) is not None for mark in new)
    assert world.received() == [message]
