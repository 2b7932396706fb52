"""Authlib's authorization server over our own `Authority`: grant, introspection and revocation, each request on its own.

The client is the partner that the connection's certificate names (`tls_client_auth` by its URI name, RFC 8705 s.2.1);
there are no secrets. Authlib reads requests and writes errors as the RFCs say; what is granted is decided in
`gateway.receiving.authorize`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from starlette.responses import Response

from intertie.gateway.gateway import Partner
from intertie.gateway.receiving.authorize import Authority
from intertie.model.errors import Code, Refused
from intertie.model.ids import PartyId
from intertie.seal.encoding import to_base64url
from intertie.seal.tokens import AccessToken

METHOD = "tls_client_auth"


class TokenRequest(OAuth2Request):
    """A form over a connection whose certificate is known."""

    def __init__(self, uri: str, form: dict[str, str], party: PartyId, certificate: str) -> None:
        super().__init__("POST", uri)
        self.payload = BasicOAuth2Payload(form)
        self.party = party
        self.certificate = certificate

    @property
    def form(self) -> dict[str, str]:
        """The parameters."""
        return self.payload.data  # type: ignore[no-any-return]


class _Client(ClientMixin):
    """A partner, or this gateway's own party, for one request."""

    def __init__(self, request: TokenRequest, party: PartyId, partner: Partner | None) -> None:
        self.request = request
        self.party = party
        self.partner = partner

    def get_client_id(self) -> str:
        return self.party

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == METHOD

    def check_grant_type(self, grant_type: str) -> bool:
        return self.partner is not None and grant_type == ClientCredentialsGrant.GRANT_TYPE


class _Token:
    """A token that is good, as Authlib asks about it."""

    def __init__(self, token: AccessToken) -> None:
        self.token = token

    def check_client(self, client: _Client) -> bool:
        """Its own client, and our own party for all of them."""
        return client.partner is None or client.party == self.token.party

    def is_expired(self) -> bool:
        return False

    def is_revoked(self) -> bool:
        return False


class _Grant(ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = (METHOD,)

    def validate_requested_scope(self) -> None:
        """Decided when the token is made: what is granted depends on the client."""


class _Introspection(IntrospectionEndpoint):
    CLIENT_AUTH_METHODS = (METHOD,)

    def query_token(self, token_string: str, token_type_hint: str | None) -> _Token | None:
        return self.server.find_token(token_string)  # type: ignore[no-any-return]

    def check_permission(self, token: _Token, client: _Client, request: TokenRequest) -> bool:
        return token.check_client(client)

    def introspect_token(self, token: _Token) -> dict[str, object]:
        """RFC 7662 s.2.2, RFC 8705 s.3.2."""
        said, authority = token.token, self.server.authority
        return {
            "active": True,
            "scope": " ".join(sorted(said.scopes)),
            "client_id": said.party,
            "sub": said.party,
            "token_type": "Bearer",
            "iss": authority.issuer,
            "aud": authority.audience,
            "iat": int(said.issued.timestamp()),
            "exp": int(said.expires.timestamp()),
            "jti": said.id,
            "cnf": {"x5t#S256": to_base64url(bytes.fromhex(said.certificate))},
        }


class _Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = (METHOD,)

    def query_token(self, token_string: str, token_type_hint: str | None) -> _Token | None:
        return self.server.find_token(token_string)  # type: ignore[no-any-return]

    def revoke_token(self, token: _Token, request: TokenRequest) -> None:
        self.server.revoke_token(token.token)


class Server(AuthorizationServer):
    """The authorization server of one gateway. Its methods block: they sign, verify, and ask the store."""

    def __init__(self, authority: Authority, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self.authority = authority
        self.clock = clock
        self.register_client_auth_method(METHOD, self._authenticate)
        self.register_token_generator("default", self._generate)
        self.register_grant(_Grant)
        self.register_endpoint(_Introspection)
        self.register_endpoint(_Revocation)

    def token(self, request: TokenRequest) -> Response:
        """The answer of the token endpoint."""
        return self.create_token_response(request)  # type: ignore[no-any-return]

    def introspect(self, request: TokenRequest) -> Response:
        """The answer of the introspection endpoint."""
        return self.create_endpoint_response(_Introspection.ENDPOINT_NAME, request)  # type: ignore[no-any-return]

    def revoke(self, request: TokenRequest) -> Response:
        """The answer of the revocation endpoint."""
        return self.create_endpoint_response(_Revocation.ENDPOINT_NAME, request)  # type: ignore[no-any-return]

    def find_token(self, text: str) -> _Token | None:
        """The token, if it is good."""
        try:
            return _Token(self.authority.read(text, self.clock()))
        except Refused:
            return None

    def revoke_token(self, token: AccessToken) -> None:
        """Never again."""
        self.authority.revoke(token, self.clock())

    # What Authlib asks of whoever uses it

    def query_client(self, client_id: str) -> None:
        """Clients are known by their connection only; see `_authenticate`."""

    def save_token(self, token: dict[str, object], request: TokenRequest) -> None:
        """Tokens are not kept: they prove themselves."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: TokenRequest) -> TokenRequest:
        """The request is made already."""
        return request

    def handle_response(
        self, status: int, body: dict[str, object], headers: list[tuple[str, str]]
    ) -> Response:
        """JSON, never kept by anyone on the way."""
        return Response(msgspec.json.encode(body), status, dict(headers))

    def _authenticate(self, query_client: object, request: TokenRequest) -> _Client:
        """RFC 8705 s.2: the client_id is there, and the certificate is that client's."""
        named = request.form.get("client_id")
        if named is None:
            raise InvalidClientError("client_id is missing: give your party id")
        if named != request.party:
            raise InvalidClientError("client_id is not the party that the certificate names")
        if request.party == self.authority.gateway.party.id:
            return _Client(request, request.party, None)
        try:
            return _Client(request, request.party, self.authority.partner(request.party))
        except Refused as refused:
            suspended = refused.code is Code.SENDER_SUSPENDED
            why = "is suspended here" if suspended else "is not a partner here"
            raise InvalidClientError(f"{request.party} {why}; ask this gateway's operators") from refused

    def _generate(self, *, client: _Client, scope: str | None, **_: object) -> dict[str, object]:
        """The token answer (RFC 6749 s.5.1): the scope is always said, it may be less than was asked for."""
        request, partner = client.request, client.partner
        if partner is None:
            raise InvalidClientError("this party's own tokens would open nothing")
        try:
            wanted = scope.split() if scope else None
            token, granted = self.authority.grant(partner, wanted, request.certificate, self.clock())
        except ValueError as error:
            raise InvalidScopeError(str(error)) from error
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": int(self.authority.lifetime.total_seconds()),
            "scope": " ".join(sorted(granted)),
        }
