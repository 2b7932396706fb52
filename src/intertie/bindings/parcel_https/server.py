"""The street door: a parcel comes in by POST, `accept` checks and keeps it, and only then the receipt goes out.

Step 1 of the order of verification is here: quota, size and memory, before a byte is parsed. Steps 2 to 10 are
`gateway.receiving.accept_parcel`; step 11, answering, is here again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

import msgspec
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

import intertie
from intertie.bindings.oauth.guard import Guard, challenge, connection_of
from intertie.bindings.oauth.server import OauthRoutes
from intertie.bindings.operations.metrics import IN, Meter
from intertie.bindings.operations.telemetry import Tracer
from intertie.bindings.parcel_https import DESCRIPTOR, PARCEL, PRIORITY, RECEIPT
from intertie.bindings.parcel_https.attachments import AttachmentDoor
from intertie.bindings.parcel_https.descriptors import DescriptorDoor
from intertie.bindings.parcel_https.flow import FlowDoor
from intertie.bindings.parcel_https.gate import PeerGate
from intertie.bindings.parcel_https.limits import STRANGER, Held, Quotas, count_outcomes
from intertie.bindings.parcel_https.problem import problem, refusal
from intertie.bindings.parcel_https.pull import PullDoor
from intertie.bindings.parcel_https.turns import Turns
from intertie.bindings.parcel_https.witness import WitnessRoutes
from intertie.exchange.shedding import UNSAID, is_urgent, read_priority, takes
from intertie.gateway.configuration.quota import OwnQuota
from intertie.gateway.configuration.settings import Settings
from intertie.gateway.gateway import Peer
from intertie.gateway.ports import Refusal
from intertie.gateway.receiving.authorize import Authority
from intertie.gateway.receiving.receive import AROUND_BYTES_MAX, receive
from intertie.gateway.receiving.scopes import ScopeRefused
from intertie.model.errors import Code, IntertieError, Refused, StoreError
from intertie.model.ids import PartyId

LOG = logging.getLogger("intertie.street")
# When this gateway cannot keep anything, or holds too much already: long enough to recover, short for dispatch.
BUSY_SECONDS = 2.0


# What can wait comes again after this; by then the load is another one.
SHED_SECONDS = 5.0
# Its other parcels are answered in a fraction of this.
IN_FLIGHT_SECONDS = 1.0
# Over its quota a partner waits for its turn, or for its refusal, up to so long: less than the second that the refusal would
# ask for. So many of one partner wait at once: more connections than that nobody needs, and each costs memory.
SLOWED_SECONDS = 0.5
SLOWED_MAX = 32
# A body up to this is read and thrown away after an early answer: that costs less than a new handshake.
DRAIN_BYTES_MAX = 1024 * 1024


class _Cut(Exception):
    """The body will not be read to its end."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


