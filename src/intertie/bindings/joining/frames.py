"""How the messages of joining travel: a length of four bytes, then the JSON. No HTTP: a door that is open to strangers
has as little to parse as can be."""

from __future__ import annotations

import asyncio

from intertie.exchange.joining import JoinRefused, Reason
from intertie.exchange.joining_messages import JoinMessage, write_join_message

_LENGTH = 4


async def read_frame(reader: asyncio.StreamReader, limit: int) -> bytes:
    """One frame, of at most `limit` bytes. JoinRefused(MALFORMED) if it is larger, EOFError if the line is cut."""
    size = int.from_bytes(await reader.readexactly(_LENGTH), "big")
    if size > limit:
        raise JoinRefused(Reason.MALFORMED, f"more than {limit} bytes")
    return await reader.readexactly(size)


async def write_frame(writer: asyncio.StreamWriter, message: JoinMessage) -> None:
    """Send one message."""
    raw = write_join_message(message)
    writer.write(len(raw).to_bytes(_LENGTH, "big") + raw)
    await writer.drain()
