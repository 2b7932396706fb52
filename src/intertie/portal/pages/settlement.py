"""Settlement: the calls of a month as a calendar, the statements with a partner, and making the next one."""

from __future__ import annotations

from intertie.gateway.office.office_acts import at_desk
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.views.view_settlement import calendar, may_state, statements_with
from intertie.gateway.views.view_statement import call_row, line_row
from intertie.model.ids import NAME, PARTY, PartyId
from intertie.portal.pages.reading import Fields
from intertie.portal.pages.settling import ONE, SETTLEMENT, desk_of, partner_of
from intertie.portal.pages.visit import Done, View, Visit
from intertie.portal.pages.web import act, page

MONTH = r"^[0-9]{4}-[0-9]{2}$"


@page(SETTLEMENT, Right.READ)
def settlement_page(visit: Visit) -> View:
    """The calendar."""
    partner, month = visit.query.matching("partner", PARTY), visit.query.matching("month", MONTH)
    found = calendar(
        visit.gateway,
        month or "",
        visit.office.beside.zone,
        visit.now,
        None if partner is None else PartyId(partner),
    )
    return View(
        "settlement.html", f"Settlement, {found.month}", {"calendar": found, "partner": partner or ""}
    )


@page(ONE, Right.READ)
def statements_page(visit: Visit) -> View:
    """The statements with a partner, and what can be settled next."""
    desk = desk_of(visit)
    return View(
        "statements.html",
        f"Statements with {desk.known.name}",
        {
            "partner": desk.partner,
            "found": statements_with(visit.gateway, desk.partner),
            "deals": sorted(desk.book.deals),
            "can_state": visit.may(Right.SETTLE) and may_state(desk),
        },
    )


@page(ONE + "/draft", Right.READ)
def draft_page(visit: Visit) -> View:
    """The statement of a deal's month as it comes out now, before anybody sends it."""
    desk, deal, month = desk_of(visit), *_asked(visit.query)
    found = visit.office.beside.settler().draft(desk, deal, month)
    return View(
        "draft.html",
        f"{deal}, {month}",
        {
            "partner": desk.partner,
            "deal": deal,
            "month": month,
            "draft": found,
            "calls": [call_row(one) for one in found.statement.events],
            "lines": [line_row(number, one) for number, one in enumerate(found.statement.lines, 1)],
            "total": sum(line.amount for line in found.statement.lines),
            "can_state": visit.may(Right.SETTLE) and may_state(desk),
        },
    )


@act(ONE + "/draft", Right.SETTLE)
def send_statement(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Work it out, and say it."""
    partner, settler = partner_of(visit), visit.office.beside.settler()
    deal, month = _asked(form)
    (made,) = at_desk(visit.gateway, partner, stamp, lambda desk: settler.state(desk, deal, month))
    return Done(
        f"/messages/{made}", f"The statement of {deal} for {month} is queued.", f"{deal} {month} {made}"
    )


def _asked(fields: Fields) -> tuple[str, str]:
    """Deal and month; FieldError."""
    deal = fields.matching("deal", NAME, "the deal") or fields.text("deal", "the deal")
    return deal, fields.matching("month", MONTH, "the month") or fields.text("month", "the month")


ROUTES = [settlement_page, statements_page, draft_page, send_statement]
