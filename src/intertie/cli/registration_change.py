"""`intertie registration change`: other records of DERs, or what one can do just now."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption, read_file
from intertie.cli._times import Moment, moment
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.formats.der_csv import read_ders
from intertie.gateway.trading import trade_registration as act
from intertie.model.aggregation import DerChange, DerState
from intertie.model.errors import SettingsError
from intertie.model.ids import AggregationId, DerId
from intertie.model.made import made


def change(
    partner: PartyOption,
    aggregation: AggregationId,
    ders: Path | None = None,
    /,
    *,
    der: Annotated[
        tuple[DerId, ...], Parameter(negative=(), help="In place of a table: a DER; may be given again.")
    ] = (),
    state: Annotated[DerState | None, Parameter(help="What it can do just now.")] = None,
    kw: Annotated[Decimal | None, Parameter(help="How much it can do, if it is limited.")] = None,
    start: Annotated[Moment | None, Parameter(name="--from", help="Default: now.")] = None,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Give DERs another record, on which the utility decides; or say what some can do just now, which needs no decision.

    Example:

        intertie registration change utility.example AGG-NORTH ders.csv --from 2026-05-01
        intertie registration change utility.example AGG-NORTH --der DER-0001 --state limited --kw 4
        intertie registration change utility.example AGG-NORTH --der DER-0001 --state in_service

    Parameters
    ----------
    partner
        The utility.
    aggregation
        Its name.
    ders
        A table of whole records, as `intertie registration add` takes it.
    """
    if (ders is None) == (not der) or (der and state is None):
        raise SettingsError("what changes?", do="Give a table, or --der with --state.")
    replaced = read_ders(read_file(ders)) if ders is not None else ()
    changed = [made(DerChange, der=one, state=state, available_kw=kw) for one in der]
    with desk_with(dir, partner, agreement) as (it, desk):
        effective = desk.now if start is None else moment(start, desk.now)
        message = act.change(desk, aggregation, effective, replaced=replaced, changed=changed)
        return told(it, [message], wait, json=json)
