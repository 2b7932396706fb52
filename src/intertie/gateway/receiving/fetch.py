"""Coming for our parcels at partners' doors, where nobody can reach ours: what comes is taken in as if it had been posted
here, and its receipt is brought back.

Nothing is kept between the two: a receipt that did not arrive is asked for by the same bytes, which get the same receipt.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Collection, Coroutine
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from intertie.exchange.outbound import backoff
from intertie.gateway.gateway import Gateway, LinkAnswer, Partner, Peer
from intertie.gateway.ports import Refusal
from intertie.gateway.receiving.receive import receive
from intertie.gateway.receiving.scopes import FETCH, granted_to
from intertie.model.errors import Code, IntertieError, PartnerError, Refused, StoreError
from intertie.model.ids import ParcelId, PartyId
from intertie.seal.transport import Transport

LOG = logging.getLogger("intertie.fetch")
# A receipt is brought so often before the parcel is asked for anew: what was in the way is mostly gone by then.
RECEIPT_TRIES = 3
# New partners, and those that are let in again, are looked for this often.
LOOK_SECONDS = 1.0
# An answer without a parcel sooner than this was no waiting: the next question waits as after a failure.
SOON_SECONDS = 0.5

Clock = Callable[[], datetime]
Random = Callable[[], float]


class Came(NamedTuple):
    """A partner's answer to our coming. `parcel` is its name there; None with `blob` None: nothing is due."""

    parcel: ParcelId | None
    blob: bytes | None  # None with `parcel`: larger than we take
    transport: Transport | None
    sequence: int  # of its descriptor, as it says
    retry_after: float | None


class FetchLink(Protocol):
    """A way to a partner's door. Each raises PartnerError when there was no answer, or none that makes sense."""

    async def next_parcel(self, partner: Partner, *, again: bool, most: int) -> Came:
        """Wait for a parcel of at most so many bytes. NotHanded if the door refuses."""

    async def bring_receipt(self, partner: Partner, parcel: ParcelId, raw: bytes) -> LinkAnswer:
        """Confirm a parcel."""

    async def bring_refusal(
        self, partner: Partner, parcel: ParcelId, refused: Refused | StoreError
    ) -> LinkAnswer:
        """Say why a parcel is not taken."""


class NotHanded(PartnerError):
    """The partner's door answers, but hands out nothing to us now."""

    def __init__(self, why: str, retry_after: float | None, *, busy: bool) -> None:
        super().__init__(why)
        self.retry_after = retry_after
        self.busy = busy  # its fault for now, as a door that does not answer


class Doors(Protocol):
    """The circuit breakers towards partners' doors, shared with what is sent there, and what is counted."""

    def may_send(self, party: PartyId) -> bool:
        """Whether to try now."""

    def answered(self, party: PartyId) -> None:
        """It did."""

    def failed(self, party: PartyId, retry_after: float | None) -> None:
        """It did not, or asked to come later."""

    def came(self, party: PartyId, size: int) -> None:
        """A parcel of so many bytes came from it."""


class Took(NamedTuple):
    """What became of one parcel that we came for. `detail` is empty if all went well."""

    parcel: ParcelId
    taken: bool  # kept here, or kept before
    confirmed: bool  # the partner knows what became of it
    detail: str
    stale: bool = False  # it is signed under a certificate that we do not know of the partner


async def take(gateway: Gateway, link: FetchLink, partner: Partner, came: Came, clock: Clock) -> Took:
    """Take in a parcel that came, and bring its receipt, or why it is refused. Raises nothing of the partner's doing."""
    assert came.parcel is not None
    answer: bytes | Refused | StoreError
    try:
        answer = await asyncio.to_thread(_accept, gateway, partner, came, clock())
    except (Refused, StoreError) as error:
        answer = error
    detail = await _bring(link, partner, came.parcel, answer)
    if isinstance(answer, bytes):
        return Took(came.parcel, True, not detail, detail)
    why = answer.code.value if isinstance(answer, Refused) else answer.why
    stale = isinstance(answer, Refused) and answer.code is Code.UNKNOWN_CERTIFICATE
    return Took(came.parcel, False, not detail, f"refused: {why}" + (f"; {detail}" if detail else ""), stale)


def _accept(gateway: Gateway, partner: Partner, came: Came, now: datetime) -> bytes:
    """The order of verification, over the connection that we made: at its other end is the partner, and what it may hand in is
    what a token of ours would let it."""
    if came.blob is None:
        detail = f"more than the {gateway.limits.parcel_bytes} bytes allowed"
        refused = Refused(Code.TOO_LARGE, detail, partner=partner.party)
        gateway.store.refuse(_too_large(refused, came, partner.party, now))
        raise refused
    scopes = granted_to(gateway, partner) - {FETCH}
    return receive(gateway, came.blob, peer=Peer(partner.party, came.transport, scopes), now=now)


