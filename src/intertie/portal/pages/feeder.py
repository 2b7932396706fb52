"""The feeder: each connection point with its load, what can be had there, what is out and which limits hold, at a quarter hour
that the slider chooses."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from zoneinfo import ZoneInfo

from intertie.gateway.office.office_rights import Right
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.views.view_feeder import POINTS_PAGE, Looked, feeder_view, slide
from intertie.model.contract import Direction, Service
from intertie.model.errors import Refused, SettingsError
from intertie.model.interval import local_day
from intertie.portal.pages.reading import FieldError
from intertie.portal.pages.trading import about, address, chosen, is_utility, says
from intertie.portal.pages.visit import View, Visit
from intertie.portal.pages.web import page
from intertie.portal.schematic import draw

SELF = "/feeder"
# The slider is about a day of somebody's work: years in which no zone is defined are nobody's.
FIRST_DAY, LAST_DAY = date(1970, 1, 2), date(2199, 12, 30)


@page(SELF, Right.READ)
def feeder_page(visit: Visit) -> View:
    """The page."""
    found = chosen(visit)
    if found is None:
        return View("feeder.html", "Feeder", {**about(None), "seen": None})
    desk, query = found.desk, visit.query
    zone = zone_of(desk)
    day = query.day("day", "day") or visit.now.astimezone(ZoneInfo(zone)).date()
    if not FIRST_DAY <= day <= LAST_DAY:
        raise FieldError(f"day: from {FIRST_DAY} to {LAST_DAY}", do="Choose another day.")
    place = query.number("quarter", 0, 99) if "quarter" in query else None
    slider = slide(local_day(day, zone), place, visit.now)
    direction = query.one_of("direction", Direction) or Direction.UP
    service = query.one_of("service", Service)
    start = query.number("start", 0, 10**6, 0)
    seen = feeder_view(desk, Looked(slider.at, service, direction, start))
    given = {
        "partner": found.partner.party,
        "agreement": query.maybe("agreement", 200),
        "direction": direction.value,
        "service": service.value if service is not None else None,
        "start": seen.start or None,
    }
    here = {**given, "day": day, "quarter": slider.place}
    return View(
        "feeder.html",
        "Feeder",
        {
            **about(found),
            "seen": seen,
            "drawing": draw(seen.sections, seen.points),
            "slider": slider,
            "day": day,
            "zone": zone,
            "given": given,
            "services": list(Service),
            "directions": list(Direction),
            "before": address(SELF, **{**here, "day": day - timedelta(days=1)}),
            "after": address(SELF, **{**here, "day": day + timedelta(days=1)}),
            "next": address(SELF, **{**here, "start": seen.next}) if seen.next is not None else None,
            "previous": address(SELF, **{**here, "start": max(seen.start - POINTS_PAGE, 0)})
            if seen.start
            else None,
            "can_tell": is_utility(visit) and says(visit, found.partner, "outage_notice"),
        },
    )


def zone_of(desk: Desk) -> str:
    """The zone of the contract, in which both sides lay out their days; UTC where none is in force."""
    try:
        return desk.text.calendar.zone
    except (Refused, SettingsError):
        return str(UTC)


ROUTES = [feeder_page]
