"""The way to a partner's street door: one small pool of connections per partner, our certificate, no redirects.

A complete answer is handed on as it came; the deliver act decides what it proves. Everything else (no connection, a
broken or endless answer, another party's certificate) is PartnerError: the outcome is unknown.
"""

from __future__ import annotations

import ssl
from typing import Any

import httpx

from intertie.bindings.parcel_https import PARCEL
from intertie.gateway.gateway import LinkAnswer, Partner
from intertie.gateway.settings import Delivery
from intertie.model.errors import PartnerError, Refused
from intertie.model.ids import PartyId
from intertie.seal.certificates import party_of_certificate

# A receipt has one line of some 200 bytes per message, at most 4,096 of them, in base64: under 2 MiB.
ANSWER_BYTES_MAX = 8 * 1024 * 1024
# Parcels to one partner go one after the other; one spare connection covers a half-closed one.
CONNECTIONS_PER_PARTNER = 2
# The answer's time is for each silence; a partner that drips is cut after this many of them, all in all. A parcel of
# 64 MiB takes 3 minutes over 3 Mbit/s.
WHOLE_ANSWERS = 3
# Retry-After beyond a day is a mistake.
WAIT_MAX = 86_400.0


class HttpsLink:
    """gateway.gateway.Link over HTTPS. Close it with `aclose`."""

    def __init__(self, context: ssl.SSLContext, delivery: Delivery) -> None:
        self._context = context
        self._timeout = httpx.Timeout(delivery.answer_seconds, connect=delivery.connect_seconds)
        self._whole_seconds = delivery.connect_seconds + WHOLE_ANSWERS * delivery.answer_seconds
        self._clients: dict[PartyId, httpx.AsyncClient] = {}

    async def post(self, partner: Partner, blob: bytes, *, hybrid: bool = False) -> LinkAnswer:
        """Deliver a parcel and return the answer, whole; PartnerError when there was none."""
        if hybrid:  # this engine cannot say which group it negotiated
            raise PartnerError(
                f"{partner.party} is to be called over a hybrid connection only, and this engine has none",
                do="See hybrid_channel_from in docs/policy.md.",
            )
        return await self._ask(partner, "POST", "/parcels", blob)

    async def get_descriptor(self, partner: Partner) -> bytes:
        """The partner's descriptor as its door gives it now (unverified); PartnerError if it gives none."""
        answer = await self._ask(partner, "GET", "/.well-known/intertie", None)
        if answer.status != 200:
            raise PartnerError(f"{partner.party} answers {answer.status} for its descriptor")
        return answer.body

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    async def _ask(self, partner: Partner, method: str, path: str, blob: bytes | None) -> LinkAnswer:
        url = partner.url.rstrip("/") + path
        headers = {"content-type": PARCEL} if blob is not None else {}
        try:
            async with self._client(partner.party).stream(
                method, url, content=blob, headers=headers
            ) as response:
                _check_party(partner, response)
                body = await _read(partner, response)
                return LinkAnswer(response.status_code, body, _retry_after(response))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ssl.SSLError, OSError) as error:
            name = type(error).__name__
            raise PartnerError(
                f"no answer from {partner.party} at {partner.url}: {name} {error}".strip(),
                do="It is asked again by itself; if it stays so, see `intertie doctor --reach`.",
            ) from error

    def _client(self, party: PartyId) -> httpx.AsyncClient:
        if party not in self._clients:
            self._clients[party] = httpx.AsyncClient(
                verify=self._context,
                timeout=self._timeout,
                limits=httpx.Limits(max_connections=CONNECTIONS_PER_PARTNER, keepalive_expiry=60.0),
                follow_redirects=False,  # a redirect would carry the parcel to a door the descriptor does not name
                trust_env=False,  # proxies and certificate files from the environment are not ours to obey
            )
        return self._clients[party]


def _check_party(partner: Partner, response: httpx.Response) -> None:
    """The door's certificate is the partner's; the chain was checked by the handshake."""
    stream: Any = response.extensions.get("network_stream")
    tls: Any = stream.get_extra_info("ssl_object") if stream is not None else None
    certificate: bytes | None = tls.getpeercert(True) if tls is not None else None
    try:
        party = party_of_certificate(certificate) if certificate else None
    except Refused as refused:
        raise PartnerError(
            f"the door at {partner.url} has nobody's certificate: {refused.detail}"
        ) from refused
    if party != partner.party:
        raise PartnerError(
            f"the door at {partner.url} belongs to {party or 'nobody'}, not to {partner.party}",
            do="Ask the partner for its present descriptor and add it again.",
        )


async def _read(partner: Partner, response: httpx.Response) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_raw():  # raw: a compressed answer is none of ours, and could be a bomb
        size += len(chunk)
        if size > ANSWER_BYTES_MAX:
            raise PartnerError(f"{partner.party} answers with more than {ANSWER_BYTES_MAX} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds of a Retry-After header; the form with a date is not used between gateways."""
    text = response.headers.get("retry-after", "").strip()
    return min(float(text), WAIT_MAX) if text.isascii() and text.isdigit() and len(text) < 10 else None
