"""The circuit breaker: the table is total, and no history keeps a partner cut off for longer than anybody asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from intertie.exchange.circuit import (
    CEILING_SECONDS,
    FAILURES_MAX,
    FIRST_SECONDS,
    RETRY_AFTER_MAX,
    TABLE,
    Breaker,
    Circuit,
    Event,
    failure,
    look,
    may_send,
    success,
)

NOW = datetime(2026, 7, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def failed(times: int, breaker: Breaker = Breaker()) -> Breaker:  # noqa: B008 - frozen
    for _ in range(times):
        breaker = failure(breaker, NOW, 0.0)
    return breaker


def test_the_table_is_total() -> None:
    assert set(TABLE) == set(product(Circuit, Event))


def test_it_opens_after_enough_failures_in_a_row_and_not_before() -> None:
    assert may_send(failed(FAILURES_MAX - 1))
    assert failed(FAILURES_MAX).state is Circuit.OPEN
    assert may_send(failed(FAILURES_MAX - 1, success(failed(FAILURES_MAX - 1))))


def test_it_tries_one_when_its_time_has_come_and_closes_when_that_is_answered() -> None:
    breaker = failed(FAILURES_MAX)
    assert not may_send(look(breaker, NOW))
    half = look(breaker, NOW + timedelta(seconds=FIRST_SECONDS))
    assert half.state is Circuit.HALF_OPEN and may_send(half)
    assert success(half) == Breaker()


def test_a_probe_that_fails_waits_longer() -> None:
    waits, breaker, now = [], failed(FAILURES_MAX), NOW
    for _ in range(10):
        assert breaker.until is not None
        waits.append((breaker.until - now).total_seconds())
        now = breaker.until
        breaker = failure(look(breaker, now), now, 0.0)
        assert breaker.state is Circuit.OPEN
    assert waits == sorted(waits) and waits[0] < waits[-1] <= CEILING_SECONDS


def test_retry_after_is_obeyed_at_once_and_within_bounds() -> None:
    for asked, waited in (
        (7 * SECOND, 7 * SECOND),
        (timedelta(days=3), RETRY_AFTER_MAX),
        (-SECOND, 0 * SECOND),
    ):
        breaker = failure(Breaker(), NOW, 0.5, asked)
        assert (breaker.state, breaker.until) == (Circuit.OPEN, NOW + waited)


def test_a_late_answer_never_shortens_what_was_asked_for() -> None:
    breaker = failure(Breaker(), NOW, 0.0, 100 * SECOND)
    assert failure(breaker, NOW + SECOND, 0.0, SECOND).until == NOW + 100 * SECOND


def test_a_clock_that_is_put_back_does_not_keep_it_open() -> None:
    breaker = failure(Breaker(), NOW, 0.0, RETRY_AFTER_MAX)
    assert may_send(look(breaker, NOW - timedelta(hours=2)))


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["success", "failure", "wait", "look"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 2000),
    ),
    max_size=60,
)


@given(EVENTS)
def test_whatever_happens(events: list[tuple[str, float, int]]) -> None:
    breaker, now = Breaker(), NOW
    for event, jitter, number in events:
        now += timedelta(seconds=number / 10)
        before = breaker
        if event == "success":
            breaker = success(breaker)
            assert breaker == Breaker()
        elif event == "look":
            breaker = look(breaker, now)
        else:
            asked = timedelta(seconds=number) if event == "wait" else None
            breaker = failure(breaker, now, jitter, asked)
            assert breaker.failures == before.failures + 1
        assert (breaker.state is Circuit.OPEN) <= (breaker.until is not None)
        assert may_send(look(breaker, now + RETRY_AFTER_MAX + SECOND)), "cut off for ever"
        if breaker.state is Circuit.OPEN:
            assert breaker.until is not None and breaker.until - now <= RETRY_AFTER_MAX
            assert may_send(look(breaker, breaker.until))
