"""Files of ours on their way: into the partner's mailbox here, or to its server, by SFTP or another protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from msgspec.structs import replace

from intertie.bindings.sftp.boxes import Box
from intertie.bindings.sftp.names import Folder
from intertie.formats.sftp_terms import There
from intertie.gateway.gateway import Gateway
from intertie.gateway.receiving.accept_carried import is_sealed
from intertie.gateway.translating.deliver_file import Sent
from intertie.gateway.translating.deliver_translated import PostAnswer, Reply
from intertie.gateway.translating.files import File, Purpose
from intertie.gateway.translating.foreign import Foreign, Level
from intertie.gateway.translating.in_clear import check_sealed
from intertie.model.errors import PartnerError, Refused
from intertie.model.ids import PartyId

TAKEN = PostAnswer(200)
_FOLDERS = {
    Purpose.MESSAGE: Folder.OUT,
    Purpose.ANSWER: Folder.OUT,
    Purpose.RECEIPT: Folder.RECEIPTS,
    Purpose.REFUSAL: Folder.REFUSED,
}


class BoxCarrier:
    """`gateway.translating.deliver_file.Carrier` into the partner's mailbox here: it comes for what lies there."""

    def __init__(self, gateway: Gateway, folder: Path, clock: Callable[[], datetime]) -> None:
        self._gateway, self._folder, self._clock = gateway, folder, clock

    async def send(self, foreign: Foreign, file: File) -> Sent:
        """Put it where the partner looks. The same again is put again only if nobody has it. What an upload is told at once is
        not put; a signed receipt is, where it fetches."""
        if foreign.upload_terms is not None and file.purpose in (Purpose.RECEIPT, Purpose.REFUSAL):
            if not is_sealed(file.content):
                return Sent(TAKEN)
            file = replace(file, purpose=Purpose.ANSWER)
        return await put_here(Box(self._folder, party_of(self._gateway, foreign)), file, self._clock)

    async def aclose(self) -> None:
        """Nothing is open."""


async def put_here(box: Box, file: File, clock: Callable[[], datetime]) -> Sent:
    """Into a mailbox, unless the partner has it already: then it is fetched."""
    name = f"{file.name.removesuffix('.txt')}.reason.txt" if file.purpose is Purpose.REFUSAL else file.name
    said = await asyncio.to_thread(box.fetched, name)
    if said is not None:  # whoever heard of it then may have died before it was kept
        reply = None
        if file.about is not None:
            reply = Reply(box.party, file.about, True, f"fetched by {said}", name.encode(), clock())
        return Sent(TAKEN, reply, Level.FETCHED)
    if not await asyncio.to_thread(box.has, _FOLDERS[file.purpose], name):
        await asyncio.to_thread(box.put, _FOLDERS[file.purpose], name, file.content)
    return Sent(TAKEN)


def party_of(gateway: Gateway, foreign: Foreign) -> PartyId:
    """Whose legacy file it is. PartnerError if it changed meanwhile: the next attempt has the new one."""
    for partner in gateway.partners.all():
        if partner.foreign == foreign:
            return partner.party
    raise PartnerError("its legacy file has changed")


class Client(Protocol):
    """What goes to partners' servers by one protocol. Raises PartnerError alone; then the same again is harmless."""

    async def put(self, there: Any, folder: str, name: str, content: bytes) -> None:
        """A file, whole, under its name. It may be there already: then nothing is done."""

    async def names(self, there: Any, folder: str) -> set[str]:
        """What lies in a folder."""

    async def look(self, there: Any) -> dict[str, tuple[int, int]]:
        """Size and time of each file of the outbox whose writer is done, by name."""

    async def get(self, there: Any, name: str, limit: int) -> bytes:
        """A file of the outbox, one byte more than the limit at most."""

    async def took(self, there: Any, name: str) -> None:
        """We have it: put aside there, or removed."""

    async def aclose(self) -> None:
        """Let go of connections."""


class ServerCarrier:
    """`gateway.translating.deliver_file.Carrier`. `server` says where a partner's is, None for one that comes to us."""

    def __init__(
        self,
        gateway: Gateway,
        folder: Path,
        client: Client,
        server: Callable[[Foreign], There | None],
        clock: Callable[[], datetime],
    ) -> None:
        """`server` raises PartnerError for one to which nothing may go."""
        self._gateway, self._folder, self._client, self._clock = gateway, folder, client, clock
        self._server = server

    async def send(self, foreign: Foreign, file: File) -> Sent:
        """Put it where the partner looks. The same again is put again only if nobody has it."""
        box = Box(self._folder, party_of(self._gateway, foreign))
        there = self._server(foreign)
        if there is None:
            return await put_here(box, file, self._clock)
        await self._to_server(box, there, file)
        return Sent(TAKEN)

    async def _to_server(self, box: Box, there: There, file: File) -> None:
        """Once: what the partner took away from there is not put there again."""
        receipt = file.purpose in (Purpose.RECEIPT, Purpose.REFUSAL)
        if (receipt and there.receipts is None) or await asyncio.to_thread(box.was_put, file.name):
            return
        if receipt and there.in_clear and not is_sealed(file.content):
            return  # it is for people, and what it is about has a signed one beside
        if there.in_clear:
            _only_sealed(box.party, file.content)
        folder = there.receipts if receipt and there.receipts is not None else there.to
        await self._client.put(there, folder, file.name, file.content)
        if not receipt:
            await asyncio.to_thread(box.note_put, file.name)

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._client.aclose()


def _only_sealed(party: PartyId, content: bytes) -> None:
    """PartnerError for what would be read on its way, naming the partner and the rule."""
    try:
        check_sealed(party, content)
    except Refused as refused:
        raise PartnerError(refused.why, do="Agree on TLS.") from refused
