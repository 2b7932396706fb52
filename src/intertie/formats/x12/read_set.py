"""A transaction set against its map: what it says as a tree, and everything that is wrong with it, each with its place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from intertie.formats.x12.columns import read_columns
from intertie.formats.x12.elements import why_not
from intertie.formats.x12.findings import Finding, Place, X12Code, X12Error
from intertie.formats.x12.interchange import TransactionSet
from intertie.formats.x12.layout import Layout, Loop, Segment
from intertie.formats.x12.separators import Separators
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
        self.begun: dict[str, int] = {}  # where the rows of a loop begin

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
    """The segments one after the other, and the loops that are open. `at` is the number of the present segment after ST."""

    def __init__(self, one: TransactionSet, by: Layout) -> None:
        self.by = by
        self.first = one.first
        self.marks = one.separators
        self.text = one.text
        self.pos = one.text.index(self.marks.terminator) + 1
        self.stop = max(self.pos, one.text.rindex(self.marks.terminator, 0, len(one.text) - 1) + 1)
        self.at = 0
        self.row: Row = ()
        self.next = self.pos
        self.root: Node = {}
        self.stack = [Frame(by.root, self.root)]
        self.findings = list(one.findings)

    def run(self) -> None:
        while self.pos < self.stop and len(self.findings) < FINDINGS_MAX:
            self.row, self.next = self._peek(self.pos)
            self._segment()
        self.row = ("SE",)
        while self.stack:
            self._close()

    def _peek(self, pos: int) -> tuple[Row, int]:
        end = self.text.index(self.marks.terminator, pos)
        return self.text[pos:end].split(self.marks.element), end + 1

    def _on(self) -> None:
        self.pos = self.next
        self.at += 1

    def _segment(self) -> None:
        """Places one segment, or a whole table."""
        worst = -1
        for depth in range(len(self.stack) - 1, -1, -1):
            frame = self.stack[depth]
            index = frame.find(self.row)
            if index >= 0:
                while len(self.stack) > depth + 1:
                    self._close()
                self._part(frame, index)
                return
            worst = min(worst, index)
        self._stray(worst)
        self._on()

    def _part(self, frame: Frame, index: int) -> None:
        frame.at = frame.loop.places[index]
        part = frame.loop.parts[index]
        if isinstance(part, Segment):
            frame.used[index] += 1
            self._elements(part, frame.node)
            self._on()
            return
        if part.ids and not frame.used[index] and self._columns(frame, part, index):
            return
        frame.used[index] += 1
        self._open(frame, part)
        self._segment()

    def _columns(self, frame: Frame, part: Loop, index: int) -> bool:
        """Reads all rows of a loop at once; False if they have to be looked at one by one."""
        if frame is self.stack[0]:
            # Such a loop comes once: what follows its last row is its end, if all before are rows. Seldom they are not.
            begin = f"{self.marks.terminator}{part.trigger.id}{self.marks.element}"
            last = self.text.rfind(begin, self.pos, self.stop)
            if last >= 0 and self._taken(frame, part, index, self._end_of(part, last + 1)):
                return True
        return self._taken(frame, part, index, self._end_of(part, self.pos))

    def _taken(self, frame: Frame, part: Loop, index: int, end: int) -> bool:
        """The rows up to there, if they are rows."""
        count = self.text.count(self.marks.terminator, self.pos, end)
        if count < ROWS_BY_COLUMN or not self._goes_on(end):
            return False
        table = read_columns(part, self.text[self.pos : end], self.marks, self.first + 1 + self.at, count)
        if table is None:
            return False
        frame.used[index] = table.length
        frame.node[part.name] = table
        self.at += count
        self.pos = end
        return True

    def _end_of(self, part: Loop, pos: int) -> int:
        """Where the rows of a loop end: before the first segment after this place that is none of its."""
        found = _foreign(part.ids, self.marks).search(self.text, pos)
        return found.end() if found else self.stop

    def _goes_on(self, pos: int) -> bool:
        """Whether an open loop has a place for the next segment: otherwise it may be a stray one amid the rows."""
        if pos >= self.stop:
            return True
        row, _ = self._peek(pos)
        return any(frame.find(row) >= 0 for frame in self.stack)

    def _open(self, frame: Frame, part: Loop) -> None:
        node: Node = {}
        if part.ids:
            frame.begun.setdefault(part.name, self.first + 1 + self.at)
            frame.rows.setdefault(part.name, []).append(node)  # type: ignore[arg-type]  # leaves hold text alone
        else:
            turns = frame.node.setdefault(part.name, [])
            if isinstance(turns, list):
                turns.append(node)
        self.stack.append(Frame(part, node))

    def _close(self) -> None:
        """The end of a turn: what must have been there was, and its rows become columns."""
        frame = self.stack.pop()
        for index, part in enumerate(frame.loop.parts):
            trigger = part_trigger(part)
            need = part.low if isinstance(part, Loop) else int(part.need)
            if frame.used[index] < need:
                wanted = ((number, "/".join(sorted(values))) for number, values in trigger.qualifiers)
                qualifiers = "".join(f", element {number:02} {value}" for number, value in wanted)
                detail = f"{trigger.id}{qualifiers} is missing before this place"
                self._add(X12Code.SEGMENT_MISSING, detail=detail, loop=frame.loop.name, missing=trigger.id)
        for name, rows in frame.rows.items():
            frame.node[name] = table_of(rows, frame.begun[name])

    def _stray(self, worst: int) -> None:
        """A segment that no open loop has a place for."""
        row = self.row
        if self.stack[-1].loop.passed and is_segment_id(row[0]):
            return
        if row[0] in self.by.skips or "*".join(row[:2]) in self.by.skips:
            return
        if not is_segment_id(row[0]):
            self._add(X12Code.SEGMENT_ID)
        elif worst == -2:
            self._add(X12Code.SEGMENT_TOO_OFTEN)
        elif worst == -3:
            self._add(X12Code.SEGMENT_ORDER)
        else:
            self._unknown(row)

    def _unknown(self, row: Row) -> None:
        """Either the map has no such segment, or none with this qualifier."""
        for frame in reversed(self.stack):
            for index in frame.loop.by_id.get(row[0], ()):
                for number, values in part_trigger(frame.loop.parts[index]).qualifiers:
                    if number >= len(row) or row[number] not in values:
                        self._add(X12Code.ELEMENT_CODE, number, "no part of the map with this qualifier")
                        return
        self._add(X12Code.SEGMENT_UNKNOWN)

    def _elements(self, part: Segment, node: Node) -> None:
        row = self.row
        if len(row) > len(part.elements) + 1 and any(row[len(part.elements) + 1 :]):
            self._add(X12Code.ELEMENT_TOO_MANY, len(part.elements) + 1)
        for number, element in enumerate(part.elements, 1):
            value = row[number] if number < len(row) else ""
            if not value:
                if element.need:
                    self._add(X12Code.ELEMENT_MISSING, number, element.name)
                continue
            code = why_not(element, value, self.marks.component) if element.name else None
            if code is not None:
                detail = (
                    f"{element.name}: {element.low} to {element.high} characters" if "too_" in code else ""
                )
                self._add(code, number, detail)
            elif element.name:
                node[element.name] = value

    def _add(
        self, code: X12Code, element: int = 0, detail: str = "", loop: str = "", missing: str = ""
    ) -> None:
        here = self.row[0]
        known = missing or (here if is_segment_id(here) else "")
        name = loop or (self.stack[-1].loop.name if self.stack else "")
        place = Place(self.first + self.at + 1, known, element, position=self.at + 2, loop=name)
        self.findings.append(Finding(code, place, detail))


@lru_cache(maxsize=256)
def _foreign(ids: frozenset[str], marks: Separators) -> re.Pattern[str]:
    """The end of a segment after which another one than of these comes."""
    names = "|".join(re.escape(id) for id in sorted(ids))
    return re.compile(f"{re.escape(marks.terminator)}(?!(?:{names}){re.escape(marks.element)})")
