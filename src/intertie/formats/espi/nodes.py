"""Entries as they are written: a usage point, its local time, and for each channel, step and unit a meter reading, its type, its
blocks, and summaries by month. An entry is made when it is written: by path, level and times it is chosen before."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

from lxml import etree

from intertie.formats.espi.names import (
    ATOM,
    BASE,
    DELTA,
    ELECTRICITY,
    ENERGY,
    ESPI,
    FLOW_OF,
    SERVICE_ELECTRICITY,
    WATT_HOURS,
    atom,
    espi,
)
from intertie.formats.espi.zone_rules import zone_rules
from intertie.model.metering import ESPI_QUALITY, Channel, MeterReadings

NAMESPACES = {None: ATOM, "espi": ESPI}
# How deep an entry stands below a subscription.
POINT, READING, BLOCK = 0, 1, 2


class Kind(NamedTuple):
    """What series have in common that are of one meter reading."""

    channel: Channel
    step_seconds: int
    power_of_ten: int

    @property
    def name(self) -> str:
        """Its part of a path."""
        return f"{self.channel}-{self.step_seconds}-{self.power_of_ten}".replace("--", "-m")


class Said(NamedTuple):
    """Readings, when they came first, and when they changed last."""

    readings: MeterReadings
    published: datetime
    updated: datetime


class Place(NamedTuple):
    """Where entries are: `host` is empty or as https://host, `points` the path below which usage points are."""

    zone: str
    host: str = ""
    points: str = BASE
    summaries: bool = False


class Node(NamedTuple):
    """An entry that may be written."""

    name: str  # UsagePoint, ...
    level: int
    path: str
    up: str
    related: tuple[str, ...]
    published: datetime
    updated: datetime
    content: Callable[[], etree._Element]


def nodes_of(meter: str, said: Sequence[Said], place: Place, now: datetime) -> Iterator[Node]:
    """All of one meter. Its local time and reading types stand beside its usage point: other meters have the same."""
    point = f"{place.points}/UsagePoint/{quote(meter, safe='')}"
    local = f"{BASE}/LocalTimeParameters/{zone_name(place.zone)}"
    first = min((one.published for one in said), default=now)
    last = max((one.updated for one in said), default=now)
    year = min((one.readings.series.start.year for one in said), default=now.year)
    more = (f"{point}/UsageSummary",) if place.summaries else ()
    links = (local, f"{point}/MeterReading", *more)
    yield Node("UsagePoint", POINT, point, f"{place.points}/UsagePoint", links, first, last, _usage_point)
    yield local_node(place.zone, year, first, last)
    kinds: dict[Kind, list[Said]] = {}
    for one in said:
        kinds.setdefault(kind_of(one.readings), []).append(one)
    for kind, all_of_it in sorted(kinds.items()):
        yield from _series(point, kind, all_of_it)
    if place.summaries:
        yield from _summaries(point, said, place.zone)


def kind_of(readings: MeterReadings) -> Kind:
    """Which meter reading they belong to."""
    return Kind(readings.channel, readings.series.step_seconds, readings.series.power_of_ten)


def zone_name(zone: str) -> str:
    """A zone as a part of a path."""
    return zone.replace("/", "-")


def local_node(zone: str, year: int, published: datetime, updated: datetime) -> Node:
    """The zone's rules."""
    up = f"{BASE}/LocalTimeParameters"
    content = partial(_local_time, zone, year)
    return Node(
        "LocalTimeParameters", READING, f"{up}/{zone_name(zone)}", up, (), published, updated, content
    )


def type_node(kind: Kind, published: datetime, updated: datetime) -> Node:
    """What the values of a meter reading are."""
    up = f"{BASE}/ReadingType"
    return Node(
        "ReadingType", BLOCK, f"{up}/{kind.name}", up, (), published, updated, partial(_reading_type, kind)
    )


def _series(point: str, kind: Kind, said: Sequence[Said]) -> Iterator[Node]:
    reading = f"{point}/MeterReading/{kind.name}"
    first, last = min(one.published for one in said), max(one.updated for one in said)
    links = (f"{reading}/IntervalBlock", f"{BASE}/ReadingType/{kind.name}")
    content = partial(etree.Element, espi("MeterReading"))
    yield Node("MeterReading", READING, reading, f"{point}/MeterReading", links, first, last, content)
    yield type_node(kind, first, last)
    for one in sorted(said, key=lambda each: (each.readings.series.start, each.readings.revision)):
        name = f"{int(one.readings.series.start.timestamp())}-{one.readings.revision}"
        yield Node(
            "IntervalBlock",
            BLOCK,
            f"{reading}/IntervalBlock/{name}",
            f"{reading}/IntervalBlock",
            (),
            one.published,
            one.updated,
            partial(_block, one.readings),
        )


def _summaries(point: str, said: Sequence[Said], zone: str) -> Iterator[Node]:
    """Energy that was delivered, by local month."""
    months: dict[str, list[Said]] = {}
    for one in said:
        if one.readings.channel is Channel.IMPORT:
            start = one.readings.series.start.astimezone(ZoneInfo(zone))
            months.setdefault(f"{start:%Y-%m}", []).append(one)
    for month, some in sorted(months.items()):
        up = f"{point}/UsageSummary"
        first, last = min(one.published for one in some), max(one.updated for one in some)
        content = partial(_summary, [one.readings for one in some], last)
        yield Node("UsageSummary", READING, f"{up}/{month}", up, (), first, last, content)


