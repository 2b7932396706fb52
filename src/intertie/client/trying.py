"""When a request is tried again, and after how long. The same for both clients."""

from __future__ import annotations

import random
from collections.abc import Mapping

import httpx

from intertie.client.errors import NoAnswer

# Four attempts over some three seconds bear the restart of an office process.
ATTEMPTS = 4
FIRST_SECONDS = 0.4
# No gateway asks for a longer wait than a person would bear.
CEILING_SECONDS = 30.0
# The gateway answers in milliseconds; a store that is busy keeps a request for seconds.
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
# Three heartbeats of a stream without a byte: the line is dead.
STREAM_TIMEOUT = httpx.Timeout(45.0, connect=5.0)
AGAIN = frozenset({429, 502, 503, 504})


def headers_of(key: str) -> dict[str, str]:
    """What every request carries."""
    return {"Authorization": f"Bearer {key}", "User-Agent": "intertie-client"}


def wait_seconds(attempt: int, headers: Mapping[str, str] | None = None) -> float:
    """How long to wait after this attempt, from 1: as the gateway said, or doubling, with jitter."""
    said = (headers or {}).get("retry-after", "")
    if said.isdecimal():
        return min(float(said), CEILING_SECONDS)
    wait = FIRST_SECONDS * 2.0 ** min(attempt - 1, 10)
    return min(wait, CEILING_SECONDS) * (0.5 + random.random() / 2)  # noqa: S311 - jitter, not a secret


def no_answer(error: httpx.TransportError) -> NoAnswer:
    """After all attempts."""
    return NoAnswer(
        f"the gateway did not answer: {type(error).__name__}",
        do="Is `intertie serve` running, and is this the address of [office] listen?",
    )
