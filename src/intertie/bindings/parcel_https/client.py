"""The way to a partner's street door: one small pool of connections per partner, our certificate, no redirects.

A complete answer is handed on as it came; the deliver act decides what it proves. Everything else (no connection, a
broken or endless answer, another party's certificate) is PartnerError: the outcome is unknown. Whose door it is, is
known before a byte is sent: the handshake fails with anybody else.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
from anyio import BrokenResourceError

from intertie.bindings.oauth.client import PartnerTokens
from intertie.bindings.operations.telemetry import Tracer
from intertie.bindings.parcel_https import DESCRIPTOR, FLOW, PARCEL, PIECE, PRIORITY
from intertie.gateway.attaching.upload import FileName
from intertie.gateway.configuration.settings import Delivery
from intertie.gateway.gateway import LinkAnswer, Partner
from intertie.model.errors import PartnerError, Refused, SettingsError
from intertie.model.ids import PartyId
from intertie.seal.certificates import TrustStore
from intertie.seal.keys import TlsKey
from intertie.seal.tls import PeerRefused, Tls, describe
from intertie.seal.transport import Transport

# A receipt has one line of some 200 bytes per message, at most 4,096 of them, in base64: under 2 MiB.
ANSWER_BYTES_MAX = 8 * 1024 * 1024
# Two parcels and an urgent one are on their way at once (run/deliveries.py); one spare connection covers a half-closed one.
CONNECTIONS_PER_PARTNER = 4
# The answer's time is for each silence; a partner that drips is cut after this many of them, all in all. A parcel of
# 64 MiB takes 3 minutes over 3 Mbit/s.
WHOLE_ANSWERS = 3
# Of a file's piece in TLS's hands at once: four of its largest records.
SLICE_BYTES = 64 * 1024
# Retry-After beyond a day is a mistake.
WAIT_MAX = 86_400.0


class AnswerTooLarge(PartnerError):
    """There was an answer, of which the rest was not read."""

    def __init__(self, party: PartyId, most: int, headers: Mapping[str, str]) -> None:
        super().__init__(f"{party} answers with more than {most} bytes")
        self.headers = headers


@dataclass
class _Pool:
    """Connections to one partner, all made with the same key and trust."""

    client: httpx.AsyncClient
    key: TlsKey
    trust: TrustStore
    busy: int = 0


class HttpsLink:
    """gateway.gateway.Link over HTTPS. Close it with `aclose`."""

    def __init__(self, tls: Tls, delivery: Delivery, party: PartyId, tracer: Tracer | None = None) -> None:
        self._tls = tls
        self._tracer = tracer or Tracer()
        self._timeout = httpx.Timeout(delivery.answer_seconds, connect=delivery.connect_seconds)
        self._whole_seconds = delivery.connect_seconds + WHOLE_ANSWERS * delivery.answer_seconds
        self._pools: dict[tuple[PartyId, bool], _Pool] = {}
        self._tokens = PartnerTokens(party, tls.clock, self._ask)

    async def post(
        self, partner: Partner, blob: bytes, *, hybrid: bool = False, urgency: int | None = None
    ) -> LinkAnswer:
        """Deliver a parcel and return the answer, whole; PartnerError when there was none.

        With `hybrid` nothing leaves over a connection that is not protected by a hybrid group.
        """

        def send(token: Mapping[str, str]) -> Awaitable[LinkAnswer]:
            said = {PRIORITY: str(urgency)} if urgency is not None else {}
            headers = {"content-type": PARCEL, **said, **self._tracer.headers(), **token}
            return self._ask(partner, "POST", "/parcels", blob, headers, hybrid=hybrid)

        return await self._tokens.send(partner, send, hybrid=hybrid)

    async def granted(self, partner: Partner) -> frozenset[str] | None:
        """The scopes that the partner's token endpoint grants us; PartnerError if it cannot be asked."""
        return await self._tokens.scopes(partner)

    async def get(self, partner: Partner, path: str) -> LinkAnswer:
        """The answer of a page of the partner's door, whole; PartnerError when there was none."""

        def send(token: Mapping[str, str]) -> Awaitable[LinkAnswer]:
            return self._ask(partner, "GET", path, None, token)

        return await self._tokens.send(partner, send)

    async def ask(
        self,
        partner: Partner,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        most: int = ANSWER_BYTES_MAX,
    ) -> LinkAnswer:
        """The answer to a request with a token, whole; PartnerError when there was none, AnswerTooLarge when it had more
        bytes than `most`."""

        def send(token: Mapping[str, str]) -> Awaitable[LinkAnswer]:
            return self._ask(partner, method, path, body, {**headers, **token}, most=most)

        return await self._tokens.send(partner, send)

    async def post_flow(self, partner: Partner, raw: bytes) -> LinkAnswer:
        """Ask a partner to stop sending, or to go on, and return the answer; PartnerError when there was none."""

        def send(token: Mapping[str, str]) -> Awaitable[LinkAnswer]:
            return self._ask(partner, "POST", "/flow", raw, {"content-type": FLOW, **token})

        return await self._tokens.send(partner, send)

    async def file_state(self, partner: Partner, file: FileName, *, hybrid: bool) -> LinkAnswer:
        """How much of a file is there; PartnerError when there was no answer."""

        def send(token: Mapping[str, str]) -> Awaitable[LinkAnswer]:
            return self._ask(partner, "GET", _file_path(file), None, token, hybrid=hybrid)

        return await self._tokens.send(partner, send, hybrid=hybrid)

    async def add_to_file(
        self, partner: Partner, file: FileName, offset: int, piece: bytes, *, hybrid: bool
    ) -> LinkAnswer:
        """Add bytes to a file at the partner's; how much is there then. PartnerError when there was no answer."""

        def send(token: Mapping[str, str]) -> Awaitable[LinkAnswer]:
            place = {"upload-offset": str(offset), "content-length": str(len(piece))}
            headers = {"content-type": PIECE, **place, **token}
            return self._ask(partner, "PATCH", _file_path(file), _slices(piece), headers, hybrid=hybrid)

        return await self._tokens.send(partner, send, hybrid=hybrid)

    async def post_descriptor(self, partner: Partner, raw: bytes) -> LinkAnswer:
        """Tell a partner our descriptor and return the answer; PartnerError when there was none. No token is asked for: it
        is our keys that may be out of date there."""
        return await self._ask(partner, "POST", "/descriptors", raw, {"content-type": DESCRIPTOR})

    async def get_descriptor(self, partner: Partner) -> bytes:
        """The partner's descriptor as its door gives it now (unverified); PartnerError if it gives none."""
        return (await self.ask_descriptor(partner)).body

    async def ask_descriptor(self, partner: Partner) -> LinkAnswer:
        """The same, with the connection that it came over."""
        answer = await self._ask(partner, "GET", "/.well-known/intertie", None, {})
        if answer.status != 200:
            raise PartnerError(f"{partner.party} answers {answer.status} for its descriptor")
        return answer

    async def aclose(self) -> None:
        """Close all connections."""
        pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            await pool.client.aclose()

    async def _ask(
        self,
        partner: Partner,
        method: str,
        path: str,
        body: bytes | AsyncIterator[bytes] | None,
        headers: Mapping[str, str],
        *,
        hybrid: bool = False,
        most: int = ANSWER_BYTES_MAX,
    ) -> LinkAnswer:
        if partner.fetches:
            raise PartnerError(
                f"{partner.party} has no door: it comes for its parcels here",
                do="What it has to be told otherwise, tell its operators.",
            )
        url = partner.url.rstrip("/") + path
        try:
            async with (
                asyncio.timeout(self._whole_seconds),
                self._client(partner.party, hybrid=hybrid) as client,
                client.stream(method, url, content=body, headers=headers) as response,
            ):
                transport = self._transport(partner, response)
                answer = await _read(partner, response, most)
                after = _retry_after(response)
                return LinkAnswer(response.status_code, answer, after, transport, response.headers)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ssl.SSLError, OSError) as error:
            raise _no_answer(partner, error, hybrid=hybrid) from error
        except SettingsError as error:
            raise PartnerError(f"{partner.party} is not called: {error.why}", do=error.do) from error

    def _transport(self, partner: Partner, response: httpx.Response) -> Transport:
        """What the connection is, checked again: it may be older than a certificate's last minute."""
        stream: Any = response.extensions.get("network_stream")
        tls: Any = stream.get_extra_info("ssl_object") if stream is not None else None
        if tls is None:
            raise PartnerError(
                f"{partner.url} is not an https:// address", do="The descriptor must name one."
            )
        try:
            connection = describe(tls)
            connection.party(self._tls.present()[1], self._tls.clock())
        except Refused as refused:
            raise PartnerError(
                f"the door at {partner.url}: {refused.detail}", do=f"Tell {partner.party}."
            ) from refused
        return connection.transport

    @asynccontextmanager
    async def _client(self, party: PartyId, *, hybrid: bool) -> AsyncIterator[httpx.AsyncClient]:
        """The partner's pool. With a new key or new trust it is a new one: what was open ends with its last answer."""
        key, trust = self._tls.present()
        name = (party, hybrid)
        pool = self._pools.get(name)
        if pool is None or pool.key is not key or pool.trust is not trust:
            old, pool = pool, _Pool(self._new_client(party, hybrid=hybrid), key, trust)
            self._pools[name] = pool
            if old is not None and not old.busy:
                await old.client.aclose()
        pool.busy += 1
        try:
            yield pool.client
        finally:
            pool.busy -= 1
            if not pool.busy and self._pools.get(name) is not pool:
                await pool.client.aclose()

    def _new_client(self, party: PartyId, *, hybrid: bool) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            verify=self._tls.client_context(party, hybrid=hybrid),
            timeout=self._timeout,
            limits=httpx.Limits(max_connections=CONNECTIONS_PER_PARTNER, keepalive_expiry=60.0),
            follow_redirects=False,  # a redirect would carry the parcel to a door the descriptor does not name
            trust_env=False,  # proxies and certificate files from the environment are not ours to obey
        )


