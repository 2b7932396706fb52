"""What an aggregation can do, where and when: declared ahead, and again in real time; and the load that is expected."""

from __future__ import annotations

from intertie.model.contract import Minutes, Revision, Service
from intertie.model.ids import AggregationRef, PointRef
from intertie.model.interval import Instant, IntervalSeries, Window, ZoneName
from intertie.model.quantity import KilowattHours, Money, Percent, Unit
from intertie.model.record import Record, RuleError
from intertie.model.rules import not_negative, percents, series_covers, series_of


class AvailabilityDeclaration(Record, frozen=True, kw_only=True):
    """Up and down power per interval of a window, for one service at one connection point.

    A higher `revision` replaces a lower one for the same aggregation, service, point and window. A gap (null)
    means nothing is offered in that interval. The words are those of IEEE 2030.5 DERAvailability: reservePercent,
    reserveChargePercent, availabilityDuration (how long the power can be held), maxChargeDuration, readingTime,
    statVarAvail. `price` is per kWh. Use case, Aggregation Availability.
    """

    aggregation: AggregationRef
    service: Service
    point: PointRef
    window: Window
    revision: Revision
    up_kw: IntervalSeries
    down_kw: IntervalSeries
    kvar: IntervalSeries | None = None
    price: Money | None = None
    reserve_percent: Percent | None = None
    reserve_charge_percent: Percent | None = None
    state_of_charge_percent: Percent | None = None
    stored_kwh: KilowattHours | None = None
    availability_minutes: Minutes | None = None
    max_charge_minutes: Minutes | None = None
    notice_minutes: Minutes | None = None
    reading_time: Instant | None = None

    def check(self) -> None:
        """Series in their units over exactly the window and in the same steps; percents in range."""
        series_of("up_kw", self.up_kw, Unit.KW)
        series_of("down_kw", self.down_kw, Unit.KW)
        series_of("kvar", self.kvar, Unit.KVAR, signed=True)
        for field in ("up_kw", "down_kw", "kvar"):
            series_covers(field, getattr(self, field), self.window)
        if self.up_kw.step_seconds != self.down_kw.step_seconds:
            raise RuleError("down_kw: in other steps than up_kw")
        percents(self, "reserve_percent", "reserve_charge_percent", "state_of_charge_percent")
        not_negative(self, "stored_kwh")


class LoadPrognosis(Record, frozen=True, kw_only=True):
    """The load that an aggregator expects behind a connection point: consumption less production, so that it may be below zero
    (UFTP D-Prognosis).

    A higher `revision` replaces a lower one for the same point and window. It is what offers are measured against where the
    parties agreed so; what can be done about it an availability declaration says.
    """

    point: PointRef
    window: Window
    zone: ZoneName
    revision: Revision
    load_kw: IntervalSeries

    def check(self) -> None:
        """kW over the window."""
        series_of("load_kw", self.load_kw, Unit.KW, signed=True)
        series_covers("load_kw", self.load_kw, self.window)
