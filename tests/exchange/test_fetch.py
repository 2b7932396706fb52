"""Coming for parcels at a real door over mutual TLS: taken in as if they had been posted, confirmed, and after whatever goes
wrong on the way there again, with one effect."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.exchange.https_world import (
    AGGREGATOR,
    THIRD,
    UTILITY,
    House,
    a_parcel,
    make_ca,
    make_house,
    now,
    queue_one,
    wait_until,
)
from tests.exchange.pull_world import PULL, QUICK, Fetching, Pair, make_pair, partner_of, way_of, without_door

from intertie.bindings.parcel_https.pull_client import PullLink
from intertie.exchange.outbound import State
from intertie.gateway.configuration.settings import Quota
from intertie.gateway.gateway import Gateway, Limits, LinkAnswer, Partner
from intertie.gateway.ports import Query
from intertie.gateway.receiving.fetch import Came, NotHanded, Took, take
from intertie.journal.entry import Kind
from intertie.model.errors import Code, PartnerError, Refused, StoreError
from intertie.model.ids import MessageId, ParcelId, PartyId
from intertie.seal.transport import Transport
from intertie.stores.memory import MemoryStore


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> dict[PartyId, House]:
    ca, base = make_ca(), tmp_path_factory.mktemp("houses")
    return {name: make_house(base / name, ca, name) for name in (UTILITY, AGGREGATOR, THIRD)}


@pytest.fixture
def pair(houses: dict[PartyId, House]) -> Pair:
    return make_pair(houses[UTILITY], houses[AGGREGATOR])


def accepted(pair: Pair, *messages: MessageId) -> Callable[[], bool]:
    return lambda: all(pair.state(message) is State.ACCEPTED for message in messages)


def entries(gateway: Gateway) -> bytes:
    return b"\n".join(raw for _, raw, _ in gateway.store.entries())


def test_what_waits_and_what_comes_later_is_fetched_and_confirmed(pair: Pair) -> None:
    first = queue_one(pair.utility, pair.aggregator)
    with pair.door(), Fetching(pair) as fetching:
        wait_until(accepted(pair, first))
        second = queue_one(pair.utility, pair.aggregator)
        wait_until(accepted(pair, first, second))
        fetching.stop()
        assert fetching.drained_whole
    assert pair.received() == [first, second]
    assert fetching.doors.answers >= 2
    assert fetching.doors.failures == []
    assert fetching.stale == []


def test_it_is_taken_as_if_it_had_been_posted(pair: Pair) -> None:
    message = queue_one(pair.utility, pair.aggregator)
    with pair.door(), Fetching(pair):
        wait_until(accepted(pair, message))
    store = pair.aggregator.gateway.store
    parcel = pair.row(message).parcel
    assert parcel is not None
    kept = store.parcel(parcel, outgoing=False, partner=UTILITY)
    assert kept is not None
    assert kept.transport is not None
    assert (kept.transport.version, kept.transport.group) == ("TLSv1.3", "X25519MLKEM768")
    journal = entries(pair.aggregator.gateway)
    for kind in (Kind.MESSAGE_IN, Kind.RECEIPT_OUT):
        assert kind.value.encode() in journal


class Broken:
    """A link of which some calls go wrong: `lose` says which, by name and number."""

    def __init__(self, link: PullLink, lose: Callable[[str, int], str]) -> None:
        self.link, self.lose = link, lose
        self.calls: dict[str, int] = {}

    async def _do(self, name: str, call: Any) -> Any:
        number = self.calls[name] = self.calls.get(name, 0) + 1
        what = self.lose(name, number)
        if what == "before":
            raise PartnerError("the connection broke")
        said = await call
        if what == "after":
            raise PartnerError("the answer was lost")
        return said

    async def next_parcel(self, partner: Partner, *, again: bool, most: int) -> Came:
        asked = self.link.next_parcel(partner, again=again, most=most)
        return await self._do("next", asked)  # type: ignore[no-any-return]

    async def bring_receipt(self, partner: Partner, parcel: ParcelId, raw: bytes) -> LinkAnswer:
        return await self._do("receipt", self.link.bring_receipt(partner, parcel, raw))  # type: ignore[no-any-return]

    async def bring_refusal(
        self, partner: Partner, parcel: ParcelId, refused: Refused | StoreError
    ) -> LinkAnswer:
        return await self._do("refusal", self.link.bring_refusal(partner, parcel, refused))  # type: ignore[no-any-return]


@pytest.mark.filterwarnings("ignore:coroutine")
@pytest.mark.parametrize(
    ("name", "numbers", "how"),
    [
        ("next", {1, 2}, "before"),  # it never asked
        ("next", {1, 2}, "after"),  # the parcel was lost on its way
        ("receipt", {1}, "before"),
        ("receipt", {1, 2, 3, 4}, "before"),  # so often that it is fetched anew
        ("receipt", {1, 2, 3}, "after"),  # the answer to the receipt was lost
    ],
)
def test_what_is_lost_on_the_way_comes_again_with_one_effect(
    pair: Pair, name: str, numbers: set[int], how: str
) -> None:
    message = queue_one(pair.utility, pair.aggregator)
    pair.aggregator = replace(
        pair.aggregator,
        gateway=replace(
            pair.aggregator.gateway, limits=Limits(retry_first_seconds=0.05, retry_ceiling_seconds=0.1)
        ),
    )

    def lose(call: str, number: int) -> str:
        return how if call == name and number in numbers else ""

    with pair.door(QUICK), Fetching(pair, lambda link: Broken(link, lose)):  # type: ignore[arg-type]
        wait_until(accepted(pair, message))
    assert pair.received() == [message]
    assert entries(pair.aggregator.gateway).count(Kind.RECEIPT_OUT.value.encode()) == 1


def test_a_refused_parcel_is_refused_on_both_sides(pair: Pair) -> None:
    """Its agreement aside, the aggregator does not know the utility's keys: the parcel as a whole is refused."""
    message = queue_one(pair.utility, pair.aggregator)
    with pair.door():
        known = partner_of(pair.aggregator, UTILITY)
        other = make_wrong(known)
        pair.aggregator.book.partners[UTILITY] = other
        with Fetching(pair) as fetching:
            wait_until(lambda: pair.row(message).detail.startswith("HTTP 422 unknown_certificate"))
            wait_until(lambda: UTILITY in fetching.stale)
    assert pair.state(message) is State.SENDING, "its keys may become known: the same bytes again"
    refusals = [refusal.code for _, refusal in pair.aggregator.gateway.store.refusals()]
    assert refusals == ["unknown_certificate"]
    assert pair.received() == []


