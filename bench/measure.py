"""Timing side by side: what is measured and what it is compared with take turns, so that noise of the machine hits both."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import msgspec

Call = Callable[[], object]
# The call that a case is about; the others in its `calls` are what it is compared with.
OURS = "ours"
# What any implementation would have to compute at least.
PRIMITIVES = "primitives"
MICROSECONDS = 1e6


class Scale(NamedTuple):
    """How long to measure: the parcel sizes, how many runs, how many seconds all turns of one run take, at most how many."""

    counts: Sequence[int] = (1, 10, 100, 1000)
    runs: int = 7
    run_seconds: float = 0.2
    turns_max: int = 1000


# To see that everything runs; its figures mean nothing.
QUICK = Scale(counts=(1, 4), runs=3, run_seconds=0.0, turns_max=1)


class Took(float):
    """Seconds that a call says it took, in a process of its own: they count, and not the waiting for it."""


class Case(NamedTuple):
    """Something to measure: `act` on `messages` messages, and the calls, OURS first, each doing all of them once.

    `before` runs before each turn and is not timed. `cpu`: in CPU time.
    """

    subject: str
    messages: int
    act: str
    calls: Mapping[str, Call]
    before: Call = lambda: None
    cpu: bool = False


# Makes a case, and cleans up behind it.
Job = Callable[[], AbstractContextManager[Case]]


class Spread(msgspec.Struct, frozen=True):
    """The median of the runs, the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Of one value a run."""
        kept = sorted(values)
        return cls(round(statistics.median(kept), 3), round(kept[0], 3), round(kept[-1], 3))


class Against(msgspec.Struct, frozen=True):
    """What something else took in the same runs, in microseconds a message; and `ratio`: of ours to it, run by run."""

    us: Spread
    ratio: Spread


class Row(msgspec.Struct, frozen=True):
    """A measured case, in microseconds a message."""

    part: str
    subject: str
    messages: int
    act: str
    us: Spread
    against: Mapping[str, Against]


def measure(part: str, case: Case, scale: Scale) -> Row:
    """Run after run of turns. A ratio is had within each run first: then their median is taken."""
    turns = _turns(case, scale)
    runs = [_run(case, turns) for _ in range(scale.runs)]
    ours = [run[OURS] for run in runs]
    per_message = MICROSECONDS / case.messages
    return Row(
        part=part,
        subject=case.subject,
        messages=case.messages,
        act=case.act,
        us=Spread.of(seconds * per_message for seconds in ours),
        against={
            name: Against(
                us=Spread.of(run[name] * per_message for run in runs),
                ratio=Spread.of(run[OURS] / run[name] for run in runs),
            )
            for name in case.calls
            if name != OURS
        },
    )


def _turns(case: Case, scale: Scale) -> int:
    """So many turns as fit into a run, by a second turn that does not count; the first one warms up."""
    gc.collect()
    _run(case, 1)
    once = sum(_run(case, 1).values())
    return max(1, min(scale.turns_max, int(scale.run_seconds / once)))


def _run(case: Case, turns: int) -> dict[str, float]:
    """Mean seconds of each call over the turns. The collector of garbage rests meanwhile, as in `timeit`."""
    seconds = dict.fromkeys(case.calls, 0.0)
    clock = time.process_time if case.cpu else time.perf_counter
    gc.disable()
    try:
        for _ in range(turns):
            case.before()
            for name, call in case.calls.items():
                start = clock()
                said = call()
                if isinstance(said, Took):
                    seconds[name] += said
                    continue
                # What a call made it also gives back, as in `timeit`: else the next one would pay for that.
                del said
                seconds[name] += clock() - start
    finally:
        gc.enable()
    return {name: total / turns for name, total in seconds.items()}
