"""`intertie dispatch answer`: all of it, a part, or nothing, with the reason."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_dispatch as act
from intertie.gateway.trading.trade_desk import Desk
from intertie.model.dispatch import DispatchAnswer, RefusalReason
from intertie.model.errors import SettingsError


def answer(
    partner: PartyOption,
    dispatch: str,
    /,
    *,
    kw: Annotated[
        str | None,
        Parameter(help="Only so much of it, in all intervals or one value for each; with --reason."),
    ] = None,
    refuse: Annotated[bool, Parameter(negative=(), help="Nothing of it; with --reason.")] = False,
    reason: Annotated[RefusalReason | None, Parameter(help="Why not all of it.")] = None,
    text: str = "",
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Accept a dispatch, accept a part of it, or refuse it. Who says nothing until the answer is due owes all of it.

    Example:

        intertie dispatch answer utility.example D-20260701T1600Z-1
        intertie dispatch answer utility.example D-20260701T1600Z-1 --kw 15 --reason asset_outage
        intertie dispatch answer utility.example D-20260701T1600Z-1 --refuse --reason not_available

    Parameters
    ----------
    partner
        The utility.
    dispatch
        Its name; `intertie dispatch show` lists them.
    """
    if refuse and kw is not None:
        raise SettingsError("a part of it, or nothing?", do="Give --kw or --refuse.")
    said = (
        DispatchAnswer.REFUSED
        if refuse
        else DispatchAnswer.ACCEPTED
        if kw is None
        else DispatchAnswer.PARTIAL
    )
    ready = partial(_known, dispatch)
    with desk_with(dir, partner, agreement, wait=wait, ready=ready) as (it, desk):
        committed = None
        if kw is not None:
            asked = act.find_dispatch(desk, dispatch).instruction.target_kw
            committed = act.part_of(asked, _amounts(kw))
        message = act.answer(desk, dispatch, said, reason=reason, committed=committed, text=text)
        return told(it, [message], wait, json=json)


def _known(dispatch: str, desk: Desk) -> bool:
    return dispatch in desk.book.dispatches


def _amounts(text: str) -> list[Decimal]:
    try:
        return [Decimal(part.strip()) for part in text.split(",")]
    except InvalidOperation as error:
        raise SettingsError(
            "--kw: no numbers", do="One for all intervals, or one for each: 5 or 5,5,4.5"
        ) from error
