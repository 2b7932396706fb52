"""A custodian's customers: a code lets one in once; what is asked by whom is shown; agreed to, refused, ended; and whom the door
does not answer: another browser, another site, another customer."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.exchange.espi_world import HOST, OWN, REDIRECT, Browser, World, hours

from intertie.bindings.espi.customers import (
    ASKED_COOKIE,
    CODES_BURST,
    CUSTOMER_COOKIE,
    from_here,
    headers_for,
    words_of,
)
from intertie.bindings.espi.door import EspiDoorway
from intertie.formats.espi.scope import read_scope
from intertie.gateway.espi.espi_customers import CODE_DAYS_MAX, SESSION_LIFE, Customers
from intertie.gateway.espi.espi_grants import ASKING_LIFE, NotGranted
from intertie.gateway.espi.espi_ports import Application, Consent
from intertie.journal.entry import read_entry
from intertie.model.errors import SettingsError
from intertie.stores.espi_customers import KEPT_AFTER, CustomerFiles

OAUTH = "/espi/1_1/oauth"
CUSTOMER = f"{OAUTH}/customer"
HERE = {"origin": HOST, "sec-fetch-site": "same-origin"}
VERIFIER = "v" * 50


class House(World):
    """A custodian whose customers decide by themselves."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.customers = Customers(self.gateway, self.grants, CustomerFiles(folder / "espi"))
        self.door = EspiDoorway(
            self.grants,
            self.custodian,
            self.settings,
            lambda: self.now,
            lambda: self.ticks,
            customers=self.customers,
        ).app()
        self.client = Browser(self.door)
        self.keep(hours())

    def another(self) -> Browser:
        """Somebody else's browser."""
        return Browser(self.door)

    def code(self, customer: str = "C-1", *meters: str) -> str:
        return self.customers.invite(customer, meters or ("M1", "M2"), timedelta(days=14), self.now)

    def post(self, path: str, browser: Browser | None = None, **fields: str) -> httpx.Response:
        return (browser or self.client).post(path, data=fields, headers=HERE)

    def notes(self) -> str:
        return " ".join(read_entry(raw).note for _, raw, _ in self.gateway.store.entries())


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def app(house: House) -> tuple[Application, str]:
    return house.add()


