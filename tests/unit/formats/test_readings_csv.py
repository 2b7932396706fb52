"""CSV of readings against a plain reader that goes line by line with decimals; and what the vectors do not have."""

from __future__ import annotations

import io
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from intertie.formats import readings_csv
from intertie.formats.meter_list import parse_meters
from intertie.formats.reading_documents import documents_of
from intertie.formats.reading_table import Origin, table_of
from intertie.formats.readings_csv import BadCsv, CsvRules, read_csv
from intertie.market.reading_days import KEPT, DayRow, Fault, Finding, intervals_of, split
from intertie.model.errors import SettingsError
from intertie.model.interval import local_day

ZONE = "America/New_York"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
ORIGIN = Origin("u.example", NOW, "file")


def read(text: str, minutes: int = 60, size: int | None = None) -> tuple[list[dict[str, Any]], list[Finding]]:
    raw = text.encode()
    rules = CsvRules(ZONE, NOW, lambda meter: meter.startswith("M"), minutes)
    with read_csv(io.BytesIO(raw), len(raw) if size is None else size, rules, ORIGIN) as found:
        rows = [row for table in found.tables for row in table.to_pylist()]
        return sorted(rows, key=lambda row: (row["meter"], row["day"])), list(found.findings())


def kwh(row: dict[str, Any]) -> list[Fraction | None]:
    unit = Fraction(10) ** row["power_of_ten"]
    return [None if value is None else value * unit for value in row["values"]]


def plainly(lines: list[tuple[str, datetime, str]]) -> dict[tuple[str, date], list[Fraction | None]]:
    """Days of meters, the first line of each time."""
    found: dict[tuple[str, date], list[Fraction | None]] = {}
    for meter, at, text in lines:
        day = at.astimezone(ZoneInfo(ZONE)).date()
        values = found.setdefault((meter, day), [None] * intervals_of(day, ZONE, 3600))
        place = int((at - local_day(day, ZONE).start).total_seconds()) // 3600
        if values[place] is None:
            values[place] = Fraction(Decimal(text))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_as_line_by_line(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In any order, with repeats, over a change of the clock, in blocks and parts of any size."""
    dice = random.Random(seed)
    start = local_day(dice.choice((date(2026, 3, 7), date(2026, 10, 31), date(2026, 6, 1))), ZONE).start
    lines = [
        (f"M{dice.randrange(9)}", start + timedelta(hours=dice.randrange(72)), f"{dice.randrange(10**7)}e-6")
        for _ in range(300)
    ]
    lines = [(meter, at, f"{Decimal(text):f}") for meter, at, text in lines]
    monkeypatch.setattr(readings_csv, "BLOCK_BYTES", dice.choice((600, 4000, 10**6)))
    local = dice.choice((UTC, ZoneInfo(ZONE)))
    text = "".join(f"{meter},{at.astimezone(local).isoformat()},{value}\n" for meter, at, value in lines)
    rows, found = read(f"meter,start,value\n{text}", size=dice.choice((0, 10**8)))
    assert {(row["meter"], row["day"]): kwh(row) for row in rows} == plainly(lines)
    refused = [one for one in found if not one.kept]
    assert {one.fault for one in refused} <= {Fault.DUPLICATE, Fault.OVERLAPPING}
    kept = sum(value is not None for row in rows for value in row["values"])
    assert kept + len(refused) == len(lines)
    for one in refused:
        assert one.line is not None and lines[one.line - 2][0] == one.meter


def test_stamps_of_ends() -> None:
    text = "".join(f"M1,{hour}.5,2026-11-10T{hour:02}:00\n" for hour in range(1, 24))
    rows, found = read(f"meter,value,end\n{text}M1,24.5,2026-11-11T00:00\n")
    assert [row["day"] for row in rows] == [date(2026, 11, 10)] and found == []
    assert kwh(rows[0]) == [Fraction(hour) + Fraction(1, 2) for hour in range(1, 25)]


def test_energy_that_needs_milliwatt_hours_keeps_them() -> None:
    (row,), _ = read("meter,start,value\nM1,2026-11-10T00:00,0.000001\nM1,2026-11-10T01:00,1\n")
    assert row["power_of_ten"] == -6 and row["values"][:2] == [1, 1_000_000]


def test_qualities_of_each_and_of_all() -> None:
    lines = ["M1,2026-11-10T00:00,1,validated", "M1,2026-11-10T02:00,1,8", "M2,2026-11-10T00:00,1,raw"]
    (one, other), _ = read("meter,start,value,quality\n" + "\n".join(lines))
    assert (one["quality"][0], one["quality"][2], len(one["quality"])) == (17, 8, 24)
    assert other["quality"] == [14]


def test_lines_are_numbered_with_those_that_cannot_be_split() -> None:
    good = "M1,2026-11-10T00:00,1"
    _, found = read(f"meter,start,value\nM1\n{good}\nM1,2,3,4\nM1,never,1\n{good}\nM1,2026-11-10T05:00,x\n")
    named = {one.line: one.fault for one in found if not one.kept}
    assert named == {
        2: Fault.BAD_LINE,
        4: Fault.BAD_LINE,
        5: Fault.BAD_LINE,
        6: Fault.DUPLICATE,
        7: Fault.NOT_A_NUMBER,
    }


@pytest.mark.parametrize(
    "field", ["channel,up", "quality,fine", "quality,3", "revision,0", "revision,x", "minutes,7", "minutes,0"]
)
def test_fields_that_mean_nothing(field: str) -> None:
    name, value = field.split(",")
    rows, found = read(f"meter,start,value,{name}\nM1,2026-11-10T00:00,1,{value}\n")
    assert rows == [] and [(one.fault, one.line) for one in found] == [(Fault.BAD_LINE, 2)]


@pytest.mark.parametrize("head", ["meter,start", "meter,start,end,value", "meter,start,value,colour", ""])
def test_headers_that_are_none(head: str) -> None:
    with pytest.raises(BadCsv):
        read(f"{head}\nM1,2026-11-10T00:00,1,2\n" if head else "")


def test_rows_as_documents_say_the_same() -> None:
    day = date(2026, 11, 1)
    values = [None, *range(1, 24), None]
    rows = [
        DayRow("M1", "import", day, 2, 3600, -3, values, [17] * 24 + [8]),
        DayRow("M2", "net", day, 1, 3600, -6, [-5] * 25, [14]),
    ]
    (body,) = documents_of([table_of(rows, ORIGIN)], ZONE)
    again, found = split(body.meters, ZONE, NOW, lambda _: True)
    for row, was in zip(again, rows, strict=True):
        assert list(row.values) == list(was.values) and row.revision == was.revision
        assert (row.channel, row.power_of_ten) == (was.channel, was.power_of_ten)
    assert {one.fault for one in found} <= KEPT


def test_the_list_of_meters() -> None:
    assert parse_meters("meter,nameplate_kw\nM1,7.5\n\nM2,\n", "f") == {"M1": Fraction(15, 2), "M2": None}
    assert parse_meters("meter\nM1\n", "f") == {"M1": None}
    for wrong in (
        "",
        "id\nM1\n",
        "meter,nameplate_kw\nM1,x\n",
        "meter\nM1\nM1\n",
        "meter,nameplate_kw\nM1,-2\n",
    ):
        with pytest.raises(SettingsError):
            parse_meters(wrong, "f")
