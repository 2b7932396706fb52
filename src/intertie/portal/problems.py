"""Every error as problem+json (RFC 9457): a code, what is wrong, what to do next. Never a payload, never a key."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

from intertie.exchange.outbound import ImpossibleEvent, ResentBefore
from intertie.gateway.office.api_keys import NotLetIn
from intertie.gateway.office.office_acts import NotHere, NotTakenBack
from intertie.gateway.office.office_once import KeyReused
from intertie.gateway.office.office_rights import NotAllowed
from intertie.gateway.proving.export_evidence import NoEvidenceError
from intertie.gateway.sending.resend import NotResentError
from intertie.model.errors import Code, IntertieError, PartnerError, Refused, SettingsError, StoreError
from intertie.model.explain import why_unreadable
from intertie.model.office import Problem
from intertie.portal.turns import Crowded

LOG = logging.getLogger("intertie.office")
PROBLEM_JSON = "application/problem+json"
RETRY_SECONDS = 1

# The status of each kind of error; the first that fits, of those not below 422.
_STATUS: tuple[tuple[type[IntertieError], int, str], ...] = (
    (NotLetIn, 401, "not_let_in"),
    (NotAllowed, 403, "not_allowed"),
    (NotHere, 404, "not_here"),
    (NotTakenBack, 409, "not_taken_back"),
    (NotResentError, 409, "not_resent"),
    (ResentBefore, 409, "resent_before"),
    (ImpossibleEvent, 409, "impossible_event"),
    (NoEvidenceError, 409, "no_evidence"),
    (KeyReused, 422, "idempotency_key_reused"),
    (PartnerError, 503, "partner_unreachable"),
    (Crowded, 503, "crowded"),
    (StoreError, 503, "store_unavailable"),
    (SettingsError, 422, "not_possible"),
)
_REFUSED = {
    Code.UNKNOWN_SENDER: 404,
    Code.MESSAGE_ID_REUSED: 409,
    Code.TOO_LARGE: 413,
    Code.RATE_LIMITED: 429,
}
# What to do about a refusal; what is not here, the served description and docs/parcel.md explain.
_REFUSED_DO = {
    Code.TRADE_RULE: "docs/rules.md says what the rule asks; GET /api/v1/trade/{partner} shows how things stand.",
    Code.SCHEMA: "GET /api/v1/documents/{document}/schema says what fits.",
    Code.AGREEMENT_NOT_IN_FORCE: "GET /api/v1/trade/{partner} and /api/v1/partners/{partner} show the agreements.",
    Code.UNKNOWN_SENDER: "GET /api/v1/partners lists the partners.",
    Code.UNKNOWN_FLOW: "GET /api/v1/flows says who may send what to whom.",
    Code.WRONG_ROLE: "GET /api/v1/flows says who may send what to whom.",
    Code.EXPIRED: "Give it a later `expires`.",
    Code.NOT_LIVE: "`intertie partner prove` makes a partner live.",
}
_CODES = {
    400: "bad_request",
    401: "not_let_in",
    403: "not_allowed",
    404: "not_here",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
}
_DO = {
    400: "The served /api/v1/openapi.json says what goes into this request.",
    404: "The served /api/v1/openapi.json lists the addresses.",
    405: "The served /api/v1/openapi.json lists the methods.",
    413: "Send less at once; larger content goes with `intertie send --attach`.",
}


# How the framework says that a parameter is not there, and what our parameters are called by those who send them.
_MISSING = re.compile(r"Missing required (?:\w+ )?parameter '([\w-]+)'")
_SPOKEN = {
    "idempotency_key": "Idempotency-Key",
    "message_state": "state",
    "last": "Last-Event-ID",
    "data": "body",
}


class Busy(IntertieError):
    """More than a limit allows; again after a moment."""

    retry = True


def problem_of(error: IntertieError) -> Problem:
    """What the office is told of an error."""
    if isinstance(error, Busy):
        return _problem(429, "rate_limited", error.why, error.do, retry=True)
    if isinstance(error, Refused):
        code = "unknown_partner" if error.code is Code.UNKNOWN_SENDER else error.code.value
        status = _REFUSED.get(error.code, 422)
        do = error.do or _REFUSED_DO.get(error.code, "docs/parcel.md explains the code.")
        return _problem(status, code, error.detail, do, retry=error.retry)
    for kind, status, code in _STATUS:
        if isinstance(error, kind):
            return _problem(status, code, error.why, error.do, retry=error.retry)
    code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__.removesuffix("Error")).lower()
    return _problem(422, code, error.why, error.do, retry=error.retry)


def encode(problem: Problem) -> bytes:
    """Its bytes."""
    return msgspec.json.encode(problem)


def again_headers(problem: Problem) -> dict[str, str]:
    """When to come again, if that helps."""
    again = problem.retry and problem.status in (429, 503)
    return {"Retry-After": str(RETRY_SECONDS)} if again else {}


def answer(problem: Problem) -> Response[bytes]:
    """The answer that says it."""
    headers = again_headers(problem)
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(encode(problem), status_code=problem.status, media_type=PROBLEM_JSON, headers=headers)


def on_ours(request: Request[Any, Any, Any], error: IntertieError) -> Response[bytes]:
    """An act raised one of ours."""
    return answer(problem_of(error))


def on_theirs(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """The framework could not read the request, or found no route."""
    status = error.status_code if error.status_code < 500 else 500
    if status == 500:
        return on_any(request, error)
    said = answer(
        _problem(status, _CODES.get(status, "bad_request"), _why(error, status), _DO.get(status, ""))
    )
    said.headers.update({k: v for k, v in (error.headers or {}).items() if k.lower() == "allow"})
    return said


def on_deep(request: Request[Any, Any, Any], error: RecursionError) -> Response[bytes]:
    """What was sent is nested deeper than a reader goes."""
    return answer(_problem(400, "bad_request", "The request is nested too deep", _DO[400]))


def on_any(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A mistake of this program: the log has its kind and place, and the answer nothing of it."""
    LOG.error("office failed", exc_info=error)
    return answer(
        _problem(
            500,
            "internal",
            "This gateway failed at the request",
            "Look into its log at this time.",
            retry=True,
        )
    )


