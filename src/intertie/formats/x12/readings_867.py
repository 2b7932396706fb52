"""867: meter readings. A PTD loop is a meter's channel; QTY and DTM are its values and the ends of their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from intertie.formats.x12.findings import Finding, Place, X12Code, X12Error
from intertie.formats.x12.stamps import Clock, Labels
from intertie.formats.x12.trading import Call, parties
from intertie.formats.x12.tree import Node, Table, nodes, table, text
from intertie.formats.x12.write_set import no_place
from intertie.model.ids import ConnectionPointId, MeterId
from intertie.model.interval import SERIES_MAX, IntervalSeries, Stamp
from intertie.model.metering import Channel, MeterReadings, MeterReadingSet, Quality
from intertie.model.quantity import Unit

# X12 knows an actual and an estimated quantity; what is neither measured nor sure is estimated.
ESTIMATED = frozenset(
    {
        Quality.ESTIMATED,
        Quality.INTERPOLATED,
        Quality.QUESTIONABLE,
        Quality.DERIVED,
        Quality.PROJECTED,
        Quality.MIXED,
        Quality.WEATHER_NORMALISED,
        Quality.OTHER,
    }
)
# REF*MT: unit and minutes. A day has a word of its own.
_DAY_SECONDS = 86400
# IntervalSeries has powers of ten down to -6.
PLACES_MAX = 6
# Every digit as a zero.
_SHAPE = bytes.maketrans(b"123456789", b"000000000")


def write_readings(body: MeterReadingSet, call: Call) -> Node:
    """The tree of an 867. X12WriteError for an interval that it cannot name."""
    clock = Clock(call.profile)
    return {
        "purpose": call.value("purpose"),
        "reference": call.reference,
        "date": call.date,
        "report": call.value("report"),
        "point": body.point or "",
        "request": body.request or "",
        "parties": parties(call),
        "meters": [_write_meter(one, call, clock) for one in body.meters],
    }


def _write_meter(one: MeterReadings, call: Call, clock: Clock) -> Node:
    series = one.series
    if series.step_seconds % 60 or series.start.second or series.start.microsecond:
        raise no_place("series", "867", "867 stamps whole minutes")
    labels = clock.ends(series.start, series.step_seconds, len(series.values))
    start, end = clock.write(series.start), clock.write(series.end, ends=True)
    readings: dict[str, Sequence[str]] = {
        "quality": _qualities(one, call),
        "value": values_text(series.values, series.power_of_ten),
        "unit": ["KH"] * len(series.values),
        "date": labels.dates,
        "time": labels.times,
        "zone": labels.zones,
    }
    return {
        "kind": call.value("kind_of")[one.channel.value],
        "meter": one.meter,
        **dict(zip(("start_date", "start_time", "start_zone"), start, strict=True)),
        **dict(zip(("end_date", "end_time", "end_zone"), end, strict=True)),
        "kind_and_step": f"KH{_minutes(series.step_seconds)}",
        "revision": str(one.revision) if one.revision > 1 else "",
        "readings": Table(len(series.values), readings),
    }


def values_text(values: Sequence[int | None], power: int) -> list[str]:
    """Each value in kWh with as many places as its power of ten has; a gap is 0, and its quality says so."""
    known: Any = values if None not in values else [value or 0 for value in values]
    if power >= 0:
        factor = 10**power
        return [str(value * factor) for value in known]
    # Exact: a float has 15 digits, a value of ESPI's 48 bits has 15, and the text is rounded to the place it came from.
    template, divisor = f"%.{-power}f", 10**-power
    return [template % (value / divisor) for value in known]


def _qualities(one: MeterReadings, call: Call) -> list[str]:
    actual, estimated = call.value("quality_codes")[one.channel.value]
    count = len(one.series.values)
    if isinstance(one.quality, tuple):
        found = [estimated if quality in ESTIMATED else actual for quality in one.quality]
    else:
        found = [estimated if one.quality in ESTIMATED else actual] * count
    if None in one.series.values:
        gap = call.value("gap")
        found = [gap if value is None else code for code, value in zip(found, one.series.values, strict=True)]
    return found


def _minutes(step_seconds: int) -> str:
    return "DAY" if step_seconds == _DAY_SECONDS else f"{step_seconds // 60:03}"


def read_readings(node: Node, call: Call) -> MeterReadingSet:
    """The document of an 867's tree. X12Error(DOCUMENT) names the loop that makes none; ValueError breaks a rule of its type."""
    clock = Clock(call.profile)
    return MeterReadingSet(
        meters=tuple(_read_meter(one, call, clock) for one in nodes(node, "meters")),
        point=ConnectionPointId(point) if (point := text(node, "point")) else None,
        request=text(node, "request") or None,
    )


