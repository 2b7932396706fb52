"""`intertie market offer`: offer to a need, open or sealed, or unasked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption, when
from intertie.cli._times import Length, Moment, moment, window_of
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_market as act
from intertie.gateway.trading.open_offers import due
from intertie.gateway.trading.trade_compose import OfferSaid, OptionSaid, offer_of
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.trading.trade_said import series_in
from intertie.model.contract import Direction, Service
from intertie.model.errors import SettingsError
from intertie.model.ids import AggregationId, ConnectionPointId
from intertie.model.interval import Window
from intertie.model.offers import Need, Offer

QUARTER = timedelta(minutes=15)


@Parameter(name="*")
@dataclass(frozen=True)
class Terms:
    """What is offered. Of several options one may be taken: --kw, --price and --least are given again for each."""

    kw: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="One value, or one an interval, as 5,5,4.5; again for another option."),
    ]
    price: Annotated[tuple[Decimal, ...], Parameter(negative=(), help="Per kWh; again for another option.")]
    least: Annotated[
        tuple[Decimal, ...],
        Parameter(negative=(), help="The least fraction that may be taken (default: all)."),
    ] = ()
    aggregation: Annotated[AggregationId | None, Parameter(help="That delivers it.")] = None
    point: Annotated[
        tuple[ConnectionPointId, ...], Parameter(negative=(), help="Default: those of the need.")
    ] = ()
    valid: Annotated[
        Moment | None, Parameter(help="It binds until then (default: until the need is decided).")
    ] = None
    service: Annotated[Service | None, Parameter(help="Without a need: for which service.")] = None
    direction: Annotated[Direction, Parameter(help="Without a need: up or down.")] = Direction.UP
    start: Annotated[
        Moment | None, Parameter(name="--from", help="Without a need: a time, or so long from now.")
    ] = None
    until: Annotated[Moment | None, Parameter(help="Without a need: a time, or so long after --from.")] = None
    step: Annotated[Length, Parameter(help="Without a need: length of an interval.")] = QUARTER
    text: str = ""


def offer(
    partner: PartyOption,
    name: str,
    /,
    *,
    terms: Terms,
    need: Annotated[
        str | None, Parameter(help="The need that it answers (default: it is unsolicited).")
    ] = None,
    sealed: Annotated[
        bool, Parameter(negative=(), help="Nobody can read it before the gate closes; the need asks for it.")
    ] = False,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Make an offer, or replace one. A sealed one leaves as a commitment and a ciphertext; its key stays in a file that only you
    can read (folder `sealed`), and the serving gateway sends it by itself once the gate has closed.

    Example:

        intertie market offer utility.example O-1 --need N-7 --kw 25 --price 0.95 --least 0.5 --aggregation AGG-NORTH
        intertie market offer utility.example O-2 --need N-8 --sealed --kw 25 --price 0.95 --kw 20 --price 0.80

    Parameters
    ----------
    partner
        The utility.
    name
        Its name.
    """
    with desk_with(dir, partner, agreement) as (it, desk):
        asked = None if need is None else act.find_need(desk, need)
        if asked is not None and asked.need.sealed != sealed:
            do = "Give --sealed." if asked.need.sealed else "Leave --sealed."
            raise SettingsError(f"offers to {need} are {'sealed' if asked.need.sealed else 'open'}", do=do)
        if asked is None and sealed:
            raise SettingsError("an offer without a need is open", do="Leave --sealed, or name --need.")
        body = _offer(desk, name, terms, None if asked is None else asked.need)
        message = act.make_offer(desk, body, it.sealed if sealed else None)
        if sealed and asked is not None and not json:
            print(
                f"Sealed. The gate closes {when(asked.need.gate_closes)}; the key goes {when(due(it.gateway, asked))}."
            )
        return told(it, [message], wait, json=json)


def _offer(desk: Desk, name: str, terms: Terms, need: Need | None) -> Offer:
    window, step = _window(desk, terms, need)
    if len(terms.kw) != len(terms.price) or len(terms.least) not in (0, len(terms.kw)):
        raise SettingsError("an option has kW and a price", do="Give --kw and --price equally often.")
    least = terms.least or (Decimal(1),) * len(terms.kw)
    options = [
        OptionSaid(series_in("--kw", kw, window, step), price, fraction)
        for kw, price, fraction in zip(terms.kw, terms.price, least, strict=True)
    ]
    said = OfferSaid(
        options,
        terms.aggregation,
        terms.point,
        None if terms.valid is None else moment(terms.valid, desk.now),
        terms.service,
        terms.direction,
        terms.text,
    )
    return offer_of(desk, name, said, need)


def _window(desk: Desk, terms: Terms, need: Need | None) -> tuple[Window, timedelta]:
    if need is not None:
        return need.window, need.requested_kw.step
    if terms.start is None or terms.until is None:
        raise SettingsError("from when until when?", do="Without --need give --from and --until.")
    return window_of(terms.start, terms.until, desk.now), terms.step
