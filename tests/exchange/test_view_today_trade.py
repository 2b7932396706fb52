"""Today names what waits in the trade, on the side that must act, and leads to the page where it is done."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_acts_dispatch import called
from tests.exchange.test_acts_market import OPEN, Three
from tests.exchange.test_trade_offers import DECIDE, GATE
from tests.exchange.trade_stage import AGG, DEAL_TERMS, DERS, Stage

from intertie.gateway.gateway import Gateway
from intertie.gateway.trading import trade_registration as act
from intertie.gateway.views.view_today import Need, read_today


def found(gateway: Gateway, stage: Stage | Three, word: str) -> list[Need]:
    return [one for one in read_today(gateway, stage.now, books=True).needs if word in one.what]


def test_ders_that_wait_are_the_utilitys_business() -> None:
    stage = Stage()
    stage.agree()
    stage.done(act.register(stage.aggregator, AGG, act.Offered((DEAL_TERMS.service,), stage.now), DERS))
    (need,) = found(stage.gateways[UTILITY], stage, "DERs of")
    assert need.what == f"3 DERs of {AGGREGATOR} wait for our decision" and need.weight == "soon"
    assert need.link == f"/registration?partner={AGGREGATOR}&standing=offered"
    assert found(stage.gateways[AGGREGATOR], stage, "DERs of") == []
    stage.done(act.decide(stage.utility, AGG, act.Verdicts([one.id for one in DERS]), stage.now))
    assert found(stage.gateways[UTILITY], stage, "DERs of") == []
    assert read_today(stage.gateways[UTILITY], stage.now, books=False).needs == []


def test_a_need_waits_for_its_award_once_its_gate_has_closed() -> None:
    three = Three()
    three.ask(replace(OPEN, need="N/1"), AGGREGATOR)
    utility = three.gateways[UTILITY]
    assert found(utility, three, "award") == []
    three.now = GATE + timedelta(seconds=1)
    (need,) = found(utility, three, "award")
    assert (need.weight, need.link, need.since) == ("soon", "/market?need=N%2F1", DECIDE)
    assert found(three.gateways[AGGREGATOR], three, "award") == []
    three.now = DECIDE + timedelta(seconds=1)
    assert [one.weight for one in found(utility, three, "award")] == ["now"]


def test_a_dispatch_leads_to_its_page() -> None:
    stage, name = called()
    for party, words in ((UTILITY, "their answer"), (AGGREGATOR, "our answer")):
        (need,) = found(stage.gateways[party], stage, "Dispatch")
        assert need.what == f"Dispatch {name} waits for {words}"
        assert need.link.startswith("/dispatch/one?partner=") and need.link.endswith(f"dispatch={name}")
