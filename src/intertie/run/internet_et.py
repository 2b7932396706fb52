"""Internet ET in a serving gateway: its door, and its way out, if the settings say who we are in it."""

from __future__ import annotations

import time

from intertie.bindings.internet_et.client import InternetEtClient
from intertie.bindings.internet_et.door import LOG, InternetEtDoorway
from intertie.bindings.internet_et.failures import FailureMail
from intertie.bindings.parcel_https.serving import QuietServer, bound, url_of
from intertie.run.opening import Opened
from intertie.run.plain_door import door_config


async def serve_internet_et(it: Opened) -> None:
    """Serve the door until cancelled; without an address there is none. SettingsError if it cannot be opened."""
    settings, speaking = it.settings.internet_et, it.internet_et
    if speaking is None or not settings.listen:
        return
    door = InternetEtDoorway(it.gateway, speaking, settings, it.clock, time.monotonic)
    server = QuietServer(door_config(it, door.app(), settings, "[internet_et]"))
    with bound(settings.listen, "[internet_et]") as listening:
        LOG.info("internet et", extra={"url": url_of(listening)})
        try:
            await server.serve(sockets=[listening])
        finally:
            server.should_exit = True


def internet_et_client(it: Opened) -> InternetEtClient | None:
    """The way to partners that speak it; close it when done."""
    settings, speaking = it.settings.internet_et, it.internet_et
    if speaking is None:
        return None
    return InternetEtClient(
        it.gateway,
        speaking,
        it.clock,
        seconds=settings.seconds,
        retry_minutes=settings.retry_minutes,
        directory=it.directory,
        tell=FailureMail(it.mailer, it.settings.party.id),
    )
