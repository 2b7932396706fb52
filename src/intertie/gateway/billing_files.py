"""Documents of billing as files: the same bytes on either side."""

from __future__ import annotations

import msgspec

from intertie.formats.account_pdf import account_pdf
from intertie.formats.billing_csv import account_csv, invoice_csv
from intertie.formats.invoice_pdf import Envelope, Named, invoice_pdf
from intertie.gateway.trade_desk import Desk
from intertie.market.event import Event
from intertie.model.account import AccountStatement
from intertie.model.billing import Invoice
from intertie.model.errors import SettingsError


def find_document(desk: Desk, name: str) -> Event:
    """The message with the invoice or statement of account of this name that both hold; SettingsError if there is none."""
    for event in reversed(desk.events):
        if name == _name_of(event):
            return event
    raise SettingsError(
        f"no invoice or statement of account {name} with {desk.partner}",
        do=f"`intertie billing show {desk.partner}` lists the invoices; what waits for its receipt is not there yet.",
    )


def _name_of(event: Event) -> str | None:
    body = event.body
    if isinstance(body, Invoice):
        return body.invoice
    return body.account if isinstance(body, AccountStatement) else None


def envelope_of(desk: Desk, event: Event) -> Envelope:
    """What a page says around the document: both parties by name, and the zone of the contract's calendar."""
    names = {desk.us: desk.gateway.party.name, desk.partner: desk.known.name}
    sender, recipient = (Named(party, names[party]) for party in (event.sender, event.recipient))
    return Envelope(event.message, sender, recipient, event.agreement, desk.text.calendar.zone)


def written(desk: Desk, event: Event, kind: str) -> bytes:
    """The document as a file of a kind: `.pdf`, `.csv` or `.json`."""
    body = event.body
    if kind == ".json":
        return msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n"
    if isinstance(body, Invoice):
        return invoice_pdf(body, envelope_of(desk, event)) if kind == ".pdf" else invoice_csv(body)
    assert isinstance(body, AccountStatement)
    return account_pdf(body, envelope_of(desk, event)) if kind == ".pdf" else account_csv(body)
