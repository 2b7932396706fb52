"""The page of the feeder: what each side reads there, where the slider leads, and what an address may not do to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.exchange.test_acts_outage import MODEL, notice
from tests.exchange.test_view_feeder import condition
from tests.exchange.trade_stage import HOUR, P9, Stage, dealt, kw
from tests.portal.two_portals import Portals, portals, refused, shown, text_of
from tests.portal.visitors import signed_in
from tests.portal.world import World

from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.trading import trade_outage
from intertie.model.system import ConditionKind


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portals]:
    """A deal on a feeder, on which one point is out and the other one has a forecast."""
    stage = dealt()
    stage.done(*stage.utility.say(replace(MODEL, effective=stage.now - HOUR)))
    stage.done(trade_outage.tell(stage.utility, notice(stage, points=(P9,))))
    start = stage.now.replace(minute=0, second=0, microsecond=0) + HOUR
    load = condition(stage, ConditionKind.FORECAST, P9, forecast_kw=kw(start, 12.5))
    stage.done(*stage.utility.say(load))
    with portals(tmp_path_factory.mktemp("portals"), stage) as both:
        yield both


def test_both_sides_read_the_same(at: Portals) -> None:
    pages = [shown(side.operator.get("/feeder")) for side in at.both]
    for said in pages:
        assert "2 points" in said and "1 without supply" in said and "OUT-1" in said
        assert "F12-T7 F12-S2 – 10 kW 0 kW – -10 kW short 20 kW 2 DERs – live" in said, said
    raw = at.utility.operator.get("/feeder").text
    assert raw.count("<circle") == 2 and raw.count('class="wire"') >= 3 and 'class="point dead' in raw


def test_only_who_may_tell_of_an_outage_is_offered_it(at: Portals) -> None:
    assert "Tell of an outage there" in at.utility.operator.get("/feeder").text
    for browser in (at.utility.trader, at.utility.auditor, at.aggregator.operator):
        page = browser.get("/feeder").text
        assert "Tell of an outage there" not in page and 'type="checkbox"' not in page
    assert at.utility.by(OfficeRole.ADMIN).get("/feeder").status_code == 403


def test_the_slider_goes_through_a_day_without_a_script(at: Portals) -> None:
    local = at.stage.now.astimezone().date()
    page = at.utility.auditor.get("/feeder").text
    assert 'type="range"' in page and 'max="95"' in page and "America/New_York" in page
    first = at.utility.auditor.get(f"/feeder?day={local}&quarter=0").text
    assert 'value="0"' in first and f"{local}T05:00:00Z" in first
    for quarter, load in ((28, False), (32, True), (36, False)):
        said = shown(at.utility.auditor.get(f"/feeder?day={local}&quarter={quarter}"))
        assert ("12.5 kW" in said) == load, (quarter, said)
    assert 'max="91"' in at.utility.auditor.get("/feeder?day=2026-03-08").text
    assert 'max="99"' in at.utility.auditor.get("/feeder?day=2026-11-01&quarter=99").text


def test_another_service_and_direction(at: Portals) -> None:
    said = shown(at.aggregator.auditor.get("/feeder?service=RELIABILITY&direction=down"))
    assert "RELIABILITY, down" in said and "F12-T7 F12-S2 – 0 kW" in said


@pytest.mark.parametrize(
    "query",
    [
        "day=yesterday",
        "day=0001-01-01",
        "day=9999-12-31",
        "quarter=100",
        "quarter=-1",
        "quarter=1e3",
        "service=NONE",
        "direction=sideways",
        "start=-1",
        "partner=%3Cscript%3Ealert(1)%3C/script%3E",
        "agreement=%22%3E%3Cscript%3E",
    ],
)
def test_an_address_that_cannot_be_read(at: Portals, query: str) -> None:
    answer = at.utility.auditor.get(f"/feeder?{query}")
    assert (
        answer.status_code == 422 and "<script>alert" not in answer.text and '"><script>' not in answer.text
    )
    assert text_of(answer.text)


def test_a_partner_that_is_none_and_an_agreement_that_is_none(at: Portals) -> None:
    assert "no such partner" in refused(at.utility.auditor.get("/feeder?partner=nobody.example"), 404)
    said = shown(at.utility.auditor.get("/feeder?agreement=NOTHING"))
    assert "F12-T7 F12-S2 – – – –" in said


def test_nothing_to_show_says_what_to_do(tmp_path: Path) -> None:
    with portals(tmp_path, Stage()) as fresh:
        assert "No connection point is known" in shown(fresh.utility.auditor.get("/feeder"))
    world = World(tmp_path / "alone", made=False)
    world.gateway.partners.partners.clear()  # type: ignore[attr-defined]
    for path in ("/feeder", "/registration", "/dispatch"):
        said = shown(signed_in(world, OfficeRole.OPERATOR, name=f"o-{path[1:]}").get(path))
        assert "nobody to trade with yet" in said, path
    world.close()
