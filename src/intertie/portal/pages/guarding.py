"""Who comes in at the pages, from where, and what every answer says to the browser: nothing from outside, nothing inline."""

from __future__ import annotations

import ipaddress
from typing import Any, cast
from urllib.parse import quote, urlsplit

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders
from litestar.handlers import BaseRouteHandler
from litestar.types import Message, Scope

from intertie.gateway.office.office_rights import Right, check_right
from intertie.gateway.office.people import ADDRESS_MAX, AGENT_MAX, Visitor
from intertie.gateway.office.visits import Present, present
from intertie.model.errors import IntertieError
from intertie.portal.door import Office
from intertie.portal.pages.reading import Fields
from intertie.portal.pages.visit import Visit
from intertie.portal.problems import Busy
from intertie.seal.passkeys import Site

Asking = Request[Present, Present, Any]
Connection = ASGIConnection[Any, Any, Any, Any]
API = "/api/"
COOKIE = "intertie"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
# What a browser never keeps: pages show a business, and the next person at the desk must not find them by the way back.
PRIVATE = "no-store"


class SignInFirst(IntertieError):
    """Nobody is signed in."""


class NotFromHere(IntertieError):
    """A form that no page of ours sent."""


async def add_headers(message: Message, scope: Scope) -> None:
    """What each answer of the portal says besides; the API's answers are no pages."""
    if message["type"] != "http.response.start" or scope["path"].startswith(API):
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in HEADERS.items():
        headers[name] = value
    if "cache-control" not in headers:
        headers["Cache-Control"] = PRIVATE
    if scope.get("scheme") == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000"


def secure(connection: Connection) -> bool:
    """Whether it came over TLS."""
    return connection.scope.get("scheme") == "https"


def cookie_name(connection: Connection) -> str:
    """`__Host-`: the browser takes it over TLS only, and from no other host."""
    return f"__Host-{COOKIE}" if secure(connection) else COOKIE


def site_of(connection: Connection) -> Site:
    """The address by which the browser knows the portal. A passkey is bound to it, and the browser checks that."""
    host = connection.headers.get("host", "")
    scheme = "https" if secure(connection) else "http"
    return Site(urlsplit(f"{scheme}://{host}").hostname or "", f"{scheme}://{host}")


def visitor_of(connection: Connection) -> Visitor:
    """Where it comes from. Of an IPv6 address its network counts: a household has 2^64 of them."""
    client = connection.client
    text = client.host if client is not None else ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return Visitor("unknown", connection.headers.get("user-agent", "")[:AGENT_MAX])
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        text = str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False))
    return Visitor(text[:ADDRESS_MAX], connection.headers.get("user-agent", "")[:AGENT_MAX])


def check_origin(connection: Connection) -> None:
    """NotFromHere for a POST that another site made this browser send. Browsers say so (Fetch Metadata; Origin)."""
    site = connection.headers.get("sec-fetch-site")
    origin = connection.headers.get("origin")
    same = origin == site_of(connection).origin if origin is not None else site == "same-origin"
    if not same or site not in (None, "same-origin"):
        raise NotFromHere("the form was not sent from this portal", do="Open the portal's own page.")


def who(connection: Connection) -> Present | None:
    """Who is signed in, if anybody is."""
    office: Office = connection.app.state.office
    key = connection.cookies.get(cookie_name(connection), "")
    seen = "x-refresh" not in connection.headers
    return present(office.people, key, visitor_of(connection), office.clock(), seen=seen)


def stranger_guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """For pages that need nobody: not too often, and no form from elsewhere."""
    office: Office = connection.app.state.office
    if office.strangers.wait(visitor_of(connection).address):
        raise Busy("too many requests from your address", do="Wait a minute.")
    if connection.scope.get("method") == "POST":
        check_origin(connection)


def guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let in who is signed in and has a role that may do this. SignInFirst, NotFromHere, NotAllowed, Busy."""
    right: Right = handler.opt["right"]
    office: Office = connection.app.state.office
    if connection.scope.get("method") == "POST":
        check_origin(connection)
    found = who(connection)
    if found is None:
        raise SignInFirst("nobody is signed in", do="Sign in.")
    connection.scope["auth"] = found
    connection.scope["user"] = found.person.name
    office.buckets.take(f"person {found.person.name}")
    check_right(frozenset(found.person.roles), right)


def visit_of(request: Asking, office: Office) -> Visit:
    """The request, as a page sees it."""
    return Visit(
        office=office,
        present=request.auth,
        visitor=visitor_of(request),
        site=site_of(request),
        path=request.url.path,
        at=cast("dict[str, str]", request.path_params),
        query=Fields.read(request.url.query.encode()),
        now=office.clock(),
    )


def local(path: str | None) -> str:
    """A path of this portal to go on with: never another site, whatever a link says."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")) or "\\" in path:
        return "/"
    if any(ord(c) < 33 or ord(c) > 126 for c in path) or path.startswith(("/sign", API)):
        return "/"
    parts = urlsplit(path)
    return path if not parts.scheme and not parts.netloc else "/"


def sign_in_at(path: str) -> str:
    """Where to sign in, to come back here after it."""
    return f"/sign-in?next={quote(local(path), safe='')}"