def _read_meter(node: Node, call: Call, clock: Clock) -> MeterReadings:
    rows = table(node, "readings")
    try:
        start = clock.read(text(node, "start_date"), text(node, "start_time"), text(node, "start_zone"))
        step = _step(text(node, "kind_and_step"))
        labels = Labels(*(tuple(rows.column(name)) for name in ("date", "time", "zone")))
        count = _count(node, clock, start, step)
        order = clock.grid(labels, start, step)
        channel, estimated = _channel(rows, text(node, "kind"), call)
        power, numbers = _numbers(rows.column("value"))
    except (ValueError, OverflowError) as error:
        raise _unfit(rows, str(error)) from error
    values: Sequence[int | None] = numbers
    codes = rows.column("quality")
    if (gap := call.value("gap")) in codes:
        values = [None if code == gap else value for value, code in zip(values, codes, strict=True)]
    qualities = _read_qualities(codes, estimated)
    if order is not None or count != len(values):
        values, qualities = _in_order(order or range(len(values)), count, values, qualities, rows)
    series = IntervalSeries(
        start=start,
        step_seconds=step,
        unit=Unit.KWH,
        power_of_ten=power,
        stamped=Stamp.END,
        values=tuple(values),
    )
    return MeterReadings(
        meter=MeterId(text(node, "meter")),
        channel=channel,
        quality=qualities,
        series=series,
        revision=_revision(text(node, "revision")),
    )


def _unfit(rows: Table, why: str) -> X12Error:
    place = Place(rows.first, "QTY" if rows.first else "", loop="readings")
    return X12Error(Finding(X12Code.DOCUMENT, place, why))


def _step(text: str) -> int:
    if text == "KHDAY":
        return _DAY_SECONDS
    if text.startswith("KH") and text[2:].isdigit() and int(text[2:]):
        return int(text[2:]) * 60
    raise ValueError("REF*MT: kWh by a number of minutes is what can be read (as KH015)")


def _revision(text: str) -> int:
    return int(text) if text.isdigit() else 1


def _channel(rows: Table, kind: str, call: Call) -> tuple[Channel, str]:
    """The channel by the kind of the loop and its qualities, and that channel's code for an estimate."""
    kinds: Mapping[str, str] = call.value("kind_of")
    codes: Mapping[str, tuple[str, str]] = call.value("quality_codes")
    said = set(rows.column("quality")) - {call.value("gap")}
    for channel in Channel:
        if kinds[channel.value] == kind and said <= set(codes[channel.value]):
            return channel, codes[channel.value][1]
    raise ValueError("the kind of the PTD loop and the qualifiers of its quantities are of no one channel")


def _numbers(column: Sequence[str]) -> tuple[int, list[int]]:
    """The power of ten, and the values as integers of it. ValueError for more than six places."""
    text = ",".join(column)
    most = _alike(text, len(column))
    if most is None:
        most = max(_places(value) for value in column)
        if most > PLACES_MAX:
            raise ValueError(f"a value has more than {PLACES_MAX} places")
        text = ",".join(f"{value.replace('.', '')}{'0' * (most - _places(value))}" for value in column)
    return -most, list(map(int, text.replace(".", "").split(",")))


def _alike(text: str, count: int) -> int | None:
    """How many places all values have, or None if they differ. The column was checked: what stands there are numbers."""
    if "." not in text:
        return 0
    places = len(text) - 1 - text.rfind(".")
    ending = b"." + b"0" * places + b","
    shape = f"{text},".encode("ascii").translate(_SHAPE)
    same = places <= PLACES_MAX and shape.count(ending) == shape.count(b".") == count
    return places if same else None


def _places(value: str) -> int:
    return len(value) - 1 - value.find(".") if "." in value else 0


def _read_qualities(codes: Sequence[str], estimated: str) -> Quality | tuple[Quality, ...]:
    if estimated not in codes:
        return Quality.VALID
    found = tuple(Quality.ESTIMATED if code == estimated else Quality.VALID for code in codes)
    return Quality.ESTIMATED if set(found) == {Quality.ESTIMATED} else found


def _count(node: Node, clock: Clock, start: datetime, step: int) -> int:
    """How many intervals DTM*150 and 151 enclose."""
    end = clock.read(
        text(node, "end_date"), text(node, "end_time"), text(node, "end_zone"), ends=True, after=start
    )
    count, rest = divmod(end - start, timedelta(seconds=step))
    if rest or not 1 <= count <= SERIES_MAX:
        raise ValueError("DTM*150 and 151 do not enclose whole intervals")
    return count


def _in_order(
    order: Sequence[int],
    count: int,
    values: Sequence[int | None],
    qualities: Quality | tuple[Quality, ...],
    rows: Table,
) -> tuple[list[int | None], Quality | tuple[Quality, ...]]:
    """Values at their intervals; those that were not sent are gaps."""
    if len(set(order)) < len(order) or max(order) >= count:
        raise _unfit(rows, "an interval comes twice, or lies after the end (DTM*151)")
    placed: list[int | None] = [None] * count
    each = [Quality.VALID] * count
    for index, number in enumerate(order):
        placed[number] = values[index]
        if isinstance(qualities, tuple):
            each[number] = qualities[index]
    return placed, tuple(each) if isinstance(qualities, tuple) else qualities
