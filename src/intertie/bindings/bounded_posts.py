"""What every door for posts of partners' own protocols does before it reads one: not too many of an address, and not too long."""

from __future__ import annotations

import logging
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from intertie.bindings.parcel_https.limits import Addresses
from intertie.model.errors import IntertieError, StoreError

# Posts of an address that come at once.
BURST = 100.0
# By headers and body; in a thread, since it verifies and waits for the disk.
Take = Callable[[list[tuple[str, str]], bytes], Response]


class BoundedPosts:
    """`ticks` is a monotonic clock in seconds."""

    def __init__(
        self, log: logging.Logger, per_minute: float, body_bytes: int, ticks: Callable[[], float]
    ) -> None:
        self._log = log
        self._addresses = Addresses(per_minute, BURST, ticks)
        self._body_bytes = body_bytes

    async def answer(self, request: Request, take: Take) -> Response:
        """What `take` says, or why it was not asked."""
        wait = self._addresses.wait(request.client.host if request.client else "")
        if wait:
            return Response(status_code=429, headers={"retry-after": str(int(wait) + 1)})
        body = bytearray()
        try:
            async for part in request.stream():
                body += part
                if len(body) > self._body_bytes:
                    return Response(status_code=413)
        except ClientDisconnect:
            return Response(status_code=400)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
        try:
            return await run_in_threadpool(take, headers, bytes(body))
        except StoreError as error:
            self._log.error("store", extra={"why": error.why})
            return Response(status_code=503, headers={"retry-after": "5"})
        except IntertieError as error:
            self._log.error("post", extra={"why": error.why})
            return Response(status_code=500)
