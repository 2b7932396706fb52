"""Posting AS2 messages to partners, and receipts that they wanted later."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import httpx

from intertie.bindings.as2.kept import KeptAnswers, KeptMessage, KeptReceipt, read_kept
from intertie.bindings.as2.translator import As2
from intertie.formats.as2 import mime
from intertie.formats.as2.flaws import As2Error
from intertie.formats.as2.message import Post
from intertie.formats.as2.receipt import is_receipt
from intertie.gateway.gateway import Gateway
from intertie.gateway.translating.deliver_file import take_level
from intertie.gateway.translating.deliver_translated import PostAnswer
from intertie.gateway.translating.files import File
from intertie.gateway.translating.foreign import Foreign, Level
from intertie.model.errors import PartnerError, Refused
from intertie.seal.tls_files import context_towards

LOG = logging.getLogger("intertie.as2")
# A receipt has a few kilobytes, its certificates among them.
RECEIPT_MAX = 256 * 1024
# What an answer of ours, or a parcel, that a partner refuses counts as.
NOT_TAKEN = 422


class As2Client:
    """Posts what was kept, and takes the receipt that comes back; close it when done."""

    def __init__(
        self,
        gateway: Gateway,
        as2: As2,
        clock: Callable[[], datetime],
        seconds: float,
        transport: httpx.AsyncBaseTransport | None = None,
        file: Callable[[str], Path] = Path,
    ) -> None:
        """`file` finds a file of ours."""
        self._gateway = gateway
        self._as2 = as2
        self._clock = clock
        self._seconds, self._transport, self._file = seconds, transport, file
        # By the authorities that are believed: those of this machine, or of a file as it is now.
        self._http: dict[tuple[str, int], httpx.AsyncClient] = {}

    async def post(self, foreign: Foreign, signed: bytes) -> PostAnswer:
        """What its door said; PartnerError when it said nothing, or a receipt that proves nothing."""
        kept = read_kept(signed)
        if not isinstance(kept, KeptAnswers):
            return await self._post_kept(foreign, kept)
        said = await self._post_kept(foreign, kept.receipt)
        for message in kept.messages:
            if said.taken:
                said = await self._post_kept(foreign, message)
        return said

    async def put(self, foreign: Foreign, file: File) -> PostAnswer:
        """A sealed parcel, as a file; as `post`."""
        try:
            kept = self._as2.carry(foreign, file, self._clock())
        except As2Error as error:
            raise PartnerError(error.why, do=error.do) from error
        return await self.post(foreign, kept)

    async def _post_kept(self, foreign: Foreign, kept: KeptMessage | KeptReceipt) -> PostAnswer:
        if isinstance(kept, KeptMessage):
            receipted = foreign.as2.receipt == "sync"
            return await self._post(foreign, foreign.as2.url, kept.post, receipted=receipted)
        if not kept.address:  # it was the answer of a connection: who lost it sends its message again
            return PostAnswer(200)
        return await self._post(foreign, kept.address, kept.post, receipted=False)

    def _client(self, foreign: Foreign) -> httpx.AsyncClient:
        """For its server. SettingsError for a ca_file that is none."""
        name = foreign.as2.ca_file
        path = self._file(name) if name else None
        known = (name, path.stat().st_mtime_ns if path is not None and path.exists() else 0)
        if known not in self._http:
            verify = context_towards(path, "ca_file") if path is not None else True
            # Redirects lead elsewhere than to what an operator wrote.
            self._http[known] = httpx.AsyncClient(
                timeout=self._seconds,
                follow_redirects=False,
                trust_env=False,
                transport=self._transport,
                verify=verify,
            )
        return self._http[known]

    async def _post(self, foreign: Foreign, url: str, post: Post, *, receipted: bool) -> PostAnswer:
        try:
            async with self._client(foreign).stream(
                "POST", url, content=post.body, headers=dict(post.headers)
            ) as answer:
                said = PostAnswer(answer.status_code, _seconds(answer.headers.get("retry-after")))
                if receipted and said.taken:
                    body = bytearray()
                    async for part in answer.aiter_bytes():
                        body += part
                        if len(body) > RECEIPT_MAX:
                            raise PartnerError("the receipt has no end")
                    refusal = self._take(foreign, mime.of_http(answer.headers.multi_items(), bytes(body)))
                    return PostAnswer(NOT_TAKEN, said=refusal) if refusal else said
                return said
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PartnerError(f"no answer: {type(error).__name__}") from error

    def _take(self, foreign: Foreign, found: mime.Entity) -> str:
        """A receipt on the same connection; why an answer of ours, or a parcel, was not taken. One that proves nothing is
        none: the message goes again, as it went."""
        try:
            if is_receipt(found):
                now = self._clock()
                told = self._as2.reply(self._gateway, found, now)
                if told is None:
                    return self._as2.refusal(found, foreign, now)
                # On the connection that we opened: about what we posted, MIC or not.
                take_level(self._gateway, foreign, told.reply, Level.RECEIPT, now)
        except (As2Error, Refused) as error:
            LOG.warning("as2 receipt", extra={"why": error.why})
            raise PartnerError(f"a receipt that proves nothing: {error.why}") from error
        return ""

    async def aclose(self) -> None:
        """Let go of connections."""
        for client in self._http.values():
            await client.aclose()


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
