"""Turns, runs and ratios, by a clock that tests move: no figure of a real machine is ever asserted."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pytest
from bench.machine import machine
from bench.measure import OURS, PRIMITIVES, Case, Row, Scale, Spread, measure

SCALE = Scale(counts=(1,), runs=3, run_seconds=10.0, turns_max=4)


class Clock:
    """Seconds that pass only when something takes them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.calls: list[str] = []
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def takes(self, name: str, seconds: Iterator[float]) -> None:
        self.calls.append(name)
        self.now += next(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def always(value: float) -> Iterator[float]:
    while True:
        yield value


def by_run(values: Sequence[float], turns: int) -> Iterator[float]:
    """For warming up and for the turn that is counted to find out how many fit; then for each run's turns."""
    yield from (values[0], values[0])
    for value in values:
        yield from [value] * turns


def measured(clock: Clock, ours: Iterator[float], other: Iterator[float], scale: Scale = SCALE) -> Row:
    calls = {OURS: lambda: clock.takes("o", ours), PRIMITIVES: lambda: clock.takes("p", other)}
    return measure("part", Case("hybrid", 10, "seal", calls), scale)


def test_they_take_turns_in_every_run(clock: Clock) -> None:
    measured(clock, always(1.0), always(0.5))
    assert clock.calls == ["o", "p"] * (2 + SCALE.runs * SCALE.turns_max)


def test_a_figure_is_microseconds_a_message(clock: Clock) -> None:
    row = measured(clock, always(0.004), always(0.001))
    assert row.us == Spread(400.0, 400.0, 400.0)
    assert row.against[PRIMITIVES].us == Spread(100.0, 100.0, 100.0)
    assert row.against[PRIMITIVES].ratio == Spread(4.0, 4.0, 4.0)
    assert (row.part, row.subject, row.messages, row.act) == ("part", "hybrid", 10, "seal")


def test_noise_that_hits_both_leaves_the_ratio_alone(clock: Clock) -> None:
    row = measured(
        clock, by_run([2.0, 10.0, 4.0], 4), by_run([1.0, 5.0, 2.0], 4), SCALE._replace(run_seconds=100)
    )
    assert row.us == Spread(400_000.0, 200_000.0, 1_000_000.0)
    assert row.against[PRIMITIVES].ratio == Spread(2.0, 2.0, 2.0)


def test_a_ratio_is_of_one_run_and_not_of_two_medians(clock: Clock) -> None:
    row = measured(
        clock, by_run([1.0, 2.0, 3.0], 4), by_run([3.0, 1.0, 2.0], 4), SCALE._replace(run_seconds=100)
    )
    ratio = row.against[PRIMITIVES].ratio
    assert (ratio.least, ratio.median, ratio.most) == (0.333, 1.5, 2.0)
    assert row.us.median / row.against[PRIMITIVES].us.median == 1.0


def test_so_many_turns_as_fit_and_at_least_one(clock: Clock) -> None:
    for seconds, turns in ((1.0, 1), (3.0, 3), (100.0, 4)):
        clock.calls.clear()
        measured(clock, always(0.6), always(0.4), SCALE._replace(run_seconds=seconds, runs=1))
        assert len(clock.calls) == 2 * (2 + turns)


def test_what_is_done_before_a_turn_is_not_timed(clock: Clock) -> None:
    calls = {OURS: lambda: clock.takes("o", always(1.0)), PRIMITIVES: lambda: clock.takes("p", always(1.0))}
    case = Case("any", 1, "act", calls, lambda: clock.takes("b", always(50.0)))
    row = measure("part", case, SCALE)
    assert row.us.median == 1e6
    assert clock.calls[:6] == ["b", "o", "p"] * 2


def test_the_machine_is_named() -> None:
    found = machine()
    assert found.processor and found.cores >= 1 and found.openssl.startswith("OpenSSL")
    assert found.processor in str(found) and f"{found.cores} cores" in str(found)
