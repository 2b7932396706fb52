"""`intertie outage notice`: points without supply, or DERs that are out."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeVar

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._times import Moment, moment
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_outage as act
from intertie.model.errors import SettingsError
from intertie.model.ids import AggregationId, ConnectionPointId, DerId
from intertie.model.made import made
from intertie.model.quantity import Kilowatts
from intertie.model.system import AssetOutageCause, OutageCause, OutageKind, OutageNotice


def notice(
    partner: PartyOption,
    outage: str,
    /,
    *,
    point: Annotated[
        tuple[ConnectionPointId, ...],
        Parameter(negative=(), help="A point without supply; may be given again."),
    ] = (),
    section: Annotated[
        tuple[str, ...], Parameter(negative=(), help="A section of the feeder model, with all behind it.")
    ] = (),
    aggregation: Annotated[
        AggregationId | None, Parameter(help="Of an aggregator: the aggregation whose DERs are out.")
    ] = None,
    der: Annotated[
        tuple[DerId, ...], Parameter(negative=(), help="A DER that is out; may be given again.")
    ] = (),
    kw: Annotated[Decimal | None, Parameter(help="What is missing of the DERs (default: all).")] = None,
    kind: Annotated[OutageKind | None, Parameter(help="Default: planned if it begins later.")] = None,
    cause: Annotated[
        str, Parameter(help="Why; as the documents outage_notice and asset_outage have it.")
    ] = "unknown",
    start: Annotated[Moment | None, Parameter(name="--from", help="Default: now.")] = None,
    until: Annotated[Moment | None, Parameter(help="When it is expected to end.")] = None,
    text: str = "",
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Tell of an outage: a utility names points or sections, an aggregator the DERs of an aggregation.

    Example:

        intertie outage notice aggregator.example OUT-7 --point F12-T7 --from 2d --until 4h --cause maintenance
        intertie outage notice utility.example A-3 --aggregation AGG-NORTH --der DER-0001 --cause failure --until 4h

    Causes: maintenance, construction, equipment_failure, weather, vegetation, animal, vehicle, public_safety, transmission,
    cyber, unknown, other; of DERs: maintenance, failure, communication, grid_outage, customer, safety, unknown.

    Parameters
    ----------
    partner
        The other side.
    outage
        A name for it, by which news and its end are told.
    """
    if (aggregation is None) == (not point and not section) or (aggregation is None and der):
        raise SettingsError(
            "what is out?", do="Name --point or --section; or, as an aggregator, --aggregation with --der."
        )
    with desk_with(dir, partner, agreement) as (it, desk):
        starts = desk.now if start is None else moment(start, desk.now)
        ends = None if until is None else moment(until, starts)
        kind = kind or (OutageKind.PLANNED if starts > desk.now else OutageKind.UNPLANNED)
        if aggregation is None:
            where = act.points_of(desk, point, section), section
            message = act.tell(desk, _notice(outage, kind, where, starts, ends, cause, text))
        else:
            why = _cause(AssetOutageCause, cause)
            lost = None if kw is None else Kilowatts(kw)
            message = act.lose(
                desk, outage, aggregation, der, kind, why, starts, kw=lost, expected=ends, text=text
            )
        return told(it, [message], wait, json=json)


def _notice(
    outage: str,
    kind: OutageKind,
    where: tuple[tuple[ConnectionPointId, ...], tuple[str, ...]],
    starts: datetime,
    ends: datetime | None,
    cause: str,
    text: str,
) -> OutageNotice:
    points, sections = where
    return made(
        OutageNotice,
        outage=outage,
        kind=kind,
        points=points,
        starts=starts,
        cause=_cause(OutageCause, cause),
        estimated_restoration=ends,
        sections=sections,
        text=text,
    )


_Cause = TypeVar("_Cause", OutageCause, AssetOutageCause)


def _cause(kind: type[_Cause], said: str) -> _Cause:
    try:
        return kind(said)
    except ValueError as error:
        raise SettingsError(f"--cause: {said} is none of them", do=f"One of: {', '.join(kind)}.") from error
