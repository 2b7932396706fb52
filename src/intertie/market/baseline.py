"""High X of Y baselines with a day-of adjustment, exact: integers in, fractions out.

What a portfolio would have taken on the event day is the mean of the X highest of the Y most recent days that resemble
it, moved to the level of the event day's own hours well before the event. The common form (high 5 of 10, adjustment
window of two hours that begins four hours before, cap of 20 %) is that of the NYISO and Con Edison CBL; CAISO's
10 in 10 and others are the same rule with other numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from intertie.model.errors import IntertieError

# One day of a load: energy or mean power per interval, in any one integer unit. None is a gap.
DayLoad = Sequence[int | None]
Loads = Mapping[date, DayLoad]


class NoBaseline(IntertieError):
    """The rule finds too few days, or the event day itself cannot be used."""


class DayType(StrEnum):
    """Days are compared with days of their own type. A holiday counts as weekend, and serves as example for none."""

    WEEKDAY = "weekday"
    WEEKEND = "weekend"


class Adjustment(StrEnum):
    """How the baseline is moved to the level of the event day."""

    MULTIPLICATIVE = "multiplicative"
    ADDITIVE = "additive"
    NONE = "none"


class Reason(StrEnum):
    """Why a day of the right type was passed over."""

    EVENT_DAY = "event_day"
    OUTAGE_DAY = "outage_day"
    HOLIDAY = "holiday"
    NO_READINGS = "no_readings"
    CLOCK_CHANGE = "clock_change"
    LOW_USAGE = "low_usage"
    NOT_AMONG_HIGHEST = "not_among_highest"


class Rule(NamedTuple):
    """The parameters that a confirmation fixes. Shares are fractions of one."""

    highest: int = 5
    of: int = 10
    minimum_days: int = 10
    look_back_days: int = 45
    low_usage: Fraction = Fraction(1, 4)
    adjustment: Adjustment = Adjustment.MULTIPLICATIVE
    cap: Fraction = Fraction(1, 5)
    adjust_minutes_before: int = 240
    adjust_minutes: int = 120
    holidays: frozenset[date] = frozenset()

    def text(self) -> str:
        """One sentence, for statements and screens."""
        days = f"high {self.highest} of {self.of} days of the same type within {self.look_back_days} days"
        if self.adjustment is Adjustment.NONE:
            return f"{days}, no adjustment"
        ends = self.adjust_minutes_before - self.adjust_minutes
        window = f"{self.adjust_minutes_before} to {ends} minutes before the event"
        return f"{days}, {self.adjustment} adjustment over {window}, at most ±{float(self.cap * 100):g} %"


class Event(NamedTuple):
    """Intervals `first` up to, not including, `last` of a day whose intervals last `step_minutes`."""

    day: date
    first: int
    last: int
    step_minutes: int = 15


class Excluded(NamedTuple):
    """A day of the event's type that was looked at and not used."""

    day: date
    reason: Reason


class Baseline(NamedTuple):
    """What would have been taken in each interval of the event, and how that was found."""

    values: tuple[Fraction, ...]
    days_used: tuple[date, ...]
    days_excluded: tuple[Excluded, ...]
    unadjusted: tuple[Fraction, ...]
    measured: Fraction  # the adjustment before the cap: a ratio, or an amount per interval
    adjustment: Fraction  # what was applied
    cap_hit: bool


def day_type(day: date, holidays: frozenset[date]) -> DayType:
    """The type of a day; a holiday is like a Sunday."""
    return DayType.WEEKEND if day.weekday() >= 5 or day in holidays else DayType.WEEKDAY


