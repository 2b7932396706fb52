"""`intertie market order`: take an offer."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_market as act
from intertie.gateway.trading.trade_said import series_in


def order(
    partner: PartyOption,
    offer: str,
    /,
    *,
    option: Annotated[int | None, Parameter(help="Which of its options (default: the first).")] = None,
    kw: Annotated[
        str | None, Parameter(help="Only so much: one value, or one an interval (default: all).")
    ] = None,
    text: str = "",
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Take an offer, whole or in part, at its price: a deal. To decide a need over all offers, `intertie market clear`.

    Example:

        intertie market order aggregator.example OF-1
        intertie market order aggregator.example OF-2 --option 2 --kw 15

    Parameters
    ----------
    partner
        The aggregator.
    offer
        Its name.
    """
    with desk_with(dir, partner, agreement) as (it, desk):
        series = None
        offered = act.find_offer(desk, offer).offer
        if kw is not None and offered is not None:
            series = series_in("--kw", kw, offered.window, offered.options[0].offered_kw.step)
        return told(it, [act.order(desk, offer, option, series, text)], wait, json=json)
