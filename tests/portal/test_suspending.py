"""DERs suspended and resumed at the portal, by either side, with a reason that both see; each once, and only by who may."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.trade_stage import AGG, HOUR, registered
from tests.portal.test_dispatch_page import written
from tests.portal.two_portals import HOSTILE, Desk, Portals, portals, refused, shown

from intertie.gateway.office.api_keys import OfficeRole
from intertie.journal.entry import read_entry
from intertie.market.registry import Suspended

SUSPEND, RESUME = "/registration/suspend", "/registration/resume"
DER = f"/registration/der?aggregation={AGG}&der=DER-1"


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Portals]:
    with portals(tmp_path, registered()) as both:
        yield both


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portals]:
    """The same for what changes nothing."""
    with portals(tmp_path_factory.mktemp("idle"), registered()) as both:
        yield both


def suspensions(at: Portals) -> list[Suspended]:
    return list(at.stage.books().registry[AGG].suspensions.values())


def suspended(at: Portals, side: Desk, **fields: object) -> Suspended:
    """DERs suspended by a side; the newest suspension."""
    said = side.sent(side.trader, SUSPEND, **{"aggregation": AGG, "reason": "safety", **fields})
    assert "suspended, as soon as" in said
    return suspensions(at)[-1]


def test_one_der_from_its_page_and_back(at: Portals) -> None:
    assert "Nothing is or was suspended" in shown(at.utility.trader.get(DER))
    made = suspended(at, at.utility, ders="DER-1", back="DER-1", text=HOSTILE)
    assert made.ders == ("DER-1",) and made.by == UTILITY and made.reason.value == "safety"
    for side in at.both:
        for path in (DER, "/registration"):
            said = shown(side.trader.get(path))
            assert f"{made.name} AGG holds DER-1 safety {UTILITY}" in said and "until resumed" in said, path
        assert "can now 0 kW" in shown(side.auditor.get(DER))
    assert f"Resume {made.name}" in at.utility.trader.get(DER).text
    theirs = at.aggregator.trader.get(DER).text
    assert f"Resume {made.name}" not in theirs and f"{UTILITY} ends it" in theirs
    at.stage.now += timedelta(minutes=1)
    said = at.utility.sent(at.utility.trader, RESUME, aggregation=AGG, suspension=made.name, back="DER-1")
    assert said.startswith(f"{made.name} ends")
    at.stage.now += timedelta(minutes=1)
    for side in at.both:
        page = shown(side.auditor.get(DER))
        assert f"{made.name} AGG over DER-1" in page and "What happened resumed" in page
        assert "can now 10 kW" in page
    notes = " ".join(read_entry(raw).note for _, raw, _ in at.utility.world.gateway.store.entries())
    assert f"suspend ders {AGG} safety" in notes and f"resume ders {AGG} {made.name}" in notes


def test_all_of_an_aggregation_for_a_while_by_the_aggregator(at: Portals) -> None:
    starts = at.stage.now.replace(second=0) + HOUR
    made = suspended(
        at,
        at.aggregator,
        all="yes",
        reason="telemetry_lost",
        effective=written(starts),
        until=written(starts + HOUR),
    )
    assert made.ders == () and (made.starts, made.ends) == (starts, starts + HOUR)
    said = shown(at.utility.trader.get("/registration"))
    assert f"{made.name} AGG ahead all telemetry lost {AGGREGATOR}" in said
    second = suspended(at, at.utility, ders="DER-1, DER-3 DER-1", effective=written(starts))
    assert second.name != made.name and second.ders == ("DER-1", "DER-3")
    at.stage.now = starts + timedelta(minutes=1)
    page = at.utility.auditor.get("/registration").text
    assert page.count('<span class="state bad">holds</span>') == 2 and "Resume" not in page


def test_the_same_form_twice_suspends_once(at: Portals) -> None:
    browser = at.utility.trader
    form = {
        "csrf": browser.token(), "once": "suspend-once-1", "partner": AGGREGATOR, "aggregation": AGG,
        "reason": "other", "ders": "DER-2",
    }  # fmt: skip
    first, second = browser.post(SUSPEND, form), browser.post(SUSPEND, form)
    assert first.status_code == 303 == second.status_code
    at.stage.settle_soon()
    assert len(suspensions(at)) == 1


def test_only_who_suspended_resumes(at: Portals) -> None:
    made = suspended(at, at.utility, ders="DER-1")
    form = {"partner": UTILITY, "aggregation": AGG, "suspension": made.name}
    said = refused(at.aggregator.trader.send(RESUME, **form))
    assert "registration.not_its_author" in said or "was made by" in said
    at.stage.settle_soon()
    assert suspensions(at)[-1].ends is None


def test_only_traders_suspend(idle: Portals) -> None:
    form = {"aggregation": AGG, "reason": "other", "ders": "DER-1", "suspension": "S-1"}
    for side in idle.both:
        for role in set(OfficeRole) - {OfficeRole.TRADER}:
            browser = side.by(role)
            for path in (SUSPEND, RESUME):
                refused(browser.send(path, partner=side.them, **form), 403)
            if role is not OfficeRole.ADMIN:
                assert 'action="/registration/suspend"' not in browser.get(DER).text
        assert 'action="/registration/suspend"' in side.trader.get(DER).text
    idle.stage.settle_soon()
    assert suspensions(idle) == []


@pytest.mark.parametrize(
    ("path", "changes", "why"),
    [
        (SUSPEND, {"reason": ""}, "no reason is chosen"),
        (SUSPEND, {"reason": "whim"}, "is none of"),
        (SUSPEND, {"ders": ""}, "whom?"),
        (SUSPEND, {"all": "yes"}, "and not both"),
        (SUSPEND, {"ders": "NOBODY"}, "registration.unknown_der"),
        (SUSPEND, {"ders": "<b>"}, "does not fit together"),
        (SUSPEND, {"aggregation": "NONE"}, "no aggregation NONE"),
        (SUSPEND, {"aggregation": "a b"}, "has not the right form"),
        (SUSPEND, {"until": "2020-01-01T00:00"}, "until: not after effective"),
        (SUSPEND, {"effective": "soon"}, "is no time"),
        (SUSPEND, {"text": "x" * 2001}, "more than 2000"),
        (RESUME, {}, "the suspension is missing"),
        (RESUME, {"suspension": "NONE"}, "no NONE holds"),
        (RESUME, {"suspension": "NONE", "aggregation": "NONE"}, "NONE"),
    ],
)
def test_what_cannot_be_suspended(idle: Portals, path: str, changes: dict[str, object], why: str) -> None:
    form = {"partner": AGGREGATOR, "aggregation": AGG, "reason": "other", "ders": "DER-1", **changes}
    assert why in refused(idle.utility.trader.send(path, **form))
    idle.stage.settle_soon()
    assert suspensions(idle) == []