def compute(
    loads: Loads, event: Event, rule: Rule, not_usable: Mapping[date, Reason] | None = None
) -> Baseline:
    """The baseline of an event. `not_usable` names event and outage days. Raises NoBaseline.

    Ties: of two days with the same mean over the event window, the later one counts as higher.
    """
    _check(event, rule)
    days, excluded = _eligible(loads, event, rule, not_usable or {})
    if len(days) < rule.minimum_days:
        why = f"{len(days)} usable days before {event.day}, the rule asks for {rule.minimum_days}"
        raise NoBaseline(why, do="Agree on another baseline for this event, or wait for more days.")
    chosen = sorted(days, key=lambda day: (_window_sum(loads[day], event), day), reverse=True)[: rule.highest]
    excluded += [Excluded(day, Reason.NOT_AMONG_HIGHEST) for day in days if day not in chosen]
    plain = mean_of_days(loads, chosen, event.first, event.last)
    measured, applied = _adjust(loads, event, rule, chosen, plain)
    return Baseline(
        values=apply(plain, rule.adjustment, applied),
        days_used=tuple(sorted(chosen)),
        days_excluded=tuple(sorted(excluded)),
        unadjusted=plain,
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


def adjustment_window(event: Event, rule: Rule) -> range:
    """The intervals whose level moves the baseline; empty if there is no adjustment or it would begin before midnight."""
    first = event.first - rule.adjust_minutes_before // event.step_minutes
    if rule.adjustment is Adjustment.NONE or first < 0:
        return range(0)
    return range(first, first + rule.adjust_minutes // event.step_minutes)


def _check(event: Event, rule: Rule) -> None:
    if not 0 <= event.first < event.last:
        raise NoBaseline(
            f"the event of {event.day} has no intervals", do="Give its window in whole intervals."
        )
    if not 1 <= rule.highest <= rule.of or rule.minimum_days < rule.highest:
        raise NoBaseline(
            f"high {rule.highest} of {rule.of} with at least {rule.minimum_days} days is no rule"
        )


def _eligible(
    loads: Loads, event: Event, rule: Rule, not_usable: Mapping[date, Reason]
) -> tuple[list[date], list[Excluded]]:
    """The most recent usable days, latest first. Days of low usage make room for earlier ones, until none is low: low
    means under `rule.low_usage` of the mean of the days then in hand."""
    excluded: list[Excluded] = []
    low: set[date] = set()
    while True:
        days: list[date] = []
        excluded = [Excluded(day, Reason.LOW_USAGE) for day in low]
        for day in _same_type(event, rule):
            if day in low:
                continue
            if (reason := _unusable(loads, day, event, rule, not_usable)) is not None:
                excluded.append(Excluded(day, reason))
                continue
            days.append(day)
            if len(days) == rule.of:
                break
        sums = {day: _window_sum(loads[day], event) for day in days}
        mean = Fraction(sum(sums.values()), len(days)) if days else Fraction(0)
        fresh = {day for day in days if mean > 0 and sums[day] < rule.low_usage * mean}
        if not fresh:
            return days, excluded
        low |= fresh


def _same_type(event: Event, rule: Rule) -> Iterator[date]:
    """Days of the event's type, from the day before it back to the end of the look-back. Holidays are handed on whatever
    their weekday, so that a passed-over one is listed."""
    wanted = day_type(event.day, rule.holidays)
    for back in range(1, rule.look_back_days + 1):
        day = event.day - timedelta(days=back)
        if day_type(day, frozenset()) is wanted:
            yield day


def _unusable(
    loads: Loads, day: date, event: Event, rule: Rule, not_usable: Mapping[date, Reason]
) -> Reason | None:
    if day in not_usable:
        return not_usable[day]
    if day in rule.holidays:
        return Reason.HOLIDAY
    load = loads.get(day)
    if load is None:
        return Reason.NO_READINGS
    if len(load) != 24 * 60 // event.step_minutes:
        return Reason.CLOCK_CHANGE  # its intervals do not stand beside those of other days
    needed = [*range(event.first, event.last), *adjustment_window(event, rule)]
    return Reason.NO_READINGS if any(load[i] is None for i in needed) else None


def _window_sum(load: DayLoad, event: Event) -> int:
    return sum(load[i] or 0 for i in range(event.first, event.last))


def _adjust(
    loads: Loads, event: Event, rule: Rule, chosen: Sequence[date], plain: Sequence[Fraction]
) -> tuple[Fraction, Fraction]:
    """The adjustment as measured and as applied. Where it cannot be measured (no window, a gap in it on the event day,
    a baseline not above zero there) it is neutral."""
    ratio = rule.adjustment is Adjustment.MULTIPLICATIVE
    neutral = Fraction(1) if ratio else Fraction(0)
    window = adjustment_window(event, rule)
    today = loads.get(event.day, ())
    actual = [today[i] if i < len(today) else None for i in window]
    present = [value for value in actual if value is not None]
    if not window or len(present) != len(actual):
        return neutral, neutral
    before = Fraction(sum(mean_of_days(loads, chosen, window.start, window.stop)), len(window))
    level = Fraction(sum(present), len(window))
    if ratio:
        measured = level / before if before > 0 else neutral
        return measured, _clip(measured, 1 - rule.cap, 1 + rule.cap)
    limit = rule.cap * abs(Fraction(sum(plain), len(plain)))
    return level - before, _clip(level - before, -limit, limit)


def _clip(value: Fraction, low: Fraction, high: Fraction) -> Fraction:
    return max(low, min(high, value))
