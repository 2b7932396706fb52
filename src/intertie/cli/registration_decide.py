"""`intertie registration decide`: the utility's word on DERs."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._times import Moment, moment
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_registration as act
from intertie.model.aggregation import DecisionReason
from intertie.model.errors import SettingsError
from intertie.model.ids import AggregationId, DerId


def decide(
    partner: PartyOption,
    aggregation: AggregationId,
    /,
    *,
    accept: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="A DER, or DER=kW for less than its nameplate; may be given again."),
    ] = (),
    refuse: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="DER=reason, as DER-0002=consent_missing; may be given again."),
    ] = (),
    rest: Annotated[
        bool,
        Parameter(
            negative=(), name="--accept-rest", help="Accept every other DER that waits for a decision."
        ),
    ] = False,
    detail: Annotated[str, Parameter(help="What you say to those refused.")] = "",
    start: Annotated[
        Moment | None, Parameter(name="--from", help="Accepted ones count from then (default: now).")
    ] = None,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Accept or refuse DERs of an aggregation, each by itself.

    Example:

        intertie registration decide aggregator.example AGG-NORTH --accept-rest
        intertie registration decide aggregator.example AGG-NORTH --refuse DER-0002=consent_missing --accept DER-0001=7.5

    Reasons: double_commitment, already_registered, unknown_customer, unknown_connection_point, wrong_feeder,
    not_interconnected, nameplate_mismatch, technology_excluded, control_mode_missing, consent_missing, meter_missing,
    meter_unsuitable, hosting_capacity, outside_agreement, other.

    Parameters
    ----------
    partner
        The aggregator.
    aggregation
        Its name.
    """
    taken = dict(_parts(one) for one in accept)
    refused = {der: _reason(der, said) for der, said in map(_parts, refuse)}
    limits = {der: _kw(der, said) for der, said in taken.items() if said}
    with desk_with(dir, partner, agreement) as (it, desk):
        effective = desk.now if start is None else moment(start, desk.now)
        named = set(taken)
        if rest:
            named |= set(act.undecided(act.find_aggregation(desk, aggregation))) - set(refused)
        verdicts = act.Verdicts(named, refused, limits, detail)
        return told(it, [act.decide(desk, aggregation, verdicts, effective)], wait, json=json)


def _parts(text: str) -> tuple[DerId, str]:
    der, _, said = text.partition("=")
    return DerId(der), said


def _reason(der: DerId, said: str) -> DecisionReason:
    try:
        return DecisionReason(said)
    except ValueError as error:
        raise SettingsError(
            f"--refuse {der}: {said or 'nothing'} is no reason", do=f"One of: {', '.join(DecisionReason)}."
        ) from error


def _kw(der: DerId, said: str) -> Decimal:
    try:
        return Decimal(said)
    except InvalidOperation as error:
        raise SettingsError(f"--accept {der}: no number of kW", do="As DER-0001=7.5.") from error
