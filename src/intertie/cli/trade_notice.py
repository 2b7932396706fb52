"""`intertie trade notice`: a notice under a contract."""

from __future__ import annotations

from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._trade import Wait, desk_with, told
from intertie.gateway.trading import trade_contract as act
from intertie.model.agreement import ContractAction, DefaultReason
from intertie.model.ids import AgreementId


def notice(
    partner: PartyOption,
    agreement: AgreementId,
    action: ContractAction,
    /,
    *,
    reason: DefaultReason | None = None,
    text: str = "",
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Decline a proposed text; suspend, resume or terminate a contract; declare a default, or that it is cured.

    Example:

        intertie trade notice utility.example GSA-2026-01 suspend --text "until the meters are mended"
    """
    with desk_with(dir, partner) as (it, desk):
        return told(it, [act.give_notice(desk, agreement, action, reason, text)], wait, json=json)
