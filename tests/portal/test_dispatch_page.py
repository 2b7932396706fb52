"""The pages of dispatch, from both sides: a call beside its limits, its answer, its telemetry as a plot, its end; each once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_acts_dispatch import QUARTER, instruction
from tests.exchange.trade_stage import HOUR, NWS, P7, P9, Stage, dealt, kw, registered
from tests.portal.two_portals import HOSTILE, Portals, harmless, portals, refused, shown

from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.trading import trade_dispatch
from intertie.market.dispatch_state import State
from intertie.model.dispatch import DispatchAnswer


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portals]:
    """A deal that may be called, and is not: nothing here changes anything."""
    with portals(tmp_path_factory.mktemp("idle"), dealt()) as both:
        yield both


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Portals]:
    """A deal that may be called."""
    with portals(tmp_path, dealt()) as both:
        yield both


def form(at: Portals, **changes: object) -> dict[str, object]:
    """A call as the page's form has it."""
    starts = (at.stage.now + 2 * HOUR).replace(minute=0, second=0, microsecond=0)
    return {
        "deal": NWS,
        "point": P7,
        "kw": "6",
        "step": "15",
        "starts": written(starts),
        "ends": written(starts + HOUR / 2),
        **changes,
    }


def written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M")


def call(at: Portals, **changes: object) -> str:
    """A call that arrived."""
    said = at.utility.sent(at.utility.operator, "/dispatch/call", **form(at, **changes))
    return said.removeprefix("Called: ").removesuffix(".")


def state(at: Portals, name: str) -> State:
    return at.stage.books().dispatches[name].state


def one(name: str) -> str:
    return f"/dispatch/one?dispatch={name}"


def test_the_limits_stand_beside_the_form(at: Portals) -> None:
    said = shown(at.utility.operator.get(f"/dispatch/call?deal={NWS}&point={P9}"))
    assert (
        "20 kW at any time; beside all open calls, which ask for 0 kW, 20 kW are left" in said
        and "calls left 3 of 3" in said
    )
    assert "30 min: not before" in said and "120 min a call" in said and "DERs can 10 kW" in said
    assert "Send the call" in said
    call(at)
    said = shown(at.utility.trader.get(f"/dispatch/call?deal={NWS}"))
    assert "which ask for 6 kW, 14 kW are left" in said and "calls left 2 of 3" in said
    for browser in (at.utility.auditor, at.aggregator.trader):
        said = shown(browser.get(f"/dispatch/call?deal={NWS}"))
        assert "calls left 2 of 3" in said and "Send the call" not in said


def test_a_call_from_its_form_to_its_end(at: Portals) -> None:
    name = call(at, text=HOSTILE)
    assert at.stage.books().dispatches[name].instruction.target_kw.values == (6000, 6000)
    ours, theirs = at.utility.operator, at.aggregator.operator
    for browser in (ours, theirs):
        page = browser.get(one(name))
        harmless(page.text)
        assert "waiting" in shown(page) and HOSTILE in shown(page)
    assert "Your answer" in theirs.get(one(name)).text and "Your answer" not in ours.get(one(name)).text
    assert "Stop it" in ours.get(one(name)).text and "Stop it" not in theirs.get(one(name)).text
    said = at.aggregator.sent(
        theirs, "/dispatch/answer", dispatch=name, answer="partial", kw="4", reason="not_available"
    )
    assert said == "Answered: partial." and state(at, name) is State.PARTIAL
    at.stage.now = at.stage.books().dispatches[name].instruction.window.start
    assert "It has begun" in shown(at.aggregator.operator.get(one(name)))
    at.aggregator.sent(at.aggregator.operator, "/dispatch/report", dispatch=name, report="started")
    assert "running" in shown(at.utility.operator.get(one(name))) and "It is done" in shown(
        at.aggregator.operator.get(one(name))
    )
    begun = at.stage.books().dispatches[name].instruction.window.start
    at.stage.now = begun + QUARTER
    at.stage.done(trade_dispatch.measure(at.stage.aggregator, name, kw(begun, 3.9, step=QUARTER)))
    drawn = at.utility.operator.get(f"/dispatch/plot?dispatch={name}").json()
    assert {line["label"]: line["values"] for line in drawn["series"]} == {
        "asked": [6.0, 6.0],
        "owed": [4.0, 4.0],
        "measured": [3.9, None],
    }
    assert drawn["x"] == [int(begun.timestamp()), int(begun.timestamp()) + 900]
    assert "97.5 % of what was owed was measured" in shown(at.utility.operator.get(one(name)))
    at.stage.now = begun + 2 * QUARTER
    at.aggregator.sent(at.aggregator.operator, "/dispatch/report", dispatch=name, report="finished")
    said = shown(at.utility.operator.get(one(name)))
    assert "finished" in said and "Stop it" not in said and state(at, name) is State.FINISHED


