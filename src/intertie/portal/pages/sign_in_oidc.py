"""Signing in by the organisation's own sign-on: there, and back. The browser that comes back is the one that went."""

from __future__ import annotations

import hmac
from typing import Any

import msgspec
from litestar import Response, get
from litestar.datastructures import Cookie
from litestar.response import Redirect

from intertie.gateway.configuration.single_sign_on import Pending, SingleSignOn
from intertie.gateway.office.people import NotKnown
from intertie.gateway.office.sign_in import Wait, by_oidc, taken_challenge
from intertie.portal.door import Office, OfficeDep
from intertie.portal.pages.guarding import Asking, local, secure, site_of, visitor_of
from intertie.portal.pages.reading import Fields
from intertie.portal.pages.sign_in import let_in, shown
from intertie.seal.id_tokens import NotSignedOn
from intertie.seal.passkeys import NoPasskey

BACK = "/sign-in/oidc/back"
COOKIE = "intertie-sign-on"
MINUTES = 5


@get("/sign-in/oidc", include_in_schema=False, sync_to_thread=True)
def go_to_sign_on(request: Asking, office: OfficeDep) -> Response[Any]:
    """To the provider."""
    onward = local(Fields.read(request.url.query.encode()).maybe("next", 2000))
    try:
        where, pending = _provider(office).begin(site_of(request).origin + BACK, onward)
    except NotSignedOn as error:
        return shown(office, onward, error)
    office.people.put_challenge(f"oidc {pending.state}", msgspec.json.encode(pending), office.clock())
    answer = Redirect(where, status_code=303)
    answer.set_cookie(
        Cookie(
            key=COOKIE,
            value=pending.state,
            path=BACK,
            secure=secure(request),
            httponly=True,
            samesite="lax",
            max_age=MINUTES * 60,
        )
    )
    return answer


@get(BACK, include_in_schema=False, sync_to_thread=True)
def come_back(request: Asking, office: OfficeDep) -> Response[Any]:
    """From the provider, with a code that only we can turn into a name."""
    query = Fields.read(request.url.query.encode())
    onward = "/"
    try:
        code = query.maybe("code", 4000)
        if code is None:  # has no effect, whoever sent it; some providers forget the state then
            why = (query.maybe("error", 200) or "no reason")[:60]
            raise NotSignedOn(f"the provider let nobody in ({why})", do="Try again.")
        pending = _pending(request, office, query)
        onward = pending.onward
        name = _provider(office).finish(pending, site_of(request).origin + BACK, code, office.wall())
        key, session = by_oidc(office.gateway, office.people, name, visitor_of(request), office.clock())
    except (NotSignedOn, NotKnown, Wait, NoPasskey) as error:
        return shown(office, onward, error)
    answer = let_in(request, office, key, session, onward)
    answer.delete_cookie(COOKIE, path=BACK)
    return answer


def _pending(request: Asking, office: Office, query: Fields) -> Pending:
    """What this very browser went with; NotSignedOn for another's, NoPasskey for one that took too long."""
    state = query.maybe("state", 200) or ""
    if not state or not hmac.compare_digest(state.encode(), request.cookies.get(COOKIE, "").encode()):
        raise NotSignedOn("this browser did not ask for it", do="Begin at the sign-in page.")
    raw = taken_challenge(office.people, f"oidc {state}", office.clock())
    return msgspec.json.decode(raw, type=Pending)


def _provider(office: Office) -> SingleSignOn:
    if office.sign_on is None:
        raise NotSignedOn("there is no sign-on here", do="Sign in another way.")
    return office.sign_on


STRANGERS = [go_to_sign_on, come_back]
