"""`intertie dispatch finish`: report that a dispatch is done, or was given up."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Instant, Json, PartyOption
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_dispatch as act
from intertie.gateway.trading.trade_said import series_in
from intertie.model.dispatch import RefusalReason, ReportKind


def finish(
    partner: PartyOption,
    dispatch: str,
    /,
    *,
    at: Annotated[Instant | None, Parameter(help="When (default: now).")] = None,
    achieved: Annotated[
        str | None,
        Parameter(help="The kW that you measured: one value, or one an interval.", allow_leading_hyphen=True),
    ] = None,
    stopped: Annotated[
        RefusalReason | None, Parameter(help="It was given up before its end, for this reason.")
    ] = None,
    ders: Annotated[int | None, Parameter(help="How many DERs followed it.")] = None,
    text: str = "",
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Report that a dispatch is done, or that it was given up.

    Example:

        intertie dispatch finish utility.example D-20260701T1600Z-1 --achieved 24.5
        intertie dispatch finish utility.example D-20260701T1600Z-1 --stopped communication_lost

    Parameters
    ----------
    partner
        The utility.
    dispatch
        Its name.
    """
    kind = ReportKind.FINISHED if stopped is None else ReportKind.STOPPED
    with desk_with(dir, partner, agreement) as (it, desk):
        asked = act.find_dispatch(desk, dispatch).instruction
        series = None
        if achieved is not None:
            series = series_in("--achieved", achieved, asked.window, asked.target_kw.step)
        message = act.report(
            desk, dispatch, kind, at or desk.now, reason=stopped, achieved=series, ders=ders, text=text
        )
        return told(it, [message], wait, json=json)
