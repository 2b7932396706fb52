"""Today: what needs somebody now, each one click from where it is acted on."""

from __future__ import annotations

from intertie.gateway.office_rights import Right
from intertie.gateway.view_today import read_today
from intertie.portal.pages.visit import View, Visit
from intertie.portal.pages.web import page


@page("/", Right.KNOW)
def today_page(visit: Visit) -> View:
    """The page; those who may not read the business see what concerns partners and keys."""
    today = read_today(visit.gateway, visit.now, books=visit.may(Right.READ))
    return View("today.html", "Today", {"today": today})


ROUTES = [today_page]
