"""`intertie dispatch cancel`: take an instruction back."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._times import Moment, moment
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_dispatch as act
from intertie.model.dispatch import CancelReason


def cancel(
    partner: PartyOption,
    dispatch: str,
    /,
    *,
    reason: Annotated[CancelReason, Parameter(help="Why.")] = CancelReason.NO_LONGER_NEEDED,
    at: Annotated[Moment | None, Parameter(help="From when on (default: now).")] = None,
    replaced_by: Annotated[str | None, Parameter(help="The dispatch that stands in its place.")] = None,
    text: str = "",
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Take an instruction back from a time on. What was delivered before it counts.

    Example:

        intertie dispatch cancel aggregator.example D-20260701T1600Z-1 --reason forecast_changed

    Parameters
    ----------
    partner
        The aggregator.
    dispatch
        Its name.
    """
    with desk_with(dir, partner, agreement) as (it, desk):
        effective = desk.now if at is None else moment(at, desk.now)
        message = act.cancel(desk, dispatch, reason, effective, replaced_by=replaced_by, text=text)
        return told(it, [message], wait, json=json)
