"""The table of joining, what is agreed, and what a partner that is not live may say."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from intertie.catalogue.load import load_catalogue
from intertie.exchange.joining import (
    FINAL,
    SENTENCES,
    TABLE,
    Event,
    JoinRefused,
    Reason,
    State,
    Terms,
    check_live,
    covered,
    is_test,
    step,
    trial_of,
    within,
)
from intertie.exchange.joining_messages import (
    Answer,
    Done,
    Hello,
    Offer,
    Refusal,
    read_join_message,
    write_join_message,
)
from intertie.exchange.outbound import ImpossibleEvent
from intertie.model.errors import Code, Refused
from intertie.model.ids import AgreementId, ConversationId

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
USABLE = {State.PROVING, State.LIVE}
HASH, NONCE = "ab" * 32, "cd" * 16


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_event_is_in_the_table_or_has_a_name(state: State, event: Event) -> None:
    if (state, event) in TABLE:
        assert step(state, event) is TABLE[state, event]
    else:
        with pytest.raises(ImpossibleEvent, match="joining 01"):
            step(state, event, invitation="01")


def test_what_is_over_stays_over() -> None:
    assert {after for (before, _), after in TABLE.items() if before in FINAL} == {State.LIVE}
    assert {state for state in State if not any(before is state for before, _ in TABLE)} == FINAL - {
        State.LIVE
    }


def test_no_way_around_a_person_and_a_proof() -> None:
    """Only a confirmation leads out of joined, only a proof to live."""
    into = {state: {event for (before, event), after in TABLE.items() if after is state} for state in State}
    assert into[State.PROVING] == {Event.CONFIRM}
    assert into[State.LIVE] == {Event.PASS}
    assert {before for (before, event) in TABLE if event is Event.PASS} == USABLE


class Onboarding(RuleBasedStateMachine):
    """Any events in any order: a partner is usable only after somebody joined and somebody confirmed."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State.INVITED
        self.done: list[Event] = []

    @rule(event=st.sampled_from(Event))
    def happen(self, event: Event) -> None:
        before = self.state
        try:
            self.state = step(before, event)
        except ImpossibleEvent as error:
            assert (before, event) not in TABLE and error.do
            return
        self.done.append(event)

    @invariant()
    def order_holds(self) -> None:
        if self.state in USABLE:
            assert Event.JOIN in self.done
            assert self.done.index(Event.JOIN) < self.done.index(Event.CONFIRM)
        if self.state is State.LIVE:
            assert self.done.index(Event.CONFIRM) < self.done.index(Event.PASS)
        if Event.CANCEL in self.done:
            assert self.state is State.CANCELLED


TestOnboarding = Onboarding.TestCase


def test_each_reason_says_what_to_do() -> None:
    assert set(SENTENCES) == set(Reason)
    for reason in Reason:
        refused = JoinRefused(reason, "why")
        assert refused.do and "why" in str(refused)
        assert refused.retry == (reason is Reason.BUSY)


TRIAL = trial_of("0102030405", ("DA",))
BUSINESS = ConversationId("bid-7")


@pytest.mark.parametrize(
    ("conversation", "agreement", "before", "after"),
    [
        (TRIAL.conversation, TRIAL.agreement, True, False),
        (TRIAL.conversation, None, False, False),
        (TRIAL.conversation, AgreementId("DGS-1"), False, False),
        (None, TRIAL.agreement, False, False),
        (BUSINESS, TRIAL.agreement, False, False),
        (ConversationId("onboarding-other"), AgreementId("onboarding-other"), False, False),
        (BUSINESS, AgreementId("DGS-1"), False, True),
        (None, None, False, True),
        (BUSINESS, None, False, True),
    ],
)
def test_a_test_is_never_business_and_business_never_a_test(
    conversation: ConversationId | None, agreement: AgreementId | None, before: bool, after: bool
) -> None:
    for trial, admitted in ((TRIAL, before), (None, after)):
        if admitted:
            check_live(trial, conversation, agreement)
            continue
        with pytest.raises(Refused) as refused:
            check_live(trial, conversation, agreement)
        assert refused.value.code is Code.NOT_LIVE and refused.value.step == 9