def _why(error: HTTPException, status: int) -> str:
    """Names of parameters and fields, and rules of types: what a library says may quote what was sent."""
    if not isinstance(error, ValidationException):
        cause: BaseException | None = error.__cause__
        if status == 400 and isinstance(cause, Exception):
            inner = cause.__cause__ if isinstance(cause.__cause__, Exception) else cause
            return f"The request could not be read: {why_unreadable(inner)}"
        return HTTPStatus(status).phrase
    missing = _MISSING.match(error.detail)
    if missing is not None:
        return f"{_name({'key': missing[1]})}: is missing"
    extra = error.extra if isinstance(error.extra, list) else []
    parts = [
        f"{_name(one)}: {why_unreadable(ValueError(str(one.get('message', ''))))}"
        for one in extra
        if isinstance(one, Mapping)
    ]
    return "; ".join(parts) or "The request does not fit its form"


def _name(one: Mapping[str, Any]) -> str:
    key = str(one.get("key", "request"))
    key = _SPOKEN.get(key, key)
    return key if re.fullmatch(r"[A-Za-z0-9_.\-]{1,80}", key) else "request"


def _problem(status: int, code: str, detail: str, do: str, *, retry: bool = False) -> Problem:
    return Problem(
        type=f"urn:intertie:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        do=do,
        retry=retry,
    )


def specs(*statuses: int) -> dict[int, ResponseSpec]:
    """How the served description says which problems may come."""
    return {
        status: ResponseSpec(
            data_container=Problem, description=HTTPStatus(status).phrase, media_type=PROBLEM_JSON
        )
        for status in statuses
    }
