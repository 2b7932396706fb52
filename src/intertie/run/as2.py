"""AS2 in a serving gateway: its door, and its way out, if the settings name who we are in it."""

from __future__ import annotations

import time

from intertie.bindings.as2.client import As2Client
from intertie.bindings.as2.door import LOG, As2Doorway
from intertie.bindings.parcel_https.serving import QuietServer, bound, url_of
from intertie.run.opening import Opened
from intertie.run.plain_door import door_config


async def serve_as2(it: Opened) -> None:
    """Serve the door until cancelled; without an address there is none. SettingsError if it cannot be opened."""
    settings, as2 = it.settings.as2, it.as2
    if as2 is None or not settings.listen:
        return
    door = As2Doorway(it.gateway, as2, settings, it.clock, time.monotonic)
    server = QuietServer(door_config(it, door.app(), settings, "[as2]"))
    with bound(settings.listen, "[as2]") as listening:
        LOG.info("as2", extra={"url": url_of(listening)})
        try:
            await server.serve(sockets=[listening])
        finally:
            server.should_exit = True


def as2_client(it: Opened) -> As2Client | None:
    """The way to partners that speak it; close it when done."""
    if it.as2 is None:
        return None
    return As2Client(it.gateway, it.as2, it.clock, it.settings.as2.seconds, file=it.places.of)
