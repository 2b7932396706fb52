"""Baselines as programmes name them, each a `Rule` with its numbers and what of them rests on memory, not on a text.

The programmes' manuals were not at hand. `unsure` names what has to be held against the manual before money rests on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from intertie.market.baseline_rule import Adjustment, DayTypes, Pick, Rule


class Preset(NamedTuple):
    """A rule with its name. Holidays are the deal's: `rule._replace(holidays=...)`."""

    title: str
    rule: Rule
    unsure: tuple[str, ...]


PRESETS: Mapping[str, Preset] = {
    "nyiso-high-5-of-10": Preset(
        "NYISO and Con Edison: average day, high 5 of 10",
        Rule(adjustment=Adjustment.NONE, days_apart=2, weekend=Pick(2, 3, 3)),
        ("day before the event passed over", "low usage under 25 %", "weekend 2 of 3", "45 days"),
    ),
    "nyiso-high-5-of-10-weather": Preset(
        "NYISO and Con Edison: high 5 of 10, weather-sensitive",
        Rule(days_apart=2, weekend=Pick(2, 3, 3)),
        (
            "window of two hours that begins four hours before",
            "cap 0.8 to 1.2",
            "day before the event passed over",
            "low usage under 25 %",
            "weekend 2 of 3",
            "45 days",
        ),
    ),
    "caiso-10-in-10": Preset(
        "CAISO: 10 in 10, at most 20 % up or down",
        Rule(
            highest=10,
            minimum_days=5,
            low_usage=Fraction(0),
            weekend=Pick(4, 4, 4),
            adjust_minutes_before=240,
            adjust_minutes=180,
        ),
        ("at least 5 days", "weekend 4 in 4", "window of three hours that ends one hour before", "45 days"),
    ),
    "iso-ne-10-of-10": Preset(
        "ISO New England: mean of 10, additive and symmetric",
        Rule(
            highest=10,
            low_usage=Fraction(0),
            adjustment=Adjustment.ADDITIVE,
            cap=None,
            weekend=Pick(5, 5, 5),
            day_types=DayTypes.EACH_WEEKEND_DAY,
            adjust_minutes_before=150,
            adjust_minutes=120,
        ),
        ("additive and symmetric", "no cap", "weekends 5 of 5", "window", "45 days"),
    ),
    "pjm-high-4-of-5-saa": Preset(
        "PJM: high 4 of 5 with symmetric additive adjustment",
        Rule(
            highest=4,
            of=5,
            minimum_days=5,
            adjustment=Adjustment.ADDITIVE,
            cap=None,
            weekend=Pick(2, 3, 3),
            day_types=DayTypes.EACH_WEEKEND_DAY,
            adjust_minutes_before=240,
            adjust_minutes=180,
        ),
        (
            "high 4 of 5",
            "window of three hours that ends one hour before",
            "weekend 2 of 3",
            "low usage under 25 %",
            "45 days",
        ),
    ),
    "ercot-middle-8-of-10": Preset(
        "ERCOT: middle 8 of 10",
        Rule(
            highest=8,
            drop_highest=1,
            drop_lowest=1,
            low_usage=Fraction(0),
            weekend=Pick(8, 10, 10, 1, 1),
            look_back_days=90,
            adjust_minutes_before=180,
            adjust_minutes=120,
        ),
        ("all numbers but 8 of 10", "multiplicative, at most 20 %"),
    ),
}
