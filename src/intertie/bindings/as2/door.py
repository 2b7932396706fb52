"""The door for partners that speak AS2: one address, one method. A receipt that it gives is on disk before, with its message.

What does not verify leaves nothing behind. It is told on the connection: in a receipt if one is wanted there, else by the status.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from intertie.bindings.as2.kept import KeptAnswers, KeptReceipt, read_kept
from intertie.bindings.as2.translator import As2
from intertie.bindings.bounded_posts import BoundedPosts
from intertie.formats.as2 import mime
from intertie.formats.as2.flaws import As2Error, modifier_of
from intertie.formats.as2.message import Post
from intertie.formats.as2.names import read_asked, read_names
from intertie.formats.as2.receipt import is_receipt
from intertie.gateway.configuration.as2_settings import As2Door
from intertie.gateway.gateway import Gateway
from intertie.gateway.translating.accept_file import accept_file
from intertie.gateway.translating.deliver_file import doubt, take_level
from intertie.gateway.translating.foreign import Level
from intertie.model.errors import Code, Refused

LOG = logging.getLogger("intertie.as2")
PATH = "/as2"
# By the code of what is refused without a receipt.
STATUSES = {Code.UNKNOWN_SENDER: 403, Code.WRONG_RECIPIENT: 403, Code.SENDER_SUSPENDED: 403}


class Answer(NamedTuple):
    """What the door says: a receipt, or a status with a line for people."""

    status: int = 200
    post: Post | None = None
    text: str = ""


class As2Doorway:
    """The application. `ticks` is a monotonic clock in seconds, `clock` the gateway's."""

    def __init__(
        self,
        gateway: Gateway,
        as2: As2,
        settings: As2Door,
        clock: Callable[[], datetime],
        ticks: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._as2 = as2
        self._clock = clock
        self._posts = BoundedPosts(LOG, settings.posts_per_minute, settings.body_bytes, ticks)

    def app(self) -> Starlette:
        """For a server."""
        return Starlette(routes=[Route(PATH, self.post, methods=["POST"])])

    async def post(self, request: Request) -> Response:
        """POST a message or a receipt: 2xx once it is kept."""
        return await self._posts.answer(request, self._response)

    def _response(self, headers: list[tuple[str, str]], body: bytes) -> Response:
        answer = self.take(headers, body)
        if answer.post is None:
            return Response(answer.text, answer.status, media_type="text/plain")
        return Response(answer.post.body, answer.status, headers=dict(answer.post.headers))

    def take(self, headers: list[tuple[str, str]], body: bytes) -> Answer:
        """Verify a post and do what it says. Raises StoreError, and then nothing is kept."""
        found, now = mime.of_http(headers, body), self._clock()
        try:
            if is_receipt(found):
                self._take_receipt(found, now)
                return Answer()
            partner, foreign = self._as2.find(self._gateway, read_names(found))
            asked = read_asked(found)
        except As2Error as error:
            LOG.warning("as2 refused", extra={"why": error.flaw.value})
            return Answer(400, text=error.flaw.value)
        except Refused as refused:
            LOG.warning("as2 refused", extra={"code": refused.code.value, "partner": refused.partner})
            return Answer(STATUSES.get(refused.code, 400))
        try:
            verified = self._as2.verify(found, partner, foreign, now)
        except As2Error as error:
            LOG.warning("as2 refused", extra={"partner": partner.party, "why": str(error)})
            if asked.wanted and not asked.address:
                return Answer(post=self._as2.failed(found, foreign, error, now))
            return Answer(422, text=modifier_of(error.shown))
        answer = accept_file(
            self._gateway, self._as2.brought(verified, now), self._as2.answer(verified, now), now
        )
        kept = read_kept(answer)
        if isinstance(kept, KeptAnswers):
            kept = kept.receipt
        if asked.wanted and not asked.address and isinstance(kept, KeptReceipt):
            return Answer(post=kept.post)
        return Answer()

    def _take_receipt(self, found: mime.Entity, now: datetime) -> None:
        """A receipt that was brought here. It counts, for a message of ours or against it, if it has that message's MIC."""
        told = self._as2.reply(self._gateway, found, now)
        if told is not None and told.ours:
            take_level(self._gateway, told.foreign, told.reply, Level.RECEIPT, now)
        elif told is not None:
            doubt(self._gateway, told.reply, now)
