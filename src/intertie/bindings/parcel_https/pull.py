"""Parcels that partners without a door come for: GET /parcels/next waits for one, POST /parcels/{id}/receipt confirms it.

Certificate, token, quota and limits are those of every page here; what is handed out, and what closes a parcel, is decided
in `gateway.receiving.pull`. docs/parcel.md, "Fetching", says what goes over the wire.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

import msgspec
from anyio import CapacityLimiter, fail_after, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Send
from starlette.types import Scope as Place

from intertie.bindings.oauth.guard import Guard, challenge, connection_of
from intertie.bindings.operations.metrics import OUT, Meter
from intertie.bindings.parcel_https import KNOWN_DESCRIPTOR, PARCEL, PROBLEM, RECEIPT, SCOPES
from intertie.bindings.parcel_https.limits import STRANGER, Held, Quotas
from intertie.bindings.parcel_https.problem import problem, refusal
from intertie.bindings.parcel_https.protocol import CONNECTION
from intertie.bindings.parcel_https.pull_waiting import Waiting
from intertie.gateway.configuration.settings import Settings
from intertie.gateway.gateway import Gateway, LinkAnswer, Peer
from intertie.gateway.receiving.pull import Asked, Handed, confirm, hand_out
from intertie.gateway.receiving.scopes import FETCH, Scope
from intertie.model.errors import Code, IntertieError, Refused
from intertie.model.ids import UUID7, ParcelId, PartyId
from intertie.seal.descriptor import peek_sequence
from intertie.seal.receipt import RECEIPT_BYTES_MAX

LOG = logging.getLogger("intertie.pull")
# Sealing a parcel and judging a receipt are milliseconds of mathematics; the other threads stay with what comes in.
THREADS = 2
# Waiting ends at a random moment in its last fifth: thousands that began at once do not come again at once.
JITTER = 0.2
# Of the connections that the door has, those that may wait for a parcel: others bring some meanwhile.
SHARE = 0.5
# When too many wait, a partner that finds nothing comes again after this, and as long again by chance.
COME_AGAIN_SECONDS = 5.0
BUSY_SECONDS = 2.0
# A receipt of 4,096 messages takes a few seconds over a slow line.
BODY_SECONDS = 30.0
# All documents of all interfaces, by name, are half of it.
SCOPES_MAX = 8192
# Of a parcel in the connection's hands at once.
SLICE_BYTES = 256 * 1024
_SECONDS = re.compile(r"[0-9]{1,5}(\.[0-9]{1,3})?")
_NUMBER = re.compile(r"[0-9]{1,16}")


class _Reported(msgspec.Struct, frozen=True):
    """The part of a problem (RFC 9457) that says which answer it would have been to a post."""

    status: int


class PullDoor:
    """The two pages. Their quota is the one of parcels, counted apart: what a partner takes does not hold up what it brings."""

    def __init__(
        self,
        gateway: Gateway,
        settings: Settings,
        guard: Guard,
        clock: Callable[[], datetime],
        held: Held,
        meter: Meter,
        descriptor: Callable[[], bytes],
    ) -> None:
        self._gateway = gateway
        self._pull = settings.pull
        self._at_once = max(int(settings.street.connections * SHARE), 1)
        self._guard = guard
        self._clock = clock
        self._held = held
        self._meter = meter
        self._descriptor = descriptor
        self._quotas = Quotas(settings.quota)
        self._threads = CapacityLimiter(THREADS)
        self._turns: dict[PartyId, asyncio.Lock] = {}
        self._announced: dict[PartyId, int] = {}
        self._own: tuple[bytes, int] = (b"", 0)
        self._body_seconds = settings.street.body_seconds
        self._sending: Counter[PartyId] = Counter()  # parcels on their way: open requests, too
        self.waiting = Waiting(gateway.store, clock)

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/parcels/next", self.next, methods=["GET"]),
            Route("/parcels/{id}/receipt", self.receipt, methods=["POST"]),
        ]

    def stop(self) -> None:
        """The door closes: whoever waits is answered now."""
        self.waiting.stop()

    async def next(self, request: Request) -> Response:
        """200 with a sealed parcel, 204 if none was due within the wait, or a problem."""
        try:
            peer = await self._admit(request)
            asked, seconds = _asked(request, self._pull.wait_seconds)
            if self.waiting.open[peer.party] + self._sending[peer.party] >= self._pull.polls_per_partner:
                return refusal(Refused(Code.RATE_LIMITED, partner=peer.party), BUSY_SECONDS)
            await self._hear(request, peer.party)
            if self.waiting.open.total() >= self._at_once or self.waiting.stopping:
                handed = await self._look(peer, asked)
                wait = COME_AGAIN_SECONDS * (1.0 + random.random())  # noqa: S311
                return self._answer(peer, handed, wait)
            return await self._wait(request, peer, asked, seconds)
        except ValueError as error:
            return problem(400, "bad_request", str(error))
        except IntertieError as error:
            return self._refuse(error)

    async def receipt(self, request: Request) -> Response:
        """204 once the receipt, or the refusal, has closed the parcel or is kept; or a problem."""
        try:
            peer = await self._admit(request)
            if not re.match(UUID7, request.path_params["id"]):
                return _no_parcel()
            answer = await self._read(request, peer)
            if isinstance(answer, Response):
                return answer
            id = ParcelId(request.path_params["id"])
            call = partial(confirm, self._gateway, peer, id, answer, self._clock(), random.random)
            delivery = await to_thread.run_sync(call, limiter=self._threads)
        except IntertieError as error:
            return self._refuse(error)
        if delivery is None:
            return _no_parcel()
        self._meter.tried(peer.party, "answered" if delivery.receipted else "refused")
        note = {"partner": peer.party, "parcel": id, "count": delivery.messages}
        if delivery.receipted:
            LOG.info("receipted", extra=note)
            return Response(status_code=204)
        LOG.warning("not receipted", extra={**note, "why": delivery.detail})
        if answer.status != 200:
            return Response(status_code=204)
        return problem(422, "not_receipted", delivery.detail, retry=True)

    async def _admit(self, request: Request) -> Peer:
        """Quota, certificate, and a token that lets fetch; raises as `Guard.peer_of`."""
        party = connection_of(request).party
        known = self._gateway.partners.find(party)
        wait = self._quotas.take_parcel(party if known is not None else STRANGER, time.monotonic())
        if wait:
            raise _Later(party, wait)
        if known is not None and not known.suspended and not known.fetches:
            detail = "your descriptor names a door: parcels are pushed there, and none is handed out here"
            raise Refused(Code.INSUFFICIENT_SCOPE, detail, partner=party)
        return await self._guard.peer_of(request, FETCH)

    async def _wait(self, request: Request, peer: Peer, asked: Asked, seconds: float) -> Response:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds * (1.0 - JITTER * random.random())  # noqa: S311
        gone = asyncio.create_task(_gone(request))
        try:
            with self.waiting.wake(peer.party) as wake:
                while True:
                    wake.clear()
                    handed = await self._look(peer, asked)
                    if handed is not None or self.waiting.stopping or not await _until(wake, gone, end):
                        return self._answer(peer, handed, None)
                    # Time has gone by: who it is, and what it may, is asked anew before a byte leaves.
                    connection = request.scope["extensions"][CONNECTION]
                    connection.party(self._gateway.trust, self._clock())
                    peer = await self._guard.peer_of(request, FETCH)
        finally:
            gone.cancel()

    async def _look(self, peer: Peer, asked: Asked) -> Handed | None:
        """One look at a time for each partner: two requests of it never get the same parcel. None when the door closes: the
        receipt would find nobody."""
        if self.waiting.stopping:
            return None
        async with self._turns.setdefault(peer.party, asyncio.Lock()):
            again = self._pull.again
            call = partial(
                hand_out, self._gateway, peer, asked, self._clock(), random.random, again_after=again
            )
            return await to_thread.run_sync(call, limiter=self._threads)

    def _answer(self, peer: Peer, handed: Handed | None, wait: float | None) -> Response:
        headers = {KNOWN_DESCRIPTOR: str(self._sequence()), "cache-control": "no-store"}
        if handed is None:
            if self.waiting.stopping:
                headers["connection"] = "close"
            if wait is not None:
                headers["retry-after"] = str(int(wait))
            return Response(status_code=204, headers=headers)
        self._meter.parcel(peer.party, len(handed.blob), OUT)
        note = {"parcel": handed.parcel, "count": handed.messages, "bytes": len(handed.blob)}
        LOG.info("parcel handed out", extra={"partner": peer.party, **note})
        headers["content-location"] = f"/parcels/{handed.parcel}"
        self._quotas.take_bytes(peer.party, len(handed.blob), time.monotonic())
        self._sending[peer.party] += 1
        return _Sent(handed.blob, headers, self._body_seconds, partial(self._sent, peer.party))

    def _sent(self, party: PartyId) -> None:
        self._sending[party] -= 1
        if not self._sending[party]:
            del self._sending[party]

    async def _hear(self, request: Request, party: PartyId) -> None:
        """Which descriptor of ours the partner knows: what it never could acknowledge at a door of its own."""
        said = request.headers.get(KNOWN_DESCRIPTOR, "0")
        known = min(int(said) if _NUMBER.fullmatch(said) else 0, self._sequence())
        if known > self._announced.get(party, 0):
            call = partial(self._gateway.store.set_announced, party, known)
            await to_thread.run_sync(call, limiter=self._threads)
            self._announced[party] = known

    def _sequence(self) -> int:
        raw = self._descriptor()
        if raw is not self._own[0]:
            try:
                self._own = raw, peek_sequence(raw)
            except ValueError:
                self._own = raw, 0
        return self._own[1]

    async def _read(self, request: Request, peer: Peer) -> LinkAnswer | Response:
        """What the partner would have answered to a post, or what is wrong with the request."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in (RECEIPT, PROBLEM):
            return problem(
                415, "unsupported_media_type", f"A receipt comes as {RECEIPT}, a refusal as {PROBLEM}."
            )
        raw = bytearray()
        try:
            with fail_after(BODY_SECONDS):
                async for chunk in request.stream():
                    if not self._held.add(len(chunk)):
                        return problem(
                            503, "busy", "Too much at once.", retry=True, wait=BUSY_SECONDS, close=True
                        )
                    raw += chunk
                    if len(raw) > RECEIPT_BYTES_MAX:
                        detail = f"more than the {RECEIPT_BYTES_MAX} bytes of the largest receipt"
                        return refusal(Refused(Code.TOO_LARGE, detail, partner=peer.party), close=True)
        except TimeoutError:
            return problem(408, "timeout", "The receipt came too slowly.", retry=True, close=True)
        except ClientDisconnect:
            return problem(400, "disconnected", "The connection ended within the receipt.", retry=True)
        finally:
            self._held.release(len(raw))
        if kind == RECEIPT:
            return LinkAnswer(200, bytes(raw), None, peer.transport)
        try:
            status = msgspec.json.decode(raw, type=_Reported).status
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            status = 0
        if not 400 <= status <= 599:
            return problem(
                400, "bad_request", "A refusal is a problem (RFC 9457) with a status of 400 to 599."
            )
        return LinkAnswer(status, bytes(raw), None, peer.transport)

    def _refuse(self, error: IntertieError) -> Response:
        if isinstance(error, _Later):
            return refusal(error, error.wait)
        if isinstance(error, Refused):
            LOG.info("refused", extra={"partner": error.partner, "code": error.code.value})
            return refusal(error, headers=challenge(error, self._gateway.party.id))
        LOG.error("store", extra={"why": error.why})
        return problem(503, "store", "The store does not answer.", retry=True, wait=BUSY_SECONDS)


