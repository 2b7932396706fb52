"""What is shed at which load."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.catalogue.flow import Category
from intertie.catalogue.load import load_catalogue
from intertie.exchange.shedding import UNSAID, URGENT_MAX, is_urgent, read_priority, takes


def test_urgent_is_what_the_catalogue_says_of_outages_and_dispatches() -> None:
    urgent = {flow.category for flow in load_catalogue().flows() if is_urgent(flow.priority)}
    assert urgent == {Category.SYSTEM_OUTAGE, Category.DISPATCH}


def test_an_idle_door_takes_everything_and_a_full_one_nothing() -> None:
    assert all(takes(0.0, priority) for priority in range(10))
    assert not any(takes(1.0, priority) for priority in range(10))
    assert takes(0.99, URGENT_MAX) and not takes(0.99, URGENT_MAX + 1)


@given(st.floats(0, 2), st.floats(0, 2), st.integers(0, 9), st.integers(0, 9))
def test_more_load_or_less_urgency_never_helps(a: float, b: float, p: int, q: int) -> None:
    if takes(max(a, b), max(p, q)):
        assert takes(min(a, b), min(p, q))


@pytest.mark.parametrize(
    "text, priority",
    [
        ("0", 0),
        ("9", 9),
        (None, UNSAID),
        ("", UNSAID),
        ("10", UNSAID),
        ("-1", UNSAID),
        ("²", UNSAID),
        ("٣", UNSAID),
    ],
)
def test_what_a_sender_says(text: str | None, priority: int) -> None:
    assert read_priority(text) == priority
