"""The street door over real mutual TLS: who gets in, how much, how slowly, and what is answered."""

from __future__ import annotations

import asyncio
import hashlib
import resource
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from tests.exchange.https_world import (
    AGGREGATOR,
    THIRD,
    UTILITY,
    Book,
    Door,
    House,
    a_message,
    a_parcel,
    ca_text,
    caller,
    make_ca,
    make_house,
    now,
    open_door,
    post,
    wait_until,
    with_limits,
)

from intertie.bindings.parcel_https.client import HttpsLink
from intertie.gateway.configuration.settings import Delivery, Quota
from intertie.gateway.gateway import LinkAnswer
from intertie.gateway.ports import Query
from intertie.model.errors import StoreError
from intertie.seal.parcel import read_frame
from intertie.seal.receipt import verify_receipt
from intertie.stores.memory import MemoryStore

GIGABYTE = 10**9


@dataclass
class World:
    """The aggregator sends, the utility's door is open, a third party has a certificate of the same authority."""

    utility: House
    aggregator: House
    third: House


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> World:
    ca, base = make_ca(), tmp_path_factory.mktemp("houses")
    return World(*(make_house(base / name, ca, name) for name in (UTILITY, AGGREGATOR, THIRD)))


@pytest.fixture
def world(houses: World) -> World:
    """The same keys, but nothing received yet."""

    def fresh(house: House) -> House:
        book = Book()
        return House(house.directory, replace(house.gateway, store=MemoryStore(), partners=book), book)

    world = World(fresh(houses.utility), fresh(houses.aggregator), fresh(houses.third))
    world.utility.knows(world.aggregator)
    world.aggregator.knows(world.utility)
    return world


@pytest.fixture
def receiver(world: World) -> House:
    """The utility sends outage notices: the aggregator's gateway receives them."""
    return world.aggregator


@pytest.fixture
def door(receiver: House) -> Iterator[Door]:
    with open_door(receiver) as opened:
        yield opened


def problem_of(answer: httpx.Response) -> dict[str, object]:
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, object] = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["type"] == f"urn:intertie:problem:{problem['code']}"
    return problem


def codes(house: House) -> list[str]:
    return [refusal.code for _, refusal in house.gateway.store.refusals()]


def raw_connection(house: House, door: Door) -> ssl.SSLSocket:
    host, port = door.url.removeprefix("https://").split(":")
    raw = socket.create_connection((host, int(port)), 10)
    return house.plain_context().wrap_socket(raw, server_hostname=host)


def read_all(tls: ssl.SSLSocket) -> bytes:
    parts = []
    try:
        while part := tls.recv(65536):
            parts.append(part)
    except (ssl.SSLError, ConnectionError):
        pass
    return b"".join(parts)


def head(house: House, door: Door) -> bytes:
    """The beginning of a parcel's request, up to the next header."""
    with caller(house, house) as client:
        return HEAD + f"authorization: Bearer {client.token(door.url)}\r\n".encode()


HEAD = b"POST /parcels HTTP/1.1\r\nhost: x\r\ncontent-type: application/vnd.intertie.parcel\r\n"


def test_a_parcel_gets_a_receipt_that_verifies(world: World, receiver: House, door: Door) -> None:
    sealed = a_parcel(world.utility, receiver)
    with caller(world.utility, receiver) as client:
        answer = post(client, door.url, sealed.blob)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/jose+json")
    receipt = verify_receipt(
        answer.content, writer=receiver.gateway.keys.public(), trust=receiver.gateway.trust, now=now()
    )
    assert receipt.root == sealed.root.hex()
    assert [outcome.status for outcome in receipt.outcomes] == ["accepted"]
    assert len(receiver.gateway.store.messages(Query(outgoing=False))) == 1


def test_a_repeat_gets_the_same_bytes_and_changes_nothing(world: World, receiver: House, door: Door) -> None:
    sealed = a_parcel(world.utility, receiver)
    with caller(world.utility, receiver) as client:
        first = post(client, door.url, sealed.blob)
        head = receiver.gateway.store.head()
        second = post(client, door.url, sealed.blob)
    assert first.content == second.content
    assert receiver.gateway.store.head() == head


def test_many_parcels_over_one_connection(world: World, receiver: House, door: Door) -> None:
    with caller(world.utility, receiver) as client:
        for number in range(5):
            parcel = a_parcel(world.utility, receiver, a_message(), a_message(), seq=number + 1)
            assert post(client, door.url, parcel.blob).status_code == 200
    assert len(receiver.gateway.store.messages(Query(outgoing=False))) == 10


