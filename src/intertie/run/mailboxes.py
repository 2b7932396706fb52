"""Mailboxes of partners that come for their files: what arrived is taken in, what was fetched is said."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Protocol

from intertie.bindings.sftp.boxes import Box
from intertie.bindings.sftp.taking import take_arrived, take_fetched
from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import IntertieError
from intertie.model.ids import PartyId
from intertie.run.opening import Opened

LOG = logging.getLogger("intertie.files")
# Arrivals are told by the door; what a crash left, and partners that are new, are found by looking.
LOOK_SECONDS = 5.0
SWEEP_SECONDS = 600.0
# Between looks at which partner's server is due to be visited: as often as one may be.
VISIT_SECONDS = 0.1
HOUR, DAY = 3600.0, 86_400.0


class Rules(Protocol):
    """What the settings of such a door say of its mailboxes."""

    @property
    def folder(self) -> str:
        """Where they are."""

    @property
    def file_bytes(self) -> int:
        """Of one file."""

    @property
    def unfinished_hours(self) -> float:
        """Until an upload that was left is put aside."""

    @property
    def keep_days(self) -> float:
        """Until what was said goes."""


class House:
    """The mailboxes of one door. `user` says by which name a partner comes to it, None if it does not."""

    def __init__(self, it: Opened, rules: Rules, user: Callable[[Foreign], str | None]) -> None:
        self._it, self._rules, self._user = it, rules, user
        self.folder = it.places.of(rules.folder)
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._lock = threading.Lock()
        self._fetched: list[tuple[PartyId, str]] = []

    def arrived(self, party: PartyId) -> None:
        """A file counts; from any thread."""
        self._loop.call_soon_threadsafe(self._wake.set)

    def fetched(self, party: PartyId, name: str) -> None:
        """A partner has a file of ours; from any thread."""
        with self._lock:
            self._fetched.append((party, name))
        self._loop.call_soon_threadsafe(self._wake.set)

    async def work(self) -> None:
        """Take in what arrived, and say what was fetched."""
        while True:
            self._wake.clear()
            await asyncio.to_thread(self._work)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS)

    def _work(self) -> None:
        it = self._it
        with self._lock:
            fetched, self._fetched = self._fetched, []
        for party, name in fetched:
            partner = it.gateway.partners.find(party)
            with _said(party):
                who = (
                    self._user(partner.foreign)
                    if partner is not None and partner.foreign is not None
                    else None
                )
                take_fetched(it.gateway, party, name, who or "", it.clock())
        for box in self._boxes():
            with _said(box.party):
                take_arrived(it.gateway, box, self._rules.file_bytes, it.clock)

    async def sweep(self) -> None:
        """Put aside what was given up."""
        await asyncio.to_thread(self._sweep)

    def _sweep(self) -> None:
        rules = self._rules
        for box in self._boxes():
            with _said(box.party):
                aside = box.sweep(
                    time.time(), unfinished=rules.unfinished_hours * HOUR, keep=rules.keep_days * DAY
                )
                if aside:
                    LOG.warning("unfinished", extra={"partner": box.party, "count": len(aside)})

    def _boxes(self) -> Iterator[Box]:
        for partner in self._it.gateway.partners.all():
            if partner.foreign is not None and self._user(partner.foreign) is not None:
                yield Box(self.folder, partner.party)


@contextlib.contextmanager
def _said(party: PartyId) -> Iterator[None]:
    """One mailbox that cannot be used does not stop the others: said, and tried again."""
    try:
        yield
    except IntertieError as error:
        LOG.error("mailbox", extra={"partner": party, "why": error.why})
    except OSError as error:  # else the door would end with it
        LOG.error("mailbox", extra={"partner": party, "why": type(error).__name__})


async def often(seconds: float, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Again and again, with so many seconds between."""
    while True:
        await act()
        await asyncio.sleep(seconds)