def test_given_up_and_stopped(at: Portals) -> None:
    first = call(at)
    at.aggregator.sent(
        at.aggregator.trader, "/dispatch/answer", dispatch=first, answer="accepted", reason="safety"
    )
    assert state(at, first) is State.ACCEPTED
    at.aggregator.sent(
        at.aggregator.trader, "/dispatch/report", dispatch=first, report="stopped", reason="safety"
    )
    assert "stopped" in shown(at.utility.auditor.get(one(first)))
    second = call(at)
    said = at.utility.sent(
        at.utility.operator, "/dispatch/cancel", dispatch=second, reason="forecast_changed"
    )
    assert said.startswith("Stopped") and state(at, second) is State.CANCELLED
    assert "forecast changed" in shown(at.aggregator.operator.get(one(second)))


def test_the_urgent_stand_first(at: Portals) -> None:
    calm = call(at)
    at.aggregator.sent(at.aggregator.operator, "/dispatch/answer", dispatch=calm, answer="accepted")
    starts = (at.stage.now + 5 * HOUR).replace(minute=0, second=0, microsecond=0)
    urgent = call(at, starts=written(starts), ends=written(starts + HOUR))
    for side in at.both:
        page = side.operator.get("/dispatch").text
        assert page.index(f">{urgent}<") < page.index(f">{calm}<")
    said = shown(at.utility.operator.get("/dispatch?status=ahead"))
    assert calm in said and urgent not in said and "Compose a call" in said
    assert "None is like that" in shown(at.utility.operator.get("/dispatch?status=refused"))
    assert "Compose a call" not in at.aggregator.operator.get("/dispatch").text


def test_a_second_click_calls_once(at: Portals) -> None:
    browser = at.utility.operator
    body = {"csrf": browser.token(), "once": "call-once-1", "partner": AGGREGATOR, **form(at)}
    first = [browser.post("/dispatch/call", body) for _ in range(3)]
    assert {answer.status_code for answer in first} == {303}
    assert len({answer.headers["location"] for answer in first}) == 1
    at.stage.settle_soon()
    assert len(at.stage.books().dispatches) == 1
    again = browser.get(first[0].headers["location"])
    assert again.status_code == 200


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"kw": "21"}, "dispatch.above_contracted"),
        ({"kw": "-"}, "does not fit together"),
        ({"kw": "1,2,3"}, "3 values for 2 intervals"),
        ({"kw": ""}, "kW is missing"),
        ({"kw": "0.0001"}, "finer than a watt"),
        ({"step": "7"}, "whole number of steps"),
        ({"deal": "NONE"}, "no deal NONE"),
        ({"point": "NOWHERE"}, "is not in"),
        ({"starts": ""}, "from is missing"),
        (
            {"starts": "2020-01-01T00:00", "ends": "2020-01-01T01:00"},
            "Refused|in_the_past|outside_term|respond_by",
        ),
        ({"ends": "2020-01-01T00:00"}, "until is not after from"),
        ({"ramp": "steep"}, "is no number"),
        ({"partner": UTILITY}, "no such partner"),
    ],
)
def test_a_call_that_cannot_be_made_leaves_nothing(
    idle: Portals, changes: dict[str, object], why: str
) -> None:
    said = refused(
        idle.utility.operator.send("/dispatch/call", **{"partner": AGGREGATOR, **form(idle), **changes}),
        404 if "partner" in changes else 422,
    )
    assert any(part in said for part in why.split("|")), said
    idle.stage.settle_soon()
    assert idle.stage.books().dispatches == {}


