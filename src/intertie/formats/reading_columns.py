"""A block of readings as columns: a row for each reading that is there, and one for each meter's day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intertie.market.blocks import Block, layout
from intertie.model.interval import local_day
from intertie.model.metering import ESPI_QUALITY

# Energy in kWh with six digits: a milliwatt-hour, the finest that is kept.
KWH = pa.decimal128(18, 6)
POWER_OF_TEN = -6
EPOCH = date(1970, 1, 1)
QUALITIES = {code: quality.value for quality, code in ESPI_QUALITY.items()}

READINGS = pa.schema(
    [
        ("meter", pa.string()),
        ("channel", pa.string()),
        ("day", pa.date32()),  # local
        ("starts", pa.timestamp("us", tz="UTC")),
        ("minutes", pa.int32()),
        ("kwh", KWH),
        ("quality", pa.string()),
        ("revision", pa.int32()),
        ("source", pa.string()),
    ]
)
DAYS = pa.schema(
    [
        ("meter", pa.string()),
        ("channel", pa.string()),
        ("day", pa.date32()),
        ("kwh", KWH),
        ("readings", pa.int32()),
        ("intervals", pa.int32()),  # that the day has: 92, 96 or 100 quarter hours
        ("revision", pa.int32()),
        ("source", pa.string()),
    ]
)


class Columns(NamedTuple):
    """Arrow tables of READINGS and DAYS; text is kept once for each value that it has."""

    readings: Any
    days: Any


def columns_of(blocks: Iterable[tuple[str, Block]]) -> Columns:
    """Of blocks with their channels. A block's values are in POWER_OF_TEN of a kWh."""
    readings, days = [_coded(READINGS).empty_table()], [_coded(DAYS).empty_table()]
    for channel, block in blocks:
        readings.append(_readings(channel, block))
        days.append(_days(channel, block))
    return Columns(
        pa.concat_tables(readings).unify_dictionaries(), pa.concat_tables(days).unify_dictionaries()
    )


def _readings(channel: str, block: Block) -> Any:
    meter, day, slot = np.nonzero(block.present)
    starts = _starts(block)
    count = len(meter)
    return pa.table(
        [
            _names(block.meters, meter),
            _constant(channel, count),
            _dates(block, day),
            pa.array(starts[day, slot], READINGS.field("starts").type),
            pa.array(np.full(count, block.step_minutes, np.int32)),
            _kwh(block.values[meter, day, slot]),
            _qualities(block.quality[meter, day, slot]),
            pa.array(block.revision[meter, day]),
            _names(block.messages, block.source[meter, day]),
        ],
        schema=_coded(READINGS),
    )


def _days(channel: str, block: Block) -> Any:
    meter, day = np.nonzero(block.revision)
    lengths = np.array([len(layout(one, block.zone, block.step_minutes)) for one in block.days], np.int32)
    return pa.table(
        [
            _names(block.meters, meter),
            _constant(channel, len(meter)),
            _dates(block, day),
            _kwh(block.values.sum(axis=2)[meter, day]),
            pa.array(block.present.sum(axis=2)[meter, day].astype(np.int32)),
            pa.array(lengths[day]),
            pa.array(block.revision[meter, day]),
            _names(block.messages, block.source[meter, day]),
        ],
        schema=_coded(DAYS),
    )


def _starts(block: Block) -> Any:
    """Microseconds since 1970 for each day and slot."""
    made = np.zeros(block.values.shape[1:], np.int64)
    step = block.step_minutes * 60_000_000
    for place, day in enumerate(block.days):
        slots = list(layout(day, block.zone, block.step_minutes))
        begun = int(local_day(day, block.zone).start.timestamp()) * 1_000_000
        made[place, slots] = begun + step * np.arange(len(slots))
    return made


def _dates(block: Block, day: Any) -> Any:
    return pa.array((day + (block.first - EPOCH) // timedelta(days=1)).astype(np.int32)).cast(pa.date32())


def _kwh(values: Any) -> Any:
    """Whole milliwatt-hours as a decimal of kWh: exact."""
    whole = pa.array(values, pa.int64()).cast(pa.decimal128(19, 0))
    return pc.multiply(whole, pa.scalar(Decimal(1).scaleb(POWER_OF_TEN), pa.decimal128(6, 6))).cast(KWH)


def _qualities(codes: Any) -> Any:
    known = sorted(QUALITIES)
    return pa.DictionaryArray.from_arrays(
        np.searchsorted(known, codes).astype(np.int32), [QUALITIES[code] for code in known]
    )


def _names(names: Iterable[str], at: Any) -> Any:
    return pa.DictionaryArray.from_arrays(
        pa.array(at.astype(np.int32), mask=at < 0), pa.array(list(names), pa.string())
    )


def _constant(text: str, count: int) -> Any:
    return pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), pa.array([text]))


def _coded(schema: Any) -> Any:
    text = pa.dictionary(pa.int32(), pa.string())
    return pa.schema([(one.name, text if one.type == pa.string() else one.type) for one in schema])
