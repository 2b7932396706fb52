"""One entry, one reading: elements become types, or an error that names the entry and the element."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from lxml import etree

from intertie.formats.espi.entries import (
    Blocks,
    Content,
    Entry,
    EspiError,
    IntervalBlock,
    Links,
    LocalTime,
    MeterReading,
    Other,
    ReadingType,
    UsagePoint,
)
from intertie.formats.espi.names import CUSTOMER, ESPI, TRUST, atom, espi
from intertie.model.interval import VALUE_MAX

# Unix seconds of the years that a date of ours may have (model/interval.py: YEAR_MIN, YEAR_MAX).
SECONDS_MIN, SECONDS_MAX = -2_208_988_800, 32_503_679_999
# No interval is longer than a year of billing.
LENGTH_MAX = 366 * 86_400
# Tens at most: UomKind's multipliers go from pico to tera (UnitMultiplierKind).
POWER_MAX = 12
# Code numbers of ESPI's enumerations are below a thousand.
CODE_MAX = 65_535
# A UUID, a title, a path: none is longer.
TEXT_MAX = 2000
LINKS_MAX = 200
# Where a reading says no time: earlier than any.
NO_START = -(2**62)
NO_PERIOD = (NO_START, -1)
# A reading may have a cost and no value: a gap.
NO_VALUE = -(2**62)
NO_QUALITY = -1

_VALUE, _PERIOD, _QUALITY = espi("value"), espi("timePeriod"), espi("ReadingQuality")
_START, _DURATION, _CODE = espi("start"), espi("duration"), espi("quality")


def read_reading(element: etree._Element, place: str) -> tuple[int, int, int, int]:
    """Start and length (or NO_PERIOD), value and quality of an IntervalReading."""
    period, value, quality = NO_PERIOD, None, NO_QUALITY
    for child in element:
        tag = child.tag
        if tag == _VALUE:
            value = _number(child.text, place, "IntervalReading/value", -VALUE_MAX, VALUE_MAX)
        elif tag == _PERIOD:
            period = read_period(child, place)
        elif tag == _QUALITY:
            quality = _less_trusted(quality, child, place)
    return *period, NO_VALUE if value is None else value, quality


def read_period(element: etree._Element, place: str) -> tuple[int, int]:
    """Start (Unix seconds) and length in seconds of an interval."""
    start = seconds = None
    for child in element:
        if child.tag == _START:
            start = _number(child.text, place, "start", SECONDS_MIN, SECONDS_MAX)
        elif child.tag == _DURATION:
            seconds = _number(child.text, place, "duration", 0, LENGTH_MAX)
    if start is None:
        raise EspiError(place, f"{element.tag.rpartition('}')[2]}/start is missing")
    return start, -1 if seconds is None else seconds


def _less_trusted(known: int, element: etree._Element, place: str) -> int:
    code = _number(element.findtext(_CODE), place, "ReadingQuality/quality", 0, CODE_MAX)
    if code not in TRUST:
        raise EspiError(place, f"ReadingQuality/quality: {code} is no quality of ESPI")
    return code if known == NO_QUALITY or TRUST[code] < TRUST[known] else known


def read_entry(element: etree._Element, number: int, blocks: tuple[IntervalBlock, ...]) -> Entry:
    """An entry whose blocks were taken already."""
    place = f"entry {number}"
    return Entry(
        number=number,
        id=_text(element.findtext(atom("id")), place, "id"),
        links=_links(element, place),
        published=_instant(element.findtext(atom("published")), place, "published"),
        updated=_instant(element.findtext(atom("updated")), place, "updated"),
        title=_text(element.findtext(atom("title")), place, "title"),
        content=_content(element.find(atom("content")), place, blocks),
    )


def path_of(href: str) -> str:
    """A link's path, which is what entries refer to each other by: hosts and queries may differ between feeds."""
    return urlsplit(href.strip()).path.rstrip("/")


def _links(element: etree._Element, place: str) -> Links:
    own, up, related = "", "", []
    found = element.findall(atom("link"))
    if len(found) > LINKS_MAX:
        raise EspiError(place, f"more than {LINKS_MAX} links")
    for link in found:
        href = _text(link.get("href"), place, "link/@href")
        try:
            path = path_of(href)
        except ValueError as error:
            raise EspiError(place, "link/@href is no address") from error
        match link.get("rel"):
            case "self":
                own = path
            case "up":
                up = path
            case "related":
                related.append(path)
    return Links(own, up, tuple(related))


