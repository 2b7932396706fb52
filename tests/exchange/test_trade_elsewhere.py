"""Three gateways: one utility, two aggregators, and a DER that both would sell."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace
from tests.exchange.house import (
    AGGREGATOR,
    AGGREGATOR_ROLES,
    UTILITY,
    UTILITY_ROLES,
    Book,
    Pair,
    gateway_of,
    keys_of,
)
from tests.exchange.two_sides import TEXT, Two, notice
from tests.unit.market.grid_cases import AGREEMENT, POINTS, at, deal, decision, der, registration

from intertie.exchange.outbound import State
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.agreement import ConfirmingParty, ContractAction
from intertie.model.contract import ConfirmationAnswer, ConfirmationResponse, Objection, ObjectionReason
from intertie.model.errors import Code, Refused
from intertie.model.ids import AggregationId, InterfaceCode, PartyId
from intertie.model.message import Mode

THIRD = PartyId("other.example")
ACCEPT = decision("D1", effective=at())


class Three:
    """The utility and each of two aggregators, as two pairs that share the utility's gateway."""

    def __init__(self, confirms: ConfirmingParty = ConfirmingParty.EITHER) -> None:
        keys = {party: keys_of(party, AGGREGATOR_ROLES) for party in (AGGREGATOR, THIRD)}
        ours = keys_of(UTILITY, UTILITY_ROLES)
        utility = gateway_of(ours, list(keys.values()))
        self.pairs = {party: Two(pair=Pair(utility, gateway_of(keys[party], [ours]))) for party in keys}
        for party, two in self.pairs.items():
            two.now = at(-2)
            elections = replace(TEXT.elections, confirming_party=confirms)
            two.agree(
                replace(
                    TEXT,
                    agreement=AGREEMENT,
                    seller=party,
                    effective=at(-24),
                    ends=None,
                    elections=elections,
                )
            )
            two.say(party, registration(der(1), der(2)), AGREEMENT)
            two.carry(party)

    def accept(self, party: PartyId, *, carried: bool = True) -> None:
        self.pairs[party].say(UTILITY, ACCEPT, AGREEMENT)
        if carried:
            self.pairs[party].carry(UTILITY)


@pytest.mark.rule("elsewhere.counted")
@pytest.mark.parametrize("carried", [True, False], ids=["receipted", "under way"])
def test_a_der_that_counts_for_one_aggregator_is_not_accepted_for_the_other(carried: bool) -> None:
    three = Three()
    three.accept(AGGREGATOR, carried=carried)
    with pytest.raises(
        Refused, match=r"elsewhere.counted: D1 counts in AGG-1 of aggregator.example"
    ) as refused:
        three.accept(THIRD)
    assert refused.value.code is Code.TRADE_RULE
    three.pairs[THIRD].say(UTILITY, decision("D2"), AGREEMENT)  # the other DER is free


@pytest.mark.rule("elsewhere.counted")
def test_two_decisions_of_one_call_know_of_each_other() -> None:
    three = Three()
    utility = three.pairs[THIRD].gateways[UTILITY]
    both = [
        Outgoing(
            body=ACCEPT,
            recipient=party,
            interface=InterfaceCode("DA"),
            mode=Mode.REGISTRATION,
            agreement=AGREEMENT,
        )
        for party in three.pairs
    ]
    with pytest.raises(Refused, match=r"elsewhere.counted"):
        send(utility, both, at(-1))
    assert len(send(utility, both[:1], at(-1))) == 1


@pytest.mark.rule("elsewhere.counted")
def test_a_deal_on_it_is_refused_and_says_nothing_of_the_other_partner() -> None:
    """Both count the DER, as when a gateway of an earlier version accepted it twice."""
    three = Three()
    three.accept(AGGREGATOR)
    two = three.pairs[THIRD]
    book = two.gateways[UTILITY].partners
    assert isinstance(book, Book)
    known = book.partners.pop(AGGREGATOR)
    three.accept(THIRD)
    book.partners[AGGREGATOR] = known
    there = deal(points=POINTS[:1])
    message = two.say(THIRD, there, AGREEMENT)
    two.carry(THIRD)
    state, detail = two.state(THIRD, message)
    assert state is State.REFUSED and "elsewhere.counted" in detail
    assert AGGREGATOR not in detail and "AGG-1" not in detail
    with pytest.raises(Refused, match=r"elsewhere.counted: D1 counts in AGG-1 of aggregator.example"):
        two.say(UTILITY, there, AGREEMENT)
    two.say(UTILITY, deal(points=POINTS[1:]), AGREEMENT)
    two.settle()
    assert two.digest(UTILITY) == two.digest(THIRD)


@pytest.mark.rule("elsewhere.counted")
def test_who_confirmed_before_the_der_was_taken_is_told_when_it_is_accepted() -> None:
    """The deal stood alone, before its DERs; they went to another aggregator, and then, wrongly, to this one."""
    three = Three()
    two, there = three.pairs[THIRD], deal(points=POINTS[:1])
    two.say(THIRD, there, AGREEMENT)
    two.carry(THIRD)
    three.accept(THIRD)
    book = two.gateways[UTILITY].partners
    assert isinstance(book, Book)
    known = book.partners.pop(THIRD)
    three.accept(AGGREGATOR)
    book.partners[THIRD] = known
    said = ConfirmationResponse(confirmation=there.confirmation, answer=ConfirmationAnswer.ACCEPTED)
    with pytest.raises(Refused, match=r"elsewhere.counted: D1 counts in AGG-1 of aggregator.example"):
        two.say(UTILITY, said, AGREEMENT)
    objection = Objection(reason=ObjectionReason.OTHER)
    no = replace(said, answer=ConfirmationAnswer.OBJECTED, reasons=(objection,))
    two.say(UTILITY, no, AGREEMENT)


@pytest.mark.rule("elsewhere.counted")
def test_with_the_contract_of_the_other_its_ders_are_free() -> None:
    three = Three()
    three.accept(AGGREGATOR)
    first = three.pairs[AGGREGATOR]
    ends = first.now + timedelta(days=40)
    first.say(UTILITY, replace(notice(ContractAction.TERMINATE, 1, AGREEMENT), effective=ends))
    first.carry(UTILITY)
    two = three.pairs[THIRD]
    two.now = ends - timedelta(hours=1)
    with pytest.raises(Refused, match=r"elsewhere.counted"):
        two.say(UTILITY, ACCEPT, AGREEMENT)
    two.now = ends
    two.say(UTILITY, ACCEPT, AGREEMENT)


@pytest.mark.rule("registration.counted_once")
def test_another_aggregation_of_the_same_partner_is_the_business_of_the_book() -> None:
    three = Three()
    three.accept(AGGREGATOR)
    two = three.pairs[AGGREGATOR]
    name = AggregationId("AGG-2")
    two.say(AGGREGATOR, registration(der(1), name=name), AGREEMENT)
    two.carry(AGGREGATOR)
    with pytest.raises(Refused, match=r"registration.counted_once"):
        two.say(UTILITY, replace(ACCEPT, aggregation=name), AGREEMENT)
