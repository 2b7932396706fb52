"""POST /descriptors: a partner tells us its newer descriptor, and hears which one we know."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

import msgspec
from anyio import CapacityLimiter, fail_after, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from intertie.bindings.parcel_https import DESCRIPTOR
from intertie.bindings.parcel_https.limits import STRANGER, Quotas
from intertie.bindings.parcel_https.problem import problem, refusal
from intertie.bindings.parcel_https.protocol import PEER
from intertie.gateway.gateway import Gateway
from intertie.gateway.partners.descriptors import Acknowledged, take_descriptor
from intertie.model.errors import Code, IntertieError, Refused
from intertie.model.ids import PartyId
from intertie.seal.descriptor import DESCRIPTOR_BYTES_MAX, peek_sequence

LOG = logging.getLogger("intertie.street")
# Half a megabyte takes four seconds over 1 Mbit/s.
BODY_SECONDS = 15.0
# When this gateway cannot keep anything.
BUSY_SECONDS = 2.0


class DescriptorDoor:
    """The page. It counts against the partner's quota of parcels."""

    def __init__(
        self, gateway: Gateway, clock: Callable[[], datetime], quotas: Quotas, threads: CapacityLimiter
    ) -> None:
        self._gateway = gateway
        self._clock = clock
        self._quotas = quotas
        self._threads = threads

    async def post(self, request: Request) -> Response:
        """200 with the sequence that is known now, whether it was news or not; or a problem, and nothing was kept."""
        party: PartyId = request.scope["extensions"][PEER]["party"]
        bucket = party if self._gateway.partners.find(party) is not None else STRANGER
        wait = self._quotas.take_parcel(bucket, time.monotonic())
        if wait:
            return refusal(Refused(Code.RATE_LIMITED, partner=party), wait)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != DESCRIPTOR:
            return problem(415, "unsupported_media_type", f"A descriptor comes as {DESCRIPTOR}.")
        try:
            with fail_after(BODY_SECONDS):
                raw = await _read(request)
        except TimeoutError:
            return problem(408, "timeout", "The descriptor came too slowly.", retry=True, close=True)
        except ClientDisconnect:
            return problem(400, "disconnected", "The connection ended within the descriptor.", retry=True)
        if raw is None:
            detail = f"more than the {DESCRIPTOR_BYTES_MAX} bytes of the largest descriptor"
            return refusal(Refused(Code.TOO_LARGE, detail, partner=party), close=True)
        return await to_thread.run_sync(partial(self._take, raw, party), limiter=self._threads)

    def _take(self, raw: bytes, party: PartyId) -> Response:
        try:
            news = take_descriptor(self._gateway, raw, party, self._clock())
        except Refused as refused:
            LOG.warning(
                "descriptor refused",
                extra={"partner": party, "code": refused.code.value, "why": refused.detail},
            )
            return refusal(refused)
        except IntertieError as error:
            LOG.error("descriptor", extra={"partner": party, "why": error.why})
            return problem(503, "store", "Nothing of it was kept.", retry=True, wait=BUSY_SECONDS)
        if news:
            LOG.info("descriptor taken", extra={"partner": party})
        return Response(msgspec.json.encode(Acknowledged(peek_sequence(raw))), media_type="application/json")


async def _read(request: Request) -> bytes | None:
    """The whole body; None if it is larger than a descriptor can be."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > DESCRIPTOR_BYTES_MAX:
            return None
        chunks.append(chunk)
    return b"".join(chunks)
