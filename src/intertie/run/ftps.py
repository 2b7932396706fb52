"""FTP over TLS in a serving gateway: the mailbox for partners that come, and what waits there for them."""

from __future__ import annotations

import asyncio
import time

from intertie.bindings.ftps.server import LOG, FtpsDoorway, port_of
from intertie.bindings.sftp.carrier import BoxCarrier
from intertie.bindings.sftp.mailbox import Told
from intertie.gateway.deliver_file import FilePosts
from intertie.run.mailboxes import SWEEP_SECONDS, House, often
from intertie.run.opening import Opened


async def serve(it: Opened) -> None:
    """Serve the mailbox until cancelled. SettingsError if it cannot be opened."""
    settings = it.settings.ftps
    house = House(it, settings, lambda foreign: foreign.ftps_terms.user if foreign.ftps_terms else None)
    told = Told(house.arrived, house.fetched)
    door = FtpsDoorway(it.gateway, settings, house.folder, told, time.monotonic)
    server = door.open(it.places.of(settings.certificate), it.places.of(settings.key))
    LOG.info("ftps", extra={"url": f"ftps://{settings.listen.rpartition(':')[0]}:{port_of(server)}"})
    serving = asyncio.ensure_future(asyncio.to_thread(door.serve, server))
    try:
        await asyncio.gather(asyncio.shield(serving), house.work(), often(SWEEP_SECONDS, house.sweep))
    finally:
        door.stop()
        await asyncio.wait([serving])


def posts(it: Opened) -> FilePosts:
    """What puts files where partners fetch them."""
    settings = it.settings.ftps
    return FilePosts(it.gateway, BoxCarrier(it.gateway, it.places.of(settings.folder), it.clock), it.clock)
