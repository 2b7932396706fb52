"""Loops without loops in them, by column: what 2,976 rows have in common is checked once for all of them.

The map of a row becomes one pattern: ids, constants, lengths, characters and codes as it has them. All rows are taken apart at
once, and what a pattern does not say (dates, times, the length of numbers) is asked of whole columns. None means that something
is unusual or wrong: then the rows are read one by one, which also finds the place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from intertie.formats.x12.elements import why_not
from intertie.formats.x12.layout import Element, Loop, Segment
from intertie.formats.x12.separators import Separators
from intertie.formats.x12.tree import Table

# What a pattern says in full: nothing is left to ask of the column.
BY_PATTERN = ("AN", "CO", "ID")
# Characters of the types that have few.
DIGITS = {"R": "[-.0-9]", "N0": "[-0-9]", "N2": "[-0-9]", "DT": "[0-9]", "TM": "[0-9]"}
# A pattern for codes that do not vary is made in a millisecond: as long as what it saves of so many rows.
ROWS_BY_GUESS = 500
# A few maps with what varies in them; the sender chooses marks and codes.
PATTERNS_MAX = 64

# Names and values of elements that are the same in every row.
Fixed = tuple[tuple[str, str], ...]


class Row(NamedTuple):
    """The pattern of a row, and the elements that its groups are. `due`: the names of those that stand in every row, if only
    empty."""

    pattern: re.Pattern[str]
    elements: tuple[Element, ...]
    fixed: Fixed
    due: frozenset[str] = frozenset()


def read_columns(loop: Loop, text: str, marks: Separators, first: int, segments: int) -> Table | None:
    """The table of so many segments, or None. They begin with the loop's trigger and end with a terminator."""
    row = row_of(loop, marks, ())
    found = None
    due = sum(_is_due(loop, part) for part in _segments(loop))
    if segments >= ROWS_BY_GUESS * due and (same := _same(row, loop, text, marks)):
        found = _taken(row_of(loop, marks, same), text, marks.component, first)
    found = found or _taken(row, text, marks.component, first)
    return found if found and found.length <= loop.high else None


def _taken(row: Row, text: str, component: str, first: int) -> Table | None:
    """Columns by name, of those that have a value; None if there is anything that is no row, or a value that is not good."""
    flat: list[Any] = row.pattern.split(text)  # of what is missing in a row there is None
    period = len(row.elements) + 1
    if any(flat[::period]):
        return None
    count = len(flat) // period
    columns: dict[str, Sequence[str]] = {name: (value,) * count for name, value in row.fixed}
    for number, element in enumerate(row.elements, 1):
        found = flat[number::period]
        if any(found):
            column = found if element.name in row.due else [value or "" for value in found]
            if not _is_good(element, column, component):
                return None
            columns[element.name] = column
    return Table(count, columns, first)


def _is_good(element: Element, column: Sequence[str], component: str) -> bool:
    """Whether a column is, of whose values the pattern has said what it can. False for a number whose digits may be too many:
    sign and point are counted here."""
    if element.type == "R":
        return max(map(len, column)) <= element.high
    if element.type in ("DT", "TM"):  # few of them differ
        return all(why_not(element, value, component) is None for value in set(column) if value)
    return True


