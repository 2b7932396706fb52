"""Fetching what custodians told us of, and what is fetched by itself from time to time; each part of a feed is a message."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from intertie.bindings.espi.client import CustodianClient, NeverThere
from intertie.bindings.sftp.taking import receipt_of
from intertie.exchange.outbound import backoff
from intertie.formats.custodian_terms import CustodianTerms
from intertie.formats.espi.cut import cut_feed
from intertie.formats.espi.entries import EspiError
from intertie.gateway.gateway import Gateway
from intertie.gateway.translating.accept_file import Brought, accept_file
from intertie.gateway.translating.files import read_files
from intertie.model.errors import IntertieError
from intertie.model.ids import PartyId
from intertie.stores.espi_wanted import WantedFiles

LOG = logging.getLogger("intertie.espi")
FIRST_SECONDS, CEILING_SECONDS = 30.0, 3600.0
# The custodian's clock is not ours; what comes twice changes nothing.
OVERLAP = timedelta(hours=2)


class Taken(NamedTuple):
    """What became of a feed: messages that were taken and refused."""

    parts: int
    taken: int
    refused: int


class Fetcher:
    """All custodians of this gateway; for one process. `secret` finds a file of ours, `random` gives numbers from 0 to 1."""

    def __init__(
        self,
        gateway: Gateway,
        wanted: WantedFiles,
        secret: Callable[[str], Path],
        clock: Callable[[], datetime],
        random: Callable[[], float],
        trust: ssl.SSLContext,
    ) -> None:
        self._gateway, self._wanted, self._secret = gateway, wanted, secret
        self._clock, self._random, self._trust = clock, random, trust
        self._attempts: dict[PartyId, int] = {}
        self._not_before: dict[PartyId, datetime] = {}
        self._clients: dict[PartyId, tuple[CustodianTerms, CustodianClient]] = {}

    def told(self, addresses: Sequence[str]) -> int:
        """Anybody says that there is something: kept is what lies with a custodian of ours. How many are new."""
        count = 0
        for party, terms in self._custodians():
            ours = [one for one in addresses if terms.is_ours(one) and "/Batch/" in one]
            if ours:
                count += self._wanted.add(party, ours)
        return count

    def step(self) -> int:
        """Fetch what is due; how many feeds were taken in. What cannot be done is logged, and tried again later."""
        count = 0
        for party, terms in list(self._custodians()):
            if self._clock() < self._not_before.get(party, self._clock()):
                continue
            try:
                self._poll(party, terms)
                for address in self._wanted.of(party).addresses:
                    count += self._fetch(party, terms, address)
                self._attempts.pop(party, None)
            except IntertieError as error:
                LOG.warning("espi not fetched", extra={"partner": party, "why": error.why})
                attempt = self._attempts[party] = self._attempts.get(party, -1) + 1
                wait = backoff(attempt, self._random(), first=FIRST_SECONDS, ceiling=CEILING_SECONDS)
                self._not_before[party] = self._clock() + max(wait, timedelta(seconds=1))
        return count

    def close(self) -> None:
        """Let go of connections."""
        for _, client in self._clients.values():
            client.close()

    def _custodians(self) -> Iterator[tuple[PartyId, CustodianTerms]]:
        today = self._clock().date()
        for partner in self._gateway.partners.all():
            foreign = partner.foreign
            if foreign is None or foreign.custodian_terms is None or partner.suspended:
                continue
            if today <= foreign.legacy_until:
                yield partner.party, foreign.custodian_terms

    def _poll(self, party: PartyId, terms: CustodianTerms) -> None:
        """Batches that are due by themselves."""
        now, known = self._clock(), self._wanted.of(party)
        for batch in terms.batches:
            last = known.polled.get(batch)
            if last is not None and now - last < timedelta(hours=terms.poll_hours):
                continue
            since = ""
            if last is not None:
                said = (last - OVERLAP).astimezone(UTC).isoformat().replace("+00:00", "Z")
                since = f"?updated-min={said}"
            self._wanted.add(party, [f"{terms.resources}/{batch}{since}"])
            self._wanted.polled(party, batch, now)

    def _fetch(self, party: PartyId, terms: CustodianTerms, address: str) -> int:
        file = self._wanted.file(party)
        try:
            size = self._client(party, terms).fetch(address, file)
            taken = self._take_in(party, file)
        except (NeverThere, EspiError) as error:
            LOG.error("espi given up", extra={"partner": party, "why": error.why})
            self._wanted.done(party, address)
            return 0
        finally:
            file.unlink(missing_ok=True)
        self._wanted.done(party, address)
        LOG.info(
            "espi fetched",
            extra={"partner": party, "bytes": size, "count": taken.taken, "refused": taken.refused},
        )
        return 1

    def _take_in(self, party: PartyId, file: Path) -> Taken:
        """Each part by itself: one that was taken in before a crash is the same the next time, and has one effect."""
        parts = taken = refused = 0
        with file.open("rb") as feed:
            for part in cut_feed(feed):
                now = self._clock()
                kept = accept_file(
                    self._gateway,
                    Brought(party, part, now),
                    receipt_of("feed.xml", part, now, json=True),
                    now,
                )
                said = msgspec.json.decode(read_files(kept)[0].content)
                parts, taken, refused = parts + 1, taken + said["taken"], refused + said["refused"]
        return Taken(parts, taken, refused)

    def _client(self, party: PartyId, terms: CustodianTerms) -> CustodianClient:
        known = self._clients.get(party)
        if known is None or known[0] != terms:
            if known is not None:
                known[1].close()
            known = terms, CustodianClient(terms, self._secret(terms.secret_file), self._trust)
            self._clients[party] = known
        return known[1]
