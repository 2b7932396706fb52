"""Readings from CSV: each way in which a line cannot be used, the days on which the clock changes, and the bounds of numbers."""

from __future__ import annotations

import io
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intertie.formats import readings_csv
from intertie.formats.csv_days import LINE, days_of
from intertie.formats.csv_lines import Known
from intertie.formats.reading_documents import documents_of
from intertie.formats.reading_table import SCHEMA, Origin, bucket_of
from intertie.formats.readings_csv import BadCsv, CsvRules, read_csv
from intertie.market.reading_days import Fault, Finding
from intertie.model.interval import VALUE_MAX
from intertie.model.metering import ESPI_QUALITY, Quality

ZONE = "America/New_York"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
ORIGIN = Origin("u.example", NOW, "file")
AT = "2026-11-10T00:00"


def read(
    text: str, zone: str = ZONE, minutes: int = 60, quality: str = "raw"
) -> tuple[list[dict[str, Any]], list[Finding]]:
    raw = text.encode()
    rules = CsvRules(zone, NOW, lambda meter: meter.startswith("M"), minutes, quality)
    with read_csv(io.BytesIO(raw), len(raw), rules, ORIGIN) as found:
        rows = [row for table in found.tables for row in table.to_pylist()]
        return sorted(rows, key=lambda row: (row["meter"], row["day"], row["channel"])), list(
            found.findings()
        )


def refusals(text: str, **rules: Any) -> list[tuple[Fault, int | None]]:
    return [(one.fault, one.line) for one in read(text, **rules)[1] if not one.kept]


def kept(text: str, **rules: Any) -> Counter[Fault]:
    counts: Counter[Fault] = Counter()
    for one in read(text, **rules)[1]:
        if one.kept:
            counts[one.fault] += one.count
    return counts


def one_line(fields: str, value: str) -> str:
    return f"meter,start,value,{fields}\nM1,{AT},{value}\n"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("x", Fault.NOT_A_NUMBER),
        ("1e3", Fault.NOT_A_NUMBER),
        ("1,000", Fault.BAD_LINE),
        ("1.", Fault.NOT_A_NUMBER),
        (".5", Fault.NOT_A_NUMBER),
        ("nan", Fault.NOT_A_NUMBER),
        ("--1", Fault.NOT_A_NUMBER),
        ("٣", Fault.NOT_A_NUMBER),
        ("-0.001", Fault.NEGATIVE),
        ("0.0000001", Fault.TOO_FINE),
        ("1.1234567", Fault.TOO_FINE),
        ("10000000000", Fault.TOO_LARGE),
        ("-10000000000.5", Fault.TOO_LARGE),
        ("140737489", Fault.TOO_LARGE),
    ],
)
def test_values_that_cannot_be(value: str, fault: Fault) -> None:
    text = f"meter,start,value\nM1,{AT},{value}\n"
    assert refusals(text) == [(fault, 2)] and read(text)[0] == []


@pytest.mark.parametrize(
    ("value", "unit", "kwh"),
    [
        ("1", "kWh", Fraction(1)),
        ("+1.5", "KWH", Fraction(3, 2)),
        (" 7 ", " kWh ", Fraction(7)),
        ("1500", "Wh", Fraction(3, 2)),
        ("0.001", "wh", Fraction(1, 10**6)),
        ("0.0015", "MWh", Fraction(3, 2)),
        ("0.000000001", "mwh", Fraction(1, 10**6)),
        ("-0", "kWh", Fraction(0)),
        ("0.100000000", "kWh", Fraction(1, 10)),
    ],
)
def test_units_are_exact(value: str, unit: str, kwh: Fraction) -> None:
    (row,), _ = read(one_line("unit", f"{value},{unit}"))
    assert row["values"][0] * Fraction(10) ** row["power_of_ten"] == kwh
    assert row["values"][1:] == [None] * 23


@pytest.mark.parametrize("unit", ["kW", "GWh", "therm", "", "kvarh"])
def test_units_that_are_none(unit: str) -> None:
    assert refusals(one_line("unit", f"1,{unit}")) == [(Fault.WRONG_UNIT, 2)]


def test_a_value_that_is_too_fine_in_one_unit_is_exact_in_another() -> None:
    assert refusals(one_line("unit", "0.0001,Wh")) == [(Fault.TOO_FINE, 2)]
    assert refusals(one_line("unit", "0.0001,kWh")) == []


