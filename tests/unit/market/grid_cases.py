"""A registered aggregation on a small feeder, a deal, and events in a row: where tests start from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from intertie.market import dispatch, grid, registering
from intertie.market.dispatch_rules import Deal, Ground
from intertie.market.dispatch_state import Dispatches
from intertie.market.event import Broken, Event, Rule
from intertie.market.grid import Grid
from intertie.market.registry import Registry
from intertie.model.aggregation import (
    AggregationRegistration,
    CompositionChange,
    Der,
    DerDecision,
    Programme,
    RegistrationDecision,
    Technology,
)
from intertie.model.contract import Confirmation, Service, ServiceHours, Weekday
from intertie.model.dispatch import (
    DispatchAnswer,
    DispatchInstruction,
    DispatchResponse,
    Instruction,
)
from intertie.model.feeder import FeederModel, PointPlace, Section, Tie
from intertie.model.ids import (
    AggregationId,
    AgreementId,
    ConfirmationId,
    ConnectionPointId,
    DerId,
    MeterId,
    PartyId,
    new_message_id,
)
from intertie.model.interval import IntervalSeries, Window
from intertie.model.quantity import Kilowatts, Unit
from intertie.model.record import Record
from intertie.model.settlement import EventPerformance, MeterPerformance, PerformanceStatement

BUYER, SELLER = PartyId("utility.example"), PartyId("aggregator.example")
START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
AGG = AggregationId("AGG-1")
AGREEMENT = AgreementId("GSA-1")
DEAL = ConfirmationId("DEAL-1")
HEAD = ConnectionPointId("T1")  # a transformer, with customers behind it
POINTS = (ConnectionPointId("P1"), ConnectionPointId("P2"), ConnectionPointId("P3"))
ZONE = "America/New_York"
EVERY_EVENING = tuple(ServiceHours(weekday=day, start=time(17), end=time(22)) for day in Weekday)
CALL = Window(start=START + timedelta(hours=10), end=START + timedelta(hours=12))  # 17:00 to 19:00 there


def at(hours: float = 0) -> datetime:
    return START + timedelta(hours=hours)


def window(first: float, last: float) -> Window:
    return Window(start=at(first), end=at(last))


def event(body: Record, hours: float = 0, sender: PartyId = BUYER) -> Event:
    received = at(hours)
    other = SELLER if sender == BUYER else BUYER
    return Event(new_message_id(received), sender, other, received, received, body, AGREEMENT)


def der(number: int, kw: int = 10, **changes: Any) -> Der:
    good = Der(
        id=DerId(f"D{number}"),
        technology=Technology.BATTERY,
        nameplate_kw=Kilowatts(Decimal(kw)),
        feeder="F1",
        point=POINTS[(number - 1) % len(POINTS)],
        meter=MeterId(f"M{number}"),
        premises=f"H{number}",
        consent=f"C{number}",
    )
    return msgspec.structs.replace(good, **changes)


def programme(first: float, last: float, kw: int | None = None, **changes: Any) -> Programme:
    committed = None if kw is None else Kilowatts(Decimal(kw))
    return Programme(
        programme="night", operator="Supplier", term=window(first, last), committed_kw=committed, **changes
    )


def registration(
    *ders: Der, revision: int = 1, name: AggregationId = AGG, **changes: Any
) -> AggregationRegistration:
    said = {"services": (Service.DIST_CAPACITY,), "effective": at(), **changes}
    return AggregationRegistration(aggregation=name, ders=ders, revision=revision, **said)


def decision(*ids: str, revision: int = 1, refused: Any = None, **changes: Any) -> RegistrationDecision:
    said = {"effective": at(), "aggregation": AGG, **changes}
    kw = said.pop("accepted_kw", None)
    decisions = tuple(
        DerDecision(der=DerId(id), accepted=refused is None, reason=refused, accepted_kw=kw) for id in ids
    )
    return RegistrationDecision(decisions=decisions, revision=revision, **said)


def change(revision: int = 2, effective: float = 0, **changes: Any) -> CompositionChange:
    return CompositionChange(aggregation=AGG, effective=at(effective), revision=revision, **changes)


def feeder(revision: int = 1, **changes: Any) -> FeederModel:
    """F1: S1 from the substation, S2 below it behind switch R2, S3 below that behind R3; a tie from S3 to F2's S9."""
    good = FeederModel(
        model="F1",
        revision=revision,
        effective=at(),
        sections=(
            Section(section="S1", feeder="F1", device="CB1"),
            Section(section="S2", feeder="F1", parent="S1", device="R2"),
            Section(section="S3", feeder="F1", parent="S2", device="R3"),
            Section(section="S9", feeder="F2", device="CB9"),
        ),
        points=(
            PointPlace(point=HEAD, section="S2"),
            PointPlace(point=POINTS[0], section="S2", parent=HEAD),
            PointPlace(point=POINTS[1], section="S2", parent=HEAD),
            PointPlace(point=POINTS[2], section="S3", parent=HEAD),
        ),
        ties=(Tie(device="T39", first="S3", second="S9"),),
    )
    return msgspec.structs.replace(good, **changes)


