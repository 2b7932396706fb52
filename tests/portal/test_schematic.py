"""The drawing of a feeder: every node in its own row, fed from the one above it, bars to scale, and never without bounds."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from intertie.gateway.views.view_feeder import PointLine, SectionLine
from intertie.model.ids import ConnectionPointId
from intertie.portal import schematic
from intertie.portal.schematic import BAR, NAME_DRAWN, Drawing, draw


def section(name: str, parent: str | None = None, points: int = 0, dead: int = 0) -> SectionLine:
    return SectionLine(name, parent, None, points, dead)


def point(
    name: str,
    at: str | None = None,
    firm: int | None = None,
    declared: int | None = None,
    outages: tuple[str, ...] = (),
    remaining: int | None = None,
) -> PointLine:
    firm_kw, declared_kw, left = (None if kw is None else Decimal(kw) for kw in (firm, declared, remaining))
    none = None
    return PointLine(
        ConnectionPointId(name),
        at,
        none,
        firm_kw,
        none,
        declared_kw,
        none,
        left,
        0,
        Decimal(0),
        none,
        none,
        outages,
    )


def rows(drawing: Drawing) -> list[str]:
    return [node.name for node in sorted(drawing.nodes, key=lambda node: node.y)]


def test_sections_and_their_points_from_the_substation_down() -> None:
    drawing = draw(
        [section("S1"), section("S2", "S1", 2, 2), section("S3", "S1", 1)],
        [point("P1", "S2"), point("P2", "S2"), point("P3", "S3"), point("P9")],
    )
    assert rows(drawing) == ["S1", "S2", "P1", "P2", "S3", "P3", "P9"]
    nodes = {node.name: node for node in drawing.nodes}
    assert nodes["S3"].fed_from == (nodes["S1"].x, nodes["S1"].y) == nodes["S2"].fed_from
    assert nodes["P3"].fed_from == (nodes["S3"].x, nodes["S3"].y) and nodes["P9"].fed_from is None
    assert nodes["S1"].x < nodes["S2"].x < nodes["P1"].x
    assert nodes["S2"].dead and not nodes["S1"].dead and not nodes["S3"].dead
    assert nodes["P1"].is_point and nodes["P1"].line is not None and not nodes["S1"].is_point


def test_bars_are_to_one_scale() -> None:
    drawing = draw(
        [], [point("A", None, 10, 40), point("B", None, 20, 0), point("C"), point("D", None, 0, 40)]
    )
    nodes = {node.name: node for node in drawing.nodes}
    assert drawing.full_kw == 40
    assert (nodes["A"].firm, nodes["A"].declared, nodes["B"].firm) == (BAR // 4, BAR, BAR // 2)
    assert (nodes["B"].declared, nodes["C"].firm, nodes["C"].declared) == (0, 0, 0)
    assert draw([], [point("A", None, 1, 100_000)]).nodes[0].firm == 1
    assert draw([], []).nodes == ()


def test_what_is_out_and_what_is_short() -> None:
    drawing = draw([], [point("A", outages=("OUT-1",)), point("B", remaining=-1), point("C", remaining=0)])
    assert [(node.dead, node.short) for node in drawing.nodes] == [
        (True, False),
        (False, True),
        (False, False),
    ]


def test_long_names_are_cut_and_kept() -> None:
    name = "P-" + "9" * 100
    (node,) = draw([], [point(name)]).nodes
    assert node.name == name and len(node.label) == NAME_DRAWN and node.label.endswith("…")


def test_of_a_large_feeder_what_leads_to_the_page() -> None:
    count = schematic.SECTIONS_DRAWN + 50
    line = [section("S0"), *(section(f"S{n}", f"S{n - 1}") for n in range(1, 5))]
    others = [section(f"X{n}", "S0") for n in range(count)]
    drawing = draw([*line, *others], [point("P1", "S3"), point("P2", "NOWHERE")])
    assert rows(drawing) == ["S0", "S1", "S2", "S3", "P1", "P2"]


SHAPES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=30)


@given(SHAPES)
def test_no_two_nodes_share_a_row_and_lines_go_down(shape: list[tuple[int, int]]) -> None:
    sections, points = [], []
    for number, (parent, count) in enumerate(shape):
        above = f"S{parent}" if parent < number else None
        sections.append(section(f"S{number}", above, count))
        points += [point(f"P{number}-{n}", f"S{number}", n, count) for n in range(count)]
    drawing = draw(sections, points)
    assert len({node.y for node in drawing.nodes}) == len(drawing.nodes) == len(sections) + len(points)
    for node in drawing.nodes:
        assert 0 < node.x < drawing.width and 0 < node.y < drawing.height
        assert node.firm <= BAR and node.declared <= BAR
        if node.fed_from is not None:
            assert node.fed_from[0] < node.x and node.fed_from[1] < node.y
