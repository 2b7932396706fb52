"""Cases of readings that come with one thing wrong, for vectors/readings/: `python vectors/make_readings.py --write` makes them
anew from this list. What to expect is written here by hand, not taken from the program."""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent / "readings"
ZONE = "America/New_York"
NOW = "2026-12-01T00:00:00Z"
HEAD = "meter,start,value,unit,quality,revision\n"
GAP = None


def hours(day: str, count: int = 24, meter: str = "M1", first: int = 0) -> list[str]:
    """Lines of an hour each, worth their own number."""
    return [f"{meter},{day}T{hour:02}:00,{hour}.5,kWh,validated,1" for hour in range(first, count)]


def day_of(count: int = 24) -> list[int]:
    """What such lines give, in watt-hours."""
    return [hour * 1000 + 500 for hour in range(count)]


def row(
    values: list[int | None], day: str = "2026-11-10", meter: str = "M1", revision: int = 1
) -> dict[str, object]:
    """A meter's day as it is kept."""
    return {"meter": meter, "channel": "import", "day": day, "revision": revision, "wh": values}


def plus(*lines: str) -> list[str]:
    """A good day, and lines after it: the first of them is line 26 of the file."""
    return [*hours("2026-11-10"), *lines]


GOOD = [row(day_of())]
CASES: list[tuple[str, str, list[str], dict[str, int], dict[str, str], list[dict[str, object]]]] = [
    ("good", "a day of hours", plus(), {}, {}, GOOD),
    (
        "duplicate",
        "the same line twice",
        plus("M1,2026-11-10T05:00,5.5,kWh,validated,1"),
        {"duplicate": 1, "out_of_order": 1},
        {"26": "duplicate"},
        GOOD,
    ),
    (
        "overlapping",
        "another value for the same hour",
        plus("M1,2026-11-10T05:00,7.5,kWh,validated,1"),
        {"overlapping": 1, "out_of_order": 1},
        {"26": "overlapping"},
        GOOD,
    ),
    (
        "missing",
        "two hours without a line",
        [*hours("2026-11-10", 10), *hours("2026-11-10", first=12)],
        {"missing": 2},
        {},
        [row([*day_of(10), GAP, GAP, *day_of()[12:]])],
    ),
    (
        "empty-value",
        "an hour with a line and no value",
        [*hours("2026-11-10", 23), "M1,2026-11-10T23:00,,kWh,validated,1"],
        {"missing": 1},
        {},
        [row([*day_of(23), GAP])],
    ),
    (
        "out-of-order",
        "the last hour stands first",
        [*hours("2026-11-10", first=23), *hours("2026-11-10", 23)],
        {"out_of_order": 23},
        {},
        GOOD,
    ),
    (
        "wrong-unit",
        "power in place of energy",
        plus("M1,2026-11-11T00:00,5.5,kW,validated,1"),
        {"wrong_unit": 1},
        {"26": "wrong_unit"},
        GOOD,
    ),
    (
        "wrong-zone",
        "an offset that New York never has in November",
        plus("M1,2026-11-11T00:00-06:00,5.5,kWh,validated,1"),
        {"wrong_zone": 1},
        {"26": "wrong_zone"},
        GOOD,
    ),
    (
        "nan",
        "no number",
        plus("M1,2026-11-11T00:00,NaN,kWh,validated,1"),
        {"not_a_number": 1},
        {"26": "not_a_number"},
        GOOD,
    ),
    (
        "exponent",
        "a number that a spreadsheet wrote",
        plus("M1,2026-11-11T00:00,1.2E+03,kWh,validated,1"),
        {"not_a_number": 1},
        {"26": "not_a_number"},
        GOOD,
    ),
    (
        "future",
        "an hour that has not ended",
        plus("M1,2026-11-30T18:30,5.5,kWh,validated,1", "M1,2026-11-30T19:00,5.5,kWh,validated,1"),
        {"clock": 1, "future": 1},
        {"26": "clock", "27": "future"},
        GOOD,
    ),
    (
        "foreign-meter",
        "a meter that is not in the list",
        plus("X9,2026-11-11T00:00,5.5,kWh,validated,1"),
        {"foreign_meter": 1},
        {"26": "foreign_meter"},
        GOOD,
    ),
    (
        "negative",
        "import below zero",
        plus("M1,2026-11-11T00:00,-0.001,kWh,validated,1"),
        {"negative": 1},
        {"26": "negative"},
        GOOD,
    ),
    (
        "too-fine",
        "a thousandth of a milliwatt-hour",
        plus("M1,2026-11-11T00:00,0.000000001,kWh,validated,1"),
        {"too_fine": 1},
        {"26": "too_fine"},
        GOOD,
    ),
    (
        "too-large",
        "beyond 48 bits",
        plus("M1,2026-11-11T00:00,99999999999,MWh,validated,1"),
        {"too_large": 1},
        {"26": "too_large"},
        GOOD,
    ),
    (
        "off-the-grid",
        "an hour that begins at ten past",
        plus("M1,2026-11-11T00:10,5.5,kWh,validated,1"),
        {"clock": 1},
        {"26": "clock"},
        GOOD,
    ),
    (
        "fields",
        "a line with two fields, and one with a stamp that is none",
        plus("M1,2026-11-11T00:00", "M1,yesterday,5.5,kWh,validated,1"),
        {"bad_line": 2},
        {"26": "bad_line", "27": "bad_line"},
        GOOD,
    ),
    (
        "day-of-23-hours",
        "the clock skips 02:00; a line that has it is refused",
        [*hours("2026-03-08")],
        {"day_of_23_hours": 1, "no_such_time": 1},
        {"4": "no_such_time"},
        [row([500, 1500, *day_of()[3:]], "2026-03-08")],
    ),
    (
        "day-of-25-hours",
        "01:00 comes twice: the second line of it is the second pass",
        [*hours("2026-11-01", 2), "M1,2026-11-01T01:00,9,kWh,validated,1", *hours("2026-11-01", first=2)],
        {"day_of_25_hours": 1},
        {},
        [row([500, 1500, 9000, *day_of()[2:]], "2026-11-01")],
    ),
    (
        "day-of-25-hours-once",
        "01:00 comes once on a day on which the clock shows it twice: the second pass is a gap",
        hours("2026-11-01"),
        {"day_of_25_hours": 1, "missing": 1},
        {},
        [row([500, 1500, GAP, *day_of()[2:]], "2026-11-01")],
    ),
    (
        "revision",
        "a corrected hour, as a revision of its own: both are kept",
        plus("M1,2026-11-10T05:00,6,kWh,verified,2"),
        {"missing": 23},
        {},
        [*GOOD, row([6000 if hour == 5 else GAP for hour in range(24)], revision=2)],
    ),
    (
        "watt-hours",
        "the same energy in three units",
        [
            "M1,2026-11-10T00:00,1500,Wh,validated,1",
            "M1,2026-11-10T01:00,1.5,kWh,validated,1",
            "M1,2026-11-10T02:00,0.0015,MWh,validated,1",
        ],
        {"missing": 21},
        {},
        [row([1500, 1500, 1500, *[GAP] * 21])],
    ),
]


def main() -> None:
    """Write every case as a file of its own."""
    HERE.mkdir(exist_ok=True)
    for name, about, lines, faults, refused, rows in CASES:
        case = {
            "name": name,
            "about": about,
            "zone": ZONE,
            "now": NOW,
            "minutes": 60,
            "meters": ["M1"],
            "csv": HEAD + "".join(f"{line}\n" for line in lines),
            "expect": {"faults": faults, "refused": refused, "rows": rows},
        }
        (HERE / f"{name}.json").write_text(json.dumps(case, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__" and "--write" in sys.argv:
    main()
