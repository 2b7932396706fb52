"""Uploads in a serving gateway: the door, and what waits there for partners."""

from __future__ import annotations

import time

from intertie.bindings.parcel_https.serving import QuietServer, bound, url_of
from intertie.bindings.sftp.carrier import BoxCarrier
from intertie.bindings.upload.door import LOG, UploadDoorway
from intertie.gateway.deliver_file import FilePosts
from intertie.run.opening import Opened
from intertie.run.plain_door import door_config


async def serve_upload(it: Opened) -> None:
    """Serve the door until cancelled; without an address there is none. SettingsError if it cannot be opened."""
    settings = it.settings.upload
    if not settings.enabled:
        return
    door = UploadDoorway(it.gateway, settings, it.places.of(settings.folder), it.clock, time.monotonic)
    server = QuietServer(door_config(it, door.app(), settings, "[upload]"))
    with bound(settings.listen, "[upload]") as listening:
        LOG.info("upload", extra={"url": url_of(listening)})
        try:
            await server.serve(sockets=[listening])
        finally:
            server.should_exit = True


def upload_posts(it: Opened) -> FilePosts | None:
    """What puts files where partners fetch them; None without a door."""
    settings = it.settings.upload
    if not settings.enabled:
        return None
    carrier = BoxCarrier(it.gateway, it.places.of(settings.folder), it.clock)
    return FilePosts(it.gateway, carrier, it.clock)
