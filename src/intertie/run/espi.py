"""The process of a custodian's door: third parties are served, and told what there is."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn
import uvloop

from intertie.bindings.espi.door import EspiDoorway
from intertie.bindings.espi.notify import Notifier
from intertie.bindings.espi.resources import Custodian
from intertie.bindings.operations.logs import log_to_stderr
from intertie.bindings.parcel_https.serving import QuietServer
from intertie.gateway.settings import read_settings
from intertie.model.errors import IntertieError, SettingsError
from intertie.run.espi_grants import grants_of
from intertie.run.plain_door import door_config
from intertie.run.readings import ReadingsOpened, opened_readings

LOG = logging.getLogger("intertie.espi")


def doorway_of(it: ReadingsOpened) -> EspiDoorway:
    """The application of the door."""
    settings, grants = it.settings.espi, grants_of(it)
    custodian = Custodian(grants, it.readings, settings.url, it.gateway.party.id)
    return EspiDoorway(grants, custodian, settings, it.clock, time.monotonic)


def door_server(it: ReadingsOpened) -> uvicorn.Config:
    """How it is served. SettingsError for files that are not there."""
    settings = it.settings.espi
    config = door_config(it, doorway_of(it).app(), settings, "[espi]")
    if config.is_ssl and config.ssl is not None and not settings.tls_1_2:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    return config


def notifier_of(it: ReadingsOpened) -> Notifier:
    """What tells third parties. SettingsError for authorities that cannot be read."""
    settings = it.settings.espi
    try:
        trust = ssl.create_default_context(
            cafile=str(it.places.of(settings.ca_file)) if settings.ca_file else None
        )
    except (OSError, ssl.SSLError) as error:
        raise SettingsError("[espi] ca_file cannot be read", do="Name a file of PEM certificates.") from error
    trust.minimum_version = ssl.TLSVersion.TLSv1_2
    return Notifier(grants_of(it), it.readings, settings.url, it.clock, random.random, trust)


def work(arguments: Sequence[str]) -> int:
    """The process: directory, level, then the file descriptors that it inherited; its exit code."""
    directory, level = Path(arguments[0]), arguments[1]
    door, parent = map(int, arguments[2:])
    try:
        settings = read_settings(directory)
        log_to_stderr(level, settings.log.format, party=settings.party.id)
        with opened_readings(directory) as it:
            it.clock()
            it.store.unlock()
            uvloop.run(_serve(it, socket.socket(fileno=door), parent))
    except IntertieError as error:
        LOG.error("espi ended", extra={"why": str(error)})
        return 1
    return 0


async def _serve(it: ReadingsOpened, door: socket.socket, parent: int) -> None:
    server = QuietServer(door_server(it))
    telling = asyncio.ensure_future(_tell(it))

    def stop(*_: object) -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_reader(parent, stop)  # readable only once its other end is gone
    LOG.info("espi", extra={"url": it.settings.espi.url})
    try:
        await server.serve(sockets=[door])
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _tell(it: ReadingsOpened) -> None:
    notifier = notifier_of(it)
    while True:
        await asyncio.to_thread(notifier.try_tell)
        await asyncio.sleep(it.settings.espi.notify_seconds)
