"""Two ends over real sockets, uvicorn and httpx, asyncio and uvloop: what both record, and who gets nothing."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest
from tests.exchange.https_world import now
from tests.exchange.tls_world import (
    LOOPS,
    QUICK,
    A,
    B,
    C,
    EchoDoor,
    TlsHouse,
    echo_door,
    make_ca,
    make_key,
    partner_at,
    post,
    said,
)

from intertie.bindings.parcel_https.client import HttpsLink
from intertie.model.errors import PartnerError
from intertie.seal.trial_ca import TrialCa

ENGINES = ("openssl", "stdlib")
CLASSICAL = ("x25519", "secp256r1")
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def ca() -> TrialCa:
    return make_ca()


@pytest.fixture
def a(ca: TrialCa) -> TlsHouse:
    return TlsHouse.of(ca, A)


@pytest.fixture
def b(ca: TrialCa) -> TlsHouse:
    return TlsHouse.of(ca, B)


def leaf_hash(house: TlsHouse) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(house.key.chain.decode())).hexdigest()


# What is negotiated, as both ends record it


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("alg", ["ES256", "ML-DSA-65"])
def test_two_gateways_negotiate_a_hybrid_group_and_know_each_other(ca: TrialCa, alg: str, loop: str) -> None:
    a, b = TlsHouse.of(ca, A, alg), TlsHouse.of(ca, B, alg)
    with echo_door(b, loop) as door:
        answer = post(a, door.url, loop=loop)
    there = said(answer)
    assert there.party == A
    assert answer.transport is not None
    for transport, peer in ((answer.transport, b), (there.transport, a)):
        assert (transport.binding, transport.engine) == ("parcel_https", "openssl")
        assert (transport.version, transport.group) == ("TLSv1.3", "X25519MLKEM768")
        assert transport.cipher == "TLS_AES_256_GCM_SHA384"
        assert transport.certificate == leaf_hash(peer)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(("server", "client"), [(x, y) for x in ENGINES for y in ENGINES])
def test_the_engines_talk_to_each_other(ca: TrialCa, loop: str, server: str, client: str) -> None:
    a, b = TlsHouse.of(ca, A, engine=client), TlsHouse.of(ca, B, engine=server)
    with echo_door(b, loop) as door:
        answer = post(a, door.url, b"x" * 300_000, loop=loop)
    there = said(answer)
    assert (there.party, there.size, there.transport.engine) == (A, 300_000, server)
    assert answer.transport is not None
    assert answer.transport.engine == client


@pytest.mark.parametrize("loop", LOOPS)
def test_sixty_four_mebibytes_in_and_out(ca: TrialCa, loop: str) -> None:
    a, b = TlsHouse.of(ca, A), TlsHouse.of(ca, B)

    async def both_ways(url: str) -> tuple[int, int]:
        async with httpx.AsyncClient(verify=a.tls.client_context(B), trust_env=False, timeout=60) as client:
            up = await client.post(f"{url}/parcels", content=bytes(64 * MEBIBYTE))
            down = await client.get(f"{url}/any?back={64 * MEBIBYTE}")
            return up.json()["size"], len(down.content)

    with echo_door(b, loop) as door, asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        size, back = runner.run(both_ways(door.url))
    assert size == 64 * MEBIBYTE
    assert back > 64 * MEBIBYTE


# Only hybrid


def test_a_flow_that_wants_hybrid_gets_it_over_a_pool_of_its_own(a: TlsHouse, b: TlsHouse) -> None:
    with echo_door(b) as door:
        answer = post(a, door.url, hybrid=True)
    assert answer.transport is not None
    assert answer.transport.group == said(answer).transport.group == "X25519MLKEM768"


@pytest.mark.parametrize("options", [{"engine": "openssl", "groups": CLASSICAL}, {"engine": "stdlib"}])
@pytest.mark.skipif(ssl.OPENSSL_VERSION_INFO >= (3, 5), reason="the host's OpenSSL does hybrid groups")
def test_a_classical_door_gets_nothing_of_a_hybrid_flow(
    ca: TrialCa, a: TlsHouse, options: dict[str, object]
) -> None:
    classical = TlsHouse.of(ca, B, **options)
    with echo_door(classical) as door:
        with pytest.raises(
            PartnerError, match=r"no hybrid group was agreed with b\.example.*nothing was sent"
        ) as caught:
            post(a, door.url, b"secret", hybrid=True)
        assert door.seen == []
        assert "X25519MLKEM768" in caught.value.do
        assert said(post(a, door.url)).transport.group in ("", "x25519")  # other flows still go


def test_our_own_engine_that_cannot_promise_says_so(ca: TrialCa, b: TlsHouse) -> None:
    if hasattr(ssl.SSLContext, "set_groups"):
        pytest.skip("this Python can choose groups")
    a = TlsHouse.of(ca, A, engine="stdlib")
    with echo_door(b) as door:
        with pytest.raises(PartnerError, match="cannot choose only hybrid groups") as caught:
            post(a, door.url, hybrid=True)
        assert door.seen == []
    assert "openssl" in caught.value.do


# Who gets nothing


def test_a_door_of_another_party_is_told_nothing(ca: TrialCa, a: TlsHouse) -> None:
    with echo_door(TlsHouse.of(ca, C)) as door:
        with pytest.raises(PartnerError, match=r"belongs to c\.example, not to b\.example"):
            post(a, door.url, b"secret")
        assert door.seen == []


def test_a_door_at_another_address_than_its_certificates_is_told_nothing(ca: TrialCa, a: TlsHouse) -> None:
    b = TlsHouse(B, make_key(ca, B, hosts=["door.b.example"]), ca.trust())
    with echo_door(b) as door:
        with pytest.raises(PartnerError, match="the door at"):
            post(a, door.url, b"secret")
        assert door.seen == []


def test_a_certificate_of_a_root_confined_to_others_gets_a_403_and_no_page(ca: TrialCa, b: TlsHouse) -> None:
    own = make_ca("Own")
    b.trust = ca.trust().joined(own.trust().confined_to(C))
    impostor = TlsHouse(A, make_key(own, A), ca.trust())
    with echo_door(b) as door:
        with pytest.raises(PartnerError, match="HTTP 403 transport_certificate"):
            post(impostor, door.url)
        assert door.seen == []
        assert said(post(TlsHouse(C, make_key(own, C), ca.trust()), door.url)).party == C
    assert len(door.seen) == 1


def test_a_revocation_works_on_a_connection_that_is_open(a: TlsHouse, b: TlsHouse) -> None:
    async def talk(door: EchoDoor) -> tuple[int, int, int]:
        async with httpx.AsyncClient(verify=a.tls.client_context(B), trust_env=False) as client:
            first = await client.post(f"{door.url}/parcels", content=b"1")
            good = b.trust
            b.trust = good.with_revoked(ssl.PEM_cert_to_DER_cert(a.key.chain.decode()), now())
            second = await client.post(f"{door.url}/parcels", content=b"2")
            assert second.headers["connection"] == "close"
            third = await client.post(f"{door.url}/parcels", content=b"3")
            assert third.json()["code"] == "transport_certificate"
            assert "revoked" in third.json()["detail"]
            return first.status_code, second.status_code, third.status_code

    with echo_door(b) as door:
        assert asyncio.run(talk(door)) == (200, 403, 403)
        assert len(door.seen) == 1


def test_a_door_whose_certificate_is_revoked_is_not_called_again(a: TlsHouse, b: TlsHouse) -> None:
    async def talk(url: str) -> None:
        link = HttpsLink(a.tls, QUICK, a.party)
        try:
            assert (await link.post(partner_at(url), b"1")).status == 200
            a.trust = a.trust.with_revoked(ssl.PEM_cert_to_DER_cert(b.key.chain.decode()), now())
            with pytest.raises(PartnerError, match="revoked"):
                await link.post(partner_at(url), b"2")
        finally:
            await link.aclose()

    with echo_door(b) as door:
        asyncio.run(talk(door.url))
        assert [seen.size for seen in door.seen] == [1]


# Rotation without a restart


@pytest.mark.parametrize("engine", ENGINES)
def test_keys_rotate_on_both_sides_while_parcels_flow(ca: TrialCa, engine: str) -> None:
    a, b = TlsHouse.of(ca, A, engine=engine), TlsHouse.of(ca, B, engine=engine)
    answers = []

    async def flow(url: str) -> None:
        link = HttpsLink(a.tls, QUICK, a.party)
        try:
            for number in range(12):
                if number == 4:
                    a.key = make_key(ca, A)
                if number == 8:
                    b.key = make_key(ca, B)
                    a.trust = ca.trust()  # as if the partner's new root had come: new connections
                pair = (link.post(partner_at(url), b"x"), link.post(partner_at(url), b"y"))
                answers.extend(await asyncio.gather(*pair))
        finally:
            await link.aclose()

    with echo_door(b) as door:
        asyncio.run(flow(door.url))
    assert [answer.status for answer in answers] == [200] * 24
    assert len({said(answer).transport.certificate for answer in answers}) == 2
    assert said(answers[-1]).transport.certificate == leaf_hash(a)
    seen = [answer.transport.certificate for answer in answers if answer.transport is not None]
    assert len(set(seen)) == 2
    assert seen[-1] == leaf_hash(b)


def test_a_pool_in_use_ends_with_its_last_answer(a: TlsHouse, b: TlsHouse, ca: TrialCa) -> None:
    """The key changes while an answer is under way: that answer comes whole, and nothing stays open afterwards."""

    async def flow(url: str) -> None:
        link = HttpsLink(a.tls, QUICK, a.party)
        slow = asyncio.create_task(link.post(partner_at(url), bytes(32 * MEBIBYTE)))
        await asyncio.sleep(0.05)
        a.key = make_key(ca, A)
        quick = await link.post(partner_at(url), b"x")
        assert said(await slow).size == 32 * MEBIBYTE
        assert said(quick).transport.certificate == leaf_hash(a)
        assert len(link._pools) == 1
        await link.aclose()

    with echo_door(b) as door:
        asyncio.run(flow(door.url))


# Rudeness


@contextmanager
def raw(door: EchoDoor) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", door.port), 10) as connection:
        connection.settimeout(10)
        yield connection


def is_cut(connection: socket.socket) -> bool:
    with suppress(ConnectionError):
        while connection.recv(4096):
            pass
    return True


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_handshake_that_does_not_go_on_is_cut(ca: TrialCa, loop: str, engine: str) -> None:
    b = TlsHouse.of(ca, B, engine=engine)
    with echo_door(b, loop, header_seconds=0.5) as door:
        for begin in (b"", b"\x16\x03\x01\x02\x00\x01"):
            begun = time.monotonic()
            with raw(door) as connection:
                connection.sendall(begin)
                assert is_cut(connection)
            assert 0.3 < time.monotonic() - begun < 8


def test_a_handshake_that_drips_is_cut(b: TlsHouse, a: TlsHouse) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = a.tls.client_context(B).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    begun = time.monotonic()
    with echo_door(b, header_seconds=0.5) as door, raw(door) as connection:
        with pytest.raises(OSError):  # which one depends on the moment
            for byte in outgoing.read():
                connection.sendall(bytes([byte]))
                time.sleep(0.01)
            raise ConnectionError("sent in full")
        assert 0.3 < time.monotonic() - begun < 8


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "text", [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\x00" * 5000, b"\x16\x03\x01\xff\xff" + b"\x01" * 70_000]
)
def test_garbage_is_cut_and_the_door_stays_open(
    ca: TrialCa, a: TlsHouse, loop: str, engine: str, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    b = TlsHouse.of(ca, B, engine=engine)
    with echo_door(b, loop) as door:
        with raw(door) as connection:
            with suppress(ConnectionError):
                connection.sendall(text)
            assert is_cut(connection)
        assert said(post(a, door.url)).party == A
    assert "Traceback" not in caplog.text
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("loop", LOOPS)
def test_an_abrupt_end_within_handshake_or_body_harms_nobody(a: TlsHouse, b: TlsHouse, loop: str) -> None:
    with echo_door(b, loop) as door:
        with raw(door) as connection:
            connection.sendall(b"\x16\x03\x01\x02\x00")

        async def hang_up() -> None:
            context = a.tls.client_context(B)
            _, writer = await asyncio.open_connection(
                "127.0.0.1", door.port, ssl=context, server_hostname="127.0.0.1"
            )
            writer.write(b"POST /parcels HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\nhalf")
            await writer.drain()
            writer.transport.abort()

        asyncio.run(hang_up())
        assert said(post(a, door.url)).party == A
        assert door.seen == [door.seen[-1]]


def test_many_handshakes_that_hang_do_not_keep_others_out(a: TlsHouse, b: TlsHouse) -> None:
    with echo_door(b, header_seconds=5.0) as door:
        hanging = [socket.create_connection(("127.0.0.1", door.port), 10) for _ in range(200)]
        try:
            assert said(post(a, door.url)).party == A
        finally:
            for connection in hanging:
                connection.close()
