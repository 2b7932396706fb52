"""The only file that knows everything: settings become a gateway, and a gateway runs: its street door on one event
loop, its deliveries on another in a thread of their own, so that neither waits for the other."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import queue
import random
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from starlette.applications import Starlette

from intertie.bindings.joining.door import Door
from intertie.bindings.mail_smtp.client import SmtpMailer
from intertie.bindings.mail_smtp.escalations import Escalations
from intertie.bindings.parcel_https.client import HttpsLink
from intertie.bindings.parcel_https.protocol import protocol_with
from intertie.bindings.parcel_https.server import StreetDoor
from intertie.bindings.revocation_http.client import StatusFetcher
from intertie.catalogue.load import load_catalogue
from intertie.gateway.attachment_ports import Attachments
from intertie.gateway.authorize import Authority
from intertie.gateway.deliver import deliver_once
from intertie.gateway.descriptors import Announcer, fetch_descriptor
from intertie.gateway.escalate import Count, count_nothing
from intertie.gateway.expire import expire
from intertie.gateway.gateway import Gateway
from intertie.gateway.join_partner import Ourselves
from intertie.gateway.prove_partner import answer_proofs
from intertie.gateway.refresh_trust import Fetched, refresh_trust, wait_seconds
from intertie.gateway.settings import Places, Settings, Street, read_settings
from intertie.gateway.upload import Uploads
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.ids import PartyId
from intertie.model.message import utc
from intertie.seal.joining import own_roots
from intertie.seal.protection import Opener
from intertie.seal.store_kek import StoreKeks
from intertie.seal.tls import Tls
from intertie.seal.token_keys import TokenKeyFiles, TokenRing
from intertie.seal.vault import Vault
from intertie.stores.attachment_files import AttachmentFiles
from intertie.stores.joining_files import JoiningFiles
from intertie.stores.key_files import KeyFiles
from intertie.stores.own_descriptor import OwnDescriptor
from intertie.stores.partner_files import PartnerFiles
from intertie.stores.rotation import Own, renew_descriptor, retire
from intertie.stores.sqlite import SqliteStore
from intertie.stores.trust_files import TrustFiles

LOG = logging.getLogger("intertie.run")
# A rehearsal clock moves many times a second; more often than this nobody could tell.
CLOCK_CHECK_SECONDS = 0.02
# How soon a message that another process queued begins its way.
WATCH_SECONDS = 0.02
# Retries, expiries and new partners are looked for this often.
TICK_SECONDS = 1.0
# Parcels to partners that get nothing more are looked at every so many ticks: they have nobody to wait for.
SEALED_TICKS = 30
# What is under way when a gateway is told to stop may end within this; the rest is sent again after the next start.
DRAIN_SECONDS = 10.0
# The fields a log line may have besides its text: ids, codes and counts, never what a message says.
LOG_FIELDS = (
    "party",
    "partner",
    "parcel",
    "message_id",
    "code",
    "step",
    "why",
    "count",
    "bytes",
    "group",
    "url",
    "file",
    "error",
    "flow",
    "seconds",
)

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now."""
    return datetime.now(UTC)


class FileClock:
    """A rehearsal's clock: the RFC 3339 time in a file. Whoever plays the season writes the file anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._checked = float("-inf")
        self._stamp = (-1, -1)
        self._now: datetime | None = None

    def __call__(self) -> datetime:
        """The time in the file; SettingsError if there never was one."""
        tick = time.monotonic()
        if tick - self._checked >= CLOCK_CHECK_SECONDS or self._now is None:
            self._checked = tick
            self._read()
        if self._now is None:
            raise SettingsError(
                f"{self._path} holds no time",
                do="Write one into it, as 2026-01-15T08:00:00Z, or remove [clock] file.",
            )
        return self._now

    def _read(self) -> None:
        """Take the file's time if it changed; a half-written file changes nothing."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp == self._stamp:
                return
            at = datetime.fromisoformat(self._path.read_text(encoding="ascii").strip())
        except (OSError, ValueError):
            return
        if at.tzinfo is not None:
            self._stamp = stamp
            self._now = utc(at)


