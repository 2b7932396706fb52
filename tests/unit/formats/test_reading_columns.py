"""Blocks as columns: each reading is there once, when and as much as it was; also on days of 23 and 25 hours."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from intertie.formats.reading_columns import POWER_OF_TEN, columns_of
from intertie.market.blocks import Block, Row, empty, fill, layout
from intertie.model.interval import local_day

ZONE = "America/New_York"
# The clock is turned on the second day of each.
FIRST_DAYS = (date(2026, 3, 7), date(2026, 10, 31), date(2026, 6, 1))
VALUES = st.none() | st.integers(-(2**47), 2**47)


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    """Two meters, three days, some without a row."""
    first = draw(st.sampled_from(FIRST_DAYS))
    rows = []
    for meter in ("a", "b"):
        for place in range(3):
            day = first + timedelta(days=place)
            length = len(layout(day, ZONE, 60))
            values = draw(st.none() | st.lists(VALUES, min_size=length, max_size=length))
            if values is not None:
                rows.append(Row(meter, day, values, 0, draw(st.integers(1, 3)), f"{meter}{place}"))
    return fill(empty(["a", "b"], first, 3, ZONE, 60, POWER_OF_TEN), rows)


@given(blocks())
def test_each_reading_has_its_row(block: Block) -> None:
    rows = columns_of([("import", block)]).readings.to_pylist()
    expected = []
    for number, meter in enumerate(block.meters):
        for day in block.days:
            begun = local_day(day, ZONE).start
            for place, value in enumerate(block.intervals(number, day)):
                if value is not None:
                    kwh = Decimal(value).scaleb(POWER_OF_TEN)
                    expected.append((meter, day, begun + timedelta(hours=place), kwh))
    assert sorted((row["meter"], row["day"], row["starts"], row["kwh"]) for row in rows) == sorted(expected)
    assert {row["minutes"] for row in rows} <= {60} and {row["channel"] for row in rows} <= {"import"}


@given(blocks())
def test_a_days_row_is_the_sum_of_its_readings(block: Block) -> None:
    found = columns_of([("import", block)])
    for row in found.days.to_pylist():
        mine = [
            one["kwh"]
            for one in found.readings.to_pylist()
            if (one["meter"], one["day"]) == (row["meter"], row["day"])
        ]
        assert (row["kwh"], row["readings"]) == (sum(mine, Decimal(0)), len(mine))
        assert row["intervals"] == len(layout(row["day"], ZONE, 60)) and row["source"][0] == row["meter"]


def test_of_nothing_there_are_tables_without_rows() -> None:
    found = columns_of([])
    assert found.readings.num_rows == found.days.num_rows == 0
    assert "kwh" in found.readings.column_names
