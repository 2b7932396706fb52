"""Outages of both sides: a fault and planned work on the grid; batteries under repair, and a day without communication."""

from __future__ import annotations

from functools import partial

from intertie.demo.chapters.daily import declaration
from intertie.demo.feeder import Element
from intertie.demo.plan import Fate, PlannedOutage
from intertie.demo.season import AGGREGATION, Season, ders_of, kw, points_of
from intertie.model.aggregation import (
    CompositionChange,
    DerChange,
    DerRemoval,
    DerState,
    RemovalReason,
)
from intertie.model.ids import DerId
from intertie.model.message import Mode, Verb
from intertie.model.record import Record
from intertie.model.system import (
    AssetOutage,
    AssetOutageCause,
    AssetReturn,
    OutageCause,
    OutageKind,
    OutageNotice,
    OutageStatus,
    OutageUpdate,
    RestorationNotice,
)

# The repair is told two days before and over two days after the dispatch in the middle of it.
REPAIR_TOLD, REPAIR_AFTER = 2, 2
# The day on which a customer with PV leaves.
CUSTOMER_LEAVES = 50


def plan(season: Season) -> None:
    """Put both sides' outages on the agenda."""
    for outage in season.plan.outages:
        (_plan_work if outage.planned else _plan_fault)(season, outage)
    for event in season.plan.events:
        if event.fate is Fate.PARTIAL:
            _plan_repair(season, event.day)
        elif event.fate is Fate.REFUSED:
            _plan_silence(season, event.day)
    season.plan_action(
        season.at(CUSTOMER_LEAVES, 40), "a customer leaves the aggregation", partial(_leave, season)
    )


def affected(season: Season, outage: PlannedOutage) -> list[Element]:
    """DERs of the portfolio at the nodes of an outage."""
    return [e for e in season.accepted if e.node in outage.nodes]


def _plan_work(season: Season, outage: PlannedOutage) -> None:
    ends = season.at(outage.day, outage.last)

    def announce() -> None:
        _say(season, _notice(season, outage, OutageCause.MAINTENANCE, told_end=True), Mode.SCHEDULED)

    def update() -> None:
        news = OutageUpdate(
            outage=outage.name,
            revision=1,
            at=season.clock.now,
            status=OutageStatus.CREW_ASSIGNED,
            estimated_restoration=ends,
        )
        _say(season, news, Mode.SCHEDULED)

    season.plan_action(
        season.at(outage.day - 7, 38), f"work on a cable is announced for {_day(season, outage)}", announce
    )
    season.plan_action(season.at(outage.day, outage.first - 2), "the crew is on its way", update)
    season.plan_action(ends, "the cable is back", partial(_restore, season, outage))


def _plan_fault(season: Season, outage: PlannedOutage) -> None:
    start, ends = season.at(outage.day, outage.first), season.at(outage.day, outage.last)

    def notice() -> None:
        _say(season, _notice(season, outage, OutageCause.UNKNOWN, told_end=False), Mode.REAL_TIME)

    def update() -> None:
        news = OutageUpdate(
            outage=outage.name,
            revision=1,
            at=season.clock.now,
            status=OutageStatus.REPAIRING,
            cause=OutageCause.EQUIPMENT_FAILURE,
            estimated_restoration=ends,
        )
        _say(season, news, Mode.REAL_TIME)

    season.plan_action(
        season.at(outage.day, outage.first, 4), f"a fault, {len(outage.nodes)} points are dark", notice
    )
    season.plan_action(season.at(outage.day, outage.first + 3), "the fault is found", update)
    season.plan_action(
        ends,
        f"supply is back after {(ends - start).seconds // 60} minutes",
        partial(_restore, season, outage),
    )


def _notice(season: Season, outage: PlannedOutage, cause: OutageCause, *, told_end: bool) -> OutageNotice:
    return OutageNotice(
        outage=outage.name,
        kind=OutageKind.PLANNED if outage.planned else OutageKind.UNPLANNED,
        points=points_of(outage.nodes),
        starts=season.at(outage.day, outage.first),
        cause=cause,
        estimated_restoration=season.at(outage.day, outage.last) if told_end else None,
        feeders=(season.feeder.name,),
        affected_customers=len(outage.nodes),
        affected_ders=ders_of(affected(season, outage)),
    )


