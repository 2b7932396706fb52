"""Blocks: where an interval stands, also on the two days on which the clock turns."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from intertie.market.blocks import BadBlock, Row, as_row, changes, empty, fill, layout, likeness, width

ZONE = "Europe/Berlin"
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


def test_a_slot_is_the_same_wall_clock_on_every_day() -> None:
    """02:00 to 03:00 is missing in spring; in autumn its second pass stands behind the day."""
    assert layout(date(2026, 3, 28), ZONE, 15) == tuple(range(96))
    spring = layout(SPRING, ZONE, 15)
    assert (len(spring), spring[7:9]) == (92, (7, 12))
    autumn = layout(AUTUMN, ZONE, 15)
    assert (len(autumn), autumn[8:17]) == (100, (8, 9, 10, 11, 96, 97, 98, 99, 12))
    assert likeness(AUTUMN, ZONE, 15)[8:17] == (8, 9, 10, 11, 8, 9, 10, 11, 12)
    assert layout(date(2026, 4, 5), "Australia/Lord_Howe", 30)[3:6] == (3, 48, 4)  # half an hour twice
    with pytest.raises(BadBlock, match="no whole number"):
        layout(date(2026, 4, 5), "Australia/Lord_Howe", 60)
    with pytest.raises(BadBlock, match="do not divide"):
        layout(SPRING, ZONE, 7)


def test_the_width_is_that_of_the_longest_day() -> None:
    assert width(SPRING, 1, ZONE, 15) == 96
    assert width(date(2026, 10, 20), 10, ZONE, 15) == 100
    assert changes(date(2026, 3, 28), 3, ZONE, 15) == (False, True, False)


@pytest.mark.parametrize("day", [SPRING, AUTUMN, date(2026, 6, 1)])
def test_a_row_comes_back_as_it_went_in(day: date) -> None:
    length = len(layout(day, ZONE, 15))
    values = tuple(None if i == 9 else i - 5 for i in range(length))
    row = Row("m1", day, values, quality=tuple(8 if i == 3 else 0 for i in range(length)), message="a.1")
    block = fill(empty(("m0", "m1"), day, 2, ZONE), [row])
    assert as_row(block, 1, day) == row
    assert as_row(block, 0, day) is None
    assert int(block.present.sum()) == length - 1


def test_the_higher_revision_counts_in_any_order() -> None:
    day = date(2026, 6, 1)
    old, new = (Row("m", day, (n,) * 96, revision=n, message=f"a.{n}") for n in (1, 2))
    for rows in ([old, new], [new, old], [new, old, new]):
        found = as_row(fill(empty(("m",), day, 1, ZONE), rows), 0, day)
        assert found is not None
        assert (found.values[0], found.revision, found.message) == (2, 2, "a.2")


def test_what_does_not_fit_is_named() -> None:
    block = empty(("m",), SPRING, 1, ZONE)
    with pytest.raises(BadBlock, match="96 values, the day has 92"):
        fill(block, [Row("m", SPRING, (1,) * 96)])
    with pytest.raises(BadBlock, match="two different rows"):
        fill(block, [Row("m", SPRING, (1,) * 92), Row("m", SPRING, (2,) * 92)])
    with pytest.raises(BadBlock, match="named twice"):
        empty(("m", "m"), SPRING, 1, ZONE)
    with pytest.raises(BadBlock, match="no block"):
        empty(("m",), SPRING, 0, ZONE)


def test_a_sum_has_the_gaps_of_its_parts() -> None:
    day = date(2026, 6, 1)
    rows = [Row("a", day, (1,) * 96), Row("b", day, (None, *(-2,) * 95))]
    total = fill(empty(("a", "b"), day, 2, ZONE), rows).total()
    assert total.intervals(0, day) == (None, *(-1,) * 95)
    assert not total.present[0, 1].any()
    assert total.meters == ("total",)
    assert empty((), day, 1, ZONE).total().values.shape == (1, 1, 96)


def test_a_part_is_a_view() -> None:
    block = empty(("a", "b", "c"), SPRING, 1, ZONE)
    part = block.part(1, 3)
    assert part.meters == ("b", "c")
    assert np.shares_memory(part.values, block.values)
