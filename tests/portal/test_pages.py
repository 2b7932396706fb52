"""The pages without a browser: what they show, what forms do, and once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyotp
import pytest
from tests.portal.visitors import Browser, person, signed_in
from tests.portal.world import PARTNER, World, outage

from intertie.exchange.outbound import State
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.office_acts import send_document
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.people import CODE_LIFE, make_code
from intertie.gateway.ports import Query
from intertie.journal.entry import read_entry
from intertie.model.errors import EvidenceError
from intertie.model.ids import MessageId, new_message_id
from intertie.model.office import SendMessage
from intertie.seal.evidence_file import verify_file

OPERATOR, TRADER, AUDITOR, ADMIN, SETTLEMENT = (
    OfficeRole.OPERATOR,
    OfficeRole.TRADER,
    OfficeRole.AUDITOR,
    OfficeRole.ADMIN,
    OfficeRole.SETTLEMENT,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "office")
    yield world
    world.close()


def send(world: World, name: str = "OUT-1", **more: Any) -> MessageId:
    """An outage notice, queued."""
    raw = msgspec.json.encode(outage(name, **more))
    said = msgspec.json.decode(raw, type=SendMessage)
    stamp = Stamp(world.now, new_message_id(world.now), False)
    (id,) = send_document(world.gateway, frozenset({OPERATOR}), said, raw, stamp)
    return id


def notes(world: World) -> list[str]:
    return [read_entry(raw).note for _, raw, _ in world.gateway.store.entries()]


def state(world: World, id: MessageId) -> State:
    row = world.gateway.store.message(id, outgoing=True, body=False)
    assert row is not None
    return row.state


def test_nothing_waits_then_something_does(world: World) -> None:
    browser = signed_in(world, OPERATOR)
    assert "Nothing waits for you" in browser.get("/").text
    id = send(world, mode="real_time")
    world.now += timedelta(minutes=10)
    world.gateway.store.escalate(world.now)
    page = browser.get("/").text
    assert f'href="/messages/{id}"' in page and "is not acknowledged" in page
    assert f'href="/partners/{PARTNER}"' in page and "urgent messages wait" in page
    world.deliver()
    assert f'href="/messages/{id}"' not in browser.get("/").text


def test_what_came_to_nothing_is_shown_until_it_was_sent_again(world: World) -> None:
    browser = signed_in(world, OPERATOR)
    id = send(world)
    world.now += timedelta(days=3)
    world.gateway.store.expire(world.now)
    browser = signed_in(world, OPERATOR, name="later")
    assert "came to nothing" in browser.get("/").text
    page = browser.get(f"/messages/{id}").text
    assert "Send again" in page and "expired" in page
    assert browser.done(browser.send(f"/messages/{id}/resend", hours="24", may_have_arrived="yes"))
    assert "came to nothing" not in browser.get("/").text
    assert "It was sent again as" in browser.get(f"/messages/{id}").text


def test_messages_are_found_and_each_is_a_click_away(world: World) -> None:
    browser = signed_in(world, OPERATOR)
    assert "No message is like that" in browser.get("/messages").text
    out = send(world)
    came = world.from_partner()
    world.deliver()
    page = browser.get("/messages").text
    assert f"/messages/{out}" in page and f"/messages/{came}" in page
    for query, found, not_found in [
        ("direction=in", came, out),
        ("document=outage_notice", out, came),
        (f"text={out}", out, came),
        ("text=invoice", came, out),
        ("state=accepted&direction=out", out, came),
        ("interface=DA&document=invoice", came, out),
        ("since=2026-01-01T00:00&document=invoice", came, out),
    ]:
        page = browser.get(f"/messages?{query}").text
        assert f"/messages/{found}" in page and f"/messages/{not_found}" not in page, query
    assert "No message is like that" in browser.get("/messages?until=2020-01-01T00:00").text


def test_older_messages_are_a_page_away(world: World) -> None:
    browser = signed_in(world, AUDITOR)
    ids = [send(world, f"OUT-{number}") for number in range(60)]
    first = browser.get("/messages?document=outage_notice").text
    (older,) = re.findall(r'href="(/messages\?[^"]*after=\d+)" rel="next"', first)
    second = browser.get(older.replace("&amp;", "&")).text
    assert all((f"/messages/{id}" in first) != (f"/messages/{id}" in second) for id in ids)


@pytest.mark.parametrize(
    "query",
    ["partner=<b>", "after=-1", "after=x", "state=nowhere", "since=yesterday", "document=A B", "interface=x"],
)
def test_a_filter_that_cannot_be_read_is_named(world: World, query: str) -> None:
    answer = signed_in(world, AUDITOR).get(f"/messages?{query}")
    assert answer.status_code == 422 and query.split("=")[0] in answer.text


def test_the_life_of_a_message_and_its_evidence(world: World) -> None:
    browser = signed_in(world, AUDITOR)
    id = send(world)
    assert "waits to be sent" in browser.get(f"/messages/{id}").text
    world.deliver()
    page = browser.get(f"/messages/{id}").text
    for step in ("written", "queued here", "signed and sealed", "receipted", "F12-T9", "receipt within"):
        assert step in page, step
    evidence = browser.get(f"/messages/{id}/evidence")
    assert evidence.headers["content-disposition"] == f'attachment; filename="evidence-{id}.json"'
    report = verify_file(evidence.content, world.gateway.trust, world.now)
    assert report.message == id
    said = evidence.json()
    said["message"] = ("A" if said["message"][0] != "A" else "B") + said["message"][1:]
    with pytest.raises(EvidenceError):
        verify_file(msgspec.json.encode(said), world.gateway.trust, world.now)
    body = browser.get(f"/messages/{id}/body")
    assert b'"OUT-1"' in body.content and body.headers["content-type"].startswith("application/json")


def test_who_may_only_look_reads_nothing(world: World) -> None:
    id = send(world)
    page = signed_in(world, ADMIN).get(f"/messages/{id}").text
    assert "F12-T9" not in page and "What it says" not in page and id in page


def test_a_message_is_taken_back_once(world: World) -> None:
    browser = signed_in(world, OPERATOR)
    id = send(world)
    form = {"csrf": browser.token(), "once": "the-same-form"}
    first = browser.post(f"/messages/{id}/cancel", form)
    again = browser.post(f"/messages/{id}/cancel", form)
    assert first.status_code == again.status_code == 303
    assert first.headers["location"] == again.headers["location"] == f"/messages/{id}"
    assert state(world, id) is State.CANCELLED
    said = [note for note in notes(world) if "take message back" in note]
    assert len(said) == 1 and id in said[0] and "by operator from unknown" in said[0]
    # Another form for it: the act is refused, and says so.
    refused = browser.send(f"/messages/{id}/cancel")
    assert (
        refused.status_code == 409
        and "is not taken back" in refused.text
        and "Nothing was changed" in refused.text
    )


def test_who_may_not_send_it_may_not_take_it_back(world: World) -> None:
    id = send(world)
    browser = signed_in(world, TRADER)
    assert "Take back" not in browser.get(f"/messages/{id}").text
    assert browser.send(f"/messages/{id}/cancel").status_code == 403
    assert state(world, id) is State.QUEUED


def test_the_script_gets_the_part_that_it_puts_into_the_page(world: World) -> None:
    browser = signed_in(world, OPERATOR)
    id = send(world)
    hx = {"hx-request": "true"}
    form = {"csrf": browser.token(), "once": "a-form-of-the-script"}
    done = browser.post(f"/messages/{id}/cancel", form, **hx)
    assert done.status_code == 200 and done.headers["hx-redirect"] == f"/messages/{id}" and not done.text
    refused = browser.post(f"/messages/{id}/cancel", {**form, "once": "another"}, **hx)
    assert refused.status_code == 409 and "<html" not in refused.text and "Not" not in refused.text[:5]


def test_a_partner_and_how_fast_it_answers(world: World) -> None:
    browser = signed_in(world, OPERATOR)
    send(world)
    world.deliver()
    page = browser.get(f"/partners/{PARTNER}").text
    assert "goes by" in page and "outage notice, scheduled (DA)" in page and "ml-dsa" in page.lower()
    assert "DGS-2026-001" in page
    assert f'href="/partners/{PARTNER}"' in browser.get("/partners").text
    assert browser.get("/partners/nobody.example").status_code == 404


def test_settings_show_this_gateway_and_its_keys_to_who_may(world: World) -> None:
    assert "API keys" not in signed_in(world, TRADER).get("/settings").text
    browser = signed_in(world, ADMIN)
    page = browser.get("/settings").text
    assert "utility.example" in page and "Revoke trader" in page
    assert "trader counts no more" in browser.done(browser.send("/settings/keys/trader/revoke"))
    assert "Revoke trader" not in browser.get("/settings").text


def test_somebody_begins(world: World) -> None:
    """Added by an administrator, let in by a code, signs in by password from then on."""
    admin = signed_in(world, ADMIN)
    said = admin.done(admin.send("/settings/people", name="bob", role=["operator", "trader"]))
    (code,) = re.findall(r"((?:[0-9a-f]{4}-){6}[0-9a-f]{2})", said)
    bob = Browser(world, "bob's browser")
    entered = bob.post("/sign-in/code", {"code": code, "next": "/messages"})
    assert entered.status_code == 303 and entered.headers["location"] == "/settings/sign-in"
    page = bob.get("/settings/sign-in").text
    assert "Set up how you sign in" in page and "<svg" in page
    (secret,) = re.findall(r'name="secret" value="([A-Z2-7]{32})"', page)
    sentence = "the quick brown transformer hums"
    typed = {"password": sentence, "again": sentence, "secret": secret}
    wrong = bob.send("/settings/sign-in/password", **typed, code="000000")
    assert wrong.status_code == 422 and "does not fit" in wrong.text
    differ = bob.send("/settings/sign-in/password", **{**typed, "again": "another"}, code="000000")
    assert differ.status_code == 422 and "differ" in differ.text
    good = pyotp.TOTP(secret).at(world.now)
    assert "From now on" in bob.done(bob.send("/settings/sign-in/password", **typed, code=good))
    out = bob.send("/sign-out")
    assert out.headers["location"] == "/sign-in" and bob.get("/").status_code == 303
    world.now += timedelta(minutes=1)
    good = pyotp.TOTP(secret).at(world.now)
    entered = bob.post(
        "/sign-in/password", {"name": "bob", "password": sentence, "code": good, "next": "/messages"}
    )
    assert entered.status_code == 303 and entered.headers["location"] == "/messages"
    assert bob.get("/messages").status_code == 200
    assert bob.get("/sign-in?next=/partners").headers["location"] == "/partners"


def test_people_are_looked_after_but_nobody_by_themselves(world: World) -> None:
    admin = signed_in(world, ADMIN)
    person(world, "bob", [TRADER])
    assert "bob is auditor now" in admin.done(admin.send("/settings/people/bob/roles", role="auditor"))
    assert admin.send("/settings/people/bob/roles", role="king").status_code == 422
    assert admin.send("/settings/people/admin/roles", role="trader").status_code == 422
    assert admin.send("/settings/people/admin/disable").status_code == 422
    assert "The sign-in code of bob" in admin.done(admin.send("/settings/people/bob/code"))
    assert "comes in no more" in admin.done(admin.send("/settings/people/bob/disable"))
    assert admin.send("/settings/people/bob/code").status_code == 422
    page = admin.get("/settings/people").text
    assert "disabled" in page and "(you)" in page


def test_signed_out_everywhere_else(world: World) -> None:
    here = signed_in(world, TRADER, name="ann")
    code = make_code(world.gateway, world.people, "ann", CODE_LIFE, world.now, "a test")
    there = Browser(world)
    assert there.post("/sign-in/code", {"code": code}).status_code == 303
    assert there.get("/messages").status_code == 200
    assert "Signed out in 1 other browser." in here.done(here.send("/settings/sign-in/sessions/end"))
    assert there.get("/messages").status_code == 303 and here.get("/messages").status_code == 200


def test_a_page_that_fails_says_so_and_shows_no_trace(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = signed_in(world, AUDITOR)

    def broken(query: Query) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(world.gateway.store, "search", broken)
    answer = browser.get("/messages")
    assert answer.status_code == 500 and "by a fault of this program" in answer.text
    assert "secret of the inside" not in answer.text and "Traceback" not in answer.text
