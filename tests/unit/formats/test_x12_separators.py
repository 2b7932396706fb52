"""The ISA segment: what is written is read again, and each thing that may be wrong with it has its name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.formats.x12.findings import X12Code, X12Error
from intertie.formats.x12.separators import (
    COMMON,
    ISA_CHARACTERS,
    WIDTHS,
    Isa,
    Separators,
    read_isa,
    write_isa,
)

ISA = Isa("01", "123456789", "ZZ", "GRIDCO", "260801", "0930", "000000017")
TEXT = write_isa(ISA, COMMON)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def starts_of() -> list[int]:
    """Where each element begins."""
    starts, at = [], 4
    for width in WIDTHS:
        starts.append(at)
        at += width + 1
    return starts


def with_text(at: int, text: str) -> str:
    return TEXT[:at] + text + TEXT[at + len(text) :]


def refused(text: str) -> tuple[X12Code, int]:
    with pytest.raises(X12Error) as caught:
        read_isa(text)
    return caught.value.finding.code, caught.value.finding.place.element


def words(most: int) -> st.SearchStrategy[str]:
    return st.text(LETTERS, max_size=most)


MARKS = st.lists(st.sampled_from("*>~|^:!\n\x1d\x1e\x1f"), min_size=3, max_size=3, unique=True)


@given(words(15), words(15), words(2), words(10), st.integers(0, 999_999_999), MARKS)
def test_what_is_written_is_read_again(
    sender: str, receiver: str, qualifier: str, secret: str, control: int, marks: list[str]
) -> None:
    isa = Isa(
        qualifier,
        sender,
        "ZZ",
        receiver,
        "260801",
        "0930",
        f"{control:09}",
        acknowledge="1",
        usage="T",
        authorization=("03", secret),
        security=("01", secret),
    )
    separators = Separators(*marks)
    text = write_isa(isa, separators)
    assert len(text) == ISA_CHARACTERS
    assert read_isa(text) == (isa, separators)


@pytest.mark.parametrize("line", ["", "\r\n", "\n", "\r"])
def test_the_line_end_after_the_terminator_is_kept(line: str) -> None:
    text = write_isa(ISA, Separators(line=line)) + "GS*"
    assert read_isa(text)[1] == Separators(line=line)


def test_a_terminator_that_ends_lines_is_followed_by_no_other() -> None:
    assert read_isa(write_isa(ISA, Separators(terminator="\r")) + "\nGS")[1].line == ""


def test_a_segment_is_106_characters_from_its_name() -> None:
    assert refused(TEXT[:-1]) == (X12Code.NOT_AN_INTERCHANGE, 0)
    assert refused("") == (X12Code.NOT_AN_INTERCHANGE, 0)
    assert refused(" " + TEXT) == (X12Code.NOT_AN_INTERCHANGE, 0)
    assert refused("isa" + TEXT[3:]) == (X12Code.NOT_AN_INTERCHANGE, 0)


@pytest.mark.parametrize("number", range(1, 16))
def test_an_element_of_another_width_is_named(number: int) -> None:
    at = starts_of()[number - 1]
    assert refused(with_text(at, "*")) == (X12Code.NOT_AN_INTERCHANGE, number)
    assert refused(with_text(at + WIDTHS[number - 1], "A")) == (X12Code.NOT_AN_INTERCHANGE, number)


@pytest.mark.parametrize("number", range(1, 16))
@pytest.mark.parametrize("character", ["\x07", "\u00e9"])
def test_a_character_outside_the_set_is_named(number: int, character: str) -> None:
    assert refused(with_text(starts_of()[number - 1], character)) == (X12Code.CHARACTER, number)


@pytest.mark.parametrize(
    "marks", [("*", "~", "~"), ("*", "A", "~"), ("*", "7", "~"), ("*", " ", "~"), ("*", ">", "Z")]
)
def test_marks_that_separate_nothing(marks: tuple[str, str, str]) -> None:
    _, component, terminator = marks
    assert refused(TEXT[:104] + component + terminator) == (X12Code.SEPARATORS, 0)


@pytest.mark.parametrize("version", ["00400", "00402", "00501"])
def test_another_version_is_named(version: str) -> None:
    assert refused(with_text(starts_of()[11], version)) == (X12Code.VERSION, 12)


@pytest.mark.parametrize("control", ["00000001 ", "00000000A", " 00000001", "-00000001"])
def test_a_control_number_is_nine_digits(control: str) -> None:
    assert refused(with_text(starts_of()[12], control)) == (X12Code.CONTROL_NUMBER, 13)


@pytest.mark.parametrize(
    ("isa", "number"),
    [
        (ISA._replace(authorization=("000", "")), 1),
        (ISA._replace(authorization=("00", "x" * 11)), 2),
        (ISA._replace(security=("000", "")), 3),
        (ISA._replace(security=("00", "x" * 11)), 4),
        (ISA._replace(sender_qualifier="001"), 5),
        (ISA._replace(sender="x" * 16), 6),
        (ISA._replace(receiver_qualifier="001"), 7),
        (ISA._replace(receiver="x" * 16), 8),
        (ISA._replace(date="20260801"), 9),
        (ISA._replace(time="093000"), 10),
        (ISA._replace(control="0000000001"), 13),
        (ISA._replace(acknowledge="10"), 14),
        (ISA._replace(usage="PT"), 15),
    ],
)
def test_what_is_too_long_is_not_written(isa: Isa, number: int) -> None:
    with pytest.raises(X12Error) as caught:
        write_isa(isa, COMMON)
    assert caught.value.finding.code is X12Code.ELEMENT_TOO_LONG
    assert caught.value.finding.place.element == number


@pytest.mark.parametrize("sender", ["a*b", "a>b", "a~b", "a\nb", "caf\u00e9"])
def test_what_would_be_read_as_something_else_is_not_written(sender: str) -> None:
    with pytest.raises(X12Error) as caught:
        write_isa(ISA._replace(sender=sender), COMMON)
    assert caught.value.finding.code is X12Code.CHARACTER
    assert caught.value.finding.place.element == 6
