"""Readings as an ESPI feed: usage point, local time, and for each channel, step and unit a meter reading, its type and blocks.

The same readings give the same bytes: ids are UUIDs of the links (version 5), times are those that the caller gives.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import BinaryIO, NamedTuple
from urllib.parse import quote

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

_NAMES = {None: ATOM, "espi": ESPI}


class Kind(NamedTuple):
    """What series have in common that are of one meter reading."""

    channel: Channel
    step_seconds: int
    power_of_ten: int

    @property
    def name(self) -> str:
        """Its part of a path."""
        return f"{self.channel}-{self.step_seconds}-{self.power_of_ten}".replace("--", "-m")


class Written(NamedTuple):
    """How much was written."""

    meters: int
    series: int
    readings: int


class Stamped(NamedTuple):
    """Of whom the feed is, whose local time it has, and when it was made."""

    title: str
    zone: str
    updated: datetime


def write_feed(
    out: BinaryIO, meters: Iterable[tuple[str, Sequence[MeterReadings]]], about: Stamped
) -> Written:
    """A feed of the readings of each meter, one after the other: only those of one meter are in memory."""
    count = series = readings = 0
    with etree.xmlfile(out, encoding="utf-8") as file:
        file.write_declaration()
        with file.element(atom("feed"), nsmap=_NAMES):
            for element in _head(about):
                file.write(element)
            for meter, said in meters:
                count, series = count + 1, series + len(said)
                for entry in _of_meter(meter, said, about):
                    file.write(entry)
                readings += sum(value is not None for one in said for value in one.series.values)
    return Written(count, series, readings)


def _head(about: Stamped) -> Iterator[etree._Element]:
    feed = f"{BASE}/Batch/Bulk/{about.title}"
    yield _text(atom("id"), _urn(f"{feed}?{_instant(about.updated)}"))
    yield _text(atom("title"), about.title)
    yield _text(atom("updated"), _instant(about.updated))


def _of_meter(meter: str, said: Sequence[MeterReadings], about: Stamped) -> Iterator[etree._Element]:
    point = f"{BASE}/UsagePoint/{quote(meter, safe='')}"
    local = f"{BASE}/LocalTimeParameters/{about.zone.replace('/', '-')}"
    kinds: dict[Kind, list[MeterReadings]] = {}
    for one in said:
        kind = Kind(one.channel, one.series.step_seconds, one.series.power_of_ten)
        kinds.setdefault(kind, []).append(one)
    yield _entry(point, f"{BASE}/UsagePoint", (local, f"{point}/MeterReading"), _usage_point(), about)
    year = min(one.series.start for one in said).year if said else about.updated.year
    yield _entry(local, f"{BASE}/LocalTimeParameters", (), _local_time(about.zone, year), about)
    for kind, all_of_it in sorted(kinds.items()):
        reading, type_of = f"{point}/MeterReading/{kind.name}", f"{BASE}/ReadingType/{kind.name}"
        links = (f"{reading}/IntervalBlock", type_of)
        yield _entry(reading, f"{point}/MeterReading", links, etree.Element(espi("MeterReading")), about)
        yield _entry(type_of, f"{BASE}/ReadingType", (), _reading_type(kind), about)
        for one in sorted(all_of_it, key=lambda each: (each.series.start, each.revision)):
            name = f"{reading}/IntervalBlock/{int(one.series.start.timestamp())}-{one.revision}"
            yield _entry(name, f"{reading}/IntervalBlock", (), _block(one), about)


def _entry(
    own: str, up: str, related: Sequence[str], content: etree._Element, about: Stamped
) -> etree._Element:
    entry = etree.Element(atom("entry"), nsmap=_NAMES)
    entry.append(_text(atom("id"), _urn(own)))
    for rel, href in (("self", own), ("up", up), *(("related", one) for one in related)):
        entry.append(etree.Element(atom("link"), rel=rel, href=href))
    entry.append(_text(atom("title"), ""))
    inside = etree.SubElement(entry, atom("content"))
    inside.append(content)
    for name in ("published", "updated"):
        entry.append(_text(atom(name), _instant(about.updated)))
    return entry


def _usage_point() -> etree._Element:
    return _record("UsagePoint", ("ServiceCategory", (("kind", SERVICE_ELECTRICITY),)))


def _local_time(zone: str, year: int) -> etree._Element:
    rules = zone_rules(zone, year)
    return _record(
        "LocalTimeParameters",
        ("dstEndRule", rules.dst_end),
        ("dstOffset", rules.dst_offset_seconds),
        ("dstStartRule", rules.dst_start),
        ("tzOffset", rules.offset_seconds),
    )


def _reading_type(kind: Kind) -> etree._Element:
    return _record(
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
    block = _record(
        "IntervalBlock", ("interval", (("duration", step * len(series.values)), ("start", first)))
    )
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


def _record(name: str, *fields: tuple[str, object]) -> etree._Element:
    element = etree.Element(espi(name))
    _fill(element, fields)
    return element


def _fill(element: etree._Element, fields: Iterable[tuple[str, object]]) -> None:
    for name, value in fields:
        inside = etree.SubElement(element, espi(name))
        if isinstance(value, tuple):
            _fill(inside, value)
        else:
            inside.text = str(value)


def _text(name: str, text: str) -> etree._Element:
    element = etree.Element(name, nsmap=_NAMES)
    element.text = text
    return element


def _urn(path: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, path).urn


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
