"""Which messages are dead letters, and the watch over urgent ones."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from intertie.catalogue.flow import Category
from intertie.catalogue.load import load_catalogue
from intertie.exchange.dead_letters import DEAD, Death, death_of, may_have_arrived
from intertie.exchange.escalation import ESCALATING, TABLE, Look, Watch, answer_by, look_at
from intertie.exchange.outbound import DELIVERED, FINAL, SETTLED, Event, State
from intertie.exchange.outbound import TABLE as OUTBOUND
from intertie.model.errors import RULES, Code

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
FLOWS = load_catalogue().flows()


def test_dead_is_what_ended_and_was_neither_delivered_nor_taken_back() -> None:
    assert DELIVERED | {State.CANCELLED, State.HANDED_OVER} == SETTLED
    assert set(DEAD) == FINAL - SETTLED
    for state, sealed in itertools.product(State, (True, False)):
        assert (death_of(state, sealed=sealed) is not None) == (state in DEAD)


def test_every_death_has_its_state() -> None:
    found = {death_of(state, sealed=sealed) for state in State for sealed in (True, False)}
    assert found == {None, *Death}


SURE: dict[str, Any] = {"sealed": True, "receipted": False, "detail": ""}


def test_what_left_and_was_never_answered_may_have_arrived() -> None:
    assert may_have_arrived(State.EXPIRED, **SURE)
    assert not may_have_arrived(State.EXPIRED, **SURE | {"sealed": False})
    for state in set(State) - {State.EXPIRED, State.REFUSED}:
        assert not may_have_arrived(state, **SURE), state


def test_a_signed_refusal_is_a_refusal() -> None:
    for code in Code:
        assert not may_have_arrived(State.REFUSED, **SURE | {"receipted": True, "detail": f"{code}: so"})


@pytest.mark.parametrize("code", Code)
def test_a_parcel_refused_before_its_repeat_was_looked_for_may_have_arrived_before(code: Code) -> None:
    early = RULES[code].step <= 4
    assert may_have_arrived(State.REFUSED, **SURE | {"detail": f"{code}: so"}) == early
    assert may_have_arrived(State.REFUSED, **SURE | {"detail": "no_such_code: so"}), "who knows"


def test_dead_letters_and_nothing_else_can_be_sent_again() -> None:
    assert {before for before, event in OUTBOUND if event is Event.RESEND} == set(DEAD)
    assert all(OUTBOUND[state, Event.RESEND] is state for state in DEAD)


@pytest.mark.parametrize(("watch", "look"), list(itertools.product(Watch, Look)))
def test_the_table_of_watches_is_total_and_never_goes_back(watch: Watch, look: Look) -> None:
    assert list(Watch).index(TABLE[watch, look]) >= list(Watch).index(watch)


@pytest.mark.parametrize("state", State)
def test_what_was_not_delivered_escalates_unless_it_was_taken_back(state: State) -> None:
    well = state in SETTLED
    assert look_at(state) is (Look.SETTLE if well else Look.ESCALATE)


def test_outages_and_dispatches_have_a_time_for_their_answer() -> None:
    watched = [flow for flow in FLOWS if answer_by(flow, NOW, NOW + timedelta(days=9))]
    assert {flow.category for flow in watched} == ESCALATING == {Category.SYSTEM_OUTAGE, Category.DISPATCH}
    documents = {flow.document for flow in watched if flow.interface == "DA"}
    assert {"outage_notice", "dispatch_instruction"} <= documents and "invoice" not in documents


@given(flow=st.sampled_from(FLOWS), seconds=st.integers(1, 10**6))
def test_an_answer_is_due_within_the_flows_latency_and_the_messages_life(flow, seconds: int) -> None:  # type: ignore[no-untyped-def]
    due = answer_by(flow, NOW, NOW + timedelta(seconds=seconds))
    if due is not None:
        assert (due - NOW).total_seconds() == min(flow.latency_seconds, seconds)
    slower = msgspec.structs.replace(flow, latency_seconds=flow.latency_seconds + 1)
    later = answer_by(slower, NOW, NOW + timedelta(seconds=seconds))
    assert (later is None) == (due is None) and (due is None or later is None or later >= due)


class Watching(RuleBasedStateMachine):
    """Any looks in any order: one escalation at most, and nobody is told of what did not escalate."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = Watch.OPEN
        self.history = [Watch.OPEN]

    @rule(look=st.sampled_from(Look))
    def look(self, look: Look) -> None:
        self.watch = TABLE[self.watch, look]
        self.history.append(self.watch)

    @invariant()
    def once(self) -> None:
        changes = [after for before, after in itertools.pairwise(self.history) if before is not after]
        assert len(changes) == len(set(changes))
        assert Watch.TOLD not in changes or Watch.ESCALATED in changes
        assert not (Watch.CLOSED in changes and Watch.ESCALATED in changes)


TestWatching = Watching.TestCase
