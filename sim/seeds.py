"""Seeds, one after the other: run, judge, and say what a run that broke a rule looked like."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import NamedTuple

from intertie.gateway.ports import Store
from intertie.model.ids import PartyId
from sim.check import violations
from sim.cipher import cheap_cipher, seeded_ids
from sim.disk import Strike
from sim.run import Result, Simulation


class Verdict(NamedTuple):
    """A run, and the rules it broke."""

    result: Result
    broken: list[str]


def run_seed(
    seed: int,
    steps: int = 0,
    *,
    real_keys: bool = False,
    make_store: Callable[[PartyId], Store] | None = None,
) -> Verdict:
    """One seed. With `real_keys` everything is signed and sealed for good, and costs several times as much."""
    with nullcontext() if real_keys else cheap_cipher(), seeded_ids(random.Random(seed)):
        result = Simulation(seed, make_store=make_store).run(steps)
        # A run that was cut short has things on their way.
        return Verdict(result, [] if steps else list(violations(result)))


class Total(NamedTuple):
    """Many runs together."""

    seeds: int
    steps: int
    struck: Counter[tuple[str, Strike]]
    states: Counter[str]
    bad: list[Verdict]


def run_seeds(seeds: Iterable[int]) -> Total:
    """All of them; a seed that broke a rule does not stop the others."""
    count = steps = 0
    struck: Counter[tuple[str, Strike]] = Counter()
    states: Counter[str] = Counter()
    bad = []
    for seed in seeds:
        verdict = run_seed(seed)
        count += 1
        steps += verdict.result.steps
        struck.update(verdict.result.struck)
        for site in verdict.result.sites.values():
            states.update({state: n for (out, state), n in site.store.counts().items() if out})
        if verdict.broken:
            bad.append(verdict)
    return Total(count, steps, struck, states, bad)
