"""`intertie trade answer`: our answer to a confirmation."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._trade import Wait, desk_with, told
from intertie.gateway.trading import trade_contract as act
from intertie.model.contract import ObjectionReason
from intertie.model.ids import ConfirmationId


def answer(
    partner: PartyOption,
    deal: ConfirmationId,
    /,
    *,
    object: Annotated[ObjectionReason | None, Parameter(help="Object for this reason; else accept.")] = None,
    detail: str = "",
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Accept a confirmation, or object to it.

    Example:

        intertie trade answer utility.example NWS-2026-001
        intertie trade answer utility.example NWS-2026-001 --object wrong_quantity --detail "we said 40 kW"
    """
    with desk_with(dir, partner, wait=wait, ready=lambda desk: deal in desk.book.deals) as (it, desk):
        return told(it, [act.answer_deal(desk, deal, object, detail)], wait, json=json)
