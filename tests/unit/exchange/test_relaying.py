"""The way on and the way back of a parcel at a relay: total tables, and what no order of events can do to them."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from intertie.exchange.relaying import (
    BACK_TABLE,
    ENDS,
    TABLE,
    Back,
    Event,
    Passage,
    Telling,
    step,
    step_back,
    tells,
)

EVENTS = st.lists(st.sampled_from(Event), max_size=30)


def test_both_tables_are_total() -> None:
    assert set(TABLE) == set(product(Passage, Event))
    assert set(BACK_TABLE) == set(product(Back, Telling))


@given(EVENTS)
def test_a_receipt_is_never_forgotten(events: list[Event]) -> None:
    passage = Passage.TAKEN
    for event in events:
        passage = step(passage, event)
    assert (passage is Passage.RECEIPTED) == (Event.RECEIPT in events)


@given(EVENTS)
def test_what_came_to_an_end_goes_on_to_nobody(events: list[Event]) -> None:
    """After an end the parcel is taken, or passed on, never again."""
    passage = Passage.TAKEN
    ended = False
    for event in events:
        passage = step(passage, event)
        assert not (ended and passage in (Passage.TAKEN, Passage.PASSED))
        ended = ended or passage in ENDS


@given(EVENTS)
def test_each_new_end_is_told_once_and_the_first_refusal_or_expiry_stands(events: list[Event]) -> None:
    passage, told = Passage.TAKEN, []
    for event in events:
        after = step(passage, event)
        if tells(passage, after):
            told.append(after)
        passage = after
    assert len(told) <= 2 and len(set(told)) == len(told)
    if told:
        assert told[-1] is passage
        assert Passage.RECEIPTED not in told[:-1]


@given(EVENTS)
def test_silence_and_repeats_change_nothing(events: list[Event]) -> None:
    passage = other = Passage.TAKEN
    for event in events:
        passage = step(passage, event)
        other = step(step(step(other, Event.NO_ANSWER), event), event)
    assert passage is other


@given(st.lists(st.sampled_from(Telling), max_size=20))
def test_what_is_learnt_is_owed_until_it_is_given_or_given_up(tellings: list[Telling]) -> None:
    back = Back.NOTHING
    for telling in tellings:
        back = step_back(back, telling)
        if telling is Telling.LEARN:
            assert back is Back.OWED
    assert (back is Back.NOTHING) == (Telling.LEARN not in tellings)


def test_what_was_given_up_may_still_be_given() -> None:
    assert step_back(Back.LOST, Telling.CONFIRM) is Back.GIVEN
    assert step_back(Back.GIVEN, Telling.GIVE_UP) is Back.GIVEN
