"""Step 4 for every door that partners use: the certificate is a partner's, and the token with it is good here."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request

from intertie.bindings.parcel_https.protocol import PEER
from intertie.gateway.gateway import Peer
from intertie.gateway.receiving.authorize import Authority
from intertie.gateway.receiving.scopes import ScopeRefused, covered
from intertie.model.errors import Code, Refused
from intertie.model.ids import PartyId

LOG = logging.getLogger("intertie.guard")
# RFC 6750 s.2.1: the scheme, one or more blanks, the token's characters.
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.I)
# RFC 6750 s.3: what an error_description may consist of.
_NOT_DESCRIPTION = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
# Each token is a verification, 0.2 ms of mathematics; two at a time leave the other threads to the parcels.
THREADS = 2


class TokenMissing(Refused):
    """Nobody gave a token: RFC 6750 s.3.1 asks for a challenge without an error then."""

    def __init__(self, partner: PartyId) -> None:
        detail = "this door needs an access token (Authorization: Bearer ...) besides the certificate"
        super().__init__(Code.INVALID_TOKEN, detail, partner=partner)


class Guard:
    """Whose request it is and what it may do. One for all doors of a gateway."""

    def __init__(self, authority: Authority, clock: Callable[[], datetime]) -> None:
        self._authority = authority
        self._clock = clock
        self._threads = CapacityLimiter(THREADS)
        self.refused: Counter[Code] = Counter()  # since the start, by code

    async def peer_of(self, request: Request, scope: str | None = None) -> Peer:
        """The partner behind a request, with the scopes of its token. Reads headers only, writes nothing.

        Raises Refused: unknown_sender, sender_suspended, invalid_token, and ScopeRefused if `scope` is asked for and
        not covered. `challenge` makes the header that belongs to it. StoreError if revocations cannot be read.
        """
        connection = connection_of(request)
        try:
            return await self._peer_of(request, connection, scope)
        except Refused as refused:
            self.count(refused, connection.party)
            raise

    def count(self, refused: Refused, party: PartyId) -> None:
        """A log line and a number are all that a refusal here leaves: nothing of it reaches the store."""
        self.refused[refused.code] += 1
        note = {"code": refused.code.value, "why": refused.detail, "count": self.refused[refused.code]}
        LOG.warning("not let in", extra={"partner": party, **note})

    async def _peer_of(self, request: Request, connection: Peer, scope: str | None) -> Peer:
        partner = self._authority.partner(connection.party)
        text = _bearer(request, partner.party)
        certificate = certificate_of(connection)

        def admit() -> frozenset[str]:
            return self._authority.admit(text, partner.party, certificate, self._clock())

        scopes = await to_thread.run_sync(admit, limiter=self._threads)
        if scope is not None and not covered(scopes, scope):
            raise ScopeRefused([scope], partner.party)
        return connection._replace(scopes=scopes)


def connection_of(request: Request) -> Peer:
    """Whom `PeerGate` let in, and how the connection was made; nothing about tokens yet."""
    extension = request.scope["extensions"][PEER]
    return Peer(extension["party"], extension["transport"])


def certificate_of(connection: Peer) -> str:
    """SHA-256 of the connection's certificate (64 hex); empty, which no token is bound to, if it is not known."""
    return connection.transport.certificate if connection.transport is not None else ""


def challenge(refused: Refused, realm: str) -> dict[str, str]:
    """The WWW-Authenticate header of a refusal (RFC 6750 s.3), or none if it is not about a token."""
    if refused.code not in (Code.INVALID_TOKEN, Code.INSUFFICIENT_SCOPE):
        return {}
    parts = [f'realm="{realm}"']
    if not isinstance(refused, TokenMissing):
        description = _NOT_DESCRIPTION.sub("'", refused.detail)
        parts += [f'error="{refused.code.value}"', f'error_description="{description}"']
    if isinstance(refused, ScopeRefused):
        parts.append(f'scope="{" ".join(refused.missing)}"')
    return {"www-authenticate": "Bearer " + ", ".join(parts)}


def _bearer(request: Request, partner: PartyId) -> str:
    """The token in the Authorization header. In a body or an address it is not looked for (RFC 6750 s.2.2, 2.3)."""
    given = request.headers.getlist("authorization")
    if not given or not given[0].lower().startswith("bearer"):
        raise TokenMissing(partner)
    found = _BEARER.fullmatch(given[0])
    if found is None or len(given) > 1:
        raise Refused(Code.INVALID_TOKEN, "the Authorization header is malformed", partner=partner)
    return found[1]