def make_wrong(partner: Partner) -> Partner:
    """With certificates that are not the partner's present ones."""
    keys = partner.keys
    chains = {
        alg: tuple((chain[0][:-1] + b"\0", *chain[1:]) for chain in kept)
        for alg, kept in keys.signing.items()
    }
    return partner._replace(keys=replace(keys, signing=chains))


def test_a_message_that_is_refused_does_not_take_the_parcel_down(pair: Pair) -> None:
    message = queue_one(pair.utility, pair.aggregator)
    with pair.door():
        known = partner_of(pair.aggregator, UTILITY)
        pair.aggregator.book.partners[UTILITY] = known._replace(agreements=())
        with Fetching(pair):
            wait_until(lambda: pair.state(message) is State.REFUSED)
    assert pair.row(message).detail.startswith("agreement_not_in_force")


def test_what_the_operators_narrowed_is_refused_before_it_is_sealed(pair: Pair) -> None:
    message = queue_one(pair.utility, pair.aggregator)
    with pair.door():
        known = partner_of(pair.aggregator, UTILITY)
        pair.aggregator.book.partners[UTILITY] = known._replace(scopes=("DA/invoice",))
        with Fetching(pair):
            wait_until(lambda: pair.state(message) is State.FAILED)
    assert "does not grant us DA/outage_notice" in pair.row(message).detail


def test_a_parcel_for_somebody_else_is_refused(pair: Pair, houses: dict[PartyId, House]) -> None:
    """The utility hands out, by mistake or malice, what is not for the aggregator or not from the utility."""
    third = houses[THIRD]
    pair.aggregator.knows(third, "https://127.0.0.1:1")
    partner = pair.aggregator.knows(pair.utility, "https://127.0.0.1:1")
    for blob, code in (
        (a_parcel(pair.utility, third).blob, "wrong_recipient"),
        (a_parcel(third, pair.aggregator).blob, "transport_not_sender"),
        (b"ITP1 rubbish", "bad_frame"),
    ):
        link = Said()
        took = taken(pair, link, partner, blob)
        assert (took.taken, took.confirmed, took.detail) == (False, True, f"refused: {code}")
        assert link.refused == [code]
    assert pair.received() == []
    codes = [refusal.code for _, refusal in pair.aggregator.gateway.store.refusals()]
    assert codes == ["wrong_recipient", "transport_not_sender", "bad_frame"]


