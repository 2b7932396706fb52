"""Posting AS2 messages to partners, and receipts that they wanted later."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

import httpx

from intertie.bindings.as2.kept import KeptMessage, read_kept
from intertie.bindings.as2.translator import As2
from intertie.formats.as2 import mime
from intertie.formats.as2.flaws import As2Error
from intertie.formats.as2.message import Post
from intertie.formats.as2.receipt import is_receipt
from intertie.gateway.deliver_translated import PostAnswer, take_reply
from intertie.gateway.foreign import Foreign
from intertie.gateway.gateway import Gateway
from intertie.model.errors import PartnerError, Refused

LOG = logging.getLogger("intertie.as2")
# A receipt has a few kilobytes, its certificates among them.
RECEIPT_MAX = 256 * 1024


class As2Client:
    """Posts what was kept, and takes the receipt that comes back; close it when done."""

    def __init__(
        self,
        gateway: Gateway,
        as2: As2,
        clock: Callable[[], datetime],
        seconds: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._gateway = gateway
        self._as2 = as2
        self._clock = clock
        # Redirects lead elsewhere than to what an operator wrote.
        self._http = httpx.AsyncClient(
            timeout=seconds, follow_redirects=False, trust_env=False, transport=transport
        )

    async def post(self, foreign: Foreign, signed: bytes) -> PostAnswer:
        """What its door said; PartnerError when it said nothing, or a receipt that proves nothing."""
        kept = read_kept(signed)
        if isinstance(kept, KeptMessage):
            return await self._post(foreign.as2.url, kept.post, receipted=foreign.as2.receipt == "sync")
        if not kept.address:  # it was the answer of a connection: who lost it sends its message again
            return PostAnswer(200)
        return await self._post(kept.address, kept.post, receipted=False)

    async def _post(self, url: str, post: Post, *, receipted: bool) -> PostAnswer:
        try:
            async with self._http.stream(
                "POST", url, content=post.body, headers=dict(post.headers)
            ) as answer:
                said = PostAnswer(answer.status_code, _seconds(answer.headers.get("retry-after")))
                if receipted and said.taken:
                    body = bytearray()
                    async for part in answer.aiter_bytes():
                        body += part
                        if len(body) > RECEIPT_MAX:
                            raise PartnerError("the receipt has no end")
                    self._take(mime.of_http(answer.headers.multi_items(), bytes(body)))
                return said
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PartnerError(f"no answer: {type(error).__name__}") from error

    def _take(self, found: mime.Entity) -> None:
        """A receipt on the same connection. One that proves nothing is none: the message goes again, as it went."""
        try:
            if is_receipt(found):
                take_reply(self._gateway, self._as2.reply(self._gateway, found, self._clock()), self._clock())
        except (As2Error, Refused) as error:
            LOG.warning("as2 receipt", extra={"why": error.why})
            raise PartnerError(f"a receipt that proves nothing: {error.why}") from error

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._http.aclose()


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