class _Sent(Response):
    """A parcel, slice by slice, so that a slow reader costs no more memory than one; cut off when it is too slow."""

    def __init__(
        self, blob: bytes, headers: Mapping[str, str], seconds: float, done: Callable[[], None]
    ) -> None:
        super().__init__(headers={**headers, "content-length": str(len(blob))}, media_type=PARCEL)
        self._blob = blob
        self._seconds = seconds
        self._done = done

    async def __call__(self, scope: Place, receive: Receive, send: Send) -> None:
        """Send it. What is cut off is handed out again."""
        try:
            async with asyncio.timeout(self._seconds):
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                for begin in range(0, len(self._blob), SLICE_BYTES):
                    part = self._blob[begin : begin + SLICE_BYTES]
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            LOG.info("slow reader", extra={"bytes": len(self._blob)})
        finally:
            self._done()


class _Later(Refused):
    """Over the quota; to come again after `wait` seconds."""

    def __init__(self, party: PartyId, wait: float) -> None:
        super().__init__(Code.RATE_LIMITED, partner=party)
        self.wait = wait


def _asked(request: Request, most: float) -> tuple[Asked, float]:
    """What the request asks for, and for how long it may wait; ValueError if that cannot be read."""
    wait = request.query_params.get("wait", "0")
    if not _SECONDS.fullmatch(wait) or request.query_params.get("again", "0") not in ("0", "1"):
        raise ValueError("a parcel is asked for as /parcels/next?wait=SECONDS[&again=1]")
    granted = None
    if SCOPES in request.headers:
        try:
            texts = request.headers[SCOPES][:SCOPES_MAX].split()
            granted = frozenset(msgspec.convert(texts, list[Scope]))
        except msgspec.ValidationError as error:
            raise ValueError(f"{SCOPES}: a scope is INTERFACE/document or INTERFACE/*") from error
    return Asked(granted=granted, again=request.query_params.get("again") == "1"), min(float(wait), most)


async def _gone(request: Request) -> None:
    """Ends when the other side has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _until(wake: asyncio.Event, gone: asyncio.Task[None], end: float) -> bool:
    """Whether to look again: woken, while the other side is there, before the end."""
    woken = asyncio.create_task(wake.wait())
    left = end - asyncio.get_running_loop().time()
    try:
        if left > 0:
            await asyncio.wait({woken, gone}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
    finally:
        woken.cancel()
    return wake.is_set() and not gone.done()


def _no_parcel() -> Response:
    return problem(404, "not_found", "No parcel of this id was sealed for you here.")
