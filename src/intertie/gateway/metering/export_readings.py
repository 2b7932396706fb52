"""Readings as they count, as documents: of each meter's day the highest revision, for a file that goes elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

from intertie.formats.reading_documents import readings_of
from intertie.gateway.metering.readings import Readings
from intertie.gateway.metering.readings_block import load_block
from intertie.market.blocks import Block, layout
from intertie.market.reading_days import DayRow
from intertie.model.metering import Channel, MeterReadings

# Finer than a watt-hour where readings are: what was said is what goes out.
POWER = -6


class Asked(NamedTuple):
    """Which readings: meters, local days from the first on, channels, and the length of their intervals."""

    meters: Iterable[str]
    first: date
    days: int
    channels: Sequence[Channel]
    minutes: int


def readings_by_meter(readings: Readings, asked: Asked) -> Iterator[tuple[str, list[MeterReadings]]]:
    """The days of each meter that has any; one meter is in memory. Raises StoreError."""
    for meter in asked.meters:
        said: list[MeterReadings] = []
        for channel in asked.channels:
            block = load_block(
                readings,
                [meter],
                asked.first,
                asked.days,
                channel=channel,
                step_minutes=asked.minutes,
                power_of_ten=POWER,
            )
            said += [readings_of(row, readings.zone) for row in _rows(block, meter, channel)]
        if said:
            yield meter, said


def _rows(block: Block, meter: str, channel: Channel) -> Iterator[DayRow]:
    for place, day in enumerate(block.days):
        if not block.present[0, place].any():
            continue
        slots = list(layout(day, block.zone, block.step_minutes))
        there = block.present[0, place][slots].tolist()
        values = block.values[0, place][slots].tolist()
        coarse = all(value % 1000 == 0 for value in values)
        yield DayRow(
            meter=meter,
            channel=channel.value,
            day=day,
            revision=int(block.revision[0, place]),
            step_seconds=block.step_minutes * 60,
            power_of_ten=-3 if coarse else POWER,
            values=[
                (value // 1000 if coarse else value) if present else None
                for value, present in zip(values, there, strict=True)
            ],
            quality=block.quality[0, place][slots].tolist(),
        )
