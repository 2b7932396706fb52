"""Emergency: a call beyond what was sold, which may displace what runs; the settings may ask for a second person."""

from __future__ import annotations

from datetime import timedelta

from intertie.gateway.office.approvals import TwoPeople
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.trading import trade_dispatch
from intertie.gateway.trading.trade_compose import CallSaid, instruction_of
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.views.view_dispatch import line_of
from intertie.market.dispatch_state import OPEN
from intertie.model.contract import Service
from intertie.model.ids import NAME, ConnectionPointId, MessageId
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.trading import (
    STEPS,
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
from intertie.portal.pages.visit import Done, View, Visit
from intertie.portal.pages.web import act, page

SELF = "/dispatch/emergency"
TEXT_MAX = 2_000


@page(SELF, Right.READ)
def emergency_page(visit: Visit) -> View:
    """The form, with the dispatches that it may displace."""
    found = chosen(visit)
    if found is None:
        raise FieldError("there is nobody to call", do="Partners says how somebody is invited.")
    desk = found.desk
    starts = soon(visit.now, timedelta(minutes=5))
    running = [line_of(one, desk.now) for one in desk.book.dispatches.values() if one.state in OPEN]
    return View(
        "emergency.html",
        "Emergency",
        {
            **about(found),
            "can_call": says(visit, found.partner, "dispatch_instruction"),
            "two": TwoPeople.OVERRIDE in visit.office.two_people,
            "running": [one for one in running if one.end > desk.now],
            "services": list(Service),
            "steps": STEPS,
            "starts": field_time(starts),
            "ends": field_time(starts + timedelta(hours=1)),
        },
    )


@act(SELF, Right.CALL, TwoPeople.OVERRIDE)
def call_emergency(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Call a point without a deal. Supply, suspensions and limits hold all the same, and the rules say so."""
    partner = partner_in(visit, form)
    service = form.one_of("service", Service)
    if service is None:
        raise FieldError("the service is missing", do="Choose one.")
    point = form.matching("point", NAME, "point") or form.text("point", "the point")
    series = power_in(form, window_in(form))
    called: list[str] = []

    def doing(desk: Desk) -> MessageId:
        said = CallSaid(
            service,
            ConnectionPointId(point),
            series,
            set_point=flag(form, "set_point"),
            overrides=list(dict.fromkeys(form.many("override"))),
            text=form.maybe("text", TEXT_MAX) or "",
        )
        body = instruction_of(desk, said)
        called.append(body.dispatch)
        return trade_dispatch.instruct(desk, body)

    say(visit, form, stamp, partner, ["dispatch_instruction"], doing)
    to = address("/dispatch", partner=partner.party, agreement=form.maybe("agreement", 200))
    return Done(to, f"Emergency called at {point}.", f"{point} {' '.join(called)}".strip())


ROUTES = [emergency_page, call_emergency]