def deal(**changes: Any) -> Confirmation:
    good = Confirmation(
        confirmation=DEAL,
        agreement=AGREEMENT,
        service=Service.DIST_CAPACITY,
        points=(HEAD,),
        contracted_kw=Kilowatts(Decimal(25)),
        term=window(0, 24 * 60),
        reservation_rate_per_kw_month=Decimal(6),
        utilisation_rate_per_kwh=Decimal(1),
        penalty_rate_per_kwh=Decimal(1),
        penalty_cap_fraction=Decimal("0.5"),
        delivered_cap_fraction=Decimal(1),
        notice_minutes=60,
        max_calls=3,
        max_duration_minutes=240,
        baseline_method="high-5-of-10",
        adjustment_cap_fraction=Decimal("0.2"),
        tolerance_percent=Decimal(1),
        currency="USD",
        zone=ZONE,
        confirm_deadline=at(),
        service_hours=EVERY_EVENING,
        aggregation=AGG,
        ramp_kw_per_minute=Kilowatts(Decimal(5)),
    )
    return msgspec.structs.replace(good, **changes)


def kw(span: Window, *values: int, minutes: int = 60) -> IntervalSeries:
    return IntervalSeries(
        start=span.start, step_seconds=minutes * 60, unit=Unit.KW, power_of_ten=0, values=values
    )


def call(
    name: str = "X1", power: Sequence[int] = (20, 20), span: Window = CALL, **changes: Any
) -> DispatchInstruction:
    minutes = int((span.end - span.start) / timedelta(minutes=1)) // len(power)
    good = DispatchInstruction(
        dispatch=name,
        service=Service.DIST_CAPACITY,
        point=HEAD,
        window=span,
        instruction=Instruction.RELATIVE,
        target_kw=kw(span, *power, minutes=minutes),
        respond_by=span.start - timedelta(minutes=30),
        confirmation=DEAL,
    )
    return msgspec.structs.replace(good, **changes)


def answer(name: str = "X1", said: str = "accepted", **changes: Any) -> DispatchResponse:
    return DispatchResponse(dispatch=name, answer=DispatchAnswer(said), **changes)


def performance(name: str, span: Window = CALL, *meters: str) -> EventPerformance:
    """Half of what was asked, by half hours."""
    count = (span.end - span.start) // timedelta(minutes=30)
    energy = msgspec.structs.replace(kw(span, *[5] * count, minutes=30), unit=Unit.KWH)
    each = tuple(
        MeterPerformance(meter=MeterId(meter), baseline_kwh=energy, actual_kwh=energy) for meter in meters
    )
    return EventPerformance(
        dispatch=name,
        window=span,
        asked_kw=kw(span, *[10] * count, minutes=30),
        baseline_kwh=energy,
        actual_kwh=energy,
        delivered_kwh=energy,
        performance_factor=Decimal("0.5"),
        meters=each,
    )


def statement(*events: EventPerformance, **changes: Any) -> PerformanceStatement:
    said = {
        "statement": "S1",
        "confirmation": DEAL,
        "service": Service.DIST_CAPACITY,
        "period": window(0, 24 * 28),
        "baseline_method": "high-5-of-10",
        **changes,
    }
    return PerformanceStatement(events=events, **said)


def registered(events: Iterable[Event]) -> Registry:
    registry: Registry = {}
    for one in events:
        registry = registering.apply(registry, one)
    return registry


def three_ders() -> Registry:
    """Ten kilowatts at each of the three points behind the transformer."""
    ders = registration(der(1), der(2), der(3), effective=at(-24))
    return registered([event(ders, -24, SELLER), event(decision("D1", "D2", "D3", effective=at(-23)), -23)])


def grid_of(*events: Event, registry: Registry | None = None) -> Grid:
    state = grid.apply(grid.EMPTY, event(feeder(effective=at(-30)), -30), {})
    for one in events:
        state = grid.apply(state, one, three_ders() if registry is None else registry)
    return state


def ground(
    *,
    terms: Confirmation | None = None,
    registry: Registry | None = None,
    state: Grid | None = None,
    why: str = "",
) -> Ground:
    one = terms or deal()
    return Ground(
        {one.confirmation: Deal(one, why)},
        three_ders() if registry is None else registry,
        grid_of() if state is None else state,
    )


def called(*events: Event, on: Ground | None = None, before: Dispatches | None = None) -> Dispatches:
    dispatches = before or {}
    for one in events:
        dispatches = dispatch.apply(dispatches, one, on or ground())
    return dispatches


def breaks(rule: Rule) -> Any:
    """The block breaks this rule, and the error names it."""
    return pytest.raises(Broken, match=rf"^{rule.name}: ")
