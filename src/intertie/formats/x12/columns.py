"""Loops without loops in them, by column: what 2,976 rows have in common is checked once for all of them.

Rows are put together by their shape (which segments they have). None means that something is unusual or wrong: then the rows
are read one by one, which also finds the place.
"""

from __future__ import annotations

from collections.abc import Sequence

from intertie.formats.x12.elements import column_is_good
from intertie.formats.x12.layout import Loop, Segment
from intertie.formats.x12.tree import Table

# A loop with more shapes than these gains nothing from columns.
SHAPES_MAX = 16

Shape = tuple[str, ...]


def read_columns(
    loop: Loop, rows: Sequence[list[str]], ids: list[str], component: str, first: int
) -> Table | None:
    """The table of these segments, or None. They begin with the loop's trigger."""
    shapes = _shapes(ids, loop.trigger.id)
    if shapes is None:
        return None
    if len(shapes) == 1:
        [(shape, begins)] = shapes.items()
        step = len(shape)
        columns = _read_shape(loop, shape, [list(rows[k::step]) for k in range(step)], component)
        return None if columns is None else Table(len(begins), columns, first)
    return _together(loop, shapes, rows, component, first)


def _together(
    loop: Loop, shapes: dict[Shape, list[int]], rows: Sequence[list[str]], component: str, first: int
) -> Table | None:
    order = sorted(begin for begins in shapes.values() for begin in begins)
    number_of = {begin: number for number, begin in enumerate(order)}
    whole: dict[str, list[str]] = {}
    for shape, begins in shapes.items():
        segments = [[rows[begin + k] for begin in begins] for k in range(len(shape))]
        columns = _read_shape(loop, shape, segments, component)
        if columns is None:
            return None
        numbers = [number_of[begin] for begin in begins]
        for name, column in columns.items():
            target = whole.setdefault(name, [""] * len(order))
            for number, value in zip(numbers, column, strict=True):
                target[number] = value
    return Table(len(order), whole, first)


def _shapes(ids: list[str], trigger: str) -> dict[Shape, list[int]] | None:
    """Where rows of each shape begin."""
    second = ids.index(trigger, 1) if trigger in ids[1:] else len(ids)
    count, rest = divmod(len(ids), second)
    if not rest and ids == ids[:second] * count:
        return {tuple(ids[:second]): list(range(0, len(ids), second))}
    begins = [number for number, id in enumerate(ids) if id == trigger]
    found: dict[Shape, list[int]] = {}
    for begin, end in zip(begins, [*begins[1:], len(ids)], strict=True):
        found.setdefault(tuple(ids[begin:end]), []).append(begin)
        if len(found) > SHAPES_MAX:
            return None
    return found


def _parts(loop: Loop, segments: Sequence[list[str]]) -> list[Segment] | None:
    """The parts that the segments of one row are; None if one is no part, or one that must be there is not."""
    found: list[Segment] = []
    at, used = 0, set()
    for row in segments:
        for index in loop.by_id[row[0]]:
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
    loop: Loop, shape: Shape, segments: list[list[list[str]]], component: str
) -> dict[str, Sequence[str]] | None:
    """Columns of rows of one shape. `segments[k]` are the k-th segments of all rows."""
    parts = _parts(loop, [same[0] for same in segments])
    if parts is None:
        return None
    columns: dict[str, Sequence[str]] = {}
    for part, same in zip(parts, segments, strict=True):
        lengths = set(map(len, same))
        longest = max(lengths)
        if longest > len(part.elements) + 1:
            return None
        if len(lengths) > 1:
            same = [row if len(row) == longest else row + [""] * (longest - len(row)) for row in same]
        for element, column in zip(part.elements, list(zip(*same, strict=True))[1:], strict=False):
            if element.name or element.constant:
                if not column_is_good(element, column, component):
                    return None
                if element.name:
                    columns[element.name] = column
        if any(element.need for element in part.elements[longest - 1 :]):
            return None
    return columns
