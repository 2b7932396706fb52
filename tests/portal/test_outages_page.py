"""The pages of outages, from both sides: composed from the feeder with what it reaches in view, told, acknowledged, restored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_acts_outage import MODEL
from tests.exchange.trade_stage import AGG, HOUR, NWS, P7, P9, Stage, dealt
from tests.portal.two_portals import HOSTILE, Portals, harmless, portals, refused, shown

from intertie.gateway.office.api_keys import OfficeRole
from intertie.market.outage import State


def known() -> Stage:
    """A deal on a feeder that both know."""
    stage = dealt()
    stage.done(*stage.utility.say(replace(MODEL, effective=stage.now - HOUR)))
    return stage


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Portals]:
    with portals(tmp_path, known()) as both:
        yield both


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portals]:
    """The same for what changes nothing."""
    with portals(tmp_path_factory.mktemp("idle"), known()) as both:
        yield both


def tell(at: Portals, **changes: Any) -> str:
    form = {"outage": "OUT-1", "point": P9, "cause": "weather", "kind": "unplanned", **changes}
    return at.utility.sent(at.utility.operator, "/outages/new", **form)


def written(at: Any) -> str:
    return at.strftime("%Y-%m-%dT%H:%M")  # type: ignore[no-any-return]


def test_from_the_feeder_to_the_form_with_what_it_reaches(idle: Portals) -> None:
    said = shown(idle.utility.operator.get(f"/outages/new?point={P9}&section=F12-S2&starts=&expected="))
    assert "F12-T9 sections F12-S2 and all behind them" in said and "2 of its points 3 of its DERs" in said
    assert f"deal {NWS} aggregator.example 20 kW 0 kW 20 kW no supply at F12-T7; no supply at F12-T9" in said
    assert "DER-1 F12-T7 0 kW 10 kW no supply" in said and "What you tell" in said
    alone = shown(idle.utility.operator.get(f"/outages/new?points={P9},%20ELSEWHERE"))
    assert "1 of its points 1 of its DERs" in alone and "No deal and no dispatch with it gets short" in alone
    assert "there is nobody to tell" in shown(idle.utility.operator.get("/outages/new?point=ELSEWHERE"))
    assert "No point is named yet" in shown(idle.utility.operator.get("/outages/new"))
    assert idle.stage.books().grid.outages == {}


def test_told_acknowledged_news_and_back(at: Portals) -> None:
    browser = at.utility.operator
    answer = browser.send(
        "/outages/new", partner=AGGREGATOR, outage="OUT-1", point=P9, cause="weather", text=HOSTILE
    )
    assert browser.done(answer).startswith("OUT-1: Queued for")
    waits = at.utility.operator.get("/outages")
    harmless(waits.text)
    assert "not acknowledged" in shown(waits) and "not yet outage notice queued" in shown(waits)
    assert "OUT-1" not in shown(at.aggregator.operator.get("/outages"))
    at.stage.settle_soon()
    assert "acknowledged since" in shown(at.utility.auditor.get("/outages"))
    theirs = at.aggregator.operator.get("/outages")
    harmless(theirs.text)
    assert "we acknowledged" in shown(theirs) and "DER-3 F12-T9 0 kW 10 kW no supply" in shown(theirs)
    said = at.utility.sent(
        at.utility.operator,
        "/outages/update",
        outage="OUT-1",
        status="repairing",
        expected=written(at.stage.now + HOUR),
    )
    assert said.startswith("News of OUT-1. Queued for")
    assert "repairing" in shown(at.aggregator.auditor.get("/outages"))
    said = at.utility.sent(at.utility.operator, "/outages/restore", outage="OUT-1")
    assert (
        said.startswith("OUT-1 is back.") and at.stage.books().grid.outages["OUT-1"].state is State.RESTORED
    )
    for side in at.both:
        over = shown(side.operator.get("/outages"))
        assert "restored" in over and "nothing back: F12-T9" in over and "News of" not in over


def test_only_what_a_partner_knows_is_told_to_it(at: Portals) -> None:
    tell(at, point=[P7, "SECRET-POINT"], section="NO-SECTION")
    outage = at.stage.books().grid.outages["OUT-1"]
    assert list(outage.lost) == [P7] and outage.sections == ()
    said = refused(
        at.utility.operator.send("/outages/new", partner=AGGREGATOR, outage="OUT-2", point="SECRET-POINT")
    )
    assert "knows none of these points" in said


def test_a_part_is_back(at: Portals) -> None:
    tell(at, point=(), section="F12-S1")
    assert set(at.stage.books().grid.outages["OUT-1"].lost) == {P7, P9}
    at.utility.sent(at.utility.operator, "/outages/restore", outage="OUT-1", points=P7)
    assert at.stage.books().grid.outages["OUT-1"].state is State.PARTLY_RESTORED
    said = refused(at.utility.operator.send("/outages/restore", outage="OUT-1", points="ELSEWHERE"))
    assert "none of these points is in OUT-1" in said
    said = shown(at.aggregator.operator.get("/outages"))
    assert "partly restored" in said and "F12-T9 back: F12-T7" in said


def test_a_planned_one_says_until_when(at: Portals) -> None:
    starts, ends = written(at.stage.now + 2 * HOUR), written(at.stage.now + 4 * HOUR)
    form = {"outage": "OUT-1", "point": P9, "cause": "maintenance", "kind": "planned", "starts": starts}
    assert "estimated_restoration" in refused(
        at.utility.operator.send("/outages/new", partner=AGGREGATOR, **form)
    )
    tell(at, **{**form, "expected": ends})
    assert at.stage.books().grid.outages["OUT-1"].expected is not None
    at.utility.sent(at.utility.operator, "/outages/update", outage="OUT-1", status="postponed", starts=ends)
    assert "postponed" in shown(at.aggregator.operator.get("/outages"))


def test_ders_that_are_out_and_back(at: Portals) -> None:
    page = shown(at.aggregator.operator.get("/outages/ders"))
    assert "DERs that are out, divided by commas" in page
    form = {
        "outage": "A-1",
        "aggregation": AGG,
        "ders": "DER-1, DER-2 DER-1",
        "cause": "failure",
        "text": HOSTILE,
    }
    assert at.aggregator.sent(at.aggregator.operator, "/outages/ders", **form) == "A-1 is told."
    for side in at.both:
        answer = side.operator.get("/outages")
        harmless(answer.text)
        said = shown(answer)
        assert "20 kW missing; DER-1, DER-2" in said and f"deal {NWS}" in said and "out by A-1" in said
    at.aggregator.sent(at.aggregator.operator, "/outages/ders", **{**form, "ders": "DER-1", "kw": "4"})
    assert "4 kW missing; DER-1" in shown(at.utility.operator.get("/outages"))
    at.aggregator.sent(at.aggregator.operator, "/outages/return", outage="A-1")
    assert "nothing back: DER-1" in shown(at.utility.auditor.get("/outages"))
    assert "Nothing that was agreed is short" in shown(at.utility.auditor.get("/outages"))


def test_a_second_click_tells_once(at: Portals) -> None:
    browser = at.utility.operator
    form = {
        "csrf": browser.token(),
        "once": "outage-once",
        "partner": AGGREGATOR,
        "outage": "OUT-1",
        "point": P9,
    }
    answers = [browser.post("/outages/new", form) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {303}
    at.stage.settle_soon()
    ledger = at.stage.gateways[UTILITY].books.of(at.stage.gateways[UTILITY].store, AGGREGATOR).ledger
    assert [type(event.body).__name__ for event in ledger.events].count("OutageNotice") == 1


@pytest.mark.parametrize(
    ("path", "changes", "why"),
    [
        ("/outages/new", {"point": ""}, "nothing is out"),
        ("/outages/new", {"partner": ""}, "nobody is named"),
        ("/outages/new", {"outage": ""}, "a name is missing"),
        ("/outages/new", {"outage": "a b"}, "has not the right form"),
        ("/outages/new", {"cause": "gremlins"}, "is none of"),
        ("/outages/new", {"starts": "then"}, "is no time"),
        ("/outages/new", {"expected": "2020-01-01T00:00"}, "not after the start"),
        ("/outages/new", {"points": ", ".join(f"P{n}" for n in range(1001))}, "more than 1000"),
        ("/outages/update", {"outage": "NONE", "status": "repairing"}, "no outage NONE was told"),
        ("/outages/update", {}, "what is the news?"),
        ("/outages/restore", {"outage": "NONE"}, "no outage NONE was told"),
    ],
)
def test_what_cannot_be_told(idle: Portals, path: str, changes: dict[str, Any], why: str) -> None:
    form = {"partner": AGGREGATOR, "outage": "OUT-1", "point": P9, **changes}
    assert why in refused(idle.utility.operator.send(path, **form))
    idle.stage.settle_soon()
    assert idle.stage.books().grid.outages == {}


@pytest.mark.parametrize(
    ("path", "changes", "why"),
    [
        ("/outages/ders", {"ders": " , "}, "no DER is named"),
        ("/outages/ders", {"ders": "NOBODY"}, "asset_outage.unknown_der"),
        ("/outages/ders", {"aggregation": "NONE"}, "asset_outage.unknown_der"),
        ("/outages/ders", {"kw": "99"}, "asset_outage.too_much"),
        ("/outages/return", {"outage": "NONE"}, "no outage NONE"),
    ],
)
def test_what_an_aggregator_cannot_tell(idle: Portals, path: str, changes: dict[str, Any], why: str) -> None:
    form = {"partner": UTILITY, "outage": "A-1", "aggregation": AGG, "ders": "DER-1", **changes}
    assert why in refused(idle.aggregator.operator.send(path, **form))
    idle.stage.settle_soon()
    assert idle.stage.books().grid.assets == {}


def test_who_may_not_changes_nothing(at: Portals) -> None:
    tell(at)
    grid = {
        "/outages/new": {"outage": "OUT-2", "point": P9},
        "/outages/update": {"outage": "OUT-1", "status": "repairing"},
        "/outages/restore": {"outage": "OUT-1"},
    }
    ders = {
        "/outages/ders": {"outage": "A-1", "aggregation": AGG, "ders": "DER-1"},
        "/outages/return": {"outage": "A-1"},
    }
    before = at.stage.books()
    for side, acts, other in ((at.utility, grid, at.aggregator), (at.aggregator, ders, at.utility)):
        for path, fields in acts.items():
            for role in set(OfficeRole) - {OfficeRole.OPERATOR}:
                refused(side.by(role).send(path, partner=side.them, **fields), 403)
            refused(other.operator.send(path, partner=other.them, **fields), 403)
    at.stage.settle_soon()
    assert at.stage.books() == before
    for browser in (at.utility.trader, at.utility.auditor, at.aggregator.operator):
        page = shown(browser.get("/outages"))
        assert "Tell of an outage" not in page and "News of OUT-1" not in page
        assert "for an operator of the utility" in shown(browser.get("/outages/new"))
    assert "for an operator of the aggregator" in shown(at.utility.operator.get("/outages/ders"))


def test_nothing_is_out(tmp_path: Path) -> None:
    with portals(tmp_path, Stage()) as fresh:
        said = shown(fresh.utility.operator.get("/outages"))
        assert "Nothing is out, and nothing was" in said and "Nothing that was agreed is short" in said
        assert "No aggregation is registered" in shown(fresh.aggregator.operator.get("/outages/ders"))
