"""A deal with two meters over three weeks, small enough to work out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from intertie.market.baseline import Reason
from intertie.market.statement import Book, Call
from intertie.market.terms import rule_of, terms_of
from intertie.model.contract import Confirmation, Service
from intertie.model.dispatch import DispatchInstruction, Instruction
from intertie.model.ids import AgreementId, ConfirmationId, ConnectionPointId, MeterId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.quantity import Kilowatts, Unit

ZONE = "Europe/Berlin"
DAY = date(2026, 2, 16)
A, B = MeterId("meter-a"), MeterId("meter-b")
STEPS = 96
# 19:00 to 20:00 in Berlin is 18:00 to 19:00 UTC in winter.
START = datetime(2026, 2, 16, 18, tzinfo=UTC)
WINDOW = Window(start=START, end=START + timedelta(hours=1))

DEAL = Confirmation(
    confirmation=ConfirmationId("deal"),
    agreement=AgreementId("base"),
    service=Service.DIST_CAPACITY,
    points=(ConnectionPointId("feeder"),),
    contracted_kw=Kilowatts(Decimal(10)),
    term=Window(start=datetime(2026, 1, 31, 23, tzinfo=UTC), end=datetime(2026, 2, 28, 23, tzinfo=UTC)),
    reservation_rate_per_kw_month=Decimal("6.00"),
    utilisation_rate_per_kwh=Decimal("1.00"),
    penalty_rate_per_kwh=Decimal("0.75"),
    penalty_cap_fraction=Decimal(1),
    delivered_cap_fraction=Decimal(1),
    notice_minutes=60,
    max_calls=10,
    max_duration_minutes=240,
    baseline_method="high-2-of-3-multiplicative",
    adjustment_cap_fraction=Decimal("0.2"),
    tolerance_percent=Decimal("0.5"),
    currency="EUR",
    zone=ZONE,
    confirm_deadline=datetime(2026, 1, 15, tzinfo=UTC),
)


def call(asked_kw: int = 8, name: str = "D-1", refused: bool = False) -> Call:
    """One hour from 19:00, the same target in each quarter."""
    target = IntervalSeries(start=START, step_seconds=900, unit=Unit.KW, values=(asked_kw * 1000,) * 4)
    return Call(
        DispatchInstruction(
            dispatch=name,
            service=Service.DIST_CAPACITY,
            point=ConnectionPointId("feeder"),
            window=WINDOW,
            instruction=Instruction.RELATIVE,
            target_kw=target,
            respond_by=START - timedelta(hours=2),
        ),
        refused,
    )


def flat(wh: int, event: int | None = None) -> tuple[int, ...]:
    """A day of so many watt-hours a quarter, with its own value from 19:00 to 20:00."""
    inside = wh if event is None else event
    return (wh,) * 76 + (inside,) * 4 + (wh,) * 16


def readings(a_event: int, b_event: int) -> dict[MeterId, dict[date, tuple[int, ...]]]:
    """Both meters: 1000 and 2000 Wh every quarter, but in the event."""
    days = [DAY - timedelta(days=i) for i in range(1, 22)]
    return {
        A: {day: flat(1000) for day in days} | {DAY: flat(1000, a_event)},
        B: {day: flat(2000) for day in days} | {DAY: flat(2000, b_event)},
    }


def book(a_event: int = 500, b_event: int = 1000) -> Book:
    """What a side holds. Baseline 3000 Wh a quarter; with the defaults 1500 is taken and 1500 delivered."""
    return Book(rule_of(DEAL), terms_of(DEAL), ZONE, readings(a_event, b_event), {DAY: Reason.EVENT_DAY})
