"""The table of receiving: what a receipt says by what we hold."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from intertie.exchange.inbound import TABLE, Arrival, Standing, judge
from intertie.model.errors import Code

# A new id is never "the bytes we hold", and what we hold is never new.
POSSIBLE = [
    (standing, arrival)
    for standing, arrival in itertools.product(Standing, Arrival)
    if arrival is Arrival.FAULTY or (arrival is Arrival.SOUND) == (standing is Standing.UNSEEN)
]


def test_the_table_is_total() -> None:
    assert set(TABLE) == set(POSSIBLE)


@pytest.mark.parametrize("standing", Standing)
def test_a_refusal_keeps_nothing_and_forgets_nothing(standing: Standing) -> None:
    for (before, _), verdict in TABLE.items():
        if before is standing and verdict.status == "refused":
            assert verdict.standing is before


def test_verdicts() -> None:
    assert judge(None, b"a").status == "accepted"
    assert judge(b"a", b"a").status == "duplicate"
    assert judge(b"b", b"a") == (Standing.KEPT, "refused", Code.MESSAGE_ID_REUSED)


@given(held=st.none() | st.binary(max_size=2), leaf=st.binary(max_size=2))
def test_accepted_exactly_when_unseen(held: bytes | None, leaf: bytes) -> None:
    verdict = judge(held, leaf)
    assert (verdict.status == "accepted") == (held is None)
    assert (verdict.status == "duplicate") == (held == leaf)


class Inbox(RuleBasedStateMachine):
    """Any repetition of any bytes under any id: the first bytes stay, and each answer fits what came before."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[int, bytes] = {}

    @rule(message=st.integers(0, 3), leaf=st.sampled_from([b"a", b"b"]))
    def arrive(self, message: int, leaf: bytes) -> None:
        before = self.held.get(message)
        verdict = judge(before, leaf)
        if verdict.status == "accepted":
            assert before is None
            self.held[message] = leaf
        assert self.held[message] == (before or leaf)
        assert (verdict.status == "refused") == (self.held[message] != leaf)


TestInbox = Inbox.TestCase
