"""The OAuth routes of the street door. Forms are small, read whole and strictly; Authlib answers them in a thread."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from urllib.parse import parse_qsl

import msgspec
from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from intertie.bindings.oauth import INTROSPECTION, KEYS, METADATA, REVOCATION, TOKEN
from intertie.bindings.oauth.authority import METHOD, Server, TokenRequest
from intertie.bindings.oauth.guard import THREADS, certificate_of, connection_of
from intertie.bindings.parcel_https.limits import STRANGER, Quotas
from intertie.gateway.configuration.settings import Quota, Settings
from intertie.gateway.receiving.authorize import Authority
from intertie.gateway.receiving.scopes import scopes_between
from intertie.model.errors import IntertieError
from intertie.model.party import Role

LOG = logging.getLogger("intertie.oauth")
FORM = "application/x-www-form-urlencoded"
# A token is at most 8 KiB, and so is a list of all scopes; the rest of a form is names.
FORM_BYTES_MAX = 16 * 1024
# No request here has more parameters than five.
PARAMETERS_MAX = 16
# Of forms, by one partner: the default quota of parcels. A partner needs one in minutes; a rehearsal's clock, that
# jumps from day to day, ends a token with each jump.
REQUESTS = Quota()
# How long key sets and metadata may be held: shorter than a token lives, so that a rotation is seen in time.
CACHE = {"cache-control": "max-age=60"}


class OauthRoutes:
    """Token, introspection and revocation endpoints, metadata and keys of one gateway."""

    def __init__(self, authority: Authority, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._authority = authority
        self._server = Server(authority, clock)
        self._street = settings.street
        self._quotas = Quotas(REQUESTS)
        self._clock = clock
        self._threads = CapacityLimiter(THREADS)

    def routes(self) -> list[Route]:
        """To be mounted at the root of the street door."""
        return [
            Route(TOKEN, partial(self._form, self._server.token), methods=["POST"]),
            Route(INTROSPECTION, partial(self._form, self._server.introspect), methods=["POST"]),
            Route(REVOCATION, partial(self._form, self._server.revoke), methods=["POST"]),
            Route(METADATA, self.metadata, methods=["GET"]),
            Route(KEYS, self.keys, methods=["GET"]),
        ]

    async def metadata(self, request: Request) -> Response:
        """GET the metadata (RFC 8414)."""
        body = msgspec.json.encode(metadata_of(self._authority))
        return Response(body, media_type="application/json", headers=CACHE)

    async def keys(self, request: Request) -> Response:
        """GET the public keys of tokens (RFC 7517 s.5)."""
        try:
            body = self._authority.keys.present().jwks(self._clock())
        except IntertieError as error:
            return _unavailable(error)
        return Response(body, media_type="application/jwk-set+json", headers=CACHE)

    async def _form(self, answer: Callable[[TokenRequest], Response], request: Request) -> Response:
        """POST a form."""
        connection = connection_of(request)
        party = connection.party
        known = party if self._authority.gateway.partners.find(party) is not None else STRANGER
        wait = self._quotas.take_parcel(known, time.monotonic())
        if wait:
            return _error(
                429, "temporarily_unavailable", "too many requests", {"retry-after": str(int(wait) + 1)}
            )
        try:
            form = await self._read(request)
        except (ValueError, TimeoutError, ClientDisconnect) as error:
            return _error(
                400, "invalid_request", str(error) or "the form did not come", {"connection": "close"}
            )
        uri = f"{self._authority.issuer}{request.url.path}"
        asked = TokenRequest(uri, form, party, certificate_of(connection))
        try:
            response = await to_thread.run_sync(answer, asked, limiter=self._threads)
        except IntertieError as error:
            return _unavailable(error)
        event = f"{request.url.path.rpartition('/')[2]} {'answered' if response.status_code == 200 else 'refused'}"
        LOG.info(event, extra={"partner": party})
        return response

    async def _read(self, request: Request) -> dict[str, str]:
        """The parameters, each once (RFC 6749 s.3.2), without those that have no value; ValueError says what is wrong."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
            raise ValueError(f"the content type is not {FORM}")
        body = b""
        async with asyncio.timeout(self._street.idle_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > FORM_BYTES_MAX:
                    raise ValueError(f"the form is larger than {FORM_BYTES_MAX} bytes")
        return parse_form(body)


def parse_form(body: bytes) -> dict[str, str]:
    """The parameters of a form. ValueError says what is wrong, and quotes nothing of it: it may hold a token."""
    try:
        pairs = parse_qsl(body.decode("ascii"), strict_parsing=bool(body), max_num_fields=PARAMETERS_MAX)
    except ValueError as error:
        raise ValueError("the form is malformed") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise ValueError("a parameter is repeated")
    if not all(text.isascii() and text.isprintable() for pair in pairs for text in pair):
        raise ValueError("a parameter has characters outside ASCII")
    return form


def metadata_of(authority: Authority) -> dict[str, object]:
    """The metadata of the authorization server (RFC 8414 s.2, RFC 8705 s.3.3 and s.5).

    The aliases are the endpoints themselves: this door knows no connection without a certificate.
    """
    ours = authority.gateway.party.roles
    scopes = scopes_between(authority.gateway.catalogue, frozenset(Role), ours)
    endpoints = {
        "token_endpoint": authority.issuer + TOKEN,
        "introspection_endpoint": authority.issuer + INTROSPECTION,
        "revocation_endpoint": authority.issuer + REVOCATION,
    }
    return {
        "issuer": authority.issuer,
        **endpoints,
        "jwks_uri": authority.issuer + KEYS,
        "scopes_supported": sorted(scopes),
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": [METHOD],
        "introspection_endpoint_auth_methods_supported": [METHOD],
        "revocation_endpoint_auth_methods_supported": [METHOD],
        "tls_client_certificate_bound_access_tokens": True,
        "mtls_endpoint_aliases": endpoints,
    }


def _error(status: int, code: str, description: str, headers: dict[str, str]) -> Response:
    """An error in the form of RFC 6749 s.5.2."""
    body = msgspec.json.encode({"error": code, "error_description": description})
    return Response(body, status, {"cache-control": "no-store", **headers}, "application/json")


def _unavailable(error: IntertieError) -> Response:
    LOG.error("unavailable", extra={"why": error.why})
    return _error(503, "temporarily_unavailable", "this gateway cannot answer now", {"retry-after": "2"})
