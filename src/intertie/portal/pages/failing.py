"""Every error as a page: what happened, what was kept, what to do. Never a payload, never a key, never a trace."""

from __future__ import annotations

import logging
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect

from intertie.model.errors import IntertieError
from intertie.model.office import Problem
from intertie.portal.pages.guarding import NotFromHere, SignInFirst, sign_in_at, visit_of, who
from intertie.portal.pages.rendering import render
from intertie.portal.pages.web import HTML, problem_page, request_path
from intertie.portal.problems import again_headers, problem_of

LOG = logging.getLogger("intertie.portal")
Asked = Request[Any, Any, Any]
_THEIRS = {
    400: ("This address cannot be read.", "Follow a link of the page before."),
    404: ("There is no such page.", "Follow a link, or go to Today."),
    405: ("This address does not take that.", "Follow a link, or go to Today."),
    413: ("That is too large.", "Send less at once; the limits are in docs/portal.md."),
}


def on_ours(request: Asked, error: IntertieError) -> Response[Any]:
    """A page or an act raised one of ours."""
    if isinstance(error, SignInFirst) and request.method == "GET":
        return Redirect(sign_in_at(request_path(request)), status_code=303)
    problem = problem_of(error)
    if isinstance(error, SignInFirst | NotFromHere):
        problem = _problem(401 if isinstance(error, SignInFirst) else 403, error.why, error.do)
    return _shown(request, problem)


def on_theirs(request: Asked, error: HTTPException) -> Response[Any]:
    """The framework could not read the request, or found no page."""
    if error.status_code >= 500:
        return on_any(request, error)
    detail, do = _THEIRS.get(error.status_code, ("This could not be read.", "Load the page again."))
    return _shown(request, _problem(error.status_code, detail, do))


def on_any(request: Asked, error: Exception) -> Response[Any]:
    """A fault of ours."""
    LOG.error(
        "page failed", extra={"code": request.url.path[:200], "why": type(error).__name__}, exc_info=error
    )
    return _shown(
        request,
        _problem(
            500,
            "This page failed, by a fault of this program. What was done before is kept.",
            "Try again; the log of the gateway says more.",
        ),
    )


def _problem(status: int, detail: str, do: str) -> Problem:
    titles = {401: "Sign in", 403: "Not allowed", 404: "Not here", 500: "A fault"}
    return Problem(
        type=f"urn:intertie:problem:{status}",
        title=titles.get(status, "Not possible"),
        status=status,
        code=str(status),
        detail=detail,
        do=do,
    )


def _shown(request: Asked, problem: Problem) -> Response[Any]:
    """With the navigation for who is signed in, without it for who is not."""
    partial = request.headers.get("hx-request") == "true"
    found = None
    try:
        found = who(request)
    except IntertieError:
        LOG.warning("nobody can be known now", extra={"code": problem.code})
    if found is not None:
        request.scope["auth"] = found
        return problem_page(visit_of(request, request.app.state.office), problem, partial)
    template = "problem_part.html" if partial else "problem_stranger.html"
    text = render(template, {"problem": problem, "title": problem.title})
    return Response(text, status_code=problem.status, media_type=HTML, headers=again_headers(problem))