def _too_large(refused: Refused, came: Came, party: PartyId, now: datetime) -> Refusal:
    """Of what was not read there is no digest: that of nothing stands for it."""
    return Refusal(
        at=now,
        partner=party,
        parcel=came.parcel,
        message=None,
        code=refused.code.value,
        step=refused.step,
        detail=refused.detail,
        digest=hashlib.sha256(b"").digest(),
    )


async def _bring(
    link: FetchLink, partner: Partner, parcel: ParcelId, answer: bytes | Refused | StoreError
) -> str:
    """What was in the way of bringing it, or ""."""
    why = ""
    for _ in range(RECEIPT_TRIES):
        try:
            if isinstance(answer, bytes):
                said = await link.bring_receipt(partner, parcel, answer)
            else:
                said = await link.bring_refusal(partner, parcel, answer)
        except PartnerError as error:
            why = error.why
            continue
        return "" if said.status < 300 else f"{partner.party} answers {said.status} to what became of it"
    return why


class Fetches:
    """One loop for each partner that has a door: wait there for a parcel, take it, confirm it. For one event loop."""

    def __init__(
        self,
        gateway: Gateway,
        link: FetchLink,
        doors: Doors,
        clock: Clock,
        random: Random,
        stale: Callable[[PartyId], None],
    ) -> None:
        """`stale` is told of a partner whose descriptor here is out of date."""
        self._gateway = gateway
        self._link = link
        self._doors = doors
        self._clock = clock
        self._random = random
        self._stale = stale
        self._stopping = asyncio.Event()
        self._tasks: dict[PartyId, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begin with partners that are new; to be called again and again."""
        for task in self._tasks.values():
            if task.done():
                task.result()  # a loop ends only by a mistake in this program: end loudly
        for partner in self._gateway.partners.all():
            if partner.party not in self._tasks:
                self._tasks[partner.party] = asyncio.create_task(self._fetch_from(partner.party))

    def end(self) -> Collection[asyncio.Task[None]]:
        """Wait for nothing more. What is returned ends once what has come is taken in and confirmed."""
        self._stopping.set()
        return self._tasks.values()

    async def aclose(self) -> None:
        """End at once. What was under way comes again."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _fetch_from(self, party: PartyId) -> None:
        again, failures = True, 0
        while not self._stopping.is_set():
            partner = self._gateway.partners.find(party)
            if partner is None or partner.suspended or not partner.has_door:
                await self._pause(LOOK_SECONDS)
                continue
            if not self._doors.may_send(party):
                await self._pause(LOOK_SECONDS)
                continue
            try:
                wait = await self._once(partner, again=again)
                again, failures = False, 0
            except IntertieError as error:
                said = error.retry_after if isinstance(error, NotHanded) else None
                if not isinstance(error, NotHanded) or error.busy:
                    self._doors.failed(party, said)
                LOG.warning("not fetched", extra={"partner": party, "why": error.why})
                wait = max(self._backoff(failures), said or 0.0)
                again, failures = True, failures + 1
            if wait:
                await self._pause(wait)

    async def _once(self, partner: Partner, *, again: bool) -> float:
        """Wait for a parcel and take it; how long to wait before the next one. Raises what was in the way."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        most = self._gateway.limits.parcel_bytes
        came = await self._unless_stopped(self._link.next_parcel(partner, again=again, most=most))
        if came is None:
            return 0.0
        self._doors.answered(partner.party)
        if came.sequence > partner.sequence:
            self._stale(partner.party)
        if came.parcel is None:
            soon = loop.time() - begun < SOON_SECONDS
            return came.retry_after or (self._backoff(0) if soon else 0.0)
        self._doors.came(partner.party, len(came.blob or b""))
        took = await take(self._gateway, self._link, partner, came, self._clock)
        if took.stale:
            self._stale(partner.party)
        note = {"partner": partner.party, "parcel": took.parcel, "bytes": len(came.blob or b"")}
        if took.taken and took.confirmed:
            LOG.info("parcel fetched", extra=note)
            return 0.0
        LOG.warning("parcel fetched", extra={**note, "why": took.detail})
        return self._backoff(0)

    async def _unless_stopped(self, asking: Coroutine[Any, Any, Came]) -> Came | None:
        """What came, or None when we end before."""
        asked, stopped = asyncio.create_task(asking), asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({asked, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return asked.result() if asked.done() else None
        finally:
            asked.cancel()
            stopped.cancel()
            await asyncio.gather(asked, stopped, return_exceptions=True)

    def _backoff(self, failures: int) -> float:
        limits = self._gateway.limits
        wait = backoff(
            failures, self._random(), first=limits.retry_first_seconds, ceiling=limits.retry_ceiling_seconds
        )
        return wait.total_seconds()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
