"""Telling third parties: their servers get a list of what there is to fetch, again and again until they took it."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx

from intertie.exchange.outbound import backoff
from intertie.formats.espi.service import write_list
from intertie.gateway.espi.espi_grants import Grants
from intertie.gateway.espi.espi_notices import Notice, notices_due
from intertie.gateway.metering.readings import Readings
from intertie.model.errors import IntertieError

LOG = logging.getLogger("intertie.espi")
# A list is a few kilobytes, and the answer says nothing.
ANSWER_SECONDS = 30.0
# After each time that it was not taken; a server that is away for a day is asked once an hour.
FIRST_SECONDS, CEILING_SECONDS = 30.0, 3600.0


class Notifier:
    """For one process. `random` gives numbers from 0 to 1."""

    def __init__(
        self,
        grants: Grants,
        readings: Readings,
        host: str,
        clock: Callable[[], datetime],
        random: Callable[[], float],
        trust: ssl.SSLContext,
    ) -> None:
        self._grants, self._readings, self._host = grants, readings, host
        self._clock, self._random = clock, random
        self._trust = trust
        self._attempts: dict[str, int] = {}
        self._not_before: dict[str, datetime] = {}

    def tell(self) -> int:
        """Say what is due; how many servers took it. StoreError, SettingsError."""
        now, taken = self._clock(), 0
        for notice in notices_due(self._grants.book, self._readings, self._host, now):
            id = notice.application.id
            if now < self._not_before.get(id, now):
                continue
            if not notice.resources or self._post(notice):
                self._grants.told(id, notice.consents, notice.bulk)
                self._attempts.pop(id, None)
                taken += bool(notice.resources)
            else:
                attempt = self._attempts[id] = self._attempts.get(id, -1) + 1
                wait = backoff(attempt, self._random(), first=FIRST_SECONDS, ceiling=CEILING_SECONDS)
                self._not_before[id] = now + max(wait, timedelta(seconds=1))
        return taken

    def _post(self, notice: Notice) -> bool:
        uri, id = notice.application.notify_uri or "", notice.application.id
        try:
            with httpx.Client(verify=self._trust, timeout=ANSWER_SECONDS, trust_env=False) as client:
                headers = {"content-type": "application/xml"}
                with client.stream(
                    "POST", uri, content=write_list(notice.resources), headers=headers
                ) as answer:
                    taken = answer.is_success
                    status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            LOG.warning("espi not told", extra={"application": id, "why": type(error).__name__})
            return False
        event = "espi told" if taken else "espi not told"
        LOG.log(
            logging.INFO if taken else logging.WARNING,
            event,
            extra={"application": id, "status": status, "count": len(notice.resources)},
        )
        return taken

    def try_tell(self) -> None:
        """The same; what cannot be done is logged, and tried the next time."""
        try:
            self.tell()
        except IntertieError as error:
            LOG.error("espi notices", extra={"why": error.why})
