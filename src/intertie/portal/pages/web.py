"""How a page, a piece of data and an act are declared: what it does and the right it needs; the rest is the same for all.

A POST has one effect for its form: a form carries a name of its own (`once`), and the same form with the same values, sent
again by a second click, a reload or the way back, gets the answer of the first. An act that was refused had no effect and may be
sent again.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import RawBody
from litestar.response import Redirect

from intertie.bindings.upload.form import Uploaded, form_of
from intertie.gateway.office.approvals import TwoPeople, ask
from intertie.gateway.office.office_once import Answered, Stamp, once
from intertie.gateway.office.office_rights import Right, check_right
from intertie.gateway.office.people import note
from intertie.gateway.office.visits import heard, say_next
from intertie.model.errors import IntertieError
from intertie.model.office import Problem
from intertie.portal.door import OfficeDep
from intertie.portal.pages.guarding import Asking, NotFromHere, visit_of
from intertie.portal.pages.navigation import current, places
from intertie.portal.pages.reading import Fields
from intertie.portal.pages.rendering import render
from intertie.portal.pages.visit import Data, Done, Download, View, Visit
from intertie.portal.problems import again_headers, encode, problem_of

LOG = logging.getLogger("intertie.portal")
HTML = "text/html; charset=utf-8"
# A form of ours; files come by another way.
FORM_BYTES_MAX = 512 * 1024
# What people are told in place of the names of HTTP.
_TITLES = {
    403: "Not allowed",
    404: "Not here",
    409: "Not possible any more",
    413: "Too large",
    422: "Not possible",
    429: "Too often",
    503: "Not available now",
}
# An answer that is not kept: the act had no effect, and the same form may be sent again.
_UNDONE = 599
Shows = Callable[[Visit], View | Data | Download | Done]
Does = Callable[[Visit, Fields, Stamp], Done]
Takes = Callable[[Visit, Fields, Sequence[Uploaded]], View | Data | Done]


def page(path: str, right: Right, **more: Any) -> Callable[[Shows], HTTPRouteHandler]:
    """A GET for somebody who has the right: a page, the data of a plot, or a file."""

    def made(shows: Shows) -> HTTPRouteHandler:
        def handler(request: Asking, office: OfficeDep) -> Response[Any]:
            return answer(visit_of(request, office), shows, boosted(request))

        handler.__name__ = shows.__name__
        handler.__doc__ = shows.__doc__
        return get(
            path, right=right, include_in_schema=False, sync_to_thread=True, cache_control=None, **more
        )(handler)

    return made


class Act(NamedTuple):
    """An act that a form may ask for, and what it needs."""

    right: Right
    does: Does


# All of them by name, for those that wait for a second person.
ACTS: dict[str, Act] = {}


def act(
    path: str, right: Right, kind: TwoPeople | None = None, **more: Any
) -> Callable[[Does], HTTPRouteHandler]:
    """A POST of a form by somebody who has the right: one act, then the page that shows what came of it. `kind`: the
    settings may say that it needs a second person."""

    def made(does: Does) -> HTTPRouteHandler:
        def handler(request: Asking, office: OfficeDep, body: RawBody) -> Response[Any]:
            visit, form = visit_of(request, office), Fields.read(body)
            check_form(visit, form)
            waits = kind is not None and kind in visit.office.two_people
            does_now = _ask(kind, does) if waits and kind is not None else does
            return perform(visit, form, does.__name__, does_now, boosted(request))

        handler.__name__ = does.__name__
        handler.__doc__ = does.__doc__
        ACTS[does.__name__] = Act(right, does)
        return post(
            path,
            right=right,
            include_in_schema=False,
            sync_to_thread=True,
            status_code=200,
            request_max_body_size=FORM_BYTES_MAX,
            **more,
        )(handler)

    return made


def upload(path: str, right: Right, bytes_max: int, **more: Any) -> Callable[[Takes], HTTPRouteHandler]:
    """A POST of a form with files by somebody who has the right. It looks at a file, or keeps it for that person until somebody
    says what to do with it by an act: nothing that a repeat would double."""

    def made(takes: Takes) -> HTTPRouteHandler:
        def handler(request: Asking, office: OfficeDep, body: RawBody) -> Response[Any]:
            visit = visit_of(request, office)
            fields, files = form_of(request.headers.get("content-type", ""), body, 1)
            form = Fields(fields)
            check_form(visit, form)
            return answer(visit, lambda asked: takes(asked, form, files), boosted(request))

        handler.__name__ = takes.__name__
        handler.__doc__ = takes.__doc__
        return post(
            path,
            right=right,
            include_in_schema=False,
            sync_to_thread=True,
            status_code=200,
            request_max_body_size=bytes_max + FORM_BYTES_MAX,
            **more,
        )(handler)

    return made


def boosted(request: Asking) -> bool:
    """Whether the script sent it, which puts an answer into the page that is there."""
    return request.headers.get("hx-request") == "true"


def answer(visit: Visit, shows: Shows, partial: bool = False) -> Response[Any]:
    """What a GET answers."""
    found = shows(visit)
    if isinstance(found, Data):
        return Response(msgspec.json.encode(found.value), media_type="application/json")
    if isinstance(found, Download):
        return Response(
            found.content,
            media_type=found.media_type,
            headers={"Content-Disposition": f'attachment; filename="{_safe(found.name)}"'},
        )
    if isinstance(found, Done):
        return Redirect(found.to, status_code=303)
    said = "" if partial else heard(visit.office.people, visit.present.session)
    return Response(whole(visit, found, said), status_code=found.status, media_type=HTML)


def whole(visit: Visit, view: View, said: str = "") -> str:
    """The page, with everything around it."""
    return render(
        view.template,
        {
            "visit": visit,
            "now": visit.now,
            "title": view.title,
            "party": visit.gateway.party.id,
            "places": places(visit.roles),
            "here": current(visit.path),
            "csrf": visit.present.session.csrf,
            "once": lambda: secrets.token_urlsafe(18),
            "said": said,
            "may": lambda right: visit.may(Right(right)),
            **view.context,
        },
    )


def check_form(visit: Visit, form: Fields) -> None:
    """NotFromHere for a form that no page of this session made."""
    if not hmac.compare_digest((form.maybe("csrf", 200) or "").encode(), visit.present.session.csrf.encode()):
        raise NotFromHere("the form is not of this session", do="Load the page again, and fill it in anew.")


def _ask(kind: TwoPeople, does: Does) -> Does:
    """In place of an act: that it waits for a second person."""

    def asked(visit: Visit, form: Fields, stamp: Stamp) -> Done:
        fields = [(name, value) for name, value in form.pairs if name not in ("csrf", "once")]
        ask(visit.office.people, kind, does.__name__, visit.path, visit.at, fields, visit.person, stamp.at)
        return Done("/approvals", "It waits for a second person; nothing is done yet.", "asked for")

    return asked


def perform(visit: Visit, form: Fields, name: str, does: Does, partial: bool) -> Response[Any]:
    """Do it once, journal whose act it was, and say what to show next."""
    book, who = visit.office.answers, f"person {visit.person}"
    values = [(key, value) for key, value in form.pairs if key not in ("csrf", "once")]
    digest = hashlib.sha256(msgspec.json.encode([visit.path, values])).hexdigest()
    key = hashlib.sha256(f"{form.maybe('once', 100) or digest}\n{digest}".encode()).hexdigest()[:48]

    def answered(stamp: Stamp) -> Answered:
        try:
            done = does(visit, form, stamp)
        except IntertieError as error:
            problem = problem_of(error)
            LOG.info("act", extra={"key_name": visit.person, "code": name, "state": problem.code})
            return Answered(_UNDONE, encode(problem))
        noted = f"{name.replace('_', ' ')} {done.noted}".strip()
        note(visit.gateway, f"portal: {noted}", visit.person, stamp.at, visit.visitor.address)
        LOG.info("act", extra={"key_name": visit.person, "code": name, "state": "done"})
        return Answered(303, msgspec.json.encode(done))

    told = once(book, who, key, digest, visit.now, answered)
    if told.status == _UNDONE:
        return problem_page(visit, msgspec.json.decode(told.body, type=Problem), partial)
    done = msgspec.json.decode(told.body, type=Done)
    say_next(visit.office.people, visit.present.session, done.said)
    if partial:
        return Response("", headers={"HX-Redirect": done.to}, media_type=HTML)
    return Redirect(done.to, status_code=303)


def problem_page(visit: Visit, problem: Problem, partial: bool) -> Response[Any]:
    """What happened, what was kept, what to do: in place of the page, or above the form that was sent."""
    problem = msgspec.structs.replace(problem, title=_TITLES.get(problem.status, problem.title))
    if partial:
        text = render("problem_part.html", {"problem": problem})
    else:
        text = whole(visit, View("problem.html", problem.title, {"problem": problem}))
    return Response(text, status_code=problem.status, media_type=HTML, headers=again_headers(problem))


def check_visit(visit: Visit, right: Right) -> None:
    """NotAllowed if the person has not the right."""
    check_right(visit.roles, right)


def _safe(name: str) -> str:
    """A file's name that goes into a header: nothing in it ends it or names a folder."""
    return (
        "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)[:120].lstrip(".")
        or "file"
    )


def request_path(request: Request[Any, Any, Any]) -> str:
    """The path and query, to come back to."""
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")
