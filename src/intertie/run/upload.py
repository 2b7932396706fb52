"""Uploads in a serving gateway: the door, and what waits there for partners."""

from __future__ import annotations

import time

from intertie.bindings.parcel_https.serving import QuietServer, bound, url_of
from intertie.bindings.sftp.carrier import BoxCarrier
from intertie.bindings.upload.door import LOG, UploadDoorway
from intertie.gateway.translating.deliver_file import FilePosts
from intertie.run.opening import Opened
from intertie.run.plain_door import door_config


async def serve(it: Opened) -> None:
    """Serve the door until cancelled. SettingsError if it cannot be opened."""
    settings = it.settings.upload
    door = UploadDoorway(it.gateway, settings, it.places.of(settings.folder), it.clock, time.monotonic)
    server = QuietServer(door_config(it, door.app(), settings, "[upload]"))
    with bound(settings.listen, "[upload]") as listening:
        LOG.info("upload", extra={"url": url_of(listening)})
        try:
            await server.serve(sockets=[listening])
        finally:
            server.should_exit = True


def posts(it: Opened) -> FilePosts:
    """What puts files where partners fetch them."""
    carrier = BoxCarrier(it.gateway, it.places.of(it.settings.upload.folder), it.clock)
    return FilePosts(it.gateway, carrier, it.clock)
