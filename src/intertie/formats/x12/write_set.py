"""A tree into the text of a set, by its map: lengths, codes and characters are held to what the reader asks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from intertie.formats.x12.elements import column_is_good, why_not
from intertie.formats.x12.findings import Finding, Place, X12Code, X12WriteError
from intertie.formats.x12.layout import Element, Layout, Loop, Segment
from intertie.formats.x12.separators import COMMON, Separators
from intertie.formats.x12.tree import Node, Table, nodes, table, text

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
        lines = [
            lines
            for part in loop.parts
            if isinstance(part, Segment)
            for lines in self._lines(loop, part, rows)
        ]
        self.pieces.extend(
            itertools.chain.from_iterable(zip(*lines, strict=True)) if len(lines) > 1 else lines[0]
        )

    def _lines(self, loop: Loop, part: Segment, rows: Table) -> list[Sequence[str]]:
        """The segment of each row: by one template, if all rows have the same elements."""
        columns = [rows.columns.get(name) for name in part.names]
        present = [column for column in columns if column is not None and any(column)]
        if not present and not part.need:
            return []
        if any("" in column for column in present) or "%" in self.marks[:3] or not self._good(part, rows):
            return [[self._segment(part, row, loop.name) for row in self._rows(rows)]]
        values = [
            element.constant.replace("%", "%%") or ("%s" if any(rows.columns.get(element.name) or ()) else "")
            for element in part.elements
        ]
        template = self._joined([part.id, *values])
        return [
            list(map(template.__mod__, zip(*present, strict=True))) if present else [template] * rows.length
        ]

    def _rows(self, rows: Table) -> list[Node]:
        return [dict(row) for row in rows.rows()]

    def _good(self, part: Segment, rows: Table) -> bool:
        for element in part.elements:
            if not element.name:
                continue
            column = rows.columns.get(element.name) or ()
            if not any(column):
                if element.need:
                    return False
            elif not (column_is_good(element, column, self.marks.component) and self._clean("".join(column))):
                return False
        return True