# Who gets in


def test_without_a_client_certificate_there_is_no_conversation(receiver: House, door: Door) -> None:
    with caller(None, receiver) as client, pytest.raises(httpx.TransportError):
        client.get(f"{door.url}/healthz")


def test_a_certificate_of_another_authority_does_not_get_in(
    tmp_path: Path, receiver: House, door: Door
) -> None:
    stranger = make_house(tmp_path, make_ca("Elsewhere"), UTILITY)
    context = ssl.create_default_context(cadata=ca_text(receiver))
    context.load_cert_chain(
        stranger.directory / "keys" / "tls.crt.pem", stranger.directory / "keys" / "tls.key.pem"
    )
    with httpx.Client(verify=context, trust_env=False) as client, pytest.raises(httpx.TransportError):
        client.get(f"{door.url}/healthz")


def test_an_expired_certificate_does_not_get_in(tmp_path: Path) -> None:
    ca = make_ca()
    late = make_house(
        tmp_path / "late",
        ca,
        UTILITY,
        not_before=now() - timedelta(days=9),
        not_after=now() - timedelta(days=1),
    )
    receiver = make_house(tmp_path / "receiver", ca, AGGREGATOR)
    with open_door(receiver) as door, caller(late, receiver) as client:
        problem = problem_of(client.get(f"{door.url}/healthz"))
    assert (problem["status"], problem["code"], problem["step"]) == (403, "transport_certificate", 4)
    assert "valid" in str(problem["detail"])


def test_tls_1_2_does_not_get_in(world: World, receiver: House, door: Door) -> None:
    context = world.utility.plain_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with httpx.Client(verify=context, trust_env=False) as client, pytest.raises(httpx.TransportError):
        client.get(f"{door.url}/healthz")


def test_the_wrong_partys_certificate_is_refused_at_step_4(world: World, receiver: House, door: Door) -> None:
    """A valid chain, of somebody else: the third party hands in a parcel that the utility made."""
    receiver.knows(world.third)
    sealed = a_parcel(world.utility, receiver)
    with caller(world.third, receiver) as client:
        answer = post(client, door.url, sealed.blob)
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"], problem["step"]) == (403, "transport_not_sender", 4)
    assert codes(receiver) == ["transport_not_sender"]
    assert receiver.gateway.store.messages(Query(outgoing=False)) == []
    with caller(world.utility, receiver) as client:  # and the true sender is not harmed
        assert post(client, door.url, sealed.blob).status_code == 200


def test_a_party_that_is_no_partner_is_refused_and_writes_nothing(
    world: World, receiver: House, door: Door
) -> None:
    with caller(world.third, receiver) as client:
        answer = post(client, door.url, a_parcel(world.third, receiver).blob)
    assert (answer.status_code, problem_of(answer)["code"]) == (403, "unknown_sender")
    assert receiver.gateway.store.head().size == 0


def test_a_suspended_partner_may_try_again_later(world: World, receiver: House, door: Door) -> None:
    receiver.knows(world.utility, suspended=True)
    with caller(world.utility, receiver) as client:
        answer = post(client, door.url, a_parcel(world.utility, receiver).blob)
    problem = problem_of(answer)
    assert (problem["code"], problem["retry"]) == ("sender_suspended", True)


def test_rubbish_is_refused_by_the_step_that_reads_it(world: World, receiver: House, door: Door) -> None:
    with caller(world.utility, receiver) as client:
        answer = post(client, door.url, b"no parcel at all")
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"], problem["step"]) == (400, "bad_frame", 2)


# How much


def test_a_gigabyte_that_is_declared_is_refused_before_it_is_read(
    world: World, receiver: House, door: Door
) -> None:
    begin = head(world.utility, door)
    with raw_connection(world.utility, door) as tls:
        tls.sendall(begin + b"content-length: %d\r\n\r\n" % GIGABYTE)
        answer = tls.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"too_large" in answer or b"content-length" in answer
    assert codes(receiver) == ["too_large"]


def test_a_gigabyte_that_comes_undeclared_is_cut_off(world: World, houses: World) -> None:
    receiver = with_limits(world.aggregator, parcel_bytes=4 * 1024 * 1024)
    sent = 0

    def stream() -> Iterator[bytes]:
        nonlocal sent
        chunk = bytes(256 * 1024)
        while sent < GIGABYTE:
            sent += len(chunk)
            yield chunk

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open_door(receiver) as door, caller(world.utility, receiver) as client:
        try:
            answer = post(client, door.url, stream())
        except httpx.TransportError:  # the door may close before the client looks up from its sending
            answer = None
        wait_until(lambda: codes(receiver) == ["too_large"])
        assert door.app._held.count == 0
    assert answer is None or (answer.status_code, problem_of(answer)["code"]) == (413, "too_large")
    assert sent < 64 * 1024 * 1024, "the door went on reading"
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 128 * 1024, f"memory grew by {grown_kib} KiB"
    assert receiver.gateway.store.messages(Query(outgoing=False)) == []


