"""Peak evenings: the utility forecasts, calls and sometimes takes back; the aggregator answers, and its DERs act."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from intertie.demo.feeder import STEP_SECONDS, STEPS
from intertie.demo.gateways import UTILITY
from intertie.demo.plan import EVENING, Fate, PlannedEvent, forecast_kw
from intertie.demo.response import Call
from intertie.demo.season import AGGREGATION, DEAL, Season, series
from intertie.model.contract import Service
from intertie.model.dispatch import (
    CancelReason,
    DispatchAnswer,
    DispatchCancel,
    DispatchInstruction,
    DispatchReport,
    DispatchResponse,
    DispatchTelemetry,
    Instruction,
    RefusalReason,
    ReportKind,
)
from intertie.model.interval import IntervalSeries, Window
from intertie.model.message import Mode, Verb
from intertie.model.quantity import Unit
from intertie.model.record import Record
from intertie.model.system import ConditionKind, SystemCondition

# What an aggregator gives on top of what it is asked for, because its baseline is an estimate: 15 % and 3 kW.
SAFETY, SAFETY_WATTS = 1.15, 3000
# What it can still do with its largest batteries under repair.
PART = 0.5
FORECAST, CALLED, ANSWERED, AGAIN, TAKEN_BACK = 32, 40, 42, 43, 64  # 08:00, 10:00, 10:30, 10:45, 16:00


def plan(season: Season) -> None:
    """Forecast, instruction and answer on each peak day; one forecast is corrected and its call taken back."""
    for event in season.plan.events:
        day = season.feeder.days[event.day]
        kwh = f"{event.asked_kw} kW"
        for quarter, text, act in (
            (FORECAST, f"{day}: the forecast exceeds {season.plan.limit_kw} kW", _forecast),
            (CALLED, f"{day}: the utility asks for {kwh}", _call),
            (ANSWERED, f"{day}: the aggregator answers: {event.fate}", _answer),
        ):
            season.plan_action(season.at(event.day, quarter), text, partial(act, season, event))
        if event.fate in (Fate.ACCEPTED, Fate.PARTIAL):
            for quarter, text, act in (
                (event.first, f"{day}: the DERs begin", _begin),
                (event.last, f"{day}: the DERs have done it", _finish),
            ):
                season.plan_action(season.at(event.day, quarter), text, partial(act, season, event))
        if event.fate is Fate.REFUSED:
            season.plan_action(
                season.at(event.day, AGAIN),
                f"{day}: the utility tries again, with less",
                partial(_try_again, season, event),
            )
        if event.fate is Fate.CANCELLED:
            season.plan_action(
                season.at(event.day, TAKEN_BACK),
                f"{day}: the call is taken back",
                partial(_take_back, season, event),
            )


def name_of(season: Season, event: PlannedEvent) -> str:
    """The dispatch's name."""
    return f"D-{season.feeder.days[event.day]}"


def _say(season: Season, event: PlannedEvent, *bodies: Record, mode: Mode = Mode.SCHEDULED) -> None:
    season.utility.office.send(*bodies, mode=mode, about=name_of(season, event))
    for body in bodies:
        season.utility.books.note(body)


def evening_limit(season: Season, day: int) -> IntervalSeries:
    """The limit over a day: a gap outside the evening."""
    values = tuple(season.plan.limit_kw if i in EVENING else None for i in range(STEPS))
    return IntervalSeries(
        start=season.at(day), step_seconds=STEP_SECONDS, unit=Unit.KW, power_of_ten=0, values=values
    )


def _condition(
    season: Season, event: PlannedEvent, kilowatts: list[int], text: str, revision: int = 1
) -> SystemCondition:
    start = season.at(event.day)
    return SystemCondition(
        condition=f"evening-{season.feeder.days[event.day]}",
        revision=revision,
        kind=ConditionKind.FORECAST,
        points=(season.point,),
        window=season.window(event.day),
        forecast_kw=series(start, Unit.KW, kilowatts, 0),
        limit_kw=evening_limit(season, event.day),
        text=text,
    )


def _forecast(season: Season, event: PlannedEvent) -> None:
    row = season.feeder.net()[event.day]
    _say(season, event, _condition(season, event, forecast_kw(row), "Forecast of the morning."))


def _call(season: Season, event: PlannedEvent) -> None:
    _say(season, event, _instruction(season, event, name_of(season, event), event.asked_kw))


