"""What is tried against a portal: each attack, and that it comes to nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.portal.test_pages import send
from tests.portal.visitors import HOST, Browser, person, signed_in
from tests.portal.world import NOBODY, World

from intertie.exchange.outbound import State
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.ports import Query
from intertie.portal.pages.guarding import HEADERS, local
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.web import FORM_BYTES_MAX

OPERATOR, AUDITOR, ADMIN = OfficeRole.OPERATOR, OfficeRole.AUDITOR, OfficeRole.ADMIN
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'>{{7*7}}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "office", made=False)
    yield world
    world.close()


def test_every_answer_forbids_what_is_not_ours(world: World) -> None:
    browser = signed_in(world, AUDITOR)
    for path in ("/", "/messages", "/nothing-here", "/sign-in", "/sign-in/ask", "/messages/xyz"):
        answer = browser.get(path)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, (path, name)
        assert answer.headers["cache-control"] == "no-store", path
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    asset = re.findall(r'src="(/static/[^"]+)"', browser.get("/").text)[0]
    assert "immutable" in browser.get(asset).headers["cache-control"]
    assert "content-security-policy" not in browser.http.get("/api/v1/openapi.json").headers


def test_no_page_has_script_or_style_inside_or_from_elsewhere(world: World) -> None:
    browser = signed_in(world, *OfficeRole)
    for path in ("/", "/messages", "/partners", "/settings", "/settings/people", "/settings/sign-in"):
        page = browser.get(path).text
        assert not re.search(r"<script(?![^>]*\ssrc=\"/static/)", page), path
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=", page), path
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', page), path


def test_stored_script_stays_text(world: World) -> None:
    """Whatever a partner or a colleague wrote: it is shown, and does nothing."""
    raw = send(world, "OUT-1")
    world.gateway.store.set_state(raw, State.FAILED, HOSTILE, [], world.now)
    browser = signed_in(world, *OfficeRole)
    for path in (f"/messages/{raw}", "/messages", f"/messages?text={'%3Cscript%3E'}"):
        page = browser.get(path).text
        assert "<script>alert" not in page and "<img src=x" not in page, path


@pytest.mark.parametrize("field", ["text", "conversation", "agreement", "partner", "after", "since"])
def test_what_stands_in_an_address_stays_text(world: World, field: str) -> None:
    page = signed_in(world, AUDITOR).get("/messages", params={field: HOSTILE}).text
    assert "<script>alert" not in page and "<img src=x" not in page


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": f"https://{HOST}"},
        {"origin": f"http://{HOST}.evil.test"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_from_elsewhere_does_nothing(world: World, headers: dict[str, str]) -> None:
    browser = signed_in(world, OPERATOR)
    id = send(world)
    form = {"csrf": browser.token(), "once": "forged-form"}
    assert browser.post(f"/messages/{id}/cancel", form, **headers).status_code == 403
    assert browser.post("/sign-in/code", {"code": "x"}, **headers).status_code == 403
    (row,) = world.gateway.store.messages(Query(outgoing=True, bodies=False))
    assert row.state.value == "queued"


def test_a_form_without_a_sign_of_where_it_is_from_does_nothing(world: World) -> None:
    browser = signed_in(world, OPERATOR)
    bare = browser.http.post("/sign-out", data={"csrf": browser.token()}, follow_redirects=False)
    assert bare.status_code == 403


@pytest.mark.parametrize("csrf", ["", "x", "é" * 43, "x" * 43])
def test_a_form_without_the_sessions_token_does_nothing(world: World, csrf: str) -> None:
    browser = signed_in(world, OPERATOR)
    id = send(world)
    assert browser.post(f"/messages/{id}/cancel", {"csrf": csrf, "once": "forged-form"}).status_code == 403
    others = signed_in(world, OPERATOR, name="other").token()
    assert browser.post(f"/messages/{id}/cancel", {"csrf": others, "once": "forged"}).status_code == 403


def test_a_session_is_never_the_one_that_was_there_before(world: World) -> None:
    """Fixation: a key that somebody planted, or that was used before signing in, opens nothing afterwards."""
    browser = Browser(world)
    browser.http.cookies.set("intertie", "planted-by-somebody-else-0000000000000000000", domain=HOST)
    code = person(world, "ann", [OPERATOR])
    answer = browser.post("/sign-in/code", {"code": code})
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert (
        "planted" not in cookie and "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie
    )
    planted = Browser(world)
    planted.http.cookies.set("intertie", "planted-by-somebody-else-0000000000000000000", domain=HOST)
    assert planted.get("/").status_code == 303


def test_signing_in_again_ends_the_session_before(world: World) -> None:
    browser = signed_in(world, OPERATOR, name="ann")
    old = browser.http.cookies["intertie"]
    code = person(world, "bob", [AUDITOR])
    assert browser.post("/sign-in/code", {"code": code}).status_code == 303
    again = Browser(world)
    again.http.cookies.set("intertie", old, domain=HOST)
    assert again.get("/").status_code == 303


def test_a_cookie_over_tls_is_for_this_host_only(world: World) -> None:
    browser = Browser(world)
    browser.http.base_url = f"https://{HOST}"
    code = person(world, "ann", [OPERATOR])
    answer = browser.post("/sign-in/code", {"code": code}, origin=f"https://{HOST}")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-intertie=") and "Secure" in cookie
    assert "max-age" in answer.headers["strict-transport-security"]


ELSEWHERE = [
    "//evil.test",
    "https://evil.test",
    "/\\evil.test",
    "\\\\evil.test",
    "/%0d%0aset-cookie:x",
    "javascript:alert(1)",
    "/\tevil.test",
    " //evil.test",
    "/ok\r\nset-cookie: a=b",
    "",
]


@pytest.mark.parametrize("onward", ELSEWHERE)
def test_nobody_is_sent_elsewhere_after_signing_in(world: World, onward: str) -> None:
    browser = signed_in(world, OPERATOR, name="ann")
    answer = browser.get("/sign-in", params={"next": onward})
    place = answer.headers["location"]
    assert place == "/" or (place.startswith("/") and not place.startswith(("//", "/\\")))
    assert "set-cookie" not in answer.headers or "a=b" not in answer.headers["set-cookie"]


@given(st.text(max_size=60))
def test_whatever_is_said_one_stays_here(text: str) -> None:
    place = local(text)
    assert place.startswith("/") and not place.startswith("//")
    assert not set(place) & {"\\", "\r", "\n", "\t", " "}


@pytest.mark.parametrize(
    "path",
    [
        "/static/0000/portal.css",
        "/static/../templates/base.html",
        "/static/x/..%2f..%2fdoor.py",
        "/messages/..%2f..%2fetc%2fpasswd",
        "/partners/..%2f..%2fetc",
        "/settings/keys/%00/revoke",
    ],
)
def test_a_path_leads_to_no_file(world: World, path: str) -> None:
    answer = signed_in(world, *OfficeRole).get(path)
    assert answer.status_code in (404, 405, 422), answer.status_code
    assert "root:" not in answer.text


def test_a_form_that_is_too_large_or_has_too_many_fields_or_is_none(world: World) -> None:
    browser = signed_in(world, OPERATOR)
    token = browser.token()
    id = send(world)
    large = browser.post(f"/messages/{id}/cancel", {"csrf": token, "x": "y" * FORM_BYTES_MAX})
    assert large.status_code == 413
    many = {"csrf": token, **{f"f{number}": "1" for number in range(3000)}}
    assert browser.post(f"/messages/{id}/cancel", many).status_code == 422
    raw = browser.http.post(
        f"/messages/{id}/cancel",
        content=b"\xff\xfe%zz=\x00",
        headers={"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"},
        follow_redirects=False,
    )
    assert raw.status_code in (403, 422)


@given(st.binary(max_size=200))
def test_any_bytes_are_fields_or_an_error_of_ours(raw: bytes) -> None:
    try:
        fields = Fields.read(raw)
    except FieldError:
        return
    for name in fields.given():
        for read in (fields.decimal, fields.instant, fields.day, lambda n: fields.number(n, 0, 9)):
            try:
                read(name)
            except FieldError as error:
                assert error.do


def test_a_key_of_the_api_opens_no_page_and_a_session_no_api(world: World) -> None:
    browser = signed_in(world, ADMIN)
    assert browser.http.get("/api/v1/whoami").status_code == 401
    answer = Browser(world).get("/", headers={"authorization": f"Bearer {NOBODY}"})
    assert answer.status_code == 303


def test_a_stranger_who_asks_too_often_waits(world: World) -> None:
    world.office.strangers._ticks = lambda: 0.0
    stranger = Browser(world)
    codes = {stranger.get("/sign-in").status_code for _ in range(70)}
    assert codes == {200, 429}


def test_signing_in_says_nothing_of_who_is_here(world: World) -> None:
    person(world, "ann", [OPERATOR])
    stranger = Browser(world)
    said = [
        stranger.post("/sign-in/password", {"name": name, "password": "x" * 20, "code": "123456"})
        for name in ("ann", "bob", HOSTILE)
    ]
    assert {answer.status_code for answer in said} == {401}
    assert "<script>alert" not in said[2].text
    cut = [re.sub(r'value="[^"]*"', "", answer.text) for answer in said]
    assert cut[0] == cut[1] == cut[2]
    waits = [
        stranger.post("/sign-in/password", {"name": "ann", "password": "", "code": ""}) for _ in range(6)
    ]
    assert waits[-1].status_code == 429 and int(waits[-1].headers["retry-after"]) >= 1
