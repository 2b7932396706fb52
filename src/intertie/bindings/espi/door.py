"""The door of a data custodian: third parties' programs with tokens, and asking for them, and customers whom they send here."""

from __future__ import annotations

import html
import logging
import string
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import msgspec
from anyio import to_thread
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749.errors import OAuth2Error
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from intertie.bindings.espi.authority import Authority
from intertie.bindings.espi.customers import CustomerPages, asked_cookie
from intertie.bindings.espi.forms import read_body, read_form
from intertie.bindings.espi.queries import BadQuery, read_query
from intertie.bindings.espi.resources import Custodian, Found, NotAllowed, NotThere
from intertie.bindings.parcel_https.limits import Addresses
from intertie.formats.espi.entries import EspiError
from intertie.formats.espi.names import BASE
from intertie.formats.espi.service import LIST_BYTES_MAX, NOTIFICATION, OAUTH, read_list
from intertie.formats.espi.write import entry_bytes, feed_chunks
from intertie.gateway.configuration.espi_settings import EspiDoor
from intertie.gateway.espi.espi_customers import Customers
from intertie.gateway.espi.espi_grants import Bearer, Grants, NotGranted
from intertie.model.errors import IntertieError

LOG = logging.getLogger("intertie.espi")
ATOM = "application/atom+xml"
# Requests of an address that come at once.
BURST = 60.0
# The deepest resource has eight parts.
PARTS_MAX = 10
# Of a parameter by which a customer is sent here: `state` may be long.
TEXT_MAX = 1000
# How often a waiting page asks again.
AGAIN_SECONDS = 5
_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
_PAGE = string.Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">$refresh
<title>$title</title></head><body><main><h1>$title</h1>$text</main></body></html>
"""
)


class EspiDoorway:
    """The application. `ticks` is a monotonic clock in seconds, `clock` the gateway's."""

    def __init__(
        self,
        grants: Grants,
        custodian: Custodian,
        settings: EspiDoor,
        clock: Callable[[], datetime],
        ticks: Callable[[], float],
        told: Callable[[list[str]], int] | None = None,
        customers: Customers | None = None,
    ) -> None:
        """`told` is given what custodians say there is to fetch. Without `customers` nobody answers for themselves here."""
        self._told = told
        self._grants, self._custodian, self._settings = grants, custodian, settings
        self._clock = clock
        self._authority = Authority(grants, settings.url, clock)
        self._addresses = Addresses(settings.requests_per_minute, BURST, ticks)
        self._pages = None
        if customers is not None:
            self._pages = CustomerPages(customers, settings.url, clock, ticks, self._busy, self._asked)
        self._writing = 0  # feeds, from the first look at the store to the last byte

    def app(self) -> Starlette:
        """For a server."""
        app = Starlette(
            routes=[
                Route(f"{OAUTH}/authorize", self.authorize, methods=["GET"]),
                Route(f"{OAUTH}/asked/{{secret}}", self.asked, methods=["GET"]),
                *(self._pages.routes() if self._pages is not None else ()),
                Route(f"{OAUTH}/token", self.token, methods=["POST"]),
                Route(f"{OAUTH}/revoke", self.revoke, methods=["POST"]),
                Route("/.well-known/oauth-authorization-server", self.metadata, methods=["GET"]),
                Route(NOTIFICATION, self.notification, methods=["POST"]),
                Route(f"{BASE}/{{rest:path}}", self.resource, methods=["GET", "DELETE"]),
            ]
        )
        app.router.redirect_slashes = False  # an address is right or not there
        return app

    # Resources

    async def resource(self, request: Request) -> Response:
        """GET an entry or a feed; DELETE an Authorization: the third party wants no more of it."""
        busy = self._busy(request)
        if busy is not None:
            return busy
        now = self._clock()
        try:
            parts = parts_of(request.scope.get("raw_path", b""))
            bearer = await to_thread.run_sync(self._bearer, request.headers, now)
            if request.method == "DELETE":
                return await to_thread.run_sync(self._delete, bearer, parts, now)
            query = read_query(dict(request.query_params), len(request.query_params.multi_items()))
            if self._writing >= self._settings.feeds:
                return _problem(503, "too many feeds are being written", "Try again.", {"retry-after": "5"})
            return await self._answer(bearer, parts, query, now)
        except NotGranted as error:
            return _problem(401, error.why, error.do, {"www-authenticate": 'Bearer error="invalid_token"'})
        except NotAllowed as error:
            return _problem(
                403, error.why, error.do, {"www-authenticate": 'Bearer error="insufficient_scope"'}
            )
        except NotThere as error:
            return _problem(404, error.why, error.do)
        except BadQuery as error:
            return _problem(400, error.why, error.do)
        except IntertieError as error:
            return _unavailable(error)

    async def _answer(self, bearer: Bearer, parts: list[str], query: Any, now: datetime) -> Response:
        def begin() -> tuple[bytes, Iterator[bytes]]:
            found = self._custodian.find(bearer, parts, query, now)
            chunks = self._chunks(found)
            return next(chunks), chunks

        self._writing += 1
        try:
            first, rest = await to_thread.run_sync(begin)
        except BaseException:
            self._written()
            raise
        LOG.info("espi", extra={"application": bearer.application.id, "resource": parts[0]})
        return _Feed(_stream(first, rest), self._written)

    def _written(self) -> None:
        self._writing -= 1

    def _chunks(self, found: Found) -> Iterator[bytes]:
        if found.head is None:
            yield entry_bytes(next(found.nodes), self._settings.url)
            return
        yield from feed_chunks(found.head, found.nodes, self._settings.url)

    def _bearer(self, headers: Mapping[str, str], now: datetime) -> Bearer:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise NotGranted("a token is needed", do=f"Ask {self._settings.url}{OAUTH}/token for one.")
        return self._grants.let_in(token.strip(), now)

    def _delete(self, bearer: Bearer, parts: list[str], now: datetime) -> Response:
        if len(parts) != 2 or parts[0] != "Authorization":
            return _problem(405, "only an Authorization can be deleted", "GET it.", {"allow": "GET, HEAD"})
        if bearer.consent is not None and bearer.consent.id != parts[1]:
            raise NotThere("there is no such resource for this token")
        if self._grants.book.consent(bearer.application.id, parts[1]) is None:
            raise NotThere("there is no such resource for this token")
        self._grants.revoke(bearer.application.id, parts[1], now)
        LOG.info("espi consent given back", extra={"application": bearer.application.id})
        return Response(status_code=204, headers=_HEADERS)

    async def notification(self, request: Request) -> Response:
        """POST by a custodian, or by anybody who says to be one: what lies with a custodian of ours is looked at, no more."""
        busy = self._busy(request)
        if busy is not None:
            return busy
        if self._told is None:
            return _problem(
                404, "nothing is fetched from custodians here", "Ask whoever registered this address."
            )
        try:
            addresses = read_list(await read_body(request, LIST_BYTES_MAX))
            count = await to_thread.run_sync(self._told, addresses)
        except (ValueError, TimeoutError, ClientDisconnect) as error:
            return _problem(400, str(error) or "the list did not come", "Send it again.")
        except EspiError as error:
            return _problem(400, error.why, error.do)
        except IntertieError as error:
            return _unavailable(error)
        LOG.info("espi told of", extra={"count": count})
        return Response(status_code=200, headers=_HEADERS)

    # Tokens

    async def token(self, request: Request) -> Response:
        """POST a form, for a token."""
        return await self._form(request, self._authority.token)

    async def revoke(self, request: Request) -> Response:
        """POST a form, and a token opens nothing any more."""
        return await self._form(request, self._authority.revoke)

    async def _form(
        self, request: Request, answer: Callable[[Mapping[str, str], Mapping[str, str]], Response]
    ) -> Response:
        busy = self._busy(request)
        if busy is not None:
            return busy
        try:
            form = await read_form(request)
        except (ValueError, TimeoutError, ClientDisconnect) as error:
            said = {"error": "invalid_request", "error_description": str(error) or "the form did not come"}
            return Response(msgspec.json.encode(said), 400, _HEADERS, "application/json")
        try:
            response = await to_thread.run_sync(answer, form, request.headers)
        except ValueError:  # as in `authorize`
            said = {
                "error": "invalid_request",
                "error_description": "a parameter has characters that none has",
            }
            return Response(msgspec.json.encode(said), 400, _HEADERS, "application/json")
        except IntertieError as error:
            return _unavailable(error)
        good = response.status_code == 200
        LOG.info("espi token", extra={"status": "answered" if good else "refused"})
        return response

    async def metadata(self, request: Request) -> Response:
        """GET the metadata (RFC 8414)."""
        url = self._settings.url
        said = {
            "issuer": url,
            "authorization_endpoint": f"{url}{OAUTH}/authorize",
            "token_endpoint": f"{url}{OAUTH}/token",
            "revocation_endpoint": f"{url}{OAUTH}/revoke",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256", "plain"],
            "authorization_response_iss_parameter_supported": True,
        }
        return Response(msgspec.json.encode(said), 200, _HEADERS, "application/json")

    # Customers

    async def authorize(self, request: Request) -> Response:
        """GET by a customer's browser, sent by a third party: to the page on which the customer waits."""
        busy = self._busy(request)
        if busy is not None:
            return busy
        said = dict(request.query_params)
        plain = all(text.isascii() and text.isprintable() and len(text) < TEXT_MAX for text in said.values())
        if len(said) != len(request.query_params.multi_items()) or not plain:
            text = "A parameter is in it twice, or is no plain text. Go back, and try again."
            return _page(400, "This request is not right", text)
        try:
            secret = await to_thread.run_sync(self._authority.authorize, said)
        except OAuth2Error as error:
            return self._not_asked(error)
        except ValueError:  # Authlib quotes what was said, and finds that it may not be quoted
            return _page(
                400, "This request is not right", "The third party that sent you here made a mistake."
            )
        except NotGranted as error:
            return _page(503, "Not now", f"{error.why}. {error.do}")
        except IntertieError as error:
            LOG.error("espi", extra={"why": error.why})
            return _page(503, "Not now", "Try again later.")
        more = {} if self._pages is None else {"set-cookie": asked_cookie(secret)}
        return Response(status_code=303, headers=_HEADERS | more | {"location": f"{OAUTH}/asked/{secret}"})

    async def asked(self, request: Request) -> Response:
        """GET by the customer's browser, again and again, until there is an answer: then back to the third party."""
        busy = self._busy(request)
        if busy is not None:
            return busy
        secret = request.path_params["secret"]

        def look() -> Response:
            asking = self._grants.asked(secret, self._clock())
            own = self._pages is not None and self._pages.is_own(request, secret)
            if asking.own and not own:
                raise NotGranted("nobody waits here", do="Begin again at the third party.")
            if self._pages is not None and own and asking.consent is None and not asking.denied:
                return self._pages.asked_page(request, asking, secret)
            return self._asked(secret, self._clock())

        try:
            return await to_thread.run_sync(look)
        except NotGranted as error:
            return _page(404, "Nobody waits here", f"{error.why}. {error.do}")
        except IntertieError as error:
            return _unavailable(error)

    def _asked(self, secret: str, now: datetime) -> Response:
        """Back to the third party if there is an answer, else to wait. Blocks. NotGranted."""
        asking, code = self._grants.code_for(secret, now)
        state = [("state", asking.state)] if asking.state else []
        if asking.denied:
            return self._back(asking.redirect_uri, [("error", "access_denied"), *state])
        if code is not None:
            return self._back(asking.redirect_uri, [("code", code), *state])
        if asking.redeemed:
            return _page(200, "You have consented", "This is over. You may close this page.")
        application = self._grants.book.application(asking.application)
        name = application.name if application is not None else "A third party"
        text = (
            f"{name} asks for your meter readings ({asking.scope}). Tell us that you agree, and name this number: {asking.id}. "
            "Leave this page open: it goes on by itself once we have your answer."
        )
        return _page(200, "We wait for your answer", text, again=True)

    def _back(self, uri: str, said: list[tuple[str, str]]) -> Response:
        location = add_params_to_uri(uri, [*said, ("iss", self._settings.url)])
        return Response(status_code=302, headers=_HEADERS | {"location": location})

    def _not_asked(self, error: OAuth2Error) -> Response:
        """Back to the third party, if it is known where that is; else a page: a stranger's address is not followed."""
        uri = getattr(error, "redirect_uri", None)
        if not uri:
            return _page(
                400,
                "This request is not right",
                "The third party that sent you here made a mistake. Tell it so.",
            )
        state = getattr(error, "state", None)
        more = [("state", state)] if state else []
        return self._back(uri, [("error", str(error.error)), *more])

    def _busy(self, request: Request) -> Response | None:
        wait = self._addresses.wait(request.client.host if request.client else "")
        return (
            _problem(429, "too many requests", "Wait.", {"retry-after": str(int(wait) + 1)}) if wait else None
        )


