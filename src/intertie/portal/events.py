"""Server-sent events: the journal as it grows, from any place in it. A reader that was cut off resumes where it was, at any
process of this gateway: all of them read one journal."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
from anyio import CapacityLimiter, to_thread
from litestar import get
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from intertie.gateway.gateway import Gateway
from intertie.gateway.office.api_keys import ApiKey
from intertie.gateway.office.office_lists import events_end, happened
from intertie.gateway.office.office_rights import Right
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.office import Happened
from intertie.portal.acting import Asked
from intertie.portal.door import OfficeDep
from intertie.portal.problems import Busy, specs
from intertie.portal.routes import READ_ERRORS

# Of one process: each costs a connection and a look at the store for each event.
STREAMS_MAX = 64
# Of one key: a system needs one, its twin another, and a few hang until they are missed.
STREAMS_PER_KEY = 8
# A person does not see the difference, and a look costs a fraction of a millisecond.
LOOK_SECONDS = 0.2
# Proxies and firewalls forget a silent connection after a minute or less.
HEARTBEAT_SECONDS = 15.0
# What a reader waits before it comes again, in milliseconds.
RETRY_MS = 2000
# Streams read in threads of their own, so that requests never wait for them.
THREADS = 4
EVENT_STREAM = "text/event-stream"

Last = Annotated[
    str | None,
    HeaderParameter(name="Last-Event-ID", pattern=r"^[0-9]{1,18}$", description="Resume after this event."),
]
From = Annotated[
    int | None,
    QueryParameter(
        name="after",
        ge=-1,
        le=10**18 - 1,
        description="The same, for who cannot set the header; -1: from the beginning. Without either: what happens from now on.",
    ),
]


class Streams:
    """The streams of one process, and the one look at the store that all of them share."""

    def __init__(self, gateway: Gateway, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self.heartbeat = heartbeat
        self._gateway = gateway
        self._threads = CapacityLimiter(THREADS)
        self._open: Counter[str] = Counter()
        self._news = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self.over = False
        self.version = 0  # another one after each write: who was not waiting then sees it by this

    async def ask(self, act: Callable[..., Any], *arguments: object) -> Any:
        """A look at the store, in a thread."""
        return await to_thread.run_sync(act, *arguments, limiter=self._threads)

    @contextmanager
    def counted(self, key: str) -> Any:
        """One more stream of a key."""
        self._open[key] += 1
        try:
            yield
        finally:
            self._open[key] -= 1

    def check_room(self, key: str) -> None:
        """Busy if there are too many."""
        if self._open.total() >= STREAMS_MAX or self._open[key] >= STREAMS_PER_KEY:
            raise Busy("too many streams are open", do="Close one, or wait until one ends.")

    async def news(self) -> bool:
        """Wait until somebody wrote to the store, or for a heartbeat; whether somebody wrote."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            await asyncio.wait_for(self._news.wait(), self.heartbeat)
        except TimeoutError:
            return False
        return True

    def stop(self) -> None:
        """End all streams: the process ends."""
        self.over = True
        self._tell()

    def _tell(self) -> None:
        self.version += 1
        self._news.set()
        self._news = asyncio.Event()

    async def _look(self) -> None:
        """While there are streams."""
        seen = await self.ask(self._gateway.store.changed)
        while self._open.total() and not self.over:
            await asyncio.sleep(LOOK_SECONDS)
            now = await self.ask(self._gateway.store.changed)
            if now != seen:
                seen = now
                self._tell()


def written(events: list[Happened]) -> bytes:
    """Events as they go over the line."""
    return b"".join(
        b"id: %d\nevent: %s\ndata: %s\n\n" % (one.index, one.kind.encode(), msgspec.json.encode(one))
        for one in events
    )


async def stream(office: OfficeDep, streams: Streams, key: ApiKey, place: int) -> AsyncIterator[bytes]:
    """What happens from a place on, until the key counts no more, the reader goes, or the gateway stops."""
    with streams.counted(key.id):
        # Who is cut off before anything happens knows where it was.
        yield b"retry: %d\n%s\n" % (RETRY_MS, b"id: %d\n" % (place - 1) if place else b"")
        while not streams.over:
            waiting = asyncio.ensure_future(streams.news())
            try:
                found = await streams.ask(happened, office.gateway, place)
                known = office.keys.find(key.id)
                if known is None or not known.valid(office.clock()):
                    return
                if found:
                    place = found[-1].index + 1
                    yield written(found)
                elif not await waiting:
                    yield b": still here\n\n"
            except IntertieError:  # the store is away: the reader comes again, and resumes
                return
            finally:
                waiting.cancel()


@get(
    "/events",
    right=Right.READ,
    media_type=EVENT_STREAM,
    responses=specs(*READ_ERRORS),
    tags=["events"],
)
async def get_events(office: OfficeDep, request: Asked, last: Last = None, after: From = None) -> Stream:
    """Server-sent events: what this gateway journals, as it happens. The id of each is its place in the journal."""
    streams: Streams = request.app.state.streams
    streams.check_room(request.auth.id)
    end = await streams.ask(events_end, office.gateway)
    said = int(last) if last is not None else after
    start = end if said is None else said + 1
    if start > end:
        raise SettingsError(
            f"event {start - 1} has not happened here; the newest is {end - 1}",
            do="Read what you need anew: this is another journal, or one that was restored.",
        )
    return Stream(
        stream(office, streams, request.auth, start),
        media_type=EVENT_STREAM,
        headers={"Cache-Control": "no-store"},
    )


ROUTES = [get_events]
