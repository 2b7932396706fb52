"""Readings that come with one thing wrong: each is named and counted, and what cannot be used is there with its line."""

from __future__ import annotations

import io
import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from intertie.formats.reading_table import Origin
from intertie.formats.readings_csv import CsvRules, read_csv

FOLDER = Path(__file__).parents[2] / "vectors" / "readings"
CASES = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]


def judge(case: dict[str, Any]) -> dict[str, Any]:
    """What the program says of a case, in the form of `expect`."""
    now = datetime.fromisoformat(case["now"])
    rules = CsvRules(case["zone"], now, set(case["meters"]).__contains__, case["minutes"])
    raw = case["csv"].encode()
    with read_csv(io.BytesIO(raw), len(raw), rules, Origin("u.example", now, "file")) as read:
        rows = [row for table in read.tables for row in table.to_pylist()]
        findings = list(read.findings())
    faults: Counter[str] = Counter()
    for one in findings:
        faults[one.fault.value] += one.count
        assert one.kept is (one.line is None), one
    return {
        "faults": dict(faults),
        "refused": {str(one.line): one.fault.value for one in findings if not one.kept},
        "rows": [
            {
                "meter": row["meter"],
                "channel": row["channel"],
                "day": row["day"].isoformat(),
                "revision": row["revision"],
                "wh": watt_hours(row),
            }
            for row in rows
        ],
    }


def watt_hours(row: dict[str, Any]) -> list[int | None]:
    """Exactly: a value that is no whole number of watt-hours fails."""
    unit = 10 ** (-3 - row["power_of_ten"])
    assert all(value is None or value % unit == 0 for value in row["values"])
    return [None if value is None else value // unit for value in row["values"]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_each_case(case: dict[str, Any]) -> None:
    assert judge(case) == case["expect"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_nothing_is_lost(case: dict[str, Any]) -> None:
    """Every line is a reading, a stated gap, or refused with its line."""
    lines = case["csv"].splitlines()[1:]
    found = judge(case)
    kept = sum(value is not None for row in found["rows"] for value in row["wh"])
    gaps = sum(",," in line for line in lines)
    assert kept + gaps + len(found["refused"]) == len(lines)


def test_the_cases_are_those_of_the_list() -> None:
    names = {case["name"] for case in CASES}
    asked = {"overlapping", "missing", "duplicate", "out-of-order", "wrong-unit", "wrong-zone", "nan"}
    assert asked | {"day-of-23-hours", "day-of-25-hours", "future", "foreign-meter"} <= names