class _Feed(StreamingResponse):
    """A feed on its way; `over` is told once, however it ends: its reader may be gone before the first byte."""

    def __init__(self, chunks: AsyncIterator[bytes], over: Callable[[], None]) -> None:
        super().__init__(chunks, 200, _HEADERS, ATOM)
        self._over = over

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._over()


async def _stream(first: bytes, rest: Iterator[bytes]) -> AsyncIterator[bytes]:
    """What fails here cuts the connection: half a feed is no feed."""
    chunk: bytes | None = first
    while chunk is not None:
        yield chunk
        chunk = await to_thread.run_sync(next, rest, None)


def parts_of(raw_path: bytes) -> list[str]:
    """The parts of a path below the root of resources, each by itself: a meter's name may have a slash. NotThere."""
    try:
        path = raw_path.decode("ascii").partition("?")[0]
    except UnicodeDecodeError as error:
        raise NotThere("there is no such resource") from error
    parts = path.removeprefix(f"{BASE}/").rstrip("/").split("/")
    if len(parts) > PARTS_MAX or not all(parts):
        raise NotThere("there is no such resource")
    return [unquote(part) for part in parts]


def _page(status: int, title: str, text: str, *, again: bool = False) -> Response:
    refresh = f'<meta http-equiv="refresh" content="{AGAIN_SECONDS}">' if again else ""
    body = _PAGE.substitute(title=html.escape(title), text=f"<p>{html.escape(text)}</p>", refresh=refresh)
    return Response(body, status, _HEADERS, "text/html; charset=utf-8")


def _problem(status: int, why: str, do: str, more: Mapping[str, str] | None = None) -> Response:
    body = msgspec.json.encode({"status": status, "detail": why, "do": do}) + b"\n"
    return Response(body, status, {**_HEADERS, **(more or {})}, "application/problem+json")


def _unavailable(error: IntertieError) -> Response:
    LOG.error("espi", extra={"why": error.why})
    return _problem(503, "this gateway cannot answer now", "Try again later.", {"retry-after": "5"})
