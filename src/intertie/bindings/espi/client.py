"""Fetching from a data custodian as its third party: a token by client credentials; feeds to disk, bounded in bytes and time."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec
from msgspec import Meta

from intertie.formats.custodian_terms import CustodianTerms
from intertie.model.errors import PartnerError
from intertie.seal.private_files import read_secret_text

CONNECT_SECONDS = 15.0
# Between two pieces of a feed: a custodian reads its own store meanwhile.
READ_SECONDS = 60.0
# All of a feed: 256 MiB over a megabyte a second.
FEED_SECONDS = 1800.0
TOKEN_BYTES_MAX = 64 * 1024
# Before its end a token is asked for anew, so that none ends on the way.
TOKEN_MARGIN = 30.0
KINDS = ("application/atom+xml", "application/xml", "text/xml")


class NeverThere(PartnerError):
    """It is not there, or not for us: asking again helps nothing."""


class _Token(msgspec.Struct):
    access_token: Annotated[str, Meta(min_length=1, max_length=8192)]
    expires_in: Annotated[float, Meta(ge=0, le=10**8)] = 3600.0


class CustodianClient:
    """One custodian. `ticks` is a monotonic clock in seconds."""

    def __init__(
        self,
        terms: CustodianTerms,
        secret: Path,
        trust: ssl.SSLContext,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._terms, self._secret, self._ticks = terms, secret, ticks
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        self._client = httpx.Client(verify=trust, timeout=timeout, trust_env=False, follow_redirects=False)
        self._token, self._until = "", 0.0

    def fetch(self, address: str, file: Path) -> int:
        """The feed there, whole, in a file; how many bytes. PartnerError when it did not come now, NeverThere when it never
        will, SettingsError without our secret."""
        for fresh in (False, True):
            status, count = self._get(address, file, self._access(fresh=fresh))
            if status == 401 and not fresh:
                continue  # a token that was revoked, or a clock that is wrong
            if status == 200:
                return count
            if status in (401, 403, 404, 410):
                raise NeverThere(
                    f"the custodian answers HTTP {status}", do="Ask the custodian whether the consent stands."
                )
            raise PartnerError(f"the custodian answers HTTP {status}")
        raise PartnerError("the custodian does not take its own token")

    def _get(self, address: str, file: Path, token: str) -> tuple[int, int]:
        end = self._ticks() + FEED_SECONDS
        headers = {
            "authorization": f"Bearer {token}",
            "accept": ", ".join(KINDS),
            "accept-encoding": "identity",
        }
        count = 0
        try:
            with self._client.stream("GET", address, headers=headers) as answer, file.open("wb") as out:
                if answer.status_code != 200:
                    return answer.status_code, 0
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise PartnerError("the custodian compresses what it was asked to send as it is")
                for chunk in answer.iter_raw():
                    count += len(chunk)
                    if count > self._terms.feed_bytes:
                        raise NeverThere(
                            f"the feed is larger than {self._terms.feed_bytes} bytes", do="Raise feed_bytes."
                        )
                    if self._ticks() > end:
                        raise PartnerError(f"the feed did not come in {FEED_SECONDS} seconds")
                    out.write(chunk)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PartnerError(f"the custodian does not answer: {type(error).__name__}") from error
        return 200, count

    def _access(self, *, fresh: bool) -> str:
        if self._token and not fresh and self._ticks() < self._until:
            return self._token
        terms = self._terms
        form = {"grant_type": "client_credentials", **({"scope": terms.scope} if terms.scope else {})}
        secret = read_secret_text(self._secret, "client secret").decode("utf-8", "replace")
        try:
            with self._client.stream(
                "POST", terms.token, data=form, auth=(terms.client_id, secret)
            ) as answer:
                body = _bounded(answer)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PartnerError(
                f"the custodian's token endpoint does not answer: {type(error).__name__}"
            ) from error
        if answer.status_code != 200:
            raise PartnerError(f"the custodian's token endpoint answers HTTP {answer.status_code}")
        try:
            said = msgspec.json.decode(body, type=_Token)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise PartnerError("the custodian's token endpoint answers no token") from error
        self._token, self._until = said.access_token, self._ticks() + said.expires_in - TOKEN_MARGIN
        return self._token

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()


def _bounded(answer: Any) -> bytes:
    body = b""
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > TOKEN_BYTES_MAX:
            raise PartnerError("the custodian's token endpoint answers without end")
    return body
