"""Lines of one file, judged one by one, as rows of whole days: sorted, without repeats, each day with its own length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from intertie.formats.reading_table import SCHEMA, Origin, bucket_of, constant, micros
from intertie.market.reading_days import DAY_SECONDS, Fault, intervals_of
from intertie.model.metering import Channel

# A line: the number of its meter, channel and quality; the local day (date.toordinal) and seconds into it; the value in
# 10^-6 kWh, and its place among the lines of the file.
LINE = np.dtype(
    [
        ("meter", np.int32),
        ("channel", np.int8),
        ("quality", np.int16),
        ("minutes", np.int16),
        ("revision", np.int32),
        ("day", np.int32),
        ("offset", np.int32),
        ("fold", np.int32),
        ("value", np.int64),
        ("present", np.bool_),
        ("line", np.int64),
    ]
)
CHANNELS = [channel.value for channel in Channel]
GROUP = ("meter", "channel", "revision", "day")
EPOCH = date(1970, 1, 1).toordinal()
# Longer than any run of days, so that times of one meter never reach those of the next.
FAR = 10**13


class Refused(NamedTuple):
    """A line that cannot be used: its place among the lines that could be split, and its text."""

    fault: Fault
    line: int
    text: str
    meter: str


class Days(NamedTuple):
    """Rows, what was refused, and for each meter what was odd."""

    table: Any
    refused: list[Refused]
    odd: list[tuple[str, Fault, int]]


def days_of(lines: Any, meters: Sequence[str], zone: str, origin: Origin) -> Days:
    """All days of some meters of a file."""
    odd: Counter[tuple[int, Fault]] = Counter()
    lines = _second_passes(lines)
    for meter, count in _out_of_order(lines):
        odd[meter, Fault.OUT_OF_ORDER] += count
    lines, refused = _without_repeats(lines, meters)
    starts = _starts(lines, GROUP)
    heads = lines[starts]
    lengths = _lengths(heads, zone)
    normal = DAY_SECONDS // 60 // heads["minutes"].astype(np.int64)
    for fault, where in ((Fault.SHORT_DAY, lengths < normal), (Fault.LONG_DAY, lengths > normal)):
        for meter in heads["meter"][where].tolist():
            odd[meter, fault] += 1
    table, missing = _table(lines, starts, heads, lengths, meters, origin)
    for meter, count in zip(heads["meter"].tolist(), missing.tolist(), strict=True):
        if count:
            odd[meter, Fault.MISSING] += count
    told = [(meters[meter], fault, count) for (meter, fault), count in sorted(odd.items())]
    return Days(table, refused, told)


def _sorted(lines: Any) -> Any:
    """By meter, channel, revision, day, time; lines of one time as they stand in the file."""
    keys = ("line", "offset", "day", "revision", "channel", "meter")
    return lines[np.lexsort([lines[key] for key in keys])]


def _starts(lines: Any, keys: Sequence[str]) -> Any:
    """Where one of these changes; sorted lines."""
    if not len(lines):
        return np.zeros(0, np.int64)
    change = np.zeros(len(lines) - 1, np.bool_)
    for key in keys:
        change |= lines[key][1:] != lines[key][:-1]
    return np.concatenate(([0], np.flatnonzero(change) + 1))


def _runs(starts: Any, count: int) -> Any:
    """For each line the number of its run."""
    marks = np.zeros(count, np.int64)
    marks[starts[1:]] = 1
    return np.cumsum(marks)


def _second_passes(lines: Any) -> Any:
    """Of two lines with a time that the clock shows twice, the second one is of the second pass."""
    lines = _sorted(lines)
    if not lines["fold"].any():
        return lines
    starts = _starts(lines, (*GROUP, "offset"))
    run = _runs(starts, len(lines))
    second = (np.arange(len(lines)) - starts[run] == 1) & (lines["fold"] > 0)
    lines = lines.copy()
    lines["offset"] += np.where(second, lines["fold"], 0).astype(np.int32)
    return _sorted(lines)


def _out_of_order(lines: Any) -> list[tuple[int, int]]:
    """For each meter how many lines are earlier than one before them in the file."""
    keys = ("meter", "channel", "revision")
    by_line = lines[np.lexsort([lines["line"], lines["revision"], lines["channel"], lines["meter"]])]
    run = _runs(_starts(by_line, keys), len(by_line))
    time = by_line["day"].astype(np.int64) * 2 * DAY_SECONDS + by_line["offset"] + run * FAR
    late = time < np.maximum.accumulate(time)
    meters, counts = np.unique(by_line["meter"][late], return_counts=True)
    return list(zip(meters.tolist(), counts.tolist(), strict=True))


def _without_repeats(lines: Any, meters: Sequence[str]) -> tuple[Any, list[Refused]]:
    """The first line of each time counts, and the length of interval of the first line of each day."""
    starts = _starts(lines, GROUP)
    run = _runs(starts, len(lines))
    first = np.lexsort([lines["line"], run])[starts]
    other_length = lines["minutes"] != lines["minutes"][first][run]
    times = _starts(lines, (*GROUP, "offset"))
    head = times[_runs(times, len(lines))]
    repeat = np.arange(len(lines)) != head
    same = (lines["value"] == lines["value"][head]) & (lines["present"] == lines["present"][head])
    duplicate = repeat & same & ~other_length
    bad = repeat | other_length
    if not bad.any():
        return lines, []
    refused = [
        Refused(
            Fault.DUPLICATE if is_same else Fault.OVERLAPPING,
            int(one["line"]),
            _text(one, meters),
            meters[one["meter"]],
        )
        for one, is_same in zip(lines[bad], duplicate[bad].tolist(), strict=True)
    ]
    return lines[~bad], refused


def _text(one: Any, meters: Sequence[str]) -> str:
    """A line as it was understood: meter, channel, local day, seconds into it, minutes, revision, quality, 10^-6 kWh."""
    day = date.fromordinal(int(one["day"])).isoformat()
    value = int(one["value"]) if one["present"] else ""
    fields = (day, one["offset"], one["minutes"], one["revision"], one["quality"], value)
    return ",".join([meters[one["meter"]], CHANNELS[one["channel"]], *map(str, fields)])


def _lengths(heads: Any, zone: str) -> Any:
    """Intervals of each day."""
    pairs = np.stack([heads["day"].astype(np.int64), heads["minutes"].astype(np.int64)], axis=1)
    distinct, place = np.unique(pairs, axis=0, return_inverse=True)
    found = [intervals_of(date.fromordinal(day), zone, minutes * 60) for day, minutes in distinct.tolist()]
    return np.array(found, np.int64)[place.reshape(-1)]


def _table(
    lines: Any, starts: Any, heads: Any, lengths: Any, meters: Sequence[str], origin: Origin
) -> tuple[Any, Any]:
    """SCHEMA, and how many intervals of each row have no reading."""
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    run = _runs(starts, len(lines))
    place = offsets[run] + lines["offset"] // (lines["minutes"].astype(np.int64) * 60)
    fine = np.ones(len(heads), np.bool_)  # whole watt-hours
    np.logical_and.at(fine, run, lines["value"] % 1000 == 0)
    values, there = np.zeros(offsets[-1], np.int64), np.zeros(offsets[-1], np.bool_)
    values[place] = np.where(fine[run], lines["value"] // 1000, lines["value"])
    there[place] = lines["present"]
    quality, ends = _qualities(lines, place, starts, lengths, offsets)
    named = [meters[number] for number in heads["meter"].tolist()]
    count = len(heads)
    columns = [
        pa.array([bucket_of(meter) for meter in named], pa.int16()),
        constant(origin.party, count),
        pa.array(named, pa.string()),
        pa.array([CHANNELS[number] for number in heads["channel"].tolist()], pa.string()),
        pa.array(heads["day"] - EPOCH, pa.int32()).cast(pa.date32()),
        pa.array(heads["revision"]),
        pa.array(heads["minutes"].astype(np.int32) * 60),
        pa.array(np.where(fine, -3, -6).astype(np.int8)),
        pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), pa.array(values, mask=~there), type=SCHEMA.field("values").type
        ),
        pa.ListArray.from_arrays(
            pa.array(ends, pa.int32()), pa.array(quality), type=SCHEMA.field("quality").type
        ),
        pa.array(np.full(count, micros(origin.arrived)), SCHEMA.field("arrived").type),
        constant(origin.source, count),
    ]
    filled = np.bincount(run, lines["present"], count).astype(np.int64) if count else np.zeros(0, np.int64)
    return pa.table(columns, schema=SCHEMA), lengths - filled


def _qualities(lines: Any, place: Any, starts: Any, lengths: Any, offsets: Any) -> tuple[Any, Any]:
    """One code for a day whose lines all have it, else one for each interval; and where each day's begin."""
    if not len(starts):
        return np.zeros(0, np.uint8), offsets
    codes = lines["quality"]
    low, high = np.minimum.reduceat(codes, starts), np.maximum.reduceat(codes, starts)
    sizes = np.where(low == high, 1, lengths)
    ends = np.concatenate(([0], np.cumsum(sizes)))
    run = _runs(starts, len(lines))
    quality = np.repeat(low, sizes).astype(np.uint8)
    within = np.where(sizes[run] == 1, 0, place - offsets[run])
    quality[ends[run] + within] = codes
    return quality, ends
