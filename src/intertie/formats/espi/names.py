"""Names and numbers of ESPI 4.0 (reading also 1.x to 3.x, which have the same), and how they map to ours."""

from __future__ import annotations

from intertie.model.metering import ESPI_QUALITY, Channel, Quality

ATOM = "http://www.w3.org/2005/Atom"
ESPI = "http://naesb.org/espi"
# Of the customer's data (names, addresses): never read here, and said so.
CUSTOMER = "http://naesb.org/espi/customer"
BASE = "/espi/1_1/resource"

# FlowDirectionKind
FLOWS = {1: Channel.IMPORT, 19: Channel.EXPORT, 4: Channel.NET}
FLOW_OF = {channel: number for number, channel in FLOWS.items()}
# UomKind of energy; only this becomes readings.
WATT_HOURS = 72
UNIT_NAMES = {
    72: "Wh",
    38: "W",
    61: "VA",
    63: "var",
    71: "VAh",
    73: "varh",
    29: "V",
    5: "A",
    42: "m3",
    119: "ft3",
}
# AccumulationKind: energy of its interval, and not a register's stand.
DELTA = 4
# MeasurementKind: energy.
ENERGY = 12
# CommodityKind: electricity, secondary metered (what a customer's meter shows) and primary.
ELECTRICITY = (1, 2)
# ServiceKind of a usage point: electricity.
SERVICE_ELECTRICITY = 0
QUALITIES = {code: quality for quality, code in ESPI_QUALITY.items()}
# A reading may have several qualities; ours has one. The one that says most against taking it as it stands is kept.
LEAST_TRUSTED = tuple(
    ESPI_QUALITY[quality]
    for quality in (
        Quality.PROJECTED,
        Quality.QUESTIONABLE,
        Quality.ESTIMATED,
        Quality.INTERPOLATED,
        Quality.MANUALLY_EDITED,
        Quality.WEATHER_NORMALISED,
        Quality.DERIVED,
        Quality.MIXED,
        Quality.OTHER,
        Quality.RAW,
        Quality.VALID,
        Quality.VALIDATED,
        Quality.VERIFIED,
        Quality.REVENUE_QUALITY,
    )
)
TRUST = {code: place for place, code in enumerate(LEAST_TRUSTED)}


def atom(name: str) -> str:
    """A name of Atom, as lxml has it."""
    return f"{{{ATOM}}}{name}"


def espi(name: str) -> str:
    """A name of ESPI, as lxml has it."""
    return f"{{{ESPI}}}{name}"
