"""The watch over urgent messages in a gateway that runs: each look logs what escalated, and somebody is written to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from intertie.gateway.gateway import Gateway
from intertie.gateway.sending.escalate import Count, Mailer, count_nothing, escalate, tell_next
from intertie.model.errors import IntertieError

LOG = logging.getLogger("intertie.escalation")
# After a mail that its server did not take.
MAIL_RETRY_SECONDS = 30.0


class Escalations:
    """For one event loop. `count` is told of each escalation, once, for metrics."""

    def __init__(
        self,
        gateway: Gateway,
        mailer: Mailer | None,
        clock: Callable[[], datetime],
        count: Count = count_nothing,
    ) -> None:
        self._gateway = gateway
        self._mailer = mailer
        self._clock = clock
        self._count = count
        self._stopping = False
        self._mailing: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Escalate what is due, and begin to tell of it; what cannot be done now is done at another look."""
        try:
            found = escalate(self._gateway, self._clock(), self._count)
        except IntertieError as error:
            LOG.error("escalation", extra={"why": error.why})
            return
        for one in found:
            note = {"partner": one.partner, "flow": one.flow, "seconds": one.seconds}
            LOG.error("not acknowledged in time", extra={"message_id": one.message, **note})
        if self._mailer is not None and (self._mailing is None or self._mailing.done()):
            self._mailing = asyncio.create_task(self._tell(self._mailer))

    async def aclose(self) -> None:
        """Begin no other mail, and wait for the one that is being sent."""
        self._stopping = True
        if self._mailing is not None:
            self._mailing.cancel()
            await asyncio.gather(self._mailing, return_exceptions=True)

    async def _tell(self, mailer: Mailer) -> None:
        """One mail after the other, in a thread: a mail server may be slow, and deliveries do not wait for it."""
        try:
            while not self._stopping:
                told = await asyncio.to_thread(tell_next, self._gateway, mailer, self._clock)
                if told is None:
                    return
                LOG.info("mail sent", extra={"message_id": told.message, "partner": told.partner})
        except IntertieError as error:
            LOG.error("mail", extra={"why": error.why})
            await asyncio.sleep(MAIL_RETRY_SECONDS)
