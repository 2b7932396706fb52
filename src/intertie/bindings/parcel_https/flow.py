"""The street door's page for stop flags (docs/operations.md, "Asking a partner to stop"), and what holds while ours is up."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

import msgspec
from anyio import CapacityLimiter, fail_after, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from intertie.bindings.oauth.guard import challenge
from intertie.bindings.parcel_https import FLOW
from intertie.bindings.parcel_https.limits import Quotas
from intertie.bindings.parcel_https.problem import problem, refusal
from intertie.exchange.shedding import is_urgent
from intertie.gateway.gateway import Gateway, Peer
from intertie.gateway.operating.operations_ports import Stop
from intertie.gateway.sending.flow_control import stop_up, take_notice
from intertie.model.errors import Code, IntertieError, Refused
from intertie.model.ids import PartyId

LOG = logging.getLogger("intertie.flow")
# {"stop":true,"until":"..."} has 50.
NOTICE_BYTES_MAX = 1024
BODY_SECONDS = 10.0
BUSY_SECONDS = 2.0
# How soon a flag of ours, raised by another process, is in force at this door.
LOOK_SECONDS = 1.0
# A partner that sends on is asked to come again after this at most: the flag may be lowered before its end.
WAIT_MAX = 60.0


class State(msgspec.Struct, frozen=True):
    """The answer: whether the flag is up now, and until when."""

    stop: bool
    until: datetime | None = None


class FlowDoor:
    """The page, and our own flags as the door sees them."""

    def __init__(
        self,
        gateway: Gateway,
        clock: Callable[[], datetime],
        quotas: Quotas,
        threads: CapacityLimiter,
        peer_of: Callable[[Request], Awaitable[Peer]],
    ) -> None:
        self._gateway = gateway
        self._clock = clock
        self._quotas = quotas
        self._threads = threads
        self._peer_of = peer_of
        self._ours: dict[PartyId, tuple[float, Stop | None]] = {}

    async def post(self, request: Request) -> Response:
        """POST /flow: a partner asks us to stop sending, or to go on."""
        try:
            party = (await self._peer_of(request)).party
            wait = self._quotas.take_parcel(party, time.monotonic())
            if wait:
                return refusal(Refused(Code.RATE_LIMITED, partner=party), wait)
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FLOW:
                return problem(415, "unsupported_media_type", f"A notice comes as {FLOW}.")
            with fail_after(BODY_SECONDS):
                raw = await _read(request)
            take = partial(take_notice, self._gateway, party, raw, self._clock())
            stop = await to_thread.run_sync(take, limiter=self._threads)
        except Refused as refused:
            LOG.info("refused", extra={"partner": refused.partner, "code": refused.code.value})
            return refusal(refused, headers=challenge(refused, self._gateway.party.id), close=True)
        except TimeoutError:
            return problem(408, "timeout", "The notice came too slowly.", retry=True, close=True)
        except ClientDisconnect:
            return problem(400, "disconnected", "The connection ended within the notice.", retry=True)
        except IntertieError as error:
            LOG.error("store", extra={"why": error.why})
            return problem(503, "store", "Nothing of it was kept.", retry=True, wait=BUSY_SECONDS)
        note = {"partner": party, "state": "stop" if stop else "go", "until": stop and stop.until}
        LOG.warning("flow", extra=note)
        return Response(
            msgspec.json.encode(State(stop is not None, stop and stop.until)), media_type="application/json"
        )

    async def wait_of(self, party: PartyId, priority: int) -> float:
        """Seconds for which this partner was asked to send nothing of this priority; 0.0 if it was not."""
        if is_urgent(priority):
            return 0.0
        tick = time.monotonic()
        looked, stop = self._ours.get(party, (float("-inf"), None))
        if tick - looked >= LOOK_SECONDS:
            look = partial(stop_up, self._gateway, party, ours=True, now=self._clock())
            stop = await to_thread.run_sync(look, limiter=self._threads)
            self._ours[party] = (tick, stop)
        left = (stop.until - self._clock()).total_seconds() if stop is not None else 0.0
        return min(max(left, 0.0), WAIT_MAX)


async def _read(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > NOTICE_BYTES_MAX:
            raise Refused(Code.TOO_LARGE, f"more than the {NOTICE_BYTES_MAX} bytes of a notice")
    return body
