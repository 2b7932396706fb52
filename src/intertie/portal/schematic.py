"""The feeder as a drawing: where each section and point stands, which line feeds it, and how long its bars are. The template
draws it; nothing here is text that a browser could take for markup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from intertie.gateway.views.view_feeder import PointLine, SectionLine

# What can be drawn and read; of a larger feeder those sections that lead to the points of the page.
SECTIONS_DRAWN = 200
# A name that is longer is cut in the drawing; the table beside it has all of it.
NAME_DRAWN = 22
ROW, INDENT, MARGIN, BAR, BAR_AT = 26, 22, 14, 150, 300


class Node(NamedTuple):
    """A section or a point: its place, the line that feeds it (from a place down and to the right), and its bars."""

    name: str
    label: str
    x: int
    y: int
    fed_from: tuple[int, int] | None
    device: str
    dead: bool
    short: bool
    is_point: bool
    firm: int
    declared: int
    line: PointLine | None


class Drawing(NamedTuple):
    """Nodes in a box; `full_kw` is what a whole bar stands for."""

    width: int
    height: int
    bar_at: int
    full_kw: Decimal
    nodes: tuple[Node, ...]


def draw(sections: Sequence[SectionLine], points: Sequence[PointLine]) -> Drawing:
    """From the substation down, a row for each section and each point; points that hang on no section come last."""
    shown = _shown(sections, points)
    depths = _depths(shown)
    at_section: dict[str | None, list[PointLine]] = {}
    for point in points:
        at_section.setdefault(point.section if point.section in depths else None, []).append(point)
    full = max((_most(point) for point in points), default=Decimal(0))
    bar_at = max(BAR_AT, (max(depths.values(), default=0) + 2) * INDENT + 9 * NAME_DRAWN)
    nodes: list[Node] = []
    places: dict[str, tuple[int, int]] = {}
    for section in shown:
        x, y = MARGIN + depths[section.section] * INDENT, MARGIN + len(nodes) * ROW
        places[section.section] = x, y
        nodes.append(_section(section, x, y, places.get(section.parent or "")))
        for point in at_section.get(section.section, ()):
            nodes.append(_point(point, x + INDENT, MARGIN + len(nodes) * ROW, (x, y), full))
    for point in at_section.get(None, ()):
        nodes.append(_point(point, MARGIN, MARGIN + len(nodes) * ROW, None, full))
    return Drawing(bar_at + BAR + 9 * MARGIN, len(nodes) * ROW + MARGIN, bar_at, full, tuple(nodes))


def _shown(sections: Sequence[SectionLine], points: Iterable[PointLine]) -> list[SectionLine]:
    if len(sections) <= SECTIONS_DRAWN:
        return list(sections)
    parents = {one.section: one.parent for one in sections}
    wanted: set[str] = set()
    for point in points:
        name = point.section
        while name is not None and name not in wanted:
            wanted.add(name)
            name = parents.get(name)
    return [one for one in sections if one.section in wanted]


def _depths(sections: Iterable[SectionLine]) -> Mapping[str, int]:
    """Each section comes after the one that feeds it."""
    depths: dict[str, int] = {}
    for one in sections:
        depths[one.section] = depths[one.parent] + 1 if one.parent in depths else 0
    return depths


def _section(one: SectionLine, x: int, y: int, fed_from: tuple[int, int] | None) -> Node:
    dead = one.points > 0 and one.dead == one.points
    return Node(
        one.section, _cut(one.section), x, y, fed_from, one.device or "", dead, False, False, 0, 0, None
    )


def _point(one: PointLine, x: int, y: int, fed_from: tuple[int, int] | None, full: Decimal) -> Node:
    firm, declared = (_long(kw, full) for kw in (_promised(one), one.declared_kw))
    return Node(
        one.point, _cut(one.point), x, y, fed_from, "", one.dead, one.short, True, firm, declared, one
    )


def _promised(one: PointLine) -> Decimal:
    return max(one.firm_kw or Decimal(0), one.ordered_kw or Decimal(0))


def _most(one: PointLine) -> Decimal:
    return max(_promised(one), one.declared_kw or Decimal(0))


def _long(kw: Decimal | None, full: Decimal) -> int:
    """At least a pixel of what is there at all."""
    if not kw or not full:
        return 0
    return max(int(BAR * kw / full), 1)


def _cut(name: str) -> str:
    return name if len(name) <= NAME_DRAWN else name[: NAME_DRAWN - 1] + "…"