class StreetDoor:
    """The app behind the street door of one gateway."""

    def __init__(
        self,
        authority: Authority,
        settings: Settings,
        descriptor: Callable[[], bytes],
        clock: Callable[[], datetime],
        *,
        stale: Callable[[PartyId], None] = lambda party: None,
        meter: Meter | None = None,
    ) -> None:
        """`descriptor` gives our own as it is now; `stale` is told of a partner that signs under a certificate that its
        descriptor, as we know it, does not have."""
        self._gateway = authority.gateway
        self.guard = Guard(authority, clock)
        self._oauth = OauthRoutes(authority, settings, clock)
        self._street = settings.street
        self._descriptor = descriptor
        self._clock = clock
        self._stale = stale
        self._meter = meter or Meter(authority.gateway.catalogue, Tracer())
        self._quotas = Quotas(settings.quota, self._own_quota)
        self._held = Held(settings.street.held_bytes)
        self._threads = CapacityLimiter(settings.street.workers)
        self._turns = Turns(settings.street.workers)
        self._slow: Counter[PartyId] = Counter()
        keeping = authority.gateway.attachments
        self._attachments = (
            AttachmentDoor(authority.gateway, keeping, settings, self.guard, clock).routes()
            if keeping
            else []
        )
        self._pull = PullDoor(
            authority.gateway, settings, self.guard, clock, self._held, self._meter, descriptor
        )
        self._witness = WitnessRoutes(authority.gateway, clock, self._threads, self.guard.peer_of)
        self._flow = FlowDoor(authority.gateway, clock, self._quotas, self._threads, self.guard.peer_of)

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/parcels", self.parcels, methods=["POST"]),
            Route("/.well-known/intertie", self.descriptor, methods=["GET"]),
            Route("/healthz", self.health, methods=["GET"]),
            Route("/flow", self._flow.post, methods=["POST"]),
            *self._pull.routes(),
            *self._witness.routes(),
            *self._oauth.routes(),
            Route(
                "/descriptors",
                DescriptorDoor(self._gateway, self._clock, self._quotas, self._threads).post,
                methods=["POST"],
            ),
            *self._attachments,
        ]
        handlers = {404: _no_such_page, 405: _no_such_method, Exception: _our_fault}
        gate = Middleware(PeerGate, trust=self._gateway.trust_book, clock=self._clock)
        return Starlette(routes=routes, exception_handlers=handlers, middleware=[gate])

    def drain(self) -> None:
        """The door is about to close: whoever waits for a parcel is answered."""
        self._pull.stop()

    async def parcels(self, request: Request) -> Response:
        """POST /parcels: the signed receipt, or a problem that says whether to try again."""
        connection = connection_of(request)
        party = connection.party if self._gateway.partners.find(connection.party) is not None else STRANGER
        with self._meter.tracer.entering("accept", request.headers, partner=party or None):
            refused = await self._too_much(request, party)
            if refused is not None:
                return refused
            try:
                return await self._receive(request, party)
            finally:
                self._quotas.end(party)
                self._tell()

    async def _too_much(self, request: Request, party: PartyId) -> Response | None:
        """Step 1 as far as headers go: quotas, our stop flag, the load of this door. None if the parcel may come; it is
        counted as under way then."""
        tick = time.monotonic()
        if not await self._quota(party, tick):
            return self._wait(request, Code.RATE_LIMITED.value, party, self._quotas.wait(party, tick) or 1.0)
        priority = read_priority(request.headers.get(PRIORITY))
        if is_urgent(priority) and not self._quotas.believes(party, tick):
            priority = UNSAID
        try:
            stopped = await self._flow.wait_of(party, priority) if party else 0.0
        except IntertieError as error:
            LOG.error("store", extra={"partner": party, "why": error.why})
            stopped = 0.0
        if stopped:
            return self._wait(request, Code.RATE_LIMITED.value, party, stopped)
        load = max(self._held.load, self._quotas.under_way / self._street.parcels_at_once)
        if not takes(load, priority):
            return self._wait(request, "shed", party, SHED_SECONDS)
        if not self._quotas.begin(party, tick):
            return self._wait(request, Code.RATE_LIMITED.value, party, IN_FLIGHT_SECONDS)
        self._tell()
        return None

    async def _receive(self, request: Request, party: PartyId) -> Response:
        try:
            # Steps 3 and 4 as far as headers go, before a byte of the body is read.
            peer = await self.guard.peer_of(request)
        except Refused as refused:
            return self._refuse(refused, close=True)
        except IntertieError as error:
            LOG.error("guard", extra={"partner": party, "why": error.why})
            return problem(503, "store", "Tokens cannot be judged now.", retry=True, wait=BUSY_SECONDS)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != PARCEL:
            return problem(415, "unsupported_media_type", f"A parcel comes as {PARCEL}.")
        held = _Body(self._held)
        try:
            blob = await self._read(request, party, held)
            return await self._accept(blob, peer)
        except _Cut as cut:
            return cut.answer
        except ClientDisconnect:
            self._meter.refused("disconnected", IN)
            return problem(400, "disconnected", "The connection ended within the parcel.", retry=True)
        finally:
            held.release()

    async def descriptor(self, request: Request) -> Response:
        """GET /.well-known/intertie: who this gateway is, signed."""
        return Response(self._descriptor(), media_type=DESCRIPTOR)

    async def health(self, request: Request) -> Response:
        """GET /healthz: whether this gateway can keep what it is sent."""
        try:
            head = await to_thread.run_sync(self._gateway.store.head, limiter=self._threads)
        except StoreError:
            return problem(503, "store", "The store does not answer.", retry=True, wait=BUSY_SECONDS)
        state = {
            "status": "ok",
            "party": self._gateway.party.id,
            "version": intertie.__version__,
            "journal": head.size,
        }
        return Response(msgspec.json.encode(state), media_type="application/json")

    async def _read(self, request: Request, party: PartyId, held: _Body) -> bytes:
        """The whole body, never more of it in memory than the limit; _Cut with the answer otherwise."""
        limit = self._gateway.limits.parcel_bytes + AROUND_BYTES_MAX
        declared = request.headers.get("content-length")
        if declared is not None and (not declared.isdecimal() or int(declared) > limit):
            raise _Cut(await self._too_large(party, held, f"{declared[:20]} bytes declared, {limit} allowed"))
        street = self._street
        loop = asyncio.get_running_loop()
        begun = loop.time()
        end = begun + street.body_seconds
        stream = request.stream().__aiter__()
        try:
            while True:
                async with asyncio.timeout_at(min(end, loop.time() + street.idle_seconds)):
                    chunk = await anext(stream, None)
                if chunk is None:
                    return held.all()
                self._quotas.take_bytes(party, len(chunk), time.monotonic())
                if held.size + len(chunk) > limit:
                    raise _Cut(await self._too_large(party, held, f"more than the {limit} bytes allowed"))
                if not held.add(chunk):
                    self._meter.refused("busy", IN)
                    detail = "Too many parcels at once; this one was not looked at."
                    raise _Cut(problem(503, "busy", detail, retry=True, wait=BUSY_SECONDS, close=True))
                took = loop.time() - begun - street.idle_seconds
                if took > 0 and held.size < took * street.bytes_per_second_least:
                    raise TimeoutError
        except TimeoutError:
            self._meter.refused("timeout", IN)
            LOG.info("slow body", extra={"partner": party, "bytes": held.size})
            raise _Cut(
                problem(408, "timeout", "The parcel came too slowly.", retry=True, close=True)
            ) from None

    async def _accept(self, blob: bytes, peer: Peer) -> Response:
        call = partial(receive, self._gateway, blob, peer=peer, now=self._clock())
        self._meter.parcel(peer.party, len(blob), IN)
        try:
            async with self._turns.turn(peer.party):
                receipt = await to_thread.run_sync(call, limiter=self._threads)
        except Refused as refused:
            if isinstance(refused, ScopeRefused):
                self.guard.count(refused, peer.party)
            if refused.code is Code.UNKNOWN_CERTIFICATE:
                self._stale(peer.party)
            return self._refuse(refused)
        except StoreError as error:
            self._meter.refused("store", IN)
            LOG.error("store", extra={"partner": peer.party, "why": error.why})
            return problem(503, "store", "Nothing of it was kept.", retry=True, wait=BUSY_SECONDS)
        self._quotas.take_messages(peer.party, count_outcomes(receipt), time.monotonic())
        group = peer.transport.group if peer.transport is not None else None
        LOG.info("parcel in", extra={"partner": peer.party, "bytes": len(blob), "group": group})
        return Response(receipt, media_type=RECEIPT)

    async def _too_large(self, party: PartyId, held: _Body, detail: str) -> Response:
        """Refuse for size; for a partner, keep and journal the refusal with the digest of what had come."""
        refused = Refused(Code.TOO_LARGE, detail, partner=party or None)
        if party:
            refusal = Refusal(
                at=self._clock(),
                partner=party,
                parcel=None,
                message=None,
                code=refused.code.value,
                step=refused.step,
                detail=refused.detail,
                digest=hashlib.sha256(held.all()).digest(),
            )
            try:
                await to_thread.run_sync(self._gateway.store.refuse, refusal, limiter=self._threads)
            except StoreError as error:
                LOG.error("store", extra={"partner": party, "why": error.why})
        return self._refuse(refused, close=True)

    def _own_quota(self, party: PartyId) -> OwnQuota:
        partner = self._gateway.partners.find(party)
        return partner.quota if partner is not None else OwnQuota()

    def _tell(self) -> None:
        """The figures of this door, as they are now."""
        self._meter.door(self._held.count, self._quotas.under_way)

    async def _quota(self, party: PartyId, tick: float) -> bool:
        """Whether the quota lets a parcel in. Who is a little too fast is slowed to its quota; who is much too fast gets its
        refusal late. So a partner that obeys nothing is as slow as one that does, and costs no more."""
        patience = SLOWED_SECONDS if self._slow[party] < SLOWED_MAX else 0.0
        taken, wait = self._quotas.reserve(party, tick, patience)
        if wait and patience:
            self._slow[party] += 1
            try:
                await asyncio.sleep(min(wait, patience))
            finally:
                self._slow[party] -= 1
        return taken

    def _wait(self, request: Request, code: str, party: PartyId, wait: float) -> Response:
        """Ask to come again. A large body that is on its way is not worth reading: the connection is closed."""
        declared = request.headers.get("content-length", "")
        close = not declared.isdecimal() or int(declared) > DRAIN_BYTES_MAX
        if code == Code.RATE_LIMITED:
            return self._refuse(Refused(Code.RATE_LIMITED, partner=party or None), wait, close=close)
        self._meter.refused(code, IN)
        LOG.info("refused", extra={"partner": party, "code": code})
        detail = "This gateway is busy, and what is more urgent goes first."
        return problem(503, code, detail, retry=True, wait=wait, close=close)

    def _refuse(self, refused: Refused, wait: float | None = None, *, close: bool = False) -> Response:
        self._meter.refused(refused.code.value, IN)
        LOG.info(
            "refused", extra={"partner": refused.partner, "code": refused.code.value, "step": refused.step}
        )
        return refusal(refused, wait, close=close, headers=challenge(refused, self._gateway.party.id))


class _Body:
    """The chunks of one body, counted into what all bodies hold."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._chunks: list[bytes] = []
        self.size = 0

    def add(self, chunk: bytes) -> bool:
        """Keep a chunk; False if there is no room over all connections."""
        if not self._held.add(len(chunk)):
            return False
        self._chunks.append(chunk)
        self.size += len(chunk)
        return True

    def all(self) -> bytes:
        """What has come, in one piece."""
        self._chunks = [b"".join(self._chunks)]
        return self._chunks[0]

    def release(self) -> None:
        """Done with it."""
        self._chunks = []
        self._held.release(self.size)
        self.size = 0


async def _no_such_page(request: Request, error: Exception) -> Response:
    return problem(404, "not_found", "Parcels go to /parcels, the descriptor is at /.well-known/intertie.")


async def _no_such_method(request: Request, error: Exception) -> Response:
    return problem(405, "method_not_allowed", "Parcels are posted; the other pages are read.")


async def _our_fault(request: Request, error: Exception) -> Response:
    LOG.error("unexpected error", extra={"error": type(error).__name__})
    return problem(500, "internal", "This gateway failed; what it had acknowledged is kept.", retry=True)


Handler = Callable[[Request, Exception], Awaitable[Response]]
