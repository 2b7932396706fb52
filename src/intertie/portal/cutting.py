"""Who does not take what is sent is cut off: one reader that has stopped must not hold memory and a place for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

LOG = logging.getLogger("intertie.office")
# A write that the other side's window has no room for waits; a line that stands still for so long is dead or idle.
SLOW_SECONDS = 20.0

Scope = MutableMapping[str, Any]
Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]
App = Callable[[Any, Any, Any], Awaitable[None]]


class TooSlow(OSError):
    """What was sent was not taken in time."""


def cutting(app: App, seconds: float = SLOW_SECONDS) -> App:
    """The app, with a limit on every write. The server's own send belongs to a cycle that knows the connection."""

    async def cut(scope: Scope, receive: Receive, send: Send) -> None:
        async def timed(message: Any) -> None:
            try:
                await asyncio.wait_for(send(message), seconds)
            except TimeoutError:
                LOG.warning("reader cut off", extra={"seconds": seconds})
                transport = getattr(getattr(send, "__self__", None), "transport", None)
                if transport is not None:
                    transport.abort()
                raise TooSlow("not taken in time") from None

        try:
            await app(scope, receive, timed)
        except TooSlow:
            return

    return cut