def open_clock(directory: Path, settings: Settings) -> Clock:
    """The clock of the gateway in this directory."""
    file = settings.clock.file
    return FileClock(directory / file) if file else system_clock


def authority_of(gateway: Gateway, settings: Settings, keys: TokenRing) -> Authority:
    """The gateway as authorization server; its issuer is the address that partners are told."""
    lifetime = timedelta(seconds=settings.authorization.token_seconds)
    return Authority(gateway, keys, settings.street.url.rstrip("/"), lifetime)


class Opened:
    """A gateway directory, opened."""

    def __init__(self, directory: Path) -> None:
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
        self.store = SqliteStore(self.places.of(self.settings.store.file), StoreKeks(vault))
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
def opened(directory: Path) -> Iterator[Opened]:
    """A gateway directory for the time of a command."""
    it = Opened(directory)
    try:
        yield it
    finally:
        it.close()


def open_gateway(directory: Path) -> Gateway:
    """The gateway of this directory, for an act or two; close its store when done. Raises SettingsError, StoreError."""
    return Opened(directory).gateway


def street_link(it: Opened) -> HttpsLink:
    """The way to partners' doors; close it when done."""
    return HttpsLink(it.tls, it.settings.delivery, it.settings.party.id)


class Deliveries:
    """One delivery loop per partner, woken when the store changes; and expiry, each second."""

    def __init__(self, it: Opened, count: Count = count_nothing) -> None:
        """`count` is told of each escalation, for metrics."""
        self._it = it
        self._escalations = Escalations(it.gateway, it.mailer, it.clock, count)
        self._ticks = 0
        self._stopping = threading.Event()
        self._wakes: dict[PartyId, asyncio.Event] = {}
        # Partners whose descriptor we should ask for: filled by the street door's thread.
        self._stale: queue.SimpleQueue[PartyId] = queue.SimpleQueue()

    def ask_for(self, party: PartyId) -> None:
        """This partner's descriptor is out of date here; from any thread."""
        self._stale.put(party)

    def run(self) -> None:
        """Deliver until `stop`; for a thread."""
        asyncio.run(self._run())

    def stop(self) -> None:
        """Begin nothing new; from any thread."""
        self._stopping.set()

    async def _run(self) -> None:
        link = street_link(self._it)
        announcer = Announcer(self._it.gateway, link, self._it.descriptor.present)
        files = street_link(self._it)  # connections of its own: files do not hold up parcels
        clock = self._it.clock
        uploads = Uploads(self._it.gateway, files, clock, random.random, lambda party: self._wake())
        tasks: dict[PartyId, asyncio.Task[None]] = {}
        fetching: dict[PartyId, asyncio.Task[None]] = {}
        seen, ticked = -1, float("-inf")
        try:
            while not self._stopping.is_set():
                changed, tick = self._changed(seen), time.monotonic()
                if tick - ticked >= TICK_SECONDS:
                    ticked = tick
                    self._expire()
                    self._escalations.look()
                    self._turn_keys()
                    self._answer_proofs()
                    self._start_loops(tasks, link, announcer)
                    uploads.step()
                    self._wake()
                elif changed != seen:
                    self._wake()
                seen = changed
                self._fetch_stale(fetching, link)
                for task in tasks.values():
                    if task.done():
                        task.result()  # a loop ends only by a mistake in this program: end loudly
                await asyncio.sleep(WATCH_SECONDS)
            self._wake()
            if tasks:
                await asyncio.wait(tasks.values(), timeout=DRAIN_SECONDS)
        finally:
            for task in (*tasks.values(), *fetching.values()):
                task.cancel()
            await asyncio.gather(*tasks.values(), *fetching.values(), return_exceptions=True)
            await self._escalations.aclose()
            await uploads.aclose()
            await files.aclose()
            await link.aclose()

    def _fetch_stale(self, fetching: dict[PartyId, asyncio.Task[None]], link: HttpsLink) -> None:
        """One question at a time to each partner: it repeats its parcel, and so do we the question."""
        while not self._stale.empty():
            party = self._stale.get()
            if party not in fetching or fetching[party].done():
                fetching[party] = asyncio.create_task(self._fetch(party, link))

    async def _fetch(self, party: PartyId, link: HttpsLink) -> None:
        try:
            news = await fetch_descriptor(self._it.gateway, link, party, self._it.clock())
        except IntertieError as error:
            LOG.warning("descriptor not fetched", extra={"partner": party, "why": error.why})
            return
        LOG.info("descriptor fetched", extra={"partner": party, "count": int(news)})

    def _start_loops(
        self, tasks: dict[PartyId, asyncio.Task[None]], link: HttpsLink, announcer: Announcer
    ) -> None:
        for partner in self._it.partners.all():
            if partner.party not in tasks:
                self._wakes[partner.party] = asyncio.Event()
                tasks[partner.party] = asyncio.create_task(self._deliver_to(partner.party, link, announcer))

    async def _deliver_to(self, party: PartyId, link: HttpsLink, announcer: Announcer) -> None:
        """Parcel after parcel while there is something due, then wait."""
        wake = self._wakes[party]
        while not self._stopping.is_set():
            wake.clear()
            try:
                why = await announcer.announce(party, self._it.clock(), random.random)
                if why:
                    LOG.warning("descriptor not acknowledged", extra={"partner": party, "why": why})
                delivery = await deliver_once(self._it.gateway, link, party, self._it.clock, random.random)
            except IntertieError as error:
                LOG.error("delivery", extra={"partner": party, "why": error.why})
                await asyncio.sleep(TICK_SECONDS)
                continue
            if delivery is not None:
                note = {"partner": party, "parcel": delivery.parcel, "count": delivery.messages}
                if delivery.receipted:
                    LOG.info("receipted", extra=note)
                    continue
                LOG.warning("not receipted", extra={**note, "why": delivery.detail})
            await wake.wait()

    def _wake(self) -> None:
        for event in self._wakes.values():
            event.set()

    def _changed(self, seen: int) -> int:
        try:
            return self._it.gateway.store.changed()
        except IntertieError as error:
            LOG.error("store", extra={"why": error.why})
            return seen

    def _turn_keys(self) -> None:
        try:
            self._it.turn_keys()
        except IntertieError as error:
            LOG.error("keys", extra={"why": error.why})

    def _expire(self) -> None:
        try:
            self._ticks += 1
            sealed = self._ticks % SEALED_TICKS == 0
            expired = expire(self._it.gateway, self._it.clock(), sealed=sealed)
        except IntertieError as error:
            LOG.error("expiry", extra={"why": error.why})
            return
        for message in expired:
            LOG.warning("expired", extra={"message_id": message})

    def _answer_proofs(self) -> None:
        """A partner that began its test conversation gets ours."""
        try:
            queued = answer_proofs(self._it.gateway, self._it.clock())
        except IntertieError as error:
            LOG.error("answering a proof", extra={"why": error.why})
            return
        if queued:
            LOG.info("proof answered", extra={"count": len(queued)})


