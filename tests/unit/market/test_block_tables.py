"""Blocks from tables are the blocks from rows, whatever the order, the revisions, the gaps and the clock."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pyarrow as pa
import pytest

from intertie.market.block_tables import block_of_table
from intertie.market.blocks import BadBlock, Row, empty, fill, layout

ZONE = "Europe/Berlin"
FIRST = date(2026, 10, 20)
SCHEMA = pa.schema(
    [
        ("meter", pa.string()),
        ("day", pa.date32()),
        ("revision", pa.int32()),
        ("values", pa.list_(pa.int32())),
        ("quality", pa.list_(pa.uint8())),
        ("message", pa.string()),
    ]
)


def table_of(rows: list[Row]) -> pa.Table:
    names = ("meter", "day", "revision", "values", "quality", "message")
    listed = [{name: getattr(row, name) for name in names} for row in rows]
    return pa.Table.from_pylist(listed, schema=SCHEMA)


def random_rows(chance: random.Random) -> list[Row]:
    rows = []
    for meter in ("a", "b", "c"):
        for back in range(9):
            day = FIRST + timedelta(days=back)
            size = len(layout(day, ZONE, 60))
            for revision in chance.choice([(), (1,), (2,), (1, 2), (2, 1, 3)]):
                gaps = chance.choice([0.0, 0.1])
                values = [None if chance.random() < gaps else chance.randint(-9, 99) for _ in range(size)]
                quality = [chance.choice([0, 8]) for _ in range(size)]
                rows.append(Row(meter, day, values, quality, revision, f"{meter}.{back}.{revision}"))
    chance.shuffle(rows)
    return rows


@pytest.mark.parametrize("seed", range(30))
def test_tables_and_rows_agree(seed: int) -> None:
    rows = random_rows(random.Random(seed))
    one = block_of_table(table_of(rows), FIRST, 7, ZONE, 60, meters=("a", "c"))
    two = fill(empty(("a", "c"), FIRST, 7, ZONE, 60), rows)
    for field in ("values", "present", "quality", "revision"):
        assert getattr(one, field).tolist() == getattr(two, field).tolist(), field
    for meter in range(2):
        for day in range(7):
            left, right = int(one.source[meter, day]), int(two.source[meter, day])
            assert (left < 0) == (right < 0)
            assert left < 0 or one.messages[left] == two.messages[right]


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(BadBlock, match="3 values, the day has 24"):
        block_of_table(table_of([Row("a", FIRST, [1, 2, 3], [0, 0, 0])]), FIRST, 1, ZONE, 60)
    twins = [Row("a", FIRST, [n] * 24, [0] * 24) for n in (1, 2)]
    with pytest.raises(BadBlock, match="two different rows"):
        block_of_table(table_of(twins), FIRST, 1, ZONE, 60)
    same = [Row("a", FIRST, [1] * 24, [0] * 24)] * 2
    assert block_of_table(table_of(same), FIRST, 1, ZONE, 60).values.sum() == 24
    floats = pa.table({"meter": ["a"], "day": [FIRST], "revision": [1], "values": [[1.5]]})
    with pytest.raises(BadBlock, match="no integers"):
        block_of_table(floats, FIRST, 1, ZONE, 60)
    with pytest.raises(BadBlock, match="as many quality codes"):
        block_of_table(table_of([Row("a", FIRST, [1] * 24, [0])]), FIRST, 1, ZONE, 60)
