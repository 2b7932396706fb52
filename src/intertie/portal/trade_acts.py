"""Acts of availability and dispatch."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Response
from litestar.params import JSONBody, RawBody

from intertie.gateway.office.office_rights import Right
from intertie.gateway.trading import trade_dispatch
from intertie.gateway.trading.trade_availability import declare, withdraw
from intertie.gateway.trading.trade_desk import Desk
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.dispatch import DispatchInstruction
from intertie.model.ids import MessageId
from intertie.model.office import (
    AnswerDispatch,
    CancelDispatch,
    Measured,
    Queued,
    ReportDispatch,
    Withdraw,
)
from intertie.portal.acting import Asked, desk_act
from intertie.portal.door import KeyHeader, NamePath, OfficeDep, PartyPath
from intertie.portal.routes import acts

AT = "/trade/{partner:str}"
ONE = AT + "/dispatches/{dispatch:str}"


@acts(AT + "/availability", Right.DECLARE, tags=["availability"])
def declare_availability(
    office: OfficeDep,
    request: Asked,
    idempotency_key: KeyHeader,
    partner: PartyPath,
    data: JSONBody[AvailabilityDeclaration],
    body: RawBody,
) -> Response[Queued]:
    """Declare what an aggregation can do. The revision is the next one, whatever it says."""
    return desk_act(office, request, idempotency_key, body, partner, lambda desk: declare(desk, data))


@acts(AT + "/availability/withdraw", Right.DECLARE, tags=["availability"])
def withdraw_availability(
    office: OfficeDep,
    request: Asked,
    idempotency_key: KeyHeader,
    partner: PartyPath,
    data: JSONBody[Withdraw],
    body: RawBody,
) -> Response[Queued]:
    """Declare that nothing can be done where something was declared."""

    def doing(desk: Desk) -> Sequence[MessageId]:
        return withdraw(desk, data.aggregation, data.service, data.point, data.within)

    return desk_act(office, request, idempotency_key, body, partner, doing)


@acts(AT + "/dispatches", Right.CALL, tags=["dispatch"])
def instruct(
    office: OfficeDep,
    request: Asked,
    idempotency_key: KeyHeader,
    partner: PartyPath,
    data: JSONBody[DispatchInstruction],
    body: RawBody,
) -> Response[Queued]:
    """Call a deal, or, in an emergency, a point."""

    def doing(desk: Desk) -> MessageId:
        return trade_dispatch.instruct(desk, data)

    return desk_act(office, request, idempotency_key, body, partner, doing)


@acts(ONE + "/answer", Right.ANSWER, tags=["dispatch"])
def answer_dispatch(
    office: OfficeDep,
    request: Asked,
    idempotency_key: KeyHeader,
    partner: PartyPath,
    dispatch: NamePath,
    data: JSONBody[AnswerDispatch],
    body: RawBody,
) -> Response[Queued]:
    """Accept the newest revision of an instruction, a part of it, or refuse it."""

    def doing(desk: Desk) -> MessageId:
        return trade_dispatch.answer(
            desk,
            dispatch,
            data.answer,
            reason=data.reason,
            committed=data.committed_kw,
            text=data.text,
        )

    return desk_act(office, request, idempotency_key, body, partner, doing)


@acts(ONE + "/report", Right.ANSWER, tags=["dispatch"])
def report_dispatch(
    office: OfficeDep,
    request: Asked,
    idempotency_key: KeyHeader,
    partner: PartyPath,
    dispatch: NamePath,
    data: JSONBody[ReportDispatch],
    body: RawBody,
) -> Response[Queued]:
    """Say that a dispatch has begun, is done, or had to be given up."""

    def doing(desk: Desk) -> MessageId:
        return trade_dispatch.report(
            desk,
            dispatch,
            data.report,
            data.at,
            reason=data.reason,
            achieved=data.achieved_kw,
            ders=data.ders,
            text=data.text,
        )

    return desk_act(office, request, idempotency_key, body, partner, doing)


@acts(ONE + "/telemetry", Right.ANSWER, tags=["dispatch"])
def measure_dispatch(
    office: OfficeDep,
    request: Asked,
    idempotency_key: KeyHeader,
    partner: PartyPath,
    dispatch: NamePath,
    data: JSONBody[Measured],
    body: RawBody,
) -> Response[Queued]:
    """Say what is measured during a dispatch."""

    def doing(desk: Desk) -> MessageId:
        return trade_dispatch.measure(desk, dispatch, data.power_kw, ders=data.ders_reporting)

    return desk_act(office, request, idempotency_key, body, partner, doing)


@acts(ONE + "/cancel", Right.CALL, tags=["dispatch"])
def cancel_dispatch(
    office: OfficeDep,
    request: Asked,
    idempotency_key: KeyHeader,
    partner: PartyPath,
    dispatch: NamePath,
    data: JSONBody[CancelDispatch],
    body: RawBody,
) -> Response[Queued]:
    """Take an instruction back from a time on."""

    def doing(desk: Desk) -> MessageId:
        return trade_dispatch.cancel(
            desk,
            dispatch,
            data.reason,
            data.effective,
            replaced_by=data.replaced_by,
            text=data.text,
        )

    return desk_act(office, request, idempotency_key, body, partner, doing)


ROUTES = [
    declare_availability,
    withdraw_availability,
    instruct,
    answer_dispatch,
    report_dispatch,
    measure_dispatch,
    cancel_dispatch,
]
