"""The test conversation: both directions of every agreed flow, nothing else before it ends and nothing of it after."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.da_flows import IN, OUT
from tests.exchange.house import (
    AGGREGATOR,
    AGREEMENT,
    NOW,
    START,
    UTILITY,
    Pair,
    Wire,
    gateway_of,
    keys_of,
    make_pair,
    with_partner,
)

from intertie.cli.partner_prove import AGAIN_SECONDS, LOOK_SECONDS, _watch
from intertie.exchange.joining import Trial, is_test, trial_of
from intertie.exchange.outbound import State
from intertie.gateway.gateway import Agreement, Gateway
from intertie.gateway.partners.prove_partner import (
    TEST_LIFE,
    Line,
    Result,
    agreed_flows,
    answer_proofs,
    begin_proof,
    read_proof,
    unproven,
)
from intertie.gateway.ports import Query
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.documents import example
from intertie.model.errors import Code, PartnerError, Refused
from intertie.model.ids import (
    AgreementId,
    ConversationId,
    DocumentName,
    InterfaceCode,
    PartyId,
)
from intertie.model.message import Mode
from intertie.model.party import Role

TRIAL = trial_of("0102030405", ("DA",))
ROLES = frozenset({Role.DISTRIBUTION_UTILITY}), frozenset({Role.DER_AGGREGATOR})


def proving(gateway: Gateway, trial: Trial | None = TRIAL) -> Gateway:
    """The same gateway, with its one partner not live."""
    (partner,) = gateway.partners.all()
    agreements = (Agreement(id=trial.agreement if trial else AGREEMENT, start=START),)
    return with_partner(gateway, partner._replace(trial=trial, agreements=agreements))


@dataclass
class Both:
    """Two gateways in a test conversation, and time that moves."""

    utility: Gateway
    aggregator: Gateway
    now: datetime = NOW

    def deliver(self, sender: Gateway, recipient: Gateway, wire: Wire | None = None) -> bool:
        link = wire or Wire(recipient, sender.party.id)
        link.now = self.now
        done = asyncio.run(deliver_once(sender, link, recipient.party.id, lambda: self.now, lambda: 0.5))
        return done is not None and done.receipted

    def lines(self, gateway: Gateway) -> list[Line]:
        (partner,) = gateway.partners.all()
        return read_proof(gateway, partner, TRIAL)

    def begin(self, gateway: Gateway) -> int:
        (partner,) = gateway.partners.all()
        return len(begin_proof(gateway, partner, TRIAL, self.now).queued)


@pytest.fixture
def both() -> Both:
    pair: Pair = make_pair(*ROLES)
    return Both(proving(pair.utility), proving(pair.aggregator))


def results(lines: list[Line], *, outgoing: bool) -> set[Result]:
    return {line.result for line in lines if line.outgoing is outgoing}


def test_one_side_begins_and_both_directions_are_proven(both: Both) -> None:
    assert results(both.lines(both.utility), outgoing=True) == {Result.MISSING}
    assert results(both.lines(both.utility), outgoing=False) == {Result.WAITING}
    assert answer_proofs(both.aggregator, NOW) == []
    count = both.begin(both.utility)
    assert count == OUT
    assert results(both.lines(both.utility), outgoing=True) == {Result.WAITING}
    assert both.deliver(both.utility, both.aggregator)
    assert len(answer_proofs(both.aggregator, NOW)) == IN
    assert answer_proofs(both.aggregator, NOW) == []
    assert both.deliver(both.aggregator, both.utility)
    for gateway in (both.utility, both.aggregator):
        lines = both.lines(gateway)
        assert len(lines) == OUT + IN and not unproven(lines)
        sent = [line for line in lines if line.outgoing]
        assert {line.profile for line in sent} == {"hybrid"}
        assert {line.seconds for line in sent} == {0.0}
        assert all(line.message and line.parcel for line in lines)


def test_every_interface_is_proven_by_its_own_flows(both: Both) -> None:
    """Whatever the roles are, all flows between them have an example that arrives."""
    flows = {(flow.sender, flow.recipient): flow.interface for flow in both.utility.catalogue.flows()}
    pair = next((roles, code) for roles, code in flows.items() if code == "ET2")
    (sender, recipient), code = pair
    ours, theirs = keys_of(UTILITY, frozenset({sender})), keys_of(AGGREGATOR, frozenset({recipient}))
    trial = trial_of("0102030405", (code,))
    one, two = (proving(gateway_of(a, [b]), trial) for a, b in ((ours, theirs), (theirs, ours)))
    (partner,) = one.partners.all()
    assert begin_proof(one, partner, trial, NOW).queued
    assert both.deliver(one, two)
    answer_proofs(two, NOW)
    both.deliver(two, one)
    lines = read_proof(one, partner, trial)
    assert lines and not unproven(lines)
    assert {line.flow.interface for line in lines} == {code}


def test_a_test_changes_no_business(both: Both) -> None:
    """Each row says that it is a test: by its conversation, and by an agreement that no business is under."""
    both.begin(both.utility)
    both.deliver(both.utility, both.aggregator)
    rows = both.aggregator.store.messages(Query(outgoing=False))
    assert rows and all(is_test(row.conversation) and row.agreement == TRIAL.agreement for row in rows)


def business(recipient: PartyId, **more: object) -> Outgoing:
    given: dict[str, object] = {
        "body": example(DocumentName("outage_notice"))[1],
        "recipient": recipient,
        "interface": InterfaceCode("DA"),
        "mode": Mode.SCHEDULED,
        "agreement": AGREEMENT,
    }
    return Outgoing(**{**given, **more})  # type: ignore[arg-type]


TESTING = {"conversation": TRIAL.conversation, "agreement": TRIAL.agreement}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"conversation": ConversationId("mine")},
        {"conversation": TRIAL.conversation},
        {"agreement": TRIAL.agreement},
        {
            "conversation": ConversationId("onboarding-ffffffffff"),
            "agreement": AgreementId("onboarding-ffffffffff"),
        },
    ],
    ids=["plain", "conversation", "no test agreement", "no test conversation", "another's test"],
)
def test_business_is_refused_before_live_in_both_directions(both: Both, more: dict[str, object]) -> None:
    with pytest.raises(Refused) as refused:
        send(both.utility, [business(AGGREGATOR, **more)], NOW)
    assert refused.value.code is Code.NOT_LIVE
    live_here = proving(both.utility, None)
    if "onboarding" in str(more):
        return
    (message,) = send(live_here, [business(AGGREGATOR, **more)], NOW)
    assert both.deliver(live_here, both.aggregator)
    row = live_here.store.message(message, outgoing=True)
    assert row is not None and row.state is State.REFUSED and row.detail.startswith("not_live")
    assert both.aggregator.store.messages(Query(outgoing=False)) == []


def test_a_test_is_refused_once_live_in_both_directions(both: Both) -> None:
    live = proving(both.aggregator, None)
    with pytest.raises(Refused) as refused:
        send(live, [business(UTILITY, body=example(DocumentName("offer"))[1], **TESTING)], NOW)
    assert refused.value.code is Code.NOT_LIVE
    both.begin(both.utility)
    assert both.deliver(both.utility, live)
    lines = both.lines(both.utility)
    assert results(lines, outgoing=True) == {Result.REFUSED}
    assert "not_live" in lines[0].detail
    assert live.store.messages(Query(outgoing=False)) == []


def test_a_repeat_of_a_test_after_live_gets_its_receipt(both: Both) -> None:
    """The partner went live while its receipt was lost: ours still comes, and proves us."""
    both.begin(both.utility)
    wire = Wire(both.aggregator, UTILITY, lose_next=True)
    assert not both.deliver(both.utility, both.aggregator, wire)
    both.now += timedelta(seconds=5)
    assert both.deliver(both.utility, proving(both.aggregator, None))
    assert results(both.lines(both.utility), outgoing=True) == {Result.PROVEN}


def test_doing_it_again_sends_only_what_is_not_proven(both: Both) -> None:
    first = both.begin(both.utility)
    assert both.begin(both.utility) == 0
    both.deliver(both.utility, both.aggregator)
    assert both.begin(both.utility) == 0
    assert len(both.utility.store.messages(Query(outgoing=True))) == first


def test_what_was_refused_is_sent_again_and_proven(both: Both) -> None:
    both.begin(both.utility)
    both.deliver(both.utility, proving(both.aggregator, None))
    assert results(both.lines(both.utility), outgoing=True) == {Result.REFUSED}
    assert both.begin(both.utility) == OUT
    both.deliver(both.utility, both.aggregator)
    assert results(both.lines(both.utility), outgoing=True) == {Result.PROVEN}


def test_what_expired_is_sent_again(both: Both) -> None:
    both.begin(both.utility)
    both.utility.store.expire(NOW + TEST_LIFE)
    assert {line.detail.split()[0] for line in both.lines(both.utility) if line.outgoing} == {"expired"}
    both.now += TEST_LIFE
    assert both.begin(both.utility) == OUT


def test_a_receipt_later_than_the_flow_needs_proves_nothing_and_is_mended(both: Both) -> None:
    both.begin(both.utility)
    wire = Wire(both.aggregator, UTILITY, answers=[PartnerError("not there yet")])
    assert not both.deliver(both.utility, both.aggregator, wire)
    both.now += timedelta(seconds=30)
    assert both.deliver(both.utility, both.aggregator)
    lines = [line for line in both.lines(both.utility) if line.outgoing]
    assert all(line.seconds == 30.0 for line in lines)
    late = [line for line in lines if line.result is Result.LATE]
    assert late and {line.flow.latency_seconds for line in late} == {10}
    assert both.begin(both.utility) == len(late)
    assert both.deliver(both.utility, both.aggregator)
    again = [line for line in both.lines(both.utility) if line.outgoing]
    assert not unproven(again)
    assert {line.seconds for line in again} == {0.0, 30.0}


def test_a_flow_that_the_partners_keys_cannot_protect_is_told_and_the_others_go(both: Both) -> None:
    (partner,) = both.utility.partners.all()
    signing = {alg: chains for alg, chains in partner.keys.signing.items() if alg == "ES256"}
    sealing = {kid: key for kid, key in partner.keys.sealing.items() if key.suite.startswith("X25519/")}
    weak = partner._replace(keys=replace(partner.keys, signing=signing, sealing=sealing))
    utility = with_partner(both.utility, weak)
    begun = begin_proof(utility, weak, TRIAL, NOW)
    assert begun.refused and {why.code for why in begun.refused.values()} == {Code.PROTECTION_TOO_WEAK}
    assert len(begun.queued) + len(begun.refused) == OUT
    lines = [line for line in read_proof(utility, weak, TRIAL) if line.outgoing]
    assert {line.flow.key for line in lines if line.result is Result.MISSING} == set(begun.refused)


def test_a_suspended_partner_is_not_answered(both: Both) -> None:
    both.begin(both.utility)
    both.deliver(both.utility, both.aggregator)
    (partner,) = both.aggregator.partners.all()
    assert answer_proofs(with_partner(both.aggregator, partner._replace(suspended=True)), NOW) == []


def test_a_narrower_agreement_asks_for_less(both: Both) -> None:
    trial = TRIAL._replace(covers=("DA/invoice",))
    flows = agreed_flows(both.utility, trial, *ROLES)
    assert {flow.document for flow in flows} == {"invoice"}


def test_of_flows_that_a_header_cannot_tell_apart_the_strictest_counts(both: Both) -> None:
    roles = frozenset(Role)
    flows = agreed_flows(both.utility, Trial(TRIAL.conversation), roles, roles)
    places = [(flow.interface, flow.document, flow.mode) for flow in flows]
    assert len(places) == len(set(places))
    for flow in both.utility.catalogue.flows():
        (chosen,) = (
            f
            for f in flows
            if (f.interface, f.document, f.mode) == (flow.interface, flow.document, flow.mode)
        )
        assert chosen.strictness >= flow.strictness


def test_a_parcel_may_hold_a_test_and_business_and_only_the_one_is_taken(both: Both) -> None:
    """Step 9 judges message by message."""
    live = proving(both.utility, None)
    both.begin(both.utility)
    (message,) = send(live, [business(AGGREGATOR)], NOW)
    rows = live.store.messages(Query(outgoing=True))
    assert both.deliver(live, both.aggregator)
    refused = live.store.message(message, outgoing=True)
    assert refused is not None and refused.state is State.REFUSED
    kept = both.aggregator.store.messages(Query(outgoing=False))
    assert len(kept) == len(rows) - 1 and all(is_test(row.conversation) for row in kept)
    assert [refusal.code for _, refusal in both.aggregator.store.refusals()] == ["not_live"]


def test_lines_are_for_programs_too(both: Both) -> None:
    assert msgspec.json.encode([line.flow.key for line in both.lines(both.utility)])


def test_prove_asks_again_while_the_partner_has_not_confirmed_us(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its gateway knows no such sender yet, and says so for good; a moment later it does."""
    (partner,) = both.utility.partners.all()
    both.begin(both.utility)
    both.deliver(both.utility, gateway_of(both.aggregator.keys, []))
    assert "unknown_sender" in both.lines(both.utility)[0].detail
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        both.deliver(both.utility, both.aggregator)
        answer_proofs(both.aggregator, NOW)
        both.deliver(both.aggregator, both.utility)

    monkeypatch.setattr("intertie.cli.partner_prove.time.sleep", sleep)
    it: Any = SimpleNamespace(gateway=both.utility, clock=lambda: NOW)
    assert not unproven(_watch(it, partner, TRIAL, 60.0))
    assert slept == [AGAIN_SECONDS, LOOK_SECONDS]


def test_prove_gives_up_when_its_time_is_over(both: Both) -> None:
    (partner,) = both.utility.partners.all()
    both.begin(both.utility)
    it: Any = SimpleNamespace(gateway=both.utility, clock=lambda: NOW)
    assert {line.result for line in _watch(it, partner, TRIAL, 0.0)} == {Result.WAITING}
