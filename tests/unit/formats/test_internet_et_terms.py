"""The codes and reference numbers of Internet ET."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.formats.internet_et.codes import SUPPLEMENT_MOST, TEXTS, Code, status, stops
from intertie.formats.internet_et.refnums import Sent, judge, number


def test_each_code_has_its_text_and_112_is_not_used() -> None:
    assert set(TEXTS) == set(Code)
    assert "EEDM112" not in set(Code)


@pytest.mark.parametrize("code", list(Code))
def test_only_a_warning_lets_the_package_go_on(code: Code) -> None:
    assert stops(code) is (code.value[0] == "E")
    assert status(code) == f"{code.value}: {TEXTS[code]}"


@given(st.text())
def test_a_supplement_cannot_begin_another_element(text: str) -> None:
    said = status(Code.SYSTEM, text)
    assert "*" not in said
    assert said.isprintable()
    assert len(said) <= len(status(Code.SYSTEM)) + 1 + SUPPLEMENT_MOST


@pytest.mark.parametrize(
    ("refnum", "original", "said"),
    [
        ("4", "4", Sent.FIRST),
        ("4", "1", Sent.RESEND),
        ("2", "1", Sent.REUSED_ON_RESEND),
        ("4", "3", Sent.ORIGINAL_UNKNOWN),
        ("1", "1", Sent.OLD_PAIR),
        ("01", "001", Sent.OLD_PAIR),
        ("x", "1", Sent.MALFORMED),
        ("4", "", Sent.MALFORMED),
        ("9" * 41, "1", Sent.MALFORMED),
        ("4\n", "4", Sent.MALFORMED),
    ],
)
def test_pairs_of_reference_numbers(refnum: str, original: str, said: Sent) -> None:
    assert judge(refnum, original, {"1", "2"}.__contains__) is said


@given(st.integers(0, 10**40 - 1))
def test_a_number_is_itself_whatever_zeros_come_first(value: int) -> None:
    assert number(str(value)) == str(value)
    assert number(str(value).zfill(40)) == str(value)
