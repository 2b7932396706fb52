"""Validation, estimation and editing of readings: what is wrong is found and named, and may be estimated beside the reading.

Pure and vectorised over blocks of any size (market/blocks.py). Nothing is overwritten: the estimated block is another one,
and each value in it that is not a reading says so by its quality (ESPI: 9 interpolated, 8 estimated).

The checks and estimates follow the "Standards for Validating, Editing, and Estimating Monthly and Interval Data" of the
Californian direct-access market (section A, interval data): its spike check, and its two ways to estimate. Numbers that
were not read off that text are marked [K] in docs/readings.md. Every number is a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from intertie.market.blocks import MINUTES, Block, changes, layout, likeness
from intertie.model.metering import ESPI_QUALITY, Quality

Mask = NDArray[np.bool_]


class Check(StrEnum):
    """What is found."""

    GAP = "gap"  # an interval of a day that has others
    NO_DAY = "no_day"  # a day without any reading
    SECOND_PASS = "second_pass"  # noqa: S105 - the hour that comes twice was read once
    NEGATIVE = "negative"
    OVER_NAMEPLATE = "over_nameplate"
    SPIKE = "spike"
    CLOCK = "clock"  # a day that resembles others an hour earlier or later


class VeeRules(NamedTuple):
    """The parameters."""

    # A reading is a spike if it exceeds the third highest of its day by more than this share of that.
    spike: Fraction = Fraction(9, 5)
    # Meters' ratings are rounded, and voltage is not always nominal [K].
    nameplate_margin: Fraction = Fraction(1, 10)
    signed: bool = False  # net: below zero is no fault
    # A gap of at most this is bridged by a straight line.
    interpolate_minutes: int = 120
    # A longer one gets the mean of the same time on so many earlier days of the same type, not older than that.
    like_days: int = 3
    look_back_days: int = 35
    holidays: frozenset[date] = frozenset()
    # A day is shifted if it fits its like days this many times better an hour off, and the misfit is this share of them [K].
    shift_minutes: int = 60
    shift_better: int = 3
    shift_misfit: Fraction = Fraction(1, 4)
    # What is estimated; spikes and shifted days are for a person to look at.
    estimate: frozenset[Check] = frozenset(
        {Check.GAP, Check.NO_DAY, Check.SECOND_PASS, Check.NEGATIVE, Check.OVER_NAMEPLATE}
    )


class Validated(NamedTuple):
    """`found` has a mask of meters x days x slots for each check; `estimated` is the block with what could be estimated."""

    found: Mapping[Check, Mask]
    estimated: Block
    interpolated: Mask
    from_like_days: Mask

    def counts(self) -> dict[str, int]:
        """How many intervals each check found, and how many were estimated in which way."""
        counts = {check.value: int(mask.sum()) for check, mask in self.found.items()}
        return counts | {
            "interpolated": int(self.interpolated.sum()),
            "estimated": int(self.from_like_days.sum()),
        }


def validate(
    block: Block, rules: VeeRules | None = None, nameplate_kw: Sequence[Fraction | None] = ()
) -> Validated:
    """All checks on a block, and estimates of what fails those in `rules.estimate`. `nameplate_kw` is by meter, or empty."""
    rules = rules or VeeRules()
    exists = existing(block)
    found = {
        **_gaps(block, exists),
        Check.NEGATIVE: block.present & (block.values < 0) if not rules.signed else _none(block),
        Check.OVER_NAMEPLATE: _over(block, nameplate_kw, rules),
        Check.SPIKE: _spikes(block, rules),
    }
    bad = np.logical_or.reduce([found[check] for check in found if check in rules.estimate])
    good = block.present & ~bad
    found[Check.CLOCK] = _shifted(block, good, rules)
    estimated, lines, days = _estimate(block, bad & exists, good, rules)
    return Validated(found, estimated, lines, days)


def existing(block: Block) -> Mask:
    """The slots that days have: none in the hour that the clock skips, the second pass only where there is one."""
    exists = np.zeros(block.values.shape[1:], np.bool_)
    for place, day in enumerate(block.days):
        exists[place, list(layout(day, block.zone, block.step_minutes))] = True
    return np.broadcast_to(exists, block.values.shape)


def _none(block: Block) -> Mask:
    return np.zeros(block.values.shape, np.bool_)


def _gaps(block: Block, exists: Mask) -> dict[Check, Mask]:
    """Gaps by what they are: a whole day, the second pass of an hour alone, or others."""
    gap: Mask = np.asarray(exists & ~block.present)
    no_day: Mask = np.asarray(gap & ~block.present.any(axis=2, keepdims=True))
    second = _none(block)
    slots = MINUTES // block.step_minutes
    if block.values.shape[2] > slots:
        only = np.asarray(block.present[:, :, :slots].any(axis=2) & ~block.present[:, :, slots:].any(axis=2))
        second[:, :, slots:] = gap[:, :, slots:] & only[:, :, None]
    return {Check.GAP: gap & ~no_day & ~second, Check.NO_DAY: no_day, Check.SECOND_PASS: second}


def _over(block: Block, nameplate_kw: Sequence[Fraction | None], rules: VeeRules) -> Mask:
    """More energy than the nameplate gives in an interval, and the margin."""
    if not any(each is not None for each in nameplate_kw):
        return _none(block)
    hours = Fraction(block.step_minutes, 60)
    unit = Fraction(10) ** -block.power_of_ten
    never = 2**62
    most = [
        never if kw is None else int(kw * hours * unit * (1 + rules.nameplate_margin)) for kw in nameplate_kw
    ]
    return block.present & (np.abs(block.values) > np.array(most, np.int64)[:, None, None])


def _spikes(block: Block, rules: VeeRules) -> Mask:
    """Against the third highest of the meter's day; none where that is zero, or there are fewer than three."""
    sizes = np.where(block.present, np.abs(block.values), 0)
    third = np.partition(sizes, -3, axis=2)[:, :, -3, None]
    share = rules.spike
    high: Mask = (third > 0) & ((sizes - third) * share.denominator > third * share.numerator)
    return block.present & high