def text(answer: httpx.Response, status: int = 200) -> str:
    assert answer.status_code == status, (answer.status_code, answer.text)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "frame-ancestors 'none'" in policy
    assert "<script" not in answer.text and " style=" not in answer.text
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def csrf(answer: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', answer.text)
    assert found is not None, answer.text
    return found[1]


def asked(house: House, app: tuple[Application, str], **more: str) -> str:
    """A third party sends the customer's browser here: the page on which it is asked."""
    answer = house.ask(app[0], **more)
    assert answer.status_code == 303, answer.text
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{ASKED_COOKIE}=") and "Secure; HttpOnly; SameSite=Lax" in cookie
    return str(answer.headers["location"])


def entered(house: House, page: str, code: str = "") -> httpx.Response:
    """Let in by a code; the page of the question then."""
    answer = house.post(f"{page}/enter", code=code or house.code())
    assert answer.status_code == 303 and answer.headers["location"] == page, answer.text
    assert answer.headers["set-cookie"].startswith(f"{CUSTOMER_COOKIE}=")
    return house.client.get(page)


def back(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 302, answer.text
    location = answer.headers["location"]
    assert location.startswith(f"{REDIRECT}?")
    return {name: one for name, (one,) in parse_qs(urlsplit(location).query).items()}


def consents(house: House) -> list[Consent]:
    return [one for each in house.book.applications() for one in house.book.consents(each.id)]


def agreed(house: House, app: tuple[Application, str], **fields: str) -> httpx.Response:
    """All of it, up to the answer that leads back."""
    page = asked(house, app)
    shown = entered(house, page)
    said = {"csrf": csrf(shown), "meter-0": "yes", "days": "90", **fields}
    return house.post(f"{page}/agree", **said)


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


# An answer


def test_a_customer_sees_what_is_asked_agrees_and_the_third_party_gets_its_tokens(
    house: House, app: tuple[Application, str]
) -> None:
    page = asked(house, app, code_challenge=challenge_of(VERIFIER), code_challenge_method="S256")
    stranger = text(house.client.get(page))
    assert "Sun App asks for your meter readings" in stranger and "led back to app.example" in stranger
    assert "in intervals of 15 minutes or longer: from 400 days back" in stranger and OWN in stranger
    assert "Your code" in stranger and "M1" not in stranger and "I agree" not in stranger
    shown = entered(house, page, house.code("C-17", "M1", "M2").lower())
    said = text(shown)
    assert "M1" in said and "M2" in said and "I agree" in said and "a year" in said
    assert "form-action 'self' https://app.example;" in shown.headers["content-security-policy"]
    form = {"csrf": csrf(shown), "meter-1": "yes", "days": "90"}
    led = back(house.post(f"{page}/agree", **form))
    assert led["state"] == "s/1" and led["iss"] == HOST
    (one,) = consents(house)
    assert (one.customer, one.meters, one.until) == ("C-17", ("M2",), house.now + timedelta(days=90))
    redeeming = {"grant_type": "authorization_code", "code": led["code"], "redirect_uri": REDIRECT}
    assert house.token(*app, **redeeming).status_code == 400, "PKCE is held to"


def test_the_code_of_the_flow_is_redeemed_with_its_verifier(
    house: House, app: tuple[Application, str]
) -> None:
    page = asked(house, app, code_challenge=challenge_of(VERIFIER), code_challenge_method="S256")
    shown = entered(house, page)
    led = back(house.post(f"{page}/agree", csrf=csrf(shown), days="365", **{"meter-0": "yes"}))
    redeeming = {
        "grant_type": "authorization_code",
        "code": led["code"],
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    answer = house.token(*app, **redeeming)
    assert answer.status_code == 200 and answer.json()["refresh_token"]
    assert len(consents(house)) == 1
    notes = house.notes()
    assert "agreed to by the customer, 127.0.0.1" in notes and "espi customer came in, 127.0.0.1" in notes
    assert text(house.client.get(page)).startswith("You have consented")


def test_the_same_answer_twice_is_one_consent(house: House, app: tuple[Application, str]) -> None:
    page = asked(house, app)
    shown = entered(house, page)
    form = {"csrf": csrf(shown), "meter-0": "yes", "days": "30"}
    first, second = back(house.post(f"{page}/agree", **form)), back(house.post(f"{page}/agree", **form))
    assert first["code"] != second["code"] and len(consents(house)) == 1
    assert "code" in back(house.client.get(page)), "who lost the answer reloads"
    assert "code" in back(house.post(f"{page}/refuse", csrf=form["csrf"])), "it is answered already"


def test_a_customer_refuses(house: House, app: tuple[Application, str]) -> None:
    page = asked(house, app)
    shown = entered(house, page)
    led = back(house.post(f"{page}/refuse", csrf=csrf(shown)))
    assert led == {"error": "access_denied", "state": "s/1", "iss": HOST}
    assert consents(house) == [] and "refused by the customer" in house.notes()
    assert back(house.post(f"{page}/agree", csrf=csrf(shown), days="30", **{"meter-0": "yes"})) == led


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"meter-0": "no"}, "no meter of yours is chosen"),
        ({"days": "0"}, "from 1 to"),
        ({"days": "99999"}, "from 1 to"),
        ({"days": "-1"}, "from 1 to"),
        ({"csrf": "A" * 43}, "not signed in any more"),
    ],
)
def test_an_answer_that_is_none_gives_nothing(
    house: House, app: tuple[Application, str], fields: dict[str, str], why: str
) -> None:
    answer = agreed(house, app, **fields)
    said = text(answer, 422)
    assert why in said and ("nothing was given" in said.lower() or "Nothing is given yet" in said)
    assert consents(house) == []


def test_an_answer_after_the_session_or_the_day_is_over(house: House, app: tuple[Application, str]) -> None:
    page = asked(house, app)
    shown = entered(house, page)
    form = {"csrf": csrf(shown), "meter-0": "yes", "days": "30"}
    house.now += SESSION_LIFE
    assert "not signed in any more" in text(house.post(f"{page}/agree", **form), 422)
    house.now += ASKING_LIFE
    assert "Nobody waits here" in text(house.post(f"{page}/agree", **form), 404)
    assert consents(house) == []


def test_an_operator_answers_as_before(house: House, app: tuple[Application, str]) -> None:
    page = asked(house, app)
    number = re.search(r"number: ([0-9a-f]{12})", house.client.get(page).text)
    assert number is not None
    until = house.now + timedelta(days=30)
    house.grants.decide(number[1], "C-1", ["M1"], until, None, house.now)
    assert "code" in back(house.client.get(page))


# Whom it does not answer


def test_another_browser_is_not_led_to_agree(house: House, app: tuple[Application, str]) -> None:
    """Somebody asks in a browser of their own, and sends a customer the address: the customer's readings would go to them."""
    page = asked(house, app)
    victim = house.another()
    assert house.post(CUSTOMER + "/enter", victim, code=house.code()).status_code == 303
    shown = victim.get(page)
    assert "I agree" not in shown.text and "We wait for your answer" in shown.text
    form = {"csrf": csrf(victim.get(CUSTOMER)), "meter-0": "yes", "days": "30"}
    for act in ("agree", "refuse", "enter"):
        assert house.post(f"{page}/{act}", victim, **form).status_code == 404
    assert consents(house) == []


