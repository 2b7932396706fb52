"""`intertie dispatch change`: another revision of an instruction."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption, when
from intertie.cli._times import Length, Moment, moment, window_of
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_dispatch as act
from intertie.gateway.trading.trade_compose import ChangeSaid, changes_of
from intertie.gateway.trading.trade_said import series_in
from intertie.model.interval import Window


def change(
    partner: PartyOption,
    dispatch: str,
    /,
    *,
    kw: Annotated[
        str | None, Parameter(help="One value, or one an interval, with its sign.", allow_leading_hyphen=True)
    ] = None,
    start: Annotated[Moment | None, Parameter(name="--from", help="Default: as before.")] = None,
    until: Annotated[
        Moment | None, Parameter(help="A time, or so long after --from (default: as before).")
    ] = None,
    step: Annotated[Length | None, Parameter(help="Length of an interval (default: as before).")] = None,
    respond_by: Annotated[Moment | None, Parameter(help="Default: as soon as the service allows.")] = None,
    ramp: Annotated[Decimal | None, Parameter(help="kW a minute.")] = None,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Change an instruction. What asks for more needs its notice again; until it is answered, what was accepted before stands.

    Example:

        intertie dispatch change aggregator.example D-20260701T1600Z-1 --kw 10
        intertie dispatch change aggregator.example D-20260701T1600Z-1 --kw 10 --until 30min

    Parameters
    ----------
    partner
        The aggregator.
    dispatch
        Its name.
    """
    with desk_with(dir, partner, agreement) as (it, desk):
        before = act.find_dispatch(desk, dispatch).instruction
        window = _window(before.window, start, until, desk.now)
        said = ChangeSaid(
            window,
            None if kw is None else series_in("--kw", kw, window, step or before.target_kw.step),
            None if respond_by is None else moment(respond_by, desk.now),
            ramp,
        )
        changes = changes_of(desk, before, said)
        message = act.change(desk, dispatch, **changes)
        if not json:
            print(f"An answer is due by {when(changes['respond_by'])}.")
        return told(it, [message], wait, json=json)


def _window(before: Window, start: Moment | None, until: Moment | None, now: Any) -> Window:
    if start is None and until is None:
        return before
    length: timedelta = before.end - before.start
    return window_of(before.start if start is None else start, length if until is None else until, now)
