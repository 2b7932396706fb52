"""The page of availability: declared by the aggregator as values or as a table, read by both, taken back; once, by who may."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.trade_stage import AGG, HOUR, P7, P9, Stage, dealt
from tests.portal.test_dispatch_page import written
from tests.portal.two_portals import Portals, portals, refused, shown

from intertie.gateway.office.api_keys import OfficeRole
from intertie.market.availability import keys_of
from intertie.model.availability import AvailabilityDeclaration

SELF = "/feeder/availability"
DECLARE, WITHDRAW = SELF + "/declare", SELF + "/withdraw"


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Portals]:
    with portals(tmp_path, dealt()) as both:
        yield both


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portals]:
    """The same for what changes nothing."""
    with portals(tmp_path_factory.mktemp("idle"), dealt()) as both:
        yield both


def declared(at: Portals) -> list[AvailabilityDeclaration]:
    state = at.stage.books().availability
    return [one.body for key in keys_of(state) for one in state.declared[key.text]]


def form(at: Portals, **changes: object) -> dict[str, object]:
    """What the page's form holds, filled in."""
    starts = at.stage.now.replace(minute=0, second=0, microsecond=0) + 2 * HOUR
    return {
        "aggregation": AGG,
        "service": "DIST_CAPACITY",
        "point": P7,
        "kw": "15",
        "step": "60",
        "starts": written(starts),
        "ends": written(starts + 2 * HOUR),
        **changes,
    }


def test_declared_read_by_both_and_taken_back(at: Portals) -> None:
    assert "Nothing is declared from now on" in shown(at.aggregator.operator.get(SELF))
    said = at.aggregator.sent(
        at.aggregator.operator, DECLARE, **form(at, kw="15, 12.5", down="2", price="0.15", notice="30")
    )
    assert said.startswith(f"Declared for {P7}")
    (body,) = declared(at)
    assert body.up_kw.values == (15000, 12500) and body.down_kw.values == (2000, 2000)
    assert body.price is not None and (body.price.amount, body.price.currency) == (Decimal("0.15"), "USD")
    for side in at.both:
        said = shown(side.operator.get(SELF))
        assert "12.5 to 15 kW 2 kW 0.15 USD/kWh 30 min" in said and f"{P7} over a day" in said
        assert "20 kW 0 kW 15 kW 0 kW -5 kW short" in said or "10 kW 0 kW 15 kW 0 kW 5 kW" in said, said
        assert f'href="{SELF}?partner={side.them}&amp;point={P7}"' in side.operator.get("/feeder").text
        assert f'href="{SELF}?partner={side.them}"' in side.trader.get("/registration").text
    window = body.window
    gone = at.aggregator.sent(
        at.aggregator.trader,
        WITHDRAW,
        aggregation=AGG,
        service="DIST_CAPACITY",
        point=P7,
        starts=window.start.isoformat(),
        ends=window.end.isoformat(),
    )
    assert gone.startswith(f"Taken back for {P7}")
    (after,) = declared(at)
    assert after.revision == 2 and after.up_kw.values == (0, 0) == after.down_kw.values
    page = at.aggregator.operator.get(SELF)
    assert "taken back" in shown(page) and 'action="/feeder/availability/withdraw"' not in page.text


def test_a_table_and_a_revision_of_the_same_window(at: Portals) -> None:
    at.aggregator.sent(at.aggregator.trader, DECLARE, **form(at))
    starts = at.stage.now.replace(minute=0, second=0, microsecond=0) + 2 * HOUR
    lines = ["start,up_kw,kvar"]
    lines += [
        f"{(starts + n * HOUR).isoformat()},{kw},{kvar}" for n, (kw, kvar) in enumerate([(7, -1), ("", 2)])
    ]
    at.aggregator.sent(
        at.aggregator.trader, DECLARE, **form(at, kw="", starts="", ends="", table="\r\n".join(lines))
    )
    (body,) = declared(at)
    assert body.revision == 2 and body.up_kw.values == (7000, None) and body.down_kw.values == (0, 0)
    assert body.kvar is not None and body.kvar.values == (-1000, 2000)


def test_the_same_form_twice_declares_once(at: Portals) -> None:
    browser = at.aggregator.trader
    body = {"csrf": browser.token(), "once": "declare-once-1", "partner": UTILITY, **form(at)}
    answers = [browser.post(DECLARE, body) for _ in range(2)]
    assert {one.status_code for one in answers} == {303}
    at.stage.settle_soon()
    (one,) = declared(at)
    assert one.revision == 1