def test_the_largest_value_fits_beside_the_finest_of_its_day() -> None:
    """A day has one power of ten: what is stored must be a document again."""
    largest = Decimal(VALUE_MAX - 1) / 10**6
    text = f"meter,start,value\nM1,{AT},{largest}\nM1,2026-11-10T01:00,0.000001\n"
    raw = text.encode()
    rules = CsvRules(ZONE, NOW, lambda _: True, 60)
    with read_csv(io.BytesIO(raw), len(raw), rules, ORIGIN) as found:
        (body,) = documents_of(list(found.tables), ZONE)
    assert [value for one in body.meters for value in one.series.values if value] == [VALUE_MAX - 1, 1]
    assert refusals(f"meter,start,value\nM1,{AT},200000000\nM1,2026-11-10T01:00,0.000001\n") == [
        (Fault.TOO_LARGE, 2)
    ]


def test_only_a_difference_may_be_below_zero() -> None:
    text = f"meter,start,value,channel\nM1,{AT},-1,net\nM1,{AT},-1,export\nM1,{AT},-1, Import \n"
    assert refusals(text) == [(Fault.NEGATIVE, 3), (Fault.NEGATIVE, 4)]
    (row,) = read(text)[0]
    assert (row["channel"], row["values"][0]) == ("net", -1000)


@pytest.mark.parametrize("zone", [ZONE, "Europe/Amsterdam", "Pacific/Auckland", "UTC"])
@pytest.mark.parametrize("end", ["start", "end"])
@pytest.mark.parametrize(
    "stamp",
    [
        *("0001-01-01T00:00", "0001-01-01T00:00Z", "9999-12-31T23:00", "9999-12-31T23:00-05:00"),
        *("0000-01-01T00:00", "1900-12-31T23:00", "3000-01-01T00:00"),
    ],
)
def test_a_year_that_no_meter_has_is_one_bad_line(zone: str, end: str, stamp: str) -> None:
    text = f"meter,{end},value\nM1,{stamp},1\nM1,2026-11-10T05:00,1\n"
    rows, found = read(text, zone=zone)
    assert len(rows) == 1 and [(one.fault, one.line) for one in found if not one.kept] == [
        (Fault.BAD_LINE, 2)
    ]


@pytest.mark.parametrize(
    ("stamp", "fault"),
    [
        ("2026-03-08T02:00", Fault.NO_SUCH_TIME),
        ("2026-03-08T02:59:59", Fault.NO_SUCH_TIME),
        ("2026-11-10T00:30", Fault.CLOCK),
        ("2026-11-10T00:00:01", Fault.CLOCK),
        ("2026-11-10T00:00+01:00", Fault.WRONG_ZONE),
        ("2026-07-10T00:00-05:00", Fault.WRONG_ZONE),
        ("2026-11-10", Fault.BAD_LINE),
        ("10/11/2026 00:00", Fault.BAD_LINE),
        ("2026-11-31T00:00", Fault.BAD_LINE),
        ("2026-11-10T24:00", Fault.BAD_LINE),
        ("2026-11-10T00:00:00.5", Fault.BAD_LINE),
        ("20261110T0000", Fault.BAD_LINE),
        ("", Fault.BAD_LINE),
        ("2026-11-30T19:00", Fault.FUTURE),  # ends an hour after NOW
        ("2026-12-05T00:00Z", Fault.FUTURE),
    ],
)
def test_stamps_that_cannot_be(stamp: str, fault: Fault) -> None:
    assert refusals(f"meter,start,value\nM1,{stamp},1\n") == [(fault, 2)]


@pytest.mark.parametrize("stamp", ["2026-11-30T18:00", "2026-11-30 18:00:00", "2026-11-30T23:00Z"])
def test_what_has_just_ended_is_here(stamp: str) -> None:
    (row,), found = read(f"meter,start,value\nM1,{stamp},1\n")
    assert row["values"][18] == 1000 and [one.fault for one in found] == [Fault.MISSING]


def test_what_is_projected_may_lie_ahead() -> None:
    text = "meter,start,value,quality\nM1,2026-12-24T00:00,1,projected\nM1,2026-12-24T01:00,1,raw\n"
    assert refusals(text) == [(Fault.FUTURE, 3)]
    assert refusals("meter,start,value\nM1,2026-12-24T00:00,1\n", quality="Projected") == []


def test_the_hour_that_comes_twice_is_told_apart_by_its_order() -> None:
    text = "meter,start,value\n" + "".join(
        f"M1,2026-11-01T{hour},{n}\n" for n, hour in enumerate(("00:00", "01:00", "01:00", "02:00"), 1)
    )
    (row,), found = read(text)
    assert row["values"][:4] == [1000, 2000, 3000, 4000] and len(row["values"]) == 25
    assert {one.fault: one.count for one in found} == {Fault.LONG_DAY: 1, Fault.MISSING: 21}


