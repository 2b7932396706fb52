"""Rows of meter days for tests, and what of them is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from intertie.formats.reading_table import Origin, table_of
from intertie.gateway.metering.readings_ports import Cursor, Wanted
from intertie.market.reading_days import DayRow, intervals_of
from intertie.seal.key_port import KekOf
from intertie.seal.parquet_keys import ParquetKeys
from intertie.stores.readings_files import ReadingsFiles

ZONE = "America/New_York"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
DAY = date(2026, 11, 10)


def row(
    meter: str = "M1",
    day: date = DAY,
    revision: int = 1,
    value: int | None = 7,
    step: int = 3600,
    channel: str = "import",
) -> DayRow:
    """A day of hours of one value."""
    return DayRow(meter, channel, day, revision, step, -3, [value] * intervals_of(day, ZONE, step), [17])


def rows_of(meters: int, days: int, first: date = DAY) -> list[DayRow]:
    """A day of each meter, each with a value of its own."""
    return [
        row(f"M{meter:04}", first + timedelta(days=day), value=meter * 100 + day)
        for meter in range(meters)
        for day in range(days)
    ]


def table(rows: Sequence[DayRow], source: str = "import:1", arrived: datetime = NOW) -> Any:
    return table_of(rows, Origin("u.example", arrived, source))


def keep(store: ReadingsFiles, *tables: Any, imported: int = 0) -> None:
    """Tables in one commit."""
    with store.writing() as batch:
        for one in tables:
            batch.add(one)
        batch.commit(Cursor(imported=imported or batch.cursor.imported))


def kept(store: ReadingsFiles, wanted: Wanted | None = None) -> list[tuple[Any, ...]]:
    """All rows, in an order that does not depend on files."""
    found: list[tuple[Any, ...]] = []
    for one in store.tables(wanted or Wanted()):
        for each in one.to_pylist():
            values = tuple(each["values"])
            found.append((each["meter"], each["day"], each["revision"], each["source"], values))
    return sorted(found, key=repr)


def asked(rows: Iterable[DayRow], source: str = "import:1") -> list[tuple[Any, ...]]:
    """What `kept` gives for these."""
    found = [(one.meter, one.day, one.revision, source, tuple(one.values)) for one in rows]
    return sorted(found, key=repr)


def keys_in(folder: Path) -> ParquetKeys:
    return ParquetKeys(folder / "readings" / "parquet.key", KekOf(bytes(32)))


def store_in(folder: Path) -> ReadingsFiles:
    return ReadingsFiles(folder / "readings", ZONE, keys_in(folder))
