"""SFTP in a serving gateway: the mailbox for partners that come, and our way to the servers of those that do not."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

from intertie.bindings.sftp.boxes import Box
from intertie.bindings.sftp.carrier import SftpCarrier
from intertie.bindings.sftp.client import SftpClient
from intertie.bindings.sftp.mailbox import Told
from intertie.bindings.sftp.server import SftpDoorway
from intertie.bindings.sftp.taking import take_arrived, take_fetched
from intertie.bindings.sftp.visits import Visits
from intertie.gateway.deliver_file import FilePosts
from intertie.gateway.gateway import Partner
from intertie.gateway.listening import address_of
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.ids import PartyId
from intertie.run.opening import Opened
from intertie.seal.ssh_keys import CLIENT, HOST

LOG = logging.getLogger("intertie.sftp")
# Arrivals are told by the door; what a crash left, and partners that are new, are found by looking.
LOOK_SECONDS = 5.0
SWEEP_SECONDS = 600.0
# Between looks at which partner's server is due to be visited.
VISIT_SECONDS = 1.0
HOUR, DAY = 3600.0, 86_400.0


def sftp_posts(it: Opened) -> FilePosts | None:
    """What delivers to partners by SFTP; None if the settings do not want it."""
    if not it.settings.sftp.enabled:
        return None
    client = SftpClient(partial(it.ssh_key, CLIENT), it.settings.sftp.seconds)
    folder = it.places.of(it.settings.sftp.folder)
    return FilePosts(it.gateway, SftpCarrier(it.gateway, folder, client, it.clock), it.clock)


async def serve_sftp(it: Opened) -> None:
    """Serve the mailbox, and visit partners' servers, until cancelled. SettingsError if the address cannot be had."""
    settings = it.settings.sftp
    if not settings.enabled:
        return
    house = _House(it)
    client = SftpClient(partial(it.ssh_key, CLIENT), settings.seconds)
    visits = Visits(it.gateway, house.folder, client, settings.file_bytes, it.clock, time.monotonic)
    acceptor = None
    tasks: list[Coroutine[Any, Any, None]] = []
    try:
        if settings.listen:
            told = Told(house.arrived, house.fetched)
            door = SftpDoorway(it.gateway, settings, house.folder, told, time.monotonic)
            host, port = address_of(settings.listen)
            try:
                acceptor = await door.listen(host, port, await asyncio.to_thread(it.ssh_key, HOST))
            except OSError as error:
                raise SettingsError(
                    f"[sftp] listen {settings.listen}: {error.strerror}",
                    do="Choose another port, or free it.",
                ) from error
            LOG.info("sftp", extra={"url": f"sftp://{host}:{acceptor.get_port()}"})
            tasks = [house.work(), _often(SWEEP_SECONDS, house.sweep)]
        await asyncio.gather(_often(VISIT_SECONDS, visits.go), *tasks)
    finally:
        if acceptor is not None:
            acceptor.close()
        await client.aclose()


class _House:
    """The mailboxes of this gateway, and who looks after them."""

    def __init__(self, it: Opened) -> None:
        self._it = it
        self.folder = it.places.of(it.settings.sftp.folder)
        self._wake = asyncio.Event()
        self._fetched: list[tuple[PartyId, str]] = []

    def arrived(self, party: PartyId) -> None:
        """A file counts."""
        self._wake.set()

    def fetched(self, party: PartyId, name: str) -> None:
        """A partner has a file of ours."""
        self._fetched.append((party, name))
        self._wake.set()

    async def work(self) -> None:
        """Take in what arrived, and say what was fetched."""
        while True:
            self._wake.clear()
            fetched, self._fetched = self._fetched, []
            await asyncio.to_thread(self._work, fetched)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS)

    def _work(self, fetched: list[tuple[PartyId, str]]) -> None:
        it = self._it
        for party, name in fetched:
            with _said(party):
                who = _user_of(it.gateway.partners.find(party))
                take_fetched(it.gateway, party, name, who, it.clock())
        for box in self._boxes():
            with _said(box.party):
                take_arrived(it.gateway, box, it.settings.sftp.file_bytes, it.clock)

    async def sweep(self) -> None:
        """Put aside what was given up."""
        await asyncio.to_thread(self._sweep)

    def _sweep(self) -> None:
        settings = self._it.settings.sftp
        for box in self._boxes():
            with _said(box.party):
                aside = box.sweep(
                    time.time(), unfinished=settings.unfinished_hours * HOUR, keep=settings.keep_days * DAY
                )
                if aside:
                    LOG.warning("sftp unfinished", extra={"partner": box.party, "count": len(aside)})

    def _boxes(self) -> Iterator[Box]:
        for partner in self._it.gateway.partners.all():
            foreign = partner.foreign
            if foreign is not None and foreign.sftp_terms is not None and foreign.sftp_terms.user:
                yield Box(self.folder, partner.party)


def _user_of(partner: Partner | None) -> str:
    foreign = partner.foreign if partner is not None else None
    terms = foreign.sftp_terms if foreign is not None else None
    return (terms.user or "") if terms is not None else ""


@contextlib.contextmanager
def _said(party: PartyId) -> Iterator[None]:
    """One mailbox that cannot be used does not stop the others: said, and tried again."""
    try:
        yield
    except IntertieError as error:
        LOG.error("sftp", extra={"partner": party, "why": error.why})


async def _often(seconds: float, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        await act()
        await asyncio.sleep(seconds)
