"""The other four families of NAESB WEQ-015, each as a baseline `top / bottom` per interval that `deliver` takes.

| family | what it says | as a baseline |
|---|---|---|
| Maximum Base Load | stay at or under a level | level + what was asked: delivered is asked less what is over the level |
| Meter Before / Meter After | against the reading just before | mean of the window before, the same in each interval |
| Baseline Type II | a sample stands for all | sum of a sample's baselines, and of its loads, times N / n by stratum |
| Metering Generator Output | what the generator makes | its output less a base output |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from math import lcm
from typing import NamedTuple

import numpy as np

from intertie.market.baseline_rule import NoBaseline, Reason, Rule
from intertie.market.block_events import BlockEvent, Looked, load_of, look
from intertie.market.blocks import Block
from intertie.market.exactly import Whole, add_up, plus, times
from intertie.market.type_one import Choice, Expected


class Stratum(NamedTuple):
    """Rows of a block that stand for `population` meters like them."""

    rows: tuple[int, ...]
    population: int


def maximum_base_load(block: Block, event: BlockEvent, level: Fraction, asked: Sequence[Fraction]) -> Looked:
    """`level` and `asked` per interval, in the unit of the block. A load at or under the level delivered all."""
    common = lcm(level.denominator, *(one.denominator for one in asked))
    top = np.array([[int((level + one) * common) for one in asked]] * len(block.meters), np.int64)
    return _looked(block, event, top.reshape(len(block.meters), -1), common)


def before_after(block: Block, event: BlockEvent) -> Looked:
    """The mean over the window of the event (`before`), in each interval. Without it, or with a gap in it: no baseline."""
    values, present = load_of(block, event.day, event.before)
    total = add_up(values, 1)
    top = np.repeat(total[:, None], len(event.slots), axis=1)
    looked = _looked(block, event, top, max(1, len(event.before)))
    usable = np.asarray(present.all(axis=1) & bool(event.before), np.bool_)
    return looked._replace(expected=looked.expected._replace(number=np.asarray(usable, np.int64)))


def generator_output(output: Block, event: BlockEvent, base: Sequence[Fraction]) -> Looked:
    """`output` is what each generator made, above zero; `base` what it would have made anyway, per interval.

    As a load it is negative: baseline less load is output less base.
    """
    common = lcm(1, *(one.denominator for one in base))
    top = np.array([[-int(one * common) for one in base]] * len(output.meters), np.int64)
    looked = _looked(output, event, top.reshape(len(output.meters), -1), common)
    return looked._replace(actual=-looked.actual)


def generator_history(
    output: Block, event: BlockEvent, rule: Rule, not_usable: Mapping[date, Reason]
) -> Looked:
    """The same with the base found by a rule from the generator's own days (CAISO's G_LM is of this kind [K])."""
    found = look(output, event, rule, not_usable)
    return found._replace(actual=-found.actual, expected=found.expected._replace(top=-found.expected.top))


def sampled(
    block: Block,
    event: BlockEvent,
    rule: Rule,
    not_usable: Mapping[date, Reason],
    strata: Sequence[Stratum],
) -> Looked:
    """One row for the whole population: each stratum's baselines and loads, added up and raised by N / n.

    Meters of the sample without a baseline or with a gap in the event leave the sample, and n with them. Raises
    NoBaseline if a stratum has none left. The result holds the difference: its `actual` is zero.
    """
    found = look(block, event, rule, not_usable)
    top, actual, _ = population_of(found, strata)
    return _population(found, event, top, actual)


def population_of(
    found: Looked, strata: Sequence[Stratum]
) -> tuple[list[Fraction], list[Fraction], list[int]]:
    """Baselines and loads of the population, interval by interval, and the rows of the sample that they rest on."""
    whole = found.present.all(axis=1) & np.asarray(found.expected.number > 0, np.bool_)
    top = [Fraction(0)] * len(found.event.slots)
    actual, used = list(top), []
    for place, stratum in enumerate(strata):
        rows = [row for row in stratum.rows if whole[row]]
        if not rows or stratum.population < len(rows):
            raise NoBaseline(
                f"stratum {place}: {len(rows)} meters with readings for {stratum.population}",
                do="Ask for the sample's readings, or agree on another sample.",
            )
        used += rows
        raised = Fraction(stratum.population, len(rows))
        for i in range(len(found.event.slots)):
            bases = (
                Fraction(int(found.expected.top[row, i]), int(found.expected.bottom[row])) for row in rows
            )
            top[i] += raised * sum(bases, Fraction(0))
            actual[i] += raised * sum(int(found.actual[row, i]) for row in rows)
    return top, actual, used


def _population(found: Looked, event: BlockEvent, top: list[Fraction], actual: list[Fraction]) -> Looked:
    # only the difference is settled: the load is taken into the baseline, so that both are whole over one bottom
    difference = [base - load for base, load in zip(top, actual, strict=True)]
    common = lcm(1, *(one.denominator for one in difference))
    tops = np.array([[int(one * common) for one in difference]], object)
    expected = _expected(tops, np.array([common], object), np.ones(1, np.int64))
    zeros = np.zeros((1, len(event.slots)), np.int64)
    return Looked(event, found.candidates, expected, zeros, zeros == 0)


def _looked(block: Block, event: BlockEvent, top: Whole, bottom: int) -> Looked:
    values, present = load_of(block, event.day, event.slots)
    ones = np.ones(len(block.meters), np.int64)
    return Looked(event, (), _expected(top, ones * bottom, ones), values, present)


def _expected(top: Whole, bottom: Whole, number: Whole) -> Expected:
    neutral = (np.ones_like(number), np.ones_like(number))
    none = Choice(np.zeros((len(number), 0), np.uint8), number)
    return Expected(top, bottom, plus(times(top, 1), 0), number, neutral, neutral, none)