def test_another_browser_does_not_get_the_code(house: House, app: tuple[Application, str]) -> None:
    page = asked(house, app)
    shown = entered(house, page)
    house.post(f"{page}/agree", csrf=csrf(shown), days="30", **{"meter-0": "yes"})
    assert house.another().get(page).status_code == 404
    assert "code" in back(house.client.get(page))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": HOST, "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "none"},
    ],
)
def test_a_form_of_another_site_does_nothing(
    house: House, app: tuple[Application, str], headers: dict[str, str]
) -> None:
    page = asked(house, app)
    shown = entered(house, page)
    data = {"csrf": csrf(shown), "meter-0": "yes", "days": "30", "code": house.code()}
    for path in (
        f"{page}/agree",
        f"{page}/refuse",
        f"{page}/enter",
        f"{CUSTOMER}/enter",
        f"{CUSTOMER}/leave",
    ):
        assert house.client.post(path, data=data, headers=headers).status_code == 403, path
    assert consents(house) == [] and "I agree" in house.client.get(page).text


def test_nobody_is_led_elsewhere(house: House, app: tuple[Application, str]) -> None:
    """An address that is not registered is not followed, nor does it come into a policy."""
    answer = house.ask(app[0], redirect_uri="https://evil.example/back")
    assert answer.status_code == 400 and "location" not in answer.headers
    for uri in (
        "https://a.example;script-src/x",
        "https://a b/",
        "javascript:alert(1)",
        "https://é.example/",
    ):
        assert "form-action 'self';" in headers_for(uri)["content-security-policy"], uri
    assert from_here({"origin": "http://localhost:1", "host": "localhost:1"}, HOST)
    assert not from_here({"origin": "http://localhost:2", "host": "localhost:1"}, HOST)


def test_names_that_a_third_party_chose_are_text(house: House) -> None:
    app = house.add(name="<b onmouseover=alert(1)>Sun")
    page = asked(house, app)
    for shown in (house.client.get(page), entered(house, page)):
        assert "<b onmouseover" not in shown.text and "&lt;b onmouseover" in shown.text


def test_a_body_that_is_no_form(house: House, app: tuple[Application, str]) -> None:
    page = asked(house, app)
    assert house.post(f"{page}/enter", code="\u0131" * 20).status_code == 400
    for content, kind in ((b"x" * 100_000, "application/x-www-form-urlencoded"), (b"{}", "application/json")):
        answer = house.client.post(f"{page}/enter", content=content, headers={**HERE, "content-type": kind})
        assert answer.status_code == 400, kind


# Codes


def test_a_code_counts_once_and_not_for_ever(house: House) -> None:
    code = house.code()
    assert re.fullmatch(r"([2-9A-HJ-NP-Z]{5}-){3}[2-9A-HJ-NP-Z]{5}", code)
    assert house.post(CUSTOMER + "/enter", code=f" {code.replace('-', ' ')} ").status_code == 303
    assert "does not let you in" in text(house.post(CUSTOMER + "/enter", code=code), 422)
    late = house.code()
    house.now += timedelta(days=14)
    assert "does not let you in" in text(house.post(CUSTOMER + "/enter", code=late), 422)
    for wrong in ("", "x", "A" * 20, "A" * 50):
        assert house.post(CUSTOMER + "/enter", house.another(), code=wrong).status_code == 422


def test_who_tries_many_codes_waits(house: House) -> None:
    for _ in range(int(CODES_BURST)):
        house.post(CUSTOMER + "/enter", code="A" * 20)
    code = house.code()
    assert "Too many codes" in text(house.post(CUSTOMER + "/enter", code=code), 422)
    house.ticks += 60.0
    assert house.post(CUSTOMER + "/enter", code=code).status_code == 303


@pytest.mark.parametrize(
    ("customer", "meters", "days"),
    [
        ("", ["M1"], 14),
        ("C-1", [], 14),
        ("C-1", ["M1", "M1"], 14),
        ("C-1", ["M1"], 0),
        ("C-1", ["M1"], 61),
        ("a b", ["M1"], 14),
    ],
)
def test_what_is_no_invitation(house: House, customer: str, meters: list[str], days: int) -> None:
    assert CODE_DAYS_MAX == 60
    with pytest.raises(SettingsError):
        house.customers.invite(customer, meters, timedelta(days=days), house.now)


