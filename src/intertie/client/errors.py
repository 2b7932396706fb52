"""What the client raises: a type for each way in which a request can end badly."""

from __future__ import annotations

import msgspec

from intertie.model.errors import IntertieError
from intertie.model.office import Problem


class ClientError(IntertieError):
    """Root of what the client raises."""


class NoAnswer(ClientError):
    """The gateway did not answer, after all attempts. A POST may have had its effect: with the same key it has one only."""

    retry = True


class Said(ClientError):
    """The gateway said no: `problem` has its code, and what to do next."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code}: {problem.detail}", do=problem.do)
        self.problem = problem
        self.code = problem.code
        self.retry = problem.retry


class NotLetIn(Said):
    """401: no key, or one that does not count."""


class NotAllowed(Said):
    """403: the key's role does not do this."""


class NotHere(Said):
    """404: what was asked for is not here."""


class Conflict(Said):
    """409: the state of the thing does not allow it."""


class Wrong(Said):
    """400, 413, 415 or 422: the request cannot be carried out as it is."""


class RuleBroken(Wrong):
    """422: a rule of the trade forbids it; `rule` is its name."""

    @property
    def rule(self) -> str:
        """As "dispatch.notice"."""
        return self.problem.detail.partition(":")[0]


class Busy(Said):
    """429: more than a limit allows, after all attempts."""


class Unavailable(Said):
    """5xx: the gateway cannot now, after all attempts."""


_KINDS: dict[int, type[Said]] = {401: NotLetIn, 403: NotAllowed, 404: NotHere, 409: Conflict, 429: Busy}


def said(status: int, body: bytes) -> Said:
    """The error of an answer."""
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        problem = Problem(
            type="about:blank",
            title="",
            status=status,
            code="unknown",
            detail=f"the answer was {status}, and no problem+json",
            do="Is this the address of an office door?",
        )
    if problem.code == "trade_rule":
        return RuleBroken(problem)
    return _KINDS.get(status, Unavailable if status >= 500 else Wrong)(problem)
