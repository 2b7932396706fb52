"""`intertie market need`: ask aggregators for power."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._market import desks
from intertie.cli._shared import HERE, Dir, Json, PartyOption, read_file
from intertie.cli._times import Length, Moment, moment, window_of
from intertie.cli._trade import Wait, has_agreement, told
from intertie.formats.series_csv import read_series
from intertie.gateway.trading import trade_market as act
from intertie.gateway.trading.trade_compose import NeedSaid, need_of
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.trading.trade_said import series_in
from intertie.model.contract import Direction, Service
from intertie.model.errors import SettingsError
from intertie.model.ids import ConnectionPointId
from intertie.model.interval import IntervalSeries
from intertie.model.offers import Clearing, Need
from intertie.model.quantity import Unit
from intertie.run import opened

QUARTER = timedelta(minutes=15)


@Parameter(name="*")
@dataclass(frozen=True)
class Terms:
    """What is needed, and how it is decided."""

    service: Annotated[Service, Parameter(help="For which service.")]
    point: Annotated[
        tuple[ConnectionPointId, ...], Parameter(negative=(), help="A connection point; may be given again.")
    ]
    gate: Annotated[Moment, Parameter(help="Offers are taken until then: a time, or so long from now.")]
    kw: Annotated[str | None, Parameter(help="One value, or one an interval, as 50,50,40 (0: nothing).")] = (
        None
    )
    start: Annotated[Moment | None, Parameter(name="--from", help="A time, or so long from now.")] = None
    until: Annotated[Moment | None, Parameter(help="A time, or so long after --from.")] = None
    step: Annotated[Length, Parameter(help="Length of an interval.")] = QUARTER
    direction: Annotated[Direction, Parameter(help="Up or down.")] = Direction.UP
    sealed: Annotated[
        bool, Parameter(negative=(), help="Offers are sealed; their keys come after the gate.")
    ] = False
    keys_by: Annotated[Moment | None, Parameter(help="Until then (default: half-way to the decision).")] = (
        None
    )
    decide_by: Annotated[
        Moment | None, Parameter(help="You decide until then (default: when it begins).")
    ] = None
    clearing: Annotated[Clearing, Parameter(help="What is paid for what is taken.")] = Clearing.PAY_AS_BID
    cap: Annotated[Decimal | None, Parameter(help="The most that is paid per kWh.")] = None
    least_kw: Annotated[Decimal | None, Parameter(help="The least that is taken of an offer.")] = None
    text: str = ""


def need(
    name: str,
    table: Path | None = None,
    /,
    *,
    terms: Terms,
    to: Annotated[
        tuple[PartyOption, ...],
        Parameter(negative=(), help="An aggregator; may be given again (default: all)."),
    ] = (),
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Ask all aggregators under a contract for power, or, until the gate closes, for something else: offers to it lapse then.

    Example:

        intertie market need N-7 --service DIST_CAPACITY --point F12-T7 --kw 50 --from 1d --until 4h --gate 2h --cap 1.50
        intertie market need N-8 evening.csv --service DIST_CAPACITY --point F12-T7 --gate 2h --sealed --clearing uniform

    The table is comma-separated, one line an interval: start (a time with its offset) and kw.

    Parameters
    ----------
    name
        Its name.
    table
        In place of --kw, --from and --until; "-" is standard input.
    """
    raw = None if table is None else read_file(table)
    with opened(dir) as it:
        asked = [desk for desk in desks(it, to) if to or has_agreement(desk)]
        if not asked:
            raise SettingsError(
                "there is no aggregator to ask",
                do="`intertie partner list` and `intertie trade show` say why.",
            )
        revision = act.next_revision(asked, name)
        bodies = [_need(desk, name, revision, terms, raw) for desk in asked]
        messages = [act.publish(desk, body) for desk, body in zip(asked, bodies, strict=True)]
        return told(it, messages, wait, json=json)


def _need(desk: Desk, name: str, revision: int, terms: Terms, raw: bytes | None) -> Need:
    requested = _requested(desk, terms, raw)
    said = NeedSaid(
        terms.service,
        terms.point,
        requested,
        moment(terms.gate, desk.now),
        None if terms.decide_by is None else moment(terms.decide_by, desk.now),
        terms.direction,
        terms.sealed,
        None if terms.keys_by is None else moment(terms.keys_by, desk.now),
        terms.clearing,
        terms.cap,
        terms.least_kw,
        terms.text,
    )
    return need_of(desk, name, revision, said)


def _requested(desk: Desk, terms: Terms, raw: bytes | None) -> IntervalSeries:
    if (raw is None) == (terms.kw is None):
        raise SettingsError("how much is needed?", do="Give a table, or --kw with --from and --until.")
    if raw is not None:
        return read_series(raw, {"kw": Unit.KW}, {}, terms.step)["kw"]
    if terms.start is None or terms.until is None:
        raise SettingsError("from when until when?", do="Give --from and --until, as --from 1d --until 4h.")
    return series_in("--kw", terms.kw or "", window_of(terms.start, terms.until, desk.now), terms.step)
