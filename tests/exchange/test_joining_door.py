"""The joining door over real TLS on loopback: who gets in, who stands between, who floods, who dawdles."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from joining_world import DAY, TERMS, Exchange, Side, invited, make_sides
from tests.exchange.house import NOW
from tests.ports import free_port

from intertie.bindings.joining.client import join
from intertie.bindings.joining.door import ADDRESSES_MAX, Attempts, Door, network_of
from intertie.bindings.joining.frames import read_frame, write_frame
from intertie.exchange.joining import JoinRefused, Reason, State
from intertie.exchange.joining_messages import (
    HELLO_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    Answer,
    Offer,
    read_join_message,
)
from intertie.gateway.configuration.settings import JoiningDoor
from intertie.gateway.partners.join_partner import WRONG_MAX, Joining, Review, cancel
from intertie.model.errors import PartnerError, SettingsError
from intertie.seal.tls_joining import caller_context, certificate_digest, door_context, new_door_key

Run = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]]


def door_of(side: Side, port: int, **settings: Any) -> Door:
    joining = JoiningDoor(listen=f"127.0.0.1:{port}", **settings)
    return Door(side.gateway, side.book, lambda: side.ours, joining, lambda: NOW)


def door_file(side: Side) -> Path:
    return side.book.door_file(lambda: new_door_key(NOW))


@pytest.fixture
def world(tmp_path: Path) -> tuple[Exchange, int]:
    inviter, joiner = make_sides(tmp_path)
    port = free_port()
    return Exchange(inviter, joiner, invited(inviter, address=f"127.0.0.1:{port}")), port


@asynccontextmanager
async def opened(door: Door) -> AsyncIterator[Door]:
    await door.look()
    try:
        yield door
    finally:
        await door.close()


def accept(seen: Review) -> tuple[str, ...]:
    return seen.terms.covers


async def joined(exchange: Exchange, seconds: float = 10.0) -> Joining:
    side = exchange.joiner
    return await join(side.gateway, side.book, side.ours, exchange.code, accept, lambda: NOW, seconds)


async def visit(port: int, what: Run) -> Any:
    """One connection of somebody who speaks for himself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=caller_context())
    try:
        return await asyncio.wait_for(what(reader, writer), 10)
    finally:
        writer.transport.abort()


def test_join(world: tuple[Exchange, int]) -> None:
    exchange, port = world

    async def run() -> Joining:
        async with opened(door_of(exchange.inviter, port)):
            first = await joined(exchange)
            assert await joined(exchange) == first
            return first

    theirs = asyncio.run(run())
    ours = exchange.inviter.book.find(exchange.code.invitation)
    assert ours is not None and ours.other is not None and theirs.other is not None
    assert ours.state is theirs.state is State.JOINED
    assert ours.other.words == theirs.other.words


def test_the_door_is_open_only_while_an_invitation_is(world: tuple[Exchange, int]) -> None:
    exchange, port = world
    side = exchange.inviter

    async def run() -> None:
        door = door_of(side, port)
        await door.look()
        assert door.is_open
        cancel(side.gateway, side.book, exchange.code.invitation, NOW, "tester")
        await door.look()
        assert not door.is_open
        with pytest.raises(PartnerError, match="does not answer"):
            await joined(exchange)
        invited(side)
        await door.look()
        assert door.is_open
        await door.close()

    asyncio.run(run())


def test_a_door_that_is_about_to_open_is_waited_for(world: tuple[Exchange, int]) -> None:
    exchange, port = world

    async def run() -> None:
        joining = asyncio.create_task(joined(exchange))
        await asyncio.sleep(0.3)
        async with opened(door_of(exchange.inviter, port)):
            assert (await joining).state is State.JOINED

    asyncio.run(run())


def test_watching_opens_and_closes_by_itself(world: tuple[Exchange, int]) -> None:
    exchange, port = world

    async def run() -> None:
        door = door_of(exchange.inviter, port)
        watching = asyncio.create_task(door.watch())
        async with asyncio.timeout(5):
            while not door.is_open:
                await asyncio.sleep(0.02)
        await joined(exchange)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert not door.is_open

    asyncio.run(run())


