"""Posting UFTP messages to partners."""

from __future__ import annotations

import httpx

from intertie.bindings.uftp.translator import Uftp
from intertie.gateway.translating.deliver_translated import PostAnswer
from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import PartnerError

# Redirects lead elsewhere than to what was pinned; UFTP lets front ends use them, and an operator changes the address instead.
CONTENT_TYPE = "text/xml; charset=utf-8"
# Bodies of answers say nothing that counts: so much is read of them.
ANSWER_MAX = 64 * 1024


class UftpClient:
    """Posts signed bytes; close it when done."""

    def __init__(self, uftp: Uftp, seconds: float) -> None:
        self._uftp = uftp
        self._http = httpx.AsyncClient(timeout=seconds, follow_redirects=False, trust_env=False)

    async def post(self, foreign: Foreign, signed: bytes) -> PostAnswer:
        """What its door said; PartnerError when it said nothing."""
        body = self._uftp.wrap(foreign, signed)
        try:
            async with self._http.stream(
                "POST", foreign.uftp.url, content=body, headers={"content-type": CONTENT_TYPE}
            ) as answer:
                return PostAnswer(answer.status_code, _seconds(answer.headers.get("retry-after")))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PartnerError(f"no answer from {foreign.uftp.domain}: {type(error).__name__}") from error

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._http.aclose()


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
