"""Many meters for a month: a job, and rows of meter days as a table and as files."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from tests.unit.market.market_world import confirmation, instruction

from intertie.formats.many_job import Job, JobDay, JobMeter
from intertie.market.baseline_rule import Reason
from intertie.market.blocks import layout
from intertie.model.dispatch import DispatchInstruction

ZONE = "America/New_York"
FIRST, LAST = date(2024, 7, 1), date(2024, 7, 31)
BEGIN = date(2024, 5, 17)  # 45 days before the first
EVENTS = (date(2024, 7, 17), date(2024, 7, 24))
HOUR = 60


def call(day: date, name: str, kilowatts: int = 2, hours: int = 2) -> DispatchInstruction:
    """From 17:00 in New York in summer."""
    start = datetime(day.year, day.month, day.day, 21, tzinfo=UTC)
    return instruction([kilowatts] * hours, dispatch=name, start=start, step=3600)


def names(count: int) -> list[str]:
    return [f"m{number:04}" for number in range(count)]


def job(count: int, **changes: Any) -> Job:
    """Meters with 1 to 4 kW under a deal of 4 kW: a call for 2 kW asks each for half of its own."""
    made = Job(
        deal=confirmation(),
        first=FIRST,
        last=LAST,
        calls=tuple(call(day, f"D{n}") for n, day in enumerate(EVENTS, 1)),
        not_usable=tuple(JobDay(day=day, reason=Reason.EVENT_DAY) for day in EVENTS),
        holidays=(date(2024, 7, 4),),
        minutes=HOUR,
        meters=tuple(
            JobMeter(meter=name, contracted_kw=Decimal(n % 4 + 1)) for n, name in enumerate(names(count))
        ),
    )
    return msgspec.structs.replace(made, **changes)


def rows(meters: Sequence[str], seed: int = 0, gaps: float = 0.002) -> list[dict[str, Any]]:
    """Every day of every meter, with gaps here and there and less load in an event."""
    chance = random.Random(seed)
    made = []
    for meter in meters:
        level = chance.randint(800, 4000)
        for number in range((LAST - BEGIN).days + 1):
            day = BEGIN + timedelta(days=number)
            values: list[int | None] = [
                None if chance.random() < gaps else chance.randint(level // 2, level)
                for _ in layout(day, ZONE, HOUR)
            ]
            if day in EVENTS:
                values[17:19] = [None if one is None else one // 2 for one in values[17:19]]
            made.append(row(meter, day, values, message=f"msg-{meter}-{day:%m}"))
    return made


def row(
    meter: str, day: date, values: Sequence[int | None], revision: int = 1, message: str = "msg"
) -> dict[str, Any]:
    return {"meter": meter, "day": day, "revision": revision, "values": list(values), "message": message}


SCHEMA = pa.schema(
    [
        ("meter", pa.string()),
        ("day", pa.date32()),
        ("revision", pa.int32()),
        ("values", pa.list_(pa.int64())),
        ("message", pa.string()),
    ]
)


def table(made: Sequence[dict[str, Any]]) -> Any:
    return pa.Table.from_pylist(list(made), SCHEMA)


def write(folder: Path, name: str, made: Sequence[dict[str, Any]], group: int = 200) -> Path:
    """A file of these rows, in small row groups."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.parquet"
    pq.write_table(table(made), path, row_group_size=group)
    return path
