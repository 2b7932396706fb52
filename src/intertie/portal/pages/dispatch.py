"""Dispatch: what waits and runs, a call composed beside its limits, an instruction against its telemetry, answer and stop."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.trading import trade_dispatch
from intertie.gateway.trading.trade_compose import CallSaid, instruction_of
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.views.view_dispatch import (
    DISPATCHES_PAGE,
    Left,
    dispatch_view,
    dispatches_view,
    limits_left,
    points_of,
    text_of,
)
from intertie.market.dispatch_state import Status
from intertie.model.dispatch import (
    CancelReason,
    DispatchAnswer,
    DispatchInstruction,
    RefusalReason,
    ReportKind,
)
from intertie.model.ids import NAME, ConfirmationId, ConnectionPointId, MessageId
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.trading import (
    STEPS,
    With,
    about,
    address,
    chosen,
    field_time,
    flag,
    partner_in,
    power_in,
    say,
    says,
    soon,
    window_in,
)
from intertie.portal.pages.visit import Data, Done, View, Visit
from intertie.portal.pages.web import act, page

SELF = "/dispatch"
TEXT_MAX = 2_000
# Minutes of an interval of telemetry: what meters and inverters give.
MEASURED_STEPS = ("1", *STEPS)
# How a status looks.
TONES = {
    Status.WAITING: "open",
    Status.UNANSWERED: "bad",
    Status.REFUSED: "bad",
    Status.AHEAD: "good",
    Status.DUE: "open",
    Status.RUNNING: "good",
    Status.UNREPORTED: "open",
    Status.STOPPED: "bad",
}


@page(SELF, Right.READ)
def dispatches_page(visit: Visit) -> View:
    """The list, the most urgent first, and the deals that may be called."""
    found = chosen(visit)
    if found is None:
        return View("dispatches.html", "Dispatch", {**about(None), "seen": None})
    status = visit.query.one_of("status", Status)
    start = visit.query.number("start", 0, 10**6, 0)
    seen = dispatches_view(found.desk, start, () if status is None else (status,))
    given = {"partner": found.partner.party, "status": status.value if status else None}
    return View(
        "dispatches.html",
        "Dispatch",
        {
            **about(found),
            "seen": seen,
            "tones": TONES,
            "status": status.value if status else "",
            "statuses": list(Status),
            "next": address(SELF, **{**given, "start": seen.next}) if seen.next else None,
            "previous": address(SELF, **{**given, "start": max(start - DISPATCHES_PAGE, 0)})
            if start
            else None,
            "can_call": says(visit, found.partner, "dispatch_instruction"),
        },
    )


@page(SELF + "/call", Right.READ)
def call_page(visit: Visit) -> View:
    """A call of a deal, with what it is held to in view."""
    found = _with(visit)
    deal = visit.query.matching("deal", NAME, "deal") or visit.query.text("deal", "the deal")
    point = visit.query.matching("point", NAME, "point")
    left = limits_left(found.desk, ConfirmationId(deal), None if point is None else ConnectionPointId(point))
    starts = soon(found.desk.now, timedelta(minutes=left.limits.deal.notice_minutes + 2))
    return View(
        "call.html",
        f"Call {deal}",
        {
            **about(found),
            "left": left,
            "steps": STEPS,
            "starts": field_time(starts),
            "ends": field_time(starts + timedelta(minutes=min(left.limits.deal.max_duration_minutes, 60))),
            "can_call": says(visit, found.partner, "dispatch_instruction"),
            "done": _used(left),
        },
    )


@page(SELF + "/one", Right.READ)
def dispatch_page(visit: Visit) -> View:
    """One dispatch as it went, and what can be done with it."""
    found = _with(visit)
    name = _name(visit.query)
    seen = dispatch_view(found.desk, name)
    answers = says(visit, found.partner, "dispatch_response")
    rows = [row for row in seen.track.rows if row.measured_kw is not None or row.asked_kw is not None]
    return View(
        "dispatch.html",
        name,
        {
            **about(found),
            "seen": seen,
            "tones": TONES,
            "rows": rows,
            "plot": address(
                SELF + "/plot",
                partner=found.partner.party,
                dispatch=name,
                agreement=visit.query.maybe("agreement", 200),
            ),
            "can_answer": answers and seen.can_answer,
            "can_report": answers and seen.can_report,
            "can_stop": answers and seen.can_stop,
            "can_cancel": says(visit, found.partner, "dispatch_cancel") and seen.can_cancel,
            "can_change": says(visit, found.partner, "dispatch_instruction") and seen.can_change,
            "can_measure": says(visit, found.partner, "dispatch_telemetry") and seen.can_measure,
            "changing": _changing(seen.dispatch.instruction),
            "measured_to": field_time(seen.measured_to),
            "steps": STEPS,
            "measured_steps": MEASURED_STEPS,
            "reasons": list(RefusalReason),
            "cancel_reasons": [one for one in CancelReason if one is not CancelReason.REPLACED],
            "answers": list(DispatchAnswer),
        },
    )


@page(SELF + "/plot", Right.READ)
def dispatch_plot(visit: Visit) -> Data:
    """The numbers of the plot."""
    drawn = points_of(dispatch_view(_with(visit).desk, _name(visit.query)).track)
    curves = (("asked", drawn.asked), ("owed", drawn.owed), ("measured", drawn.measured))
    return Data(
        {
            "x": drawn.at,
            "series": [
                {"label": label, "unit": "kW", "values": values, "stepped": True} for label, values in curves
            ],
        }
    )


@act(SELF + "/call", Right.CALL)
def call_deal(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Send the call. The rules are asked now: one that is broken is named, and nothing leaves."""
    partner = partner_in(visit, form)
    deal = ConfirmationId(form.text("deal", "the deal", 200))
    point = form.matching("point", NAME, "point")
    series = power_in(form, window_in(form))
    called: list[str] = []

    def doing(desk: Desk) -> MessageId:
        left = limits_left(desk, deal, None if point is None else ConnectionPointId(point))
        said = CallSaid(
            left.limits.deal.service,
            left.point,
            series,
            left.limits.deal,
            set_point=flag(form, "set_point"),
            respond_by=form.instant("respond_by", "answer by"),
            ramp=form.decimal("ramp", "ramp") if "ramp" in form else None,
            text=form.maybe("text", TEXT_MAX) or "",
        )
        body = instruction_of(desk, said)
        called.append(body.dispatch)
        return trade_dispatch.instruct(desk, body)

    say(visit, form, stamp, partner, ["dispatch_instruction"], doing)
    name = called[0] if called else ""
    path = SELF + "/one" if called else SELF
    return Done(_to(path, form, dispatch=name), f"Called: {name or deal}.", f"{deal} {name}".strip())


