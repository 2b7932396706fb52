"""The way to a joining door: one connection, from hello to done."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import datetime

from intertie.bindings.joining.frames import read_frame, write_frame
from intertie.exchange.joining import State
from intertie.exchange.joining_messages import MESSAGE_BYTES_MAX, Done, Offer, read_join_message
from intertie.gateway.configuration.listening import address_of
from intertie.gateway.gateway import Gateway
from intertie.gateway.partners.join_partner import (
    Joining,
    JoiningBook,
    Ourselves,
    Review,
    answer,
    check_new,
    enter_code,
    finish,
    greet,
    review,
)
from intertie.model.errors import PartnerError
from intertie.seal.joining import JoinCode
from intertie.seal.tls_joining import caller_context, certificate_digest

# As [delivery] connect_seconds.
CONNECT_SECONDS = 10.0
# A door opens half a second after its invitation; a script may be faster than that.
OPENING_SECONDS = 2.0

# What of the terms is accepted, by who was asked; raises to stop before anything of ours is sent.
Accept = Callable[[Review], tuple[str, ...]]


async def join(
    gateway: Gateway,
    book: JoiningBook,
    ours: Ourselves,
    code: JoinCode,
    accept: Accept,
    clock: Callable[[], datetime],
    seconds: float,
) -> Joining:
    """Join with a code: the record with the words to compare. Doing it again after it broke off is harmless.

    Raises JoinRefused; PartnerError if the door does not answer or the line was cut; StoreError, SettingsError.
    """
    joining = enter_code(book, code, clock())
    if joining.state is State.JOINED:  # the words are known already, and the inviter has us
        return joining
    host, port = address_of(code.address)
    writer: asyncio.StreamWriter | None = None
    try:
        reader, writer = await _connect(host, port)
        async with asyncio.timeout(seconds):
            certificate = certificate_digest(writer.get_extra_info("ssl_object"))
            hello = greet(joining, code, ours, certificate)
            await write_frame(writer, hello)
            said = read_join_message(await read_frame(reader, MESSAGE_BYTES_MAX), Offer)
            seen = review(gateway, code, hello, said, certificate, clock())
            check_new(gateway, book, joining, seen.descriptor.party)
            sent = answer(joining, code, ours, seen, accept(seen))
            await write_frame(writer, sent)
            done = read_join_message(await read_frame(reader, MESSAGE_BYTES_MAX), Done)
        return finish(gateway, book, joining, code, hello, seen, sent, done, clock())
    except (TimeoutError, EOFError, OSError, ssl.SSLError) as error:
        raise PartnerError(
            f"the joining door at {code.address} does not answer: {type(error).__name__} {error}".strip(),
            do="Its `intertie serve` must run, or `partner invite --wait`. Then the same command again.",
        ) from error
    finally:
        if writer is not None:
            writer.transport.abort()


async def _connect(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection, or OSError; a door that is about to open is waited for."""
    end = asyncio.get_running_loop().time() + OPENING_SECONDS
    async with asyncio.timeout(CONNECT_SECONDS):
        while True:
            try:
                return await asyncio.open_connection(host, port, ssl=caller_context())
            except ConnectionRefusedError:
                if asyncio.get_running_loop().time() >= end:
                    raise
                await asyncio.sleep(0.1)
