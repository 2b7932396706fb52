"""Every error of this program as a problem: a described status, a code, what to do, and no more than that."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import msgspec
import pytest
from litestar.exceptions import HTTPException, NotFoundException, ValidationException

import intertie
from intertie.exchange.outbound import Event, ImpossibleEvent, ResentBefore, State
from intertie.gateway.office.api_keys import NotLetIn
from intertie.gateway.office.office_acts import NotHere, NotTakenBack
from intertie.gateway.office.office_once import KeyReused
from intertie.gateway.office.office_rights import NotAllowed
from intertie.gateway.proving.export_evidence import NoEvidenceError
from intertie.gateway.sending.resend import NotResentError
from intertie.market.event import Broken, Rule
from intertie.model.errors import (
    RULES,
    Code,
    EvidenceError,
    IntertieError,
    PartnerError,
    Refused,
    SettingsError,
    StoreError,
)
from intertie.model.ids import MessageId, PartyId
from intertie.model.office import Problem
from intertie.portal.problems import Busy, answer, encode, on_any, on_deep, on_theirs, problem_of, specs
from intertie.portal.routes import ACT_ERRORS
from intertie.portal.turns import Crowded
from intertie.seal.body_cipher import StoreLockedError

DESCRIBED = set(ACT_ERRORS)


@pytest.mark.parametrize(
    ("error", "status", "code", "retry"),
    [
        (NotLetIn("no"), 401, "not_let_in", False),
        (NotAllowed("no"), 403, "not_allowed", False),
        (NotHere("no"), 404, "not_here", False),
        (NotTakenBack("no"), 409, "not_taken_back", False),
        (NotResentError("no"), 409, "not_resent", False),
        (ResentBefore("a", "b"), 409, "resent_before", False),
        (ImpossibleEvent("it", State.QUEUED, Event.ACCEPT), 409, "impossible_event", False),
        (NoEvidenceError("no"), 409, "no_evidence", False),
        (KeyReused("no"), 422, "idempotency_key_reused", False),
        (Busy("no"), 429, "rate_limited", True),
        (PartnerError("no"), 503, "partner_unreachable", True),
        (Crowded("no"), 503, "crowded", True),
        (StoreError("no"), 503, "store_unavailable", True),
        (StoreLockedError("no"), 503, "store_unavailable", True),
        (SettingsError("no"), 422, "not_possible", False),
        (Broken(Rule("a.b", "text", "source"), "detail"), 422, "broken", False),
        (EvidenceError(3, "no"), 422, "evidence", False),
        (IntertieError("no"), 422, "intertie", False),
    ],
)
def test_each_kind_of_error(error: IntertieError, status: int, code: str, retry: bool) -> None:
    problem = problem_of(error)
    assert (problem.status, problem.code, problem.retry) == (status, code, retry)
    assert problem.type == f"urn:intertie:problem:{code}" and problem.title and problem.detail
    assert status in DESCRIBED


@pytest.mark.parametrize("code", list(Code))
def test_each_refusal_says_what_to_do(code: Code) -> None:
    refused = Refused(code, message=MessageId("m-1"), partner=PartyId("p.example"))
    problem = problem_of(refused)
    assert problem.status in DESCRIBED and problem.do and problem.detail == RULES[code].sentence
    assert problem.retry == RULES[code].retry
    assert problem.code == ("unknown_partner" if code is Code.UNKNOWN_SENDER else code.value)
    assert "p.example" not in problem.detail  # who asked knows whom it was about


def every_error() -> Iterator[type[IntertieError]]:
    """All classes of errors in this program, wherever they stand."""
    for module in pkgutil.walk_packages(intertie.__path__, "intertie."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting: list[type[IntertieError]] = [IntertieError]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting += kind.__subclasses__()


def test_no_error_of_ours_has_a_status_that_is_not_described() -> None:
    """Whatever an act may raise one day: a new class has a code and a status at once."""
    kinds = set(every_error())
    assert len(kinds) > 30
    codes = set()
    for kind in kinds:
        error = kind.__new__(kind)
        Exception.__init__(error, "why")
        error.why, error.do = "why", "do"
        if isinstance(error, Refused):
            continue
        problem = problem_of(error)
        assert problem.status in DESCRIBED, kind
        assert re.fullmatch(r"[a-z][a-z0-9_]+", problem.code), kind
        codes.add(problem.code)
    assert {"not_possible", "store_unavailable", "broken"} <= codes


def test_an_answer_says_how_to_go_on() -> None:
    refused = answer(problem_of(NotLetIn("no")))
    assert refused.headers["WWW-Authenticate"] == "Bearer" and refused.status_code == 401
    busy = answer(problem_of(Busy("no")))
    assert busy.headers["Retry-After"] == "1"
    assert "Retry-After" not in answer(problem_of(SettingsError("no"))).headers
    assert msgspec.json.decode(encode(problem_of(Busy("no"))), type=Problem).retry


SECRET = "ACCOUNT-4711"


@pytest.mark.parametrize(
    "error",
    [
        ValidationException(extra=[{"key": "data", "message": f"Invalid enum value '{SECRET}'"}]),
        ValidationException(extra=[{"key": SECRET + " x", "message": f"Invalid value {SECRET!r}"}]),
        ValidationException(detail=f"Validation failed for POST /{SECRET}"),
        ValidationException(extra=["odd"]),
        HTTPException(status_code=400, detail=SECRET),
        NotFoundException(detail=SECRET),
        HTTPException(status_code=502, detail=SECRET),
    ],
)
def test_what_the_framework_says_is_not_passed_on(error: HTTPException) -> None:
    said = on_theirs(None, error)  # type: ignore[arg-type]
    assert SECRET.encode() not in said.content
    problem = msgspec.json.decode(said.content, type=Problem)
    assert problem.status == said.status_code and problem.detail
    assert said.status_code in DESCRIBED | {405}


def test_what_the_framework_says_of_types_is() -> None:
    said = on_theirs(
        None,  # type: ignore[arg-type]
        ValidationException(extra=[{"key": "limit", "message": "Expected `int` <= 500"}]),
    )
    assert b"limit: Expected `int` <= 500" in said.content
    missing = ValidationException("Missing required parameter 'Idempotency-Key' for path '/x'")
    assert b"Idempotency-Key: is missing" in on_theirs(None, missing).content  # type: ignore[arg-type]


def test_mistakes_and_depth() -> None:
    failed = on_any(None, RuntimeError(SECRET))  # type: ignore[arg-type]
    assert failed.status_code == 500 and SECRET.encode() not in failed.content
    deep = on_deep(None, RecursionError())  # type: ignore[arg-type]
    assert deep.status_code == 400 and b"too deep" in deep.content


def test_the_described_problems_are_problems() -> None:
    described = specs(400, 429)
    assert set(described) == {400, 429}
    assert all(one.data_container is Problem for one in described.values())
    assert {one.media_type for one in described.values()} == {"application/problem+json"}
