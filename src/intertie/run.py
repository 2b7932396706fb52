"""The only file that knows everything: settings become a gateway, and a gateway runs: its street door on one event
loop, its deliveries on another in a thread of their own, so that neither waits for the other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import uvloop

from intertie.bindings.clock import Clock, FileClock, system_clock
from intertie.bindings.joining.door import Door
from intertie.bindings.mail_smtp.client import SmtpMailer
from intertie.bindings.mail_smtp.escalations import Escalations
from intertie.bindings.operations.door import OperationsDoor, serve_operations
from intertie.bindings.operations.link import MeteredLink
from intertie.bindings.operations.logs import log_to_stderr
from intertie.bindings.operations.metrics import Meter, count_files, forget_process
from intertie.bindings.operations.serve_state import ServeState, only_one
from intertie.bindings.operations.telemetry import Tracer, open_tracer
from intertie.bindings.operations.workers import Supervisor
from intertie.bindings.parcel_https.client import HttpsLink
from intertie.bindings.parcel_https.pull_client import PullLink
from intertie.bindings.parcel_https.server import StreetDoor
from intertie.bindings.parcel_https.serving import DRAIN_SECONDS, DoorServing, doors, uvicorn_config
from intertie.bindings.revocation_http.client import StatusFetcher
from intertie.catalogue.load import load_catalogue
from intertie.gateway.attachment_ports import Attachments
from intertie.gateway.authorize import authority_of
from intertie.gateway.deliver import Delivery, deliver_once
from intertie.gateway.descriptors import Announcer, fetch_descriptor
from intertie.gateway.expire import expire
from intertie.gateway.fetch import Fetches
from intertie.gateway.gateway import Gateway
from intertie.gateway.join_partner import Ourselves
from intertie.gateway.lanes import AllLanes, Lane
from intertie.gateway.observer import UNOBSERVED, Observer
from intertie.gateway.prove_partner import answer_proofs
from intertie.gateway.refresh_trust import Fetched, refresh_trust, wait_seconds
from intertie.gateway.settings import Places, Settings, read_settings
from intertie.gateway.turns import Turns
from intertie.gateway.upload import Uploads
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.ids import PartyId
from intertie.seal.joining import own_roots
from intertie.seal.protection import Opener
from intertie.seal.store_kek import StoreKeks
from intertie.seal.tls import Tls
from intertie.seal.token_keys import TokenKeyFiles
from intertie.seal.vault import Vault
from intertie.stores.attachment_files import AttachmentFiles
from intertie.stores.joining_files import JoiningFiles
from intertie.stores.key_files import KeyFiles
from intertie.stores.opening import open_store
from intertie.stores.own_descriptor import OwnDescriptor
from intertie.stores.partner_files import PartnerFiles
from intertie.stores.rotation import Own, renew_descriptor, retire
from intertie.stores.trust_files import TrustFiles

LOG = logging.getLogger("intertie.run")
# How soon a message that another process queued begins its way.
WATCH_SECONDS = 0.02
# Retries, expiries and new partners are looked for this often.
TICK_SECONDS = 1.0
# How timely receipts came is kept in spans for this long, and as one sum after it.
TIMELINESS_KEPT = timedelta(days=1)
# A supervisor gives its workers this long: their own draining of both sides, and a little.
WORKERS_DRAIN_SECONDS = 2 * DRAIN_SECONDS + 5.0
# A thread that checks parcels gives way to the one that answers after this: the interpreter's own 5 ms, several times per
# answer, would be most of a short parcel's way to its receipt.
SWITCH_SECONDS = 0.0005
# Connections that wait to be accepted; the kernel cuts it to what it allows.
BACKLOG = 1024
# What a worker process runs.
WORKER = "import sys; from intertie.run import work; sys.exit(work(sys.argv[1:]))"
# Parcels to partners that get nothing more are looked at every so many ticks: they have nobody to wait for.
SEALED_TICKS = 30
# Where several processes deliver, each looks at every partner only every so many ticks; between, at those who have something due.
SHARED_TICKS = 5


def open_clock(directory: Path, settings: Settings) -> Clock:
    """The clock of the gateway in this directory."""
    file = settings.clock.file
    return FileClock(directory / file) if file else system_clock


class Opened:
    """A gateway directory, opened."""

    def __init__(self, directory: Path, observer: Observer = UNOBSERVED) -> None:
        self.directory = directory
        self.places = Places(directory)
        self.settings = read_settings(directory)
        self.clock = open_clock(directory, self.settings)
        trust = TrustFiles(self.places.trust, time.monotonic, self.settings.trust_rules())
        self.trust = trust
        self.opener = Opener(self.settings.keys, directory, os.environ)
        vault = Vault(self.places.keys, self.opener)
        self.own = Own(vault, self.settings.party, self.settings.street.url, self.places.descriptor)
        self.ring = KeyFiles(vault, self.settings.party, self.clock, time.monotonic)
        self.partners = PartnerFiles(self.places.partners, trust, time.monotonic, self.settings.policy)
        self.store = open_store(self.settings.store, self.places, StoreKeks(vault))
        self.joinings = JoiningFiles(self.places.joining)
        self.gateway = Gateway(
            party=self.settings.party,
            ring=self.ring,
            trust_book=trust,
            partners=self.partners,
            catalogue=load_catalogue(),
            store=self.store,
            limits=self.settings.limits,
            policy=self.settings.policy,
            observer=observer,
            attachments=Attachments(
                AttachmentFiles(self.places.of(self.settings.attachments.folder)), self.settings.attachments
            ),
        )
        self.descriptor = OwnDescriptor(self.places.descriptor, time.monotonic)
        gateway = self.gateway
        self.tls = Tls(lambda: (gateway.keys.tls, gateway.trust), self.clock, self.settings.tls)

        mail = self.settings.escalation
        self.mailer = SmtpMailer(mail, directory, self.clock) if mail.host else None
        self.authority = authority_of(self.gateway, self.settings, TokenKeyFiles(vault))

    def turn_keys(self) -> None:
        """Do what is due with our keys: a descriptor that a crash left unwritten, and the end of old ones."""
        now = self.clock()
        if renew_descriptor(self.own, now):
            LOG.warning("descriptor written after a crash")
        for generation, parts in retire(self.own, now):
            LOG.info("keys destroyed", extra={"count": len(parts), "file": generation.folder})

    def ourselves(self) -> Ourselves:
        """What we send of ourselves to who joins, or to whom we join."""
        return Ourselves(self.descriptor.raw(), own_roots(self.gateway.keys, self.gateway.trust))

    def joining_door(self) -> Door:
        """The door for those who have an invitation's code."""
        return Door(self.gateway, self.joinings, self.ourselves, self.settings.joining, self.clock)

    def close(self) -> None:
        """Let go of the store."""
        self.gateway.store.close()


