"""Fetching at the street door over real mutual TLS, by a program that knows only HTTP: what is handed out, to whom, when
again, and what closes a parcel."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.exchange.https_world import (
    AGGREGATOR,
    THIRD,
    UTILITY,
    House,
    a_message,
    caller,
    make_ca,
    make_house,
    now,
    wait_until,
)
from tests.exchange.pull_world import QUICK, InBackground, Pair, Puller, make_pair, parcel_of

from intertie.exchange.outbound import State
from intertie.gateway.configuration.settings import Pull, Quota
from intertie.gateway.gateway import Gateway, Limits
from intertie.gateway.operating.operations_ports import Stop
from intertie.gateway.ports import Query
from intertie.gateway.receiving.accept_parcel import new_message
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.expire import expire
from intertie.gateway.sending.flow_control import raise_flag
from intertie.journal.entry import Kind
from intertie.model.ids import MessageId, PartyId, new_parcel_id
from intertie.model.message import read_envelope
from intertie.seal.certificates import TrustStore
from intertie.seal.tree import leaf_hash

PARCEL, PROBLEM = "application/vnd.intertie.parcel", "application/problem+json"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> dict[PartyId, House]:
    ca, base = make_ca(), tmp_path_factory.mktemp("houses")
    return {name: make_house(base / name, ca, name) for name in (UTILITY, AGGREGATOR, THIRD)}


@pytest.fixture
def pair(houses: dict[PartyId, House]) -> Pair:
    return make_pair(houses[UTILITY], houses[AGGREGATOR])


def queue(pair: Pair) -> MessageId:
    return queue_as(pair, 3)


def queue_as(pair: Pair, priority: int, life: timedelta = HOUR) -> MessageId:
    raw = a_message()
    header = read_envelope(raw).header
    row = new_message(raw, leaf_hash(raw), 0, header)._replace(
        priority=priority, expires=now() + life, conversation=None
    )
    pair.utility.gateway.store.add_outgoing([row], [], now())
    return header.id


def code_of(answer: object) -> str:
    return str(answer.json()["code"])  # type: ignore[attr-defined]


def test_a_parcel_is_fetched_and_its_receipt_closes_it(pair: Pair) -> None:
    message = queue(pair)
    with pair.door() as door:
        puller = Puller(pair, door)
        answer = puller.next()
        assert answer.headers["content-type"] == PARCEL
        assert answer.headers["cache-control"] == "no-store"
        assert pair.state(message) is State.SENDING
        receipt = puller.take(answer)
        assert puller.confirm(parcel_of(answer), receipt).status_code == 204
        assert puller.next().status_code == 204
    assert pair.state(message) is State.ACCEPTED
    assert pair.received() == [message]
    store = pair.utility.gateway.store
    kept = store.parcel(parcel_of(answer), outgoing=True)
    assert kept is not None
    assert kept.receipt == receipt
    assert kept.transport is not None, "the connection that the receipt came over"
    assert kept.transport.certificate
    assert store.partner_heads(AGGREGATOR), "we are a witness of its journal"
    assert kinds(pair.utility.gateway)[-2:] == [Kind.PARCEL_OUT, Kind.RECEIPT_IN]


def kinds(gateway: Gateway) -> list[Kind]:
    return [Kind(_kind(raw)) for _, raw, _ in gateway.store.entries()]


def _kind(raw: bytes) -> str:
    return next(kind.value for kind in Kind if f'"{kind.value}"'.encode() in raw)


def test_a_wait_ends_as_soon_as_something_is_due(pair: Pair) -> None:
    with pair.door() as door:
        puller = Puller(pair, door)
        waiting = InBackground(lambda: puller.next(wait=10))
        wait_until(lambda: door.app._pull.waiting.open[AGGREGATOR] == 1)
        begun = time.monotonic()
        message = queue(pair)
        answer = waiting.result()
        assert time.monotonic() - begun < 8, "it ended by the parcel, not by its end"
        assert puller.confirm(parcel_of(answer), puller.take(answer)).status_code == 204
        assert not door.app._pull.waiting.open
    assert pair.state(message) is State.ACCEPTED


def test_a_wait_without_a_parcel_ends_empty(pair: Pair) -> None:
    with pair.door(Pull(wait_seconds=0.5)) as door:
        answer = Puller(pair, door).next(wait=9999)
        assert answer.status_code == 204
        assert answer.content == b""


def test_without_a_receipt_the_same_bytes_come_again_with_one_effect(pair: Pair) -> None:
    message = queue(pair)
    with pair.door(QUICK) as door:
        puller = Puller(pair, door)
        first = puller.next()
        assert puller.next().status_code == 204, "not while it is in the partner's hands"
        receipt = puller.take(first)  # and the receipt is lost
        again = puller.next(wait=5)
        assert again.content == first.content
        assert parcel_of(again) == parcel_of(first)
        assert puller.take(again) == receipt, "a repeat gets the very same receipt"
        assert puller.confirm(parcel_of(again), receipt).status_code == 204
    assert pair.received() == [message]
    assert pair.state(message) is State.ACCEPTED


def test_a_lost_answer_to_the_receipt_is_harmless(pair: Pair) -> None:
    queue(pair)
    with pair.door() as door:
        puller = Puller(pair, door)
        answer = puller.next()
        receipt = puller.take(answer)
        before = pair.utility.gateway.store.head().size
        assert puller.confirm(parcel_of(answer), receipt).status_code == 204
        after = pair.utility.gateway.store.head().size
        assert puller.confirm(parcel_of(answer), receipt).status_code == 204
        assert (after, pair.utility.gateway.store.head().size) == (before + 1, before + 1)


def test_whoever_starts_anew_begins_with_what_it_was_handed_before(pair: Pair) -> None:
    queue(pair)
    with pair.door() as door:
        puller = Puller(pair, door)
        first = puller.next()
        assert puller.next().status_code == 204
        assert puller.ask("wait=0&again=1").content == first.content


def test_two_at_once_never_get_the_same_parcel(pair: Pair) -> None:
    with pair.door() as door:
        pullers = [Puller(pair, door) for _ in range(2)]
        waiting = [InBackground(lambda p=puller: p.next(wait=4)) for puller in pullers]  # type: ignore[misc]
        wait_until(lambda: door.app._pull.waiting.open[AGGREGATOR] == 2)
        refused = Puller(pair, door).next()
        assert (refused.status_code, code_of(refused)) == (429, "rate_limited")
        assert int(refused.headers["retry-after"]) >= 1
        message = queue(pair)
        answers = [one.result() for one in waiting]
        assert sorted(answer.status_code for answer in answers) == [200, 204]
    assert pair.state(message) is State.SENDING


def test_what_is_urgent_goes_first(pair: Pair) -> None:
    at_once(pair, 1)
    billing, outage = queue_as(pair, 7), queue_as(pair, 0)
    with pair.door() as door:
        puller = Puller(pair, door)
        for expected in ([outage], [outage, billing]):
            answer = puller.next()
            puller.confirm(parcel_of(answer), puller.take(answer))
            assert sorted(pair.received()) == sorted(expected)


def at_once(pair: Pair, count: int) -> None:
    """So many messages in a parcel, at most."""
    gateway = replace(pair.utility.gateway, limits=Limits(messages_per_parcel=count))
    pair.utility = replace(pair.utility, gateway=gateway)


def test_no_more_parcels_are_in_hand_than_are_borne(pair: Pair) -> None:
    at_once(pair, 1)
    for _ in range(6):
        queue(pair)
    with pair.door() as door:
        puller = Puller(pair, door)
        answers = [puller.next() for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 204, 204]
        assert puller.confirm(parcel_of(answers[0]), puller.take(answers[0])).status_code == 204
        assert puller.next().status_code == 200
    states = [row.state for row in pair.utility.gateway.store.messages(Query(outgoing=True))]
    assert states.count(State.QUEUED) == 1


def refusal(code: str, status: int, *, retry: bool = False) -> bytes:
    return f'{{"code":"{code}","status":{status},"detail":"no","retry":{str(retry).lower()}}}'.encode()


def test_a_refused_parcel_is_closed_as_if_it_had_been_pushed(pair: Pair) -> None:
    message = queue(pair)
    with pair.door() as door:
        puller = Puller(pair, door)
        answer = puller.next()
        said = puller.confirm(parcel_of(answer), refusal("bad_manifest", 422), PROBLEM)
        assert said.status_code == 204
        assert puller.next().status_code == 204
    row = pair.row(message)
    assert (row.state, row.detail) == (State.REFUSED, "bad_manifest: no")
    assert kinds(pair.utility.gateway)[-1] is Kind.REFUSAL


def test_a_refusal_for_now_leaves_the_parcel_open(pair: Pair) -> None:
    message = queue(pair)
    with pair.door(QUICK) as door:
        puller = Puller(pair, door)
        answer = puller.next()
        assert (
            puller.confirm(parcel_of(answer), refusal("store", 503, retry=True), PROBLEM).status_code == 204
        )
        assert pair.state(message) is State.SENDING
        again = puller.next(wait=5)
        assert again.content == answer.content


def test_a_parcel_too_large_for_the_partner_comes_in_smaller_ones(pair: Pair) -> None:
    at_once(pair, 2)
    for _ in range(2):
        queue_as(pair, 7)
    with pair.door() as door:
        puller = Puller(pair, door)
        answer = puller.next()
        puller.confirm(parcel_of(answer), refusal("too_large", 413), PROBLEM)
        for _ in range(2):
            smaller = puller.next(wait=5)
            assert len(smaller.content) < len(answer.content)
            assert puller.confirm(parcel_of(smaller), puller.take(smaller)).status_code == 204
    assert len(pair.received()) == 2


@pytest.mark.parametrize(
    ("raw", "kind", "status", "code"),
    [
        (b"thank you!", "application/jose+json", 422, "not_receipted"),
        (b"", "application/jose+json", 422, "not_receipted"),
        (b"{}", PROBLEM, 400, "bad_request"),
        (refusal("bad_manifest", 200), PROBLEM, 400, "bad_request"),
        (b"ok", "text/plain", 415, "unsupported_media_type"),
        (bytes(8 * 2**20 + 1), "application/jose+json", 413, "too_large"),
    ],
)
def test_what_is_no_receipt_changes_nothing(
    pair: Pair, raw: bytes, kind: str, status: int, code: str
) -> None:
    message = queue(pair)
    with pair.door() as door:
        puller = Puller(pair, door)
        answer = puller.next()
        said = puller.confirm(parcel_of(answer), raw, kind)
        assert (said.status_code, code_of(said)) == (status, code)
        assert pair.state(message) is State.SENDING
        assert puller.confirm(parcel_of(answer), puller.take(answer)).status_code == 204
    assert pair.state(message) is State.ACCEPTED


def test_the_receipt_of_another_parcel_changes_nothing(pair: Pair) -> None:
    first, second = queue_as(pair, 0), queue_as(pair, 7)
    at_once(pair, 1)
    with pair.door() as door:
        puller = Puller(pair, door)
        one, other = puller.next(), puller.next()
        assert puller.confirm(parcel_of(other), puller.take(one)).status_code == 422
    assert (pair.state(first), pair.state(second)) == (State.SENDING, State.SENDING)


def test_a_receipt_after_the_end_still_counts(pair: Pair) -> None:
    message = queue_as(pair, 3, timedelta(seconds=1))
    with pair.door(QUICK) as door:
        puller = Puller(pair, door)
        answer = puller.next()
        receipt = puller.take(answer)
        later = now() + timedelta(minutes=1)
        assert expire(pair.utility.gateway, later) == [message]
        assert pair.state(message) is State.EXPIRED
        assert "did not confirm" in pair.row(message).detail
        assert puller.next().status_code == 204, "what was given up is not handed out"
        assert puller.confirm(parcel_of(answer), receipt).status_code == 204
    assert pair.state(message) is State.ACCEPTED


def test_what_was_queued_again_is_not_closed_by_the_old_receipt(pair: Pair) -> None:
    message = queue(pair)
    with pair.door() as door:
        puller = Puller(pair, door)
        answer = puller.next()
        receipt = puller.take(answer)
        parcel = parcel_of(answer)
        pair.utility.gateway.store.close_parcel(parcel, None, [(message, State.QUEUED, "")], [], now())
        assert puller.confirm(parcel, receipt).status_code == 422
    assert pair.state(message) is State.QUEUED


def test_nobody_else_gets_or_closes_it(pair: Pair, houses: dict[PartyId, House]) -> None:
    message = queue(pair)
    third = houses[THIRD]
    pair.utility.knows(third, "")
    with pair.door() as door:
        puller, other = Puller(pair, door), Puller(pair, door, third)
        assert other.next().status_code == 204
        answer = puller.next()
        receipt = puller.take(answer)
        said = other.confirm(parcel_of(answer), receipt)
        assert (said.status_code, code_of(said)) == (404, "not_found")
        assert other.confirm(new_parcel_id(now()), receipt).status_code == 404
        assert other.confirm("..", receipt).status_code == 404
        assert pair.state(message) is State.SENDING


def test_a_stranger_is_refused(pair: Pair, houses: dict[PartyId, House]) -> None:
    with pair.door() as door:
        said = Puller(pair, door, houses[THIRD]).next(authorization="Bearer abc")
        assert (said.status_code, code_of(said)) == (403, "unknown_sender")
        without = caller(pair.aggregator, pair.utility).get(f"{door.url}/parcels/next")
        assert (without.status_code, code_of(without)) == (401, "invalid_token")
        assert without.headers["www-authenticate"].startswith("Bearer")


def test_a_token_without_its_scope_fetches_nothing(pair: Pair) -> None:
    queue(pair)
    with pair.door() as door:
        puller = Puller(pair, door)
        puller.token = puller.client.token(door.url, scope="DA/*")
        said = puller.next()
        assert (said.status_code, code_of(said)) == (403, "insufficient_scope")
        assert 'scope="PULL/parcels"' in said.headers["www-authenticate"]


def test_a_partner_with_a_door_is_pushed_to_and_fetches_nothing(pair: Pair) -> None:
    message = queue(pair)
    with pair.door() as door:
        puller = Puller(pair, door)
        pair.change(url="https://127.0.0.1:1")
        said = puller.next()
        assert (said.status_code, code_of(said)) == (403, "insufficient_scope")
        assert "pushed" in said.json()["detail"]
    assert pair.state(message) is State.QUEUED


def test_a_partner_without_a_door_is_never_pushed_to(pair: Pair) -> None:
    message = queue(pair)

    class NoLink:
        async def post(self, *_: object, **__: object) -> None:
            pytest.fail("pushed")

        granted = post

    assert asyncio.run(deliver_once(pair.utility.gateway, NoLink(), AGGREGATOR, now, lambda: 0.5)) is None  # type: ignore[arg-type]
    assert pair.state(message) is State.QUEUED


def test_a_suspended_partner_gets_nothing_also_in_the_middle_of_a_wait(pair: Pair) -> None:
    with pair.door() as door:
        puller = Puller(pair, door)
        waiting = InBackground(lambda: puller.next(wait=10))
        wait_until(lambda: door.app._pull.waiting.open[AGGREGATOR] == 1)
        pair.change(suspended=True)
        message = queue(pair)
        said = waiting.result()
        assert (said.status_code, code_of(said)) == (403, "sender_suspended")
        assert puller.next().status_code == 403
        pair.change(suspended=False)
        assert puller.next().status_code == 200
    assert pair.state(message) is State.SENDING


class Changing:
    """A trust book that a test can write in."""

    def __init__(self, trust: TrustStore) -> None:
        self.trust = trust

    def present(self) -> TrustStore:
        return self.trust


def test_a_certificate_revoked_in_the_middle_of_a_wait_gets_nothing(pair: Pair) -> None:
    book = Changing(pair.utility.gateway.trust)
    pair.utility = replace(pair.utility, gateway=replace(pair.utility.gateway, trust_book=book))
    with pair.door() as door:
        puller = Puller(pair, door)
        waiting = InBackground(lambda: puller.next(wait=10))
        wait_until(lambda: door.app._pull.waiting.open[AGGREGATOR] == 1)
        certificate = ssl.PEM_cert_to_DER_cert(pair.aggregator.gateway.keys.tls.chain.decode())
        book.trust = book.trust.with_revoked(certificate, now())
        message = queue(pair)
        said = waiting.result()
        assert (said.status_code, code_of(said)) == (403, "transport_certificate")
        again = puller.next()
        assert (again.status_code, code_of(again)) == (403, "transport_certificate")
    assert pair.state(message) is State.QUEUED


def test_a_stop_flag_of_the_partner_holds_what_can_wait(pair: Pair) -> None:
    billing, outage = queue_as(pair, 7), queue_as(pair, 0)
    at = now()
    raise_flag(pair.utility.gateway, Stop(AGGREGATOR, False, at, at + HOUR), b"{}", at)
    with pair.door() as door:
        puller = Puller(pair, door)
        answer = puller.next()
        puller.confirm(parcel_of(answer), puller.take(answer))
        assert puller.next().status_code == 204
    assert (pair.state(outage), pair.state(billing)) == (State.ACCEPTED, State.QUEUED)


def test_what_the_partner_does_not_grant_fails_by_itself(pair: Pair) -> None:
    message = queue(pair)
    with pair.door() as door:
        puller = Puller(pair, door)
        assert puller.next(**{"intertie-scopes": "DA/invoice ET1/*"}).status_code == 204
        assert puller.next(**{"intertie-scopes": "rubbish"}).status_code == 400
    assert pair.state(message) is State.FAILED
    assert "does not grant us DA/outage_notice" in pair.row(message).detail


@pytest.mark.parametrize("query", ["wait=-1", "wait=abc", "wait=1e9", "wait=1&again=2", "wait=999999"])
def test_a_question_that_makes_no_sense_is_answered_so(pair: Pair, query: str) -> None:
    with pair.door() as door:
        said = Puller(pair, door).ask(query)
        assert (said.status_code, code_of(said)) == (400, "bad_request")


def test_a_door_that_closes_answers_whoever_waits(pair: Pair) -> None:
    with pair.door() as door:
        puller = Puller(pair, door)
        waiting = InBackground(lambda: puller.next(wait=10))
        wait_until(lambda: door.app._pull.waiting.open[AGGREGATOR] == 1)
        door.stop()
        assert waiting.result().status_code == 204


def test_whoever_hangs_up_is_not_waited_for(pair: Pair) -> None:
    with pair.door() as door:
        puller = Puller(pair, door)
        with pytest.raises(Exception, match="timed out"):
            puller.client.get(f"{door.url}/parcels/next?wait=10", headers=puller.authorized({}), timeout=0.5)
        wait_until(lambda: not door.app._pull.waiting.open)
        message = queue(pair)
        assert Puller(pair, door).next().status_code == 200
    assert pair.state(message) is State.SENDING


def test_over_the_quota_a_partner_comes_again_later(pair: Pair) -> None:
    with pair.door(quota=Quota(parcels_per_second=0.01, parcels_burst=1.0)) as door:
        puller = Puller(pair, door)
        assert puller.next().status_code == 204
        said = puller.next()
        assert (said.status_code, code_of(said)) == (429, "rate_limited")
        assert int(said.headers["retry-after"]) > 1


def test_when_too_many_wait_the_next_one_is_answered_at_once(
    pair: Pair, houses: dict[PartyId, House]
) -> None:
    pair.utility.knows(houses[THIRD], "")
    with pair.door(connections=3) as door:
        puller, other = Puller(pair, door), Puller(pair, door, houses[THIRD])
        waiting = InBackground(lambda: puller.next(wait=10))
        wait_until(lambda: door.app._pull.waiting.open[AGGREGATOR] == 1)
        answer = other.next(wait=10)
        assert answer.status_code == 204
        assert int(answer.headers["retry-after"]) >= 5
        queue(pair)
        assert waiting.result().status_code == 200


def test_the_partner_hears_of_our_descriptor_and_says_which_it_knows(pair: Pair) -> None:
    with pair.door() as door:
        door.app._pull._descriptor = lambda: b"ours"
        door.app._pull._own = (door.app._pull._descriptor(), 7)
        raw = door.app._pull._own[0]
        door.app._pull._descriptor = lambda: raw
        puller = Puller(pair, door)
        assert puller.next().headers["intertie-descriptor"] == "7"
        assert pair.utility.gateway.store.announced(AGGREGATOR) == 0
        puller.next(**{"intertie-descriptor": "5"})
        assert pair.utility.gateway.store.announced(AGGREGATOR) == 5
        puller.next(**{"intertie-descriptor": "99"})
        assert pair.utility.gateway.store.announced(AGGREGATOR) == 7, "not more than there is"
        puller.next(**{"intertie-descriptor": "x"})
        puller.next(**{"intertie-descriptor": "3"})
        assert pair.utility.gateway.store.announced(AGGREGATOR) == 7
