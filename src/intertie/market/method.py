"""Which of the five families of WEQ-015 a deal settles by, as its `baseline_method` names it, and the four that are no Type I on
a portfolio: each calls the kernel of many meters (`other_methods`).

| name | family |
|---|---|
| `high-5-of-10`, `high-5-of-10-multiplicative`, a preset | Baseline Type I |
| `maximum-base-load-750kw` | Maximum Base Load: a level of the whole portfolio |
| `meter-before-after-60min` | Meter Before / Meter After: the mean of so many minutes up to the event |
| `generator-output-over-30kw` | Metering Generator Output: what it makes over so much |
| `sample-of-120-by-` and a Type I | Baseline Type II: the meters of the deal are a sample of so many |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from intertie.market.baseline import Baseline, Event, Loads, baseline_of
from intertie.market.baseline_rule import Adjustment, NoBaseline, Reason, Rule
from intertie.market.block_events import BlockEvent, Looked, look
from intertie.market.blocks import Block, Row, empty, fill, layout, likeness
from intertie.market.other_methods import (
    Stratum,
    before_after,
    generator_output,
    maximum_base_load,
    population_of,
)
from intertie.model.ids import MeterId

MINUTES_OF_AN_HOUR = 60


class Family(StrEnum):
    """As WEQ-015 has them."""

    MAXIMUM_BASE_LOAD = "maximum_base_load"
    METER_BEFORE_AFTER = "meter_before_after"
    TYPE_ONE = "type_one"
    TYPE_TWO = "type_two"
    GENERATOR_OUTPUT = "generator_output"


class Method(NamedTuple):
    """A family and its numbers; those of others mean nothing."""

    family: Family
    rule: Rule
    kw: Fraction = Fraction(0)
    minutes: int = 0
    population: int = 0

    def text(self) -> str:
        """One sentence, for statements and screens."""
        kw = f"{float(self.kw):g} kW"
        return {
            Family.MAXIMUM_BASE_LOAD: f"at or under a base load of {kw}",
            Family.METER_BEFORE_AFTER: f"against the mean of the {self.minutes} minutes before the event",
            Family.TYPE_ONE: self.rule.text(),
            Family.TYPE_TWO: f"a sample that stands for {self.population} meters, each by {self.rule.text()}",
            Family.GENERATOR_OUTPUT: f"output over {kw}",
        }[self.family]


class Found(NamedTuple):
    """The baseline of a portfolio, what it metered, and each meter's part of the baseline."""

    base: Baseline
    actual: tuple[Fraction | None, ...]
    meters: Mapping[MeterId, tuple[Fraction, ...]]


def level_wh(method: Method, step_minutes: int) -> Fraction:
    """The kilowatts of a method as watt-hours of an interval."""
    return method.kw * 1000 * Fraction(step_minutes, MINUTES_OF_AN_HOUR)


def find(
    method: Method,
    readings: Mapping[MeterId, Loads],
    event: Event,
    asked: Sequence[Fraction],
    zone: str,
    not_usable: Mapping[date, Reason],
) -> Found:
    """The baseline by a family that is no Type I. Raises NoBaseline."""
    if method.family is Family.TYPE_TWO:
        return _sample(method, readings, event, zone, not_usable)
    block = _block(readings, event, zone, days=1)
    total, place = block.total(), _place(method, event, zone)
    level = level_wh(method, event.step_minutes)
    if method.family is Family.MAXIMUM_BASE_LOAD:
        found = maximum_base_load(total, place, level, asked)
    elif method.family is Family.METER_BEFORE_AFTER:
        found = before_after(total, place)
    else:
        output = total._replace(values=-total.values)
        found = generator_output(output, place, (level,) * len(place.slots))
    if not found.expected.number[0]:
        raise NoBaseline(
            f"no readings of all meters in the {method.minutes} minutes before the event of {event.day}",
            do="Ask for them, or settle it by hand.",
        )
    values = tuple(Fraction(int(one), int(found.expected.bottom[0])) for one in found.expected.top[0])
    base = Baseline(values, (), (), values, Fraction(1), Fraction(1), False)
    return Found(base, _actual(found), _parts(method, block, place, base))


def _parts(
    method: Method, block: Block, place: BlockEvent, base: Baseline
) -> dict[MeterId, tuple[Fraction, ...]]:
    """Each meter's own mean; of a level, which is of the whole, an equal part."""
    if method.family is not Family.METER_BEFORE_AFTER:
        return {MeterId(one): tuple(v / len(block.meters) for v in base.values) for one in block.meters}
    found = before_after(block, place).expected
    return {
        MeterId(one): tuple(Fraction(int(v), int(found.bottom[row])) for v in found.top[row])
        for row, one in enumerate(block.meters)
    }


def _sample(
    method: Method,
    readings: Mapping[MeterId, Loads],
    event: Event,
    zone: str,
    not_usable: Mapping[date, Reason],
) -> Found:
    block = _block(readings, event, zone, days=method.rule.look_back_days + 1)
    place, rule = _place(method, event, zone), method.rule
    found = look(block, place, rule, not_usable)
    top, actual, rows = population_of(found, [Stratum(tuple(range(len(block.meters))), method.population)])
    parts = {MeterId(block.meters[row]): baseline_of(found.expected, found.candidates, row) for row in rows}
    base = Baseline(tuple(top), (), (), tuple(top), Fraction(1), Fraction(1), False)
    return Found(base, tuple(actual), {meter: one.values for meter, one in parts.items()})


def _place(method: Method, event: Event, zone: str) -> BlockEvent:
    """Where an event stands, its intervals in the order of time; no window before it if that would begin before midnight."""
    step = event.step_minutes
    slots, like = layout(event.day, zone, step), likeness(event.day, zone, step)
    left = event.first - method.rule.adjust_minutes_before // step
    right = left + method.rule.adjust_minutes // step
    if method.rule.adjustment is Adjustment.NONE or left < 0:
        left = right = 0
    own = slice(event.first, event.last)
    return BlockEvent("event", event.day, slots[own], like[own], slots[left:right], like[left:right])


def before(minutes: int) -> Rule:
    """The window of a Meter Before / Meter After as a rule: it ends where the event begins."""
    return Rule(adjust_minutes_before=minutes, adjust_minutes=minutes)


def _block(readings: Mapping[MeterId, Loads], event: Event, zone: str, days: int) -> Block:
    first = event.day - timedelta(days=days - 1)
    block = empty(sorted(readings), first, days, zone, event.step_minutes)
    rows = (
        Row(meter, day, load)
        for meter, loads in readings.items()
        for day, load in loads.items()
        if first <= day <= event.day and len(load) == len(layout(day, zone, event.step_minutes))
    )
    return fill(block, rows)


def _actual(found: Looked) -> tuple[Fraction | None, ...]:
    # generator_output turns output into load below zero
    return tuple(
        Fraction(int(value)) if there else None
        for value, there in zip(found.actual[0], found.present[0], strict=True)
    )