class StreetServer(uvicorn.Server):
    """uvicorn without its signal handlers: it would end the process before deliveries are drained."""

    url: str | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are caught by `serve`."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Whoever starts a gateway waits for this line.

        Handshakes get as long as headers: uvicorn has no setting for it, and the loops' own minute is an invitation to
        whoever opens connections and says nothing.
        """
        loop: Any = asyncio.get_running_loop()
        create = loop.create_server
        protocol: Any = self.config.http_protocol_class
        loop.create_server = partial(create, ssl_handshake_timeout=protocol.header_seconds)
        try:
            await super().startup(sockets)
        finally:
            loop.create_server = create
        LOG.info("listening", extra={"url": self.url})


def serve(directory: Path) -> None:
    """Run the gateway of this directory until SIGTERM or SIGINT; what is under way then ends in order.

    Raises SettingsError when it cannot start (port taken, keys missing), StoreError when the store cannot be opened or its
    key is not here.
    """
    with opened(directory) as it, _only_one(directory):
        it.clock()
        it.turn_keys()
        it.store.unlock()  # a gateway that cannot read what it keeps must not take more
        threading.Thread(target=protect_store, args=(it.store,), name="protect", daemon=True).start()
        uvloop.run(_serve(it))


def protect_store(store: SqliteStore) -> None:
    """Encrypt, a chunk at a time, what a version without encryption left; ends with the process if that comes first."""
    try:
        while store.unprotected():
            store.protect()
    except IntertieError as error:
        LOG.error("protect", extra={"why": error.why})


@contextlib.contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    """Two serving processes of one directory would send everything twice. The lock ends with the process."""
    path = directory / "serve.lock"
    try:
        lock = path.open("w")
    except OSError as error:
        raise SettingsError(
            f"{path}: {error.strerror or error}", do="Check permissions and space."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingsError(
                f"{directory} is served by another process already", do="Stop that one first."
            ) from error
        yield


async def _serve(it: Opened) -> None:
    deliveries = Deliveries(it)
    with listen(it.settings) as door:
        server = StreetServer(street_config(it, deliveries.ask_for))
        server.url = it.settings.street.url
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop, server)
        delivering = asyncio.ensure_future(asyncio.to_thread(deliveries.run))
        delivering.add_done_callback(lambda _: _stop(server))
        refreshing = asyncio.ensure_future(_refresh_status(it))
        joining = asyncio.ensure_future(it.joining_door().watch())
        try:
            await server.serve(sockets=[door])
        finally:
            refreshing.cancel()
            joining.cancel()
            await asyncio.gather(refreshing, joining, return_exceptions=True)
            deliveries.stop()
            await delivering
            LOG.info("stopped", extra={"party": it.settings.party.id})


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


def _stop(server: uvicorn.Server) -> None:
    server.should_exit = True


def street_config(it: Opened, stale: Callable[[PartyId], None]) -> uvicorn.Config:
    """How the street door of a gateway is served."""
    it.descriptor.present()  # it is there
    door = StreetDoor(it.authority, it.settings, it.descriptor.raw, it.clock, stale=stale)
    return uvicorn_config(door.app(), it.settings.street, it.tls.server_context())


def uvicorn_config(app: Starlette, street: Street, context: ssl.SSLContext) -> uvicorn.Config:
    """uvicorn with our protocol, our limits, and nothing of its own that talks to the outside."""
    return uvicorn.Config(
        app,
        http=protocol_with(street.header_seconds),
        ws="none",
        lifespan="off",
        ssl_context_factory=lambda config, default: context,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=street.connections,
        timeout_keep_alive=int(street.keep_alive_seconds),
        timeout_graceful_shutdown=int(DRAIN_SECONDS),
    )


def listen(settings: Settings) -> socket.socket:
    """The bound socket of the street door; SettingsError if its address cannot be had."""
    host, port = settings.street.address()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    door = socket.socket(family, socket.SOCK_STREAM)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((host, port))
    except OSError as error:
        door.close()
        raise SettingsError(
            f"cannot listen on {settings.street.listen}: {error.strerror or error}",
            do="Stop what uses it, or change [street] listen.",
        ) from error
    return door


class JsonLines(logging.Formatter):
    """One JSON object a line. Of an exception only its type and place: its text may quote a message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "event": record.getMessage() if record.name.startswith("intertie") else record.msg[:200],
        }
        line |= {
            name: getattr(record, name) for name in LOG_FIELDS if getattr(record, name, None) is not None
        }
        if record.exc_info and record.exc_info[0] is not None:
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            line["error"] = record.exc_info[0].__name__
            if trace is not None:
                line["place"] = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        return json.dumps(line, ensure_ascii=False, default=str)


def log_to_stderr(level: str = "INFO") -> None:
    """Structured logs of a serving gateway; uvicorn's own below warning are dropped."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error", "authlib", "httpx", "httpcore", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
