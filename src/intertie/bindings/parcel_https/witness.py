"""The street door's pages about journals (docs/evidence.md, "Asking a partner about journals").

For partners only: `peer_of` says who asks, or refuses. What is answered is about the asker and this gateway, never about
a third party. Each page is bounded in size, and each partner in rate.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable
from datetime import datetime

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from intertie.bindings.oauth.guard import challenge
from intertie.bindings.parcel_https import RECEIPT
from intertie.bindings.parcel_https.limits import Bucket
from intertie.bindings.parcel_https.problem import problem, refusal
from intertie.gateway.gateway import Gateway, Peer
from intertie.gateway.proving.witness import PROOFS_MAX, NoSuchHead, NoSuchReceipt, WitnessDesk
from intertie.journal.checkpoint import Head
from intertie.model.errors import Code, EvidenceError, IntertieError, Refused
from intertie.model.ids import UUID7, MessageId, ParcelId, PartyId

LOG = logging.getLogger("intertie.street")
# A signed page costs three milliseconds, 64 proofs over a journal of a million entries ten (heads in order) to a hundred
# (heads far apart): at this rate a partner takes a twentieth of a core, half of one at worst. An audit of a million heads
# asks 16,000 times: an hour, once; later audits ask for what is new.
PER_SECOND = 5.0
BURST = 50.0
# When our own journal or store cannot answer: an operator has to look.
BROKEN_SECONDS = 60.0

PeerOf = Callable[[Request], Awaitable[Peer]]
Page = Callable[[PartyId], bytes]

_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_ROOT = re.compile(r"[0-9a-f]{64}")
_UUID7 = re.compile(UUID7)


class WitnessRoutes:
    """The pages of one gateway."""

    def __init__(
        self, gateway: Gateway, clock: Callable[[], datetime], threads: CapacityLimiter, peer_of: PeerOf
    ) -> None:
        self._desk = WitnessDesk(gateway)
        self._party = gateway.party.id
        self._clock = clock
        self._threads = threads
        self._peer_of = peer_of
        self._buckets: dict[PartyId, Bucket] = {}

    def routes(self) -> list[Route]:
        """For the street door's app."""
        return [
            Route("/journal/checkpoint", self.checkpoint, methods=["GET"]),
            Route("/journal/growth", self.growth, methods=["GET"]),
            Route("/journal/witnessed", self.witnessed, methods=["GET"]),
            Route("/journal/lines", self.lines, methods=["GET"]),
            Route("/journal/receipt", self.receipt, methods=["GET"]),
        ]

    async def checkpoint(self, request: Request) -> Response:
        """GET /journal/checkpoint[?size=N]: a signed checkpoint, of the present head or of an earlier size."""

        def page(asker: PartyId) -> bytes:
            size = _size(request, "size") if "size" in request.query_params else None
            return self._desk.checkpoint(asker, size, self._clock())

        return await self._answer(request, page, RECEIPT)

    async def growth(self, request: Request) -> Response:
        """GET /journal/growth?size=N&earlier=A,B,...: consistency proofs up to N."""

        def page(_: PartyId) -> bytes:
            texts = request.query_params.get("earlier", "").split(",")
            if len(texts) > PROOFS_MAX:
                raise ValueError(f"earlier: more than {PROOFS_MAX}")
            return self._desk.growth(_size(request, "size"), [_number("earlier", text) for text in texts])

        return await self._answer(request, page, "application/json")

    async def witnessed(self, request: Request) -> Response:
        """GET /journal/witnessed[?size=N&root=R]: signed, the heads of the asker's journal that are kept here, those
        beyond this one."""

        def page(asker: PartyId) -> bytes:
            after = Head(-1, b"")
            if "size" in request.query_params:
                after = Head(_size(request, "size"), bytes.fromhex(_text(request, "root", _ROOT)))
            return self._desk.witnessed(asker, after, self._clock())

        return await self._answer(request, page, RECEIPT)

    async def lines(self, request: Request) -> Response:
        """GET /journal/lines?size=N&parcel=ID[&message=ID]: entries about the asker's own traffic, with proofs."""

        def page(asker: PartyId) -> bytes:
            parcel = ParcelId(_text(request, "parcel", _UUID7))
            named = "message" in request.query_params
            message = MessageId(_text(request, "message", _UUID7)) if named else None
            return self._desk.lines(asker, parcel, message, _size(request, "size"))

        return await self._answer(request, page, "application/json")

    async def receipt(self, request: Request) -> Response:
        """GET /journal/receipt?parcel=ID: the receipt of a parcel that the asker sent."""

        def page(asker: PartyId) -> bytes:
            return self._desk.receipt(asker, ParcelId(_text(request, "parcel", _UUID7)), self._clock())

        return await self._answer(request, page, RECEIPT)

    async def _answer(self, request: Request, page: Page, media_type: str) -> Response:
        try:
            asker = (await self._peer_of(request)).party
            wait = self._wait(asker)
            if wait:
                return refusal(Refused(Code.RATE_LIMITED, partner=asker), wait)
            body = await to_thread.run_sync(page, asker, limiter=self._threads)
        except Refused as refused:
            LOG.info("refused", extra={"partner": refused.partner, "code": refused.code.value})
            return refusal(refused, headers=challenge(refused, self._party))
        except NoSuchReceipt as error:
            return problem(404, "no_such_receipt", error.why)
        except NoSuchHead as error:
            return problem(404, "no_such_head", error.why)
        except ValueError as error:
            return problem(400, "bad_request", str(error))
        except EvidenceError as error:
            LOG.error("journal", extra={"why": error.why})
            detail = "This gateway's journal does not hold together; its operators have to look."
            return problem(503, "journal", detail, retry=True, wait=BROKEN_SECONDS)
        except IntertieError as error:
            LOG.error("store", extra={"why": error.why})
            return problem(503, "store", "The store does not answer.", retry=True, wait=BROKEN_SECONDS)
        return Response(body, media_type=media_type)

    def _wait(self, asker: PartyId) -> float:
        """Count one question of a partner; seconds to wait, and then it was not counted."""
        tick = time.monotonic()
        bucket = self._buckets.setdefault(asker, Bucket(PER_SECOND, BURST, tick))
        wait = bucket.wait(1.0, tick)
        if not wait:
            bucket.take(1.0)
        return wait


def _text(request: Request, name: str, form: re.Pattern[str]) -> str:
    """A parameter that has this form; ValueError otherwise."""
    text = request.query_params.get(name, "")
    if not form.fullmatch(text):
        raise ValueError(f"{name}: missing, or not what it must look like")
    return text


def _size(request: Request, name: str) -> int:
    return _number(name, request.query_params.get(name, ""))


def _number(name: str, text: str) -> int:
    if not _SIZE.fullmatch(text):
        raise ValueError(f"{name}: not a whole number")
    return int(text)
