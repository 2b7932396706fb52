"""Loops without loops in them, by column: what 2,976 rows have in common is checked once for all of them.

Rows are put together by their shape (which segments they have). None means that something is unusual or wrong: then the rows
are read one by one, which also finds the place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from intertie.formats.x12.elements import column_is_good
from intertie.formats.x12.layout import Loop, Segment
from intertie.formats.x12.separators import Separators
from intertie.formats.x12.tree import Table

# A loop with more shapes than these gains nothing from columns.
SHAPES_MAX = 16
# Ids have two or three characters: so many of a segment tell which it is (of "N1*" the separator is one of them).
HEAD = 3

Shape = tuple[str, ...]


class Rows(NamedTuple):
    """Segments of a loop as text, their heads, and where in the interchange the first one stands."""

    segments: Sequence[str]
    heads: list[str]
    marks: Separators
    first: int


def head_of(id: str, marks: Separators) -> str:
    """How a segment of this id begins."""
    return (id + marks.element)[:HEAD]


def read_columns(loop: Loop, rows: Rows) -> Table | None:
    """The table of these segments, or None. They begin with the loop's trigger."""
    shapes = _shapes(rows.heads, head_of(loop.trigger.id, rows.marks))
    if shapes is None:
        return None
    if len(shapes) == 1:
        [(shape, begins)] = shapes.items()
        step = len(shape)
        columns = _read_shape(loop, [rows.segments[k::step] for k in range(step)], rows.marks)
        return None if columns is None else Table(len(begins), columns, rows.first)
    return _together(loop, shapes, rows)


def _together(loop: Loop, shapes: dict[Shape, list[int]], rows: Rows) -> Table | None:
    order = sorted(begin for begins in shapes.values() for begin in begins)
    number_of = {begin: number for number, begin in enumerate(order)}
    whole: dict[str, list[str]] = {}
    for shape, begins in shapes.items():
        segments = [[rows.segments[begin + k] for begin in begins] for k in range(len(shape))]
        columns = _read_shape(loop, segments, rows.marks)
        if columns is None:
            return None
        numbers = [number_of[begin] for begin in begins]
        for name, column in columns.items():
            target = whole.setdefault(name, [""] * len(order))
            for number, value in zip(numbers, column, strict=True):
                target[number] = value
    return Table(len(order), whole, rows.first)


def _shapes(heads: list[str], trigger: str) -> dict[Shape, list[int]] | None:
    """Where rows of each shape begin."""
    second = heads.index(trigger, 1) if trigger in heads[1:] else len(heads)
    count, rest = divmod(len(heads), second)
    if not rest and heads == heads[:second] * count:
        return {tuple(heads[:second]): list(range(0, len(heads), second))}
    begins = [number for number, head in enumerate(heads) if head == trigger]
    found: dict[Shape, list[int]] = {}
    for begin, end in zip(begins, [*begins[1:], len(heads)], strict=True):
        found.setdefault(tuple(heads[begin:end]), []).append(begin)
        if len(found) > SHAPES_MAX:
            return None
    return found


def _parts(loop: Loop, segments: Sequence[list[str]]) -> list[Segment] | None:
    """The parts that the segments of one row are; None if one is no part, or one that must be there is not."""
    found: list[Segment] = []
    at, used = 0, set()
    for row in segments:
        for index in loop.by_id.get(row[0], ()):
            part = loop.parts[index]
            if (
                loop.places[index] >= at
                and index not in used
                and isinstance(part, Segment)
                and part.fits(row)
            ):
                break
        else:
            return None
        used.add(index)
        at = loop.places[index]
        found.append(part)
    missing = any(isinstance(p, Segment) and p.need and n not in used for n, p in enumerate(loop.parts))
    return None if missing else found


def _read_shape(
    loop: Loop, segments: list[Sequence[str]] | list[list[str]], marks: Separators
) -> dict[str, Sequence[str]] | None:
    """Columns of rows of one shape. `segments[k]` are the k-th segments of all rows."""
    parts = _parts(loop, [same[0].split(marks.element) for same in segments])
    if parts is None:
        return None
    columns: dict[str, Sequence[str]] = {}
    for part, same in zip(parts, segments, strict=True):
        taken = _apart(same, marks)
        if taken is None or len(taken) > len(part.elements) + 1 or taken[0].count(part.id) != len(same):
            return None
        for element, column in zip(part.elements, taken[1:], strict=False):
            if element.name or element.constant:
                if not column_is_good(element, column, marks.component):
                    return None
                if element.name:
                    columns[element.name] = column
        if any(element.need for element in part.elements[len(taken) - 1 :]):
            return None
    return columns


def _apart(same: Sequence[str], marks: Separators) -> list[list[str]] | None:
    """The columns of segments: one split for all of them. Between two rows stands the terminator, which no element can be, so
    that a row with an element too many cannot be made good by one with too few."""
    element, between = marks.element, marks.terminator
    width = same[0].count(element) + 1
    flat = f"{element}{between}{element}".join(same).split(element)
    if len(flat) != len(same) * (width + 1) - 1 or flat[width :: width + 1].count(between) != len(same) - 1:
        counts = [one.count(element) for one in same]
        width = max(counts) + 1
        even = [one + element * (width - 1 - count) for one, count in zip(same, counts, strict=True)]
        flat = f"{element}{between}{element}".join(even).split(element)
    return [flat[number :: width + 1] for number in range(width)]