def test_a_test_can_be_told_from_its_row() -> None:
    assert is_test(TRIAL.conversation) and not is_test(BUSINESS) and not is_test(None)


@pytest.mark.parametrize(
    ("accepted", "offered", "result"),
    [
        ((), (), True),
        (("DA",), (), True),
        ((), ("DA",), False),
        (("DA",), ("DA",), True),
        (("DA/invoice",), ("DA",), True),
        (("DA/invoice",), ("DA/invoice", "ET2"), True),
        (("DA",), ("DA/invoice",), False),
        (("DA/invoice", "ET2"), ("DA",), False),
    ],
)
def test_a_part_of_what_was_offered(
    accepted: tuple[str, ...], offered: tuple[str, ...], result: bool
) -> None:
    assert within(accepted, offered) is result


@given(st.lists(st.sampled_from(load_catalogue().flows()), max_size=5), st.booleans())
def test_a_flow_is_covered_by_its_interface_or_its_document(flows: list, whole: bool) -> None:  # type: ignore[type-arg]
    covers = [f.interface if whole else f"{f.interface}/{f.document}" for f in flows]
    named = {(f.interface, None if whole else f.document) for f in flows}
    for flow in load_catalogue().flows():
        expected = not covers or (flow.interface, None if whole else flow.document) in named
        assert covered(flow, covers) is expected


@pytest.mark.parametrize(
    "terms",
    [
        {"agreement": "A"},
        {"start": NOW},
        {"agreement": "A", "start": NOW, "until": NOW},
        {"until": NOW},
        {"agreement": "onboarding-1", "start": NOW},
        {"covers": ["da"]},
        {"covers": ["DA/"]},
        {"party": "Not A Party"},
    ],
)
def test_terms_that_make_no_sense(terms: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(terms, Terms)


MESSAGES = [
    Hello(invitation="0102030405", commitment=HASH, proof=HASH),
    Offer(
        nonce=NONCE,
        descriptor="{}",
        roots="PEM",
        terms=Terms(agreement=AgreementId("A"), start=NOW, until=NOW + timedelta(days=1), covers=("DA",)),
        proof=HASH,
    ),
    Answer(nonce=NONCE, descriptor="{}", roots="PEM", covers=("DA", "ET2/bid"), token=HASH, proof=HASH),
    Done(proof=HASH),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_is_read_as_it_was_written(message: Hello | Offer | Answer | Done) -> None:
    raw = write_join_message(message)
    assert read_join_message(raw, type(message)) == message
    for other in MESSAGES:
        if type(other) is not type(message):
            with pytest.raises(JoinRefused, match="instead of"):
                read_join_message(raw, type(other))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
@given(data=st.data())
def test_a_changed_message_is_another_message_or_none(message: Hello | Offer, data: st.DataObject) -> None:
    raw = write_join_message(message)
    place = data.draw(st.integers(0, len(raw) - 1))
    changed = raw[:place] + bytes([raw[place] ^ data.draw(st.integers(1, 255))]) + raw[place + 1 :]
    try:
        assert read_join_message(changed, type(message)) != message
    except JoinRefused as refused:
        assert refused.reason is Reason.MALFORMED


@given(st.binary(max_size=300))
def test_noise_is_malformed(raw: bytes) -> None:
    with pytest.raises(JoinRefused) as refused:
        read_join_message(raw, Hello)
    assert refused.value.reason is Reason.MALFORMED


@pytest.mark.parametrize("reason", Reason)
def test_a_refusal_ends_whatever_was_awaited(reason: Reason) -> None:
    raw = write_join_message(Refusal(reason=reason, detail="so"))
    for awaited in (Hello, Offer, Answer, Done):
        with pytest.raises(JoinRefused, match="so") as refused:
            read_join_message(raw, awaited)  # type: ignore[type-var]
        assert refused.value.reason is reason
