"""The way to partners' doors, counted, and with a circuit breaker towards each partner."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from intertie.bindings.operations.metrics import IN, OUT, Meter
from intertie.exchange.circuit import Breaker, Circuit, failure, look, may_send, success
from intertie.gateway.gateway import Link, LinkAnswer, Partner
from intertie.model.errors import PartnerError
from intertie.model.ids import PartyId

LOG = logging.getLogger("intertie.circuit")


class MeteredLink:
    """gateway.gateway.Link over another one. For one event loop."""

    def __init__(
        self, link: Link, meter: Meter, clock: Callable[[], datetime], random: Callable[[], float]
    ) -> None:
        self._link = link
        self._meter = meter
        self._clock = clock
        self._random = random
        self._breakers: dict[PartyId, Breaker] = {}

    def may_send(self, party: PartyId) -> bool:
        """Whether a parcel may go to this partner now."""
        breaker = look(self._breakers.get(party, Breaker()), self._clock())
        self._set(party, breaker)
        return may_send(breaker)

    def flows(self, party: PartyId) -> bool:
        """Whether more than one parcel may be on its way to this partner: its door answers as it should."""
        return self._breakers.get(party, Breaker()).state is Circuit.CLOSED

    def answered(self, party: PartyId) -> None:
        """A partner's door answered, whatever was asked."""
        self._set(party, success(self._breakers.get(party, Breaker())))

    def failed(self, party: PartyId, retry_after: float | None) -> None:
        """It did not, or asked to come later."""
        wait = None if retry_after is None else timedelta(seconds=retry_after)
        breaker = self._breakers.get(party, Breaker())
        self._set(party, failure(breaker, self._clock(), self._random(), wait))

    def came(self, party: PartyId, size: int) -> None:
        """We came for a parcel, and got one."""
        self._meter.parcel(party, size, IN)

    async def post(
        self, partner: Partner, blob: bytes, *, hybrid: bool = False, urgency: int | None = None
    ) -> LinkAnswer:
        """As the link; what came of it moves the breaker."""
        self._meter.parcel(partner.party, len(blob), OUT)
        try:
            answer = await self._link.post(partner, blob, hybrid=hybrid, urgency=urgency)
        except PartnerError:
            self._meter.tried(partner.party, "unanswered")
            self.failed(partner.party, None)
            raise
        self._meter.tried(partner.party, "answered" if answer.status in (200, 202) else "refused")
        if answer.status == 429 or answer.status >= 500:
            self.failed(partner.party, answer.retry_after)
        else:
            self.answered(partner.party)
        return answer

    async def granted(self, partner: Partner) -> frozenset[str] | None:
        """As the link; a door that cannot be asked for a token cannot be asked for a receipt."""
        try:
            return await self._link.granted(partner)
        except PartnerError:
            self._meter.tried(partner.party, "unanswered")
            self.failed(partner.party, None)
            raise

    async def post_descriptor(self, partner: Partner, raw: bytes) -> LinkAnswer:
        """As the link."""
        return await self._link.post_descriptor(partner, raw)

    async def get_descriptor(self, partner: Partner) -> bytes:
        """As the link."""
        return await self._link.get_descriptor(partner)

    def _set(self, party: PartyId, breaker: Breaker) -> None:
        before = self._breakers.get(party)
        self._breakers[party] = breaker
        if before is None or before.state is not breaker.state:
            self._meter.circuit(party, breaker.state)
            if breaker.state is not Circuit.HALF_OPEN and (before or Breaker()).state is not breaker.state:
                note = {"partner": party, "state": breaker.state.value, "until": breaker.until}
                LOG.warning("circuit", extra=note)
