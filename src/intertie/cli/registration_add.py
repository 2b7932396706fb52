"""`intertie registration add`: an aggregation with its DERs, or more DERs of one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._hours import hours_of
from intertie.cli._shared import HERE, Dir, Json, PartyOption, read_file
from intertie.cli._times import Moment, moment
from intertie.cli._trade import Under, Wait, desk_with, has_agreement, told
from intertie.formats.der_csv import read_ders
from intertie.gateway.trading import trade_registration as act
from intertie.gateway.trading.trade_desk import Desk
from intertie.model.aggregation import Der
from intertie.model.contract import Service
from intertie.model.errors import SettingsError
from intertie.model.ids import AggregationId, MessageId


def add(
    partner: PartyOption,
    aggregation: AggregationId,
    ders: Path,
    /,
    *,
    service: Annotated[
        tuple[Service, ...],
        Parameter(negative=(), help="Of a new aggregation: a service; may be given again."),
    ] = (),
    start: Annotated[Moment | None, Parameter(name="--from", help="Default: now.")] = None,
    until: Annotated[Moment | None, Parameter(help="Of a new aggregation: its end (default: open).")] = None,
    hours: Annotated[
        tuple[str, ...],
        Parameter(
            negative=(),
            help="Of a new aggregation: only then, as 'mon-fri 17:00-21:00', in the contract's zone.",
        ),
    ] = (),
    replace: Annotated[
        bool, Parameter(negative=(), help="The table is the whole aggregation: who is not on it leaves.")
    ] = False,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Register an aggregation with the DERs of a table, or add them to one that is registered.

    Example:

        intertie registration add utility.example AGG-NORTH ders.csv --service DIST_CAPACITY
        intertie registration add utility.example AGG-NORTH more.csv --from 2026-05-01 --wait 20

    The table is comma-separated, with a header. Its columns are id, technology, nameplate_kw, feeder, point, meter; premises or
    account, of which one is needed; and, as far as known, consent, nameplate_kwh, nameplate_kvar, nameplate_kva, max_charge_kw,
    max_discharge_kw, normal_category, abnormal_category, control_modes (divided by blanks), and of another programme that
    has the DER: programme, programme_operator, programme_from, programme_until, programme_kw.

    Parameters
    ----------
    partner
        The utility.
    aggregation
        Its name.
    ders
        The table; "-" is standard input.
    """
    table = read_ders(read_file(ders))
    with desk_with(dir, partner, agreement, wait=wait, ready=has_agreement) as (it, desk):
        effective = desk.now if start is None else moment(start, desk.now)
        ends = None if until is None else moment(until, desk.now)
        zone = desk.text.calendar.zone if hours else None
        offered = act.Offered(service, effective, ends, hours_of(hours), zone)
        message = _added(desk, aggregation, table, offered, anew=replace)
        return told(it, [message], wait, json=json)


def _added(
    desk: Desk, name: AggregationId, ders: tuple[Der, ...], said: act.Offered, *, anew: bool
) -> MessageId:
    known = desk.drafted.registry.get(name)
    if known is None:
        if not said.services:
            raise SettingsError(
                f"{name} is new: for which services is it?", do="Give --service DIST_CAPACITY."
            )
        return act.register(desk, name, said, ders)
    if not anew:
        if said.services or said.ends is not None or said.hours:
            raise SettingsError(
                f"{name} is registered: its services, hours and end stay as they are",
                do="Leave --service, --hours and --until, or register it anew with --replace.",
            )
        return act.change(desk, name, said.effective, added=ders)
    kept = act.Offered(
        said.services or known.services,
        said.effective,
        said.ends or known.ends,
        said.hours or known.hours,
        said.zone or known.zone,
    )
    return act.register(desk, name, kept, ders)
