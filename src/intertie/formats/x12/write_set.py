"""A tree into the text of a set, by its map: lengths, codes and characters are held to what the reader asks."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from intertie.formats.x12.elements import column_is_good, why_not
from intertie.formats.x12.findings import Finding, Place, X12Code, X12WriteError
from intertie.formats.x12.layout import Element, Layout, Loop, Segment
from intertie.formats.x12.separators import COMMON, Separators
from intertie.formats.x12.tree import Node, Table, nodes, table, text

# A text that is in every row, or a text for each row.
Token = str | Sequence[str]

DO = "Shorten or change it, or send the message natively: nothing is cut off or left out silently."


def write_set(node: Node, by: Layout, marks: Separators = COMMON) -> str:
    """The segments between ST and SE. X12WriteError names the element that does not fit."""
    out = _Writer(by, marks)
    out.loop(by.root, node)
    return "".join(out.pieces)


def no_place(field: str, set_id: str, why: str = "") -> X12WriteError:
    """The error for something that a document says and a set cannot."""
    detail = f"{field}: {why or f'an {set_id} has no place for it'}"
    return X12WriteError(Finding(X12Code.NO_PLACE, Place(), detail), do=DO)


def _rows(tokens: Sequence[Token], count: int) -> Iterable[tuple[str, ...]]:
    """Tokens row by row; what is the same in all rows and stands together is one token."""
    columns: list[Iterable[str]] = []
    for same, some in itertools.groupby(tokens, key=lambda token: isinstance(token, str)):
        if same:
            columns.append(itertools.repeat("".join(map(str, some)), count))
        else:
            columns += some
    return zip(*columns, strict=True)


class _Writer:
    def __init__(self, by: Layout, marks: Separators) -> None:
        self.by = by
        self.marks = marks
        self.pieces: list[str] = []

    def loop(self, loop: Loop, node: Node) -> None:
        for part in loop.parts:
            if isinstance(part, Segment):
                self.pieces.append(self._segment(part, node, loop.name))
            elif part.ids:
                self._table(part, table(node, part.name))
            else:
                turns = nodes(node, part.name)
                self._many(part, len(turns))
                for turn in turns:
                    self.loop(part, turn)

    def _many(self, loop: Loop, count: int) -> None:
        if count > loop.high:
            raise self._error(X12Code.LOOP_TOO_OFTEN, loop.trigger, 0, loop.name, f"at most {loop.high}")
        if count < loop.low:
            raise self._error(X12Code.SEGMENT_MISSING, loop.trigger, 0, loop.name, f"at least {loop.low}")

    def _segment(self, part: Segment, node: Node, loop: str) -> str:
        values = [element.constant or text(node, element.name) for element in part.elements]
        if not part.need and not any(text(node, name) for name in part.names):
            return ""
        for number, (element, value) in enumerate(zip(part.elements, values, strict=True), 1):
            if not value:
                if element.need:
                    raise self._error(X12Code.ELEMENT_MISSING, part, number, loop, element.name)
                continue
            self._check(part, number, element, value, loop)
        return self._joined([part.id, *values])

    def _joined(self, values: list[str]) -> str:
        while values and not values[-1]:
            values.pop()
        return self.marks.element.join(values) + self.marks.end

    def _check(self, part: Segment, number: int, element: Element, value: str, loop: str) -> None:
        code = why_not(element, value, self.marks.component)
        if code is None and not self._clean(value):
            code = X12Code.CHARACTER
        if code is not None:
            bounds = f"{element.name}: {element.low} to {element.high} characters"
            raise self._error(code, part, number, loop, bounds if "too_" in code else element.name)

    def _clean(self, value: str) -> bool:
        marks = self.marks
        return (
            value.isascii()
            and value.isprintable()
            and marks.element not in value
            and marks.terminator not in value
        )

    def _error(self, code: X12Code, part: Segment, number: int, loop: str, detail: str) -> X12WriteError:
        return X12WriteError(Finding(code, Place(0, part.id, number, loop=loop), detail), do=DO)

    def _table(self, loop: Loop, rows: Table) -> None:
        self._many(loop, rows.length)
        if not rows.length:
            return
        tokens: list[Token] = []
        for part in loop.parts:
            if isinstance(part, Segment) and self._said(part, rows):
                tokens += self._tokens(loop, part, rows)
        self.pieces.append("".join(itertools.chain.from_iterable(_rows(tokens, rows.length))))

    def _said(self, part: Segment, rows: Table) -> bool:
        return part.need or any(any(rows.columns.get(name) or ()) for name in part.names)

    def _tokens(self, loop: Loop, part: Segment, rows: Table) -> list[Token]:
        """What a segment consists of in each row. Rows that have the same elements are written at once."""
        columns = {name: column for name in part.names if any(column := rows.columns.get(name) or ())}
        mixed = [column for column in columns.values() if "" in column]
        if not mixed:
            return self._alike(loop, part, Table(rows.length, columns))
        groups: dict[tuple[bool, ...], list[int]] = {}
        for number, has in enumerate(zip(*(map(bool, column) for column in mixed), strict=True)):
            groups.setdefault(has, []).append(number)
        found = [""] * rows.length
        for numbers in groups.values():
            some = {name: [column[number] for number in numbers] for name, column in columns.items()}
            inside = Table(len(numbers), some)
            if self._said(part, inside):
                tokens = self._alike(loop, part, inside)
                for number, line in zip(numbers, map("".join, _rows(tokens, inside.length)), strict=True):
                    found[number] = line
        return [found]

    def _alike(self, loop: Loop, part: Segment, rows: Table) -> list[Token]:
        """The segment of rows of which each has every element that any has."""
        if not self._good(part, rows):
            return [[self._segment(part, dict(row), loop.name) for row in rows.rows()]]
        tokens: list[Token] = [part.id]
        empty = ""
        for element in part.elements:
            empty += self.marks.element
            column = rows.columns.get(element.name) or ()
            if element.constant or any(column):
                tokens += [empty, element.constant or column]
                empty = ""
        return [*tokens, self.marks.end]

    def _good(self, part: Segment, rows: Table) -> bool:
        for element in part.elements:
            if not element.name:
                continue
            column = rows.columns.get(element.name) or ()
            if element.type in ("ID", "DT", "TM"):  # few of them differ
                column = list(set(column))
            if not any(column):
                if element.need:
                    return False
            elif not (column_is_good(element, column, self.marks.component) and self._clean("".join(column))):
                return False
        return True
