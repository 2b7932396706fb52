"""Authlib's authorization server over our own grants: code, refresh and client credentials, PKCE where a third party has it, and
revocation. Authlib reads requests and writes errors as the RFCs say; what is granted is decided in espi_grants.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidScopeError, OAuth2Error
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from starlette.responses import Response

from intertie.formats.espi.names import BASE
from intertie.formats.espi.scope import BadScope
from intertie.formats.espi.service import OAUTH, subscription_of
from intertie.gateway.espi.espi_grants import Given, Grants, NotGranted
from intertie.gateway.espi.espi_ports import Application, Asking, Consent

METHODS = ("client_secret_basic", "client_secret_post")
GRANTS = ("authorization_code", "refresh_token", "client_credentials")
HEADERS = {"cache-control": "no-store", "pragma": "no-cache"}


class Asked(OAuth2Request):
    """A request with its parameters, each once."""

    def __init__(self, method: str, uri: str, said: Mapping[str, str], headers: Mapping[str, str]) -> None:
        super().__init__(method, uri, headers={name.title(): value for name, value in headers.items()})
        self.payload = BasicOAuth2Payload(dict(said))

    @property
    def args(self) -> dict[str, str]:
        """The parameters of the query."""
        return self.payload.data  # type: ignore[no-any-return]

    @property
    def form(self) -> dict[str, str]:
        """The parameters of the form."""
        return self.payload.data  # type: ignore[no-any-return]


class _Client(ClientMixin):
    """A third party's application."""

    def __init__(self, grants: Grants, application: Application) -> None:
        self.grants, self.application = grants, application

    def get_client_id(self) -> str:
        return self.application.id

    def get_default_redirect_uri(self) -> str | None:
        uris = self.application.redirect_uris
        return uris[0] if len(uris) == 1 else None

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or self.application.scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.application.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        return self.grants.is_secret_of(self.application.id, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in METHODS

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in GRANTS


class _Code:
    """A code that was redeemed, as Authlib asks about it."""

    def __init__(self, asking: Asking, redirect_uri: str) -> None:
        self.asking = asking
        self.redirect_uri = redirect_uri
        self.code_challenge = asking.challenge
        self.code_challenge_method = asking.method or None

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.asking.scope


class _Refresh:
    """A refresh token that counts."""

    def __init__(self, consent: Consent) -> None:
        self.consent = consent

    def check_client(self, client: _Client) -> bool:
        return client.application.id == self.consent.application

    def get_scope(self) -> str:
        return self.consent.scope


class _CodeGrant(AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def query_authorization_code(self, code: str, client: _Client) -> _Code | None:
        try:
            asking = self.server.grants.redeem(client.application.id, code, self.server.clock())
        except NotGranted:
            return None
        named = self.request.payload.redirect_uri or client.get_default_redirect_uri() is None
        return _Code(asking, asking.redirect_uri if named else "")

    def delete_authorization_code(self, authorization_code: _Code) -> None:
        """It counts no more since it was looked for."""

    def authenticate_user(self, authorization_code: _Code) -> str | None:
        return authorization_code.asking.consent


class _RefreshGrant(RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def authenticate_refresh_token(self, refresh_token: str) -> _Refresh | None:
        try:
            return _Refresh(self.server.grants.refreshed_by(refresh_token, self.server.clock()))
        except NotGranted:
            return None

    def authenticate_user(self, refresh_token: _Refresh) -> str:
        return refresh_token.consent.id

    def revoke_old_credential(self, refresh_token: _Refresh) -> None:
        """It lives until it is not used for a year: an answer that was lost costs nobody a customer's consent."""


class _OwnGrant(ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS


class _Token:
    def __init__(self, text: str) -> None:
        self.text = text

    def check_client(self, client: _Client) -> bool:
        return True  # looked at when it is ended: another's token is not


class _Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = METHODS

    def query_token(self, token_string: str, token_type_hint: str | None) -> _Token:
        return _Token(token_string)

    def revoke_token(self, token: _Token, request: Asked) -> None:
        self.server.grants.end_token(request.client.application.id, token.text, self.server.clock())


class Authority(AuthorizationServer):
    """The authorization server. Its methods block: they ask and write files."""

    def __init__(self, grants: Grants, host: str, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self.grants, self.host, self.clock = grants, host, clock
        self.register_token_generator("default", self._generate)
        self.register_grant(_CodeGrant, [CodeChallenge(required=False)])
        self.register_grant(_RefreshGrant)
        self.register_grant(_OwnGrant)
        self.register_endpoint(_Revocation)

    def token(self, form: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        """The answer of the token endpoint."""
        return self.create_token_response(Asked("POST", f"{self.host}{OAUTH}/token", form, headers))  # type: ignore[no-any-return]

    def revoke(self, form: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        """The answer of the revocation endpoint."""
        request = Asked("POST", f"{self.host}{OAUTH}/revoke", form, headers)
        return self.create_endpoint_response(_Revocation.ENDPOINT_NAME, request)  # type: ignore[no-any-return]

    def authorize(self, said: Mapping[str, str]) -> str:
        """A customer is sent here by a third party: the secret of the page on which it waits. OAuth2Error."""
        request = Asked("GET", f"{self.host}{OAUTH}/authorize", said, {})
        grant = self.get_consent_grant(request)
        application = request.client.application
        state, challenge = said.get("state", ""), said.get("code_challenge", "")
        method = said.get("code_challenge_method", "plain" if challenge else "")
        try:
            return self.grants.ask(
                application, grant.redirect_uri, str(request.scope), state, (challenge, method), self.clock()
            )
        except BadScope as error:
            raise self._led_back(InvalidScopeError(error.why), grant.redirect_uri, state) from error

    def _led_back(self, error: OAuth2Error, redirect_uri: str, state: str) -> OAuth2Error:
        error.redirect_uri, error.state = redirect_uri, state
        return error

    # What Authlib asks of whoever uses it

    def query_client(self, client_id: str) -> _Client | None:
        """The application, if it counts."""
        one = self.grants.book.application(client_id)
        return None if one is None or one.revoked is not None else _Client(self.grants, one)

    def save_token(self, token: dict[str, object], request: Asked) -> None:
        """It was kept when it was made."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: Asked) -> Asked:
        """The request is made already."""
        return request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Response:
        """JSON, never kept by anyone on the way."""
        content = msgspec.json.encode(body) if body else b"{}"
        said = {name.lower(): text for name, text in headers if name.lower() != "content-type"}
        return Response(content, status, {**said, **HEADERS}, "application/json")

    def _generate(
        self,
        *,
        grant_type: str,
        client: _Client,
        user: str | None = None,
        scope: str | None = None,
        **_: object,
    ) -> dict[str, object]:
        """The token answer of ESPI: with it come the addresses of what it opens."""
        id, now = client.application.id, self.clock()
        try:
            if user is None:
                given = self.grants.issue_own(id, scope or "", now)
            else:
                given = self.grants.issue(id, user, now, refresh=grant_type == "authorization_code")
        except BadScope as error:
            raise InvalidScopeError(error.why) from error
        except NotGranted as error:
            raise InvalidGrantError(error.why) from error
        return {
            "access_token": given.access,
            "token_type": "Bearer",
            "expires_in": int(self.grants.lives.access.total_seconds()),
            "scope": given.scope,
            **({"refresh_token": given.refresh} if given.refresh else {}),
            **self._addresses(given, client.application),
        }

    def _addresses(self, given: Given, application: Application) -> dict[str, str]:
        if given.consent is not None:
            resource = subscription_of(given.consent.id)
            authorization = f"{BASE}/Authorization/{given.consent.id}"
        else:
            bulk = application.what.bulk
            resource = (
                f"{BASE}/Batch/Bulk/{bulk}" if bulk else f"{BASE}/ApplicationInformation/{application.id}"
            )
            authorization = f"{BASE}/Authorization"
        return {"resourceURI": f"{self.host}{resource}", "authorizationURI": f"{self.host}{authorization}"}
