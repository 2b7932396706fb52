"""The trade over real parcels: two gateways walk at random through contract and confirmation, and end with one book."""

from __future__ import annotations

from dataclasses import replace as with_
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, AGREEMENT, UTILITY
from tests.exchange.two_sides import DEAL, GSA, TEXT, Two, Y, notice, other, signature

from intertie.exchange.joining import RESERVED
from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway
from intertie.model.agreement import (
    ContractAction,
)
from intertie.model.documents import example
from intertie.model.errors import Code, Refused
from intertie.model.ids import AgreementId, DocumentName, PartyId
from intertie.model.record import Record

_, METERED = example(DocumentName("meter_request"))


@pytest.mark.parametrize("skew", [-25, 0, 25])
def test_a_deal_comes_about_whatever_the_clocks_say(skew: int) -> None:
    two = Two(timedelta(seconds=skew))
    two.agree()
    two.say(UTILITY, DEAL, GSA)
    two.carry(UTILITY)
    two.say(AGGREGATOR, Y, GSA)
    two.carry(AGGREGATOR)
    for party in (UTILITY, AGGREGATOR):
        gateway = two.gateways[party]
        ledger = gateway.books.of(gateway.store, other(party)).ledger
        assert len(ledger.events) == 5 and not ledger.voids
        assert ledger.book.deals[DEAL.confirmation].state == "accepted"
    assert two.digest(UTILITY) == two.digest(AGGREGATOR)


def test_an_answer_that_overtakes_the_receipt_is_taken() -> None:
    two = Two()
    two.say(UTILITY, TEXT)
    two.carry(UTILITY, lose=True)
    signed = two.say(AGGREGATOR, signature(TEXT))
    two.carry(AGGREGATOR)
    assert two.state(AGGREGATOR, signed)[0] is State.ACCEPTED
    two.settle()
    assert two.digest(UTILITY) == two.digest(AGGREGATOR)


def test_the_author_sees_a_broken_rule_before_anything_leaves() -> None:
    two = Two()
    two.agree()
    with pytest.raises(Refused, match=r"trade_rule: contract.step"):
        two.say(UTILITY, replace(signature(TEXT)))
    with pytest.raises(Refused, match="agreement_not_in_force"):
        two.say(UTILITY, replace(DEAL, agreement=AgreementId("x")), AgreementId("x"))


@pytest.mark.rule("contract.on_paper")
def test_an_agreement_on_paper_is_not_made_again() -> None:
    two = Two()
    with pytest.raises(Refused, match=r"contract.on_paper"):
        two.say(UTILITY, replace(TEXT, agreement=AGREEMENT))
    with pytest.raises(Refused, match=r"contract.on_paper.*belong to test conversations"):
        two.say(UTILITY, replace(TEXT, agreement=AgreementId(f"{RESERVED}1")))


def test_what_crossed_is_refused_with_the_rule_and_has_no_effect() -> None:
    two = Two()
    two.say(UTILITY, TEXT)
    two.carry(UTILITY)
    counter = replace(TEXT, revision=2)
    first = two.say(UTILITY, counter)
    second = two.say(AGGREGATOR, replace(counter, special_provisions="ours"))
    two.carry(UTILITY)
    two.carry(AGGREGATOR)
    assert two.state(UTILITY, first)[0] is State.ACCEPTED
    state, detail = two.state(AGGREGATOR, second)
    assert state is State.REFUSED and detail.startswith(f"{Code.TRADE_RULE}: contract.next_revision")
    assert two.digest(UTILITY) == two.digest(AGGREGATOR)


def test_what_settles_flows_while_a_contract_is_suspended() -> None:
    two = Two()
    two.agree()
    two.say(UTILITY, notice(ContractAction.SUSPEND))
    two.carry(UTILITY)
    with pytest.raises(Refused, match="agreement_not_in_force"):
        two.say(UTILITY, DEAL, GSA)
    two.say(UTILITY, METERED, GSA)
    two.settle()
    assert two.digest(UTILITY) == two.digest(AGGREGATOR)


def test_business_on_paper_costs_no_look_at_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    two = Two()
    for party, gateway in two.gateways.items():
        two.gateways[party] = with_(gateway, books=NoBooks())
    two.say(UTILITY, replace(DEAL, agreement=AGREEMENT), AGREEMENT)
    two.carry(UTILITY)
    store = two.gateways[AGGREGATOR].store
    assert len(store.shared_messages(UTILITY, after=0)) == 0 and store.counts()[False, "accepted"] == 1


class NoBooks:
    """Where the trade has no business."""

    def of(self, *asked: object) -> object:
        raise AssertionError(asked)


PARTIES = st.sampled_from([UTILITY, AGGREGATOR])


class Trade(RuleBasedStateMachine):
    """Both act on what they see, parcels and receipts go missing, and what is on its way crosses."""

    @initialize(skew=st.integers(-20, 20), agreed=st.booleans())
    def begin(self, skew: int, agreed: bool) -> None:
        self.two = Two(timedelta(seconds=skew))
        if agreed:
            self.two.agree()

    def try_(self, party: PartyId, body: Record, agreement: AgreementId | None = None) -> None:
        try:
            self.two.say(party, body, agreement)
        except Refused as refused:
            assert refused.code in (Code.TRADE_RULE, Code.AGREEMENT_NOT_IN_FORCE)

    @rule(party=PARTIES, revision=st.integers(1, 4), day=st.integers(0, 5))
    def propose(self, party: PartyId, revision: int, day: int) -> None:
        self.try_(party, replace(TEXT, revision=revision, effective=TEXT.effective + timedelta(minutes=day)))

    @rule(party=PARTIES)
    def sign(self, party: PartyId) -> None:
        gateway: Gateway = self.two.gateways[party]
        known = gateway.books.of(gateway.store, other(party)).ledger.book.contracts.get(GSA)
        draft = known.draft if known is not None else None
        self.try_(party, signature(draft.text if draft is not None else TEXT))

    @rule(party=PARTIES, action=st.sampled_from(ContractAction), revision=st.integers(1, 3))
    def notify(self, party: PartyId, action: ContractAction, revision: int) -> None:
        self.try_(party, notice(action, revision))

    @rule(party=PARTIES, revision=st.integers(1, 3))
    def confirm(self, party: PartyId, revision: int) -> None:
        self.try_(party, replace(DEAL, revision=revision), GSA)

    @rule(party=PARTIES, revision=st.integers(1, 3))
    def accept(self, party: PartyId, revision: int) -> None:
        self.try_(party, replace(Y, revision=revision), GSA)

    @rule(party=PARTIES, lose=st.booleans())
    def carry(self, party: PartyId, lose: bool) -> None:
        self.two.carry(party, lose=lose)

    @rule(days=st.integers(1, 6))
    def wait(self, days: int) -> None:
        self.two.now += timedelta(hours=days)

    def teardown(self) -> None:
        if hasattr(self, "two"):
            self.two.settle()
            assert self.two.digest(UTILITY) == self.two.digest(AGGREGATOR)


Trade.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestTrade = Trade.TestCase
