"""Our keys in AS2 and AS4 turn: what is encrypted for the old one is opened until its time ends, and who does not know the new
one yet is signed to by the old one."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from msgspec.structs import replace
from tests.exchange import as2_world, as4_world
from tests.exchange.house import AGGREGATOR, NOW, UTILITY

from intertie.exchange.outbound import State
from intertie.gateway.translating.accept_translated import original_of
from intertie.model.ids import PartyId
from intertie.seal.smime_keys import LIFE, OwnSmime, SmimeKey

World = Any


@cache
def next_key(party: PartyId) -> SmimeKey:
    return SmimeKey.generate(f"{party} 2", NOW + timedelta(days=30))


def turned(two: World, binding: str, party: PartyId) -> OwnSmime:
    """A key more of this party's."""
    own = OwnSmime(2, lambda number: next_key(party) if number == 2 else two.keys[party])
    (two.as2 if binding == "as2" else two.as4)[party].own = own
    two.now += timedelta(days=31)
    return own


@pytest.fixture(params=["as2", "as4"])
def binding(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def world(binding: str) -> World:
    return as2_world.Two() if binding == "as2" else as4_world.Two()


def pem(key: SmimeKey) -> str:
    return key.pem.decode()


def delivered(two: World, outage: str = "OUT-1") -> State:
    """An outage of the utility's goes to the aggregator."""
    message = two.say(UTILITY, replace(as2_world.NOTICE, outage=outage))
    two.carry(UTILITY)
    return State(two.state(UTILITY, message)[0])


def test_what_is_encrypted_for_the_old_key_is_opened_until_its_time_ends(binding: str) -> None:
    two = world(binding)
    turned(two, binding, AGGREGATOR)
    # The utility has pinned the new certificate for receipts, and still encrypts for the old one.
    old, new = pem(two.keys[AGGREGATOR]), pem(next_key(AGGREGATOR))
    two.change(UTILITY, certificates=(old, new))
    assert delivered(two) is State.ACCEPTED
    two.change(UTILITY, certificates=(new, old))  # and now for the new one
    assert delivered(two, "OUT-2") is State.ACCEPTED
    assert len(two.inbox(AGGREGATOR)) == 2


def test_a_key_whose_time_has_ended_opens_nothing(binding: str) -> None:
    two = world(binding)
    own = turned(two, binding, AGGREGATOR)
    assert own.opening(two.now) == [next_key(AGGREGATOR), two.keys[AGGREGATOR]]
    assert own.opening(NOW + LIFE + timedelta(days=1)) == [next_key(AGGREGATOR)]
    assert own.all() == [next_key(AGGREGATOR), two.keys[AGGREGATOR]], "evidence is verified by it still"


def test_who_does_not_know_the_new_key_is_signed_to_by_the_old_one(binding: str) -> None:
    two = world(binding)
    turned(two, binding, UTILITY)
    assert delivered(two) is not State.ACCEPTED and not two.inbox(AGGREGATOR), "it has pinned the old one"
    two = world(binding)
    turned(two, binding, UTILITY)
    two.change(UTILITY, our_key=1)
    assert delivered(two) is State.ACCEPTED
    two.change(UTILITY, our_key=None)
    two.change(AGGREGATOR, certificates=(pem(next_key(UTILITY)), pem(two.keys[UTILITY])))
    assert delivered(two, "OUT-2") is State.ACCEPTED


def test_receipts_are_signed_by_the_key_that_the_partner_knows(binding: str) -> None:
    two = world(binding)
    turned(two, binding, AGGREGATOR)
    assert delivered(two) is not State.ACCEPTED, "its receipt is by a key that the utility has not pinned"
    assert len(two.inbox(AGGREGATOR)) == 1
    two = world(binding)
    turned(two, binding, AGGREGATOR)
    two.change(AGGREGATOR, our_key=1)
    assert delivered(two) is State.ACCEPTED


def test_evidence_of_before_verifies_by_the_key_of_then(binding: str) -> None:
    two = world(binding)
    message = two.say(UTILITY, as2_world.NOTICE)
    two.carry(UTILITY)
    turned(two, binding, UTILITY)
    partner = two.gateways[UTILITY].partners.find(AGGREGATOR)
    translator = (two.as2 if binding == "as2" else two.as4)[UTILITY]
    ours = translator.keys(partner.foreign, two.now).ours
    assert ours == (pem(next_key(UTILITY)), pem(two.keys[UTILITY]))
    row = two.gateways[UTILITY].store.message(message, outgoing=True)
    signed = original_of(row.body) or b""
    assert translator.verifier.check(signed, ours[1])
