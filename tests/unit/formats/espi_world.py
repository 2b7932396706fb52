"""Feeds for the tests of ESPI, as custodians write them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from intertie.formats.espi.entries import Entry
from intertie.formats.espi.series import EspiRead, EspiRules, meter_named_by
from intertie.formats.espi.stream import read_feed
from intertie.formats.espi.write import Stamped, write_feed
from intertie.model.ids import MeterId
from intertie.model.interval import IntervalSeries
from intertie.model.metering import Channel, MeterReadings, Quality
from intertie.model.quantity import Unit

START = datetime(2026, 7, 1, 4, tzinfo=UTC)
T0 = int(START.timestamp())
ABOUT = Stamped("readings", "America/New_York", datetime(2026, 8, 1, 12, tzinfo=UTC))
RULES = EspiRules(meter_named_by)
TYPE = (
    "<ReadingType><accumulationBehaviour>4</accumulationBehaviour><commodity>1</commodity>"
    "<flowDirection>1</flowDirection><intervalLength>900</intervalLength><kind>12</kind>"
    "<powerOfTenMultiplier>0</powerOfTenMultiplier><uom>72</uom></ReadingType>"
)
POINT = "RetailCustomer/9/UsagePoint/M1"
SERIES = f"{POINT}/MeterReading/1"


def series(
    values: Sequence[int | None],
    meter: str = "M1",
    start: datetime = START,
    channel: Channel = Channel.IMPORT,
) -> MeterReadings:
    return MeterReadings(
        meter=MeterId(meter),
        channel=channel,
        quality=Quality.VALIDATED,
        series=IntervalSeries(
            start=start, step_seconds=900, unit=Unit.KWH, power_of_ten=-3, values=tuple(values)
        ),
    )


def written(*said: MeterReadings) -> bytes:
    """Our feed of these, meter by meter in their order."""
    by_meter: dict[str, list[MeterReadings]] = {}
    for one in said:
        by_meter.setdefault(one.meter, []).append(one)
    out = io.BytesIO()
    write_feed(out, by_meter.items(), ABOUT)
    return out.getvalue()


def entries(raw: bytes) -> list[Entry]:
    return list(read_feed(io.BytesIO(raw)))


def read(raw: bytes, rules: EspiRules = RULES) -> tuple[list[MeterReadings], EspiRead]:
    taking = EspiRead(read_feed(io.BytesIO(raw)), rules)
    return list(taking), taking


def entry(own: str, up: str, content: str, related: Iterable[str] = ()) -> str:
    """One entry; the content's elements are ESPI's."""
    links = "".join(f'<link rel="related" href="{one}"/>' for one in related)
    return (
        f'<entry><id>urn:uuid:{own}</id><link rel="self" href="{own}"/><link rel="up" href="{up}"/>{links}'
        f"<title>t</title><content>{content}</content><published>2026-08-01T00:00:00Z</published>"
        "<updated>2026-08-01T00:00:00Z</updated></entry>"
    ).replace("<content><", "<content><", 1)


def feed(*parts: str) -> bytes:
    """A feed of entries whose ESPI elements have no prefix."""
    inside = "".join(parts)
    for name in (
        "UsagePoint",
        "MeterReading",
        "ReadingType",
        "IntervalBlock",
        "LocalTimeParameters",
        "UsageSummary",
    ):
        for end in (">", "/>"):
            inside = inside.replace(
                f"<content><{name}{end}", f'<content><{name} xmlns="http://naesb.org/espi"{end}'
            )
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><id>x</id>{inside}</feed>'.encode()


def point(service: int = 0) -> str:
    content = f"<UsagePoint><ServiceCategory><kind>{service}</kind></ServiceCategory></UsagePoint>"
    return entry(POINT, "RetailCustomer/9/UsagePoint", content, [f"{POINT}/MeterReading"])


def meter_reading(inside: str = "") -> str:
    content = f"<MeterReading>{inside}</MeterReading>" if inside else "<MeterReading/>"
    return entry(SERIES, f"{POINT}/MeterReading", content, [f"{SERIES}/IntervalBlock", "ReadingType/1"])


def reading_type(content: str = TYPE) -> str:
    return entry("ReadingType/1", "ReadingType", content)


def reading(
    place: int, value: int | None, *, seconds: int = 900, quality: Sequence[int] = (), cost: bool = False
) -> str:
    """The reading of interval `place` after START."""
    codes = "".join(f"<ReadingQuality><quality>{code}</quality></ReadingQuality>" for code in quality)
    period = f"<timePeriod><duration>{seconds}</duration><start>{T0 + 900 * place}</start></timePeriod>"
    number = "" if value is None else f"<value>{value}</value>"
    price = "<cost>1200</cost>" if cost else ""
    return f"<IntervalReading>{price}{codes}{period}{number}</IntervalReading>"


def block(*readings: str, start: int = T0, seconds: int = 86_400) -> str:
    interval = f"<interval><duration>{seconds}</duration><start>{start}</start></interval>"
    content = f"<IntervalBlock>{interval}{''.join(readings)}</IntervalBlock>"
    return entry(f"{SERIES}/IntervalBlock/1", f"{SERIES}/IntervalBlock", content)


def usual(*readings: str) -> bytes:
    """A feed of one series with these readings."""
    return feed(point(), meter_reading(), reading_type(), block(*readings))