@act(SELF + "/answer", Right.ANSWER)
def answer_call(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Accept, accept a part, or refuse."""
    name = _name(form)
    said = form.one_of("answer", DispatchAnswer)
    if said is None:
        raise FieldError("no answer is chosen", do="Choose one.")
    reason = form.one_of("reason", RefusalReason) if said is not DispatchAnswer.ACCEPTED else None

    def doing(desk: Desk) -> MessageId:
        committed = None
        if said is DispatchAnswer.PARTIAL:
            asked = trade_dispatch.find_dispatch(desk, name).instruction.target_kw
            committed = trade_dispatch.part_of(asked, [form.decimal("kw", "kW")])
        return trade_dispatch.answer(
            desk, name, said, reason=reason, committed=committed, text=form.maybe("text", TEXT_MAX) or ""
        )

    say(visit, form, stamp, partner_in(visit, form), ["dispatch_response"], doing)
    return Done(_to(SELF + "/one", form, dispatch=name), f"Answered: {said.value}.", f"{name} {said.value}")


@act(SELF + "/report", Right.ANSWER)
def report_dispatch(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """It has begun, is done, or had to be given up."""
    name = _name(form)
    kind = form.one_of("report", ReportKind)
    if kind is None:
        raise FieldError("what is reported?", do="Choose one.")
    reason = form.one_of("reason", RefusalReason) if kind is ReportKind.STOPPED else None
    at = form.instant("at", "when") or stamp.at

    def doing(desk: Desk) -> MessageId:
        return trade_dispatch.report(
            desk, name, kind, at, reason=reason, text=form.maybe("text", TEXT_MAX) or ""
        )

    say(visit, form, stamp, partner_in(visit, form), ["dispatch_report"], doing)
    return Done(_to(SELF + "/one", form, dispatch=name), f"Reported: {kind.value}.", f"{name} {kind.value}")


@act(SELF + "/cancel", Right.CALL)
def stop_dispatch(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Take a call back, from now on or from a later time."""
    name = _name(form)
    reason = form.one_of("reason", CancelReason)
    if reason is None:
        raise FieldError("no reason is chosen", do="Choose one.")
    effective = form.instant("effective", "from") or stamp.at

    def doing(desk: Desk) -> MessageId:
        return trade_dispatch.cancel(desk, name, reason, effective, text=form.maybe("text", TEXT_MAX) or "")

    say(visit, form, stamp, partner_in(visit, form), ["dispatch_cancel"], doing)
    return Done(_to(SELF + "/one", form, dispatch=name), "Stopped, as soon as it arrives.", name)


def _with(visit: Visit) -> With:
    found = chosen(visit)
    if found is None:
        raise FieldError("there is nobody to trade with", do="Partners says how somebody is invited.")
    return found


def _name(fields: Fields) -> str:
    return fields.matching("dispatch", NAME, "dispatch") or fields.text("dispatch", "the dispatch")


def _to(path: str, form: Fields, **more: Any) -> str:
    return address(path, partner=form.text("partner"), agreement=form.maybe("agreement", 200), **more)


def _changing(body: DispatchInstruction) -> Mapping[str, str]:
    """An instruction as the fields of a form have it."""
    return {
        "kw": text_of(body.target_kw),
        "step": str(body.target_kw.step // timedelta(minutes=1)),
        "starts": field_time(body.window.start),
        "ends": field_time(body.window.end),
    }


def _used(left: Left) -> str:
    """Why no call can be made, if none can."""
    if not left.calls:
        return "every call of this deal is used"
    return "" if left.limits.hours else "it may not be called in the next seven days"


ROUTES = [
    dispatches_page,
    call_page,
    dispatch_page,
    dispatch_plot,
    call_deal,
    answer_call,
    report_dispatch,
    stop_dispatch,
]
