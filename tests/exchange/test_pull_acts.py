"""What is handed out to a partner that comes for its parcels, and what its word does to them: the acts without a wire, on each
store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace as replace_struct
from tests.exchange.house import AGGREGATOR, NOW, UTILITY, Pair, make_pair, with_partner
from tests.exchange.test_deliver_policy import HYBRID, put, row, with_policy

from intertie.exchange.outbound import State
from intertie.gateway.gateway import LinkAnswer, Peer
from intertie.gateway.partners.descriptors import Announcer, Told
from intertie.gateway.ports import Store
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.receiving.accept_parcel import accept
from intertie.gateway.receiving.pull import IN_HAND_MAX, Asked, Handed, confirm, hand_out
from intertie.gateway.receiving.scopes import FETCH
from intertie.gateway.sending.expire import expire
from intertie.model.ids import MessageId, ParcelId, new_parcel_id
from intertie.model.message import Mode
from intertie.seal.key_port import KeyFile
from intertie.stores.memory import MemoryStore
from intertie.stores.postgres import PostgresStore
from intertie.stores.sqlite import SqliteStore

AGAIN = timedelta(seconds=15)
FETCHER = Peer(UTILITY, HYBRID, frozenset({FETCH}))


@dataclass
class World:
    """The aggregator has a door; the utility has none, and comes."""

    pair: Pair
    peer: Peer = FETCHER

    def come(
        self, now: datetime = NOW, *, again: bool = False, granted: frozenset[str] | None = None
    ) -> Handed | None:
        asked = Asked(again=again, granted=granted)
        return hand_out(self.pair.aggregator, self.peer, asked, now, lambda: 0.5, again_after=AGAIN)

    def some(self, now: datetime = NOW, *, again: bool = False) -> Handed:
        handed = self.come(now, again=again)
        assert handed is not None
        return handed

    def receipt(self, handed: Handed, now: datetime = NOW) -> bytes:
        return accept(self.pair.utility, handed.blob, peer=Peer(AGGREGATOR, HYBRID), now=now)

    def say(self, parcel: ParcelId, body: bytes, status: int = 200, now: datetime = NOW) -> bool | None:
        answer = LinkAnswer(status, body, None, HYBRID)
        said = confirm(self.pair.aggregator, self.peer, parcel, answer, now, lambda: 0.5)
        return said.receipted if said is not None else None

    def state(self, message: MessageId) -> State:
        return row(self.pair.aggregator, message).state


def fetching(pair: Pair) -> Pair:
    """The aggregator knows a utility without a door."""
    known = pair.aggregator.partners.find(UTILITY)
    assert known is not None
    return Pair(pair.utility, with_partner(pair.aggregator, known._replace(url="")))


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    pair = fetching(make_pair())
    key = KeyFile(tmp_path / "store.kek")
    store: Store = MemoryStore()
    if request.param == "sqlite":
        store = SqliteStore(tmp_path / "store.db", key)
    elif request.param == "postgres":
        store = PostgresStore(request.getfixturevalue("postgres"), key)
    yield World(Pair(pair.utility, replace(pair.aggregator, store=store)))
    store.close()


def test_one_at_a_time_and_the_same_again_after_its_time(world: World) -> None:
    message = put(world.pair, "invoice")
    first = world.some()
    assert world.state(message) is State.SENDING
    assert world.come(NOW + AGAIN / 2) is None
    again = world.some(NOW + 2 * AGAIN)
    assert (again.parcel, again.blob) == (first.parcel, first.blob)
    assert row(world.pair.aggregator, message).attempts == 2
    assert world.say(first.parcel, world.receipt(first)) is True
    assert world.state(message) is State.ACCEPTED
    assert world.come(NOW + timedelta(hours=1)) is None
    verify_journal(world.pair.aggregator.store)


def test_the_one_who_lost_it_gets_it_at_once(world: World) -> None:
    put(world.pair, "invoice")
    first = world.some()
    assert world.some(again=True).blob == first.blob


def test_so_many_and_no_more_are_in_its_hands(world: World) -> None:
    for _ in range(IN_HAND_MAX + 2):
        put(world.pair, "invoice")
        if world.come() is None:
            break
    assert world.pair.aggregator.store.waiting_parcels() == {UTILITY: IN_HAND_MAX}
    assert world.come() is None


def test_a_large_parcel_has_the_time_that_it_takes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intertie.gateway.receiving.pull.BYTES_PER_SECOND", 100)
    put(world.pair, "invoice")
    first = world.some()
    assert len(first.blob) > 5000
    assert world.come(NOW + 2 * AGAIN) is None
    assert world.some(NOW + AGAIN + timedelta(seconds=len(first.blob) / 100)).parcel == first.parcel


@pytest.mark.parametrize("change", [{"suspended": True}, {"url": "https://utility.example"}])
def test_nothing_for_one_that_is_suspended_or_has_a_door(world: World, change: dict[str, object]) -> None:
    put(world.pair, "invoice")
    known = world.pair.aggregator.partners.find(UTILITY)
    assert known is not None
    changed = with_partner(world.pair.aggregator, known._replace(**change))
    world.pair = Pair(world.pair.utility, changed)
    assert world.come() is None


def test_nothing_for_a_stranger(world: World) -> None:
    put(world.pair, "invoice")
    world.peer = Peer(AGGREGATOR, HYBRID)
    assert world.come() is None
    assert world.say(new_parcel_id(NOW), b"") is None


def test_what_needs_a_hybrid_connection_waits_for_one_and_holds_nothing_up() -> None:
    pair = fetching(with_policy(make_pair(), hybrid_channel_from="high"))
    world = World(pair, Peer(UTILITY, replace_struct(HYBRID, group="x25519")))
    invoice = put(pair, "invoice")
    short = put(pair, "availability_declaration", Mode.REAL_TIME)
    handed = world.some()
    assert world.say(handed.parcel, world.receipt(handed)) is True
    assert world.state(short) is State.ACCEPTED
    assert world.come() is None
    waiting = row(pair.aggregator, invoice)
    assert waiting.state is State.SENDING
    assert "no hybrid group" in waiting.detail
    world.peer = FETCHER
    assert world.some(NOW + timedelta(minutes=5)).messages == 1


def test_a_receipt_counts_once(world: World) -> None:
    put(world.pair, "invoice")
    handed = world.some()
    receipt = world.receipt(handed)
    size = world.pair.aggregator.store.head().size
    assert [world.say(handed.parcel, receipt) for _ in range(3)] == [True, True, True]
    assert world.say(handed.parcel, b'{"code":"cannot_open","retry":false}', 422) is True
    assert world.pair.aggregator.store.head().size == size + 1


def test_a_receipt_for_what_was_given_up_still_counts(world: World) -> None:
    message = put(world.pair, "invoice")
    handed = world.some()
    receipt = world.receipt(handed)
    later = NOW + timedelta(days=4)
    assert expire(world.pair.aggregator, later) == [message]
    assert world.state(message) is State.EXPIRED
    assert world.say(handed.parcel, b'{"code":"cannot_open","retry":false}', 422, later) is False
    assert world.state(message) is State.EXPIRED
    assert world.say(handed.parcel, receipt, now=later) is True
    assert world.state(message) is State.ACCEPTED
    verify_journal(world.pair.aggregator.store)


def test_a_refusal_for_good_is_one_and_a_repeat_of_it_nothing(world: World) -> None:
    message = put(world.pair, "invoice")
    handed = world.some()
    refusal = b'{"code":"cannot_open","detail":"no","retry":false}'
    assert world.say(handed.parcel, refusal, 422) is False
    assert world.state(message) is State.REFUSED
    size = world.pair.aggregator.store.head().size
    assert world.say(handed.parcel, refusal, 422) is False
    assert world.pair.aggregator.store.head().size == size


def test_a_key_that_is_gone_waits_for_its_descriptor(world: World) -> None:
    """It cannot be asked: the same bytes, until it has told us of its new key."""
    message = put(world.pair, "invoice")
    handed = world.some()
    assert world.say(handed.parcel, b'{"code":"unknown_key","retry":false}', 422) is False
    assert world.state(message) is State.SENDING
    assert world.some(NOW + timedelta(minutes=5)).blob == handed.blob


def test_what_it_does_not_grant_is_not_sealed(world: World) -> None:
    message = put(world.pair, "invoice")
    assert world.come(granted=frozenset({"DA/outage_notice"})) is None
    assert world.state(message) is State.FAILED


def test_our_descriptor_is_not_told_to_a_door_that_is_not_there(world: World) -> None:
    class Silent:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(name)

    announcer = Announcer(world.pair.aggregator, Silent(), lambda: Told(b"", 9))  # type: ignore[arg-type]
    assert asyncio.run(announcer.announce(UTILITY, NOW, lambda: 0.5)) == ""
    assert world.pair.aggregator.store.announced(UTILITY) == 0