def test_a_taken_address_is_said_once_and_tried_again(
    world: tuple[Exchange, int], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange, port = world
    monkeypatch.setattr("intertie.bindings.joining.door.WATCH_SECONDS", 0.01)

    async def run() -> None:
        first, second = door_of(exchange.inviter, port), door_of(exchange.inviter, port)
        async with opened(first):
            with pytest.raises(SettingsError, match="cannot listen"):
                await second.look()
            watching = asyncio.create_task(second.watch())
            await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            while not second.is_open:
                await asyncio.sleep(0.01)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    asyncio.run(run())
    assert sum(record.levelname == "ERROR" for record in caplog.records) == 1


def test_flood_of_wrong_codes(world: tuple[Exchange, int]) -> None:
    """The address has to wait long before the invitation is lost; and the right code still gets in afterwards."""
    exchange, port = world
    wrong = replace(exchange, code=exchange.code._replace(secret=bytes(16)))

    async def run() -> list[Reason]:
        reasons = []
        async with opened(door_of(exchange.inviter, port, attempts_per_minute=5.0)):
            for _ in range(9):
                with pytest.raises(JoinRefused) as refused:
                    await joined(wrong)
                reasons.append(refused.value.reason)
        async with opened(door_of(exchange.inviter, port)):
            await joined(exchange)
        return reasons

    assert asyncio.run(run()) == [Reason.WRONG_CODE] * 5 + [Reason.BUSY] * 4
    joining = exchange.inviter.book.find(exchange.code.invitation)
    assert joining is not None and joining.state is State.JOINED and joining.wrong == 5


def test_flood_from_many_addresses_closes_the_invitation_and_the_door(world: tuple[Exchange, int]) -> None:
    exchange, port = world
    wrong = replace(exchange, code=exchange.code._replace(secret=bytes(16)))

    async def run() -> None:
        async with opened(door_of(exchange.inviter, port, attempts_per_minute=1000.0)) as door:
            for _ in range(WRONG_MAX):
                with pytest.raises(JoinRefused):
                    await joined(wrong)
            with pytest.raises(JoinRefused, match="too many wrong codes"):
                await joined(exchange)
            await door.look()
            assert not door.is_open

    asyncio.run(run())


class Middle:
    """A man in the middle: a door with a certificate of his own, and a connection to the real one."""

    def __init__(self, exchange: Exchange, port: int, inviter_port: int) -> None:
        self.context = door_context(door_file(exchange.joiner))
        self.port, self.there = port, inviter_port
        self.heard: list[bytes] = []

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, out = await asyncio.open_connection("127.0.0.1", self.there, ssl=caller_context())
        try:
            await asyncio.gather(self._pass(reader, out), self._pass(there, writer))
        except (EOFError, OSError, ssl.SSLError):
            pass
        finally:
            out.transport.abort()
            writer.close()

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            self.heard.append(data)
            target.write(data)
            await target.drain()
        target.close()

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[Middle]:
        server = await asyncio.start_server(self.relay, "127.0.0.1", self.port, ssl=self.context)
        try:
            yield self
        finally:
            server.close()


def test_a_relay_with_its_own_certificate_learns_and_achieves_nothing(world: tuple[Exchange, int]) -> None:
    exchange, port = world
    middle_port = free_port()
    lured = replace(exchange, code=exchange.code._replace(address=f"127.0.0.1:{middle_port}"))
    middle = Middle(exchange, middle_port, port)

    async def run() -> None:
        async with opened(door_of(exchange.inviter, port)), middle.standing():
            with pytest.raises(JoinRefused) as refused:
                await joined(lured)
            assert refused.value.reason is Reason.WRONG_CODE

    asyncio.run(run())
    heard = b"".join(middle.heard)
    assert exchange.joiner.ours.descriptor[:80] not in heard and b"aggregator" not in heard
    assert exchange.inviter.ours.descriptor[:80] not in heard and b"utility" not in heard
    states = [side.book.find(exchange.code.invitation) for side in (exchange.inviter, exchange.joiner)]
    assert [one.state for one in states if one] == [State.INVITED, State.INVITED]


def test_a_relay_below_tls_only_carries(world: tuple[Exchange, int]) -> None:
    """As every router does: it sees nothing, and both have the right partner."""
    exchange, port = world
    middle_port = free_port()
    heard: list[bytes] = []
    through = replace(exchange, code=exchange.code._replace(address=f"127.0.0.1:{middle_port}"))

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, out = await asyncio.open_connection("127.0.0.1", port)

        async def one_way(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                heard.append(data)
                target.write(data)
            target.close()

        await asyncio.gather(one_way(reader, out), one_way(there, writer), return_exceptions=True)

    async def run() -> Joining:
        server = await asyncio.start_server(carry, "127.0.0.1", middle_port)
        async with opened(door_of(exchange.inviter, port)):
            found = await joined(through)
        server.close()
        return found

    assert asyncio.run(run()).state is State.JOINED
    assert b"utility.example" not in b"".join(heard)


def test_an_impostors_offer_is_not_answered(world: tuple[Exchange, int]) -> None:
    """It has no code, a certificate and a descriptor of its own; the joiner sends nothing of itself."""
    exchange, port = world
    got: list[bytes] = []

    async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await read_frame(reader, HELLO_BYTES_MAX))
        offer = Offer(
            nonce="00" * 16,
            descriptor=exchange.joiner.ours.descriptor.decode(),
            roots=exchange.joiner.ours.roots.decode(),
            terms=TERMS,
            proof="00" * 32,
        )
        await write_frame(writer, offer)
        got.append(await reader.read(10))
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(
            impostor, "127.0.0.1", port, ssl=door_context(door_file(exchange.joiner))
        )
        with pytest.raises(JoinRefused) as refused:
            await joined(exchange)
        assert refused.value.reason is Reason.CHANGED
        await asyncio.sleep(0.1)
        server.close()

    asyncio.run(run())
    assert got[1] == b"" and b"descriptor" not in got[0]


@pytest.mark.parametrize(
    "sent",
    [
        (2**32 - 1).to_bytes(4, "big"),
        (HELLO_BYTES_MAX + 1).to_bytes(4, "big") + bytes(HELLO_BYTES_MAX + 1),
        b"\0\0\0\x02{}",
        b"\0\0\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=["endless", "oversized", "no hello", "empty", "http"],
)
def test_what_a_stranger_sends_is_bounded(world: tuple[Exchange, int], sent: bytes) -> None:
    exchange, port = world

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(sent)
        return await read_frame(reader, HELLO_BYTES_MAX)

    async def run() -> bytes:
        async with opened(door_of(exchange.inviter, port)):
            raw: bytes = await visit(port, say)
            await joined(exchange)
            return raw

    with pytest.raises(JoinRefused) as refused:
        read_join_message(asyncio.run(run()), Offer)
    assert refused.value.reason is Reason.MALFORMED


def test_an_oversized_answer_is_refused(world: tuple[Exchange, int]) -> None:
    exchange, port = world

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        certificate = certificate_digest(writer.get_extra_info("ssl_object"))
        await write_frame(writer, exchange.hello(certificate))
        read_join_message(await read_frame(reader, MESSAGE_BYTES_MAX), Offer)
        writer.write((MESSAGE_BYTES_MAX + 1).to_bytes(4, "big"))
        return await read_frame(reader, HELLO_BYTES_MAX)

    async def run() -> bytes:
        async with opened(door_of(exchange.inviter, port)):
            raw: bytes = await visit(port, say)
            return raw

    with pytest.raises(JoinRefused, match="more than"):
        read_join_message(asyncio.run(run()), Answer)


@pytest.mark.parametrize(
    "drip", [b"", b"\0\0", b"\0\0\x01\x00{"], ids=["silent", "half a length", "half a hello"]
)
def test_who_dawdles_is_cut(world: tuple[Exchange, int], drip: bytes) -> None:
    exchange, port = world

    async def dawdle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
        began = asyncio.get_running_loop().time()
        writer.write(drip)
        with contextlib.suppress(OSError, ssl.SSLError):  # cut without a farewell
            assert await reader.read(100) == b""
        return asyncio.get_running_loop().time() - began

    async def run() -> float:
        async with opened(door_of(exchange.inviter, port, seconds=0.3)):
            taken: float = await visit(port, dawdle)
            return taken

    assert 0.2 < asyncio.run(run()) < 5


def test_dawdlers_do_not_keep_the_door_shut_for_long(world: tuple[Exchange, int]) -> None:
    exchange, port = world

    async def run() -> None:
        async with opened(door_of(exchange.inviter, port, seconds=0.6, connections=2)):
            idle = [await asyncio.open_connection("127.0.0.1", port, ssl=caller_context()) for _ in range(2)]
            await asyncio.sleep(0.1)
            with pytest.raises(JoinRefused) as refused:
                await joined(exchange)
            assert refused.value.reason is Reason.BUSY
            await asyncio.sleep(0.8)
            assert (await joined(exchange)).state is State.JOINED
            for _, writer in idle:
                writer.transport.abort()

    asyncio.run(run())


def test_a_door_that_never_answers_is_given_up(world: tuple[Exchange, int]) -> None:
    exchange, port = world

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    async def run() -> None:
        context = door_context(door_file(exchange.inviter))
        server = await asyncio.start_server(silence, "127.0.0.1", port, ssl=context)
        with pytest.raises(PartnerError) as error:
            await joined(exchange, seconds=0.3)
        assert "same command again" in error.value.do
        server.close()

    asyncio.run(run())


def test_the_door_does_not_say_whose_it_is_and_keeps_its_certificate(world: tuple[Exchange, int]) -> None:
    exchange, port = world

    async def look(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        der: bytes = writer.get_extra_info("ssl_object").getpeercert(True)
        return der

    async def run() -> list[bytes]:
        seen = []
        for _ in range(2):
            async with opened(door_of(exchange.inviter, port)):
                seen.append(await visit(port, look))
        return seen

    first, second = asyncio.run(run())
    assert first == second and b"utility" not in first
    assert door_file(exchange.inviter).stat().st_size < 2000


def test_a_damaged_door_file_is_said(world: tuple[Exchange, int]) -> None:
    exchange, port = world
    door_file(exchange.inviter).write_bytes(b"nothing")
    with pytest.raises(SettingsError, match=r"door\.pem"):
        asyncio.run(door_of(exchange.inviter, port).look())


def test_tls_1_2_is_not_spoken(world: tuple[Exchange, int]) -> None:
    exchange, port = world
    old = caller_context()
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2

    async def run() -> None:
        async with opened(door_of(exchange.inviter, port)):
            with pytest.raises((ssl.SSLError, OSError)):
                await asyncio.open_connection("127.0.0.1", port, ssl=old)

    asyncio.run(run())


def test_nothing_is_kept_while_the_store_is_broken(
    world: tuple[Exchange, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange, port = world

    def broken(entries: object) -> None:
        raise SettingsError("the disk is full")

    async def run() -> None:
        async with opened(door_of(exchange.inviter, port)):
            with monkeypatch.context() as patch:
                patch.setattr(exchange.inviter.gateway.store, "note", broken)
                with pytest.raises(JoinRefused) as refused:
                    await joined(exchange)
                assert refused.value.reason is Reason.BUSY
            joining = exchange.inviter.book.find(exchange.code.invitation)
            assert joining is not None and joining.state is State.INVITED
            assert (await joined(exchange)).state is State.JOINED

    asyncio.run(run())


def test_an_address_is_not_remembered_for_ever() -> None:
    attempts = Attempts(1.0)
    assert attempts.take("10.0.0.1", 0.0) and not attempts.take("10.0.0.1", 1.0)
    assert attempts.take("10.0.0.1", 61.0)
    for number in range(ADDRESSES_MAX):
        assert attempts.take(f"10.1.{number // 256}.{number % 256}", 61.0)
    assert attempts.take("10.0.0.1", 61.0)
    assert len(attempts._buckets) == ADDRESSES_MAX


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_subscriber_is_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


def test_the_code_ends(world: tuple[Exchange, int]) -> None:
    exchange, _ = world
    side = exchange.joiner
    late = NOW + 3 * DAY
    with pytest.raises(JoinRefused, match="ended"):
        asyncio.run(join(side.gateway, side.book, side.ours, exchange.code, accept, lambda: late, 1.0))
    assert side.book.all() == []