def test_a_length_that_is_no_number_is_not_http(world: World, receiver: House, door: Door) -> None:
    with caller(world.utility, receiver) as client:
        try:
            answer = post(client, door.url, b"x", **{"content-length": "-1"})
            assert answer.status_code in (400, 413)
        except (httpx.TransportError, httpx.HTTPError):
            pass
        assert client.get(f"{door.url}/healthz").status_code == 200


def test_memory_for_bodies_is_shared_and_bounded(world: World, receiver: House) -> None:
    with open_door(receiver, held_bytes=1000) as door, caller(world.utility, receiver) as client:
        answer = post(client, door.url, bytes(5000))
        problem = problem_of(answer)
        assert (answer.status_code, problem["code"], problem["retry"]) == (503, "busy", True)
        assert int(answer.headers["retry-after"]) >= 1
        assert door.app._held.count == 0


def test_a_quota_of_parcels(world: World, receiver: House) -> None:
    quota = Quota(parcels_per_second=0.1, parcels_burst=2.0)
    with open_door(receiver, quota=quota) as door:
        with caller(world.utility, receiver) as client:
            answers = [
                post(client, door.url, a_parcel(world.utility, receiver, seq=n).blob) for n in (1, 2, 3)
            ]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        problem = problem_of(answers[2])
        assert (problem["code"], problem["step"], problem["retry"]) == ("rate_limited", 1, True)
        assert 1 <= int(answers[2].headers["retry-after"]) <= 10
        receiver.knows(world.third)
        with caller(world.third, receiver) as client:  # another partner has its own
            assert post(client, door.url, b"x").status_code == 400


def test_a_quota_of_bytes(world: World, receiver: House) -> None:
    quota = Quota(bytes_per_second=10.0, bytes_burst=100.0)
    with open_door(receiver, quota=quota) as door, caller(world.utility, receiver) as client:
        first = post(client, door.url, a_parcel(world.utility, receiver).blob)
        second = post(client, door.url, b"x")
    assert (first.status_code, second.status_code) == (200, 429)


# How slowly


def test_a_body_that_stops_is_cut(world: World, receiver: House) -> None:
    with open_door(receiver, idle_seconds=0.3) as door, raw_connection(world.utility, door) as tls:
        begin = head(world.utility, door)
        begun = time.monotonic()
        tls.sendall(begin + b"content-length: 1000\r\n\r\nITP1")
        answer = read_all(tls)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"timeout"' in answer
        assert time.monotonic() - begun < 10


def test_a_body_that_trickles_is_cut(world: World, receiver: House) -> None:
    with (
        open_door(receiver, idle_seconds=5.0, body_seconds=0.6) as door,
        raw_connection(world.utility, door) as tls,
    ):
        tls.sendall(head(world.utility, door) + b"content-length: 100000\r\n\r\n")
        begun = time.monotonic()
        try:
            while time.monotonic() - begun < 10:
                tls.sendall(b"x")
                time.sleep(0.05)
        except (ssl.SSLError, OSError):
            pass
        assert time.monotonic() - begun < 9, "the door listened on"
        wait_until(lambda: door.app._held.count == 0)


@pytest.mark.parametrize("begin", [b"", b"POST /par", HEAD + b"content-"])
def test_a_header_that_does_not_come_is_cut(world: World, receiver: House, begin: bytes) -> None:
    with open_door(receiver, header_seconds=0.3) as door, raw_connection(world.utility, door) as tls:
        begun = time.monotonic()
        if begin:
            tls.sendall(begin)
        assert read_all(tls) == b""
        assert time.monotonic() - begun < 10


def test_a_header_without_end_is_cut(world: World, receiver: House, door: Door) -> None:
    with raw_connection(world.utility, door) as tls:
        tls.sendall(HEAD + b"x-endless: ")
        sent = 0
        try:
            while sent < 10_000_000:
                tls.sendall(b"a" * 4096)
                sent += 4096
        except (ssl.SSLError, OSError):
            pass
        assert read_all(tls) == b""
    assert sent < 10_000_000
    with caller(world.utility, receiver) as client:
        assert client.get(f"{door.url}/healthz").status_code == 200


