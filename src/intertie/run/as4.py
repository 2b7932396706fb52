"""AS4 in a serving gateway: its door, and its way out, if the settings name who we are in it."""

from __future__ import annotations

import time

from intertie.bindings.as4.client import As4Client
from intertie.bindings.as4.door import LOG, As4Doorway
from intertie.bindings.parcel_https.serving import QuietServer, bound, url_of
from intertie.run.opening import Opened
from intertie.run.plain_door import door_config


async def serve_as4(it: Opened) -> None:
    """Serve the door until cancelled; without an address there is none. SettingsError if it cannot be opened."""
    settings, as4 = it.settings.as4, it.as4
    if as4 is None or not settings.listen:
        return
    door = As4Doorway(it.gateway, as4, settings, it.clock, time.monotonic)
    server = QuietServer(door_config(it, door.app(), settings, "[as4]"))
    with bound(settings.listen, "[as4]") as listening:
        LOG.info("as4", extra={"url": url_of(listening)})
        try:
            await server.serve(sockets=[listening])
        finally:
            server.should_exit = True


def as4_client(it: Opened) -> As4Client | None:
    """The way to partners that speak it; close it when done."""
    return As4Client(it.gateway, it.as4, it.clock, it.settings.as4.seconds) if it.as4 is not None else None