def test_nothing_that_opens_anything_is_on_disk(house: House, app: tuple[Application, str]) -> None:
    code = house.code()
    page = asked(house, app)
    answer = house.post(f"{page}/enter", code=code)
    key = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
    kept = b" ".join(path.read_bytes() for path in (house.folder / "espi").rglob("*") if path.is_file())
    for secret in (code, code.replace("-", ""), key, page.rpartition("/")[2]):
        assert secret.encode() not in kept


def test_sessions_that_are_over_go(house: House) -> None:
    key, session = house.customers.enter(house.code(), "::1", house.now)
    assert house.customers.present(key, house.now) == session
    assert house.customers.present("x", house.now) is None
    house.now += SESSION_LIFE + KEPT_AFTER + timedelta(seconds=1)
    assert house.customers.present(key, house.now) is None
    house.customers.enter(house.code(), "::1", house.now)
    assert house.customers.book.session(session.digest) is None
    with pytest.raises(NotGranted):
        house.customers.enter("", "::1", house.now)


# What was agreed to, and its end


def test_a_customer_ends_what_was_agreed_to(house: House, app: tuple[Application, str]) -> None:
    tokens = house.consented(app[0], app[1], "M1")  # an operator consented for C-1
    assert "Your code" in text(house.client.get(CUSTOMER))
    assert house.post(CUSTOMER + "/enter", code=house.code("C-1", "M1")).headers["location"] == CUSTOMER
    shown = house.client.get(CUSTOMER)
    said = text(shown)
    assert "Sun App" in said and "M1" in said and "End it" in said and "until 2027-11-20" in said
    (one,) = consents(house)
    form = {"csrf": csrf(shown), "application": one.application, "consent": one.id}
    ended = text(house.post(CUSTOMER + "/revoke", **form))
    assert "nothing more is given" in ended and "ended on 2026-11-20" in ended and "End it" not in ended
    assert house.get("ServiceStatus", tokens["access_token"]).status_code == 401
    assert text(house.post(CUSTOMER + "/revoke", **form)), "once more is the same"
    assert "ended by the customer, 127.0.0.1" in house.notes()
    left = house.post(CUSTOMER + "/leave", csrf=form["csrf"])
    assert "You have left" in text(left) and "Max-Age=0" in left.headers["set-cookie"]
    assert "Your code" in text(house.client.get(CUSTOMER))


def test_another_customer_sees_and_ends_nothing(house: House, app: tuple[Application, str]) -> None:
    house.consented(app[0], app[1], "M1")
    (one,) = consents(house)
    house.post(CUSTOMER + "/enter", code=house.code("C-2", "M9"))
    shown = house.client.get(CUSTOMER)
    assert "Nobody has readings" in text(shown) and one.id not in shown.text
    form = {"csrf": csrf(shown), "application": one.application, "consent": one.id}
    assert "no such consent of yours" in text(house.post(CUSTOMER + "/revoke", **form), 422)
    stranger = house.another()
    assert "not signed in any more" in text(house.post(CUSTOMER + "/revoke", stranger, **form), 422)
    assert consents(house)[0].revoked is None


def test_a_customer_answers_for_no_meter_of_another(house: House, app: tuple[Application, str]) -> None:
    page = asked(house, app)
    house.post(f"{page}/enter", code=house.code("C-2", "M9"))
    key = house.client._client.cookies[CUSTOMER_COOKIE]
    session = house.customers.present(key, house.now)
    (waiting,) = house.book.askings()
    assert session is not None
    with pytest.raises(SettingsError, match="no meter of yours"):
        house.customers.agree(session, waiting, ["M1"], 30, "", house.now)
    assert consents(house) == []


def test_the_pages_have_a_style_sheet_of_their_own(house: House) -> None:
    sheet = house.client.get(f"{OAUTH}/customer.css")
    assert sheet.status_code == 200 and "prefers-color-scheme: dark" in sheet.text
    assert sheet.headers["content-type"].startswith("text/css")


def test_without_customers_there_are_no_such_pages(tmp_path: Path) -> None:
    plain = World(tmp_path)
    assert plain.client.get(CUSTOMER).status_code == 404
    assert "set-cookie" not in plain.ask(plain.add()[0]).headers


def test_scopes_in_words() -> None:
    assert words_of(read_scope("FB=4")) == [
        "how much energy your meter counted: all that we have, and what comes"
    ]
    many = words_of(read_scope("FB=4_15_35_39;IntervalDuration=3600;BR=b1"))
    assert len(many) == 4 and "60 minutes" in many[0] and "each month" in many[1] and "at once" in many[2]
