"""The way to authorities' servers. Plain HTTP is right here: a list must be had before a certificate, the server's own
too, can be judged; what comes is signed, and the caller checks it. So only time and size are bounded."""

from __future__ import annotations

import asyncio

import httpx

from intertie.bindings.revocation_http import OCSP_ANSWER, OCSP_REQUEST
from intertie.model.errors import PartnerError


class StatusFetcher:
    """gateway.partners.refresh_trust.Fetcher over HTTP. Close it with `aclose`."""

    def __init__(self, seconds: float) -> None:
        """`seconds`: for one whole answer."""
        self._seconds = seconds
        self._client = httpx.AsyncClient(
            timeout=seconds,
            follow_redirects=False,  # an address that a certificate names is not to send us elsewhere, inside our walls
            trust_env=False,  # proxies from the environment are not ours to obey
            limits=httpx.Limits(max_connections=4),
        )

    async def get(self, url: str, limit: int) -> bytes:
        """The body at a URL; PartnerError if there is none, or more than `limit` bytes."""
        return await self._fetch("GET", url, None, {}, limit)

    async def ask(self, url: str, request: bytes, limit: int) -> bytes:
        """What an OCSP responder answers to a request; PartnerError as `get`."""
        headers = {"content-type": OCSP_REQUEST, "accept": OCSP_ANSWER}
        return await self._fetch("POST", url, request, headers, limit)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _fetch(
        self, method: str, url: str, content: bytes | None, headers: dict[str, str], limit: int
    ) -> bytes:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._read(method, url, content, headers, limit)
        except TimeoutError as error:
            raise PartnerError(f"{url} does not answer within {self._seconds:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            raise PartnerError(f"no answer from {url}: {type(error).__name__} {error}".strip()) from error

    async def _read(
        self, method: str, url: str, content: bytes | None, headers: dict[str, str], limit: int
    ) -> bytes:
        async with self._client.stream(method, url, content=content, headers=headers) as response:
            if response.status_code != httpx.codes.OK:
                raise PartnerError(f"{url} answers {response.status_code}")
            body = bytearray()
            async for chunk in response.aiter_raw():  # raw: a compressed answer could be a bomb
                body += chunk
                if len(body) > limit:
                    raise PartnerError(f"{url} answers with more than {limit} bytes")
            return bytes(body)
