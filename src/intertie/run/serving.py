"""A gateway serves: processes, sockets, signals, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import uvloop

from intertie.bindings.clock import system_clock
from intertie.bindings.operations.door import OperationsDoor, serve_operations
from intertie.bindings.operations.logs import log_to_stderr
from intertie.bindings.operations.metrics import Meter, count_files, forget_process
from intertie.bindings.operations.serve_state import ServeState, only_one
from intertie.bindings.operations.telemetry import open_tracer
from intertie.bindings.operations.workers import Supervisor
from intertie.bindings.parcel_https.server import StreetDoor
from intertie.bindings.parcel_https.serving import DRAIN_SECONDS, DoorServing, doors, uvicorn_config
from intertie.catalogue.load import load_catalogue
from intertie.gateway.configuration.settings import read_settings
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.ids import PartyId
from intertie.model.ready import ready_types
from intertie.run.as2 import serve_as2
from intertie.run.as4 import serve_as4
from intertie.run.by_name import MAILBOXES, serve_mailbox
from intertie.run.certificate_status import keep_status_fresh
from intertie.run.deliveries import Deliveries
from intertie.run.espi_beside import espi_beside
from intertie.run.internet_et import serve_internet_et
from intertie.run.keep_readings import keep_readings
from intertie.run.office import office_beside
from intertie.run.opening import Opened, opened
from intertie.run.program import program
from intertie.run.uftp import serve_uftp

LOG = logging.getLogger("intertie.run")
# A supervisor gives its workers this long: their own draining of both sides, and a little.
WORKERS_DRAIN_SECONDS = 2 * DRAIN_SECONDS + 5.0
# A thread that checks parcels gives way to the one that answers after this: the interpreter's own 5 ms, several times per
# answer, would be most of a short parcel's way to its receipt.
SWITCH_SECONDS = 0.0005
# Connections that wait to be accepted; the kernel cuts it to what it allows.
BACKLOG = 1024
# What a worker process runs.
WORKER = "intertie.run.serving:work"


class Job(NamedTuple):
    """What a process of a serving gateway is given: its number, its sockets, and what ends when its supervisor does."""

    number: int
    door: socket.socket | None
    operations: socket.socket | None
    parent: int | None = None  # a pipe that nobody writes to


def serve(directory: Path, *, workers: int = 1, level: str = "INFO") -> None:
    """Run the gateway of this directory until SIGTERM or SIGINT; what is under way then ends in order.

    Raises SettingsError when it cannot start (port taken, keys missing) or workers did not end in order, StoreError when the
    store cannot be opened or its key is not here.
    """
    settings = read_settings(directory)
    log_to_stderr(level, settings.log.format, party=settings.party.id)
    if workers > 1 and not settings.street.is_open:
        raise SettingsError(
            "workers share a street door, and [street] listen names none", do="Run it without --workers."
        )
    with (
        only_one(directory),
        doors(settings.street.listen, settings.operations.listen) as (door, operations),
        office_beside(directory, settings, level),
        espi_beside(directory, settings, level),
    ):
        if workers == 1 or door is None:
            with ServeState(directory, operations, system_clock) as state:
                state.write([(0, os.getpid(), 1)])
                run_job(directory, Job(0, door, operations))
            return
        with opened(directory) as it:  # what is wrong is said once, and not by every worker again and again
            it.clock()
            it.turn_keys()
            it.store.unlock()
            it.authority.keys.present()  # made by one, if it is not there yet
        supervise(directory, door, operations, workers, level)


def supervise(
    directory: Path, door: socket.socket, operations: socket.socket | None, workers: int, level: str
) -> None:
    """Keep worker processes alive until told to stop. All of them accept at the same sockets: what waits there is lost with
    none of them."""
    door.listen(BACKLOG)
    read, write = os.pipe()  # ends with this process, whatever ends it
    fds = [door.fileno(), *([operations.fileno()] if operations is not None else []), read]
    with ServeState(directory, operations, system_clock) as state, count_files() as environment:

        def start(number: int) -> subprocess.Popen[bytes]:
            given = [str(directory.absolute()), str(number), level, *map(str, fds)]
            return subprocess.Popen(program(WORKER, *given), pass_fds=fds, env=environment)

        supervisor = Supervisor(
            start,
            workers,
            drain_seconds=WORKERS_DRAIN_SECONDS,
            changed=lambda all: state.write([(w.number, w.pid or 0, w.starts) for w in all]),
            died=partial(forget_process, environment),
            stopping=door.close,
        )
        good = supervisor.run()
        os.close(write)
        os.close(read)
        LOG.info("stopped")
    if not good:
        raise SettingsError("workers did not end in order", do="Look into the log for what held them up.")


def work(arguments: Sequence[str]) -> int:
    """One worker process: directory, number, level, then the file descriptors that it inherited; its exit code."""
    directory, number, level = Path(arguments[0]), int(arguments[1]), arguments[2]
    door, *operations, parent = map(int, arguments[3:])
    try:
        settings = read_settings(directory)
        log_to_stderr(level, settings.log.format, party=settings.party.id, worker=number)
        outside = socket.socket(fileno=operations[0]) if operations else None
        run_job(directory, Job(number, socket.socket(fileno=door), outside, parent))
    except IntertieError as error:
        LOG.error("worker ended", extra={"why": str(error)})
        return 1
    return 0


def run_job(directory: Path, job: Job) -> None:
    """Serve in this process. The first one does what only one in this directory may do, and delivers; the others accept, and
    deliver where the store lets several."""
    sys.setswitchinterval(SWITCH_SECONDS)
    settings = read_settings(directory)
    tracer = open_tracer(settings.telemetry, settings.party.id)
    meter = Meter(load_catalogue(), tracer)
    with opened(directory, meter) as it, contextlib.closing(tracer):
        it.clock()
        it.store.unlock()  # a gateway that cannot read what it keeps must not take more
        ready_types()
        if job.number == 0:
            it.turn_keys()
            threading.Thread(target=protect_store, args=(it,), name="protect", daemon=True).start()
        uvloop.run(_serve(it, meter, job))


def protect_store(it: Opened) -> None:
    """Encrypt, a chunk at a time, what a version without encryption left; ends with the process if that comes first."""
    try:
        while it.store.unprotected():
            it.store.protect()
    except IntertieError as error:
        LOG.error("protect", extra={"why": error.why})


async def _serve(it: Opened, meter: Meter, job: Job) -> None:
    deliveries = Deliveries(it, meter, first=job.number == 0)
    operations = OperationsDoor(it.gateway, meter, it.places.keys, it.clock, it.store.unlock)
    street = street_of(it, deliveries.ask_for, meter, job.door)

    def stop(*_: object) -> None:
        operations.draining = True
        street.stop()
        deliveries.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if job.parent is not None:
        loop.add_reader(job.parent, stop)  # readable only once its other end is gone
    beside = [asyncio.ensure_future(serve_operations(operations, job.operations))]
    work = deliveries.run if job.number == 0 or it.store.shared else deliveries.run_fetching
    delivering = asyncio.ensure_future(asyncio.to_thread(work))
    delivering.add_done_callback(stop)
    if job.number == 0:
        beside += [
            asyncio.ensure_future(keep_status_fresh(it)),
            asyncio.ensure_future(keep_readings(it)),
            asyncio.ensure_future(it.joining_door().watch()),
            asyncio.ensure_future(serve_uftp(it)),
            asyncio.ensure_future(serve_as2(it)),
            asyncio.ensure_future(serve_as4(it)),
            asyncio.ensure_future(serve_internet_et(it)),
            *(asyncio.ensure_future(serve_mailbox(name, it)) for name in MAILBOXES),
        ]
    for task in beside:
        task.add_done_callback(_say_ended)
    try:
        await street.serve()
    finally:
        deliveries.stop()
        await delivering
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        LOG.info("stopped")


def _say_ended(task: asyncio.Future[None]) -> None:
    """Something that is served beside the street door ended by itself: nobody comes to it any more."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        why = error.why if isinstance(error, IntertieError) else type(error).__name__
        LOG.error("ended", extra={"why": why}, exc_info=error)


def street_of(
    it: Opened, stale: Callable[[PartyId], None], meter: Meter, socket: socket.socket | None
) -> DoorServing:
    """The street door of a gateway, and how it is served."""
    it.descriptor.present()  # it is there
    door = StreetDoor(it.authority, it.settings, it.descriptor.raw, it.clock, stale=stale, meter=meter)
    street = it.settings.street
    config = uvicorn_config(door.app(), street, it.tls.server_context(), meter.connections)
    return DoorServing(config, street.url, socket, door.drain)
