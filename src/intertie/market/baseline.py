"""High X of Y baselines with a day-of adjustment, of one load: the kernel that settles all meters, called for one.

What a portfolio would have taken on the event day is the mean of the X highest of the Y most recent days that resemble
it, moved to the level of the event day's own hours well before the event. The common form (high 5 of 10, adjustment
window of two hours that begins four hours before, cap of 20 %) is that of the NYISO and Con Edison CBL; CAISO's
10 in 10 and others are the same rule with other numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from intertie.market.baseline_rule import (
    MINUTES,
    Adjustment,
    Candidate,
    DayType,
    Event,
    Excluded,
    NoBaseline,
    Reason,
    Rule,
    adjustment_window,
    candidates,
    check,
    day_type,
)
from intertie.market.blocks import changes, layout, likeness
from intertie.market.exactly import Whole
from intertie.market.type_one import (
    NOT_LOOKED_AT,
    REASONS,
    USED,
    Expected,
    History,
    Today,
    expect,
)

__all__ = [
    "Adjustment",
    "Baseline",
    "DayLoad",
    "DayType",
    "Event",
    "Excluded",
    "Loads",
    "NoBaseline",
    "Reason",
    "Rule",
    "adjustment_window",
    "alike",
    "apply",
    "baseline_of",
    "compute",
    "day_type",
    "mean_of_days",
]

# One day of a load: energy or mean power per interval, in any one integer unit. None is a gap.
DayLoad = Sequence[int | None]
Loads = Mapping[date, DayLoad]
# Above this a sum over the days and intervals of an event might not fit: such loads are kept as Python's integers.
NARROW = 2**40


class Baseline(NamedTuple):
    """What would have been taken in each interval of the event, and how that was found."""

    values: tuple[Fraction, ...]
    days_used: tuple[date, ...]
    days_excluded: tuple[Excluded, ...]
    unadjusted: tuple[Fraction, ...]
    measured: Fraction  # the adjustment before the cap: a ratio, or an amount per interval
    adjustment: Fraction  # what was applied
    cap_hit: bool


def compute(
    loads: Loads,
    event: Event,
    rule: Rule,
    not_usable: Mapping[date, Reason] | None = None,
    zone: str | None = None,
) -> Baseline:
    """The baseline of an event. `not_usable` names event and outage days. Raises NoBaseline.

    Ties: of two days with the same mean over the event window, the later one counts as higher. In a `zone` the hours of an
    event's day are compared with the same wall clock of other days, whatever the clock did on either; without one it never turns.
    """
    check(event, rule)
    normal = MINUTES // event.step_minutes
    turned = {day for day, load in loads.items() if len(load) != normal}
    days = candidates(event.day, rule, not_usable or {}, turned)
    window = adjustment_window(event, rule)
    pick = rule.pick(event.day)
    history = _history(loads, days, alike(event, zone), alike(event, zone, window), event.step_minutes, zone)
    found = expect(history, _today(loads, event, window), rule, pick)
    if not found.number[0]:
        why = f"{int(found.choice.found[0])} usable days before {event.day}, the rule asks for {pick.minimum_days}"
        raise NoBaseline(why, do="Agree on another baseline for this event, or wait for more days.")
    return baseline_of(found, days, 0)


def baseline_of(found: Expected, days: Sequence[Candidate], row: int) -> Baseline:
    """One meter's result, for people: fractions and dates."""
    count, codes = int(found.number[row]), found.choice.codes[row].tolist()
    measured, applied = (
        Fraction(int(top[row]), int(low[row])) for top, low in (found.measured, found.applied)
    )
    return Baseline(
        values=tuple(Fraction(int(top), int(found.bottom[row])) for top in found.top[row]),
        days_used=tuple(sorted(one.day for one, code in zip(days, codes, strict=True) if code == USED)),
        days_excluded=tuple(
            sorted(
                Excluded(one.day, REASONS[code])
                for one, code in zip(days, codes, strict=True)
                if code not in (USED, NOT_LOOKED_AT)
            )
        ),
        unadjusted=tuple(Fraction(int(value), count) for value in found.plain[row]),
        measured=measured,
        adjustment=applied,
        cap_hit=measured != applied,
    )


def mean_of_days(loads: Loads, days: Sequence[date], event: Event, zone: str | None) -> tuple[Fraction, ...]:
    """The mean over some days for each interval of an event; the days have no gaps there. Linear: the means of several meters
    add up to the mean of their sum."""
    hours = alike(event, zone)
    taken = [_taken(loads[day], hours, _order(day, zone, event.step_minutes)) for day in days]
    return tuple(Fraction(sum(one[i] or 0 for one in taken), len(days)) for i in range(len(hours)))


def alike(event: Event, zone: str | None, intervals: range | None = None) -> Sequence[int]:
    """Where other days have the wall clock of these intervals of an event's day, or of the event's own: the second pass of an
    hour that comes twice resembles what the first does."""
    wanted = range(event.first, event.last) if intervals is None else intervals
    if zone is None:
        return wanted
    return likeness(event.day, zone, event.step_minutes)[wanted.start : wanted.stop]


def apply(plain: Sequence[Fraction], kind: Adjustment, amount: Fraction) -> tuple[Fraction, ...]:
    """Unadjusted values moved by an adjustment of this kind."""
    if kind is Adjustment.ADDITIVE:
        return tuple(value + amount for value in plain)
    return tuple(value * amount for value in plain) if kind is Adjustment.MULTIPLICATIVE else tuple(plain)


def _history(
    loads: Loads,
    days: Sequence[Candidate],
    hours: Sequence[int],
    window: Sequence[int],
    step_minutes: int,
    zone: str | None,
) -> History:
    orders = [_order(one.day, zone, step_minutes) for one in days]
    sides = [
        [_taken(loads.get(one.day, ()), slots, order) for one, order in zip(days, orders, strict=True)]
        for slots in (hours, window)
    ]
    usable = [None not in left and None not in right for left, right in zip(*sides, strict=True)]
    shape = (1, len(days), len(hours))
    taken, before = sides
    return History(
        candidates=days,
        event=_whole([v or 0 for one in taken for v in one]).reshape(shape),
        window=_whole([sum(v or 0 for v in one) for one in before]).reshape(shape[:2]),
        usable=np.array([usable], np.bool_).reshape(shape[:2]),
    )


def _today(loads: Loads, event: Event, window: range) -> Today:
    taken = _taken(loads.get(event.day, ()), window)  # in the order of time
    return Today(
        window=_whole([sum(v or 0 for v in taken)]),
        usable=np.array([None not in taken], np.bool_),
        intervals=len(window),
    )


def _order(day: date, zone: str | None, step_minutes: int) -> tuple[int, ...] | None:
    """The slot of each interval of a day on which the clock turns; None on all others."""
    if zone is None or not changes(day, 1, zone, step_minutes)[0]:
        return None
    return layout(day, zone, step_minutes)


def _taken(load: DayLoad, slots: Sequence[int], order: tuple[int, ...] | None = None) -> list[int | None]:
    """What a day has in these slots of the wall clock; None where it has a gap, or no such time."""
    if order is None:
        return [load[i] if i < len(load) else None for i in slots]
    kept = dict(zip(order, load, strict=True)) if len(order) == len(load) else {}
    return [kept.get(slot) for slot in slots]


def _whole(values: Sequence[int]) -> Whole:
    wide = any(abs(value) >= NARROW for value in values)
    return np.array(values, object if wide else np.int64)
