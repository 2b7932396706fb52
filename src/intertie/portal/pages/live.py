"""News for the pages that are open: that something changed, and nothing of what. A page then asks for its parts anew."""

from __future__ import annotations

from collections.abc import AsyncIterator

from litestar import get
from litestar.response import Stream

from intertie.gateway.office.office_rights import Right
from intertie.gateway.office.visits import present
from intertie.portal.door import OfficeDep
from intertie.portal.events import EVENT_STREAM, RETRY_MS, Streams
from intertie.portal.pages.guarding import Asking, visit_of
from intertie.portal.pages.visit import Visit


@get("/live", right=Right.KNOW, include_in_schema=False, media_type=EVENT_STREAM)
async def live(request: Asking, office: OfficeDep) -> Stream:
    """Server-sent events, until the session ends. A person may have as many pages open as a key may have streams."""
    streams: Streams = request.app.state.streams
    visit = visit_of(request, office)
    streams.check_room(f"person {visit.person}")
    return Stream(
        news(visit, streams, request.cookies), media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"}
    )


async def news(visit: Visit, streams: Streams, cookies: dict[str, str]) -> AsyncIterator[bytes]:
    """`news` whenever somebody wrote to the store."""
    keys = [value for name, value in cookies.items() if name.endswith("intertie")]
    with streams.counted(f"person {visit.person}"):
        version = streams.version
        # What happened between the page and this is news, too.
        yield b"retry: %d\nevent: news\ndata: .\n\n" % RETRY_MS
        while not streams.over:
            await streams.news()
            now = visit.office.clock()
            if not any(present(visit.office.people, key, visit.visitor, now, seen=False) for key in keys):
                return
            changed, version = streams.version != version, streams.version
            yield b"event: news\ndata: .\n\n" if changed else b": still here\n\n"


ROUTES = [live]
