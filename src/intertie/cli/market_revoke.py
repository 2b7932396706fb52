"""`intertie market revoke`: take back an offer, or a need."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_market as act
from intertie.model.errors import SettingsError
from intertie.model.offers import RevocationReason, WithdrawalReason
from intertie.model.party import Role


def revoke(
    partner: PartyOption,
    name: str,
    /,
    *,
    reason: Annotated[str, Parameter(help="Why; one of those below.")] = "other",
    text: str = "",
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Take back an offer of ours, or, as the utility, a need with all offers to it.

    Example:

        intertie market revoke utility.example OF-1 --reason sold_elsewhere
        intertie market revoke aggregator.example N-7 --reason no_longer_needed

    Reasons of an offer: sold_elsewhere, asset_outage, price_changed, issued_in_error, other; of a need: no_longer_needed,
    met_otherwise, issued_in_error, other.

    Parameters
    ----------
    partner
        The other side.
    name
        Of the offer, or the need.
    """
    with desk_with(dir, partner, agreement) as (it, desk):
        ours = Role.DISTRIBUTION_UTILITY in it.settings.party.roles
        kind = WithdrawalReason if ours else RevocationReason
        try:
            why = kind(reason)
        except ValueError as error:
            raise SettingsError(
                f"--reason: {reason} is none of them", do=f"One of: {', '.join(kind)}."
            ) from error
        if isinstance(why, WithdrawalReason):
            message = act.withdraw_need(desk, name, why, text)
        else:
            message = act.revoke_offer(desk, name, why, text)
        return told(it, [message], wait, json=json)
