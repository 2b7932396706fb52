"""`intertie trade sign`: our signature under a proposed contract."""

from __future__ import annotations

from functools import partial

from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._trade import Wait, desk_with, told
from intertie.gateway.trading import trade_contract as act
from intertie.gateway.trading.trade_desk import Desk
from intertie.model.ids import AgreementId


def sign(
    partner: PartyOption,
    agreement: AgreementId,
    /,
    *,
    signatory: str = "",
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Sign the newest text of a contract that was proposed.

    Example:

        intertie trade sign utility.example GSA-2026-01 --signatory "A. Person, trading"
    """
    ready = partial(_waits, agreement)
    with desk_with(dir, partner, wait=wait, ready=ready) as (it, desk):
        return told(it, [act.sign(desk, agreement, signatory)], wait, json=json)


def _waits(agreement: AgreementId, desk: Desk) -> bool:
    known = desk.book.contracts.get(agreement)
    return known is not None and known.draft is not None
