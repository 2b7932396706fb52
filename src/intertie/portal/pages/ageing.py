"""Money: what is owed by age, an invoice line by line, on paper, checked, disputed, and paid."""

from __future__ import annotations

from urllib.parse import quote

from intertie.gateway.billing.billing_files import find_document, written
from intertie.gateway.billing.billing_pay import pay, payable, total_of
from intertie.gateway.office.approvals import TwoPeople
from intertie.gateway.office.office_acts import NotHere, at_desk
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.views.view_ageing import disputes, invoice_view, owed
from intertie.gateway.views.view_settlement import trading_partners
from intertie.model.account import CreditReason
from intertie.model.billing import PaymentMethod
from intertie.model.errors import IntertieError
from intertie.model.ids import NAME, PARTY, MessageId, PartyId
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.settling import ONE, SETTLEMENT, desk_of, name_of, partner_of
from intertie.portal.pages.visit import Done, Download, View, Visit
from intertie.portal.pages.web import act, page

# Partners whose money is added up on one page; of more, one is chosen.
PARTNERS_MAX = 20
_KINDS = {".pdf": "application/pdf", ".csv": "text/csv", ".json": "application/json"}


@page(SETTLEMENT + "/ageing", Right.READ)
def ageing_page(visit: Visit) -> View:
    """What is owed between us and one partner, or each."""
    chosen, day = visit.query.matching("partner", PARTY), visit.query.day("on")
    partners = trading_partners(visit.gateway)
    asked = [PartyId(chosen)] if chosen else list(partners[:PARTNERS_MAX])
    found, unknown = [], []
    for partner in asked:
        try:
            desk = Desk(visit.gateway, partner, visit.now)
            found.append({"owed": owed(desk, day), "disputes": disputes(desk)})
        except IntertieError as error:
            if chosen:
                raise
            unknown.append((partner, error.why))  # no contract yet, or several: that one alone has a page
    return View(
        "ageing.html",
        "What is owed",
        {
            "found": found,
            "unknown": unknown,
            "partners": partners,
            "partner": chosen or "",
            "on": day,
            "more": len(partners) - len(asked) if not chosen else 0,
        },
    )


@page(ONE + "/invoices/{name:path}", Right.READ)
def invoice_page(visit: Visit) -> View:
    """One invoice."""
    found = invoice_view(desk_of(visit), name_of(visit))
    settles = visit.may(Right.SETTLE)
    return View(
        "invoice.html",
        f"Invoice {found.row.invoice}",
        {
            "found": found,
            "settles": settles,
            "methods": [one.value for one in PaymentMethod],
            "credit_reasons": [one.value for one in CreditReason],
        },
    )


@page(ONE + "/files/{name:path}", Right.READ)
def invoice_file(visit: Visit) -> Download:
    """An invoice, credit memo, remittance or account as PDF, CSV or JSON."""
    desk, name = desk_of(visit), name_of(visit)
    kind = f".{visit.query.matching('as', 'pdf|csv|json') or 'pdf'}"
    return Download(f"{name}{kind}", written(desk, find_document(desk, name), kind), _KINDS[kind])


@page(ONE + "/check/{name:path}", Right.READ)
def check_page(visit: Visit) -> View:
    """An invoice worked out again: what may be disputed."""
    desk, name = desk_of(visit), name_of(visit)
    acts = invoice_view(desk, name).acts
    if not acts.check:
        raise NotHere(f"{name} charges nothing that a settlement comes to", do="Its own page has all of it.")
    found = visit.office.beside.settler().check(desk, name)
    can_dispute = bool(found.lines) and acts.dispute and visit.may(Right.SETTLE)
    return View("check.html", f"Invoice {name} and our own", {"found": found, "can_dispute": can_dispute})


@act(ONE + "/dispute/{name:path}", Right.SETTLE)
def dispute_invoice(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Dispute the lines that differ by more than the tolerance."""
    partner, name, settler = partner_of(visit), name_of(visit), visit.office.beside.settler()
    called = form.matching("dispute", NAME, "the dispute's name") or f"X-{name}"
    until = form.instant("reply_by", "an answer by")
    (made,) = at_desk(visit.gateway, partner, stamp, lambda desk: settler.dispute(desk, name, called, until))
    to = f"/settlement/{partner}/disputes/{quote(called)}"
    return Done(to, f"{called} is queued.", f"{name} as {called} {made}")


@act(ONE + "/pay/{name:path}", Right.SETTLE, TwoPeople.PAYMENT)
def pay_invoice(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Say that what is payable of an invoice was paid."""
    partner, name = partner_of(visit), name_of(visit)
    method, day = form.one_of("method", PaymentMethod), form.day("paid_on", "paid on")
    if method is None:
        raise FieldError("how it was paid is missing", do="Choose one.")
    reference = form.matching("reference", NAME, "the bank's reference") or form.text(
        "reference", "the reference"
    )
    seen = form.decimal("amount", "the amount")

    def paying(desk: Desk) -> MessageId:
        lines = payable(desk, (name,))
        if total_of(lines) != seen:
            raise FieldError(f"{total_of(lines)} is payable now, not {seen}", do="Load the page again.")
        return pay(desk, lines, method, reference, day)

    (made,) = at_desk(visit.gateway, partner, stamp, paying)
    return Done(f"/messages/{made}", f"The payment of {name} is queued.", f"{name} {seen} {made}")


ROUTES = [ageing_page, invoice_page, invoice_file, check_page, dispute_invoice, pay_invoice]
