"""Signing in and out. These pages need nobody; what they start is a session, whose key only the browser has."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler
from litestar.params import RawBody
from litestar.response import Redirect

from intertie.gateway.office.office_rights import Right
from intertie.gateway.office.people import SESSION_LIFE, NotKnown, Session
from intertie.gateway.office.sign_in import Wait, ask_passkey, by_code, by_passkey, by_password, sign_out
from intertie.gateway.office.visits import say_next
from intertie.model.errors import IntertieError, SettingsError
from intertie.portal.door import OfficeDep
from intertie.portal.pages.guarding import (
    Asking,
    cookie_name,
    local,
    secure,
    site_of,
    visit_of,
    visitor_of,
    who,
)
from intertie.portal.pages.reading import Fields
from intertie.portal.pages.rendering import render
from intertie.portal.pages.web import HTML, check_form

# An answer of a passkey is two kilobytes.
BODY_BYTES_MAX = 64 * 1024
Begins = Callable[[Asking, OfficeDep, Fields], tuple[str, Session]]


@get("/sign-in", include_in_schema=False, sync_to_thread=True)
def sign_in_page(request: Asking, office: OfficeDep) -> Response[Any]:
    """The form."""
    query = Fields.read(request.url.query.encode())
    onward = local(query.maybe("next", 2000))
    if who(request) is not None:
        return Redirect(onward, status_code=303)
    return shown(office, onward)


@get("/sign-in/ask", include_in_schema=False, sync_to_thread=True)
def ask(request: Asking, office: OfficeDep) -> Response[Any]:
    """What a passkey is asked, and the name under which that is remembered for some minutes."""
    asked = secrets.token_urlsafe(18)
    options = ask_passkey(office.people, site_of(request), asked, office.clock())
    return Response(msgspec.json.encode({"asked": asked, "options": options}), media_type="application/json")


def let_in(request: Asking, office: OfficeDep, key: str, session: Session, onward: str) -> Response[Any]:
    """The session is the browser's from here on; one that it had before ends."""
    before = who(request)
    if before is not None:
        office.people.end_session(before.session.digest)
    person = office.people.person(session.person)
    if session.how == "code" and person is not None and not person.enrolled:
        onward = "/settings/sign-in"
        say_next(office.people, session, "You are in. Set up how you sign in from now on.")
    done = Redirect(onward, status_code=303)
    done.set_cookie(
        Cookie(
            key=cookie_name(request),
            value=key,
            path="/",
            secure=secure(request),
            httponly=True,
            samesite="lax",
            max_age=int(SESSION_LIFE / timedelta(seconds=1)),
        )
    )
    return done


def _begins(path: str) -> Callable[[Begins], HTTPRouteHandler]:
    """A POST that starts a session, or shows the form again and says why not."""

    def made(begins: Begins) -> HTTPRouteHandler:
        def handler(request: Asking, office: OfficeDep, body: RawBody) -> Response[Any]:
            form = Fields.read(body)
            onward = local(form.maybe("next", 2000))
            try:
                key, session = begins(request, office, form)
            except (NotKnown, Wait, SettingsError) as error:
                return shown(office, onward, error, form.maybe("name", 64) or "")
            return let_in(request, office, key, session, onward)

        handler.__name__ = begins.__name__
        handler.__doc__ = begins.__doc__
        return post(
            path,
            include_in_schema=False,
            sync_to_thread=True,
            status_code=200,
            request_max_body_size=BODY_BYTES_MAX,
        )(handler)

    return made


@_begins("/sign-in/password")
def enter_by_password(request: Asking, office: OfficeDep, form: Fields) -> tuple[str, Session]:
    """Name, password and one-time code."""
    return by_password(
        office.gateway,
        office.people,
        form.maybe("name", 200) or "",
        # Blanks at its ends belong to a password.
        next((value for name, value in form.pairs if name == "password"), ""),
        form.maybe("code", 40) or "",
        visitor_of(request),
        office.clock(),
        office.wall(),
    )


@_begins("/sign-in/passkey")
def enter_by_passkey(request: Asking, office: OfficeDep, form: Fields) -> tuple[str, Session]:
    """The answer of a passkey."""
    said = read_credential(form.maybe("credential", BODY_BYTES_MAX) or "")
    asked = form.maybe("asked", 100) or ""
    return by_passkey(
        office.gateway, office.people, site_of(request), asked, said, visitor_of(request), office.clock()
    )


@_begins("/sign-in/code")
def enter_by_code(request: Asking, office: OfficeDep, form: Fields) -> tuple[str, Session]:
    """A sign-in code, which counts once."""
    return by_code(
        office.gateway, office.people, form.maybe("code", 100) or "", visitor_of(request), office.clock()
    )


@post("/sign-out", right=Right.KNOW, include_in_schema=False, sync_to_thread=True, status_code=200)
def leave(request: Asking, office: OfficeDep, body: RawBody) -> Response[Any]:
    """The session ends, and the browser forgets its key and what it kept."""
    visit = visit_of(request, office)
    check_form(visit, Fields.read(body))
    sign_out(office.gateway, office.people, visit.present.session, visit.now)
    done = Redirect("/sign-in", status_code=303, headers={"Clear-Site-Data": '"cache", "storage"'})
    done.delete_cookie(cookie_name(request), path="/")
    return done


def read_credential(text: str) -> dict[str, Any]:
    """The JSON of a passkey's answer. SettingsError if the browser sent none."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise SettingsError(
            "the browser sent no passkey", do="Try again; the browser's own window says what went wrong."
        ) from error


def shown(
    office: OfficeDep, onward: str, error: IntertieError | None = None, name: str = ""
) -> Response[Any]:
    """The form, and why it is shown again."""
    status = 200 if error is None else 429 if isinstance(error, Wait) else 401
    headers = {}
    if isinstance(error, Wait):
        seconds = re.search(r"\d+", error.do)
        headers["Retry-After"] = seconds.group() if seconds else "1"
    text = render(
        "sign_in.html",
        {
            "title": "Sign in",
            "party": office.gateway.party.id,
            "sign_on": office.sign_on.label if office.sign_on is not None else "",
            "next": onward,
            "error": error,
            "name": name,
        },
    )
    return Response(text, status_code=status, media_type=HTML, headers=headers)


STRANGERS = [sign_in_page, ask, enter_by_password, enter_by_passkey, enter_by_code]
ROUTES = [leave]
