"""Going to partners' servers, by SFTP or another protocol: what lies there is taken in, what they took of ours is said."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from intertie.bindings.sftp.boxes import Box
from intertie.bindings.sftp.carrier import Client
from intertie.bindings.sftp.seen import Seen
from intertie.bindings.sftp.taking import take_arrived, take_fetched
from intertie.formats.sftp_terms import Folder, There
from intertie.gateway.gateway import Gateway
from intertie.gateway.translating.foreign import Foreign
from intertie.gateway.translating.in_clear import check_sealed
from intertie.model.errors import IntertieError, Refused
from intertie.model.ids import PartyId

LOG = logging.getLogger("intertie.files")
# Until a partner to whose server we may not go is thought of again.
REFUSED_SECONDS = 60.0


def places(there: There) -> list[There]:
    """Where its files are, and where it puts the receipts for ours, as if that were where its files are."""
    if there.answers is None:
        return [there]
    return [there, msgspec.structs.replace(there, fetch=there.answers)]


class Visits:
    """Each partner's server in its own time. `ticks` is a monotonic clock in seconds."""

    def __init__(
        self,
        gateway: Gateway,
        folder: Path,
        client: Client,
        server: Callable[[Foreign], There | None],
        limit: int,
        clock: Callable[[], datetime],
        ticks: Callable[[], float],
    ) -> None:
        """`server` says where a partner's is, None for one that comes to us; IntertieError if we may not go there."""
        self._server = server
        self._gateway, self._folder, self._client = gateway, folder, client
        self._limit, self._clock, self._ticks = limit, clock, ticks
        self._due: dict[PartyId, float] = {}
        self._seen: dict[tuple[PartyId, Folder], Seen] = {}

    async def go(self) -> None:
        """Visit those whose time has come, all at once: a silent one holds nobody up."""
        coming = []
        for partner in self._gateway.partners.all():
            if partner.foreign is None or partner.suspended or not self._is_due(partner.party):
                continue
            try:
                there = self._server(partner.foreign)
            except IntertieError as error:
                LOG.warning("visit", extra={"partner": partner.party, "why": error.why})
                self._due[partner.party] = self._ticks() + REFUSED_SECONDS
                continue
            if there is not None:
                self._due[partner.party] = self._ticks() + there.poll_seconds
                coming.append(self._visit(partner.party, there))
        await asyncio.gather(*coming)

    def _is_due(self, party: PartyId) -> bool:
        return self._ticks() >= self._due.get(party, 0.0)

    async def _visit(self, party: PartyId, there: There) -> None:
        try:
            await self.visit(party, there)
        except IntertieError as error:
            LOG.warning("visit", extra={"partner": party, "why": error.why})

    async def visit(self, party: PartyId, there: There) -> None:
        """One visit: fetch what is whole, take it in, put it aside there; and see what is gone of ours. Raises IntertieError."""
        box = Box(self._folder, party)
        await asyncio.to_thread(box.make)
        # What a crash left between fetching and taking in: the partner's copy may be gone by now.
        await asyncio.to_thread(take_arrived, self._gateway, box, self._limit, self._clock)
        for place in places(there):
            seen = self._seen.setdefault((party, place.fetch), Seen())
            files = await self._client.look(place)
            for name in sorted(files) if there.complete == "renamed" else seen.still(files):
                content = await self._client.get(place, name, self._limit)
                if place.in_clear:
                    _say_unsealed(party, content)
                await asyncio.to_thread(box.keep, name, content)
                await asyncio.to_thread(take_arrived, self._gateway, box, self._limit, self._clock)
                await self._client.took(place, name)
        await self._gone(box, there)

    async def _gone(self, box: Box, there: There) -> None:
        """Files of ours that the partner took away."""
        put = await asyncio.to_thread(box.put_names)
        if not put:
            return
        left = await self._client.names(there, there.to)
        for name in put:
            if name not in left:
                who = f"{there.user} at {there.host}"
                await asyncio.to_thread(take_fetched, self._gateway, box.party, name, who, self._clock())
                await asyncio.to_thread(box.forget_put, name)


def _say_unsealed(party: PartyId, content: bytes) -> None:
    """That it came so cannot be undone: it is refused as every file that is no parcel of it, and our operators are told."""
    try:
        check_sealed(party, content)
    except Refused as refused:
        LOG.warning("visit", extra={"partner": party, "code": refused.code.value, "why": refused.detail})
