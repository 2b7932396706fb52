"""The way to partners' doors, where some partners have parcels brought to them as files: `gateway.gateway.Link` over another one.

A file that was put where a partner looks is no answer: its receipt comes later, as a file too (receiving/accept_carried.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date

from intertie.gateway.gateway import Link, LinkAnswer, Partner
from intertie.gateway.receiving.receive import name_of
from intertie.gateway.sending.answers import PUT_OUT
from intertie.gateway.translating.deliver_translated import PostAnswer
from intertie.gateway.translating.files import File
from intertie.gateway.translating.foreign import Foreign, check_legacy
from intertie.model.errors import PartnerError, Refused

KIND = "application/vnd.intertie.parcel"


class FileLink:
    """`post` puts a file for partners that exchange parcels so; all else is the other link's."""

    def __init__(
        self, link: Link, put: Callable[[Foreign, File], Awaitable[PostAnswer]], today: Callable[[], date]
    ) -> None:
        """`put` takes a file to a partner, as its legacy file says; PartnerError."""
        self._link, self._put, self._today = link, put, today

    async def post(
        self, partner: Partner, blob: bytes, *, hybrid: bool = False, urgency: int | None = None
    ) -> LinkAnswer:
        """The partner's answer; PUT_OUT without a body where there is none yet. PartnerError."""
        if not partner.by_file or partner.foreign is None:
            return await self._link.post(partner, blob, hybrid=hybrid, urgency=urgency)
        if hybrid:
            raise PartnerError(
                f"{partner.party} has its parcels as files, and this one needs a hybrid connection",
                do="Agree on its door: remove its legacy file.",
            )
        try:
            check_legacy(partner.party, partner.foreign, self._today())
        except Refused as refused:
            raise PartnerError(
                refused.detail, do="Set another legacy_until, or agree on its door."
            ) from refused
        file = File(name=name_of(blob), kind=KIND, content=blob)
        said = await self._put(partner.foreign, file)
        if not said.taken:
            raise PartnerError(f"the file was not taken: {said.words}")
        return LinkAnswer(PUT_OUT, b"", None)

    async def granted(self, partner: Partner) -> frozenset[str] | None:
        """As the link; by file there are no tokens, and nothing to ask."""
        return None if partner.by_file else await self._link.granted(partner)

    async def post_descriptor(self, partner: Partner, raw: bytes) -> LinkAnswer:
        """As the link."""
        return await self._link.post_descriptor(partner, raw)

    async def get_descriptor(self, partner: Partner) -> bytes:
        """As the link."""
        return await self._link.get_descriptor(partner)