def _shifted(block: Block, good: Mask, rules: VeeRules) -> Mask:
    """Whole days whose readings fit the days before them better when they are moved by an hour."""
    found = _none(block)
    slots, move = MINUTES // block.step_minutes, rules.shift_minutes // block.step_minutes
    inner = slice(move, slots - move)
    turned = changes(block.first, block.values.shape[1], block.zone, block.step_minutes)
    for place, like in _like_days(block, rules).items():
        days = [day for day in like if not turned[day]][: rules.like_days]
        if turned[place] or not days:
            continue
        whole = good[:, place, :slots].all(axis=1) & good[:, days, :slots].all(axis=(1, 2))
        rows = np.flatnonzero(whole)
        if not len(rows):
            continue
        today = block.values[rows, place, :slots] * len(days)
        usual = block.values[rows][:, days, :slots].sum(axis=1)
        total = np.abs(usual[:, inner]).sum(axis=1)
        misfit = np.abs(today - usual)[:, inner].sum(axis=1)
        least = np.minimum(
            *(np.abs(np.roll(today, by, 1) - usual)[:, inner].sum(axis=1) for by in (move, -move))
        )
        large = misfit * rules.shift_misfit.denominator > total * rules.shift_misfit.numerator
        found[rows[large & (least * rules.shift_better < misfit)], place] = True
    return found & block.present


def _like_days(block: Block, rules: VeeRules) -> dict[int, list[int]]:
    """For each day the earlier ones of its type within the look-back, latest first."""
    kinds = [day.weekday() >= 5 or day in rules.holidays for day in block.days]
    return {
        place: [
            other
            for other in range(place - 1, max(-1, place - 1 - rules.look_back_days), -1)
            if kinds[other] is kinds[place]
        ]
        for place in range(len(kinds))
    }