def _same(row: Row, loop: Loop, text: str, marks: Separators) -> Fixed:
    """Codes of segments that must be there, which do not vary between the first row, one in the middle, and the last one."""
    begin = f"{marks.terminator}{loop.trigger.id}{marks.element}"
    middle, last = text.find(begin, len(text) // 2) + 1, text.rfind(begin) + 1
    found = [row.pattern.match(text, at) for at in (0, middle, last)]
    values = [one.groups() for one in found if one is not None]
    if len(values) < len(found):
        return ()
    names = {
        e.name for part in _segments(loop) if _is_due(loop, part) for e in part.elements if e.type == "ID"
    }
    return tuple(
        (element.name, has[0])
        for element, *has in zip(row.elements, *values, strict=True)
        if element.name in names and has[0] and has[0] == has[1] == has[2]
    )


def _segments(loop: Loop) -> list[Segment]:
    return [part for part in loop.parts if isinstance(part, Segment)]


def _is_due(loop: Loop, part: Segment) -> bool:
    return part.need or part is loop.trigger


@lru_cache(maxsize=PATTERNS_MAX)
def row_of(loop: Loop, marks: Separators, fixed: Fixed) -> Row:
    """How a row of this loop looks. Its segments come in the order of the map; a part that may be missing is missing only where
    no segment stands that is meant for it: else that one is wrong, and not missing."""
    parts, said = _segments(loop), _Said(marks, dict(fixed))
    pieces = (said.segment(part) if _is_due(loop, part) else said.perhaps(part) for part in parts)
    elements = (e for part in parts for e in part.elements if e.name and e.name not in said.fixed)
    pattern = re.compile("".join(pieces))
    due = frozenset(e.name for part in parts if _is_due(loop, part) for e in part.elements[: said.last(part)])
    return Row(pattern, tuple(elements), fixed, due)


class _Said:
    """Parts of a map as patterns. Nothing in them goes back: what was taken for a value is one."""

    def __init__(self, marks: Separators, fixed: Mapping[str, str]) -> None:
        self.fixed = fixed
        self.element, self.end = re.escape(marks.element), re.escape(marks.terminator)
        self.any = _but(marks.element, marks.terminator)
        self.plain = _but(marks.element, marks.terminator, marks.component)

    def last(self, part: Segment) -> int:
        """How many elements a segment has at least."""
        return max((n for n, e in enumerate(part.elements, 1) if e.need or e.name in self.fixed), default=0)

    def segment(self, part: Segment) -> str:
        """A segment with its terminator. Elements at its end that need not be there may be left out."""
        last = self.last(part)
        due = "".join(self.element + self.value(element) for element in part.elements[:last])
        rest = ""
        for element in reversed(part.elements[last:]):
            rest = f"(?>{self.element}{self.value(element)}{rest}|)"
        return f"{part.id}{due}{rest}{self.end}"

    def perhaps(self, part: Segment) -> str:
        """A segment, or none that has its id and constants."""
        constants = dict(part.qualifiers)
        head = part.id
        for number in range(1, max(constants, default=0) + 1):
            said = _one_of(constants[number]) if number in constants else f"{self.any}*+"
            head += self.element + said
        return f"(?>{self.segment(part)}|(?!{head}(?:{self.element}|{self.end})))"

    def value(self, element: Element) -> str:
        """A value: a group of its own if it has a name and varies."""
        if element.constant:
            return _one_of(element.codes or {element.constant})
        if element.name in self.fixed:
            return re.escape(self.fixed[element.name])
        if not element.name:
            return f"{self.any}*+"
        missing = "" if element.need else "|"
        if element.codes:
            fit = [code for code in element.codes if element.low <= len(code) <= element.high]
            return f"({_one_of(fit)}{missing})"
        return f"({self.free(element)}{missing})"

    def free(self, element: Element) -> str:
        """A value that is none of a few."""
        bounds = f"{{{max(1, element.low)},{element.high}}}+"
        if element.type == "R":  # as most are written: with a digit on either side of the point
            return r"-?+[0-9]++(?>\.[0-9]++|)"
        if element.type in (
            "N0",
            "N2",
        ):  # the sign does not count against the length, and nothing is too short
            return f"-?+[0-9]{{1,{element.high}}}+"
        if element.type in ("DT", "TM"):
            return f"[0-9]{bounds}"
        return (self.any if element.type == "CO" else self.plain) + bounds


def _one_of(values: Iterable[str]) -> str:
    return f"(?:{'|'.join(re.escape(value) for value in sorted(values, key=len, reverse=True))})"


def _but(*marks: str) -> str:
    """The printable characters of ASCII but these, as ranges."""
    found, begin = "", 32
    for mark in sorted(ord(mark) for mark in marks if 32 <= ord(mark) < 127):
        if begin < mark:
            found += f"\\x{begin:02x}-\\x{mark - 1:02x}"
        begin = mark + 1
    return f"[{found}\\x{begin:02x}-\\x7e]" if begin < 127 else f"[{found}]"
