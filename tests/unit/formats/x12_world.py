"""Two ends under each profile, and the ways there and back that the tests go."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal

import msgspec

from intertie.formats.x12.interchange import TransactionSet, read_sets
from intertie.formats.x12.layout import profile
from intertie.formats.x12.sets import read_document, write_document, write_file
from intertie.formats.x12.trading import Trading, X12Party
from intertie.model.aggregation import AggregationRegistration
from intertie.model.billing import Invoice, InvoiceLine, LineCode
from intertie.model.documents import example
from intertie.model.ids import DocumentName, MeterId, PartyId
from intertie.model.interval import IntervalSeries, Stamp, Window
from intertie.model.metering import Channel, MeterReadings, MeterReadingSet, Quality
from intertie.model.quantity import Money, Unit
from intertie.model.record import Record

PROFILES: tuple[Literal["ny", "pa", "tx"], ...] = ("ny", "pa", "tx")
NOW = datetime(2026, 8, 1, 13, 30, tzinfo=UTC)
UTILITY = X12Party(party=PartyId("utility.example"), name="EXAMPLE UTILITY", number="123456789")
AGGREGATOR = X12Party(
    party=PartyId("aggregator.example"), name="EXAMPLE AGGREGATOR", number="9876543210000", qualifier="09"
)


def trading(name: Literal["ny", "pa", "tx"] = "ny") -> Trading:
    return Trading(profile=name, utility=UTILITY, aggregator=AGGREGATOR, account="000123")


def written(body: Record, name: Literal["ny", "pa", "tx"] = "ny") -> bytes:
    between = trading(name)
    made = write_document(body, between, reference="REF0001", at=NOW)
    return write_file([made], between, UTILITY, control=7, at=NOW)


def one_set(data: bytes) -> TransactionSet:
    [found] = read_sets(data)
    return found


def there_and_back(body: Record, name: Literal["ny", "pa", "tx"] = "ny") -> Record:
    return read_document(one_set(written(body, name)), profile(name))


def body_of(name: str) -> Record:
    """An example that X12 can carry."""
    body = example(DocumentName(name))[1]
    if isinstance(body, AggregationRegistration):
        ders = tuple(msgspec.structs.replace(der, other_programmes=()) for der in body.ders)
        return msgspec.structs.replace(body, ders=ders)
    return body


def invoice(count: int = 12) -> Invoice:
    """Lines with and without a dispatch, in this order."""
    lines = tuple(
        InvoiceLine(
            line=number,
            code=LineCode.UTILISATION if number % 2 else LineCode.RESERVATION,
            text=f"Performance of day {number}",
            quantity=Decimal(10 + number % 90),
            unit="kWh" if number % 2 else "kW-month",
            rate=Decimal("4.25"),
            amount=(Decimal(10 + number % 90) * Decimal("4.25")).quantize(Decimal("0.01")),
            dispatch=f"D-{number}" if number % 2 else None,
            statement="PS-2026-07",
        )
        for number in range(1, count + 1)
    )
    return Invoice(
        invoice="INV-2026-07",
        period=Window(start=datetime(2026, 7, 1, 4, tzinfo=UTC), end=datetime(2026, 8, 1, 4, tzinfo=UTC)),
        issued=date(2026, 8, 1),
        due=date(2026, 8, 31),
        lines=lines,
        total=Money(amount=sum((line.amount for line in lines), Decimal(0)), currency="USD"),
    )


def readings(
    start: datetime, values: tuple[int | None, ...], step_seconds: int = 900, power: int = -3
) -> MeterReadingSet:
    """One meter's energy from the grid."""
    series = IntervalSeries(
        start=start,
        step_seconds=step_seconds,
        unit=Unit.KWH,
        power_of_ten=power,
        stamped=Stamp.END,
        values=values,
    )
    meter = MeterReadings(
        meter=MeterId("M-100231"), channel=Channel.IMPORT, quality=Quality.VALID, series=series
    )
    return MeterReadingSet(meters=(meter,))
