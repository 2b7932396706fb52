"""`intertie dispatch send`: call a deal, with what the call is held to in view."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_pairs, when
from intertie.cli._times import Length, Moment, moment, window_of
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.trading import trade_dispatch as act
from intertie.gateway.trading.trade_compose import CallSaid, instruction_of
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.trading.trade_said import series_in
from intertie.model.contract import Confirmation, Service
from intertie.model.dispatch import DispatchInstruction
from intertie.model.errors import SettingsError
from intertie.model.ids import ConfirmationId, ConnectionPointId
from intertie.model.interval import Window

QUARTER = timedelta(minutes=15)


@Parameter(name="*")
@dataclass(frozen=True)
class Call:
    """What is called, of whatever it is called."""

    kw: Annotated[
        str | None,
        Parameter(
            help="One value, or one an interval, as 5,5,4.5. Without it the limits are shown and nothing is sent.",
            allow_leading_hyphen=True,
        ),
    ] = None
    start: Annotated[Moment | None, Parameter(name="--from", help="A time, or so long from now, as 2h.")] = (
        None
    )
    until: Annotated[Moment | None, Parameter(help="A time, or so long after --from, as 1h.")] = None
    step: Annotated[Length, Parameter(help="Length of an interval.")] = QUARTER
    set_point: Annotated[
        bool, Parameter(negative=(), help="The kW are net injection to hold, not a change.")
    ] = False
    respond_by: Annotated[Moment | None, Parameter(help="Default: as soon as the service allows.")] = None
    ramp: Annotated[Decimal | None, Parameter(help="kW a minute.")] = None
    name: Annotated[str | None, Parameter(help="Its name (default: made from its time).")] = None
    override: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="A dispatch that an emergency displaces; may be given again."),
    ] = ()
    text: str = ""


NOTHING = Call()


def send(
    partner: PartyOption,
    deal: ConfirmationId | None = None,
    /,
    *,
    call: Call = NOTHING,
    point: Annotated[ConnectionPointId | None, Parameter(help="Default: the only one of the deal.")] = None,
    emergency: Annotated[
        bool, Parameter(negative=(), help="Outside every deal: then with --service and --point.")
    ] = False,
    service: Annotated[Service | None, Parameter(help="Of an emergency.")] = None,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Call a deal. What it is held to is shown first; a call that breaks a rule is refused by its name, and nothing leaves.

    Example:

        intertie dispatch send aggregator.example NWS-2026-001
        intertie dispatch send aggregator.example NWS-2026-001 --kw 25 --from 3h --until 2h --wait 20
        intertie dispatch send aggregator.example --emergency --service RELIABILITY --point F12-T7 --kw 9 --from 5min --until 1h

    Parameters
    ----------
    partner
        The aggregator.
    deal
        The deal that is called.
    """
    with desk_with(dir, partner, agreement) as (it, desk):
        found = None if deal is None or emergency else act.limits(desk, deal, point)
        if found is None and not emergency:
            raise SettingsError("which deal is called?", do="Name it; only an emergency needs none.")
        if found is not None:
            if not json:
                show_limits(found)
            elif call.kw is None:
                print_json(found._asdict())
            if call.kw is None:
                return 0
            service, point = found.deal.service, act.point_of(found.deal, point)
        if service is None or point is None:
            raise SettingsError("where, and for what?", do="An emergency needs --service and --point.")
        body = _composed(desk, call, service, point, found and found.deal)
        message = act.instruct(desk, body)
        if not json:
            print(f"Dispatch {body.dispatch}; an answer is due by {when(body.respond_by)}.")
        return told(it, [message], wait, json=json, dispatch=body.dispatch, respond_by=body.respond_by)


def _composed(
    desk: Desk, call: Call, service: Service, point: ConnectionPointId, deal: Confirmation | None
) -> DispatchInstruction:
    series = series_in("--kw", call.kw or "", _window(desk, call.start, call.until), call.step)
    due = None if call.respond_by is None else moment(call.respond_by, desk.now)
    said = CallSaid(
        *(service, point, series, deal, call.name),
        *(call.set_point, due, call.ramp, call.override, call.text),
    )
    return instruction_of(desk, said)


def _window(desk: Desk, start: Moment | None, until: Moment | None) -> Window:
    if start is None or until is None:
        raise SettingsError("from when until when?", do="Give --from and --until, as --from 3h --until 1h.")
    return window_of(start, until, desk.now)


def show_limits(found: act.Limits) -> None:
    """What a call is held to, for people."""
    deal = found.deal
    hours = "; ".join(f"{when(one.start)} to {when(one.end)}" for one in found.hours)
    able = "nothing is registered there" if found.able_kw is None else f"{found.able_kw:.3f} kW"
    print_pairs(
        [
            ("deal", f"{deal.confirmation}, {deal.service} {deal.direction}, {found.state}"),
            ("points", " ".join(deal.points[:10])),
            ("contracted", f"{deal.contracted_kw} kW, of which {found.called_kw:.3f} are called now"),
            (
                "calls",
                f"{found.calls_used} of {deal.max_calls} used, each at most {deal.max_duration_minutes} minutes",
            ),
            ("callable", hours or "not in the next seven days"),
            ("notice", f"{deal.notice_minutes} minutes: not before {when(found.earliest)}"),
            ("answer", f"{found.answer_minutes} minutes at least"),
            ("ramp", f"{deal.ramp_kw_per_minute} kW a minute" if deal.ramp_kw_per_minute else "any"),
            ("DERs now", "; ".join([able, *found.lacking[:5]])),
            ("no supply", "; ".join(found.dead[:5]) or "nowhere"),
        ]
    )
