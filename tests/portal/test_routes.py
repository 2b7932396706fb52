"""Every route, over a socket: what it answers, who may call it, and what a wrong request is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.exchange.house import AGREEMENT, NOW
from tests.portal.world import NOBODY, PARTNER, World, calling, new_key, outage, problem

from intertie.gateway.office.api_keys import OfficeRole, revoke_key
from intertie.gateway.office.office_rights import MATRIX, SENDS, Right
from intertie.portal.cutting import cutting
from intertie.portal.door import REQUESTS_BURST

ABSENT = "01990000-0000-7000-8000-000000000000"
BASE = "/api/v1"


class At:
    """A world that is served, and a client for each role."""

    def __init__(self, world: World, url: str) -> None:
        self.world = world
        self.http = httpx.Client(base_url=url + BASE, timeout=30)

    def get(self, path: str, role: OfficeRole = OfficeRole.OPERATOR, **more: Any) -> httpx.Response:
        return self.http.get(path, headers=self.world.headers(role), **more)

    def post(
        self, path: str, body: Any, role: OfficeRole = OfficeRole.OPERATOR, key: str = ""
    ) -> httpx.Response:
        headers = self.world.headers(role) | {"Idempotency-Key": key or new_key()}
        return self.http.post(path, json=body, headers=headers)


@pytest.fixture
def at(tmp_path: Path) -> Iterator[At]:
    world = World(tmp_path)
    with calling(world) as url:
        yield At(world, url)
    world.close()


def test_a_document_is_sent_and_followed_to_its_receipt(at: At) -> None:
    (id,) = at.post("/messages", outage()).json()["messages"]
    assert [line["state"] for line in at.get("/messages").json()["items"]] == ["queued"]
    at.world.deliver()
    whole = at.get(f"/messages/{id}").json()
    assert whole["line"]["state"] == "accepted" and whole["header"]["id"] == id
    assert whole["body"]["outage"] == "OUT-1" and '"payload"' in whole["receipt"]
    proof = at.get(f"/messages/{id}/evidence", OfficeRole.AUDITOR)
    assert proof.headers["content-type"] == "application/octet-stream"
    assert set(proof.json()) >= {"manifest", "receipt", "message"}


def test_the_inbox_after_a_seq_by_pages(at: At) -> None:
    for _ in range(3):
        at.world.from_partner()
    at.world.deliver()
    first = at.get("/inbox", params={"limit": 2}).json()
    assert len(first["items"]) == 2 and first["next"] == first["items"][-1]["seq"]
    rest = at.get("/inbox", params={"limit": 2, "after": first["next"]}).json()
    assert len(rest["items"]) == 1 and rest["next"] is None
    assert {line["from"] for line in rest["items"]} == {PARTNER}
    assert at.get("/inbox", params={"document": "offer"}).json()["items"] == []
    filtered = at.get("/messages", params={"direction": "in", "partner": PARTNER, "state": "accepted"})
    assert len(filtered.json()["items"]) == 3


def test_an_amount_stays_the_decimal_that_was_written(at: At) -> None:
    """Through a float, 600.40 would be 600.4 before it is signed, and 0.1 worse."""
    text = """{"to": "aggregator.example", "document": "remittance_advice", "interface": "DA", "body":
        {"remittance": "RA-1", "invoices": [{"invoice": "INV-1", "amount": 600.40}], "method": "ach",
        "reference": "T-1", "paid_on": "2026-01-14",
        "total": {"amount": 600.40, "currency": "USD"}}}"""
    headers = at.world.headers(OfficeRole.SETTLEMENT) | {"Idempotency-Key": new_key()}
    sent = at.http.post("/messages", content=text, headers={**headers, "Content-Type": "application/json"})
    assert sent.status_code == 202, sent.text
    (id,) = sent.json()["messages"]
    body = at.get(f"/messages/{id}", OfficeRole.SETTLEMENT).json()["body"]
    assert body["total"]["amount"] == "600.40" and body["invoices"][0]["amount"] == "600.40"


def test_taking_back_and_sending_again(at: At) -> None:
    (id,) = at.post("/messages", outage()).json()["messages"]
    taken = at.post(f"/messages/{id}/cancel", {})
    assert taken.status_code == 200 and taken.json()["state"] == "cancelled"
    assert problem(at.post(f"/messages/{id}/cancel", {}), 409)["code"] == "not_taken_back"
    assert problem(at.post(f"/messages/{id}/resend", {}), 409)["code"] == "impossible_event"
    assert problem(at.post(f"/messages/{ABSENT}/cancel", {}), 404)["code"] == "not_here"
    assert problem(at.post(f"/messages/{ABSENT}/resend", {}), 404)["code"] == "not_here"


def test_a_dead_letter_goes_again_once(at: At) -> None:
    soon = outage(expires="2026-01-15T12:00:01Z")
    (id,) = at.post("/messages", soon).json()["messages"]
    at.world.now = NOW.replace(hour=13)
    at.world.gateway.store.expire(at.world.now)
    assert [line["id"] for line in at.get("/dead-letters").json()["items"]] == [id]
    (again,) = at.post(f"/messages/{id}/resend", {"hours": 2}).json()["messages"]
    assert at.get(f"/messages/{again}").json()["resends"] == id
    assert at.get(f"/messages/{id}").json()["resent_as"] == again
    assert problem(at.post(f"/messages/{id}/resend", {}), 409)["code"] == "resent_before"


def test_what_is_known(at: At) -> None:
    assert at.get("/whoami", OfficeRole.ADMIN).json()["role"] == "admin"
    assert at.get("/partners").json()["items"][0]["agreements"][0]["id"] == AGREEMENT
    assert at.get(f"/partners/{PARTNER}").json()["state"] == "live"
    assert problem(at.get("/partners/nobody.example"), 404)["code"] == "unknown_partner"
    flows = at.get("/flows", params={"interface": "DA", "document": "invoice"}).json()["items"]
    assert {flow["document"] for flow in flows} == {"invoice"}
    names: list[str] = []
    after = ""
    while after is not None:
        page = at.get("/documents", params={"after": after, "limit": 20}).json()
        names += [line["name"] for line in page["items"]]
        after = page["next"]
    assert names == sorted(set(names)) and "availability_declaration" in names
    assert at.get("/documents/offer/schema").json()["title"] == "Offer"
    assert problem(at.get("/documents/nothing/schema"), 404)["do"]
    assert problem(at.get("/nowhere"), 404)["code"] == "not_here"
    assert problem(at.http.delete("/messages", headers=at.world.headers(OfficeRole.ADMIN)), 405)["do"]


def test_the_trade(at: At) -> None:
    book = at.get(f"/trade/{PARTNER}").json()
    assert book["digest"] == at.get(f"/trade/{PARTNER}/digest").json()["digest"]
    assert book["contracts"] == [] and at.get(f"/trade/{PARTNER}/void").json()["items"] == []
    assert at.get(f"/trade/{PARTNER}/effects", params={"hours": 2}).json() == {"lacks": [], "short": []}
    assert problem(at.get(f"/trade/{PARTNER}/effects", params={"hours": 0}), 400)["detail"].startswith(
        "hours"
    )
    assert problem(at.get("/trade/nobody.example"), 404)["code"] == "unknown_partner"
    trader = OfficeRole.TRADER
    for path, body in (
        ("contracts/GSA-1/sign", {}),
        ("contracts/GSA-1/notice", {"action": "suspend"}),
        ("confirmations/NWS-1/answer", {}),
        ("dispatches/D-1/answer", {"answer": "accepted"}),
        ("dispatches/D-1/report", {"report": "started", "at": "2026-01-15T12:00:00Z"}),
        ("dispatches/D-1/cancel", {"reason": "other", "effective": "2026-01-15T12:00:00Z"}),
        ("availability/withdraw", {"aggregation": "AGG"}),
    ):
        said = problem(at.post(f"/trade/{PARTNER}/{path}", body, trader), 422)
        assert said["code"] == "not_possible" and said["do"]


def test_what_is_wrong_is_said_without_what_was_sent(at: At) -> None:
    secret = "ACCOUNT-4711"
    cases = (
        ({**outage(), "account": secret}, 400),
        ({**outage(), "verb": secret}, 400),
        ({**outage(), "to": secret}, 400),
        ({**outage(), "body": {"outage": secret, "kind": secret}}, 422),
        ([secret], 400),
    )
    for body, status in cases:
        answer = at.post("/messages", body)
        assert secret not in problem(answer, status)["detail"] and secret not in answer.text
    headers = at.world.headers(OfficeRole.OPERATOR) | {"Idempotency-Key": new_key()}
    for raw in (b'{"x', b"\xff", b"[" * 5000, b""):
        said = at.http.post("/messages", content=raw, headers={**headers, "Content-Type": "application/json"})
        problem(said, 400)
    assert problem(at.post("/messages", outage(document="nothing")), 422)["code"] == "not_possible"
    assert problem(at.post("/messages", outage(to="nobody.example")), 404)["code"] == "unknown_partner"
    large = at.http.post("/messages", content=b" " * (9 * 1024 * 1024), headers=headers)
    assert problem(large, 413)["code"] == "too_large"


def test_nobody_comes_in_without_a_key_that_counts(at: At) -> None:
    for said in ("", "Bearer", f"Bearer {NOBODY}", "Basic QTpC", "Bearer itk_", f"Bearer {'x' * 5000}"):
        answer = at.http.get("/whoami", headers={"Authorization": said})
        assert problem(answer, 401)["code"] == "not_let_in" and answer.headers["www-authenticate"] == "Bearer"
    known = at.world.made[OfficeRole.OPERATOR]
    almost = known.text[:-2] + ("AA" if known.text[-2:] != "AA" else "BB")
    problem(at.http.get("/whoami", headers={"Authorization": f"Bearer {almost}"}), 401)
    at.world.now = known.key.expires
    problem(at.get("/whoami"), 401)


def test_a_revoked_key_ends_at_the_next_request(at: At) -> None:
    assert at.get("/whoami").status_code == 200
    done = at.post("/keys/operator/revoke", {}, OfficeRole.ADMIN)
    assert done.status_code == 200 and done.json()["revoked"]
    problem(at.get("/whoami"), 401)
    problem(at.post("/keys/nobody/revoke", {}, OfficeRole.ADMIN), 404)
    listed = at.get("/keys", OfficeRole.ADMIN).text
    assert '"operator"' in listed and at.world.made[OfficeRole.OPERATOR].key.digest not in listed


def test_who_asks_too_often_waits(at: At) -> None:
    at.world.office.buckets._ticks = lambda: 0.0
    codes = {at.get("/whoami", OfficeRole.ADMIN).status_code for _ in range(int(REQUESTS_BURST) + 2)}
    assert codes == {200, 429}
    said = at.get("/whoami", OfficeRole.ADMIN)
    assert problem(said, 429)["retry"] and said.headers["retry-after"]
    assert at.get("/whoami", OfficeRole.TRADER).status_code == 200  # each key has its own bucket


def routes(at: At) -> list[tuple[str, str, Right]]:
    """Every operation of the API, and the right that it needs; tests/portal/test_page_rights.py has the pages."""
    found = []
    for route in at.world.app().routes:
        if not str(route.path).startswith(BASE):
            continue
        for handler in getattr(route, "route_handlers", []):
            right = handler.opt.get("right")
            for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"}):
                if right is not None:
                    found.append((method, str(route.path_format), right))
    return found


def test_every_route_asks_for_a_right_and_for_no_more_than_one(at: At) -> None:
    served = set(at.http.get("/openapi.json").json()["paths"])
    assert {path for _, path, _ in routes(at)} == served
    of_pages = {
        Right.PEOPLE,
        Right.PARTNERS,
        Right.CONSENT,
        Right.REGISTER,
        Right.MARKET,
        Right.OUTAGE,
        Right.SETTLE,
        Right.METER,
    }
    assert {right for _, _, right in routes(at)} == set(Right) - of_pages


def test_the_role_matrix_over_every_route(at: At) -> None:
    """A role that may not is told so; one that may gets as far as the request itself."""
    tried = 0
    for method, path, right in routes(at):
        if path.endswith("/events"):
            continue  # endless: test_events
        path = path.replace("{partner}", PARTNER).replace("{message}", ABSENT)
        path = path.replace("{document}", "offer").replace("{name}", "nobody")
        path = path.replace("{agreement}", "A-1").replace("{deal}", "D-1").replace("{dispatch}", "D-1")
        for role in OfficeRole:
            headers = at.world.headers(role) | {"Idempotency-Key": new_key()}
            answer = at.http.request(
                method, path.removeprefix(BASE), headers=headers, json={} if method == "POST" else None
            )
            allowed = role in MATRIX[right]
            assert (answer.status_code != 403) == allowed, (method, path, role, answer.text)
            assert answer.status_code < 500
            tried += 1
    assert tried > 100


def test_whose_documents_they_are(at: At) -> None:
    """The right to send is not the right to send everything."""
    for role in (OfficeRole.TRADER, OfficeRole.SETTLEMENT):
        said = problem(at.post("/messages", outage(), role), 403)
        assert said["code"] == "not_allowed" and "operator" in said["do"]
    (id,) = at.post("/messages", outage()).json()["messages"]
    problem(at.post(f"/messages/{id}/cancel", {}, OfficeRole.TRADER), 403)
    covered = frozenset().union(*SENDS.values())
    flows = [f for one in at.world.gateway.catalogue.interfaces.values() for f in one.flows]
    assert {flow.category for flow in flows} <= covered


def test_one_effect_for_a_request_that_comes_again(at: At) -> None:
    key = new_key()
    first = at.post("/messages", outage(), key=key)
    again = at.post("/messages", outage(), key=key)
    assert first.status_code == again.status_code == 202 and first.content == again.content
    assert again.headers["idempotent-replayed"] == "true" and "idempotent-replayed" not in first.headers
    assert len(at.get("/messages").json()["items"]) == 1
    other = problem(at.post("/messages", outage("OUT-2"), key=key), 422)
    assert other["code"] == "idempotency_key_reused"
    refused = at.post("/messages", outage(document="nothing"), key="k" * 8)
    assert at.post("/messages", outage(document="nothing"), key="k" * 8).content == refused.content
    # The key of another holder is another key.
    assert problem(at.post("/messages", outage(), OfficeRole.TRADER, key), 403)
    headers = at.world.headers(OfficeRole.OPERATOR)
    assert (
        "Idempotency-Key" in problem(at.http.post("/messages", json=outage(), headers=headers), 400)["detail"]
    )
    problem(at.post("/messages", outage(), key="short"), 400)


def test_the_log_names_the_key(at: At, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "intertie.office"):
        at.post("/messages", outage())
    (line,) = [record for record in caplog.records if record.getMessage() == "act"]
    said = line.__dict__
    assert said["key_name"] == "operator" and said["code"] == "send_message" and said["message_id"]
    journal = b"".join(raw for _, raw, _ in at.world.gateway.store.entries())
    assert b"api key added: operator as operator" in journal
    assert at.world.made[OfficeRole.OPERATOR].text.encode() not in journal


def test_a_revocation_is_journaled(at: At) -> None:
    revoke_key(at.world.gateway, at.world.keys, "trader", NOW)
    journal = b"".join(raw for _, raw, _ in at.world.gateway.store.entries())
    assert b"api key revoked: trader" in journal


def test_a_mistake_of_ours_is_a_problem_too(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise RuntimeError("ACCOUNT-4711")

    monkeypatch.setattr(at.world.gateway.store, "queues", broken)
    answer = at.get("/partners")
    assert problem(answer, 500)["code"] == "internal" and "4711" not in answer.text


def test_who_does_not_take_what_is_sent_is_cut_off() -> None:
    """At the ASGI boundary: a send that never ends ends the connection."""
    cut: list[bool] = []

    class Transport:
        def abort(self) -> None:
            cut.append(True)

    class Cycle:
        transport = Transport()

        async def send(self, message: Any) -> None:
            await asyncio.Event().wait()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start"})

    asyncio.run(cutting(app, 0.05)({}, lambda: None, Cycle().send))
    assert cut == [True]


def test_messages_are_found_newest_first_by_what_a_person_has_at_hand(at: At) -> None:
    first, second, third = (
        at.post("/messages", outage(f"OUT-{number}")).json()["messages"][0] for number in (1, 2, 3)
    )
    at.world.deliver()

    def ids(**asked: Any) -> list[str]:
        return [line["id"] for line in at.get("/search", params=asked).json()["items"]]

    assert ids() == [third, second, first]
    assert ids(text=second) == ids(text=second.upper()) == [second]
    parcel = at.get(f"/messages/{third}").json()["line"]["parcel"]
    assert third in ids(text=parcel)
    assert ids(text="OUTAGE " + PARTNER) == [third, second, first]
    assert ids(direction="in") == ids(interface="TU") == ids(text="no-such-thing") == []
    assert ids(state="accepted", partner=PARTNER, document="outage_notice", limit=2) == [third, second]
    page = at.get("/search", params={"limit": 2}).json()
    assert ids(after=page["next"]) == [first]
    assert ids(since=NOW.isoformat()) and not ids(until="2001-01-01T00:00:00Z")


@pytest.mark.parametrize(
    "asked",
    [
        {"since": "2026-01-01T00:00:00"},
        {"interface": "da"},
        {"text": "x" * 201},
        {"after": -1},
        {"limit": 100_000},
    ],
)
def test_a_search_that_cannot_be_meant_is_refused(at: At, asked: dict[str, Any]) -> None:
    assert at.get("/search", params=asked).status_code == 400