def test_the_hour_that_comes_twice_comes_no_third_time() -> None:
    text = "meter,start,value\n" + "M1,2026-11-01T01:00,1\n" * 3
    (row,), _ = read(text)
    assert row["values"][:4] == [None, 1000, 1000, None]
    assert refusals(text) == [(Fault.DUPLICATE, 4)]
    other = "meter,start,value\n" + "".join(f"M1,2026-11-01T01:00,{value}\n" for value in (1, 2, 2))
    assert refusals(other) == [(Fault.OVERLAPPING, 4)]  # it is held against the first pass


def test_an_offset_says_which_pass_it_is() -> None:
    text = "meter,start,value\nM1,2026-11-01T01:00-05:00,5\nM1,2026-11-01T01:00-04:00,4\n"
    (row,), _ = read(text)
    assert row["values"][:4] == [None, 4000, 5000, None] and refusals(text) == []
    assert kept(text)[Fault.OUT_OF_ORDER] == 1


def test_the_day_without_two_o_clock_has_23_hours() -> None:
    text = "meter,start,value\nM1,2026-03-08T01:00,1\nM1,2026-03-08T03:00,3\n"
    (row,), _ = read(text)
    assert row["values"][:4] == [None, 1000, 3000, None] and len(row["values"]) == 23
    assert kept(text) == {Fault.SHORT_DAY: 1, Fault.MISSING: 21}


@pytest.mark.parametrize(("minutes", "count"), [(5, 288), (15, 96), (20, 72), (30, 48), (60, 24)])
def test_a_day_has_the_intervals_of_its_length(minutes: int, count: int) -> None:
    (row,), found = read(f"meter,start,value\nM1,{AT},1\n", minutes=minutes)
    assert len(row["values"]) == count and row["step_seconds"] == minutes * 60
    assert [(one.fault, one.count) for one in found] == [(Fault.MISSING, count - 1)]


def test_another_length_within_a_day_is_refused_and_on_the_next_day_is_not() -> None:
    lines = ["M1,2026-11-10T00:00,1,15", "M1,2026-11-10T01:00,1,60", "M1,2026-11-11T00:00,1,60"]
    text = "meter,start,value,minutes\n" + "\n".join(lines)
    assert refusals(text) == [(Fault.OVERLAPPING, 3)]
    assert [len(row["values"]) for row in read(text)[0]] == [96, 24]


@pytest.mark.parametrize(
    ("second", "fault"), [("1.000", Fault.DUPLICATE), ("2", Fault.OVERLAPPING), ("", Fault.OVERLAPPING)]
)
def test_the_first_line_of_a_time_counts(second: str, fault: Fault) -> None:
    text = f"meter,start,value\nM1,{AT},1\nM1,{AT},{second}\n"
    (row,), found = read(text)
    assert row["values"][0] == 1000 and refusals(text) == [(fault, 3)]
    (refused,) = [one for one in found if not one.kept]
    assert refused.refused.startswith("M1,import,2026-11-10,0,60,1,14,")


def test_nothing_is_not_zero() -> None:
    for one, other in (("0", ""), ("", "0")):
        assert refusals(f"meter,start,value\nM1,{AT},{one}\nM1,{AT},{other}\n") == [(Fault.OVERLAPPING, 3)]


def test_two_empty_lines_of_one_time_say_the_same() -> None:
    assert refusals(f"meter,start,value\nM1,{AT},\nM1,{AT}, \n") == [(Fault.DUPLICATE, 3)]


def test_channels_and_revisions_are_rows_of_their_own() -> None:
    lines = [f"M1,{AT},1,import,1", f"M1,{AT},2,export,1", f"M1,{AT},3,import,1000000"]
    rows, _ = read("meter,start,value,channel,revision\n" + "\n".join(lines))
    assert [(row["channel"], row["revision"], row["values"][0]) for row in rows] == [
        ("export", 1, 2000),
        ("import", 1, 1000),
        ("import", 1_000_000, 3000),
    ]
    assert refusals(one_line("revision", "1,1000001")) == [(Fault.BAD_LINE, 2)]


@pytest.mark.parametrize("meter", ["X1", "M 1", "M..1", "", "M1/../2", "-M1"])
def test_meters_that_are_not_known_or_no_names(meter: str) -> None:
    expected = Fault.FOREIGN_METER if meter == "X1" else Fault.BAD_LINE
    assert refusals(f"meter,start,value\n{meter},{AT},1\n") == [(expected, 2)]


