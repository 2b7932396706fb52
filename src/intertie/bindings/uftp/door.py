"""The door for partners that speak UFTP: one address, one method. What it says 200 to is on disk before, with our answer to it.

The statuses are those of UFTP's appendix on transport: 411 without a length, 400 for what is not the schema's, 401 for a wrong
signature, 419 for a sender whose key is not here, 429 for too much. All else is said in a signed answer, which is posted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from intertie.bindings.parcel_https.limits import Addresses
from intertie.bindings.uftp.translator import Uftp, Verified, verify
from intertie.formats.uftp import messages as m
from intertie.formats.uftp.codec import NotUftpError
from intertie.gateway.configuration.settings import UftpDoor
from intertie.gateway.gateway import Gateway
from intertie.gateway.translating.accept_translated import accept_translated
from intertie.gateway.translating.deliver_translated import take_reply
from intertie.model.errors import Code, IntertieError, Refused, StoreError

LOG = logging.getLogger("intertie.uftp")
PATH = "/shapeshifter/api/v3/message"
# By the code of what is refused before there is a message to answer.
STATUSES = {Code.UNKNOWN_SENDER: 419, Code.SIGNATURE_INVALID: 401, Code.TOO_LARGE: 413}
# Posts of an address that come at once.
BURST = 100.0


class UftpDoorway:
    """The application. `ticks` is a monotonic clock in seconds, `clock` the gateway's."""

    def __init__(
        self,
        gateway: Gateway,
        uftp: Uftp,
        settings: UftpDoor,
        clock: Callable[[], datetime],
        ticks: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._uftp = uftp
        self._settings = settings
        self._clock = clock
        self._addresses = Addresses(settings.posts_per_minute, BURST, ticks)

    def app(self) -> Starlette:
        """For a server."""
        return Starlette(routes=[Route(PATH, self.post, methods=["POST"])])

    async def post(self, request: Request) -> Response:
        """POST a SignedMessage: 200 once it is kept."""
        refused = self._look(request)
        if refused is not None:
            return refused
        try:
            body = await self._body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return Response(status_code=413)
        try:
            await run_in_threadpool(self.take, body)
        except NotUftpError as error:
            LOG.warning("uftp refused", extra={"why": error.path})
            return Response(str(error), 400, media_type="text/plain")
        except Refused as error:
            LOG.warning("uftp refused", extra={"code": error.code.value, "partner": error.partner})
            return Response(status_code=STATUSES.get(error.code, 400))
        except StoreError as error:
            LOG.error("store", extra={"why": error.why})
            return Response(status_code=503, headers={"retry-after": "5"})
        except IntertieError as error:
            LOG.error("uftp", extra={"why": error.why})
            return Response(status_code=500)
        return Response(status_code=200)

    def _look(self, request: Request) -> Response | None:
        """What is wrong with a post before its body is read."""
        kind, _, parameters = request.headers.get("content-type", "").lower().partition(";")
        charset = parameters.partition("charset=")[2].strip(' "') or "utf-8"
        if kind.strip() not in ("text/xml", "application/xml") or charset not in ("utf-8", "utf8"):
            return Response("text/xml; charset=utf-8 is taken", 400, media_type="text/plain")
        length = request.headers.get("content-length", "")
        if not length.isdigit():
            return Response(status_code=411)
        if int(length) > self._settings.body_bytes:
            return Response(status_code=413)
        wait = self._addresses.wait(request.client.host if request.client else "")
        if wait:
            return Response(status_code=429, headers={"retry-after": str(int(wait) + 1)})
        return None

    async def _body(self, request: Request) -> bytes | None:
        """All of it; None if it is longer than it said it could be."""
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > self._settings.body_bytes:
                return None
        return bytes(body)

    def take(self, raw: bytes) -> None:
        """Verify a post and do what it says. Raises NotUftpError, Refused, StoreError; nothing is kept of it then."""
        now = self._clock()
        verified = verify(self._gateway, raw, now)
        if isinstance(verified.message, m.TestMessageResponse):
            return  # it names nothing, and we ask nothing
        if isinstance(verified.message, m.Response):
            self._take_response(verified, now)
            return
        arrived, answer = self._uftp.take(verified, now)
        accept_translated(self._gateway, arrived, answer, now)

    def _take_response(self, verified: Verified, now: datetime) -> None:
        """An answer to something that we never sent is logged, and taken: there is nobody to whom a refusal would help."""
        try:
            take_reply(self._gateway, self._uftp.reply(verified), now)
        except Refused as refused:
            LOG.warning("uftp answer", extra={"partner": refused.partner, "why": refused.detail})
