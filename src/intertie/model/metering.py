"""Energy as metered: readings by meter and day, and the request for them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.model.contract import Revision
from intertie.model.ids import MeterRef, Name, PointRef, Text
from intertie.model.interval import Instant, IntervalSeries, Window
from intertie.model.quantity import Unit
from intertie.model.record import Record, RuleError
from intertie.model.rules import no_repeats, series_of

# A day of a meter at 15 minutes is about 600 bytes: this many fit in a message of 8 MiB.
METERS_MAX = 10_000


class Channel(StrEnum):
    """Which way energy flows, seen from the grid: delivered, received, or their difference (ESPI flowDirection 1, 19, 4)."""

    IMPORT = "import"
    EXPORT = "export"
    NET = "net"


class Quality(StrEnum):
    """ESPI QualityOfReading (NAESB REQ.21); ESPI_QUALITY has the numbers."""

    VALID = "valid"
    MANUALLY_EDITED = "manually_edited"
    ESTIMATED = "estimated"
    INTERPOLATED = "interpolated"
    QUESTIONABLE = "questionable"
    DERIVED = "derived"
    PROJECTED = "projected"
    MIXED = "mixed"
    RAW = "raw"
    WEATHER_NORMALISED = "weather_normalised"
    OTHER = "other"
    VALIDATED = "validated"
    VERIFIED = "verified"
    REVENUE_QUALITY = "revenue_quality"


ESPI_QUALITY: dict[Quality, int] = {
    Quality.VALID: 0,
    Quality.MANUALLY_EDITED: 7,
    Quality.ESTIMATED: 8,  # from a reference day
    Quality.INTERPOLATED: 9,
    Quality.QUESTIONABLE: 10,
    Quality.DERIVED: 11,
    Quality.PROJECTED: 12,
    Quality.MIXED: 13,
    Quality.RAW: 14,
    Quality.WEATHER_NORMALISED: 15,
    Quality.OTHER: 16,
    Quality.VALIDATED: 17,
    Quality.VERIFIED: 18,
    Quality.REVENUE_QUALITY: 19,
}


class MeterReadings(Record, frozen=True, kw_only=True):
    """One meter, one channel, one day (or part of it): kWh per interval (ESPI IntervalBlock).

    `quality` is one code for all intervals, or one for each. A higher `revision` replaces a lower one.
    Import and export are never below zero; net is import minus export.
    """

    meter: MeterRef
    channel: Channel
    quality: Quality | tuple[Quality, ...]
    series: IntervalSeries
    revision: Revision = 1

    def check(self) -> None:
        """kWh, signed only for net, and one quality or as many as values."""
        series_of("series", self.series, Unit.KWH, signed=self.channel is Channel.NET)
        if isinstance(self.quality, tuple) and len(self.quality) != len(self.series.values):
            raise RuleError(f"quality: {len(self.quality)} codes for {len(self.series.values)} values")

    def quality_of(self, index: int) -> Quality:
        """Quality of value `index`."""
        return self.quality[index] if isinstance(self.quality, tuple) else self.quality


class MeterReadingSet(Record, frozen=True, kw_only=True):
    """Readings of one or many meters (document `meter_readings`); `request` if they were asked for."""

    meters: Annotated[tuple[MeterReadings, ...], Meta(min_length=1, max_length=METERS_MAX)]
    point: PointRef | None = None
    request: Name | None = None

    def check(self) -> None:
        """Each meter, channel and start once."""
        no_repeats("meters", ((m.meter, m.channel, m.series.start) for m in self.meters))


class RequestReason(StrEnum):
    """What readings are asked for."""

    SETTLEMENT = "settlement"
    MISSING = "missing"
    DISPUTE = "dispute"
    OPERATIONS = "operations"
    OTHER = "other"


class MeterRequest(Record, frozen=True, kw_only=True):
    """Asks for the readings of meters in a window (ET4: requests to meters and submeters)."""

    request: Name
    meters: Annotated[tuple[MeterRef, ...], Meta(min_length=1, max_length=METERS_MAX)]
    window: Window
    channels: Annotated[tuple[Channel, ...], Meta(min_length=1, max_length=len(Channel))] = (Channel.NET,)
    reason: RequestReason = RequestReason.SETTLEMENT
    respond_by: Instant | None = None
    text: Text = ""

    def check(self) -> None:
        """Each meter and each channel once."""
        no_repeats("meters", self.meters)
        no_repeats("channels", self.channels)
