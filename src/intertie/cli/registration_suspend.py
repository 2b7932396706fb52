"""`intertie registration suspend`: DERs do not take part for a while."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._times import Moment, moment
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_registration as act
from intertie.model.aggregation import SuspensionReason
from intertie.model.ids import AggregationId, DerId


def suspend(
    partner: PartyOption,
    aggregation: AggregationId,
    suspension: str,
    /,
    *,
    reason: Annotated[SuspensionReason, Parameter(help="Why.")],
    der: Annotated[
        tuple[DerId, ...], Parameter(negative=(), help="Only this DER; may be given again (default: all).")
    ] = (),
    start: Annotated[Moment | None, Parameter(name="--from", help="Default: now.")] = None,
    until: Annotated[Moment | None, Parameter(help="Default: until you resume.")] = None,
    text: str = "",
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Suspend DERs: they are not called. Either side may; only who suspended resumes.

    Example:

        intertie registration suspend aggregator.example AGG-NORTH S-1 --reason telemetry_lost --der DER-0001

    Parameters
    ----------
    partner
        The other side.
    aggregation
        Its name.
    suspension
        A name for it, to resume by.
    """
    with desk_with(dir, partner, agreement) as (it, desk):
        effective = desk.now if start is None else moment(start, desk.now)
        ends = None if until is None else moment(until, desk.now)
        message = act.suspend(
            desk, aggregation, suspension, reason, effective, ders=der, until=ends, text=text
        )
        return told(it, [message], wait, json=json)