class Said:
    """A partner's door that hears what became of a parcel, and answers as it is told to."""

    def __init__(self, status: int = 204) -> None:
        self.status = status
        self.receipts: list[bytes] = []
        self.refused: list[str] = []

    async def bring_receipt(self, partner: Partner, parcel: ParcelId, raw: bytes) -> LinkAnswer:
        self.receipts.append(raw)
        return LinkAnswer(self.status, b"", None)

    async def bring_refusal(
        self, partner: Partner, parcel: ParcelId, refused: Refused | StoreError
    ) -> LinkAnswer:
        self.refused.append(refused.code if isinstance(refused, Refused) else "store")
        return LinkAnswer(self.status, b"", None)

    async def next_parcel(self, partner: Partner, *, again: bool, most: int) -> Came:
        raise AssertionError("not asked for")


TRANSPORT = Transport(
    binding="parcel_https",
    engine="openssl",
    version="TLSv1.3",
    group="X25519MLKEM768",
    cipher="TLS_AES_256_GCM_SHA384",
    certificate="00" * 32,
)
PARCEL = ParcelId("01a216a5-4ed4-76d3-b27c-070859ba3a6f")


def taken(pair: Pair, link: Said, partner: Partner, blob: bytes | None) -> Took:
    came = Came(PARCEL, blob, TRANSPORT, 0, None)
    return asyncio.run(take(pair.aggregator.gateway, link, partner, came, now))


def test_a_repeat_gets_the_very_same_receipt(pair: Pair) -> None:
    partner = pair.aggregator.knows(pair.utility, "https://127.0.0.1:1")
    link, blob = Said(), a_parcel(pair.utility, pair.aggregator).blob
    for _ in range(2):
        assert taken(pair, link, partner, blob) == Took(PARCEL, True, True, "")
    assert link.receipts[0] == link.receipts[1]
    assert len(pair.received()) == 1


def test_a_receipt_that_the_door_does_not_take_is_said(pair: Pair) -> None:
    partner = pair.aggregator.knows(pair.utility, "https://127.0.0.1:1")
    took = taken(pair, Said(422), partner, a_parcel(pair.utility, pair.aggregator).blob)
    assert (took.taken, took.confirmed) == (True, False)
    assert "answers 422" in took.detail


def test_one_that_is_too_large_is_refused_unread(pair: Pair) -> None:
    partner = pair.aggregator.knows(pair.utility, "https://127.0.0.1:1")
    link = Said()
    assert taken(pair, link, partner, None).detail == "refused: too_large"
    [(_, refusal)] = pair.aggregator.gateway.store.refusals()
    assert (refusal.code, refusal.parcel, link.refused) == ("too_large", PARCEL, [Code.TOO_LARGE])


def test_what_is_too_large_comes_in_smaller_parcels(pair: Pair) -> None:
    gateway = pair.utility.gateway
    pair.utility = replace(pair.utility, gateway=replace(gateway, limits=Limits(messages_per_parcel=2)))
    messages = [queue_one(pair.utility, pair.aggregator) for _ in range(2)]
    size = len(a_parcel(pair.utility, pair.aggregator).blob)
    taker = replace(pair.aggregator.gateway, limits=Limits(parcel_bytes=size + 400, retry_first_seconds=0.05))
    pair.aggregator = replace(pair.aggregator, gateway=taker)
    with pair.door(QUICK), Fetching(pair):
        wait_until(accepted(pair, *messages))
    assert [refusal.code for _, refusal in taker.store.refusals()] == ["too_large"]


class Failing(MemoryStore):
    """A store that cannot keep anything for a while."""

    failures = 2

    def accept(self, *arguments: Any, **more: Any) -> bytes:
        if self.failures:
            self.failures -= 1
            raise StoreError("the disk is full")
        return super().accept(*arguments, **more)


def test_a_store_that_fails_takes_it_the_next_time(pair: Pair) -> None:
    message = queue_one(pair.utility, pair.aggregator)
    taker = replace(pair.aggregator.gateway, store=Failing(), limits=Limits(retry_first_seconds=0.05))
    pair.aggregator = replace(pair.aggregator, gateway=taker)
    sender = replace(pair.utility.gateway, limits=Limits(retry_first_seconds=0.1, retry_ceiling_seconds=0.2))
    pair.utility = replace(pair.utility, gateway=sender)
    with pair.door(QUICK), Fetching(pair):
        wait_until(accepted(pair, message))
    assert pair.received() == [message]


