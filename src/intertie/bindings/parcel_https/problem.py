"""Error answers of the street door (RFC 9457)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from intertie.bindings.parcel_https import PROBLEM
from intertie.model.errors import Refused


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error answer (RFC 9457). `step` is the step of the order of verification, 0 (left out) if none was reached.
    `retry` is always said: whoever does not read it must assume that trying again may help."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retry: bool
    step: int = 0


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    title: str = "",
    step: int = 0,
    retry: bool = False,
    wait: float | None = None,
    close: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An application/problem+json answer. `wait` is Retry-After in seconds; `close` ends the connection after it."""
    body = Problem(f"urn:intertie:problem:{code}", title or detail, status, detail, code, retry, step)
    all_headers = dict(headers or {})
    if wait is not None:
        all_headers["retry-after"] = str(math.ceil(wait))
    if close:
        all_headers["connection"] = "close"
    return Response(msgspec.json.encode(body), status, all_headers, PROBLEM)


def refusal(
    refused: Refused,
    wait: float | None = None,
    *,
    close: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to a parcel, or a request, that is refused by rule."""
    return problem(
        refused.rule.http,
        refused.code.value,
        refused.detail,
        title=refused.rule.sentence,
        step=refused.step,
        retry=refused.retry,
        wait=wait,
        close=close,
        headers=headers,
    )
