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
    loads: Loads, event: Event, rule: Rule, not_usable: Mapping[date, Reason] | None = None
) -> Baseline:
    """The baseline of an event. `not_usable` names event and outage days. Raises NoBaseline.

    Ties: of two days with the same mean over the event window, the later one counts as higher.
    """
    check(event, rule)
    normal = MINUTES // event.step_minutes
    turned = {day for day, load in loads.items() if len(load) != normal}
    days = candidates(event.day, rule, not_usable or {}, turned)
    window = adjustment_window(event, rule)
    pick = rule.pick(event.day)
    found = expect(_history(loads, days, event, window), _today(loads, event, window), rule, pick)
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


def mean_of_days(loads: Loads, days: Sequence[date], first: int, last: int) -> tuple[Fraction, ...]:
    """The mean of the same interval over some days, for each interval from `first` up to `last`; the days have no gaps
    there. Linear: the means of several meters add up to the mean of their sum."""
    return tuple(Fraction(sum(loads[day][i] or 0 for day in days), len(days)) for i in range(first, last))


def apply(plain: Sequence[Fraction], kind: Adjustment, amount: Fraction) -> tuple[Fraction, ...]:
    """Unadjusted values moved by an adjustment of this kind."""
    if kind is Adjustment.ADDITIVE:
        return tuple(value + amount for value in plain)
    return tuple(value * amount for value in plain) if kind is Adjustment.MULTIPLICATIVE else tuple(plain)


def _history(loads: Loads, days: Sequence[Candidate], event: Event, window: range) -> History:
    hours = range(event.first, event.last)
    taken = [_taken(loads.get(one.day, ()), hours) for one in days]
    before = [_taken(loads.get(one.day, ()), window) for one in days]
    usable = [None not in left and None not in right for left, right in zip(taken, before, strict=True)]
    shape = (1, len(days), len(hours))
    return History(
        candidates=days,
        event=_whole([v or 0 for one in taken for v in one]).reshape(shape),
        window=_whole([sum(v or 0 for v in one) for one in before]).reshape(shape[:2]),
        usable=np.array([usable], np.bool_).reshape(shape[:2]),
    )


def _today(loads: Loads, event: Event, window: range) -> Today:
    taken = _taken(loads.get(event.day, ()), window)
    return Today(
        window=_whole([sum(v or 0 for v in taken)]),
        usable=np.array([None not in taken], np.bool_),
        intervals=len(window),
    )


def _taken(load: DayLoad, hours: range) -> list[int | None]:
    return [load[i] if i < len(load) else None for i in hours]


def _whole(values: Sequence[int]) -> Whole:
    wide = any(abs(value) >= NARROW for value in values)
    return np.array(values, object if wide else np.int64)
