"""From stored rows to a block: the same as the plain way, row by row, that market/blocks.py has."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.store.readings_cases import DAY, NOW, ZONE, keep, row, rows_of, store_in, table

from intertie.formats.reading_block import COLUMNS, block_of
from intertie.gateway.metering.readings import Readings
from intertie.gateway.metering.readings_block import load_block, meters_of
from intertie.market.blocks import BadBlock, Block, Row, empty, fill
from intertie.market.reading_days import DayRow, intervals_of
from intertie.model.ids import PartyId

CHANGES = date(2026, 10, 30)


def plain(rows: list[DayRow], meters: list[str], first: date, count: int) -> Block:
    block = empty(meters, first, count, ZONE, 60)
    found = [
        Row(
            one.meter,
            one.day,
            one.values,
            one.quality[0] if len(one.quality) == 1 else one.quality,
            one.revision,
            "import:1",
        )
        for one in rows
    ]
    return fill(block, found)


def same(one: Block, other: Block) -> None:
    for name in ("values", "present", "revision"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert np.array_equal(np.where(one.present, one.quality, 0), np.where(other.present, other.quality, 0))
    assert (one.meters, one.first, one.zone) == (other.meters, other.first, other.zone)


def drawn(seed: int) -> list[DayRow]:
    """Days of some meters, not all, with gaps, qualities and revisions, over a change of the clock."""
    dice = random.Random(seed)
    rows = []
    for meter in ("A", "B", "C", "D"):
        for day in (CHANGES + timedelta(days=n) for n in range(5)):
            for revision in range(1, dice.choice((1, 2, 2, 3, 4))):
                length = intervals_of(day, ZONE, 3600)
                values = [dice.choice((None, *range(100))) for _ in range(length)]
                quality = dice.choice(([17], [dice.choice((0, 8, 17)) for _ in range(length)]))
                rows.append(DayRow(meter, "import", day, revision, 3600, -3, values, quality))
    dice.shuffle(rows)
    return rows


@pytest.mark.parametrize("seed", range(25))
def test_as_row_by_row(seed: int) -> None:
    rows = drawn(seed)
    meters, first = ["C", "A", "nobody", "B"], CHANGES + timedelta(days=1)
    cut = 1 + len(rows) // 2
    tables = [table(rows[:cut]), table(rows[cut:])]
    found = block_of(tables, meters, first, 3, ZONE, 60)
    same(found, plain(rows, meters, first, 3))
    assert found.messages in (("import:1",), ())


def test_a_full_rectangle() -> None:
    rows = rows_of(6, 4)
    meters = [f"M{n:04}" for n in range(6)]
    same(block_of([table(rows)], meters, DAY, 4, ZONE, 60), plain(rows, meters, DAY, 4))


def test_parts_of_a_day_come_together_and_the_first_word_counts() -> None:
    """Whatever the order in which they are read."""

    def part(values: list[int | None], hours: int) -> Any:
        one = row()._replace(values=[*values, *[None] * (24 - len(values))])
        return table([one], f"m{hours}", NOW + timedelta(hours=hours))

    parts = [part([1, 2, None], 0), part([None, 5, 6], 1), part([9, 9, 9, 9], 2)]
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        block = block_of([parts[i] for i in order], ["M1"], DAY, 1, ZONE, 60)
        assert block.intervals(0, DAY)[:5] == (1, 2, 6, 9, None)
        assert block.messages[block.source[0, 0]] == "m0"


def test_rows_of_other_steps_and_channels_are_passed_over(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    keep(store, table([row(), row("M2", step=900), row("M3", channel="export"), row("M4", value=None)]))
    readings = Readings(store, ZONE, lambda _: True)
    block = load_block(readings, ["M1", "M2", "M3", "M4"], DAY, 1, step_minutes=60)
    assert block.present.sum(axis=(1, 2)).tolist() == [24, 0, 0, 0]
    assert block.revision.reshape(-1).tolist() == [1, 0, 0, 1]
    assert meters_of(readings) == ["M1", "M2", "M3", "M4"]
    assert meters_of(readings, DAY + timedelta(days=1)) == []
    nobody = load_block(readings, ["M1"], DAY, 1, step_minutes=60, parties=[PartyId("x.example")])
    assert not nobody.present.any()


def test_energy_keeps_its_exact_value_in_any_power_of_ten() -> None:
    fine = row(value=7_001)._replace(power_of_ten=-6)
    assert block_of([table([fine])], ["M1"], DAY, 1, ZONE, 60, -6).values.max() == 7_001
    with pytest.raises(BadBlock, match="M1, 2026-11-10"):
        block_of([table([fine])], ["M1"], DAY, 1, ZONE, 60)
    mixed = [row("M2", value=3)._replace(power_of_ten=0), row(value=7_000)._replace(power_of_ten=-6)]
    assert block_of([table(mixed)], ["M1", "M2"], DAY, 1, ZONE, 60).values[:, 0, 0].tolist() == [7, 3000]


def test_days_of_another_zone_are_not_taken_for_ours() -> None:
    short = row()._replace(values=[1] * 23)
    with pytest.raises(BadBlock, match="rebuild"):
        block_of([table([short])], ["M1"], DAY, 1, ZONE, 60)
    assert set(COLUMNS) >= {"values", "quality"}
