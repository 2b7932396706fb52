"""What was delivered, by event, as one side worked it out, with everything the other side needs to do it again."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.model.billing import LineCode
from intertie.model.contract import Service
from intertie.model.ids import ConfirmationRef, MeterRef, Name, PointRef, ShortText, Text
from intertie.model.interval import IntervalSeries, Window
from intertie.model.metering import METERS_MAX, Quality
from intertie.model.quantity import Kilowatts, Unit
from intertie.model.record import Record, RuleError
from intertie.model.rules import between, inside, no_repeats, not_negative, series_covers, series_of

# A deal allows some tens of calls; a statement over more than this is several.
EVENTS_MAX = 1000
# Look-back windows in use reach 45 business days; a year holds any of them.
DAYS_MAX = 366
# Delivery counts up to the cap of the deal, at most twice what was asked (Confirmation.delivered_cap_fraction).
FACTOR_MAX = 2


class ExclusionReason(StrEnum):
    """Why a day was left out of a baseline."""

    EVENT_DAY = "event_day"
    OUTAGE = "outage"
    HOLIDAY = "holiday"
    OTHER_DAY_TYPE = "other_day_type"
    LOW_USAGE = "low_usage"
    MISSING_DATA = "missing_data"
    NOT_AMONG_HIGHEST = "not_among_highest"
    OTHER = "other"


class ExcludedDay(Record, frozen=True, kw_only=True):
    """A day that was looked at and not used."""

    day: date
    reason: ExclusionReason
    text: ShortText = ""


class MeterPerformance(Record, frozen=True, kw_only=True):
    """One meter's part of an event: its baseline and what it metered, kWh per interval, net of import and export."""

    meter: MeterRef
    baseline_kwh: IntervalSeries
    actual_kwh: IntervalSeries
    quality: Quality = Quality.VALID

    def check(self) -> None:
        """Both in kWh, over the same time."""
        _energies(self, "baseline_kwh", "actual_kwh")
        if self.baseline_kwh.start != self.actual_kwh.start or self.baseline_kwh.end != self.actual_kwh.end:
            raise RuleError("actual_kwh: over another time than baseline_kwh")


class EventPerformance(Record, frozen=True, kw_only=True):
    """One dispatch: asked, baseline, metered and delivered per interval; the factor; the days the baseline rests on.

    delivered = baseline after adjustment - actual, never below zero, capped as the deal says.
    `adjustment_factor` is what the baseline was multiplied by, after its cap.
    """

    dispatch: Name
    window: Window
    asked_kw: IntervalSeries
    baseline_kwh: IntervalSeries
    actual_kwh: IntervalSeries
    delivered_kwh: IntervalSeries
    performance_factor: Decimal
    meters: Annotated[tuple[MeterPerformance, ...], Meta(max_length=METERS_MAX)] = ()
    days_used: Annotated[tuple[date, ...], Meta(max_length=DAYS_MAX)] = ()
    days_excluded: Annotated[tuple[ExcludedDay, ...], Meta(max_length=DAYS_MAX)] = ()
    adjustment_factor: Decimal | None = None
    point: PointRef | None = None
    text: Text = ""

    def check(self) -> None:
        """Series in their units over the event; delivery and factor not below zero; a day is used or excluded."""
        series_of("asked_kw", self.asked_kw, Unit.KW, signed=True)
        series_covers("asked_kw", self.asked_kw, self.window)
        _energies(self, "baseline_kwh", "actual_kwh")
        series_of("delivered_kwh", self.delivered_kwh, Unit.KWH)
        for field in ("baseline_kwh", "actual_kwh", "delivered_kwh"):
            series_covers(field, getattr(self, field), self.window)
        between(self, 0, FACTOR_MAX, "performance_factor")
        not_negative(self, "adjustment_factor")
        no_repeats("meters", (meter.meter for meter in self.meters))
        no_repeats("days_used, days_excluded", [*self.days_used, *(one.day for one in self.days_excluded)])


class StatementLine(Record, frozen=True, kw_only=True):
    """What a term of the deal comes to, before rounding: the support of an invoice line."""

    code: LineCode
    text: ShortText
    quantity: Decimal
    unit: ShortText
    rate: Decimal
    amount: Decimal
    dispatch: Name | None = None


class PerformanceStatement(Record, frozen=True, kw_only=True):
    """How a confirmed service performed in a period (UFTP FlexSettlement; performance factor as in Con Ed CSRP)."""

    statement: Name
    confirmation: ConfirmationRef
    service: Service
    period: Window
    baseline_method: Name
    events: Annotated[tuple[EventPerformance, ...], Meta(max_length=EVENTS_MAX)]
    lines: Annotated[tuple[StatementLine, ...], Meta(max_length=EVENTS_MAX)] = ()
    contracted_kw: Kilowatts | None = None
    performance_factor: Decimal | None = None
    corrects: Name | None = None
    text: Text = ""

    def check(self) -> None:
        """Each dispatch once, inside the period; factors in range."""
        no_repeats("events", ((event.dispatch, event.point) for event in self.events))
        for event in self.events:
            inside(f"events.{event.dispatch}", event.window, self.period)
        not_negative(self, "contracted_kw")
        between(self, 0, FACTOR_MAX, "performance_factor")


def _energies(record: Record, *fields: str) -> None:
    """Net energies in kWh; a feeder with sun on it has some below zero."""
    for field in fields:
        series_of(field, getattr(record, field), Unit.KWH, signed=True)
