"""Charging by hand: an invoice of lines of our own, one of interest, and a credit memo. Each is seen before it leaves."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from intertie.gateway.billing import billing_invoice
from intertie.gateway.billing.billing_account import days
from intertie.gateway.billing.billing_desk import find_item
from intertie.gateway.office.approvals import TwoPeople
from intertie.gateway.office.office_acts import at_desk
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.trading.trade_desk import Desk
from intertie.model.account import CreditReason
from intertie.model.billing import Invoice, LineCode
from intertie.model.errors import SettingsError
from intertie.model.ids import NAME, MessageId
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.settling import ONE, agreement_in, desk_of, name_of, partner_of
from intertie.portal.pages.visit import Done, View, Visit
from intertie.portal.pages.web import act, page

# What a person writes by hand; longer invoices come from statements, or by the API.
LINES_MAX = 10
# Lines of an invoice whose credit is typed on one page.
CREDIT_LINES_MAX = 1_000
SHORT_MAX, TEXT_MAX = 200, 2_000
PARTS = ("text", "quantity", "unit", "rate", "code")


@page(ONE + "/charge", Right.SETTLE)
def charge_page(visit: Visit) -> View:
    """The form for lines of our own; what they come to, once there are any; and what is owed for late payment."""
    desk, query = desk_of(visit), visit.query
    drafted = _drafted(desk, query) if _charges(query) else None
    return View(
        "charge.html",
        f"Charge {desk.known.name}",
        {
            "partner": desk.partner,
            "agreement": agreement_in(query) or "",
            "given": query.given(),
            "numbers": range(1, LINES_MAX + 1),
            "codes": [one.value for one in LineCode if one is not LineCode.INTEREST],
            "drafted": drafted,
            "kept": [(name, value) for name, value in query.given().items() if _is_ours(name)],
        },
    )


@act(ONE + "/charge", Right.SETTLE)
def charge_lines(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Send the invoice, if it still comes to what was seen."""
    return _issue(visit, form, stamp, lambda desk: _drafted(desk, form))


@page(ONE + "/interest", Right.SETTLE)
def interest_page(visit: Visit) -> View:
    """What is owed for late payment and was not charged yet, as an invoice."""
    desk = desk_of(visit)
    context = {"partner": desk.partner, "agreement": agreement_in(visit.query) or ""}
    found: dict[str, object] = {"drafted": None, "why": None}
    try:
        found["drafted"] = billing_invoice.of_interest(desk)
    except SettingsError as error:  # no rate was agreed, or nobody is late: no mistake of who asks
        found["why"] = error
    return View("interest.html", "Interest on late payment", {**context, **found})


@act(ONE + "/interest", Right.SETTLE)
def charge_interest(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Send it, if it still comes to what was seen."""
    return _issue(visit, form, stamp, billing_invoice.of_interest)


@act(ONE + "/credit/{name:path}", Right.SETTLE, TwoPeople.PAYMENT)
def credit_invoice(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Lower lines of an invoice of ours by what was typed. All of it only if that was ticked."""
    partner, name = partner_of(visit), name_of(visit)
    reason = form.one_of("reason", CreditReason)
    if reason is None:
        raise FieldError("why it is lowered is missing", do="Choose one.")
    whole = form.maybe("whole", 10) == "yes"

    def crediting(desk: Desk) -> MessageId:
        numbers = [line.number for line in find_item(desk, name).lines][:CREDIT_LINES_MAX]
        lines = [(number, form.decimal(f"line-{number}")) for number in numbers if f"line-{number}" in form]
        if bool(lines) == whole:
            raise FieldError("by how much?", do="Type amounts, or tick all of it, and not both.")
        return billing_invoice.credit(desk, name, lines, reason, text=form.maybe("text", TEXT_MAX) or "")

    (made,) = at_desk(visit.gateway, partner, stamp, crediting, agreement_in(form))
    return Done(f"/messages/{made}", f"The credit memo for {name} is queued.", f"{name} {made}")


def _issue(visit: Visit, form: Fields, stamp: Stamp, draft: Callable[[Desk], Invoice]) -> Done:
    partner, seen = partner_of(visit), form.decimal("total", "the total")

    def charging(desk: Desk) -> MessageId:
        body = draft(desk)
        if body.total.amount != seen:
            raise FieldError(f"it comes to {body.total.amount} by now, not {seen}", do="Load the page again.")
        return billing_invoice.issue(desk, body)

    (made,) = at_desk(visit.gateway, partner, stamp, charging, agreement_in(form))
    return Done(f"/messages/{made}", "The invoice is queued.", f"{seen} {made}")


def _drafted(desk: Desk, fields: Fields) -> Invoice:
    """The invoice of the lines. FieldError, SettingsError."""
    first, last = fields.day("first", "the first day"), fields.day("last", "the last day")
    if (first is None) != (last is None):
        raise FieldError("one day of the period is missing", do="Give both, or none.")
    period = None if first is None or last is None else days(desk, first, last)
    charges = _charges(fields)
    if not charges:
        raise FieldError("nothing is charged", do="Write a line.")
    name, corrects = (
        fields.matching("name", NAME, "its name"),
        fields.matching("corrects", NAME, "what it corrects"),
    )
    return billing_invoice.from_lines(desk, period, charges, name, corrects)


def _charges(fields: Fields) -> list[billing_invoice.Charge]:
    """The lines that were written. FieldError for one of which a part is missing."""
    return [
        _charge(fields, number)
        for number in range(1, LINES_MAX + 1)
        if any(f"{part}-{number}" in fields for part in PARTS[:-1])
    ]


def _charge(fields: Fields, number: int) -> billing_invoice.Charge:
    text, unit = (
        fields.text(f"{part}-{number}", f"line {number}: {part}", SHORT_MAX) for part in ("text", "unit")
    )
    quantity, rate = (_number(fields, part, number) for part in ("quantity", "rate"))
    code = fields.one_of(f"code-{number}", LineCode) or LineCode.ADJUSTMENT
    return billing_invoice.Charge(text, quantity, unit, rate, code)


def _number(fields: Fields, part: str, number: int) -> Decimal:
    return fields.decimal(f"{part}-{number}", f"line {number}: {part}")


def _is_ours(name: str) -> bool:
    """Whether a field of an address belongs to the invoice."""
    part, dash, number = name.partition("-")
    return name in ("first", "last", "name", "corrects") or (
        bool(dash) and part in PARTS and number.isdigit()
    )


ROUTES = [charge_page, charge_lines, interest_page, charge_interest, credit_invoice]
