"""The page of registrations: who waits, who decides, once and with a reason, and what a partner's text may not do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.exchange.house import AGGREGATOR
from tests.exchange.trade_stage import AGG, DEAL_TERMS, DERS, P9, Stage, der
from tests.portal.two_portals import HOSTILE, Portals, harmless, portals, refused, shown

from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.trading import trade_registration as act
from intertie.market.registry import Standing
from intertie.model.aggregation import DecisionReason
from intertie.model.ids import AggregationId, DerId

DECIDE = "/registration/decide"


def offered() -> Stage:
    """An aggregation that waits for its decisions."""
    stage = Stage()
    stage.agree()
    stage.done(act.register(stage.aggregator, AGG, act.Offered((DEAL_TERMS.service,), stage.now), DERS))
    return stage


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Portals]:
    with portals(tmp_path, offered()) as both:
        yield both


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portals]:
    """The same for what changes nothing."""
    with portals(tmp_path_factory.mktemp("idle"), offered()) as both:
        yield both


def standings(at: Portals) -> list[str]:
    ders = at.stage.books().registry[AGG].ders
    return [versions[-1].standing.value for _, versions in sorted(ders.items())]


def test_the_list_and_what_waits(idle: Portals) -> None:
    for side in idle.both:
        said = shown(side.auditor.get("/registration"))
        assert (
            "AGG DIST CAPACITY 3 0 0 0 kW" in said and said.count("waits") == 3 and "to be decided by" in said
        )
        assert "What happened registered" in said
    assert "DERs 1 " in shown(idle.utility.auditor.get("/registration?text=T9"))
    assert "No DER is like that" in shown(idle.utility.auditor.get("/registration?standing=refused"))
    assert "DERs 0 " in shown(idle.utility.auditor.get("/registration?aggregation=NONE"))


def test_accepted_with_less_and_refused_with_a_reason(at: Portals) -> None:
    said = at.utility.sent(
        at.utility.trader, DECIDE, aggregation=AGG, verdict="accept", der=["DER-1", "DER-2"], kw="7.5"
    )
    assert said.startswith("2 DERs are accepted")
    said = at.utility.sent(
        at.utility.trader,
        DECIDE,
        aggregation=AGG,
        verdict="refuse",
        der="DER-3",
        reason="hosting_capacity",
        detail=HOSTILE,
    )
    assert said.startswith("1 DER is refused")
    assert standings(at) == ["accepted", "accepted", "refused"]
    assert at.stage.books().registry[AGG].ders[DerId("DER-1")][-1].accepted_kw is not None
    for side in at.both:
        page = side.trader.get("/registration")
        harmless(page.text)
        assert (
            "hosting capacity" in shown(page)
            and HOSTILE in shown(page)
            and "AGG DIST CAPACITY 0 2 1 15 kW" in shown(page)
        )
        one = side.trader.get(f"/registration/der?aggregation={AGG}&der=DER-3")
        harmless(one.text)
        assert "Revision 1: refused" in shown(one) and HOSTILE in shown(one)


def test_all_that_wait_at_once(at: Portals) -> None:
    at.utility.sent(at.utility.trader, DECIDE, aggregation=AGG, verdict="refuse", der="DER-3", reason="other")
    said = at.utility.sent(at.utility.trader, DECIDE, aggregation=AGG, verdict="accept", rest="yes")
    assert said.startswith("All that waited are accepted") and standings(at) == [
        "accepted",
        "accepted",
        "refused",
    ]
    assert "no DER is ticked" in refused(
        at.utility.trader.send(DECIDE, partner=AGGREGATOR, aggregation=AGG, verdict="accept", rest="yes")
    )


def test_the_same_form_twice_decides_once(at: Portals) -> None:
    browser = at.utility.trader
    form = {
        "csrf": browser.token(), "once": "decide-once-1", "partner": AGGREGATOR, "aggregation": AGG,
        "verdict": "accept", "der": "DER-1",
    }  # fmt: skip
    first, second = browser.post(DECIDE, form), browser.post(DECIDE, form)
    assert (
        first.status_code == 303 == second.status_code
        and first.headers["location"] == second.headers["location"]
    )
    at.stage.settle_soon()
    history = at.stage.books().registry[AGG].history
    assert [one.what for one in history] == ["registered", "accepted"]


def test_only_a_trader_of_the_utility_decides(idle: Portals) -> None:
    form = {"partner": idle.utility.them, "aggregation": AGG, "verdict": "accept", "der": "DER-1"}
    assert "Your decision" in idle.utility.trader.get("/registration").text
    for role in set(OfficeRole) - {OfficeRole.TRADER}:
        browser = idle.utility.by(role)
        if role is not OfficeRole.ADMIN:
            assert "Your decision" not in browser.get("/registration").text
        refused(browser.send(DECIDE, **form), 403)
    assert "Your decision" not in idle.aggregator.trader.get("/registration").text
    said = refused(idle.aggregator.trader.send(DECIDE, **{**form, "partner": idle.aggregator.them}), 403)
    assert "registration_decision" in said
    idle.stage.settle_soon()
    assert standings(idle) == ["offered"] * 3


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"verdict": "refuse"}, "no reason"),
        ({"verdict": "maybe"}, "neither accepted nor refused"),
        ({"der": ()}, "no DER is ticked"),
        ({"der": "NOBODY"}, "registration.unknown_der"),
        ({"kw": "99"}, "registration.above_nameplate"),
        ({"kw": "much"}, "is no number"),
        ({"reason": "whim", "verdict": "refuse"}, "is none of"),
        ({"aggregation": "NONE"}, "no aggregation NONE"),
        ({"aggregation": "a b"}, "has not the right form"),
        ({"partner": "nobody.example"}, "no such partner"),
        ({"effective": "soon"}, "is no time"),
        ({"detail": "x" * 2001, "verdict": "refuse", "reason": "other"}, "more than 2000"),
    ],
)
def test_what_cannot_be_decided(idle: Portals, changes: dict[str, object], why: str) -> None:
    form = {"partner": AGGREGATOR, "aggregation": AGG, "verdict": "accept", "der": "DER-1", **changes}
    answer = idle.utility.trader.send(DECIDE, **form)
    assert why in refused(answer, 404 if "nobody.example" in str(changes) else 422)
    idle.stage.settle_soon()
    assert standings(idle) == [Standing.OFFERED] * 3


def test_several_aggregations_are_decided_one_by_one(at: Portals) -> None:
    other = AggregationId("AGG-2")
    stage = at.stage
    stage.done(
        act.register(stage.aggregator, other, act.Offered((DEAL_TERMS.service,), stage.now), [der(9, P9)])
    )
    said = shown(at.utility.trader.get("/registration"))
    assert "choose an aggregation to decide" in said and "Your decision" not in said
    assert "Your decision" in shown(at.utility.trader.get(f"/registration?aggregation={other}"))


def test_pages_of_many(at: Portals) -> None:
    stage = at.stage
    many = [der(number, P9) for number in range(100, 230)]
    stage.done(act.change(stage.aggregator, AGG, stage.now, added=many))
    page = at.utility.auditor.get("/registration").text
    assert page.count("/registration/der?") == 100 and 'rel="next"' in page
    following = (
        page.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    )
    rest = at.utility.auditor.get(following).text
    assert rest.count("/registration/der?") == 33 and 'rel="next"' not in rest


def test_a_der_that_is_not_there(at: Portals) -> None:
    for query in ("der=NONE", f"aggregation={AGG}", f"aggregation={AGG}&der=NONE", "aggregation=<b>&der=<b>"):
        refused(at.utility.auditor.get(f"/registration/der?{query}"))
    stage = at.stage
    said = act.Verdicts((), {DERS[0].id: DecisionReason.OTHER})
    stage.done(act.decide(stage.utility, AGG, said, stage.now))
    assert "Revision 1: refused" in shown(
        at.utility.auditor.get(f"/registration/der?aggregation={AGG}&der=DER-1")
    )
