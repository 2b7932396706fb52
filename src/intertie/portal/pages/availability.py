"""Availability: what an aggregator declares that it can do, point by point and hour by hour; declare it, and take it back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from intertie.formats.series_csv import read_series
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.trading import trade_availability
from intertie.gateway.trading.trade_compose import AvailabilitySaid, availability_of
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.views.view_availability import availability_view
from intertie.model.contract import Direction, Service
from intertie.model.ids import NAME, AggregationId, ConnectionPointId, MessageId
from intertie.model.interval import IntervalSeries, local_day
from intertie.model.quantity import Unit
from intertie.portal.pages.feeder import FIRST_DAY, LAST_DAY, zone_of
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.trading import (
    STEPS,
    about,
    address,
    chosen,
    field_time,
    partner_in,
    power_in,
    say,
    says,
    soon,
    window_in,
)
from intertie.portal.pages.visit import Done, View, Visit
from intertie.portal.pages.web import act, page

SELF = "/feeder/availability"
# A day of quarter hours with three columns at some sixty characters a line, many times over.
TABLE_TEXT_MAX = 100_000
# A year ahead; what needs more notice is no service of the grid.
NOTICE_MAX = 366 * 24 * 60
AHEAD = timedelta(hours=2)


@page(SELF, Right.READ)
def availability_page(visit: Visit) -> View:
    """What is declared, and one point over a day of the contract's zone."""
    found = chosen(visit)
    if found is None:
        return View("availability.html", "Availability", {**about(None), "seen": None})
    desk, query = found.desk, visit.query
    zone = zone_of(desk)
    day = query.day("day", "day") or visit.now.astimezone(ZoneInfo(zone)).date()
    if not FIRST_DAY <= day <= LAST_DAY:
        raise FieldError(f"day: from {FIRST_DAY} to {LAST_DAY}", do="Choose another day.")
    direction = query.one_of("direction", Direction) or Direction.UP
    point = _point(query)
    service = query.one_of("service", Service)
    seen = availability_view(desk, local_day(day, zone), service, point, direction)
    starts = soon(visit.now, AHEAD)
    return View(
        "availability.html",
        "Availability",
        {
            **about(found),
            "seen": seen,
            "day": day,
            "zone": zone,
            "directions": list(Direction),
            "steps": STEPS,
            "point": point or "",
            "starts": field_time(starts),
            "ends": field_time(starts + timedelta(hours=4)),
            "can_declare": says(visit, found.partner, "availability_declaration"),
        },
    )


@act(SELF + "/declare", Right.DECLARE)
def declare_availability(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """What an aggregation can do at a point: one value or one for each interval, or a table. It replaces what was declared of the
    same window before."""
    partner = partner_in(visit, form)
    aggregation = AggregationId(_named(form, "aggregation", "the aggregation"))
    point = ConnectionPointId(_named(form, "point", "the point"))
    service = form.one_of("service", Service)
    if service is None:
        raise FieldError("for which service?", do="Choose one.")
    series = _series(form)
    price = form.decimal("price", "the price") if "price" in form else None
    notice = form.number("notice", 0, NOTICE_MAX) if "notice" in form else None

    def doing(desk: Desk) -> MessageId:
        said = AvailabilitySaid(
            aggregation,
            service,
            point,
            series["up_kw"],
            series.get("down_kw"),
            series.get("kvar"),
            price,
            notice,
        )
        return trade_availability.declare(desk, availability_of(desk, said))

    say(visit, form, stamp, partner, ["availability_declaration"], doing)
    done = f"Declared for {point}, as soon as {partner.name} has it."
    return Done(_to(form, service, point), done, f"{aggregation} {point}")


@act(SELF + "/withdraw", Right.DECLARE)
def withdraw_availability(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Nothing can be done any more in a window of which something was declared."""
    partner = partner_in(visit, form)
    aggregation = AggregationId(_named(form, "aggregation", "the aggregation"))
    point = ConnectionPointId(_named(form, "point", "the point"))
    service, window = form.one_of("service", Service), window_in(form)

    def doing(desk: Desk) -> Sequence[MessageId]:
        return trade_availability.withdraw(desk, aggregation, service, point, window)

    say(visit, form, stamp, partner, ["availability_declaration"], doing)
    done = f"Taken back for {point}, as soon as {partner.name} has it."
    return Done(_to(form, service, point), done, f"{aggregation} {point}")


def _series(form: Fields) -> dict[str, IntervalSeries]:
    """The table if there is one, else what was typed. FieldError, SettingsError."""
    table = form.maybe("table", TABLE_TEXT_MAX)
    if ("kw" in form) == (table is not None):
        raise FieldError("what can it do?", do="Give kW, or a table, and not both.")
    if table is not None:
        step = timedelta(minutes=form.number("step", 1, 1440, 15))
        optional = {"down_kw": Unit.KW, "kvar": Unit.KVAR}
        return read_series(table.encode(), {"up_kw": Unit.KW}, optional, step)
    window = window_in(form)
    found = {"up_kw": power_in(form, window)}
    return {**found, "down_kw": power_in(form, window, "down")} if "down" in form else found


def _named(form: Fields, name: str, label: str) -> str:
    return form.matching(name, NAME, label) or form.text(name, label)


def _point(fields: Fields) -> ConnectionPointId | None:
    found = fields.matching("point", NAME, "point")
    return None if found is None else ConnectionPointId(found)


def _to(form: Fields, service: Service | None, point: ConnectionPointId) -> str:
    given = {"partner": form.text("partner"), "agreement": form.maybe("agreement", 200)}
    return address(SELF, **given, service=service and service.value, point=point)


ROUTES = [availability_page, declare_availability, withdraw_availability]
