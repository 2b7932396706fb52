"""`intertie market counter`: other terms for an offer, and the answer to them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._times import Moment, moment
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_market as act
from intertie.gateway.trading.trade_said import series_in
from intertie.model.errors import SettingsError
from intertie.model.offers import CounterVerdict


def counter(
    partner: PartyOption,
    name: str,
    /,
    *,
    kw: Annotated[
        str | None, Parameter(help="Of a counter: one value, or one an interval (default: as offered).")
    ] = None,
    price: Annotated[Decimal | None, Parameter(help="Of a counter: per kWh (default: as offered).")] = None,
    valid: Annotated[
        Moment | None, Parameter(help="Of a counter: until when (default: as the offer).")
    ] = None,
    accept: Annotated[bool, Parameter(negative=(), help="Answer: the counter is an order.")] = False,
    decline: Annotated[bool, Parameter(negative=(), help="Answer: no; the offer stands.")] = False,
    text: str = "",
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """As the utility, ask for an open offer at other terms; as the aggregator, accept or decline what was asked.

    Example:

        intertie market counter aggregator.example OF-1 --price 0.85 --valid 2h
        intertie market counter utility.example C-OF-1-1 --accept

    Parameters
    ----------
    partner
        The other side.
    name
        Of the offer; to answer, of the counter.
    """
    if accept and decline:
        raise SettingsError("accept or decline?", do="Give one of the two.")
    with desk_with(dir, partner, agreement) as (it, desk):
        if accept or decline:
            verdict = CounterVerdict.ACCEPTED if accept else CounterVerdict.DECLINED
            message = act.answer_counter(desk, name, verdict, text)
        else:
            series = None
            offered = act.find_offer(desk, name).offer
            if kw is not None and offered is not None:
                series = series_in("--kw", kw, offered.window, offered.options[0].offered_kw.step)
            until = None if valid is None else moment(valid, desk.now)
            message = act.make_counter(desk, name, series, price, until, text)
        return told(it, [message], wait, json=json)
