"""Our door and our client, and a library of others behind an address: files that it built come in, ours go out to it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
from tests.exchange.as2_world import NOTICE, TRADING, Two
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.interop.as2_house import Peer, as_post

from intertie.bindings.as2.client import As2Client
from intertie.formats.as2.message import Post
from intertie.formats.x12.carried import write_carried
from intertie.gateway.translating.deliver_translated import deliver_translated
from intertie.model.documents import example, read_message
from intertie.model.ids import DocumentName, MessageId


def file() -> bytes:
    """An outage of the utility's, as X12."""
    two = Two()
    row = two.gateways[UTILITY].store.message(two.say(UTILITY, NOTICE), outgoing=True)
    assert row is not None
    return write_carried(*read_message(row.body), TRADING, 7)


def posted(two: Two, post: Post) -> Post:
    """Over HTTP to the aggregator's door; its answer."""

    async def go() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(two.doors[AGGREGATOR].app())) as client:
            return await client.post(
                "https://aggregator.example/as2", headers=dict(post.headers), content=post.body
            )

    answer = asyncio.run(go())
    assert answer.status_code == 200
    return Post(tuple(answer.headers.multi_items()), answer.content)


class Peers(httpx.AsyncBaseTransport):
    """The library behind an address: what it answers on the connection, or keeps for later."""

    def __init__(self, them: Peer) -> None:
        self.them = them
        self.later: list[Post] = []
        self.came: list[bytes] = []
        self.lose = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        said = self.them.take(Post(tuple(request.headers.multi_items()), body))
        self.came.append(body)
        if self.lose:
            raise httpx.ReadTimeout("lost")
        answer = as_post(said["receipt"])
        if "receipt-delivery-option" in request.headers:
            self.later.append(answer)
            return httpx.Response(200)
        return httpx.Response(200, headers=dict(answer.headers), content=answer.body)


def sent(two: Two, wire: Peers) -> None:
    """One delivery of the aggregator's, to the library as the utility."""
    two.now += timedelta(hours=1)

    async def go() -> None:
        gateway = two.gateways[AGGREGATOR]
        client = As2Client(gateway, two.as2[AGGREGATOR], lambda: two.now, 5.0, wire)
        try:
            await deliver_translated(gateway, client.post, UTILITY, lambda: two.now, lambda: 0.0)
        finally:
            await client.aclose()

    asyncio.run(go())


def said(two: Two) -> MessageId:
    """Something of the aggregator's."""
    return two.say(AGGREGATOR, example(DocumentName("dispute"))[1])