async def _slices(piece: bytes) -> AsyncIterator[bytes]:
    """A body that TLS need not encrypt, and hold, in one go."""
    for begin in range(0, len(piece), SLICE_BYTES):
        yield piece[begin : begin + SLICE_BYTES]


def _file_path(file: FileName) -> str:
    return f"/attachments/{file.id}?" + urlencode({"length": file.length, "for": file.scope})


def _no_answer(partner: Partner, error: Exception, *, hybrid: bool) -> PartnerError:
    """Why there was none, as far as it can be told, and what to do."""
    causes = tuple(_causes(error))
    refused = next((cause for cause in causes if isinstance(cause, PeerRefused)), None)
    if refused is not None:
        do = "Nothing was sent. Ask the partner for its present descriptor and add it again."
        return PartnerError(f"the door at {partner.url}: {refused.strerror}", do=do)
    where = f"{partner.party} at {partner.url}"
    broken = any(isinstance(cause, ssl.SSLError | BrokenResourceError) for cause in causes)
    if hybrid and broken and isinstance(error, httpx.ConnectError):
        # Servers may close without an alert, so the reason is the likeliest, not a certain one.
        do = (
            "If other flows reach this partner, its TLS lacks X25519MLKEM768 (OpenSSL 3.5 and later have it), "
            "which this flow must have."
        )
        return PartnerError(f"no hybrid group was agreed with {where}; nothing was sent", do=do)
    return PartnerError(
        f"no answer from {where}: {type(error).__name__} {error}".strip(),
        do="It is asked again by itself; if it stays so, see `intertie doctor --reach`.",
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


async def _read(partner: Partner, response: httpx.Response, most: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_raw():  # raw: a compressed answer is none of ours, and could be a bomb
        size += len(chunk)
        if size > most:
            raise AnswerTooLarge(partner.party, most, response.headers)
        chunks.append(chunk)
    return b"".join(chunks)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds of a Retry-After header; the form with a date is not used between gateways."""
    text = response.headers.get("retry-after", "").strip()
    return min(float(text), WAIT_MAX) if text.isascii() and text.isdigit() and len(text) < 10 else None
