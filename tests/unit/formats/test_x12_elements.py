"""Single elements against their type and bounds, and columns of them against what is said of each alone."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.formats.x12.elements import column_is_good, is_date, is_time, why_not
from intertie.formats.x12.findings import X12Code
from intertie.formats.x12.layout import Element

TEXT = Element("name", "AN", 2, 5)
REAL = Element("amount", "R", 1, 4)
WHOLE = Element("count", "N0", 1, 4)
CODE = Element("unit", "ID", 2, 2, codes=frozenset({"KH", "K1"}))
DAY = Element("day", "DT", 8, 8)
CLOCK = Element("clock", "TM", 4, 8)
FIXED = Element(constant="EL", codes=frozenset({"EL", "GAS"}))
JOINED = Element("parts", "CO", 1, 10)
ALL = [TEXT, REAL, WHOLE, CODE, DAY, CLOCK, FIXED, JOINED]


@pytest.mark.parametrize(
    ("element", "value"),
    [
        (TEXT, "ab"),
        (TEXT, "abcde"),
        (REAL, "1"),
        (REAL, "-1.5"),
        (REAL, ".5"),
        (REAL, "5."),
        (REAL, "-123.4"),
        (WHOLE, "-1234"),
        (WHOLE, "0"),
        (CODE, "KH"),
        (CODE, "K1"),
        (DAY, "20240229"),
        (CLOCK, "2359"),
        (CLOCK, "235959"),
        (CLOCK, "2400"),
        (FIXED, "EL"),
        (FIXED, "GAS"),
        (JOINED, "a>b"),
    ],
)
def test_what_an_element_takes(element: Element, value: str) -> None:
    assert why_not(element, value, ">") is None


@pytest.mark.parametrize(
    ("element", "value", "code"),
    [
        (TEXT, "a", X12Code.ELEMENT_TOO_SHORT),
        (TEXT, "abcdef", X12Code.ELEMENT_TOO_LONG),
        (TEXT, "a>b", X12Code.COMPONENT),
        (REAL, "12345", X12Code.ELEMENT_TOO_LONG),
        (REAL, "-1234.5", X12Code.ELEMENT_TOO_LONG),
        (REAL, "1e3", X12Code.ELEMENT_NUMBER),
        (REAL, ".", X12Code.ELEMENT_NUMBER),
        (REAL, "-", X12Code.ELEMENT_NUMBER),
        (REAL, "+1", X12Code.ELEMENT_NUMBER),
        (REAL, "1,5", X12Code.ELEMENT_NUMBER),
        (REAL, "\u0663", X12Code.ELEMENT_NUMBER),
        (WHOLE, "1.0", X12Code.ELEMENT_NUMBER),
        (WHOLE, "12345", X12Code.ELEMENT_TOO_LONG),
        (WHOLE, "1>2", X12Code.COMPONENT),
        (CODE, "KW", X12Code.ELEMENT_CODE),
        (CODE, "kh", X12Code.ELEMENT_CODE),
        (CODE, "K", X12Code.ELEMENT_TOO_SHORT),
        (DAY, "20230229", X12Code.ELEMENT_DATE),
        (DAY, "20231301", X12Code.ELEMENT_DATE),
        (DAY, "2023010", X12Code.ELEMENT_TOO_SHORT),
        (CLOCK, "2401", X12Code.ELEMENT_TIME),
        (CLOCK, "2360", X12Code.ELEMENT_TIME),
        (CLOCK, "235960", X12Code.ELEMENT_TIME),
        (CLOCK, "12345", X12Code.ELEMENT_TIME),
        (FIXED, "WATER", X12Code.ELEMENT_CODE),
        (JOINED, "abcdefghijk", X12Code.ELEMENT_TOO_LONG),
    ],
)
def test_what_is_wrong_with_an_element(element: Element, value: str, code: X12Code) -> None:
    assert why_not(element, value, ">") is code


@given(st.dates())
def test_every_day_of_the_calendar_is_a_date(day: date) -> None:
    assert is_date(day.isoformat().replace("-", ""))


@pytest.mark.parametrize("text", ["", "00000101", "20240431", "2024-1-1", "\u0662\u0660240101", "202401011"])
def test_what_is_no_date(text: str) -> None:
    assert not is_date(text)


@given(st.integers(0, 9999))
def test_four_digits_are_a_time_if_a_clock_shows_them(number: int) -> None:
    hour, minute = divmod(number, 100)
    shown = (hour < 24 and minute < 60) or number == 2400
    assert is_time(f"{number:04}") is shown


@pytest.mark.parametrize("text", ["", "240001", "2400001", "123", "12:30", "\u0661200"])
def test_what_is_no_time(text: str) -> None:
    assert not is_time(text)


WORDS = "a ab abcdefghijkl a>b 1 -12 1.5 1,2 12345 KH K1 20240229 20230229 2400 2401 EL GAS"
VALUES = st.sampled_from(["", *WORDS.split()])


@given(st.sampled_from(ALL), st.lists(VALUES, min_size=1, max_size=6))
def test_a_good_column_holds_no_bad_value(element: Element, column: list[str]) -> None:
    if column_is_good(element, column, ">"):
        assert all(why_not(element, value, ">") is None for value in column if value)


@pytest.mark.parametrize(
    ("element", "column"),
    [
        (TEXT, ["ab", "abcde", ""]),
        (REAL, ["1", "-1.5", "0.5"]),
        (WHOLE, ["1", "-12", ""]),
        (CODE, ["KH", "K1", "KH"]),
        (DAY, ["20240229", "20240301"]),
        (CLOCK, ["0015", "2400"]),
        (FIXED, ["EL", "EL"]),
        (JOINED, ["a>b", "c"]),
        (TEXT, ["", ""]),
    ],
)
def test_usual_columns_are_good_at_once(element: Element, column: list[str]) -> None:
    assert column_is_good(element, column, ">")


@pytest.mark.parametrize("element", [Element("a", kind, 1, 8, need=True) for kind in ("AN", "R", "N0", "CO")])
def test_a_column_that_must_be_there_has_no_hole(element: Element) -> None:
    assert column_is_good(element, ["1", "2"], ">")
    assert not column_is_good(element, ["1", ""], ">")


@pytest.mark.parametrize(
    ("element", "column"),
    [
        (TEXT, ["ab", "a"]),
        (TEXT, ["ab", "abcdef"]),
        (TEXT, ["ab", "a>b"]),
        (REAL, ["1", "x"]),
        (WHOLE, ["1", "1.5"]),
        (CODE, ["KH", "KW"]),
        (DAY, ["20240229", "20230229"]),
        (CLOCK, ["0015", "2415"]),
        (FIXED, ["EL", "WATER"]),
    ],
)
def test_one_bad_value_makes_a_column_bad(element: Element, column: list[str]) -> None:
    assert why_not(element, column[0], ">") is None
    assert not column_is_good(element, column, ">")


@pytest.mark.parametrize("element", [REAL, WHOLE])
def test_two_numbers_in_one_value_are_not_two_values(element: Element) -> None:
    assert why_not(element, "1,2", ">") is X12Code.ELEMENT_NUMBER
    assert not column_is_good(element, ["1", "1,2"], ">")
