"""The process of a custodian's door: third parties are served, and told what there is."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn
import uvloop

from intertie.bindings.espi.door import EspiDoorway
from intertie.bindings.espi.fetching import Fetcher
from intertie.bindings.espi.notify import Notifier
from intertie.bindings.espi.resources import Custodian
from intertie.bindings.operations.logs import log_to_stderr
from intertie.bindings.parcel_https.serving import QuietServer
from intertie.gateway.configuration.settings import read_settings
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.ready import ready_types
from intertie.run.espi_grants import customers_of, grants_of
from intertie.run.opening import Opened
from intertie.run.plain_door import door_config
from intertie.run.readings import ReadingsOpened, opened_readings
from intertie.stores.espi_wanted import WantedFiles

LOG = logging.getLogger("intertie.espi")


def doorway_of(it: ReadingsOpened, fetcher: Fetcher | None = None) -> EspiDoorway:
    """The application of the door."""
    settings, grants = it.settings.espi, grants_of(it)
    custodian = Custodian(grants, it.readings, settings.url, it.gateway.party.id)
    told = fetcher.told if fetcher is not None else None
    return EspiDoorway(grants, custodian, settings, it.clock, time.monotonic, told, customers_of(it))


def door_server(it: ReadingsOpened, fetcher: Fetcher | None = None) -> uvicorn.Config:
    """How it is served. SettingsError for files that are not there."""
    settings = it.settings.espi
    config = door_config(it, doorway_of(it, fetcher).app(), settings, "[espi]")
    if config.is_ssl and config.ssl is not None and not settings.tls_1_2:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    return config


def notifier_of(it: ReadingsOpened) -> Notifier:
    """What tells third parties. SettingsError for authorities that cannot be read."""
    trust, url = trust_of(it), it.settings.espi.url
    return Notifier(grants_of(it), it.readings, url, it.clock, random.random, trust)


def fetcher_of(it: Opened) -> Fetcher | None:
    """What fetches from custodians; None if nobody does. SettingsError as `notifier_of`."""
    settings = it.settings.espi
    if not settings.fetch:
        return None
    wanted = WantedFiles(it.places.of(settings.folder) / "fetch")
    return Fetcher(it.gateway, wanted, it.places.of, it.clock, random.random, trust_of(it))


def trust_of(it: Opened) -> ssl.SSLContext:
    """By which others' servers are believed."""
    settings = it.settings.espi
    try:
        trust = ssl.create_default_context(
            cafile=str(it.places.of(settings.ca_file)) if settings.ca_file else None
        )
    except (OSError, ssl.SSLError) as error:
        raise SettingsError("[espi] ca_file cannot be read", do="Name a file of PEM certificates.") from error
    trust.minimum_version = ssl.TLSVersion.TLSv1_2
    return trust


def work(arguments: Sequence[str]) -> int:
    """The process: directory, level, then the file descriptors that it inherited; its exit code."""
    directory, level = Path(arguments[0]), arguments[1]
    *door, parent = map(int, arguments[2:])
    try:
        settings = read_settings(directory)
        log_to_stderr(level, settings.log.format, party=settings.party.id)
        with opened_readings(directory) as it:
            it.clock()
            it.store.unlock()
            ready_types()
            uvloop.run(_serve(it, socket.socket(fileno=door[0]) if door else None, parent))
    except IntertieError as error:
        LOG.error("espi ended", extra={"why": str(error)})
        return 1
    return 0


class EspiServing:
    """Door, telling and fetching, in one event loop."""

    def __init__(self, it: ReadingsOpened, door: socket.socket | None) -> None:
        """SettingsError for what cannot be served."""
        self._it, self._door = it, door
        self._fetcher, self._notifier = fetcher_of(it), notifier_of(it)
        self._server = QuietServer(door_server(it, self._fetcher)) if door is not None else None
        self._over = asyncio.Event()

    def stop(self, *_: object) -> None:
        """Begin nothing new."""
        self._over.set()
        if self._server is not None:
            self._server.should_exit = True

    async def run(self) -> None:
        """Until `stop`."""
        settings = self._it.settings.espi
        beside = []
        if self._server is not None:
            beside.append(asyncio.ensure_future(_often(settings.notify_seconds, self._notifier.try_tell)))
        if self._fetcher is not None:
            beside.append(asyncio.ensure_future(_often(settings.fetch_seconds, self._fetcher.step)))
        LOG.info("espi", extra={"url": settings.url})
        try:
            if self._server is not None and self._door is not None:
                await self._server.serve(sockets=[self._door])
            else:
                await self._over.wait()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            if self._fetcher is not None:
                self._fetcher.close()


async def _serve(it: ReadingsOpened, door: socket.socket | None, parent: int) -> None:
    serving = EspiServing(it, door)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, serving.stop)
    loop.add_reader(parent, serving.stop)  # readable only once its other end is gone
    await serving.run()


async def _often(seconds: float, act: Callable[[], object]) -> None:
    while True:
        await asyncio.to_thread(act)
        await asyncio.sleep(seconds)
