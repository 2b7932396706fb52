"""The pages of a custodian's customers: to say who they are by a code, to answer a third party that asks, and to end it later.
Made on the server, without script; which answer counts, gateway/espi/espi_customers.py says.

An answer belongs to the browser that the third party sent here: it got a cookie then, and only with it an asking can be answered
by its customer, and its code be taken back. So nobody is led to agree to what somebody else asked for (RFC 6749 s.10.12).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from anyio import to_thread
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from intertie.bindings.espi.forms import read_form
from intertie.bindings.parcel_https.limits import Addresses
from intertie.formats.espi.scope import BULK, PUSH, SUMMARIES, Scope, read_scope
from intertie.formats.espi.service import OAUTH
from intertie.gateway.espi.espi_customers import SESSION_LIFE, Customers, CustomerSession
from intertie.gateway.espi.espi_grants import NotGranted
from intertie.gateway.espi.espi_ports import Asking
from intertie.model.errors import IntertieError, SettingsError

LOG = logging.getLogger("intertie.espi")
# __Host-: of this host alone, over TLS alone. Lax: a customer comes from a third party's page.
ASKED_COOKIE, CUSTOMER_COOKIE = "__Host-intertie-asked", "__Host-intertie-customer"
_COOKIE = "Path=/; Secure; HttpOnly; SameSite=Lax"
# Codes that are tried from one address; nobody guesses a hundred bits, but nobody needs more either.
CODES_PER_MINUTE, CODES_BURST = 6.0, 10.0
LENGTHS = ((30, "30 days"), (90, "90 days"), (365, "a year"), (1095, "three years"))
# Consents that a page shows, the newest first.
SHOWN_MAX = 100
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]{1,255}")
_ENVIRONMENT = Environment(
    loader=PackageLoader("intertie.bindings.espi", "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    auto_reload=False,
)
_STYLE = files("intertie.bindings.espi").joinpath("pages/customer.css").read_bytes()


class CustomerPages:
    """The routes. `busy` answers whoever asks too often; `back` leads to the third party, or to the page that waits."""

    def __init__(
        self,
        customers: Customers,
        url: str,
        clock: Callable[[], datetime],
        ticks: Callable[[], float],
        busy: Callable[[Request], Response | None],
        back: Callable[[str, datetime], Response],
    ) -> None:
        """`back` is given the secret of an asking that was answered."""
        self._customers, self._url, self._clock = customers, url, clock
        self._custodian = customers.gateway.party.name
        self._busy, self._back = busy, back
        self._codes = Addresses(CODES_PER_MINUTE, CODES_BURST, ticks)

    def routes(self) -> list[Route]:
        """For the door."""
        one = f"{OAUTH}/asked/{{secret}}"
        return [
            Route(f"{one}/enter", self.enter_asked, methods=["POST"]),
            Route(f"{one}/agree", self.agree, methods=["POST"]),
            Route(f"{one}/refuse", self.refuse, methods=["POST"]),
            Route(f"{OAUTH}/customer", self.consents, methods=["GET"]),
            Route(f"{OAUTH}/customer/enter", self.enter, methods=["POST"]),
            Route(f"{OAUTH}/customer/revoke", self.revoke, methods=["POST"]),
            Route(f"{OAUTH}/customer/leave", self.leave, methods=["POST"]),
            Route(f"{OAUTH}/customer.css", self.style, methods=["GET"]),
        ]

    # What a page shows

    def asked_page(self, request: Request, asking: Asking, secret: str, wrong: str = "") -> Response:
        """Who asks for what; the form to say who one is, or to answer. Blocks."""
        application = self._customers.grants.book.application(asking.application)
        scope = (
            read_scope(asking.scope)
            if application is None
            else read_scope(asking.scope).bounded(application.what)
        )
        return self._page(
            422 if wrong else 200,
            "asked.html",
            f"{application.name if application else 'A third party'} asks for your meter readings",
            back_to=asking.redirect_uri,
            wrong=wrong,
            name=application.name if application else "A third party",
            words=words_of(scope),
            scope=asking.scope,
            session=self._session(request),
            here=f"{OAUTH}/asked/{secret}",
            lengths=LENGTHS,
            number=asking.id,
        )

    def is_own(self, request: Request, secret: str) -> bool:
        """Whether the third party sent this browser here."""
        return request.cookies.get(ASKED_COOKIE) == secret

    def _consents_page(self, session: CustomerSession | None, wrong: str = "", done: str = "") -> Response:
        now = self._clock()
        given = [] if session is None else self._customers.consents(session)
        lines = [
            (one.consent, one.application, words_of(one.consent.what), one.consent.counts(now))
            for one in given[:SHOWN_MAX]
        ]
        title = "Who may have your meter readings"
        return self._page(
            422 if wrong else 200,
            "consents.html",
            title,
            wrong=wrong,
            session=session,
            given=lines,
            done=done,
        )

    def _page(self, status: int, template: str, title: str, back_to: str = "", **context: Any) -> Response:
        given = {"title": title, "custodian": self._custodian, "oauth": OAUTH, "wrong": "", **context}
        host = urlsplit(back_to).netloc if back_to else ""
        body = _ENVIRONMENT.get_template(template).render({**given, "back_to": host})
        return Response(body, status, headers_for(back_to), "text/html; charset=utf-8")

    def _said(self, status: int, title: str, text: str) -> Response:
        return self._page(status, "said.html", title, text=text, link="", link_text="")

    # The customer's own consents

    async def consents(self, request: Request) -> Response:
        """GET: who may have what."""
        return await self._answer(request, lambda: self._consents_page(self._session(request)))

    async def enter(self, request: Request) -> Response:
        """POST a code."""
        return await self._form(
            request, lambda form: self._enter(request, form, f"{OAUTH}/customer", self._consents_page_wrong)
        )

    async def revoke(self, request: Request) -> Response:
        """POST: an end of what was agreed to."""
        return await self._form(request, lambda form: self._revoke(request, form))

    async def leave(self, request: Request) -> Response:
        """POST: the session is over."""
        return await self._form(request, lambda form: self._leave(request, form))

    def _consents_page_wrong(self, wrong: str) -> Response:
        return self._consents_page(None, wrong)

    def _revoke(self, request: Request, form: Mapping[str, str]) -> Response:
        session = self._checked(request, form)
        if session is None:
            return self._consents_page(None, "You were not signed in any more: nothing was changed.")
        application, id, now = form.get("application", ""), form.get("consent", ""), self._clock()
        self._customers.revoke(session, application, id, _address(request), now)
        return self._consents_page(session, done="It is ended: nothing more is given.")

    def _leave(self, request: Request, form: Mapping[str, str]) -> Response:
        session = self._checked(request, form)
        if session is not None:
            self._customers.leave(session)
        answer = self._said(200, "You have left", "You may close this page.")
        answer.headers.append("set-cookie", f"{CUSTOMER_COOKIE}=; Max-Age=0; {_COOKIE}")
        return answer

    # An answer to a third party

    async def enter_asked(self, request: Request) -> Response:
        """POST a code, on the page of somebody who asks."""
        return await self._asked_form(request, self._enter_asked)

    async def agree(self, request: Request) -> Response:
        """POST: the customer agrees; back to the third party, with a code."""
        return await self._asked_form(request, self._agree)

    async def refuse(self, request: Request) -> Response:
        """POST: the customer does not; back to the third party, which hears so."""
        return await self._asked_form(request, self._refuse)

    def _enter_asked(
        self, request: Request, asking: Asking, secret: str, form: Mapping[str, str]
    ) -> Response:
        return self._enter(
            request,
            form,
            f"{OAUTH}/asked/{secret}",
            lambda wrong: self.asked_page(request, asking, secret, wrong),
        )

    def _agree(self, request: Request, asking: Asking, secret: str, form: Mapping[str, str]) -> Response:
        now = self._clock()
        if asking.consent is not None or asking.denied:  # the same form again
            return self._back(secret, now)
        session = self._checked(request, form)
        if session is None:
            return self.asked_page(request, asking, secret, _AGAIN)
        chosen = [meter for n, meter in enumerate(session.meters) if form.get(f"meter-{n}") == "yes"]
        days = form.get("days", "")
        count = int(days) if days.isascii() and days.isdecimal() and len(days) < 6 else 0
        try:
            self._customers.agree(session, asking, chosen, count, _address(request), now)
        except SettingsError as error:
            return self.asked_page(request, asking, secret, f"Nothing is given yet: {error.why}. {error.do}")
        LOG.info("espi consent", extra={"application": asking.application, "status": "agreed"})
        return self._back(secret, now)

    def _refuse(self, request: Request, asking: Asking, secret: str, form: Mapping[str, str]) -> Response:
        now = self._clock()
        if asking.consent is None and not asking.denied:
            session = self._checked(request, form)
            if session is None:
                return self.asked_page(request, asking, secret, _AGAIN)
            self._customers.refuse(session, asking, _address(request), now)
            LOG.info("espi consent", extra={"application": asking.application, "status": "refused"})
        return self._back(secret, now)

    async def style(self, request: Request) -> Response:
        """GET the style sheet."""
        return Response(
            _STYLE,
            200,
            {**headers_for(""), "cache-control": "public, max-age=3600"},
            "text/css; charset=utf-8",
        )

    # What they share

    def _enter(
        self, request: Request, form: Mapping[str, str], to: str, wrong: Callable[[str], Response]
    ) -> Response:
        address = _address(request)
        if self._codes.wait(address):
            return wrong("Too many codes were tried. Wait a few minutes, and try again.")
        try:
            key, _ = self._customers.enter(form.get("code", ""), address, self._clock())
        except NotGranted:
            return wrong("This code does not let you in: it is mistyped, was used, or is too old.")
        life = int(SESSION_LIFE / timedelta(seconds=1))
        cookie = f"{CUSTOMER_COOKIE}={key}; Max-Age={life}; {_COOKIE}"
        return Response(status_code=303, headers={**headers_for(""), "location": to, "set-cookie": cookie})

    def _session(self, request: Request) -> CustomerSession | None:
        key = request.cookies.get(CUSTOMER_COOKIE, "")
        return self._customers.present(key, self._clock()) if key else None

    def _checked(self, request: Request, form: Mapping[str, str]) -> CustomerSession | None:
        """The session, if a page of it made the form."""
        session = self._session(request)
        if session is None or not self._customers.is_form_of(session, form.get("csrf", "")):
            return None
        return session

    async def _asked_form(
        self, request: Request, act: Callable[[Request, Asking, str, Mapping[str, str]], Response]
    ) -> Response:
        secret = request.path_params["secret"]

        def answered(form: Mapping[str, str]) -> Response:
            try:
                if not self.is_own(request, secret):
                    raise NotGranted("nobody waits here", do="Begin again at the third party.")
                asking = self._customers.grants.asked(secret, self._clock())
            except NotGranted as error:
                return self._said(404, "Nobody waits here", f"Nothing was given. {error.do}")
            return act(request, asking, secret, form)

        return await self._form(request, answered)

    async def _form(self, request: Request, act: Callable[[Mapping[str, str]], Response]) -> Response:
        if not from_here(request.headers, self._url):
            return self._said(
                403, "Not from here", "Nothing was changed. Load the page again, and answer there."
            )
        try:
            form = await read_form(request)
        except (ValueError, TimeoutError, ClientDisconnect):
            return self._said(400, "This form is not right", "Nothing was changed. Load the page again.")
        return await self._answer(request, lambda: act(form))

    async def _answer(self, request: Request, act: Callable[[], Response]) -> Response:
        busy = self._busy(request)
        if busy is not None:
            return busy
        try:
            return await to_thread.run_sync(act)
        except SettingsError as error:
            return self._said(422, "Not possible", f"Nothing was changed: {error.why}.")
        except IntertieError as error:
            LOG.error("espi", extra={"why": error.why})
            return self._said(503, "Not now", "Nothing was changed. Try again later.")


_AGAIN = "You were not signed in any more, so nothing was given. Say again who you are."


def asked_cookie(secret: str) -> str:
    """What the browser that a third party sent here keeps, until it has its answer."""
    return f"{ASKED_COOKIE}={secret}; {_COOKIE}"


def headers_for(back_to: str) -> dict[str, str]:
    """A form's answer may lead to the third party that asked, and nowhere else."""
    parts = urlsplit(back_to)
    origin = f"{parts.scheme}://{parts.netloc}"
    where = f"'self' {origin}" if back_to and _ORIGIN.fullmatch(origin) else "'self'"
    policy = (
        f"default-src 'none'; style-src 'self'; form-action {where}; frame-ancestors 'none'; base-uri 'none'"
    )
    return {
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "content-security-policy": policy,
    }


def from_here(headers: Mapping[str, str], url: str) -> bool:
    """Whether a page of this door sent the form, as its browser says: one of the two headers is in every browser of today."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    if origin is None:
        return site is not None
    return urlsplit(origin).netloc in (headers.get("host", ""), urlsplit(url).netloc)


def words_of(scope: Scope) -> Sequence[str]:
    """What a scope gives, for people."""
    step = "" if scope.finest is None else f", in intervals of {scope.finest // 60} minutes or longer"
    back = "all that we have" if scope.history is None else f"from {scope.history.days} days back"
    found = [f"how much energy your meter counted{step}: {back}, and what comes"]
    found += ["how much it was in each month"] if scope.has(SUMMARIES) else []
    found += ["together with the readings of its other customers, at once"] if scope.has(BULK) else []
    found += ["it is told when there are new ones"] if scope.has(PUSH) else []
    return found


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
