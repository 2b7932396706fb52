"""What one process of the office door runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvicorn
import uvloop

from intertie.bindings.clock import system_clock
from intertie.bindings.oidc.client import Provider
from intertie.bindings.operations.logs import log_to_stderr
from intertie.bindings.parcel_https.protocol import protocol_with
from intertie.bindings.parcel_https.serving import QuietServer, url_of
from intertie.gateway.configuration.settings import read_settings
from intertie.gateway.office.office_beside import Beside
from intertie.model.errors import IntertieError
from intertie.model.ready import ready_types
from intertie.portal.app import office_app
from intertie.portal.cutting import cutting
from intertie.portal.door import Buckets, Office, strangers
from intertie.portal.events import Streams
from intertie.run.espi_grants import customers_of, grants_of
from intertie.run.office import DRAIN_SECONDS
from intertie.run.onboarding import FileOnboarding
from intertie.run.opening import Opened
from intertie.seal.tls_office import OfficeContext
from intertie.stores.api_key_files import ApiKeyFiles
from intertie.stores.kept_answers import KeptAnswers
from intertie.stores.people_file import PeopleFile

LOG = logging.getLogger("intertie.office")
KEEP_ALIVE_SECONDS = 75
# Requests that are worked on at once: who waits for a turn (portal/turns.py), or for the store, holds up nobody else. Python's
# own number follows the cores, and is six on a small machine. Each may keep a reading connection to the store, of some megabytes.
THREADS = 16
# A header is one small packet.
HEADER_SECONDS = 10.0


def work(
    arguments: Sequence[str], opening: Callable[[Path], Opened], beside_of: Callable[[Opened], Beside]
) -> int:
    """One office process: directory, number, level, then the file descriptors that it inherited; its exit code. `opening` opens
    the directory, and `beside_of` gives what pages need beside the gateway."""
    directory, number, level = Path(arguments[0]), int(arguments[1]), arguments[2]
    door, parent = map(int, arguments[3:])
    try:
        settings = read_settings(directory)
        log_to_stderr(level, settings.log.format, party=settings.party.id, worker=number)
        with contextlib.closing(opening(directory)) as it:
            it.clock()
            it.store.unlock()
            ready_types()
            uvloop.run(_serve(it, beside_of(it), socket.socket(fileno=door), parent))
    except IntertieError as error:
        LOG.error("office ended", extra={"why": str(error)})
        return 1
    return 0


async def _serve(it: Opened, beside: Beside, door: socket.socket, parent: int) -> None:
    answers = KeptAnswers(it.places.office)
    keys = ApiKeyFiles(it.places.office)
    people = PeopleFile(it.places.office)
    office = Office(
        it.gateway,
        keys,
        answers,
        it.clock,
        time.monotonic,
        Buckets(time.monotonic),
        people,
        strangers(time.monotonic),
        system_clock,
        FileOnboarding(it),
        frozenset(it.settings.office.two_people),
        Provider(it.settings.oidc, it.directory, time.monotonic) if it.settings.oidc.issuer else None,
        grants_of(it) if it.settings.espi.enabled else None,
        customers_of(it) if it.settings.espi.enabled else None,
        it.sealed,
        beside=beside,
    )
    streams = Streams(it.gateway)
    server = QuietServer(_config(it, office, streams))

    def stop(*_: object) -> None:
        streams.stop()
        server.should_exit = True

    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, "office"))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_reader(parent, stop)  # readable only once its other end is gone
    scheme = "http" if it.settings.office.tls == "off" else "https"
    LOG.info("office", extra={"url": url_of(door).replace("http", scheme, 1)})
    try:
        await server.serve(sockets=[door])
    finally:
        answers.close()
        people.close()


def _config(it: Opened, office: Office, streams: Streams) -> uvicorn.Config:
    settings = it.settings.office
    more: dict[str, object] = {}
    if settings.tls == "own":
        context = OfficeContext(lambda: it.gateway.keys.tls)
        more["ssl_context_factory"] = lambda config, default: context
    elif settings.tls == "file":
        more["ssl_certfile"] = str(it.places.of(settings.certificate))
        more["ssl_keyfile"] = str(it.places.of(settings.key))
    config = uvicorn.Config(
        cutting(office_app(office, streams)),
        http=protocol_with(HEADER_SECONDS, settings.connections, lambda count: None),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.connections,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        **more,  # type: ignore[arg-type]
    )
    if settings.tls == "file":
        config.load()
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    return config
