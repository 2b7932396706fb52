"""Before any page of the street door: who is at the other end, asked for each request under the trust of this moment.

A connection lives long; a certificate that is revoked or runs out meanwhile must not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from starlette.types import ASGIApp, Receive, Scope, Send

from intertie.bindings.parcel_https.problem import refusal
from intertie.bindings.parcel_https.protocol import CONNECTION, PEER
from intertie.gateway.gateway import TrustBook
from intertie.model.errors import Code, Refused
from intertie.seal.tls_peer import TlsConnection

LOG = logging.getLogger("intertie.street")


class PeerGate:
    """ASGI middleware: pages find {"party", "transport"} under PEER; nobody else's request reaches them."""

    def __init__(self, app: ASGIApp, *, trust: TrustBook, clock: Callable[[], datetime]) -> None:
        self._app = app
        self._trust = trust
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer 403 `transport_certificate` and close the connection."""
        extensions = scope.setdefault("extensions", {})
        connection: TlsConnection | None = extensions.get(CONNECTION)
        try:
            if connection is None:
                raise Refused(Code.TRANSPORT_CERTIFICATE, "the connection shows no certificate")
            party = connection.party(self._trust.present(), self._clock())
        except Refused as refused:
            LOG.warning(
                "refused", extra={"code": refused.code.value, "step": refused.step, "why": refused.detail}
            )
            await refusal(refused, close=True)(scope, receive, send)
            return
        extensions[PEER] = {"party": party, "transport": connection.transport}
        await self._app(scope, receive, send)
