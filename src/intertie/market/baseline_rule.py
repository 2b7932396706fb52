"""The parameters of a Baseline Type I (NAESB WEQ-015), and which days of a calendar it looks at: nothing about loads."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from intertie.model.errors import IntertieError

MINUTES = 24 * 60


class NoBaseline(IntertieError):
    """The rule finds too few days, or the event day itself cannot be used."""


class DayType(StrEnum):
    """Days are compared with days of their own type. A holiday counts as weekend, and serves as example for none."""

    WEEKDAY = "weekday"
    WEEKEND = "weekend"
    SATURDAY = "saturday"
    SUNDAY = "sunday"
    ANY = "any"


class DayTypes(StrEnum):
    """Which types a rule tells apart: weekdays from weekends; Saturdays from Sundays too; or none."""

    WEEKENDS = "weekends"
    EACH_WEEKEND_DAY = "each_weekend_day"
    ALL_ALIKE = "all_alike"


class Adjustment(StrEnum):
    """How the baseline is moved to the level of the event day."""

    MULTIPLICATIVE = "multiplicative"
    ADDITIVE = "additive"
    NONE = "none"


class Side(StrEnum):
    """Which way an adjustment may move the baseline."""

    BOTH = "both"
    UP = "up"
    DOWN = "down"


class Reason(StrEnum):
    """Why a day of the right type was passed over."""

    EVENT_DAY = "event_day"
    OUTAGE_DAY = "outage_day"
    HOLIDAY = "holiday"
    TOO_NEAR = "too_near"
    NO_READINGS = "no_readings"
    CLOCK_CHANGE = "clock_change"
    QUALITY = "quality"
    LOW_USAGE = "low_usage"
    NOT_AMONG_HIGHEST = "not_among_highest"


class Pick(NamedTuple):
    """How many days: the mean is of `highest`, after `drop_highest`, of the `of` most recent ones, `drop_lowest` left out."""

    highest: int
    of: int
    minimum_days: int
    drop_highest: int = 0
    drop_lowest: int = 0


class Rule(NamedTuple):
    """The parameters that a confirmation fixes. Shares are fractions of one; `cap` None: no cap."""

    highest: int = 5
    of: int = 10
    minimum_days: int = 10
    look_back_days: int = 45
    low_usage: Fraction = Fraction(1, 4)
    adjustment: Adjustment = Adjustment.MULTIPLICATIVE
    cap: Fraction | None = Fraction(1, 5)
    adjust_minutes_before: int = 240
    adjust_minutes: int = 120
    holidays: frozenset[date] = frozenset()
    side: Side = Side.BOTH
    drop_highest: int = 0
    drop_lowest: int = 0
    weekend: Pick | None = None  # on days that are no weekdays, in the place of the numbers above
    day_types: DayTypes = DayTypes.WEEKENDS
    days_apart: int = 1  # a day nearer to the event than this is passed over; 1: the day before may be used
    clock_change_days: bool = False  # whether a day on which the clock turns may be used
    refused_quality: frozenset[int] = (
        frozenset()
    )  # ESPI codes: a day with one in the hours that count is not used

    def text(self) -> str:
        """One sentence, for statements and screens."""
        middle = f", without the {self.drop_highest} highest" if self.drop_highest else ""
        days = f"high {self.highest} of {self.of} days{middle} of the same type within {self.look_back_days} days"
        if self.adjustment is Adjustment.NONE:
            return f"{days}, no adjustment"
        ends = self.adjust_minutes_before - self.adjust_minutes
        window = f"{self.adjust_minutes_before} to {ends} minutes before the event"
        most = "no cap" if self.cap is None else f"at most ±{float(self.cap * 100):g} %"
        only = "" if self.side is Side.BOTH else f", {self.side} only"
        return f"{days}, {self.adjustment} adjustment over {window}, {most}{only}"

    def pick(self, day: date) -> Pick:
        """How many days an event on this day is compared with."""
        if self.weekend is not None and day_type(day, self.holidays, self.day_types) not in (
            DayType.WEEKDAY,
            DayType.ANY,
        ):
            return self.weekend
        return Pick(self.highest, self.of, self.minimum_days, self.drop_highest, self.drop_lowest)


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


class Candidate(NamedTuple):
    """A day of the event's type; `barred` if no meter can use it."""

    day: date
    barred: Reason | None = None


def day_type(day: date, holidays: frozenset[date], types: DayTypes = DayTypes.WEEKENDS) -> DayType:
    """The type of a day; a holiday is like a Sunday."""
    if types is DayTypes.ALL_ALIKE:
        return DayType.ANY
    if day in holidays or day.weekday() >= 5:
        if types is DayTypes.WEEKENDS:
            return DayType.WEEKEND
        return DayType.SATURDAY if day.weekday() == 5 and day not in holidays else DayType.SUNDAY
    return DayType.WEEKDAY


def candidates(
    day: date, rule: Rule, not_usable: Mapping[date, Reason], clock_changes: Collection[date] = ()
) -> tuple[Candidate, ...]:
    """Days of the event's type from the day before it back to the end of the look-back, latest first.

    Holidays are handed on whatever their weekday, so that a passed-over one is listed.
    """
    wanted = day_type(day, rule.holidays, rule.day_types)
    found = []
    for back in range(1, rule.look_back_days + 1):
        one = day - timedelta(days=back)
        if day_type(one, frozenset(), rule.day_types) is not wanted:
            continue
        barred = not_usable.get(one)
        if barred is None and one in rule.holidays:
            barred = Reason.HOLIDAY
        if barred is None and back < rule.days_apart:
            barred = Reason.TOO_NEAR
        if barred is None and one in clock_changes and not rule.clock_change_days:
            barred = Reason.CLOCK_CHANGE
        found.append(Candidate(one, barred))
    return tuple(found)


def adjustment_window(event: Event, rule: Rule) -> range:
    """The intervals whose level moves the baseline; empty if there is no adjustment or it would begin before midnight."""
    first = event.first - rule.adjust_minutes_before // event.step_minutes
    if rule.adjustment is Adjustment.NONE or first < 0:
        return range(0)
    return range(first, first + rule.adjust_minutes // event.step_minutes)


def check(event: Event, rule: Rule) -> None:
    """Raises NoBaseline for an event without intervals, and for numbers that are no rule."""
    if not 0 <= event.first < event.last:
        raise NoBaseline(
            f"the event of {event.day} has no intervals", do="Give its window in whole intervals."
        )
    pick = rule.pick(event.day)
    kept = pick.of - pick.drop_highest - pick.drop_lowest
    fewest = pick.minimum_days - pick.drop_highest - pick.drop_lowest
    # the mean of all that are found needs no choice among them (10 in 10, at least 5)
    short = pick.highest > fewest and pick.highest < kept
    if not 1 <= pick.highest <= kept or (short if not pick.drop_highest else fewest < 1):
        raise NoBaseline(
            f"high {pick.highest} of {pick.of} with at least {pick.minimum_days} days is no rule"
        )
