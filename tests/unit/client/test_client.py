"""The client against a transport that answers as told: repeats with one key, typed errors, and what is sent."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from intertie.client import (
    AsyncClient,
    Busy,
    Client,
    Conflict,
    NoAnswer,
    NotAllowed,
    NotHere,
    NotLetIn,
    RuleBroken,
    Said,
    Unavailable,
    Wrong,
    calls,
)
from intertie.client.calls import Call
from intertie.client.stream import EventLines
from intertie.client.trying import CEILING_SECONDS, wait_seconds
from intertie.model.contract import Service
from intertie.model.dispatch import CancelReason, DispatchAnswer, ReportKind
from intertie.model.documents import example
from intertie.model.ids import DocumentName

AT = datetime(2026, 1, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits are noted, and not waited for."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("intertie.client.blocking.time.sleep", waits.append)
    monkeypatch.setattr("intertie.client.asynchronous.asyncio.sleep", sleep)
    return waits


class Told:
    """Answers in turn; an exception is raised. Keeps what came."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.came: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.came.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def client(told: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("http://office", "itk_key", transport=httpx.MockTransport(told))


def problem(status: int, code: str = "x", detail: str = "why", **headers: str) -> httpx.Response:
    body = {"type": "urn:x", "title": "t", "status": status, "code": code, "detail": detail, "do": "next"}
    return httpx.Response(status, json=body, headers=headers)


QUEUED = {"messages": ["01990000-0000-7000-8000-000000000000"]}


def test_a_repeat_has_the_same_key_and_the_same_bytes(at_once: list[float]) -> None:
    told = Told(
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        problem(503, "store_unavailable", **{"Retry-After": "7"}),
        httpx.Response(202, json=QUEUED),
    )
    assert client(told).sign("u.example", "GSA-1").messages == QUEUED["messages"]
    keys = {request.headers["idempotency-key"] for request in told.came}
    bodies = {request.content for request in told.came}
    assert len(told.came) == 4 and len(keys) == 1 and len(bodies) == 1
    assert at_once[-1] == 7.0 and 0 < at_once[0] < at_once[1] * 2


def test_two_acts_have_two_keys_and_a_key_may_be_given() -> None:
    told = Told(*(httpx.Response(202, json=QUEUED) for _ in range(3)))
    office = client(told)
    office.sign("u.example", "GSA-1")
    office.sign("u.example", "GSA-1")
    office.sign("u.example", "GSA-1", key="my-key-0001")
    keys = [request.headers["idempotency-key"] for request in told.came]
    assert len(set(keys)) == 3 and keys[2] == "my-key-0001"


def test_it_gives_up(at_once: list[float]) -> None:
    with pytest.raises(NoAnswer, match="ConnectError"):
        client(Told(*(httpx.ConnectError("no") for _ in range(4)))).whoami()
    with pytest.raises(Busy):
        client(Told(*(problem(429) for _ in range(4)))).whoami()
    assert len(at_once) == 6


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "bad_request", Wrong),
        (401, "not_let_in", NotLetIn),
        (403, "not_allowed", NotAllowed),
        (404, "not_here", NotHere),
        (409, "not_resent", Conflict),
        (422, "not_possible", Wrong),
        (422, "trade_rule", RuleBroken),
        (500, "internal", Unavailable),
    ],
)
def test_errors_have_types(status: int, code: str, kind: type[Said]) -> None:
    told = Told(problem(status, code, "dispatch.notice: too late"))
    with pytest.raises(kind) as raised:
        client(told).whoami()
    assert type(raised.value) is kind and raised.value.code == code and raised.value.do == "next"
    assert len(told.came) == 1  # what is wrong stays wrong
    if isinstance(raised.value, RuleBroken):
        assert raised.value.rule == "dispatch.notice"


def test_an_answer_that_is_no_problem() -> None:
    with pytest.raises(NotHere, match="no problem"):
        client(Told(httpx.Response(404, text="<html>"))).whoami()


