"""A block's readings in the order of time, without repeats, cut where time has a hole: what becomes one series each."""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from intertie.formats.espi import names
from intertie.formats.espi.content import NO_QUALITY, NO_START, NO_VALUE
from intertie.formats.espi.entries import IntervalBlock, ReadingType
from intertie.market.reading_days import Fault
from intertie.model.ids import MeterId
from intertie.model.interval import STEPS_SECONDS, VALUE_MAX, IntervalSeries
from intertie.model.metering import ESPI_QUALITY, Channel, MeterReadings, Quality
from intertie.model.quantity import Unit

# A hole of a day or more begins another series: the days in it are missing, not gaps of a day.
HOLE_SECONDS = 86_400
# Powers of ten of a kWh that a series of ours may have.
POWERS = range(-6, 7)


class Cut(NamedTuple):
    """Whose readings they are and of which kind, what stands in for what the feed does not say, and who is told what is odd."""

    meter: str
    kind: ReadingType
    quality: Quality
    channel: Channel
    revision: int
    tell: Callable[[Fault, int, str], None]


class Run(NamedTuple):
    """Readings one after the other, without a repeat; None is a hole."""

    start: int
    step: int
    values: list[int | None]
    qualities: list[int]


class _Columns(NamedTuple):
    """A block's readings, by their places."""

    starts: Sequence[int]
    values: Sequence[int | None]
    qualities: Sequence[int]
    odd: set[int]


def readings_of(block: IntervalBlock, cut: Cut) -> Iterator[MeterReadings]:
    """The series of a block."""
    for run in _runs(block, cut):
        if (readings := _readings(run, cut)) is not None:
            yield readings


def _runs(block: IntervalBlock, cut: Cut) -> Iterator[Run]:
    if not block.values:
        return
    step = _step_of(cut.kind, block)
    if step not in STEPS_SECONDS:
        cut.tell(Fault.CLOCK, len(block.values), f"intervals of {step} seconds")
        return
    starts = _starts(block, step)
    if starts is None:
        cut.tell(Fault.BAD_LINE, len(block.values), "some readings, or all and their block, do not say when")
        return
    odd = [place for place, length in enumerate(block.lengths) if length not in (step, -1)]
    fallback = _default_quality(cut.kind, cut.quality)
    qualities = [fallback if code == NO_QUALITY else code for code in block.qualities]
    if not odd and starts == array("q", range(starts[0], starts[0] + step * len(starts), step)):
        yield Run(starts[0], step, _values(block), qualities)
        return
    yield from _pieces(step, _Columns(starts, _values(block), qualities, set(odd)), cut)


def _pieces(step: int, columns: _Columns, cut: Cut) -> Iterator[Run]:
    """Runs of what is not in order, has holes or repeats."""
    starts, values, qualities, odd = columns
    if odd:
        cut.tell(Fault.OVERLAPPING, len(odd), f"not {step} seconds long like the others")
    places = [place for place in range(len(starts)) if place not in odd]
    if any(starts[a] > starts[b] for a, b in itertools.pairwise(places)):
        cut.tell(Fault.OUT_OF_ORDER, 1, "readings are not in the order of time")
    run: Run | None = None
    for place in sorted(places, key=lambda place: (starts[place], place)):
        start = starts[place]
        end = None if run is None else run.start + step * len(run.values)
        if run is not None and end is not None and start < end:
            behind, rest = divmod(end - start, step)
            same = not rest and run.values[-behind] == values[place]
            fault = Fault.DUPLICATE if same else Fault.OVERLAPPING
            cut.tell(fault, 1, f"{_at(start)}: {values[place]} stands there before")
            continue
        if run is None or end is None or (start - end) % step or start - end >= HOLE_SECONDS:
            if run is not None:
                yield run
            run = Run(start, step, [], [])
        else:
            hole = (start - end) // step
            run.values.extend([None] * hole)
            run.qualities.extend([qualities[place]] * hole)
        run.values.append(values[place])
        run.qualities.append(qualities[place])
    if run is not None:
        yield run


def _readings(run: Run, cut: Cut) -> MeterReadings | None:
    count = len(run.values)
    channel = cut.channel if cut.kind.flow is None else names.FLOWS[cut.kind.flow]
    power = cut.kind.power_of_ten - 3
    values: Sequence[int | None] = run.values
    if power not in POWERS:
        scaled = _scaled(values, power)
        if scaled is None:
            cut.tell(Fault.TOO_FINE, count, f"powerOfTenMultiplier {cut.kind.power_of_ten}")
            return None
        power, values = scaled
    known = [value for value in values if value is not None]
    if channel is not Channel.NET and min(known, default=0) < 0:
        cut.tell(Fault.NEGATIVE, count, f"{channel} of {_at(run.start)} has a value below zero")
        return None
    if max(map(abs, known), default=0) >= VALUE_MAX:
        cut.tell(Fault.TOO_LARGE, count, f"a value from {_at(run.start)} on is beyond 48 bits")
        return None
    alike = len(set(run.qualities)) == 1
    codes = run.qualities[:1] if alike else run.qualities
    qualities = tuple(names.QUALITIES[code] for code in codes)
    return MeterReadings(
        meter=MeterId(cut.meter),
        channel=channel,
        quality=qualities[0] if alike else qualities,
        revision=cut.revision,
        series=IntervalSeries(
            start=datetime.fromtimestamp(run.start, UTC),
            step_seconds=run.step,
            unit=Unit.KWH,
            power_of_ten=power,
            values=tuple(values),
        ),
    )


def _step_of(kind: ReadingType, block: IntervalBlock) -> int:
    """Length of the intervals: as most of them say themselves, as the type says, or the block's share."""
    said = Counter(length for length in block.lengths if length > 0)
    if said:
        return said.most_common(1)[0][0]
    return kind.interval_seconds or (block.seconds // len(block.values) if block.seconds > 0 else 0)


def _starts(block: IntervalBlock, step: int) -> array[int] | None:
    """Starts of the readings; if none of them says, one after the other from the block's own."""
    silent = block.starts.count(NO_START)
    if not silent:
        return block.starts
    if silent < len(block.starts) or block.start == NO_START:
        return None
    return array("q", range(block.start, block.start + step * silent, step))


def _values(block: IntervalBlock) -> list[int | None]:
    if NO_VALUE not in block.values:
        return list(block.values)
    return [None if value == NO_VALUE else value for value in block.values]


def _default_quality(kind: ReadingType, fallback: Quality) -> int:
    if kind.default_quality in names.QUALITIES:
        return int(kind.default_quality or 0)
    return ESPI_QUALITY[fallback]


def _scaled(values: Sequence[int | None], power: int) -> tuple[int, list[int | None]] | None:
    """The same values with a power that a series may have; None if they are finer, or too large."""
    if power > POWERS[-1]:
        factor = 10 ** (power - POWERS[-1])
        return POWERS[-1], [None if value is None else value * factor for value in values]
    divisor = 10 ** (POWERS[0] - power)
    if any(value is not None and value % divisor for value in values):
        return None
    return POWERS[0], [None if value is None else value // divisor for value in values]


def _at(seconds: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat()
