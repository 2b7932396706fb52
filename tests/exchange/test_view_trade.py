"""Who may say what to whom, by the side that we are on and the role of the person."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, STRANGER, UTILITY
from tests.exchange.test_acts_market import RIVAL, Three
from tests.exchange.test_trade import GSA, TEXT
from tests.exchange.trade_stage import Stage, registered

from intertie.gateway.gateway import Partner
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.office_rights import NotAllowed
from intertie.gateway.trading import trade_contract
from intertie.gateway.views.view_trade import agreements, check_may_say, look_at, may_say, other_side
from intertie.model.agreement import ContractAction
from intertie.model.errors import Refused
from intertie.model.ids import AgreementId, PartyId

UTILITY_SAYS = {
    "registration_decision": "trader",
    "need": "trader",
    "order": "trader",
    "need_result": "trader",
    "dispatch_instruction": "operator trader",
    "dispatch_cancel": "operator trader",
    "outage_notice": "operator",
    "outage_update": "operator",
    "restoration_notice": "operator",
}
AGGREGATOR_SAYS = {
    "offer": "trader",
    "sealed_offer": "trader",
    "dispatch_response": "operator trader",
    "dispatch_report": "operator trader",
    "asset_outage": "operator",
    "asset_return": "operator",
}


def partner(stage: Stage, ours: PartyId) -> Partner:
    (found,) = other_side(stage.gateways[ours])
    return found


@pytest.mark.parametrize(
    ("ours", "says"), [(UTILITY, UTILITY_SAYS), (AGGREGATOR, AGGREGATOR_SAYS)], ids=["utility", "aggregator"]
)
def test_the_whole_matrix(ours: PartyId, says: dict[str, str]) -> None:
    stage = Stage()
    there = partner(stage, ours)
    for document in (*UTILITY_SAYS, *AGGREGATOR_SAYS):
        allowed = set(says.get(document, "").split())
        found = {role.value for role in OfficeRole if may_say(stage.gateways[ours], there, [role], document)}
        assert found == allowed, document
        for role in OfficeRole:
            if role.value in allowed:
                check_may_say(stage.gateways[ours], there, [role], document)
            else:
                with pytest.raises(NotAllowed) as said:
                    check_may_say(stage.gateways[ours], there, [role], document)
                assert said.value.do and document in said.value.why


def test_somebody_of_two_roles_may_what_either_may() -> None:
    stage = Stage()
    gateway, there = stage.gateways[UTILITY], partner(stage, UTILITY)
    assert may_say(gateway, there, [OfficeRole.AUDITOR, OfficeRole.TRADER], "need")
    assert not may_say(gateway, there, [], "need") and not may_say(gateway, there, OfficeRole, "nonsense")
    with pytest.raises(NotAllowed, match="nobody"):
        check_may_say(gateway, there, [], "need")


def test_partners_of_the_other_side_by_name() -> None:
    three = Three()
    assert [one.party for one in other_side(three.gateways[UTILITY])] == sorted([AGGREGATOR, RIVAL])
    assert [one.party for one in other_side(three.gateways[RIVAL])] == [UTILITY]


def test_the_first_of_several_agreements_is_looked_at() -> None:
    stage = registered()
    second = AgreementId("A-SECOND")
    assert look_at(stage.gateways[UTILITY], AGGREGATOR, stage.now).agreement == GSA
    stage.done(trade_contract.propose(stage.utility, replace(TEXT, agreement=second)))
    for desk in (stage.utility, stage.aggregator):
        stage.done(trade_contract.sign(desk, second))
    desk = look_at(stage.gateways[UTILITY], AGGREGATOR, stage.now)
    assert agreements(desk) == tuple(sorted((GSA, second))) and desk.agreement == agreements(desk)[0]
    assert look_at(stage.gateways[UTILITY], AGGREGATOR, stage.now, GSA).agreement == GSA
    stage.done(trade_contract.give_notice(stage.utility.under(second), second, ContractAction.SUSPEND))
    assert agreements(look_at(stage.gateways[UTILITY], AGGREGATOR, stage.now)) == (GSA,)
    with pytest.raises(Refused):
        look_at(stage.gateways[UTILITY], STRANGER, stage.now)
