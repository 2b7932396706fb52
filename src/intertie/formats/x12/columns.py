"""Loops without loops in them, by column: what 2,976 rows have in common is checked once for all of them.

Rows with as many segments and elements as each other are taken apart by one split; a column is a slice of what comes of
it. None means that something is unusual or wrong: then the rows are read one by one, which also finds the place.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

from intertie.formats.x12.elements import column_is_good, why_not
from intertie.formats.x12.layout import Element, Loop, Segment
from intertie.formats.x12.separators import Separators
from intertie.formats.x12.tree import Table

# A loop with rows of more kinds than these gains nothing from columns.
KINDS_MAX = 16
# Characters that a set whose characters are in order does not have. Of one character, Python has each string once.
MARKS = "".join(map(chr, (*range(1, 10), *range(14, 28))))

Columns = dict[str, Sequence[str]]


def read_columns(loop: Loop, text: str, marks: Separators, first: int) -> Table | None:
    """The table of these segments, or None. They begin with the loop's trigger and end with a terminator."""
    trigger = loop.trigger.id + marks.element
    between = marks.terminator + trigger
    count = text.count(between) + 1
    columns = _alike(loop, text, count, marks)
    if columns is not None:
        return Table(count, columns, first)
    rows = text[len(trigger) : -1].split(between)
    kinds: dict[tuple[int, int], list[int]] = {}
    for number, row in enumerate(rows):
        kinds.setdefault((row.count(marks.terminator), row.count(marks.element)), []).append(number)
    if not 1 < len(kinds) <= KINDS_MAX:
        return None
    found: list[Columns] = []
    for numbers in kinds.values():
        same = trigger + between.join([rows[number] for number in numbers]) + marks.terminator
        part = _alike(loop, same, len(numbers), marks)
        if part is None:
            return None
        found.append(part)
    return Table(count, _together(found, list(kinds.values())), first)


def _together(found: Sequence[Columns], numbers: Sequence[list[int]]) -> Columns:
    """Columns of all rows, in their order, from those of each kind."""
    flat = [number for some in numbers for number in some]
    place = [0] * len(flat)
    for at, number in enumerate(flat):
        place[number] = at
    ordered = itemgetter(*place)
    names = dict.fromkeys(name for columns in found for name in columns)
    whole: Columns = {}
    for name in names:
        joined: list[str] = []
        for columns, some in zip(found, numbers, strict=True):
            joined += columns.get(name) or [""] * len(some)
        whole[name] = ordered(joined)
    return whole


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


def _alike(loop: Loop, text: str, count: int, marks: Separators) -> Columns | None:
    """Columns of rows that have all the same segments with as many elements; tried first as if codes did not vary."""
    element, end = marks.element, marks.terminator
    after = text.find(f"{end}{loop.trigger.id}{element}")
    segments = [one.split(element) for one in text[: after if after >= 0 else -1].split(end)]
    parts = _parts(loop, segments)
    if parts is None or text.count(end) != count * len(segments):
        return None
    if any(len(row) > len(part.elements) + 1 for part, row in zip(parts, segments, strict=True)):
        return None
    if any(e.need for p, row in zip(parts, segments, strict=True) for e in p.elements[len(row) - 1 :]):
        return None
    pairs = list(zip(parts, segments, strict=True))
    for guess in (True, False):
        found = _take(pairs, text, count, marks, guess)
        if found is not None:
            return found
    return None


def _take(
    pairs: Sequence[tuple[Segment, list[str]]], text: str, count: int, marks: Separators, guess: bool
) -> Columns | None:
    """What stands between two values that vary is the same in every row: a literal. Each is replaced by a mark of its own, and
    all is split at once. The marks then have to stand in each row where they stand in the first, so that nothing that is
    missing in one row can be made good by what is too much in another. `guess`: codes do not vary."""
    element = marks.element
    varying: list[Element] = []
    literals = [""]
    columns: Columns = {}
    for part, row in pairs:
        literals[-1] += row[0]
        for one, value in zip(part.elements, row[1:], strict=False):
            literals[-1] += element
            if one.constant or (guess and one.name and one.type == "ID"):
                literals[-1] += value
                if not _fixed(one, value, count, marks, columns):
                    return None
            else:
                varying.append(one)
                literals.append("")
        literals[-1] += marks.terminator
    head, *rest = literals
    if not varying or not text.startswith(head):
        return None
    rest[-1] += head  # what ends a row, and begins the next one
    apart = _split(text[len(head) :] + head, rest, element)
    if apart is None:
        return None
    between = [apart[1].get(literal, "") for literal in rest]
    return _named(apart[0], between, varying, columns, count, marks.component)


def _fixed(one: Element, value: str, count: int, marks: Separators, columns: Columns) -> bool:
    """A code that is the same in all rows, if it is a good one."""
    if (one.need and not value) or (value and why_not(one, value, marks.component) is not None):
        return False
    if one.name:
        columns[one.name] = [value] * count
    return True


def _split(text: str, literals: Sequence[str], element: str) -> tuple[list[str], dict[str, str]] | None:
    """The values that vary with the marks between them, and the mark of each literal; None if there are too many."""
    marks: dict[str, str] = {}
    for literal in sorted(set(literals) - {element}, key=len, reverse=True):  # one may be a part of another
        if len(marks) == len(MARKS):
            return None
        marks[literal] = MARKS[len(marks)]
        text = text.replace(literal, f"{element}{marks[literal]}{element}")
    flat = text.split(element)
    flat.pop()
    return flat, marks


def _named(
    flat: list[str],
    between: Sequence[str],
    varying: Sequence[Element],
    columns: Columns,
    count: int,
    component: str,
) -> Columns | None:
    """Columns by name, if the marks stand where they must and the values are good."""
    period = len(varying) + sum(map(bool, between))
    if len(flat) != count * period:
        return None
    at = 0
    for mark, one in zip(between, varying, strict=True):
        column = flat[at::period]
        at += 1
        if not "".join(column).isprintable():
            return None  # a mark where a value has to be: beside a mark, a value looked like a literal
        if mark:
            if flat[at::period].count(mark) != count:
                return None
            at += 1
        if one.name:
            if not column_is_good(one, column, component):
                return None
            columns[one.name] = column
    return columns
