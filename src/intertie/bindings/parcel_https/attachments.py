"""Files at the street door: how much of one is there (GET), and more of it (PATCH), by whoever may send the message it is for.

What arrived stays, however the request ended: the next one goes on from there. The shape is that of resumable uploads for
HTTP (draft-ietf-httpbis-resumable-upload), with the id chosen by the sender, whose signed message will name it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from intertie.bindings.oauth.guard import Guard, challenge, connection_of
from intertie.bindings.parcel_https import PIECE
from intertie.bindings.parcel_https.limits import STRANGER, Quotas
from intertie.bindings.parcel_https.problem import problem, refusal
from intertie.gateway.attaching.attachment_ports import Attachments, Coming, OffsetError
from intertie.gateway.attaching.take_attachment import begin
from intertie.gateway.attaching.upload import There
from intertie.gateway.configuration.settings import Settings
from intertie.gateway.gateway import Gateway
from intertie.model.attachment import AttachmentId
from intertie.model.errors import Code, IntertieError, Refused
from intertie.model.ids import UUID7, WORD, PartyId

LOG = logging.getLogger("intertie.street")
# Bytes of one connection in memory before they are written.
BUFFER_BYTES = 2**20
# Writing waits for the disk, two at a time; threads of their own, so that parcels do not wait for it.
THREADS = 2
BUSY_SECONDS = 2.0
_LENGTH = re.compile(r"[1-9][0-9]{0,12}")
_OFFSET = re.compile(r"0|[1-9][0-9]{0,12}")
_SCOPE = re.compile(rf"[A-Z][A-Z0-9]{{1,7}}/{WORD[1:-7]}")


class _Stop(Exception):
    """The request ends with this answer."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


class AttachmentDoor:
    """The pages under /attachments. Its quota is the one of parcels, counted apart: files do not hold up messages."""

    def __init__(
        self,
        gateway: Gateway,
        keeping: Attachments,
        settings: Settings,
        guard: Guard,
        clock: Callable[[], datetime],
    ) -> None:
        self._gateway = gateway
        self._keeping = keeping
        self._street = settings.street
        self._guard = guard
        self._clock = clock
        self._quotas = Quotas(settings.quota)
        self._threads = CapacityLimiter(THREADS)
        self._open: Counter[PartyId] = Counter()

    def routes(self) -> list[Route]:
        """Where they are."""
        return [Route("/attachments/{id}", self.page, methods=["GET", "PATCH"])]

    async def page(self, request: Request) -> Response:
        """200 {"offset", "length", "wait"}: how much of the file is there now, and when more may come; or a problem."""
        try:
            coming = await self._admit(request)
            if request.method == "PATCH":
                return await self._add(request, coming)
            there = await self._run(self._keeping.files.there, coming)
        except _Stop as stop:
            return stop.answer
        except Refused as refused:
            LOG.info("refused", extra={"partner": refused.partner, "code": refused.code.value})
            wait = BUSY_SECONDS if refused.retry else None
            headers = challenge(refused, self._gateway.party.id)
            return refusal(refused, wait, close=request.method == "PATCH", headers=headers)
        except IntertieError as error:
            LOG.error("attachments", extra={"why": error.why})
            return problem(
                503, "store", "Files cannot be kept now.", retry=True, wait=BUSY_SECONDS, close=True
            )
        return self._answer(there, coming)

    async def _admit(self, request: Request) -> Coming:
        """Quota, certificate and token, then what is asked for; nothing was read of the body."""
        party = connection_of(request).party
        known = self._gateway.partners.find(party)
        wait = self._quotas.take_parcel(party if known is not None else STRANGER, time.monotonic())
        if wait:
            raise _Stop(refusal(Refused(Code.RATE_LIMITED, partner=party), wait, close=True))
        scope, length = request.query_params.get("for", ""), request.query_params.get("length", "")
        id = request.path_params["id"]
        if not re.match(UUID7, id) or not _LENGTH.fullmatch(length) or not _SCOPE.fullmatch(scope):
            detail = "An attachment is asked for as /attachments/UUIDv7?length=SEALED-BYTES&for=INTERFACE/DOCUMENT."
            raise _Stop(problem(400, "bad_request", detail, close=True))
        await self._guard.peer_of(request, scope)
        if known is not None and known.trial is not None:
            raise Refused(Code.NOT_LIVE, partner=party)
        return Coming(party, AttachmentId(id), int(length))

    def _answer(self, there: int, coming: Coming) -> Response:
        """Before a body is sent, its sender knows whether it may be: an answer that ends a body early is easily lost."""
        wait = self._quotas.wait(coming.partner, time.monotonic())
        body = msgspec.json.encode(There(there, coming.length, round(wait, 3)))
        return Response(body, 200, {"upload-offset": str(there)}, "application/json")

    async def _add(self, request: Request, coming: Coming) -> Response:
        given = request.headers.get("upload-offset", "")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != PIECE:
            raise _Stop(problem(415, "unsupported_media_type", f"A piece comes as {PIECE}.", close=True))
        if not _OFFSET.fullmatch(given):
            raise _Stop(problem(400, "bad_request", "Upload-Offset says where the piece begins.", close=True))
        if self._open[coming.partner] >= self._keeping.limits.uploads:
            raise _Stop(refusal(Refused(Code.RATE_LIMITED, partner=coming.partner), BUSY_SECONDS, close=True))
        self._open[coming.partner] += 1
        try:
            there = await self._run(begin, self._keeping, coming, self._clock())
            if int(given) != there:
                raise OffsetError(there)
            return self._answer(await self._take(request, coming, there), coming)
        except OffsetError as error:
            detail = f"The file goes on at {error.there}."
            return problem(409, "offset", detail, retry=True, close=True)
        finally:
            self._open[coming.partner] -= 1
            if not self._open[coming.partner]:
                del self._open[coming.partner]

    async def _take(self, request: Request, coming: Coming, there: int) -> int:
        """Write as it comes; what has come is on disk before this ends, however it ends."""
        buffer = bytearray()
        begun = there
        try:
            async for chunk in self._chunks(request):
                self._quotas.take_bytes(coming.partner, len(chunk), time.monotonic())
                buffer += chunk
                if len(buffer) >= BUFFER_BYTES:
                    there, buffer = await self._write(coming, there, buffer), bytearray()
            there = await self._write(coming, there, buffer)
        except TimeoutError:
            there = await self._write(coming, there, buffer)
            detail = "The piece came too slowly; what had come is kept."
            raise _Stop(problem(408, "timeout", detail, retry=True, close=True)) from None
        except ClientDisconnect:
            there = await self._write(coming, there, buffer)
            detail = "The connection ended within the piece; what had come is kept."
            raise _Stop(problem(400, "disconnected", detail, retry=True)) from None
        finally:
            await self._run(self._keeping.files.sync, coming)
            LOG.info("file piece in", extra={"partner": coming.partner, "bytes": there - begun})
        return there

    async def _chunks(self, request: Request) -> Any:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._street.body_seconds
        stream = request.stream().__aiter__()
        while True:
            async with asyncio.timeout_at(min(end, loop.time() + self._street.idle_seconds)):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            yield chunk

    async def _write(self, coming: Coming, there: int, buffer: bytearray) -> int:
        if not buffer:
            return there
        now = self._clock()
        end: int = await self._run(self._keeping.files.append, coming, there, bytes(buffer), now)
        return end

    async def _run(self, call: Callable[..., Any], *arguments: object) -> Any:
        return await to_thread.run_sync(partial(call, *arguments), limiter=self._threads)
