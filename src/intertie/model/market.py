"""The market around a clearinghouse: what is needed, what is bid, and what was taken at which price (ET2, ET11)."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.model.contract import POINTS_MAX, Direction
from intertie.model.ids import AggregationRef, Name, PointRef, Text
from intertie.model.interval import Instant, IntervalSeries, Window
from intertie.model.price import Prices, check_prices
from intertie.model.quantity import Money, Unit
from intertie.model.record import Record, RuleError
from intertie.model.rules import between, forbids, needs, no_repeats, one_of, series_covers, series_of

# Bid curves in use have at most some tens of steps.
SEGMENTS_MAX = 50
AWARDS_MAX = 10_000

SomePoints = Annotated[tuple[PointRef, ...], Meta(max_length=POINTS_MAX)]
SegmentNumber = Annotated[int, Meta(ge=1, le=SEGMENTS_MAX)]


class Product(StrEnum):
    """What is traded: the common grid services (GMLC 2.5.2) and distribution capacity."""

    ENERGY = "energy"
    OPERATING_RESERVE = "operating_reserve"
    REGULATION = "regulation"
    FREQUENCY_RESPONSE = "frequency_response"
    BLACK_START = "black_start"
    VOLTAGE = "voltage"
    CAPACITY = "capacity"
    DISTRIBUTION_CAPACITY = "distribution_capacity"


class MarketRequirement(Record, frozen=True, kw_only=True):
    """What a market needs over a window, until when it takes bids, and the prices it expects (ET2: market requirements)."""

    requirement: Name
    product: Product
    window: Window
    required_kw: IntervalSeries
    gate_closes: Instant
    direction: Direction = Direction.UP
    points: SomePoints = ()
    price_cap: Money | None = None
    prices: Prices = ()
    text: Text = ""

    def check(self) -> None:
        """kW over the window; the gate closes before the window ends."""
        series_of("required_kw", self.required_kw, Unit.KW)
        series_covers("required_kw", self.required_kw, self.window)
        if self.gate_closes >= self.window.end:
            raise RuleError("gate_closes: not before the window ends")
        check_prices("prices", self.prices, self.window)
        no_repeats("points", self.points)


class BidSegment(Record, frozen=True, kw_only=True):
    """A step of a bid: power per interval and its price per kWh; taken whole, or down to `minimum_fraction` of it."""

    segment: SegmentNumber
    offered_kw: IntervalSeries
    price: Money
    minimum_fraction: Decimal = Decimal(0)

    def check(self) -> None:
        """kW, not below zero; a fraction of one."""
        series_of("offered_kw", self.offered_kw, Unit.KW)
        between(self, 0, 1, "minimum_fraction")


class Bid(Record, frozen=True, kw_only=True):
    """An offer to a requirement, or unsolicited (UFTP FlexOffer); binding until `valid_until`."""

    bid: Name
    product: Product
    window: Window
    segments: Annotated[tuple[BidSegment, ...], Meta(min_length=1, max_length=SEGMENTS_MAX)]
    valid_until: Instant
    direction: Direction = Direction.UP
    requirement: Name | None = None
    aggregation: AggregationRef | None = None
    points: SomePoints = ()

    def check(self) -> None:
        """Each segment once, over the window, in one currency."""
        no_repeats("segments", (one.segment for one in self.segments))
        no_repeats("points", self.points)
        for one in self.segments:
            series_covers(f"segments.{one.segment}", one.offered_kw, self.window)
            if one.price.currency != self.segments[0].price.currency:
                raise RuleError("segments: more than one currency")


class AwardStatus(StrEnum):
    """What became of a bid's segment."""

    ACCEPTED = "accepted"
    PARTIAL = "partial"
    NOT_ACCEPTED = "not_accepted"


class Award(Record, frozen=True, kw_only=True):
    """The market's word on one segment of a bid: how much, and at which price per kWh. Accepted is a deal, not to be denied."""

    bid: Name
    segment: SegmentNumber
    status: AwardStatus
    awarded_kw: IntervalSeries | None = None
    price: Money | None = None

    def check(self) -> None:
        """What is taken has power and price; what is not has neither."""
        series_of("awarded_kw", self.awarded_kw, Unit.KW)
        rule = forbids if self.status is AwardStatus.NOT_ACCEPTED else needs
        rule(self, self.status, "awarded_kw", "price")


class MarketStatus(StrEnum):
    """How far a market run is."""

    OPEN = "open"
    PRELIMINARY = "preliminary"
    FINAL = "final"
    SUSPENDED = "suspended"


class MarketResult(Record, frozen=True, kw_only=True):
    """Awards and prices of a market run (ET2: winning bids and market status and prices)."""

    result: Name
    product: Product
    window: Window
    status: MarketStatus
    requirement: Name | None = None
    awards: Annotated[tuple[Award, ...], Meta(max_length=AWARDS_MAX)] = ()
    prices: Prices = ()
    text: Text = ""

    def check(self) -> None:
        """A final result holds awards or prices; each segment once, inside the window."""
        if self.status is MarketStatus.FINAL:
            one_of(self, "awards", "prices")
        no_repeats("awards", ((award.bid, award.segment) for award in self.awards))
        for award in self.awards:
            series_covers(f"awards.{award.bid}", award.awarded_kw, self.window)
        check_prices("prices", self.prices, self.window)
