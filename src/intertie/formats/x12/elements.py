"""Single elements and whole columns of them against their type and bounds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from intertie.formats.x12.findings import X12Code
from intertie.formats.x12.layout import Element

PRINTABLE = bytes(range(32, 127))
_REAL = re.compile(r"-?(?:\d+\.?\d*|\.\d+)")
_WHOLE = re.compile(r"-?\d+")
# Without a way back: a long column of good numbers is gone through once, and so is a bad one.
_REALS = re.compile(r"-?+\d++(?:\.\d++)?+(?:,-?+\d++(?:\.\d++)?+)*+")
_WHOLES = re.compile(r"-?+\d++(?:,-?+\d++)*+")
_TIME = re.compile(r"(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?|2400(?:00)?")


def why_not(element: Element, value: str, component: str) -> X12Code | None:
    """What is wrong with a value that is not empty, or None."""
    if element.constant:
        known = value == element.constant or value in element.codes
        return None if known else X12Code.ELEMENT_CODE
    if component in value and element.type != "CO":
        return X12Code.COMPONENT
    if element.type in ("R", "N0", "N2"):
        return _number(element, value)
    if len(value) > element.high:
        return X12Code.ELEMENT_TOO_LONG
    if len(value) < element.low:
        return X12Code.ELEMENT_TOO_SHORT
    if element.type == "DT" and not is_date(value):
        return X12Code.ELEMENT_DATE
    if element.type == "TM" and not is_time(value):
        return X12Code.ELEMENT_TIME
    if element.codes and value not in element.codes:
        return X12Code.ELEMENT_CODE
    return None


def _number(element: Element, value: str) -> X12Code | None:
    """Sign and point do not count against the length (X12.6)."""
    if not (_REAL if element.type == "R" else _WHOLE).fullmatch(value) or not value.isascii():
        return X12Code.ELEMENT_NUMBER
    return X12Code.ELEMENT_TOO_LONG if len(value.strip("-").replace(".", "")) > element.high else None


def is_date(value: str) -> bool:
    """CCYYMMDD of the calendar."""
    if len(value) != 8 or not (value.isascii() and value.isdigit()):
        return False
    try:
        date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return False
    return True


def is_time(value: str) -> bool:
    """HHMM or HHMMSS; 2400 is the end of a day."""
    return value.isascii() and _TIME.fullmatch(value) is not None


def column_is_good(element: Element, column: Sequence[str], component: str) -> bool:
    """Whether all values of a column are as they must be. False may also be said of a good column that is unusual: then its
    values are looked at one by one."""
    if element.constant:
        return column.count(element.constant) == len(column)
    if "" in column:
        if element.need:
            return False
        column = [value for value in column if value]
        if not column:
            return True
    if element.type in ("R", "N0", "N2"):
        return max(map(len, column)) <= element.high and _are_numbers(column, element.type == "R")
    if element.type in ("DT", "TM", "ID") or element.codes:
        return all(why_not(element, value, component) is None for value in set(column))
    lengths = set(map(len, column))
    if max(lengths) > element.high or min(lengths) < element.low:
        return False
    return element.type == "CO" or component not in "".join(column)


def _are_numbers(column: Sequence[str], real: bool) -> bool:
    """All of them, at one go; False also for those that leave out a digit beside the point."""
    text = ",".join(column)
    if text.count(",") != len(column) - 1:
        return False  # a comma inside a value would pass for the one between two
    return text.isascii() and (_REALS if real else _WHOLES).fullmatch(text) is not None


def has_only(characters: bytes, text: str) -> bool:
    """Whether a text has no other characters than these, which are of ASCII."""
    return text.isascii() and not text.encode("ascii").translate(None, characters)


def is_plain(text: str) -> bool:
    """Whether all its characters are printable ones of ASCII. Asked of megabytes: `str.isprintable` takes five times as long."""
    return has_only(PRINTABLE, text)
