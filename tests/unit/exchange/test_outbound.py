"""The tables of sending: what may follow what, and that nothing else may."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from intertie.exchange.outbound import (
    DELIVERED,
    FINAL,
    PARCEL_TABLE,
    STARTS,
    TABLE,
    WAIT_MAX,
    Event,
    ImpossibleEvent,
    ParcelEvent,
    ParcelState,
    State,
    backoff,
    event_for,
    is_due,
    step,
    step_parcel,
)
from intertie.model.errors import IntertieError

NOW = datetime(2026, 1, 15, tzinfo=UTC)
ANSWERS = {Event.ACCEPT, Event.FIND_DUPLICATE, Event.REFUSE}


def test_values_are_what_the_wire_and_the_tables_say() -> None:
    assert [state.value for state in State] == [
        "queued",
        "sending",
        "accepted",
        "duplicate",
        "refused",
        "expired",
        "cancelled",
        "failed",
        "handed_over",
    ]


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_pair_has_a_state_or_a_named_error(state: State, event: Event) -> None:
    if (state, event) in TABLE:
        assert step(state, event) is TABLE[state, event]
        return
    with pytest.raises(ImpossibleEvent) as caught:
        step(state, event, message="m-1")
    assert isinstance(caught.value, IntertieError)
    assert "m-1" in str(caught.value)
    assert state.value in str(caught.value)
    assert event.value in str(caught.value)
    assert caught.value.do
    assert (caught.value.state, caught.value.event) == (state, event)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(ParcelState, ParcelEvent)))
def test_the_table_of_parcels_is_total(state: ParcelState, event: ParcelEvent) -> None:
    assert step_parcel(state, event) is PARCEL_TABLE[state, event]


def test_what_was_delivered_or_taken_back_stays() -> None:
    for state in [*DELIVERED, State.CANCELLED]:
        assert not [event for event in Event if (state, event) in TABLE]


def test_after_the_end_only_a_late_answer_counts() -> None:
    for state in FINAL:
        changing = {event for event in Event if (state, event) in TABLE and event is not Event.RESEND}
        assert changing <= ANSWERS


def test_only_a_queued_message_can_be_taken_back() -> None:
    assert [state for state in State if (state, Event.CANCEL) in TABLE] == [State.QUEUED]


def test_only_a_receipt_delivers() -> None:
    assert {event for (_, event), after in TABLE.items() if after in DELIVERED} == {
        Event.ACCEPT,
        Event.FIND_DUPLICATE,
    }


def test_every_state_is_reached_from_the_start() -> None:
    reached = {STARTS}
    while more := {after for (before, _), after in TABLE.items() if before in reached} - reached:
        reached |= more
    assert reached == set(State)


def test_a_receipted_parcel_stays_and_every_parcel_can_become_one() -> None:
    assert {step_parcel(ParcelState.RECEIPTED, event) for event in ParcelEvent} == {ParcelState.RECEIPTED}
    assert {step_parcel(state, ParcelEvent.RECEIPT) for state in ParcelState} == {ParcelState.RECEIPTED}


@pytest.mark.parametrize("outcome", State)
def test_the_event_for_an_outcome_leads_there(outcome: State) -> None:
    before = State.QUEUED if outcome in (State.SENDING, State.CANCELLED) else State.SENDING
    assert step(before, event_for(outcome)) is outcome


def test_only_a_refusal_for_now_leads_back_to_the_queue() -> None:
    back = {pair for pair, after in TABLE.items() if after is State.QUEUED}
    assert back == {(State.SENDING, Event.REQUEUE)}


class Sending(RuleBasedStateMachine):
    """Random events: the message goes forward, or back to the queue by a refusal for now, and a possible event never
    raises."""

    def __init__(self) -> None:
        super().__init__()
        self.state = STARTS
        self.history: list[State] = [STARTS]

    @rule(event=st.sampled_from(Event))
    def happen(self, event: Event) -> None:
        before = self.state
        try:
            self.state = step(before, event)
        except ImpossibleEvent:
            assert (before, event) not in TABLE
        if self.state is State.QUEUED and before is not State.QUEUED:
            assert (before, event) == (State.SENDING, Event.REQUEUE)
        self.history.append(self.state)

    @precondition(lambda self: self.state is State.SENDING)
    @rule(event=st.sampled_from(sorted(ANSWERS)))
    def answer(self, event: Event) -> None:
        self.state = step(self.state, event)
        self.history.append(self.state)

    @invariant()
    def never_back_from_an_end(self) -> None:
        if any(state in FINAL for state in self.history):
            assert self.state in FINAL

    @invariant()
    def delivered_for_good(self) -> None:
        for state in self.history:
            if state in DELIVERED or state is State.CANCELLED:
                assert self.state is state


TestSending = Sending.TestCase


def test_backoff_doubles_to_the_ceiling() -> None:
    waits = [backoff(n, 0.999999, first=1.0, ceiling=60.0).total_seconds() for n in range(9)]
    assert [round(wait) for wait in waits] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert [backoff(n, 0.0, first=1.0).total_seconds() for n in range(3)] == [0.5, 1.0, 2.0]


@given(attempt=st.integers(0, 10**9), jitter=st.floats(0, 1, exclude_max=True))
def test_backoff_is_between_half_and_whole(attempt: int, jitter: float) -> None:
    wait = backoff(attempt, jitter, first=2.0, ceiling=300.0).total_seconds()
    whole = min(300.0, 2.0 * 2.0 ** min(attempt, 60))
    assert whole / 2 <= wait <= whole


@given(seconds=st.integers(-100_000, 100_000))
def test_an_attempt_further_ahead_than_anybody_waits_is_due(seconds: int) -> None:
    ahead = timedelta(seconds=seconds)
    assert is_due(NOW + ahead, NOW) == (not timedelta() < ahead <= WAIT_MAX)


def test_the_first_attempt_is_due() -> None:
    assert is_due(None, NOW)