def test_an_idle_kept_connection_still_serves_within_its_time(world: World, receiver: House) -> None:
    """The header's timer is for headers: it must not cut a kept connection whose request is under way."""
    with open_door(receiver, header_seconds=0.4) as door, raw_connection(world.utility, door) as tls:
        for _ in range(2):
            tls.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += tls.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200 ")
            time.sleep(0.6)


# What else is answered


def test_the_descriptor_is_given_as_it_is(world: World, receiver: House, door: Door) -> None:
    with caller(world.utility, receiver) as client:
        answer = client.get(f"{door.url}/.well-known/intertie")
    assert (answer.status_code, answer.content) == (200, b'{"descriptor":true}')


def test_health(world: World, receiver: House, door: Door) -> None:
    with caller(world.utility, receiver) as client:
        answer = client.get(f"{door.url}/healthz")
    assert answer.json()["status"] == "ok"
    assert answer.json()["party"] == AGGREGATOR


def test_other_pages_methods_and_types_are_problems(world: World, receiver: House, door: Door) -> None:
    with caller(world.utility, receiver) as client:
        lost = client.get(f"{door.url}/etc")
        method = client.get(f"{door.url}/parcels")
        kind = post(client, door.url, b"x", **{"content-type": "text/plain"})
    assert [problem_of(a)["code"] for a in (lost, method, kind)] == [
        "not_found",
        "method_not_allowed",
        "unsupported_media_type",
    ]


class BrokenStore(MemoryStore):
    """A disk that is full."""

    def accept(self, *args: object, **more: object) -> bytes:
        raise StoreError("disk full")

    def head(self) -> object:
        raise StoreError("disk full")


def test_a_store_that_cannot_keep_means_later_and_never_a_receipt(world: World, receiver: House) -> None:
    broken = replace(receiver, gateway=replace(receiver.gateway, store=BrokenStore()))
    with open_door(broken) as door, caller(world.utility, receiver) as client:
        answer = post(client, door.url, a_parcel(world.utility, receiver).blob)
        health = client.get(f"{door.url}/healthz")
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"], problem["retry"]) == (503, "store", True)
    assert answer.headers["retry-after"]
    assert health.status_code == 503


class FaultyStore(MemoryStore):
    """A mistake in the program."""

    def accept(self, *args: object, **more: object) -> bytes:
        raise KeyError("account 12345")


def test_a_mistake_of_ours_is_500_and_says_nothing_of_the_content(world: World, receiver: House) -> None:
    faulty = replace(receiver, gateway=replace(receiver.gateway, store=FaultyStore()))
    with open_door(faulty) as door:
        with caller(world.utility, receiver) as client:
            answer = post(client, door.url, a_parcel(world.utility, receiver).blob)
        with caller(
            world.utility, receiver
        ) as client:  # that connection is closed after the mistake; the door is open
            assert client.get(f"{door.url}/healthz").status_code == 200
    problem = problem_of(answer)
    assert (answer.status_code, problem["retry"]) == (500, True)
    assert b"12345" not in answer.content


def test_too_many_connections_are_told_to_come_back(world: World, receiver: House) -> None:
    with (
        open_door(receiver, connections=2) as door,
        raw_connection(world.utility, door),
        raw_connection(world.utility, door),
        caller(world.utility, receiver) as client,
    ):
        wait_until(lambda: len(door.server.server_state.connections) >= 2)
        answer = client.get(f"{door.url}/healthz")
    assert answer.status_code == 503


def test_the_connection_is_kept_with_the_parcel_as_both_ends_saw_it(
    world: World, receiver: House, door: Door
) -> None:
    sealed = a_parcel(world.utility, receiver)

    async def hand_in() -> LinkAnswer:
        link = HttpsLink(world.utility.tls(), Delivery(), UTILITY)
        try:
            return await link.post(world.utility.knows(receiver, door.url), sealed.blob, hybrid=True)
        finally:
            await link.aclose()

    answer = asyncio.run(hand_in())
    row = receiver.gateway.store.find_incoming_parcel(
        UTILITY, read_frame(sealed.blob, limit=10**7).header.parcel
    )
    assert row is not None
    assert row.transport is not None
    assert answer.transport is not None
    for transport, peer in ((row.transport, world.utility), (answer.transport, receiver)):
        assert (transport.version, transport.group) == ("TLSv1.3", "X25519MLKEM768")
        leaf = ssl.PEM_cert_to_DER_cert(peer.gateway.keys.tls.chain.decode())
        assert transport.certificate == hashlib.sha256(leaf).hexdigest()
