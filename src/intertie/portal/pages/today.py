"""Today: what needs somebody now, each one click from where it is acted on."""

from __future__ import annotations

from intertie.gateway.office.approvals import open_approvals
from intertie.gateway.office.office_rights import Right
from intertie.gateway.views.view_today import read_today
from intertie.portal.pages.visit import View, Visit
from intertie.portal.pages.web import ACTS, page


@page("/", Right.KNOW)
def today_page(visit: Visit) -> View:
    """The page; those who may not read the business see what concerns partners and keys."""
    today = read_today(visit.gateway, visit.now, books=visit.may(Right.READ))
    waiting = [
        one
        for one in open_approvals(visit.office.people, visit.now)
        if one.person != visit.person and visit.may(ACTS[one.act].right)
    ]
    return View("today.html", "Today", {"today": today, "waiting": len(waiting)})


ROUTES = [today_page]
