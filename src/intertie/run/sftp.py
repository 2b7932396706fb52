"""SFTP in a serving gateway: the mailbox for partners that come, and our way to the servers of those that do not."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any

from intertie.bindings.sftp.carrier import ServerCarrier
from intertie.bindings.sftp.client import SftpClient
from intertie.bindings.sftp.mailbox import Told
from intertie.bindings.sftp.server import SftpDoorway
from intertie.bindings.sftp.visits import Visits
from intertie.formats.sftp_terms import Theirs
from intertie.gateway.configuration.listening import address_of
from intertie.gateway.translating.deliver_file import FilePosts
from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import SettingsError
from intertie.run.mailboxes import SWEEP_SECONDS, VISIT_SECONDS, House, often
from intertie.run.opening import Opened
from intertie.seal.ssh_keys import CLIENT, HOST

LOG = logging.getLogger("intertie.sftp")


def server_of(foreign: Foreign) -> Theirs | None:
    """Where we go to this partner; None if we do not."""
    return foreign.sftp_terms.server if foreign.sftp_terms is not None else None


def posts(it: Opened) -> FilePosts:
    """What delivers to partners by SFTP."""
    client = SftpClient(partial(it.ssh_key, CLIENT), it.settings.sftp.seconds)
    folder = it.places.of(it.settings.sftp.folder)
    return FilePosts(it.gateway, ServerCarrier(it.gateway, folder, client, server_of, it.clock), it.clock)


async def serve(it: Opened) -> None:
    """Serve the mailbox, and visit partners' servers, until cancelled. SettingsError if the address cannot be had."""
    settings = it.settings.sftp
    house = House(
        it, it.settings.sftp, lambda foreign: foreign.sftp_terms.user if foreign.sftp_terms else None
    )
    client = SftpClient(partial(it.ssh_key, CLIENT), settings.seconds)
    visits = Visits(
        it.gateway, house.folder, client, server_of, settings.file_bytes, it.clock, time.monotonic
    )
    acceptor = None
    tasks: list[Coroutine[Any, Any, None]] = []
    try:
        if settings.listen:
            told = Told(house.arrived, house.fetched)
            door = SftpDoorway(it.gateway, settings, house.folder, told, time.monotonic)
            host, port = address_of(settings.listen)
            try:
                acceptor = await door.listen(host, port, await asyncio.to_thread(it.ssh_key, HOST))
            except OSError as error:
                raise SettingsError(
                    f"[sftp] listen {settings.listen}: {error.strerror}",
                    do="Choose another port, or free it.",
                ) from error
            LOG.info("sftp", extra={"url": f"sftp://{host}:{acceptor.get_port()}"})
            tasks = [house.work(), often(SWEEP_SECONDS, house.sweep)]
        await asyncio.gather(often(VISIT_SECONDS, visits.go), *tasks)
    finally:
        if acceptor is not None:
            acceptor.close()
        await client.aclose()
