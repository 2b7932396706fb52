"""A transaction set against its map: what it says as a tree, and everything that is wrong with it, each with its place."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from intertie.formats.x12.columns import HEAD, Rows, head_of, read_columns
from intertie.formats.x12.elements import why_not
from intertie.formats.x12.findings import Finding, Place, X12Code, X12Error
from intertie.formats.x12.interchange import TransactionSet
from intertie.formats.x12.layout import Layout, Loop, Segment
from intertie.formats.x12.tree import Node, table_of

# Nobody reads more of one set; the rest is as wrong.
FINDINGS_MAX = 100
# Fewer rows than these are read as quickly one by one.
ROWS_BY_COLUMN = 8

Row = Sequence[str]


class Frame:
    """A turn of a loop that is being read."""

    def __init__(self, loop: Loop, node: Node) -> None:
        self.loop = loop
        self.node = node
        self.at = 0
        self.used = [0] * len(loop.parts)
        self.rows: dict[str, list[dict[str, str]]] = {}

    def find(self, row: Row) -> int:
        """Which part the segment is; -1: none, -2: one that there are enough of, -3: one that should have come before."""
        answer = -1
        for index in self.loop.by_id.get(row[0], ()):
            part = self.loop.parts[index]
            if not part_trigger(part).fits(row):
                continue
            if self.loop.places[index] < self.at:
                answer = -3
            elif self.used[index] >= (part.high if isinstance(part, Loop) else 1):
                answer = -2
            else:
                return index
        return answer


def is_segment_id(id: str) -> bool:
    """Two or three letters and digits, a letter first."""
    return 2 <= len(id) <= 3 and id.isascii() and id.isalnum() and id.isupper() and id[0].isalpha()


def part_trigger(part: Segment | Loop) -> Segment:
    """The segment that a part is or begins with."""
    return part.trigger if isinstance(part, Loop) else part


class Said(NamedTuple):
    """What a set says, and what is wrong with it."""

    node: Node
    findings: tuple[Finding, ...]

    def checked(self) -> Node:
        """The tree; X12Error if anything is wrong."""
        if self.findings:
            raise X12Error(self.findings[0], self.findings[1:])
        return self.node


def read_set(one: TransactionSet, by: Layout) -> Said:
    """Never raises: whatever is wrong is a finding."""
    if one.set_id != by.set_id or one.group.functional != by.group:
        place = Place(one.first, "ST", 1, position=1)
        return Said({}, (*one.findings, Finding(X12Code.UNKNOWN_SET, place)))
    walk = _Walk(one, by)
    walk.run()
    return Said(walk.root, tuple(walk.findings[:FINDINGS_MAX]))


class _Walk:
    """The segments one after the other, and the loops that are open."""

    def __init__(self, one: TransactionSet, by: Layout) -> None:
        self.by = by
        self.first = one.first
        self.component = one.separators.component
        self.marks = one.separators
        self.segments = one.text.split(one.separators.terminator)[1:-2]
        self.heads = [segment[:HEAD] for segment in self.segments]
        self.ends: dict[str, list[int]] = {}
        self.root: Node = {}
        self.stack = [Frame(by.root, self.root)]
        self.findings = list(one.findings)

    def run(self) -> None:
        at = 0
        while at < len(self.segments) and len(self.findings) < FINDINGS_MAX:
            at = self._segment(at)
        while self.stack:
            self._close(len(self.segments))

    def _segment(self, at: int) -> int:
        """Places one segment, or a whole table; the number of the next one."""
        row = self._row(at)
        worst = -1
        for depth in range(len(self.stack) - 1, -1, -1):
            frame = self.stack[depth]
            index = frame.find(row)
            if index >= 0:
                while len(self.stack) > depth + 1:
                    self._close(at)
                return self._part(frame, index, at)
            worst = min(worst, index)
        self._stray(at, row, worst)
        return at + 1

    def _part(self, frame: Frame, index: int, at: int) -> int:
        frame.at = frame.loop.places[index]
        part = frame.loop.parts[index]
        if isinstance(part, Segment):
            frame.used[index] += 1
            self._elements(part, frame.node, at)
            return at + 1
        if part.ids and not frame.used[index]:
            end = self._end(part, at)
            if end - at >= ROWS_BY_COLUMN and self._goes_on(end):
                rows = Rows(self.segments[at:end], self.heads[at:end], self.marks, self.first + 1 + at)
                table = read_columns(part, rows)
                if table is not None and table.length <= part.high:
                    frame.used[index] = table.length
                    frame.node[part.name] = table
                    return end
        frame.used[index] += 1
        self._open(frame, part, at)
        return self._segment(at)

    def _goes_on(self, at: int) -> bool:
        """Whether an open loop has a place for the next segment: otherwise it may be a stray one amid the rows."""
        return at == len(self.segments) or any(frame.find(self._row(at)) >= 0 for frame in self.stack)

    def _row(self, at: int) -> Row:
        return self.segments[at].split(self.marks.element)

    def _end(self, loop: Loop, at: int) -> int:
        """The next segment at or after `at` that cannot be of the loop."""
        known = {head_of(one, self.marks) for one in loop.ids}
        for number, head in enumerate(self.heads[at : at + ROWS_BY_COLUMN], at):
            if head not in known:
                return number  # a few segments: not worth a look at the whole set
        others = self.ends.get(loop.name)
        if others is None:
            others = [number for number, head in enumerate(self.heads) if head not in known]
            self.ends[loop.name] = others
        index = bisect_left(others, at)
        return others[index] if index < len(others) else len(self.segments)

    def _open(self, frame: Frame, part: Loop, at: int) -> None:
        node: Node = {}
        if part.ids:
            frame.rows.setdefault(part.name, []).append(node)  # type: ignore[arg-type]  # leaves hold text alone
        else:
            turns = frame.node.setdefault(part.name, [])
            if isinstance(turns, list):
                turns.append(node)
        self.stack.append(Frame(part, node))

    def _close(self, at: int) -> None:
        """The end of a turn: what must have been there was, and its rows become columns."""
        frame = self.stack.pop()
        for index, part in enumerate(frame.loop.parts):
            trigger = part_trigger(part)
            need = part.low if isinstance(part, Loop) else int(part.need)
            if frame.used[index] < need:
                qualifiers = "".join(f", element {n:02} {value}" for n, value in trigger.qualifiers)
                self._add(
                    X12Code.SEGMENT_MISSING,
                    at,
                    detail=f"{trigger.id}{qualifiers} is missing before this place",
                    loop=frame.loop.name,
                    missing=trigger.id,
                )
        for name, rows in frame.rows.items():
            frame.node[name] = table_of(rows)

    def _stray(self, at: int, row: Row, worst: int) -> None:
        """A segment that no open loop has a place for."""
        if row[0] in self.by.skips or "*".join(row[:2]) in self.by.skips:
            return
        if not is_segment_id(row[0]):
            self._add(X12Code.SEGMENT_ID, at)
        elif worst == -2:
            self._add(X12Code.SEGMENT_TOO_OFTEN, at)
        elif worst == -3:
            self._add(X12Code.SEGMENT_ORDER, at)
        else:
            self._unknown(at, row)

    def _unknown(self, at: int, row: Row) -> None:
        """Either the map has no such segment, or none with this qualifier."""
        for frame in reversed(self.stack):
            for index in frame.loop.by_id.get(row[0], ()):
                wanted = part_trigger(frame.loop.parts[index]).qualifiers
                for number, value in wanted:
                    if number >= len(row) or row[number] != value:
                        self._add(X12Code.ELEMENT_CODE, at, number, "no part of the map with this qualifier")
                        return
        self._add(X12Code.SEGMENT_UNKNOWN, at)

    def _elements(self, part: Segment, node: Node, at: int) -> None:
        row = self._row(at)
        if len(row) > len(part.elements) + 1 and any(row[len(part.elements) + 1 :]):
            self._add(X12Code.ELEMENT_TOO_MANY, at, len(part.elements) + 1)
        for number, element in enumerate(part.elements, 1):
            value = row[number] if number < len(row) else ""
            if not value:
                if element.need:
                    self._add(X12Code.ELEMENT_MISSING, at, number, element.name)
                continue
            code = why_not(element, value, self.component) if element.name else None
            if code is not None:
                detail = (
                    f"{element.name}: {element.low} to {element.high} characters" if "too_" in code else ""
                )
                self._add(code, at, number, detail)
            elif element.name:
                node[element.name] = value

    def _add(
        self, code: X12Code, at: int, element: int = 0, detail: str = "", loop: str = "", missing: str = ""
    ) -> None:
        here = self._row(at)[0] if at < len(self.segments) else "SE"
        known = missing or (here if is_segment_id(here) else "")
        name = loop or (self.stack[-1].loop.name if self.stack else "")
        place = Place(self.first + at + 1, known, element, position=at + 2, loop=name)
        self.findings.append(Finding(code, place, detail))
