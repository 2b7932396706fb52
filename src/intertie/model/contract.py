"""The deal: a transaction confirmation under a base contract, and the answer to it."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.model.ids import (
    AggregationRef,
    AgreementRef,
    ConfirmationRef,
    Name,
    PointRef,
    ShortText,
    Text,
)
from intertie.model.interval import Instant, Window, ZoneName
from intertie.model.pay_shape import PayShape
from intertie.model.quantity import Currency, Kilowatts
from intertie.model.record import Record, RuleError
from intertie.model.rules import between, forbids, needs, no_repeats, not_negative

# A feeder has hundreds of connection points; a deal over more than this is several deals.
POINTS_MAX = 2000
MINUTES_OF_A_YEAR = 366 * 24 * 60
ROUNDING = "each line half up (away from zero) to the cent; intermediates are not rounded"

Points = Annotated[tuple[PointRef, ...], Meta(min_length=1, max_length=POINTS_MAX)]
Minutes = Annotated[int, Meta(ge=0, le=MINUTES_OF_A_YEAR)]
Revision = Annotated[int, Meta(ge=1, le=1_000_000)]


class Service(StrEnum):
    """Distribution grid services: NAESB agenda list, CPUC D.16-12-036 and GMLC names. Energy is off by default."""

    DIST_CAPACITY = "DIST_CAPACITY"
    VOLT_VAR = "VOLT_VAR"
    RELIABILITY = "RELIABILITY"
    RESILIENCE = "RESILIENCE"
    POWER_QUALITY = "POWER_QUALITY"
    ENERGY = "ENERGY"


class Direction(StrEnum):
    """Up is less load or more injection, down is more load or less injection."""

    UP = "up"
    DOWN = "down"


class Weekday(StrEnum):
    """A day of the week."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class ServiceHours(Record, frozen=True, kw_only=True):
    """Hours of a weekday, in the deal's zone, in which the service may be called; `end` 00:00 is midnight after."""

    weekday: Weekday
    start: time
    end: time

    def check(self) -> None:
        """Wall-clock times, and some length."""
        if self.start.tzinfo or self.end.tzinfo:
            raise RuleError("start, end: wall-clock times of the deal's zone carry no offset")
        if time(0) != self.end <= self.start:
            raise RuleError("end: not after start; hours over midnight are two entries")


class Confirmation(Record, frozen=True, kw_only=True):
    """One deal under a base contract: what is sold, where, when, and every term that settlement needs.

    Rates are in `currency`, per kW and month of contracted capacity and per kWh. Fractions are of one:
    penalties stop at `penalty_cap_fraction` of the month's reservation, delivery counts up to
    `delivered_cap_fraction` of what was asked, and the same-day adjustment moves a baseline by at most
    `adjustment_cap_fraction`. Not objected to by `confirm_deadline`, it is deemed accepted.
    After the NAESB base-contract pattern (transaction confirmation) and D.16-12-036 service attributes.
    """

    confirmation: ConfirmationRef
    agreement: AgreementRef
    service: Service
    points: Points
    contracted_kw: Kilowatts
    term: Window
    reservation_rate_per_kw_month: Decimal
    utilisation_rate_per_kwh: Decimal
    penalty_rate_per_kwh: Decimal
    penalty_cap_fraction: Decimal
    delivered_cap_fraction: Decimal
    notice_minutes: Minutes
    max_calls: Annotated[int, Meta(ge=0, le=100_000)]
    max_duration_minutes: Minutes
    baseline_method: Name
    adjustment_cap_fraction: Decimal
    tolerance_percent: Decimal
    currency: Currency
    zone: ZoneName
    confirm_deadline: Instant
    rounding: ShortText = ROUNDING
    direction: Direction = Direction.UP
    aggregation: AggregationRef | None = None
    service_hours: Annotated[tuple[ServiceHours, ...], Meta(max_length=100)] = ()
    ramp_kw_per_minute: Kilowatts | None = None
    special_provisions: Text = ""
    revision: Revision = 1
    # What share of the reservation a month's factor earns (None: the factor itself),
    # and of the utilisation the factor of an event (None: all).
    reservation_pay: PayShape | None = None
    utilisation_pay: PayShape | None = None
    # A delivery of this share of what was asked costs no penalty.
    penalty_grace_fraction: Decimal = Decimal(1)
    # During a dispatch, how often what is delivered is reported; None: only the meter counts, afterwards.
    telemetry_seconds: Annotated[int, Meta(ge=1, le=86_400)] | None = None

    def check(self) -> None:
        """Points once; capacity above zero; rates, fractions and percent in range."""
        no_repeats("points", self.points)
        if self.contracted_kw <= 0:
            raise RuleError("contracted_kw: must be above zero")
        not_negative(
            self,
            "reservation_rate_per_kw_month",
            "utilisation_rate_per_kwh",
            "penalty_rate_per_kwh",
            "ramp_kw_per_minute",
        )
        between(self, 0, 1, "penalty_cap_fraction", "adjustment_cap_fraction", "penalty_grace_fraction")
        # Below one a full delivery would not count; programmes in use pay up to 110 %, two is generous.
        between(self, 1, 2, "delivered_cap_fraction")
        between(self, 0, 100, "tolerance_percent")


class ConfirmationAnswer(StrEnum):
    """What the confirming party says to a deal."""

    ACCEPTED = "accepted"
    OBJECTED = "objected"


class ObjectionReason(StrEnum):
    """Why a confirmation is objected to."""

    NOT_OUR_DEAL = "not_our_deal"
    WRONG_SERVICE = "wrong_service"
    WRONG_POINT = "wrong_point"
    WRONG_QUANTITY = "wrong_quantity"
    WRONG_TERM = "wrong_term"
    WRONG_PRICE = "wrong_price"
    WRONG_BASELINE = "wrong_baseline"
    WRONG_LIMITS = "wrong_limits"
    NO_AGREEMENT = "no_agreement"
    OTHER = "other"


class Objection(Record, frozen=True, kw_only=True):
    """One term that is not as agreed: which field, why, and what was understood instead."""

    reason: ObjectionReason
    field: ShortText = ""
    expected: ShortText = ""
    detail: Text = ""


class ConfirmationResponse(Record, frozen=True, kw_only=True):
    """Accepts a confirmation, or objects to it with reasons (NAESB base contract, confirm deadline)."""

    confirmation: ConfirmationRef
    answer: ConfirmationAnswer
    reasons: Annotated[tuple[Objection, ...], Meta(max_length=100)] = ()
    revision: Revision = 1

    def check(self) -> None:
        """Reasons with an objection, none with an acceptance."""
        rule = needs if self.answer is ConfirmationAnswer.OBJECTED else forbids
        rule(self, self.answer, "reasons")
