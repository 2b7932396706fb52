"""The door for partners that speak AS4: one address, one method. A receipt that it gives is on disk before, with its message.

What does not verify leaves nothing behind. If it names a partner and an id it is told in a signed error, on the connection; else
by the status alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from intertie.bindings.as4.kept import KeptAnswers, KeptSignal, read_kept, signal_post
from intertie.bindings.as4.replies import read_pushed, reply_of
from intertie.bindings.as4.translator import As4
from intertie.bindings.bounded_posts import BoundedPosts
from intertie.formats.as2 import mime
from intertie.formats.as4.flaws import As4Error
from intertie.formats.as4.message import Opened, open_post
from intertie.formats.as4.signal import is_signal
from intertie.formats.as4.user_message import UserMessage, read_user
from intertie.gateway.configuration.as4_settings import As4Door
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.translating.accept_file import accept_file
from intertie.gateway.translating.deliver_file import doubt, take_level
from intertie.gateway.translating.foreign import Foreign, Level
from intertie.model.errors import Code, Refused

LOG = logging.getLogger("intertie.as4")
PATH = "/as4"
# By the code of what is refused without a signal.
STATUSES = {Code.UNKNOWN_SENDER: 403, Code.WRONG_RECIPIENT: 403, Code.SENDER_SUSPENDED: 403}


class As4Doorway:
    """The application. `ticks` is a monotonic clock in seconds, `clock` the gateway's."""

    def __init__(
        self,
        gateway: Gateway,
        as4: As4,
        settings: As4Door,
        clock: Callable[[], datetime],
        ticks: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._as4 = as4
        self._clock = clock
        self._posts = BoundedPosts(LOG, settings.posts_per_minute, settings.body_bytes, ticks)

    def app(self) -> Starlette:
        """For a server."""
        return Starlette(routes=[Route(PATH, self.post, methods=["POST"])])

    async def post(self, request: Request) -> Response:
        """POST a message or a signal: 200 with a signal, or 204, once it is kept."""
        return await self._posts.answer(request, self.take)

    def take(self, headers: list[tuple[str, str]], body: bytes) -> Response:
        """Verify a post and do what it says. Raises StoreError, and then nothing is kept."""
        now = self._clock()
        try:
            opened = open_post(mime.of_http(headers, body))
            if is_signal(opened.envelope.messaging):
                return self._signal(opened, now)
            user = read_user(opened.envelope.messaging)
            partner, foreign = self._as4.find(self._gateway, user)
        except As4Error as error:
            LOG.warning("as4 refused", extra={"why": error.flaw.value})
            return Response(error.flaw.value, 400, media_type="text/plain")
        except Refused as refused:
            LOG.warning("as4 refused", extra={"code": refused.code.value, "partner": refused.partner})
            return Response(status_code=STATUSES.get(refused.code, 400))
        return _answer(self._message(opened, user, partner, foreign, now))

    def _message(
        self, opened: Opened, user: UserMessage, partner: Partner, foreign: Foreign, now: datetime
    ) -> bytes:
        """What is kept as our signal."""
        try:
            verified = self._as4.verify(opened, partner, foreign, now)
        except As4Error as error:
            LOG.warning("as4 refused", extra={"partner": partner.party, "why": str(error)})
            return self._as4.failed(user, foreign, error, now)
        received = verified.received
        if received.file is None or received.attached is None or received.user.business.is_test:
            return self._as4.receipt(verified, now)
        brought = self._as4.brought(verified, received.file, received.attached, now)
        return accept_file(self._gateway, brought, self._as4.answer(verified, now), now)

    def _signal(self, opened: Opened, now: datetime) -> Response:
        pushed = read_pushed(self._gateway, opened.envelope, now)
        if pushed is not None:
            foreign, us = pushed.foreign, self._as4.us(pushed.foreign.as4)
            reply = reply_of(self._gateway, foreign, us, pushed.about, pushed.judged, opened.raw, now)
            if reply.accepted:
                take_level(self._gateway, foreign, reply, Level.RECEIPT, now)
            else:  # over other digests: of other bytes, or of another's message
                doubt(self._gateway, reply, now)
        return Response(status_code=204)


def _answer(raw: bytes) -> Response:
    kept = read_kept(raw)
    if isinstance(kept, KeptAnswers):
        kept = kept.receipt
    assert isinstance(kept, KeptSignal), "an answer of ours is a signal"
    post = signal_post(kept)
    return Response(post.body, 200, headers=dict(post.headers))