ARGUMENTS: dict[str, Any] = {
    "partner": "u.example",
    "party": "u.example",
    "to": "u.example",
    "id": "01990000-0000-7000-8000-000000000000",
    "document": "offer",
    "agreement": "GSA/1",
    "deal": "NWS-1",
    "dispatch": "D-1",
    "aggregation": "AGG",
    "name": "key",
    "action": "suspend",
    "answer": DispatchAnswer.ACCEPTED,
    "report": ReportKind.STARTED,
    "reason": CancelReason.OTHER,
    "at": AT,
    "effective": AT,
    "declaration": example(DocumentName("availability_declaration"))[1],
    "instruction": example(DocumentName("dispatch_instruction"))[1],
    "body": example(DocumentName("invoice"))[1],
    "power_kw": example(DocumentName("dispatch_telemetry"))[1].power_kw,  # type: ignore[attr-defined]
}
METHODS = sorted(
    name for name, thing in vars(Client).items() if hasattr(thing, "__wrapped__") and name[0] != "_"
)


def test_both_clients_have_every_call() -> None:
    made = {
        name
        for name, thing in vars(calls).items()
        if inspect.isfunction(thing) and thing.__module__ == calls.__name__ and name[0] != "_"
    }
    other = {name for name, thing in vars(AsyncClient).items() if hasattr(thing, "__wrapped__")}
    assert made == set(METHODS) == other


@pytest.mark.parametrize("name", METHODS)
def test_both_clients_ask_the_same(name: str) -> None:
    """Each call, with the least that it needs, asks for the same over both."""
    make = getattr(calls, name)
    needed = {
        part: ARGUMENTS[part]
        for part, one in inspect.signature(make).parameters.items()
        if one.default is inspect.Parameter.empty
    }
    if any(part == "key" for part in inspect.signature(make).parameters):
        needed["key"] = "key-of-a-test"
    call: Call[Any] = make(**needed)
    one, two = Told(problem(409)), Told(problem(409))
    with pytest.raises(Conflict):
        getattr(client(one), name)(**needed)

    async def ask() -> None:
        transport = httpx.MockTransport(two)
        async with AsyncClient("http://office", "itk_key", transport=transport) as office:
            await getattr(office, name)(**needed)

    with pytest.raises(Conflict):
        asyncio.run(ask())
    (first,), (second,) = one.came, two.came
    assert (first.method, first.url, first.content) == (second.method, second.url, second.content)
    assert first.headers["authorization"] == "Bearer itk_key" == second.headers["authorization"]
    assert first.method == call.method and first.url.raw_path.startswith(b"/api/v1/")
    assert (first.headers.get("idempotency-key") is None) == (call.key is None)


def test_names_in_a_path_are_one_part_of_it() -> None:
    assert calls.sign("u.example", "GSA/1 ä").path.endswith("/contracts/GSA%2F1%20%C3%A4/sign")


def test_decimals_and_enumerations_go_as_the_types_write_them() -> None:
    sent = json.loads(calls.send("u.example", ARGUMENTS["body"]).body or b"")
    assert sent["document"] == "invoice" and isinstance(sent["body"]["lines"][0]["amount"], str)
    withdrawn = json.loads(calls.withdraw("u.example", "AGG", service=Service.RELIABILITY).body or b"")
    assert withdrawn == {"aggregation": "AGG", "service": "RELIABILITY"}


def test_waits_grow_and_are_bounded() -> None:
    assert wait_seconds(1) < 0.5 and wait_seconds(5000) <= CEILING_SECONDS
    assert wait_seconds(1, {"retry-after": "9999"}) == CEILING_SECONDS
    assert wait_seconds(1, {"retry-after": "soon"}) < 1


def test_events_line_by_line() -> None:
    lines = EventLines(None, None, {"act"})
    assert lines.begin() == {} and lines.query == {}
    for line in ("retry: 2000", "id: 4", "", ": comment", ""):
        assert lines.take(line) is None
    assert lines.last == 4 and lines.begin() == {"Last-Event-ID": "4"}
    said = '{"index":5,"kind":"act","at":"2026-01-15T00:00:00Z","more":1}'
    found = [lines.take(line) for line in ("id: 5", "event: act", f"data: {said}", "")]
    assert found[-1] is not None and found[-1].index == 5 and lines.last == 5
    other = said.replace("act", "refusal").replace('"index":5', '"index":6')
    assert [lines.take(line) for line in ("id: 6", f"data: {other}", "")] == [None, None, None]
    assert lines.last == 6  # what was not asked for is not read again either
    lines.take("data: {half")
    assert lines.begin() == {"Last-Event-ID": "6"} and lines.take("") is None
    assert EventLines(-1, None, None).query == {"after": -1}
