"""The door for partners that speak Internet ET: a form, and on the same connection the signed receipt. What a receipt calls `ok`
is on disk before.

All that is wrong with a package is said in a receipt, by its code, and leaves nothing behind. Without a receipt stay only: no
login, a request that was cut off, and our own store being away, so that the partner sends again.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from intertie.bindings.internet_et.late import take_notice
from intertie.bindings.internet_et.resends import accept
from intertie.bindings.internet_et.translator import InternetEt, Stamp
from intertie.bindings.parcel_https.limits import Addresses
from intertie.formats.internet_et.codes import Code, EtError, status
from intertie.formats.internet_et.fields import Agreed, flaw
from intertie.formats.internet_et.form import Form, FormError, read_form
from intertie.formats.internet_et.terms import InternetEtTerms
from intertie.formats.upload_terms import is_hashed_secret
from intertie.gateway.configuration.internet_et_settings import InternetEtDoor
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import IntertieError, Refused, StoreError

LOG = logging.getLogger("intertie.internet_et")
# Partners are told an address; some write nothing but a query after the host.
PATHS = ("/internet-et", "/")
# Posts of an address that come at once.
BURST = 50.0
# `trans-id` counts in these parts of a second since 1970: fifteen digits until the year 2286, and never one twice.
TRANS_PER_SECOND = 100_000


class Answer(NamedTuple):
    """What the door says: a receipt, or a status with a line for people."""

    status: int = 200
    kind: str = "text/plain"
    body: bytes = b""


class InternetEtDoorway:
    """The application. `ticks` is a monotonic clock in seconds, `clock` the gateway's."""

    def __init__(
        self,
        gateway: Gateway,
        it: InternetEt,
        settings: InternetEtDoor,
        clock: Callable[[], datetime],
        ticks: Callable[[], float],
    ) -> None:
        self._gateway, self._it, self._settings = gateway, it, settings
        self._clock = clock
        self._addresses = Addresses(settings.posts_per_minute, BURST, ticks)
        self._trans = 0

    def app(self) -> Starlette:
        """For a server."""
        return Starlette(routes=[Route(path, self.post, methods=["POST"]) for path in PATHS])

    async def post(self, request: Request) -> Response:
        """POST a package: 200 with the receipt."""
        wait = self._addresses.wait(request.client.host if request.client else "")
        if wait:
            return Response(status_code=429, headers={"retry-after": str(int(wait) + 1)})
        try:
            body = await self._body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return Response(status_code=413)
        stamp = self._stamp()
        headers = request.headers
        try:
            answer = await run_in_threadpool(self.take, headers, body, stamp)
        except StoreError as error:
            LOG.error("store", extra={"why": error.why})
            return Response(status_code=503, headers={"retry-after": "60"})
        except IntertieError as error:
            LOG.error("internet et", extra={"why": error.why})
            return Response(status_code=500)
        more = {"www-authenticate": 'Basic realm="internet-et"'} if answer.status == 401 else {}
        return Response(answer.body, answer.status, headers={"content-type": answer.kind, **more})

    async def _body(self, request: Request) -> bytes | None:
        """All of it; None if it is longer than it may be."""
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > self._settings.body_bytes:
                return None
        return bytes(body)

    def _stamp(self) -> Stamp:
        now = self._clock()
        self._trans = max(self._trans + 1, int(now.timestamp() * TRANS_PER_SECOND))
        return Stamp(now, self._trans)

    def take(self, headers: Mapping[str, str], body: bytes, stamp: Stamp) -> Answer:
        """Verify a package and do what it says. Raises StoreError, and then nothing is kept."""
        terms: InternetEtTerms | None = None
        try:
            form = read_form(headers.get("content-type", ""), body)
            found = self._known(form)
            if found is not None:
                terms = found[1].internet_et
                if not _is_in(terms, headers.get("authorization", "")):
                    return Answer(401, body=b"user or password is wrong")
            self._check(form, terms)
            partner, foreign = found or self._it.find(self._gateway, form.fields)
            return self._take(form, partner, foreign, stamp)
        except FormError as error:
            LOG.warning("internet et refused", extra={"why": error.why})
            return Answer(400, body=error.why.encode())
        except EtError as error:
            LOG.warning("internet et refused", extra={"why": error.why})
            return Answer(200, *self._it.receipt(error.why, stamp, terms))
        except Refused as refused:
            LOG.warning("internet et refused", extra={"code": refused.code.value, "partner": refused.partner})
            return Answer(200, *self._it.receipt(status(Code.NOT_PARTNERS), stamp, terms))
        except StoreError:
            raise
        except IntertieError as error:
            LOG.error("internet et", extra={"why": error.why})
            return Answer(200, *self._it.receipt(status(Code.SYSTEM), stamp, terms))

    def _known(self, form: Form) -> tuple[Partner, Foreign] | None:
        """Who says that it wrote, if that is a partner, and for us."""
        if not form.fields.get("from") or not form.fields.get("to"):
            return None
        try:
            return self._it.find(self._gateway, form.fields)
        except EtError:
            return None

    def _check(self, form: Form, terms: InternetEtTerms | None) -> None:
        found = flaw(
            form.fields, file=form.data is not None, agreed=terms.agreed if terms is not None else Agreed()
        )
        if found is not None:
            raise EtError(found)

    def _take(self, form: Form, partner: Partner, foreign: Foreign, stamp: Stamp) -> Answer:
        now = self._clock()
        if form.fields["input-format"].lower() == "error":
            take_notice(self._gateway, partner, foreign, form, now)
            return Answer(200, *self._it.receipt("ok", stamp, foreign.internet_et))
        verified = self._it.verify(form, partner, foreign, now)
        receipt = accept(self._gateway, self._it, verified, stamp, now)
        LOG.info("internet et", extra={"partner": partner.party, "count": len(verified.file)})
        return Answer(200, receipt.kind, receipt.body)


def _is_in(terms: InternetEtTerms, authorization: str) -> bool:
    """Whether it has logged in, where that was agreed."""
    if terms.their_user is None:
        return True
    scheme, _, said = authorization.partition(" ")
    try:
        user, _, secret = base64.b64decode(said, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return False
    good = is_hashed_secret(terms.their_secrets, secret)
    return scheme.lower() == "basic" and user == terms.their_user and good