def _try_again(season: Season, event: PlannedEvent) -> None:
    """The operator would call a third of it. By then all DERs are told to be out, and the own gateway refuses."""
    again = _instruction(season, event, f"{name_of(season, event)}-again", event.asked_kw // 3)
    season.try_to(UTILITY, again.dispatch, partial(season.utility.office.send, again, about=again.dispatch))


def _instruction(season: Season, event: PlannedEvent, name: str, kilowatts: int) -> DispatchInstruction:
    window: Window = season.window(event.day, event.first, event.last)
    return DispatchInstruction(
        dispatch=name,
        service=Service.DIST_CAPACITY,
        point=season.point,
        window=window,
        instruction=Instruction.RELATIVE,
        target_kw=series(window.start, Unit.KW, [kilowatts * 1000] * (event.last - event.first)),
        respond_by=season.clock.now + timedelta(hours=2),
        confirmation=DEAL,
        aggregation=AGGREGATION,
    )


def _answer(season: Season, event: PlannedEvent) -> None:
    """The aggregator answers the instruction it received, by what it can do; its DERs will act in the evening."""
    name = name_of(season, event)
    mail, instruction = season.aggregator.newest(DispatchInstruction, "dispatch", name)
    response = _response(instruction, event.fate)
    season.aggregator.office.send(response, verb=Verb.REPLY, about=name, reply_to=mail)
    season.aggregator.books.note(response)
    _act(season, event)


def _response(instruction: DispatchInstruction, fate: Fate) -> DispatchResponse:
    name = instruction.dispatch
    if fate is Fate.REFUSED:
        return DispatchResponse(
            dispatch=name,
            answer=DispatchAnswer.REFUSED,
            reason=RefusalReason.COMMUNICATION_LOST,
            text="No connection to the DERs since this morning.",
        )
    target = instruction.target_kw
    if fate is Fate.PARTIAL:
        part = series(target.start, Unit.KW, [int((v or 0) * PART) for v in target.values])
        return DispatchResponse(
            dispatch=name,
            answer=DispatchAnswer.PARTIAL,
            reason=RefusalReason.ASSET_OUTAGE,
            committed_kw=part,
            text="Batteries under repair.",
        )
    return DispatchResponse(dispatch=name, answer=DispatchAnswer.ACCEPTED, committed_kw=target)


def _act(season: Season, event: PlannedEvent) -> None:
    if event.fate not in (Fate.ACCEPTED, Fate.PARTIAL):
        return
    part = event.fate is Fate.PARTIAL
    watts = event.asked_kw * 1000
    wanted = int(watts * PART) if part else int(watts * SAFETY) + SAFETY_WATTS
    start = event.day * STEPS
    out = frozenset(e.name for e in season.plan.repairs) if part else frozenset()
    season.world.call(Call(start + event.first, start + event.last, wanted), season.accepted, out)


def _begin(season: Season, event: PlannedEvent) -> None:
    report = DispatchReport(
        dispatch=name_of(season, event),
        report=ReportKind.STARTED,
        at=season.clock.now,
        ders=len(season.accepted),
    )
    season.aggregator.office.send(report, mode=Mode.REAL_TIME, about=name_of(season, event))


def _finish(season: Season, event: PlannedEvent) -> None:
    """What the DERs gave, as the aggregator measures it at each; settlement is by the meters, and against a baseline."""
    start = event.day * STEPS
    given = season.world.moved_watts(season.accepted, start + event.first, start + event.last)
    measured = series(season.at(event.day, event.first), Unit.KW, given)
    telemetry = DispatchTelemetry(
        dispatch=name_of(season, event), power_kw=measured, ders_reporting=len(season.accepted)
    )
    report = DispatchReport(
        dispatch=name_of(season, event),
        report=ReportKind.FINISHED,
        at=season.clock.now,
        achieved_kw=measured,
    )
    season.aggregator.office.send(telemetry, report, mode=Mode.REAL_TIME, about=name_of(season, event))


def _take_back(season: Season, event: PlannedEvent) -> None:
    """The afternoon's forecast is the load itself, and stays under the limit."""
    kilowatts = [int(watts) // 1000 for watts in season.feeder.net()[event.day]]
    news = _condition(season, event, kilowatts, "Forecast of the afternoon.", revision=2)
    cancel = DispatchCancel(
        dispatch=name_of(season, event), effective=season.clock.now, reason=CancelReason.FORECAST_CHANGED
    )
    _say(season, event, news, cancel, mode=Mode.REAL_TIME)