def _restore(season: Season, outage: PlannedOutage) -> None:
    back = RestorationNotice(
        outage=outage.name, points=points_of(outage.nodes), restored=season.at(outage.day, outage.last)
    )
    _say(season, back, Mode.REAL_TIME)


def _say(season: Season, body: Record, mode: Mode) -> None:
    season.utility.office.send(body, mode=mode, about=f"outage-{getattr(body, 'outage', 'none')}")
    season.utility.books.note(body)


def _plan_repair(season: Season, day: int) -> None:
    """Batteries are taken out of service around a dispatch day, and what that leaves is declared anew."""
    repairs = season.plan.repairs
    name = f"repair-{season.feeder.days[day]}"
    office = season.aggregator.office

    def begin() -> None:
        body = AssetOutage(
            outage=name,
            aggregation=AGGREGATION,
            kind=OutageKind.PLANNED,
            ders=ders_of(repairs),
            starts=season.at(day - 1),
            cause=AssetOutageCause.MAINTENANCE,
            unavailable_kw=kw(sum(e.rated_w for e in repairs)),
            expected_return=season.at(day + REPAIR_AFTER),
        )
        office.send(body, about=name)

    def change() -> None:
        states = tuple(DerChange(der=der, state=DerState.OUT_OF_SERVICE) for der in ders_of(repairs))
        body = CompositionChange(
            aggregation=AGGREGATION, effective=season.at(day - 1, 25), revision=2, changed=states
        )
        renewed = declaration(season, day - 1, 2, without=frozenset(e.name for e in repairs))
        office.send(body, renewed, mode=Mode.REAL_TIME, verb=Verb.CHANGED, about=name)

    def over() -> None:
        body = AssetReturn(
            outage=name,
            aggregation=AGGREGATION,
            ders=ders_of(repairs),
            returned=season.at(day + REPAIR_AFTER),
        )
        office.send(body, mode=Mode.REAL_TIME, about=name)

    season.plan_action(season.at(day - REPAIR_TOLD, 36), f"{len(repairs)} batteries go under repair", begin)
    season.plan_action(season.at(day - 1, 25), "the composition changes", change)
    season.plan_action(season.at(day + REPAIR_AFTER, 33), "the batteries are back", over)


def _plan_silence(season: Season, day: int) -> None:
    """The aggregator loses its way to all DERs on the morning of a dispatch day, after the call."""
    name = f"silence-{season.feeder.days[day]}"
    office = season.aggregator.office

    def lost() -> None:
        body = AssetOutage(
            outage=name,
            aggregation=AGGREGATION,
            kind=OutageKind.UNPLANNED,
            ders=ders_of(season.accepted),
            starts=season.at(day, 41),
            cause=AssetOutageCause.COMMUNICATION,
            unavailable_kw=kw(sum(e.rated_w for e in season.accepted)),
        )
        none = declaration(season, day, 2, without=frozenset(e.name for e in season.accepted))
        office.send(body, none, mode=Mode.REAL_TIME, about=name)

    def found() -> None:
        body = AssetReturn(
            outage=name,
            aggregation=AGGREGATION,
            ders=ders_of(season.accepted),
            returned=season.at(day + 1, 30),
        )
        office.send(body, mode=Mode.REAL_TIME, about=name)

    season.plan_action(season.at(day, 41), "the aggregator reaches none of its DERs", lost)
    season.plan_action(season.at(day + 1, 31), "it reaches them again", found)


def _leave(season: Season) -> None:
    """A customer's PV leaves; the heat pump or charger at the same meter stays, so the meters of the portfolio do too."""
    leaving = next(e for e in reversed(season.accepted) if e.kind == "pv")
    body = CompositionChange(
        aggregation=AGGREGATION,
        effective=season.at(CUSTOMER_LEAVES + 1),
        revision=3,
        removed=(DerRemoval(der=DerId(leaving.name), reason=RemovalReason.CUSTOMER_LEFT),),
    )
    season.aggregator.office.send(body, mode=Mode.REGISTRATION, verb=Verb.CHANGE, about=AGGREGATION)
    season.accepted = tuple(e for e in season.accepted if e != leaving)


def _day(season: Season, outage: PlannedOutage) -> str:
    return str(season.feeder.days[outage.day])
