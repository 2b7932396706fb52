"""UFTP in a serving gateway: its door, and its way out, if the settings name who we are in it."""

from __future__ import annotations

import ssl
import time

import uvicorn

from intertie.bindings.parcel_https.serving import QuietServer, bound, url_of
from intertie.bindings.uftp.client import UftpClient
from intertie.bindings.uftp.door import LOG, UftpDoorway
from intertie.gateway.settings import UftpDoor
from intertie.model.errors import SettingsError
from intertie.run.opening import Opened

# A partner posts one message and goes.
KEEP_ALIVE_SECONDS = 15


async def serve_uftp(it: Opened) -> None:
    """Serve the door until cancelled; without an address there is none. SettingsError if it cannot be opened."""
    settings, uftp = it.settings.uftp, it.uftp
    if uftp is None or not settings.listen:
        return
    door = UftpDoorway(it.gateway, uftp, settings, it.clock, time.monotonic)
    server = QuietServer(_config(it, door, settings))
    with bound(settings.listen, "[uftp]") as listening:
        LOG.info("uftp", extra={"url": url_of(listening)})
        try:
            await server.serve(sockets=[listening])
        finally:
            server.should_exit = True


def uftp_client(it: Opened) -> UftpClient | None:
    """The way to partners that speak it; close it when done."""
    return UftpClient(it.uftp, it.settings.uftp.seconds) if it.uftp is not None else None


def _config(it: Opened, door: UftpDoorway, settings: UftpDoor) -> uvicorn.Config:
    certificate = it.places.of(settings.certificate) if settings.certificate else None
    key = it.places.of(settings.key) if settings.key else None
    for file in (certificate, key):
        if file is not None and not file.is_file():
            raise SettingsError(f"{file} is not there", do="Mend [uftp] certificate and key.")
    config = uvicorn.Config(
        door.app(),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.connections,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
        ssl_certfile=str(certificate) if certificate else None,
        ssl_keyfile=str(key) if key else None,
    )
    if config.is_ssl:
        config.load()
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2  # UFTP names none; SP 800-52 does
    return config
