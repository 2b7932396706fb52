"""The door itself: open only while an invitation is, and of no use to who has no code."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from functools import partial

from intertie.bindings.joining.frames import read_frame, write_frame
from intertie.bindings.parcel_https.limits import Bucket
from intertie.exchange.joining import JoinRefused, Reason
from intertie.exchange.joining_messages import (
    HELLO_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    Answer,
    Hello,
    Refusal,
    read_join_message,
)
from intertie.gateway.configuration.listening import address_of
from intertie.gateway.configuration.settings import JoiningDoor
from intertie.gateway.gateway import Gateway
from intertie.gateway.partners.join_partner import JoiningBook, Ourselves, offer, open_invitations, take
from intertie.model.errors import IntertieError, SettingsError
from intertie.seal.joining import leaf_digest
from intertie.seal.tls_joining import door_context, new_door_key

LOG = logging.getLogger("intertie.joining")
# An invitation opens the door within this: nobody reads a code out faster.
WATCH_SECONDS = 0.5
# A TLS handshake is two packets.
HANDSHAKE_SECONDS = 5.0
# So many addresses are remembered; an attacker with more of them has one attempt of each, as everybody has.
ADDRESSES_MAX = 1024
# One subscriber has a whole network of this size (RFC 6177).
IPV6_PREFIX = 64


class Door:
    """The joining door of one gateway."""

    def __init__(
        self,
        gateway: Gateway,
        book: JoiningBook,
        ourselves: Callable[[], Ourselves],
        settings: JoiningDoor,
        clock: Callable[[], datetime],
    ) -> None:
        self._gateway = gateway
        self._book = book
        self._ourselves = ourselves
        self._settings = settings
        self._clock = clock
        self._attempts = Attempts(settings.attempts_per_minute)
        self._places = asyncio.Semaphore(settings.connections)
        self._server: asyncio.Server | None = None
        self._certificate = b""
        self._failed = ""

    @property
    def is_open(self) -> bool:
        """Whether it listens now."""
        return self._server is not None

    async def watch(self) -> None:
        """Open and close with the invitations, until cancelled."""
        try:
            while True:
                try:
                    await self.look()
                    self._failed = ""
                except IntertieError as error:
                    if error.why != self._failed:  # once, not twice a second
                        LOG.error("joining door", extra={"why": error.why})
                    self._failed = error.why
                await asyncio.sleep(WATCH_SECONDS)
        finally:
            await self.close()

    async def look(self) -> None:
        """Open if there is an open invitation, close if there is none. Raises SettingsError."""
        wanted = bool(await asyncio.to_thread(open_invitations, self._book, self._clock()))
        if self._server is not None and not wanted:
            await self.close()
        if wanted and self._server is None:
            await self._open()

    async def _open(self) -> None:
        host, port = address_of(self._settings.listen)
        file = self._book.door_file(partial(new_door_key, self._clock()))
        context = door_context(file)
        self._certificate = leaf_digest(file.read_bytes())
        try:
            self._server = await asyncio.start_server(
                self._visit,
                host,
                port,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=HANDSHAKE_SECONDS,
                limit=HELLO_BYTES_MAX,
            )
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {self._settings.listen}: {error.strerror or error}",
                do="Stop what uses it, or change [joining] listen.",
            ) from error
        LOG.info("joining door open", extra={"url": self._settings.listen})

    async def close(self) -> None:
        """Listen no more; who is inside may finish."""
        if self._server is not None:
            self._server.close()
            self._server = None
            LOG.info("joining door closed", extra={"url": self._settings.listen})

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from hello to done, within its time."""
        certificate = self._certificate
        try:
            async with asyncio.timeout(self._settings.seconds):
                await self._admit(reader, writer, certificate)
        except TimeoutError:
            LOG.info("joining too slow")
            writer.transport.abort()
        except (EOFError, OSError, ssl.SSLError) as error:
            LOG.info("joining cut", extra={"error": type(error).__name__})
        finally:
            writer.close()

    async def _admit(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, certificate: bytes
    ) -> None:
        try:
            if self._places.locked():
                raise JoinRefused(Reason.BUSY)
            async with self._places:
                await self._converse(reader, writer, certificate)
        except JoinRefused as refused:
            LOG.info("joining refused", extra={"code": refused.reason.value})
            await write_frame(writer, Refusal(reason=refused.reason, detail=refused.detail[:200]))
        except IntertieError as error:
            LOG.error("joining", extra={"why": error.why})
            await write_frame(writer, Refusal(reason=Reason.BUSY))

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, certificate: bytes
    ) -> None:
        address = str((writer.get_extra_info("peername") or ("",))[0])
        if not self._attempts.take(address, time.monotonic()):
            raise JoinRefused(Reason.BUSY)
        hello = read_join_message(await read_frame(reader, HELLO_BYTES_MAX), Hello)
        ours = self._ourselves()
        said = await asyncio.to_thread(offer, self._book, ours, hello, certificate, self._clock())
        await write_frame(writer, said)
        answer = read_join_message(await read_frame(reader, MESSAGE_BYTES_MAX), Answer)
        done = await asyncio.to_thread(
            take, self._gateway, self._book, ours, hello, answer, certificate, self._clock()
        )
        await write_frame(writer, done)
        LOG.info("joined")


class Attempts:
    """How often each address may try: a bucket each, the latest addresses only."""

    def __init__(self, per_minute: float) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, address: str, tick: float) -> bool:
        """Count an attempt; False if the address has to wait."""
        name = network_of(address)
        bucket = self._buckets.pop(name, None)
        if bucket is None:
            bucket = Bucket(self._per_minute / 60.0, max(1.0, self._per_minute), tick)
            while len(self._buckets) >= ADDRESSES_MAX:
                self._buckets.popitem(last=False)
        self._buckets[name] = bucket
        if bucket.wait(1.0, tick):
            return False
        bucket.take(1.0)
        return True


def network_of(address: str) -> str:
    """An IPv4 address as it is, an IPv6 address as its subscriber's network."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))
