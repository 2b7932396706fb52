"""`intertie outage update`: news of an outage."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._times import Moment, moment
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_outage as act
from intertie.gateway.trading.trade_desk import Desk
from intertie.model.errors import SettingsError
from intertie.model.ids import ConnectionPointId, DerId, MessageId
from intertie.model.made import made
from intertie.model.quantity import Kilowatts
from intertie.model.system import AssetOutageCause, OutageKind, OutageStatus, OutageUpdate


def update(
    partner: PartyOption,
    outage: str,
    /,
    *,
    status: Annotated[OutageStatus | None, Parameter(help="Of the grid: how far the work is.")] = None,
    start: Annotated[
        Moment | None, Parameter(name="--from", help="It begins then (if it is postponed).")
    ] = None,
    until: Annotated[Moment | None, Parameter(help="When it is expected to end now.")] = None,
    restored: Annotated[
        tuple[ConnectionPointId, ...],
        Parameter(negative=(), help="A point that is back; may be given again."),
    ] = (),
    added: Annotated[
        tuple[ConnectionPointId, ...],
        Parameter(negative=(), help="A point that is lost too; may be given again."),
    ] = (),
    der: Annotated[
        tuple[DerId, ...],
        Parameter(negative=(), help="Of DERs: those that are out now (default: as before)."),
    ] = (),
    kw: Annotated[
        Decimal | None, Parameter(help="Of DERs: what is missing now (default: as before).")
    ] = None,
    text: str = "",
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Tell news of an outage: how far the work is, until when it is expected to last, what came back, what else is out.

    Example:

        intertie outage update aggregator.example OUT-7 --status repairing --until 3h
        intertie outage update utility.example A-3 --until 6h --kw 4

    Parameters
    ----------
    partner
        The other side.
    outage
        Its name.
    """
    with desk_with(dir, partner, agreement) as (it, desk):
        if outage in desk.drafted.grid.assets:
            if status is not None or restored or added:
                raise SettingsError(f"{outage} is of DERs", do="Give --until, --der or --kw.")
            message = _of_assets(desk, outage, start, until, der, kw, text)
        else:
            if status is None:
                raise SettingsError("how far is it?", do=f"--status is one of: {', '.join(OutageStatus)}.")
            body = made(
                OutageUpdate,
                outage=outage,
                revision=1,
                at=desk.now,
                status=status,
                starts=None if start is None else moment(start, desk.now),
                estimated_restoration=None if until is None else moment(until, desk.now),
                restored_points=restored,
                added_points=added,
                text=text,
            )
            message = act.update(desk, body)
        return told(it, [message], wait, json=json)


def _of_assets(
    desk: Desk,
    name: str,
    start: Moment | None,
    until: Moment | None,
    ders: tuple[DerId, ...],
    kw: Decimal | None,
    text: str,
) -> MessageId:
    before = act.find_assets(desk, name)
    lost = kw if kw is not None else None if ders else before.missing_kw
    return act.lose(
        desk,
        name,
        before.aggregation,
        ders or tuple(before.back),
        OutageKind.UNPLANNED,
        AssetOutageCause(before.cause),
        before.starts if start is None else moment(start, desk.now),
        kw=None if lost is None else Kilowatts(lost),
        expected=before.expected if until is None else moment(until, desk.now),
        text=text,
    )
