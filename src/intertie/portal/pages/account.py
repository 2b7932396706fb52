"""The statement of account: made from what both hold, sent, kept as a file, and the partner's compared with our own."""

from __future__ import annotations

from datetime import date

import msgspec

from intertie.formats.billing_csv import account_csv
from intertie.gateway.billing import billing_account
from intertie.gateway.office.office_acts import at_desk
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.views.view_account import account_view
from intertie.market.billing import statement_hash
from intertie.model.ids import NAME, MessageId
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.settling import ONE, agreement_in, desk_of, name_of, partner_of
from intertie.portal.pages.visit import Done, Download, View, Visit
from intertie.portal.pages.web import act, page


@page(ONE + "/account", Right.READ)
def account_page(visit: Visit) -> View:
    """The statement of the days that are asked for, or of last month."""
    desk = desk_of(visit)
    return View(
        "account.html",
        f"Account with {desk.known.name}",
        {
            "found": account_view(desk, *_days(visit.query)),
            "partner": desk.partner,
            "agreement": agreement_in(visit.query) or "",
            "settles": visit.may(Right.SETTLE),
        },
    )


@page(ONE + "/account-file", Right.READ)
def account_file(visit: Visit) -> Download:
    """The same as CSV or JSON, before anybody sends it; one that was sent is PDF, too."""
    found = account_view(desk_of(visit), *_days(visit.query))
    name = found.body.account
    if (visit.query.matching("as", "csv|json") or "csv") == "csv":
        return Download(f"{name}.csv", account_csv(found.body), "text/csv")
    return Download(f"{name}.json", msgspec.json.encode(found.body), "application/json")


@page(ONE + "/account-compared/{name:path}", Right.READ)
def compared_page(visit: Visit) -> View:
    """A partner's statement, made again from our own book: the same bytes, or where the two part."""
    desk, name = desk_of(visit), name_of(visit)
    found = billing_account.compare(desk, billing_account.find(desk, name))
    hashes = statement_hash(found.theirs), statement_hash(found.ours)
    context = {"found": found, "hashes": hashes, "partner": desk.partner}
    return View("account_compared.html", f"{name} and our own", context)


@act(ONE + "/account", Right.SETTLE)
def send_account(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Send the statement that was seen: under its name, and only if it is still the same."""
    partner, (first, last) = partner_of(visit), _days(form)
    if first is None:
        raise FieldError("the days are missing", do="Load the page again.")
    name = form.matching("account", NAME, "its name") or form.text("account", "its name")
    seen = form.text("sha256", "what was seen", 64)

    def sending(desk: Desk) -> MessageId:
        found = account_view(desk, first, last, name)
        if found.sha256 != seen:
            raise FieldError("the account has changed since it was shown", do="Load the page again.")
        return billing_account.send(desk, found.body)

    (made,) = at_desk(visit.gateway, partner, stamp, sending, agreement_in(form))
    return Done(f"/messages/{made}", f"The statement of account {name} is queued.", f"{name} {made}")


def _days(fields: Fields) -> tuple[date | None, date | None]:
    """Both days, or none. FieldError for one of them alone."""
    first, last = fields.day("first", "the first day"), fields.day("last", "the last day")
    if (first is None) != (last is None):
        raise FieldError("one day of the period is missing", do="Give both.")
    return first, last


ROUTES = [account_page, account_file, compared_page, send_account]
