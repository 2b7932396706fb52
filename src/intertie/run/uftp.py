"""UFTP in a serving gateway: its door, and its way out, if the settings name who we are in it."""

from __future__ import annotations

import time

from intertie.bindings.parcel_https.serving import QuietServer, bound, url_of
from intertie.bindings.uftp.client import UftpClient
from intertie.bindings.uftp.door import LOG, UftpDoorway
from intertie.run.opening import Opened
from intertie.run.plain_door import door_config


async def serve_uftp(it: Opened) -> None:
    """Serve the door until cancelled; without an address there is none. SettingsError if it cannot be opened."""
    settings, uftp = it.settings.uftp, it.uftp
    if uftp is None or not settings.listen:
        return
    door = UftpDoorway(it.gateway, uftp, settings, it.clock, time.monotonic)
    server = QuietServer(door_config(it, door.app(), settings, "[uftp]"))
    with bound(settings.listen, "[uftp]") as listening:
        LOG.info("uftp", extra={"url": url_of(listening)})
        try:
            await server.serve(sockets=[listening])
        finally:
            server.should_exit = True


def uftp_client(it: Opened) -> UftpClient | None:
    """The way to partners that speak it; close it when done."""
    return UftpClient(it.uftp, it.settings.uftp.seconds) if it.uftp is not None else None
