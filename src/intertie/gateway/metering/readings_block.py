"""Readings as settlement takes them: a block of meters and days, from what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from intertie.formats.reading_block import COLUMNS, block_of
from intertie.gateway.metering.readings import Readings
from intertie.gateway.metering.readings_ports import Wanted
from intertie.market.blocks import WATT_HOURS, Block
from intertie.model.ids import PartyId
from intertie.model.metering import Channel

# From so many meters on a file is read whole: to look for each name costs more than to pass over rows.
LOOK_FOR_MAX = 1000


def load_block(
    readings: Readings,
    meters: Sequence[str],
    first: date,
    count: int,
    *,
    channel: Channel = Channel.IMPORT,
    parties: Sequence[PartyId] | None = None,
    step_minutes: int = 15,
    power_of_ten: int = WATT_HOURS,
) -> Block:
    """Readings of these meters on `count` days from the first one; `parties`: only what these said. Days without readings
    are gaps. Raises StoreError, and BadBlock for readings finer than the power of ten.
    """
    wanted = Wanted(
        first=first,
        last=first + timedelta(days=count - 1),
        meters=meters if len(meters) <= LOOK_FOR_MAX else None,
        channels=[channel.value],
        parties=parties,
    )
    tables = readings.store.tables(wanted, COLUMNS)
    return block_of(tables, meters, first, count, readings.zone, step_minutes, power_of_ten)


def meters_of(readings: Readings, first: date | None = None, last: date | None = None) -> list[str]:
    """All meters that have readings on these days, sorted."""
    found: set[str] = set()
    for table in readings.store.tables(Wanted(first=first, last=last), ("meter",)):
        found.update(table["meter"].unique().to_pylist())
    return sorted(found)
