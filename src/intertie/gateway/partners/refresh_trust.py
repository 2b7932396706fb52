"""Fetching what authorities say of certificates: revocation lists, and OCSP answers about partners' certificates."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from intertie.gateway.configuration.settings import Revocation
from intertie.gateway.gateway import Gateway
from intertie.model.errors import IntertieError
from intertie.model.ids import PartyId
from intertie.seal.certificates import Chain, TrustStore
from intertie.seal.ocsp import ANSWER_BYTES_MAX
from intertie.seal.revocation import LIST_BYTES_MAX, RevocationList
from intertie.seal.status_sources import AnswerSource, ListSource, Source, sources

# An authority whose lists hold for minutes is not asked more often than this.
SECONDS_LEAST = 10.0


class Fetcher(Protocol):
    """The way to authorities' servers. Lists and answers are signed: the way needs no secrecy, only bounds."""

    async def get(self, url: str, limit: int) -> bytes:
        """The body at a URL; PartnerError if there is none, or more than `limit` bytes."""

    async def ask(self, url: str, request: bytes, limit: int) -> bytes:
        """What an OCSP responder answers to a request; PartnerError as `get`."""


class StatusKeeper(Protocol):
    """Where what was fetched is kept, so that `TrustBook.present` has it at once."""

    def present(self) -> TrustStore:
        """Whom we trust now."""

    def keep_list(self, url: str, fresh: RevocationList, only: PartyId | None) -> None:
        """Keep a list; SettingsError if it cannot be."""

    def keep_answer(self, name: str, der: bytes) -> None:
        """Keep an OCSP answer; SettingsError if it cannot be."""


class Fetched(NamedTuple):
    """What became of one source. `why` is empty if it was taken."""

    url: str
    kind: str  # list, answer
    why: str
    until: datetime | None = None


def known_chains(gateway: Gateway) -> list[tuple[PartyId, Chain]]:
    """Every signing chain that is in use: our own and the partners'."""
    public = [gateway.keys.public(), *(partner.keys for partner in gateway.partners.all())]
    return [(keys.party, chain) for keys in public for chains in keys.signing.values() for chain in chains]


async def refresh_trust(
    gateway: Gateway, fetcher: Fetcher, keeper: StatusKeeper, settings: Revocation, now: datetime
) -> list[Fetched]:
    """Fetch all lists, and the OCSP answers if the settings ask for them; one line for each. What fails changes nothing:
    the list that is here holds until it is out of date."""
    wanted = sources(known_chains(gateway), keeper.present(), now, settings.crls)
    return [await _fetch(source, fetcher, keeper, settings, now) for source in _asked(wanted, settings)]


def _asked(wanted: Sequence[Source], settings: Revocation) -> list[Source]:
    return [source for source in wanted if settings.ocsp or isinstance(source, ListSource)]


async def _fetch(
    source: Source, fetcher: Fetcher, keeper: StatusKeeper, settings: Revocation, now: datetime
) -> Fetched:
    try:
        if isinstance(source, AnswerSource):
            return await _fetch_answer(source, fetcher, keeper, settings, now)
        data = await fetcher.get(source.url, LIST_BYTES_MAX)
        # A large list takes a second to read: in a thread, so that the door is not kept waiting.
        return await asyncio.to_thread(_take_list, source, data, keeper)
    except IntertieError as error:
        kind = "list" if isinstance(source, ListSource) else "answer"
        return Fetched(source.url, kind, error.why)


def _take_list(source: ListSource, data: bytes, keeper: StatusKeeper) -> Fetched:
    fresh = source.take(data, keeper.present())
    keeper.keep_list(source.url, fresh, source.only)
    return Fetched(source.url, "list", "", fresh.until)


async def _fetch_answer(
    source: AnswerSource, fetcher: Fetcher, keeper: StatusKeeper, settings: Revocation, now: datetime
) -> Fetched:
    asked = source.ask(settings.ocsp_hash)
    data = await fetcher.ask(source.url, asked.request, ANSWER_BYTES_MAX)
    answer = source.take(data, asked, keeper.present(), now)
    keeper.keep_answer(source.name, answer.der)
    return Fetched(source.url, "answer", "", answer.until)


def wait_seconds(lines: Sequence[Fetched], settings: Revocation, now: datetime) -> float:
    """When to fetch again: as the settings say, or sooner, when half of the time is over that something holds for."""
    halves = [(line.until - now).total_seconds() / 2 for line in lines if line.until is not None]
    return max(SECONDS_LEAST, min([settings.refresh_seconds, *halves]))