@contextlib.contextmanager
def opened(directory: Path, observer: Observer = UNOBSERVED) -> Iterator[Opened]:
    """A gateway directory for the time of a command."""
    it = Opened(directory, observer)
    try:
        yield it
    finally:
        it.close()


def open_gateway(directory: Path) -> Gateway:
    """The gateway of this directory, for an act or two; close its store when done. Raises SettingsError, StoreError."""
    return Opened(directory).gateway


def street_link(it: Opened, tracer: Tracer | None = None) -> HttpsLink:
    """The way to partners' doors; close it when done."""
    return HttpsLink(it.tls, it.settings.delivery, it.settings.party.id, tracer)


class Deliveries:
    """Delivery loops for each partner, woken when the store changes; and expiry, each second."""

    def __init__(self, it: Opened, meter: Meter, *, first: bool = True) -> None:
        self._it = it
        self._meter = meter
        self._first = first  # of the processes in this directory
        self._turns = Turns(it.gateway.store)
        self._escalations = Escalations(it.gateway, it.mailer, it.clock, meter.escalated)
        self._ticks = 0
        self._away = False  # the store: a database that is started again, say
        self._stopping = threading.Event()
        self._lanes = AllLanes()
        # Partners whose descriptor we should ask for: filled by the street door's thread.
        self._stale: queue.SimpleQueue[PartyId] = queue.SimpleQueue()

    def ask_for(self, party: PartyId) -> None:
        """This partner's descriptor is out of date here; from any thread."""
        self._stale.put(party)

    def run(self) -> None:
        """Deliver until `stop`; for a thread."""
        asyncio.run(self._run())

    def run_fetching(self) -> None:
        """Only ask for descriptors that are out of date, until `stop`; for a thread of a worker that does not deliver."""
        asyncio.run(self._run_fetching())

    def stop(self) -> None:
        """Begin nothing new; from any thread."""
        self._stopping.set()

    async def _run(self) -> None:
        way = street_link(self._it, self._meter.tracer)
        link = MeteredLink(way, self._meter, self._it.clock, random.random)
        announcer = Announcer(self._it.gateway, link, self._it.descriptor.present)
        files = street_link(self._it)  # connections of its own: files do not hold up parcels
        clock = self._it.clock
        uploads = Uploads(self._it.gateway, files, clock, random.random, lambda party: self._wake())
        coming = PullLink(street_link(self._it), self._it.settings)
        fetches = Fetches(self._it.gateway, coming, link, clock, random.random, self.ask_for)
        tasks: dict[tuple[PartyId, Lane], asyncio.Task[None]] = {}
        fetching: dict[PartyId, asyncio.Task[None]] = {}
        seen, ticked = -1, float("-inf")
        loop = asyncio.get_running_loop()
        self._it.store.on_queued(partial(self._queued, loop))
        try:
            while not self._stopping.is_set():
                changed, tick = self._changed(seen), time.monotonic()
                if tick - ticked >= TICK_SECONDS:
                    ticked = tick
                    self._ticks += 1
                    if self._turns.keeps_house():
                        self._expire()
                        self._escalations.look()
                        self._answer_proofs()
                        uploads.step()
                    if self._first:
                        self._turn_keys()
                    self._keep_timeliness()
                    self._start_loops(tasks, link, announcer)
                    if self._first and not self._it.settings.street.is_open:
                        fetches.start()
                    if self._it.store.shared and self._ticks % SHARED_TICKS:
                        self._wake_due()
                    else:
                        self._wake()
                elif changed != seen:
                    self._wake_due()
                seen = changed
                self._fetch_stale(fetching, link)
                for task in tasks.values():
                    if task.done():
                        task.result()  # a loop ends only by a mistake in this program: end loudly
                await asyncio.sleep(TICK_SECONDS if self._away else WATCH_SECONDS)
            self._wake()
            if ending := {*tasks.values(), *fetches.end()}:
                await asyncio.wait(ending, timeout=DRAIN_SECONDS)
        finally:
            for task in (*tasks.values(), *fetching.values()):
                task.cancel()
            await asyncio.gather(*tasks.values(), *fetching.values(), return_exceptions=True)
            await self._escalations.aclose()
            for each in (fetches, uploads, files, coming, way):
                await each.aclose()
            self._keep_timeliness()

    async def _run_fetching(self) -> None:
        way = street_link(self._it, self._meter.tracer)
        link = MeteredLink(way, self._meter, self._it.clock, random.random)
        fetching: dict[PartyId, asyncio.Task[None]] = {}
        while not self._stopping.is_set():
            self._fetch_stale(fetching, link)
            await asyncio.sleep(WATCH_SECONDS)
        for task in fetching.values():
            task.cancel()
        await asyncio.gather(*fetching.values(), return_exceptions=True)
        await way.aclose()

    def _fetch_stale(self, fetching: dict[PartyId, asyncio.Task[None]], link: MeteredLink) -> None:
        """One question at a time to each partner: it repeats its parcel, and so do we the question."""
        while not self._stale.empty():
            party = self._stale.get()
            if party not in fetching or fetching[party].done():
                fetching[party] = asyncio.create_task(self._fetch(party, link))

    async def _fetch(self, party: PartyId, link: MeteredLink) -> None:
        try:
            news = await fetch_descriptor(self._it.gateway, link, party, self._it.clock())
        except IntertieError as error:
            LOG.warning("descriptor not fetched", extra={"partner": party, "why": error.why})
            return
        LOG.info("descriptor fetched", extra={"partner": party, "count": int(news)})

    def _start_loops(
        self,
        tasks: dict[tuple[PartyId, Lane], asyncio.Task[None]],
        link: MeteredLink,
        announcer: Announcer,
    ) -> None:
        for partner in self._it.partners.all():
            party = partner.party
            if party not in self._lanes:
                for lane in Lane:
                    tasks[party, lane] = asyncio.create_task(self._deliver_to(party, lane, link, announcer))

    async def _deliver_to(self, party: PartyId, lane: Lane, link: MeteredLink, announcer: Announcer) -> None:
        """Parcel after parcel while there is something due, then wait."""
        lanes = self._lanes.of(party)
        while not self._stopping.is_set():
            lanes.look(lane)
            if not (link.may_send(party) if lane is Lane.FIRST else link.flows(party)):
                await lanes.rest(lane)
                continue
            try:
                delivery = await self._deliver_one(party, lane, link, announcer)
            except IntertieError as error:
                LOG.error("delivery", extra={"partner": party, "why": error.why})
                await asyncio.sleep(TICK_SECONDS)
                continue
            if delivery is None:
                lanes.found_nothing(lane)
            else:
                note = {"partner": party, "parcel": delivery.parcel, "count": delivery.messages}
                if delivery.receipted:
                    LOG.info("receipted", extra=note)
                    await lanes.gather(delivery.messages)
                    continue
                LOG.warning("not receipted", extra={**note, "why": delivery.detail})
            await lanes.rest(lane)

    async def _deliver_one(
        self, party: PartyId, lane: Lane, link: MeteredLink, announcer: Announcer
    ) -> Delivery | None:
        """The next parcel; None if nothing is due, or another process is at it."""
        with self._turns.turn(party) as ours:
            if not ours:
                return None
            if lane is Lane.FIRST:
                why = await announcer.announce(party, self._it.clock(), random.random)
                if why:
                    LOG.warning("descriptor not acknowledged", extra={"partner": party, "why": why})
            with self._meter.tracer.span("deliver", partner=party):
                return await deliver_once(
                    self._it.gateway,
                    link,
                    party,
                    self._it.clock,
                    random.random,
                    under_way=self._lanes.of(party),
                    urgent=lane is Lane.URGENT,
                )

    def _wake(self) -> None:
        """Every partner is looked at: when time has passed, or at the end."""
        if self._stopping.is_set():
            self._lanes.end()
        else:
            self._lanes.tick()

    def _wake_due(self) -> None:
        """Whoever wrote, those who have something to get."""
        try:
            self._lanes.due(self._it.gateway.store.next_partners(self._it.clock()))
        except IntertieError as error:
            LOG.error("store", extra={"why": error.why})

    def _queued(self, loop: asyncio.AbstractEventLoop, priorities: Mapping[PartyId, Sequence[int]]) -> None:
        """Messages were queued in this process, in any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended: so have the deliveries
            loop.call_soon_threadsafe(self._lanes.queued, priorities)

    def _changed(self, seen: int) -> int:
        try:
            changed = self._it.gateway.store.changed()
            self._away = False
            return changed
        except IntertieError as error:
            LOG.error("store", extra={"why": error.why})
            self._away = True
            return seen

    def _turn_keys(self) -> None:
        try:
            self._it.turn_keys()
        except IntertieError as error:
            LOG.error("keys", extra={"why": error.why})

    def _expire(self) -> None:
        try:
            sealed = self._ticks % SEALED_TICKS == 0
            expired = expire(self._it.gateway, self._it.clock(), sealed=sealed)
        except IntertieError as error:
            LOG.error("expiry", extra={"why": error.why})
            return
        for message in expired:
            LOG.warning("expired", extra={"message_id": message})

    def _keep_timeliness(self) -> None:
        """What was counted since the last time; lost with a crash, as the figures of a second may be."""
        spans = self._meter.timeliness.drain()
        try:
            if spans:
                self._it.gateway.store.add_timeliness(spans, self._it.clock() - TIMELINESS_KEPT)
        except IntertieError as error:
            LOG.error("timeliness", extra={"why": error.why})

    def _answer_proofs(self) -> None:
        """A partner that began its test conversation gets ours."""
        try:
            queued = answer_proofs(self._it.gateway, self._it.clock())
        except IntertieError as error:
            LOG.error("answering a proof", extra={"why": error.why})
            return
        if queued:
            LOG.info("proof answered", extra={"count": len(queued)})


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
    with only_one(directory), doors(settings.street.listen, settings.operations.listen) as (door, operations):
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
            return subprocess.Popen([sys.executable, "-c", WORKER, *given], pass_fds=fds, env=environment)

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
            asyncio.ensure_future(_refresh_status(it)),
            asyncio.ensure_future(it.joining_door().watch()),
        ]
    try:
        await street.serve()
    finally:
        deliveries.stop()
        await delivering
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        LOG.info("stopped")


async def _refresh_status(it: Opened) -> None:
    """Fetch revocation lists and OCSP answers, again and again; what fails is logged and tried again the next time."""
    while it.settings.revocation.fetch:
        try:
            lines = await refresh_status(it)
        except IntertieError as error:
            LOG.error("status of certificates", extra={"why": error.why})
            lines = []
        for line in lines:
            if line.why:
                LOG.warning("status of certificates", extra={"url": line.url, "why": line.why})
        LOG.info("status of certificates", extra={"count": sum(not line.why for line in lines)})
        await asyncio.sleep(wait_seconds(lines, it.settings.revocation, it.clock()))


async def refresh_status(it: Opened) -> list[Fetched]:
    """Fetch revocation lists and OCSP answers once."""
    settings = it.settings.revocation
    fetcher = StatusFetcher(settings.fetch_seconds)
    try:
        return await refresh_trust(it.gateway, fetcher, it.trust, settings, it.clock())
    finally:
        await fetcher.aclose()


def street_of(
    it: Opened, stale: Callable[[PartyId], None], meter: Meter, socket: socket.socket | None
) -> DoorServing:
    """The street door of a gateway, and how it is served."""
    it.descriptor.present()  # it is there
    door = StreetDoor(it.authority, it.settings, it.descriptor.raw, it.clock, stale=stale, meter=meter)
    street = it.settings.street
    config = uvicorn_config(door.app(), street, it.tls.server_context(), meter.connections)
    return DoorServing(config, street.url, socket, door.drain)
