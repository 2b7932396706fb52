"""A statement with its lines, a line explained, and all of it beside what comes out of our own readings."""

from __future__ import annotations

from urllib.parse import quote

from intertie.gateway.billing.billing_invoice import find_statement, from_statement, issue
from intertie.gateway.office.office_acts import at_desk
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.views.view_settlement import may_invoice
from intertie.gateway.views.view_statement import line_view, local_period, statement_view, to_replace
from intertie.model.ids import NAME, MessageId
from intertie.portal.pages.reading import Fields
from intertie.portal.pages.settling import ONE, desk_of, name_of, partner_of
from intertie.portal.pages.visit import Done, View, Visit
from intertie.portal.pages.web import act, page

# Lines of a statement are at most a thousand events' of four kinds.
LINE_MAX = 1_000_000


@page(ONE + "/statements/{name:path}", Right.READ)
def statement_page(visit: Visit) -> View:
    """The statement."""
    desk = desk_of(visit)
    found = statement_view(desk, name_of(visit))
    first, last = local_period(found)
    can_invoice = visit.may(Right.SETTLE) and not found.invoices and may_invoice(desk)
    replaces = to_replace(desk, found.statement) if can_invoice and found.corrects else None
    return View(
        "statement.html",
        f"Statement {found.statement}",
        {"found": found, "first": first, "last": last, "can_invoice": can_invoice, "replaces": replaces},
    )


@page(ONE + "/lines/{number:int}/{name:path}", Right.READ)
def line_page(visit: Visit) -> View:
    """A line as arithmetic."""
    found = line_view(desk_of(visit), name_of(visit), int(visit.at["number"]))
    return View("line.html", f"Line {found.line.number} of {found.statement}", {"found": found})


@page(ONE + "/shadow/{name:path}", Right.READ)
def shadow_page(visit: Visit) -> View:
    """The statement worked out again, line beside line."""
    desk, name = desk_of(visit), name_of(visit)
    found = visit.office.beside.settler().shadow(desk, name)
    said = statement_view(desk, name)
    beyond = any(row.beyond and row.difference for row in found.lines)
    open_ = beyond and not (said.ours or said.invoices or said.disputes or said.corrected_by)
    context = {"found": found, "can_dispute": open_ and visit.may(Right.SETTLE)}
    return View("shadow.html", f"{found.statement} and our own", context)


@page(ONE + "/true-up/{name:path}", Right.READ)
def true_up_page(visit: Visit) -> View:
    """A statement of ours on the readings that count now, beside what was said; nothing leaves by looking."""
    desk, name = desk_of(visit), name_of(visit)
    found = visit.office.beside.settler().true_up(desk, name)
    context = {"found": found, "name": name, "can_send": visit.may(Right.SETTLE) and not found.same}
    return View("true_up.html", f"True-up of {found.before}", context)


@act(ONE + "/true-up/{name:path}", Right.SETTLE)
def true_up_statement(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Send the corrected statement, if it still comes to what the page showed."""
    partner, name, settler = partner_of(visit), name_of(visit), visit.office.beside.settler()
    seen = form.decimal("change", "the change")
    (made,) = at_desk(visit.gateway, partner, stamp, lambda desk: settler.correct(desk, name, seen))
    done = f"The correction of {name} by {seen} is queued. Whoever charged for it replaces that invoice."
    return Done(f"/messages/{made}", done, f"{name} {seen} {made}")


@act(ONE + "/dispute-statement/{name:path}", Right.SETTLE)
def dispute_statement(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Dispute a partner's statement before anybody charges for it."""
    partner, name, settler = partner_of(visit), name_of(visit), visit.office.beside.settler()
    called = f"X-{name}"
    (made,) = at_desk(
        visit.gateway, partner, stamp, lambda desk: settler.dispute_statement(desk, name, called)
    )
    to = f"/settlement/{partner}/disputes/{quote(called)}"
    return Done(to, f"{called} is queued.", f"{name} as {called} {made}")


@act(ONE + "/invoice/{name:path}", Right.SETTLE)
def invoice_statement(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Charge what a statement supports, in place of an invoice for what it corrects; due as the contract says."""
    partner, name = partner_of(visit), name_of(visit)
    corrects = form.matching("corrects", NAME, "the invoice that it replaces")

    def charge(desk: Desk) -> MessageId:
        body = from_statement(desk, find_statement(desk, name), corrects=corrects)
        return issue(desk, body)

    (made,) = at_desk(visit.gateway, partner, stamp, charge)
    return Done(f"/messages/{made}", f"The invoice for {name} is queued.", f"{name} {made}")


ROUTES = [
    statement_page,
    line_page,
    shadow_page,
    true_up_page,
    true_up_statement,
    dispute_statement,
    invoice_statement,
]
