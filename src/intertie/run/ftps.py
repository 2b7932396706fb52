"""FTP over TLS in a serving gateway, and without it where that was agreed: the mailbox for partners that come, and our way to the
servers of those that do not."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from intertie.bindings.ftps.client import FtpsClient
from intertie.bindings.ftps.server import LOG, FtpsDoorway, port_of
from intertie.bindings.sftp.carrier import ServerCarrier
from intertie.bindings.sftp.mailbox import Told
from intertie.bindings.sftp.visits import Visits
from intertie.gateway.translating.deliver_file import FilePosts
from intertie.run.in_clear import may_go
from intertie.run.mailboxes import SWEEP_SECONDS, VISIT_SECONDS, House, often
from intertie.run.opening import Opened


async def serve(it: Opened) -> None:
    """Serve the mailbox, and visit partners' servers, until cancelled. SettingsError if the mailbox cannot be opened."""
    settings = it.settings.ftps
    house = House(it, settings, lambda foreign: foreign.ftps_terms.user if foreign.ftps_terms else None)
    client = FtpsClient(it.places.of, settings.seconds, plain=settings.plain)
    visits = Visits(
        it.gateway, house.folder, client, may_go(it), settings.file_bytes, it.clock, time.monotonic
    )
    tasks: list[Coroutine[Any, Any, None]] = []
    async with _door(it, house) if settings.listen else contextlib.nullcontext() as serving:
        if serving is not None:
            tasks += [serving, house.work(), often(SWEEP_SECONDS, house.sweep)]
        if settings.visits:
            tasks.append(often(VISIT_SECONDS, visits.go))
        try:
            await asyncio.gather(*tasks)
        finally:
            await client.aclose()


@contextlib.asynccontextmanager
async def _door(it: Opened, house: House) -> AsyncIterator[Coroutine[Any, Any, None]]:
    """The mailbox, open; what is given back ends when it does."""
    settings = it.settings.ftps
    told = Told(house.arrived, house.fetched)
    door = FtpsDoorway(it.gateway, settings, house.folder, told, time.monotonic, lambda: it.clock().date())
    server = door.open(it.places.of(settings.certificate), it.places.of(settings.key))
    LOG.info("ftps", extra={"url": f"ftps://{settings.listen.rpartition(':')[0]}:{port_of(server)}"})
    serving = asyncio.ensure_future(asyncio.to_thread(door.serve, server))

    async def until_the_end() -> None:
        await asyncio.shield(serving)

    try:
        yield until_the_end()
    finally:
        door.stop()
        await asyncio.wait([serving])


def posts(it: Opened) -> FilePosts:
    """What puts files where partners fetch them, here or at their servers."""
    settings = it.settings.ftps
    client = FtpsClient(it.places.of, settings.seconds, plain=settings.plain)
    carrier = ServerCarrier(it.gateway, it.places.of(settings.folder), client, may_go(it), it.clock)
    return FilePosts(it.gateway, carrier, it.clock)