def _estimate(block: Block, wanted: Mask, good: Mask, rules: VeeRules) -> tuple[Block, Mask, Mask]:
    """Short gaps by a line, then the others by like days; what neither gives stays as it is."""
    values, lines = _bridge(block, wanted, good, rules)
    means, days = _from_like_days(block, wanted & ~lines, good, rules)
    values = np.where(lines, values, np.where(days, means, block.values))
    quality = np.where(lines, ESPI_QUALITY[Quality.INTERPOLATED], block.quality)
    quality = np.where(days, ESPI_QUALITY[Quality.ESTIMATED], quality).astype(np.uint8)
    made = block._replace(values=values, present=block.present | lines | days, quality=quality)
    return made, lines, days


def _bridge(block: Block, wanted: Mask, good: Mask, rules: VeeRules) -> tuple[Any, Mask]:
    """A straight line between the readings on both sides, rounded half up, along true time: over midnight, too."""
    day, slot = in_time(block)
    known, want, seen = good[:, day, slot], wanted[:, day, slot], block.values[:, day, slot]
    place = np.arange(known.shape[1])
    before = np.maximum.accumulate(np.where(known, place, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, place, len(place))[:, ::-1], axis=1)[:, ::-1]
    span = after - before
    most = rules.interpolate_minutes // block.step_minutes
    bridged = want & (before >= 0) & (after < len(place)) & (span - 1 <= most)
    values, mask = np.zeros_like(block.values), np.zeros_like(wanted)
    rows, at = np.nonzero(bridged)
    if len(rows):
        left, right, width = before[rows, at], after[rows, at], span[rows, at]
        sum_of = seen[rows, left] * (right - at) + seen[rows, right] * (at - left)
        values[rows, day[at], slot[at]] = _half_up(sum_of, width)
        mask[rows, day[at], slot[at]] = True
    return values, mask


def _from_like_days(block: Block, wanted: Mask, good: Mask, rules: VeeRules) -> tuple[Any, Mask]:
    """The mean of the same time on the latest like days that have it, rounded half up."""
    values, mask = np.zeros_like(block.values), np.zeros_like(wanted)
    for place, like in _like_days(block, rules).items():
        rows = np.flatnonzero(wanted[:, place].any(axis=1))
        if not len(rows) or not like:
            continue
        slots = np.array(layout(block.days[place], block.zone, block.step_minutes))
        same = np.array(likeness(block.days[place], block.zone, block.step_minutes))
        total = np.zeros((len(rows), len(slots)), np.int64)
        count = np.zeros((len(rows), len(slots)), np.int64)
        for other in like:
            use = good[rows][:, other, same] & (count < rules.like_days)
            total += np.where(use, block.values[rows][:, other, same], 0)
            count += use
        there = wanted[rows][:, place, slots] & (count > 0)
        grid = np.ix_(rows, np.array([place]), slots)
        values[grid] = np.where(there, _half_up(total, np.maximum(count, 1)), 0)[:, None, :]
        mask[grid] = there[:, None, :]
    return values, mask


def in_time(block: Block) -> tuple[Any, Any]:
    """Day and slot of every interval of the block, in the order of time."""
    days: list[int] = []
    slots: list[int] = []
    for place, day in enumerate(block.days):
        found = layout(day, block.zone, block.step_minutes)
        days += [place] * len(found)
        slots += found
    return np.array(days), np.array(slots)


def _half_up(total: Any, count: Any) -> Any:
    """The quotient as an integer; halves go up."""
    return (2 * total + count) // (2 * count)


def nameplates(block: Block, known: Mapping[str, Fraction | None]) -> list[Fraction | None]:
    """Nameplates in the order of a block's meters."""
    return [known.get(meter) for meter in block.meters]


def day_counts(found: Validated, block: Block) -> list[tuple[str, date, Check, int]]:
    """Each finding by meter and day."""
    rows = []
    for check, mask in found.found.items():
        per_day = mask.sum(axis=2)
        for meter, day in zip(*np.nonzero(per_day), strict=True):
            when = block.first + timedelta(days=int(day))
            rows.append((block.meters[meter], when, check, int(per_day[meter, day])))
    return sorted(rows)