def element_of(node: Node, host: str) -> etree._Element:
    """The entry."""
    entry = etree.Element(atom("entry"), nsmap=NAMESPACES)
    entry.append(text(atom("id"), urn(f"{host}{node.path}")))
    links = [("self", node.path, f"espi-entry/{node.name}"), ("up", node.up, f"espi-feed/{node.name}")]
    links += [("related", path, _type_of(path)) for path in node.related]
    for rel, path, kind in links:
        entry.append(etree.Element(atom("link"), rel=rel, href=f"{host}{path}", type=kind))
    entry.append(text(atom("title"), ""))
    inside = etree.SubElement(entry, atom("content"))
    inside.append(node.content())
    entry.append(text(atom("published"), instant(node.published)))
    entry.append(text(atom("updated"), instant(node.updated)))
    return entry


def _type_of(path: str) -> str:
    """What a link leads to: a collection, or one of it."""
    *_, before, last = path.rsplit("/", 2)
    feed = last in ("MeterReading", "IntervalBlock", "UsageSummary", "UsagePoint")
    return f"espi-feed/{last}" if feed else f"espi-entry/{before}"


def _usage_point() -> etree._Element:
    return record("UsagePoint", ("ServiceCategory", (("kind", SERVICE_ELECTRICITY),)))


def _local_time(zone: str, year: int) -> etree._Element:
    rules = zone_rules(zone, year)
    return record(
        "LocalTimeParameters",
        ("dstEndRule", rules.dst_end),
        ("dstOffset", rules.dst_offset_seconds),
        ("dstStartRule", rules.dst_start),
        ("tzOffset", rules.offset_seconds),
    )


def _reading_type(kind: Kind) -> etree._Element:
    return record(
        "ReadingType",
        ("accumulationBehaviour", DELTA),
        ("commodity", ELECTRICITY[0]),
        ("flowDirection", FLOW_OF[kind.channel]),
        ("intervalLength", kind.step_seconds),
        ("kind", ENERGY),
        ("powerOfTenMultiplier", kind.power_of_ten + 3),
        ("uom", WATT_HOURS),
    )


def _block(one: MeterReadings) -> etree._Element:
    """Gaps have no reading: the next one says when it is."""
    series = one.series
    first, step = int(series.start.timestamp()), series.step_seconds
    block = record("IntervalBlock", ("interval", (("duration", step * len(series.values)), ("start", first))))
    names = [
        espi(n)
        for n in ("IntervalReading", "ReadingQuality", "quality", "timePeriod", "duration", "start", "value")
    ]
    reading_name, quality_name, code_name, period_name, duration_name, start_name, value_name = names
    sub, duration = etree.SubElement, str(step)
    for place, value in enumerate(series.values):
        if value is None:
            continue
        reading = sub(block, reading_name)
        sub(sub(reading, quality_name), code_name).text = str(ESPI_QUALITY[one.quality_of(place)])
        period = sub(reading, period_name)
        sub(period, duration_name).text = duration
        sub(period, start_name).text = str(first + step * place)
        sub(reading, value_name).text = str(value)
    return block


def _summary(some: Sequence[MeterReadings], updated: datetime) -> etree._Element:
    """The energy of what is there; no price, which a distribution utility's gateway does not know."""
    power = min(one.series.power_of_ten for one in some)
    total = sum(
        value * 10 ** (one.series.power_of_ten - power)
        for one in some
        for value in one.series.values
        if value is not None
    )
    start = min(int(one.series.start.timestamp()) for one in some)
    end = max(
        int(one.series.start.timestamp()) + one.series.step_seconds * len(one.series.values) for one in some
    )
    at = int(updated.timestamp())
    measured = (
        ("powerOfTenMultiplier", power + 3),
        ("timeStamp", at),
        ("uom", WATT_HOURS),
        ("value", total),
    )
    return record(
        "UsageSummary",
        ("billingPeriod", (("duration", end - start), ("start", start))),
        ("overallConsumptionLastPeriod", measured),
        ("statusTimeStamp", at),
        ("commodity", ELECTRICITY[0]),
    )


def record(name: str, *fields: tuple[str, object]) -> etree._Element:
    """An element of ESPI; a field's value is a text, or fields in it."""
    element = etree.Element(espi(name), nsmap={"espi": ESPI})
    _fill(element, fields)
    return element


def _fill(element: etree._Element, fields: Iterable[tuple[str, object]]) -> None:
    for name, value in fields:
        inside = etree.SubElement(element, espi(name))
        if isinstance(value, tuple):
            _fill(inside, value)
        else:
            inside.text = str(value)


def text(name: str, said: str) -> etree._Element:
    """An element with a text."""
    element = etree.Element(name, nsmap=NAMESPACES)
    element.text = said
    return element


def urn(path: str) -> str:
    """The id of what is at a path: always the same (UUID version 5)."""
    return uuid.uuid5(uuid.NAMESPACE_URL, path).urn


def instant(at: datetime) -> str:
    """As Atom has it, without what a second is made of."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
