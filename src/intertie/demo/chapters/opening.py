"""Before the season: both aggregations are registered, one DER is refused, what was ordered is confirmed as a deal, which is
deemed accepted since nobody objects, and the limit is told."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import partial

from intertie.demo.chapters.tender import order_of
from intertie.demo.feeder import STEP_SECONDS, STEPS, Element
from intertie.demo.gateways import AGGREGATOR, AGGREGATORS
from intertie.demo.plan import DEAL_STARTS, EVENING, TECHNOLOGIES
from intertie.demo.season import AGGREGATION, AGGREGATIONS, DEAL, Season, ders_of, kw, meter_of, term
from intertie.market.registration import Connection, Records, decide
from intertie.model.aggregation import (
    AggregationRegistration,
    ControlMode,
    Der,
    Programme,
    RegistrationDecision,
    Technology,
)
from intertie.model.contract import (
    Confirmation,
    Service,
    ServiceHours,
    Weekday,
)
from intertie.model.ids import AgreementId, ConnectionPointId, DerId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.message import Mode, Verb
from intertie.model.quantity import KilowattHours, Kilowatts, Unit
from intertie.model.system import ConditionKind, SystemCondition

MODES = {
    "storage": (ControlMode.CHARGE, ControlMode.DISCHARGE, ControlMode.TARGET_W),
    "pv": (ControlMode.MAX_LIM_W,),
    "heat_pump": (ControlMode.MAX_LIM_W,),
    "charger": (ControlMode.CHARGE, ControlMode.MAX_LIM_W),
}
# The other programme that one of the offered DERs is still bound to.
OTHER = Programme(
    programme="supplier-night-tariff",
    operator="Example Energy Supplier",
    term=Window(start=datetime(2025, 4, 1, tzinfo=UTC), end=datetime(2026, 10, 1, tzinfo=UTC)),
)


def plan(season: Season) -> None:
    """Everything that comes before the first day, beside contracts and tender."""
    first = season.clock.now
    steps = (
        (4, "both aggregators register their aggregations", _register),
        (5, "the utility decides on each DER", _decide),
        (14, "the utility confirms a capacity deal; nobody objects", _confirm),
        (15, "the utility tells the limit of the winter", _tell_limit),
    )
    for hour, text, act in steps:
        season.plan_action(first + timedelta(hours=hour), text, partial(act, season))


def _register(season: Season) -> None:
    for desk, elements in ((season.aggregator, season.plan.offered), (season.rival, season.plan.rivals)):
        name = AGGREGATIONS[desk.office.who]
        desk.office.send(
            AggregationRegistration(
                aggregation=name,
                services=(Service.DIST_CAPACITY,),
                effective=season.at(DEAL_STARTS),
                ders=tuple(_der(season, e) for e in elements),
            ),
            mode=Mode.REGISTRATION,
            verb=Verb.CREATE,
            about=name,
        )


def _der(season: Season, element: Element) -> Der:
    storage = element.kind == "storage"
    return Der(
        id=DerId(element.name),
        technology=Technology(TECHNOLOGIES[element.kind]),
        nameplate_kw=kw(element.rated_w),
        nameplate_kwh=KilowattHours(Decimal(element.rated_wh or 0).scaleb(-3)) if storage else None,
        max_charge_kw=kw(element.rated_w) if storage else None,
        max_discharge_kw=kw(element.rated_w) if storage else None,
        feeder=season.feeder.name,
        point=ConnectionPointId(element.node),
        meter=meter_of(element.node),
        premises=f"{element.node}-premises",
        control_modes=MODES[element.kind],
        other_programmes=(OTHER,) if element == season.plan.committed else (),
        consent=f"consent-{element.name}",
    )


def _decide(season: Season) -> None:
    """The utility asks its own books, which here are the grid data."""
    elements = season.feeder.elements.values()
    records = Records(
        feeders={ConnectionPointId(e.node): season.feeder.name for e in elements},
        connections={
            DerId(e.name): Connection(ConnectionPointId(e.node), meter_of(e.node), kw(e.rated_w))
            for e in elements
        },
        consents=frozenset(f"consent-{e.name}" for e in elements),
    )
    for who in AGGREGATORS:
        mail, registration = season.utility.newest(AggregationRegistration, of=who)
        decision = decide(registration, records, term(season))
        season.utility.office.send(
            decision,
            mode=Mode.REGISTRATION,
            verb=Verb.REPLY,
            about=registration.aggregation,
            reply_to=mail,
            to=who,
        )
        if who is AGGREGATOR:
            _take(season, decision)


def _take(season: Season, decision: RegistrationDecision) -> None:
    """Both sides settle over the meters of the DERs that were accepted."""
    accepted = {one.der for one in decision.decisions if one.accepted}
    season.accepted = tuple(e for e in season.plan.offered if e.name in accepted)
    meters = frozenset(meter_of(e.node) for e in season.accepted)
    season.utility.books.meters = season.aggregator.books.meters = meters


def _confirm(season: Season) -> None:
    """As ordered: its kilowatts, and its price for what is called. The aggregator keeps silent, and so it is accepted."""
    order = order_of(season)
    deal = Confirmation(
        confirmation=DEAL,
        agreement=AGGREGATOR.agreement or AgreementId(""),
        service=Service.DIST_CAPACITY,
        points=(season.point,),
        aggregation=AGGREGATION,
        contracted_kw=Kilowatts(
            max(order.ordered_kw.quantity(i) or Decimal(0) for i in range(len(order.ordered_kw.values)))
        ),
        term=term(season),
        reservation_rate_per_kw_month=Decimal("6.00"),
        utilisation_rate_per_kwh=order.price.amount,
        penalty_rate_per_kwh=Decimal("0.75"),
        penalty_cap_fraction=Decimal("0.5"),
        delivered_cap_fraction=Decimal(1),
        notice_minutes=60,
        max_calls=20,
        max_duration_minutes=240,
        baseline_method="high-5-of-10-multiplicative",
        adjustment_cap_fraction=Decimal("0.2"),
        tolerance_percent=Decimal("0.5"),
        currency="EUR",
        zone=season.feeder.zone,
        confirm_deadline=season.clock.now + timedelta(days=3),
        service_hours=tuple(ServiceHours(weekday=day, start=time(17), end=time(22)) for day in Weekday),
        special_provisions=f"As ordered in {order.order}. For {len(ders_of(season.accepted))} DERs as registered and decided.",
    )
    season.utility.office.send(deal, verb=Verb.CREATE, about=DEAL)
    season.utility.books.note(deal)


def _tell_limit(season: Season) -> None:
    """Quarter-hours of the whole winter; outside the evenings there is no limit: a gap."""
    window = Window(start=season.at(0), end=season.at(len(season.feeder.days) - 1, STEPS))
    day = tuple(season.plan.limit_kw if i in EVENING else None for i in range(STEPS))
    limit = IntervalSeries(
        start=window.start,
        step_seconds=STEP_SECONDS,
        unit=Unit.KW,
        power_of_ten=0,
        values=day * len(season.feeder.days),
    )
    season.utility.office.send(
        SystemCondition(
            condition="winter-limit",
            kind=ConditionKind.LIMIT,
            points=(season.point,),
            window=window,
            limit_kw=limit,
            text="From 17:00 to 22:00 the neighbouring feeder cannot take load over.",
        ),
        about="winter-limit",
    )