def test_who_may_not_changes_nothing(at: Portals) -> None:
    name = call(at)
    acts = {
        "/dispatch/call": (at.utility, form(at)),
        "/dispatch/cancel": (at.utility, {"dispatch": name, "reason": "other"}),
        "/dispatch/answer": (at.aggregator, {"dispatch": name, "answer": "accepted"}),
        "/dispatch/report": (at.aggregator, {"dispatch": name, "report": "started"}),
    }
    before = at.stage.books()
    for path, (side, fields) in acts.items():
        other = at.aggregator if side is at.utility else at.utility
        for role in (OfficeRole.SETTLEMENT, OfficeRole.AUDITOR, OfficeRole.ADMIN):
            refused(side.by(role).send(path, partner=side.them, **fields), 403)
        assert "it is not yours" in refused(other.operator.send(path, partner=other.them, **fields), 403)
    at.stage.settle_soon()
    assert at.stage.books() == before


def test_what_is_not_there(idle: Portals) -> None:
    for path in (
        one("NONE"),
        "/dispatch/one",
        "/dispatch/plot?dispatch=NONE",
        "/dispatch/call",
        "/dispatch/call?deal=NONE",
    ):
        refused(idle.utility.operator.get(path))
    refused(idle.utility.operator.get(f"/dispatch/call?deal={NWS}&point=NOWHERE"))
    for path, fields in (
        ("/dispatch/answer", {"answer": "accepted"}),
        ("/dispatch/answer", {"dispatch": "NONE", "answer": "accepted"}),
        ("/dispatch/answer", {"dispatch": "NONE"}),
        ("/dispatch/report", {"dispatch": "NONE", "report": "started"}),
        ("/dispatch/report", {"dispatch": "NONE", "report": "paused"}),
    ):
        refused(idle.aggregator.operator.send(path, partner=UTILITY, **fields))
    refused(idle.utility.operator.send("/dispatch/cancel", partner=AGGREGATOR, dispatch="NONE"))
    refused(
        idle.utility.operator.send("/dispatch/cancel", partner=AGGREGATOR, dispatch="NONE", reason="other")
    )


def test_a_call_after_which_none_is_left(at: Portals) -> None:
    for hours in (2, 4, 6):
        starts = (at.stage.now + timedelta(hours=hours)).replace(minute=0, second=0, microsecond=0)
        call(at, starts=written(starts), ends=written(starts + QUARTER))
    said = shown(at.utility.operator.get(f"/dispatch/call?deal={NWS}"))
    assert "calls left 0 of 3" in said and "every call of this deal is used" in said


def test_nothing_to_call(tmp_path: Path) -> None:
    with portals(tmp_path, registered()) as fresh:
        said = shown(fresh.utility.operator.get("/dispatch"))
        assert "no deal is in force" in said and "Compose a call" not in said


def test_a_page_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intertie.gateway.views.view_dispatch.DISPATCHES_PAGE", 1)
    monkeypatch.setattr("intertie.portal.pages.dispatch.DISPATCHES_PAGE", 1)
    stage: Stage = dealt()
    bodies = [instruction(stage, 2, after=hours * HOUR) for hours in (2, 4)]
    for body in bodies:
        stage.done(trade_dispatch.instruct(stage.utility, body))
        stage.done(trade_dispatch.answer(stage.aggregator, body.dispatch, DispatchAnswer.ACCEPTED))
    with portals(tmp_path, stage) as both:
        first = both.utility.auditor.get("/dispatch").text
        second = both.utility.auditor.get("/dispatch?start=1").text
        assert bodies[1].dispatch in first and bodies[0].dispatch not in first and 'rel="next"' in first
        assert bodies[0].dispatch in second and 'rel="prev"' in second and 'rel="next"' not in second