def test_a_point_over_another_day(idle: Portals) -> None:
    day = (idle.stage.now + timedelta(days=1)).date()
    said = shown(
        idle.utility.auditor.get(f"{SELF}?point={P9}&service=DIST_CAPACITY&day={day}&direction=down")
    )
    assert f"{P9} over a day" in said and said.count("not known –") == 0
    assert idle.utility.auditor.get(f"{SELF}?point={P9}").text.count('<tr><td data-label="from">') == 24
    for query in ("day=1900-01-01", "day=x", "service=NONE", "direction=sideways", "point=<b>"):
        refused(idle.utility.auditor.get(f"{SELF}?{query}"))


def test_each_side_and_role(idle: Portals) -> None:
    fields = form(idle)
    for path in (DECLARE, WITHDRAW):
        for role in (OfficeRole.SETTLEMENT, OfficeRole.AUDITOR, OfficeRole.ADMIN):
            refused(idle.aggregator.by(role).send(path, partner=UTILITY, **fields), 403)
        said = refused(idle.utility.operator.send(path, partner=AGGREGATOR, **fields), 403)
        assert "it is not yours" in said
    for browser in (idle.utility.operator, idle.aggregator.auditor):
        assert f'action="{DECLARE}"' not in browser.get(SELF).text
    assert f'action="{DECLARE}"' in idle.aggregator.operator.get(SELF).text
    idle.stage.settle_soon()
    assert declared(idle) == []


@pytest.mark.parametrize(
    ("path", "changes", "why"),
    [
        (DECLARE, {"kw": ""}, "what can it do?"),
        (DECLARE, {"table": "start,up_kw\n"}, "and not both"),
        (DECLARE, {"kw": "1,2,3"}, "3 values for 2 intervals"),
        (DECLARE, {"kw": "-5"}, "does not fit together"),
        (DECLARE, {"down": "much"}, "not a number"),
        (DECLARE, {"service": ""}, "for which service?"),
        (DECLARE, {"service": "NONE"}, "is none of"),
        (DECLARE, {"service": "ENERGY"}, "availability.service_off"),
        (DECLARE, {"point": "NOWHERE"}, "availability.point"),
        (DECLARE, {"point": ""}, "the point is missing"),
        (DECLARE, {"aggregation": "NONE"}, "availability.unknown_aggregation"),
        (DECLARE, {"starts": ""}, "from is missing"),
        (DECLARE, {"starts": "2020-01-01T00:00", "ends": "2020-01-01T02:00"}, "availability.period"),
        (DECLARE, {"price": "cheap"}, "is no number"),
        (DECLARE, {"notice": "-1"}, "a whole number from 0"),
        (DECLARE, {"kw": "", "table": "start,up_kw\nnever,5\n"}, "line 2"),
        (DECLARE, {"kw": "", "table": "x" * 100_001}, "more than 100000"),
        (WITHDRAW, {}, "nothing is declared for AGG there"),
        (WITHDRAW, {"aggregation": ""}, "the aggregation is missing"),
    ],
)
def test_what_cannot_be_declared(idle: Portals, path: str, changes: dict[str, object], why: str) -> None:
    said = refused(idle.aggregator.operator.send(path, partner=UTILITY, **form(idle, **changes)))
    assert any(part in said for part in why.split("|")), said
    idle.stage.settle_soon()
    assert declared(idle) == []


def test_without_a_contract_nothing_can_be_declared(tmp_path: Path) -> None:
    with portals(tmp_path, Stage()) as fresh:
        said = shown(fresh.aggregator.operator.get(SELF))
        assert "No contract that was made here is in force" in said
        assert "Nothing is declared" in shown(fresh.utility.operator.get(SELF))


def test_with_many_points_one_is_typed(at: Portals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intertie.gateway.views.view_availability.POINTS_LISTED", 1)
    monkeypatch.setattr("intertie.gateway.views.view_availability.DECLARED_SHOWN", 1)
    at.aggregator.sent(at.aggregator.operator, DECLARE, **form(at))
    at.aggregator.sent(at.aggregator.operator, DECLARE, **form(at, point=P9, kw="5"))
    page = at.aggregator.operator.get(f"{SELF}?point={P9}")
    assert f'<input id="d-point" name="point" value="{P9}"' in page.text and "1 later ones" in shown(page)