def _content(element: etree._Element | None, place: str, blocks: tuple[IntervalBlock, ...]) -> Content:
    if blocks:
        return Blocks(blocks)
    inside = element[0] if element is not None and len(element) else None
    if inside is None:
        return Other("nothing")
    namespace, _, name = str(inside.tag).removeprefix("{").rpartition("}")
    if namespace != ESPI:
        return Other(f"customer {name[:80]}" if namespace == CUSTOMER else "content of others")
    read = _READERS.get(name)
    return read(inside, place) if read is not None else Other(name[:80])


def _usage_point(element: etree._Element, place: str) -> UsagePoint:
    return UsagePoint(_code(element.find(espi("ServiceCategory")), "kind", place))


def _meter_reading(element: etree._Element, place: str) -> MeterReading:
    kind = element.find(espi("ReadingType"))
    return MeterReading(None if kind is None else _reading_type(kind, place))


def _reading_type(element: etree._Element, place: str) -> ReadingType:
    power = element.findtext(espi("powerOfTenMultiplier"))
    return ReadingType(
        accumulation=_code(element, "accumulationBehaviour", place),
        commodity=_code(element, "commodity", place),
        default_quality=_code(element, "defaultQuality", place),
        flow=_code(element, "flowDirection", place),
        interval_seconds=_code(element, "intervalLength", place, LENGTH_MAX),
        measurement=_code(element, "kind", place),
        power_of_ten=0
        if power is None
        else _number(power, place, "powerOfTenMultiplier", -POWER_MAX, POWER_MAX),
        unit=_code(element, "uom", place),
    )


def _local_time(element: etree._Element, place: str) -> LocalTime:
    day = 86_400
    return LocalTime(
        offset_seconds=_number(element.findtext(espi("tzOffset")), place, "tzOffset", -day, day),
        dst_offset_seconds=_number(element.findtext(espi("dstOffset")) or "0", place, "dstOffset", -day, day),
        dst_start=_text(element.findtext(espi("dstStartRule")), place, "dstStartRule"),
        dst_end=_text(element.findtext(espi("dstEndRule")), place, "dstEndRule"),
    )


def _no_block(element: etree._Element, place: str) -> Content:
    return Blocks(())


_READERS: dict[str, Callable[[etree._Element, str], Content]] = {
    "UsagePoint": _usage_point,
    "MeterReading": _meter_reading,
    "ReadingType": _reading_type,
    "LocalTimeParameters": _local_time,
    "IntervalBlock": _no_block,
}


def _code(element: etree._Element | None, name: str, place: str, most: int = CODE_MAX) -> int | None:
    text = None if element is None else element.findtext(espi(name))
    return None if text is None else _number(text, place, name, 0, most)


def _number(text: str | None, place: str, name: str, least: int, most: int) -> int:
    """A whole number within bounds. Python would take underscores and other scripts' digits, and read any length."""
    if text is not None and len(text) < 16 and text.isascii() and text.isdigit():  # as most are
        number = int(text)
        if least <= number <= most:
            return number
    said = (text or "").strip()
    if not (0 < len(said) <= 20 and said.isascii() and said.lstrip("+-").isdigit()):
        raise EspiError(place, f"{name} is missing or no whole number")
    try:
        number = int(said)
    except ValueError as error:
        raise EspiError(place, f"{name} is no whole number") from error
    if not least <= number <= most:
        raise EspiError(place, f"{name}: {number} is not between {least} and {most}")
    return number


def _text(text: str | None, place: str, name: str) -> str:
    said = (text or "").strip()
    if len(said) > TEXT_MAX:
        raise EspiError(place, f"{name} is longer than {TEXT_MAX} characters")
    return said


def _instant(text: str | None, place: str, name: str) -> datetime | None:
    if text is None or not text.strip():
        return None
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise EspiError(place, f"{name} is no time of RFC 3339") from error
    if at.tzinfo is None:
        raise EspiError(place, f"{name} has no offset")
    return at