@pytest.mark.parametrize("quality", list(Quality))
def test_every_quality_by_name_and_by_number(quality: Quality) -> None:
    number = ESPI_QUALITY[quality]
    for text in (quality.value, quality.value.upper(), str(number), f" {number} "):
        (row,), _ = read(one_line("quality", f"1,{text}"))
        assert row["quality"] == [number]


def test_meters_have_numbers_in_the_order_in_which_they_come() -> None:
    meters: list[str] = []
    known = Known(lambda meter: meter != "X", meters)
    assert [known(one) for one in ("B", "X", "A")] == [0, -1, 1] and meters == ["B", "A"]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"meter,start,value\nM1,\xff,1\n", "not a CSV"),
        (b"meter,start,value,value\nM1,2026-11-10T00:00,1,1\n", "first line"),
        (b"start,value\n2026-11-10T00:00,1\n", "first line"),
        (b"meter,value\nM1,1\n", "first line"),
    ],
)
def test_files_that_are_none(raw: bytes, why: str) -> None:
    rules = CsvRules(ZONE, NOW, lambda _: True)
    with pytest.raises(BadCsv, match=why), read_csv(io.BytesIO(raw), len(raw), rules, ORIGIN):
        pass


def test_a_header_alone_is_no_reading() -> None:
    assert read("meter,start,value\n") == ([], [])


def test_no_lines_are_no_days() -> None:
    found = days_of(np.zeros(0, LINE), [], ZONE, ORIGIN)
    assert (found.table.num_rows, found.refused, found.odd) == (0, [], [])
    assert found.table.schema == SCHEMA


def test_rows_say_where_they_come_from() -> None:
    (row,), _ = read(f"meter,start,value\nM1,{AT},1\n")
    assert (row["party"], row["source"], row["arrived"]) == ("u.example", "file", NOW)
    assert (row["bucket"], row["day"]) == (bucket_of("M1"), date(2026, 11, 10))


hours = st.lists(st.tuples(st.integers(0, 95), st.integers(0, 10**6)), max_size=40)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([date(2026, 3, 7), date(2026, 10, 31), date(2026, 6, 1)]), hours, st.randoms())
def test_the_order_of_lines_with_different_times_does_not_matter(
    first: date, lines: list[tuple[int, int]], dice: Any
) -> None:
    """Stamps with an offset say all: however they are shuffled, the days are the same."""
    start = datetime(first.year, first.month, first.day, 12, tzinfo=UTC)
    said = [
        f"M1,{(start + timedelta(hours=hour)).isoformat()},{value}" for hour, value in dict(lines).items()
    ]
    shuffled = list(said)
    dice.shuffle(shuffled)
    one, other = (read("meter,start,value\n" + "\n".join(text))[0] for text in (said, shuffled))
    assert one == other
    assert sum(value for row in one for value in row["values"] if value is not None) == 1000 * sum(
        dict(lines).values()
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-(10**14), 10**14), min_size=1, max_size=24))
def test_any_value_of_milliwatt_hours_is_kept_exactly(values: list[int]) -> None:
    lines = [f"M1,2026-11-10T{n:02}:00,{Decimal(value) / 10**6:f},net" for n, value in enumerate(values)]
    (row,), _ = read("meter,start,value,channel\n" + "\n".join(lines))
    unit = Fraction(10) ** (row["power_of_ten"] + 6)
    assert [value * unit for value in row["values"][: len(values)]] == values
    assert row["power_of_ten"] == (-3 if all(value % 1000 == 0 for value in values) else -6)


TEXT = st.text(st.characters(exclude_characters='\r\n,"', exclude_categories=("Cs",)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=6))
def test_no_text_does_more_than_be_refused(lines: list[tuple[str, str, str]]) -> None:
    text = "meter,start,value\n" + "".join(f"M{meter},{at},{value}\n" for meter, at, value in lines)
    rows, found = read(text)
    filled = sum(value is not None for row in rows for value in row["values"])
    assert filled + sum(not one.kept for one in found) == len(lines)


def test_lines_in_blocks_keep_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings_csv, "BLOCK_BYTES", 200)
    lines = [f"M{n % 7},2026-11-10T{n // 7:02}:00,{'x' if n % 50 == 3 else n}" for n in range(150)]
    found = refusals("meter,start,value\n" + "\n".join(lines))
    assert found == [(Fault.NOT_A_NUMBER, line) for line in (5, 55, 105)]
