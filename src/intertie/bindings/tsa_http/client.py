"""One question to a time-stamping authority. The answer proves itself, so that plain HTTP does no harm."""

from __future__ import annotations

import httpx

from intertie.seal.timestamp import REPLY_BYTES_MAX, TSA_DO, StampError

QUERY = "application/timestamp-query"
REPLY = "application/timestamp-reply"
# Authorities answer within a second; public ones throttle.
SECONDS = 30.0


def ask_authority(url: str, request: bytes) -> bytes:
    """The reply to a DER TimeStampReq, unverified; StampError if there is none."""
    try:
        with (
            httpx.Client(timeout=SECONDS, trust_env=False, follow_redirects=False) as client,
            client.stream("POST", url, content=request, headers={"content-type": QUERY}) as response,
        ):
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if response.status_code != 200 or kind != REPLY:
                raise StampError(
                    f"{url} answers {response.status_code} {kind}, not a {REPLY}", do="Check the address."
                )
            return _read(url, response)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
        name = type(error).__name__
        raise StampError(f"no answer from {url}: {name} {error}".strip(), do="Try again later.") from error


def _read(url: str, response: httpx.Response) -> bytes:
    body = b""
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > REPLY_BYTES_MAX:
            raise StampError(f"{url} answers with more than {REPLY_BYTES_MAX} bytes", do=TSA_DO)
    return body
