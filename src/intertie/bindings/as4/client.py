"""Posting AS4 messages to partners; their receipts come back on the same connection, or later at our door."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import httpx

from intertie.bindings.as4.kept import KeptAnswers, KeptMessage, read_kept
from intertie.bindings.as4.replies import is_answer, judge, message_of, reply_of
from intertie.bindings.as4.translator import As4
from intertie.formats.as2 import mime
from intertie.formats.as4.flaws import As4Error
from intertie.formats.as4.message import Opened, open_post
from intertie.formats.as4.names import SOAP_KIND
from intertie.formats.as4.signal import is_signal
from intertie.formats.as4.xml import ENVELOPE_BYTES_MAX
from intertie.gateway.gateway import Gateway
from intertie.gateway.translating.deliver_file import take_level
from intertie.gateway.translating.deliver_translated import PostAnswer
from intertie.gateway.translating.files import File
from intertie.gateway.translating.foreign import Foreign, Level
from intertie.model.errors import PartnerError, Refused

LOG = logging.getLogger("intertie.as4")
# A signal is an envelope, alone or as the only part of a multipart.
SIGNAL_BYTES_MAX = ENVELOPE_BYTES_MAX + 4096
# What an answer of ours that a partner refuses with an error counts as: it will never take it.
NOT_TAKEN = 422


class _Came(NamedTuple):
    answer: PostAnswer
    signal: Opened | None


class As4Client:
    """Posts what was kept, and takes the signal that comes back; close it when done."""

    def __init__(
        self,
        gateway: Gateway,
        as4: As4,
        clock: Callable[[], datetime],
        seconds: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._gateway = gateway
        self._as4 = as4
        self._clock = clock
        # Redirects lead elsewhere than to what an operator wrote.
        self._http = httpx.AsyncClient(
            timeout=seconds, follow_redirects=False, trust_env=False, transport=transport
        )

    async def post(self, foreign: Foreign, signed: bytes) -> PostAnswer:
        """What its door said; PartnerError when it said nothing, or what proves nothing."""
        kept = read_kept(signed)
        if isinstance(kept, KeptMessage):
            return await self._message(foreign, kept)
        said = PostAnswer(
            200
        )  # a receipt was the answer of its connection: who lost it sends its message again
        for message in kept.messages if isinstance(kept, KeptAnswers) else ():
            if said.taken:
                said = await self._message(foreign, message)
        return said

    async def put(self, foreign: Foreign, file: File) -> PostAnswer:
        """A sealed parcel, as a file; as `post`."""
        try:
            kept = self._as4.carry(foreign, file, self._clock())
        except As4Error as error:
            raise PartnerError(error.why, do=error.do) from error
        return await self.post(foreign, kept)

    async def _message(self, foreign: Foreign, kept: KeptMessage) -> PostAnswer:
        came = await self._exchange(foreign, kept)
        if came.signal is None:
            return came.answer
        now, identity = self._clock(), message_of(kept)
        try:
            judged = judge(foreign, kept, came.signal.envelope, now)
            if is_answer(identity):  # nobody waits for its receipt
                refused = judged.refusal
                return PostAnswer(NOT_TAKEN, said=refused) if refused else PostAnswer(200)
            us = self._as4.us(foreign.as4)
            reply = reply_of(self._gateway, foreign, us, identity, judged, came.signal.raw, now)
            take_level(self._gateway, foreign, reply, Level.RECEIPT, now)
        except (As4Error, Refused) as error:
            LOG.warning("as4 signal", extra={"message_id": identity, "why": error.why})
            raise PartnerError(f"a signal that proves nothing: {error.why}") from error
        return PostAnswer(200)

    async def _exchange(self, foreign: Foreign, kept: KeptMessage) -> _Came:
        assert kept.post is not None, "only what is ours goes"
        try:
            async with self._http.stream(
                "POST", foreign.as4.url, content=kept.post.body, headers=dict(kept.post.headers)
            ) as answer:
                said = PostAnswer(answer.status_code, _seconds(answer.headers.get("retry-after")))
                kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
                if kind not in (SOAP_KIND, "multipart/related"):
                    return _Came(said, None)
                body = bytearray()
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > SIGNAL_BYTES_MAX:
                        raise PartnerError("the signal has no end")
                found = mime.of_http(answer.headers.multi_items(), bytes(body))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PartnerError(f"no answer: {type(error).__name__}") from error
        return _Came(said, _signal(found, said))

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._http.aclose()


def _signal(found: mime.Entity, said: PostAnswer) -> Opened | None:
    """The signal of an answer; None for a fault of SOAP, whose status says all. PartnerError for what is none of them."""
    try:
        opened = open_post(found)
        if is_signal(opened.envelope.messaging):
            return opened
    except As4Error as error:
        if not said.taken:
            return None
        raise PartnerError(f"an answer that is no signal: {error.why}") from error
    raise PartnerError("an answer that is no signal")


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
