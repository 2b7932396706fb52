"""`intertie dispatch start`: report that a dispatch is followed."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Instant, Json, PartyOption
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_dispatch as act
from intertie.model.dispatch import ReportKind


def start(
    partner: PartyOption,
    dispatch: str,
    /,
    *,
    at: Annotated[Instant | None, Parameter(help="Since when (default: now).")] = None,
    ders: Annotated[int | None, Parameter(help="How many DERs follow it.")] = None,
    text: str = "",
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Report that a dispatch has begun to be followed.

    Example:

        intertie dispatch start utility.example D-20260701T1600Z-1 --ders 3

    Parameters
    ----------
    partner
        The utility.
    dispatch
        Its name.
    """
    with desk_with(dir, partner, agreement) as (it, desk):
        message = act.report(desk, dispatch, ReportKind.STARTED, at or desk.now, ders=ders, text=text)
        return told(it, [message], wait, json=json)
