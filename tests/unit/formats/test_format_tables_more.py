"""Tables as spreadsheets write them, lists of meters, and the bounds of both; what is refused names its line."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intertie.formats import table_csv
from intertie.formats.der_csv import read_ders
from intertie.formats.meter_list import parse_meters
from intertie.formats.series_csv import read_series
from intertie.formats.table_csv import FIELD_MAX, rows_of
from intertie.model.aggregation import DERS_MAX
from intertie.model.errors import SettingsError
from intertie.model.interval import VALUE_MAX
from intertie.model.quantity import Unit

HEAD = "id,technology,nameplate_kw,feeder,point,meter,premises"
START = datetime(2026, 7, 1, 12, tzinfo=UTC)


def der(number: int) -> str:
    return f"D-{number},battery,10,F1,F1-T1,M-{number},P-{number}"


def why(do: object, *said: object, **more: object) -> str:
    assert callable(do)
    with pytest.raises(SettingsError) as caught:
        do(*said, **more)
    return str(caught.value)


# Tables

cells = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(str.strip)
FIELDS = ("one", "two", "three")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(cells, cells, cells), max_size=8), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_whatever_a_spreadsheet_writes_is_read(
    rows: list[tuple[str, str, str]], ending: str, mark: bool
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=ending)
    writer.writerows([FIELDS, *rows])
    raw = out.getvalue().encode("utf-8-sig" if mark else "utf-8")
    read = list(rows_of(raw, FIELDS[:2], FIELDS[2:]))
    assert [number for number, _ in read] == list(range(2, 2 + len(rows)))
    assert [tuple(fields[name] for name in FIELDS) for _, fields in read] == [
        tuple(cell.strip() for cell in row) for row in rows
    ]


def test_columns_come_in_any_order_and_may_be_left_out() -> None:
    read = list(rows_of(b" two , one\n 2 ,1\n,3\n", FIELDS[:2], FIELDS[2:]))
    assert read == [(2, {"two": "2", "one": "1"}), (3, {"one": "3"})]


def test_a_field_over_two_lines_counts_as_both() -> None:
    read = list(rows_of(b'one\n"a\nb"\nc\n', ("one",), ()))
    assert read == [(3, {"one": "a\nb"}), (4, {"one": "c"})]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "its header has no one"),
        (b"\n", "its header has no one"),
        (b"one,\n", "1 columns that are not known"),
        (b"one,One,ONE\n", "2 columns that are not known"),
        (b"one, one\n", "a column twice"),
        (b"one,two\n1\n", "line 2 has 1 fields, the header 2"),
        (b'one\n"a"b\n', "line 2 is not comma-separated"),
        (b"one\n\xc3\n", "not UTF-8 (byte 4)"),
        (b"one\n" + b"x" * 200_000, "line 2 is not comma-separated"),
    ],
)
def test_tables_that_are_none(raw: bytes, said: str) -> None:
    assert said in why(lambda: list(rows_of(raw, ("one",), ("two",))))


def test_a_field_of_the_largest_size() -> None:
    ((_, fields),) = rows_of(b"one\n" + b"x" * FIELD_MAX, ("one",), ())
    assert len(fields["one"]) == FIELD_MAX
    assert f"more than {FIELD_MAX}" in why(
        lambda: list(rows_of(b"one\n" + b"x" * (FIELD_MAX + 1), ("one",), ()))
    )


def test_a_table_of_the_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_csv, "BYTES_MAX", 9)
    assert len(list(rows_of(b"one\n1\n2\n\n", ("one",), ()))) == 2
    assert "more than 9 bytes" in why(lambda: list(rows_of(b"one\n1\n2\n\n\n", ("one",), ())))


# DERs


def test_as_many_ders_as_a_message_takes() -> None:
    lines = [der(number) for number in range(DERS_MAX + 1)]
    assert len(read_ders("\n".join([HEAD, *lines[:-1]]).encode())) == DERS_MAX
    assert f"has {DERS_MAX + 1} DERs, not 1 to {DERS_MAX}" in why(
        read_ders, "\n".join([HEAD, *lines]).encode()
    )


@pytest.mark.parametrize(
    ("columns", "values", "said"),
    [
        ("programme", "ISO-DR", "line 2"),
        ("programme_kw", "3", "line 2"),
        ("programme_from", "2026-06-01T00:00:00Z", "line 2"),
        ("control_modes", "charge fly", "line 2"),
        ("max_charge_kw", "-1", "line 2: max_charge_kw"),
        ("normal_category", "C", "line 2"),
        ("nameplate_kwh", "1E+30", "line 2: nameplate_kwh"),
        ("nameplate_kva", "Infinity", "line 2: nameplate_kva"),
    ],
)
def test_a_der_that_is_none(columns: str, values: str, said: str) -> None:
    assert said in why(read_ders, f"{HEAD},{columns}\n{der(1)},{values}\n".encode())


def test_a_programme_that_ends_before_it_begins() -> None:
    names = "programme,programme_operator,programme_from,programme_until,programme_kw"
    times = ["2026-06-01T00:00:00Z", "2026-10-01T00:00:00Z"]
    for begin, end, good in ((*times, True), (*reversed(times), False), (times[0], times[0], False)):
        raw = f"{HEAD},{names}\n{der(1)},ISO-DR,iso,{begin},{end},3\n".encode()
        if good:
            assert read_ders(raw)[0].other_programmes[0].programme == "ISO-DR"
        else:
            assert "a window ends after it starts" in why(read_ders, raw)


# Series


def series(*values: str, first: datetime = START, seconds: int = 900) -> bytes:
    lines = [
        f"{(first + timedelta(seconds=seconds * n)).isoformat()},{value}" for n, value in enumerate(values)
    ]
    return "\n".join(["start,up_kw", *lines]).encode()


def kw_of(raw: bytes) -> tuple[int | None, ...]:
    return read_series(raw, {"up_kw": Unit.KW}, {})["up_kw"].values


@pytest.mark.parametrize(
    "value", ["1E+30", "Infinity", "-Infinity", "NaN", "sNaN", "1E+999999", "1E-999999", "1000000000001"]
)
def test_numbers_of_no_size_that_power_has_are_refused_with_their_line(value: str) -> None:
    assert "the table cannot be read: line 3: values" in why(kw_of, series("1", value))


def test_the_largest_power() -> None:
    largest = Decimal(VALUE_MAX - 1) / 1000
    assert kw_of(series(str(largest), f"-{largest}")) == (VALUE_MAX - 1, 1 - VALUE_MAX)
    assert "beyond 48 bits" in why(kw_of, series(str(largest + Decimal("0.001")), "1"))


def test_gaps_alone_are_a_series_of_gaps() -> None:
    raw = series("1,", "2,").replace(b"up_kw", b"up_kw,down_kw")
    found = read_series(raw, {"up_kw": Unit.KW}, {"down_kw": Unit.KW})
    assert set(found) == {"up_kw"}  # a column in which nothing stands is left out, unless it is needed
    needed = read_series(raw, {"up_kw": Unit.KW, "down_kw": Unit.KW}, {})["down_kw"]
    assert needed.values == (None, None) and needed.end == START + timedelta(minutes=30)


def test_steps_are_of_time_and_not_of_the_clock() -> None:
    """Over the change of the clock lines follow each other by their offsets."""
    stamps = ["2026-11-01T01:00:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T02:00:00-05:00"]
    raw = "\n".join(["start,up_kw", *(f"{at},{n}" for n, at in enumerate(stamps))])
    found = read_series(raw.encode(), {"up_kw": Unit.KW}, {})["up_kw"]
    assert found.step_seconds == 3600 and found.end == datetime(2026, 11, 1, 8, tzinfo=UTC)
    wrong = raw.replace("02:00:00-05:00", "02:00:00-04:00")
    assert "interval 3 does not follow" in why(read_series, wrong.encode(), {"up_kw": Unit.KW}, {})


def test_lines_that_go_back_in_time() -> None:
    assert "step_seconds" in why(kw_of, series("1", "2", seconds=-900))
    assert "start: not in the years" in why(kw_of, series("1", "2", first=datetime(1899, 1, 1, tzinfo=UTC)))


# Lists of meters

names = st.text("ABCM0123456789-", min_size=1, max_size=12)
plates = st.one_of(st.none(), st.decimals("0.001", 10**6, places=3))


@given(st.dictionaries(names, plates, max_size=12), st.booleans(), st.booleans())
def test_any_list_of_meters_is_read(meters: dict[str, Decimal | None], mark: bool, blank: bool) -> None:
    lines = [f"{meter}, {'' if kw is None else kw}" for meter, kw in meters.items()]
    text = ("\n ,\n\n" if blank else "\n").join(["meter, nameplate_kw", *lines])
    read = parse_meters(("\ufeff" if mark else "") + text, "f")
    assert read == {meter: None if kw is None else Fraction(kw) for meter, kw in meters.items()}
    assert list(read) == list(meters)


@pytest.mark.parametrize("kw", ["0", "-1", "x", "nan", "inf", "1/2", "1E+999999999", "1E-400", "1E13"])
def test_a_nameplate_is_a_number_of_kilowatts_above_zero(kw: str) -> None:
    assert "f, line 3: no meter" in why(parse_meters, f"meter,nameplate_kw\nM1,7\nM2,{kw}\n", "f")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("meter,meter\n", "its first line is not"),
        ("nameplate_kw,meter\n", "its first line is not"),
        ("meter,nameplate_kw,colour\n", "its first line is not"),
        ("Meter\nM1\n", "its first line is not"),
        ("\nmeter\n", "its first line is not"),
        ("meter\nM1,5\n", "line 2: more fields"),
        ("meter,nameplate_kw\nM1,5,\n", "line 2: more fields"),
        ("meter,nameplate_kw\n,5\n", "line 2: no meter"),
        ("meter\nM1\n\n M1 \n", "line 4: no meter, one that stands there before"),
        ("meter\n" + "x" * 200_000, "line 2: not comma-separated"),
    ],
)
def test_lists_of_meters_that_are_none(text: str, said: str) -> None:
    assert f"f{':' if 'first' in said else ','} {said}" in why(parse_meters, text, "f")


def test_a_list_of_no_meters_is_one() -> None:
    assert parse_meters("meter\n", "f") == {} == parse_meters("meter,nameplate_kw", "f")