def test_nothing_is_fetched_from_a_suspended_partner_or_through_an_open_circuit(pair: Pair) -> None:
    message = queue_one(pair.utility, pair.aggregator)
    with pair.door() as door, Fetching(pair) as fetching:
        wait_until(accepted(pair, message))
        wait_until(lambda: door.app._pull.waiting.open[AGGREGATOR] == 1)
        fetching.doors.open = False
        pair.change(suspended=True)  # ends the wait that is under way
        held = queue_one(pair.utility, pair.aggregator)
        wait_until(lambda: not door.app._pull.waiting.open)
        pair.change(suspended=False)
        time.sleep(0.3)
        assert pair.state(held) is State.QUEUED
        known = pair.aggregator.book.partners[UTILITY]
        pair.aggregator.book.partners[UTILITY] = known._replace(suspended=True)
        fetching.doors.open = True
        time.sleep(1.2)
        assert pair.state(held) is State.QUEUED
        pair.aggregator.book.partners[UTILITY] = known
        wait_until(accepted(pair, held))


def test_a_door_that_is_gone_and_comes_back(pair: Pair) -> None:
    taker = replace(
        pair.aggregator.gateway, limits=Limits(retry_first_seconds=0.05, retry_ceiling_seconds=0.2)
    )
    pair.aggregator = replace(pair.aggregator, gateway=taker)
    with pair.door():
        pass  # its address is known, and nobody is there any more
    message = queue_one(pair.utility, pair.aggregator)
    with Fetching(pair) as fetching:
        wait_until(lambda: len(fetching.doors.failures) >= 3)
        with pair.door():
            wait_until(accepted(pair, message))
    assert pair.received() == [message]


def test_a_newer_descriptor_of_the_partner_is_asked_for(pair: Pair) -> None:
    with pair.door() as door:
        raw = b"ours"
        door.app._pull._descriptor = lambda: raw
        door.app._pull._own = (raw, 3)
        message = queue_one(pair.utility, pair.aggregator)
        with Fetching(pair) as fetching:
            wait_until(accepted(pair, message))
            wait_until(lambda: UTILITY in fetching.stale)
            known = pair.aggregator.book.partners[UTILITY]
            pair.aggregator.book.partners[UTILITY] = known._replace(sequence=3)
            another = queue_one(pair.utility, pair.aggregator)
            wait_until(accepted(pair, another))
            wait_until(lambda: pair.utility.gateway.store.announced(AGGREGATOR) == 3)


def test_the_end_waits_for_what_has_come_and_for_nothing_else(pair: Pair) -> None:
    """A receipt that is on its way when the gateway is told to stop still arrives."""
    begun, go = threading.Event(), threading.Event()

    class Slow(Broken):
        async def bring_receipt(self, partner: Partner, parcel: ParcelId, raw: bytes) -> LinkAnswer:
            begun.set()
            await asyncio.to_thread(go.wait, 10)
            return await super().bring_receipt(partner, parcel, raw)

    message = queue_one(pair.utility, pair.aggregator)
    with pair.door(), Fetching(pair, lambda link: Slow(link, lambda *_: "")) as fetching:  # type: ignore[arg-type]
        assert begun.wait(10)
        threading.Timer(0.3, go.set).start()
        fetching.stop()
        assert fetching.drained_whole
    assert pair.state(message) is State.ACCEPTED


def next_of(pair: Pair) -> Came:
    async def ask() -> Came:
        async with way_of(pair.aggregator) as way:
            partner = partner_of(pair.aggregator, UTILITY)
            return await PullLink(way, without_door(pair.aggregator, 1.0)).next_parcel(
                partner, again=False, most=1000
            )

    return asyncio.run(ask())


def test_why_nothing_is_handed_out_is_said(pair: Pair) -> None:
    with pair.door():
        pair.change(url="https://127.0.0.1:1")
        with pytest.raises(NotHanded, match="HTTP 403 insufficient_scope") as caught:
            next_of(pair)
        assert not caught.value.busy
        pair.change(url="", suspended=True)
        with pytest.raises(PartnerError, match="no access token"):
            next_of(pair)
    with pair.door(quota=Quota(parcels_per_second=0.01, parcels_burst=1.0)):
        pair.change(suspended=False)
        assert next_of(pair).blob is None
        with pytest.raises(NotHanded, match="HTTP 429 rate_limited") as caught:
            next_of(pair)
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > 1


def test_messages_are_not_doubled_by_two_loops(pair: Pair) -> None:
    messages = [queue_one(pair.utility, pair.aggregator) for _ in range(5)]
    with pair.door(PULL), Fetching(pair), Fetching(pair):
        more = [queue_one(pair.utility, pair.aggregator) for _ in range(5)]
        wait_until(accepted(pair, *messages, *more))
    assert sorted(pair.received()) == sorted(messages + more)
    rows = pair.utility.gateway.store.messages(Query(outgoing=True))
    assert all(row.done_at is not None and row.done_at - row.at < timedelta(seconds=20) for row in rows)
